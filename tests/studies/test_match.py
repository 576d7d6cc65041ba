"""The exam of next tokens, against thoughts sampled one token at a time, and what counts as a thought."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from crafted import match_rows, study_rows
from recompute import agree

from interlude.models.lm import tags
from interlude.studies import results
from interlude.studies.exam import evaluate
from interlude.studies.exams import match
from interlude.studies.exams.match import MEASURES, MatchExam
from interlude.studies.methods import arena
from interlude.studies.midtraining import rmt
from interlude.studies.results import numbers
from interlude.studies.scales import SCALES, SMOKE
from interlude.studies.verdicts import decide
from interlude.synth.render import INFERRED
from interlude.synth.rng import rng, uniforms

SCALE = arena(SMOKE)
ANY, INFERABLE = (replace(exam, problems=8, samples=5, max_new_tokens=24) for exam in SCALE.match_exams())


@pytest.fixture(scope="module")
def lm():
    model = SCALE.model.build(3).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(2)  # one with which half of the thoughts are closed
    for weight in model.parameters():  # an untrained model predicts all tokens alike
        weight += 0.3 * torch.randn(weight.shape, generator=noise)
    return model


def predicted(lm, ids: list[int], temperature: float) -> torch.Tensor:
    """The distribution (V) of the next token."""
    return (lm(torch.tensor([ids]))[0, -1].double() / temperature).softmax(-1)


@pytest.mark.parametrize("exam", (ANY, replace(ANY, temperature=0.7), INFERABLE), ids=("any", "colder", "inferable"))
def test_it_is_thoughts_sampled_a_token_at_a_time(lm, exam):
    # Mutants: plain for match; thoughts that are not closed left out of the mean; a closing tag that takes the room of
    # the prediction; the prediction before the closing tag; one stream for all thoughts; temperature 1; the place one
    # later; the question left out.
    opening, closing = tags(lm)
    found, own = evaluate(lm, exam), []
    for row, problem in enumerate(exam.draw_problems()):
        ask, text = lm.encode_prompt(problem.question), lm.encode(problem.solution)
        roles = problem.written.solution_roles
        allowed = [t for t in range(len(text)) if exam.places == "any" or roles[t] == INFERRED]
        t = allowed[int(rng("match", "place", row).random() * len(allowed))]
        after, lengths = [], []
        for n in range(exam.samples):
            thought: list[int] = []
            for u in uniforms("match", "thought", row, n, n=exam.max_new_tokens - 1):
                p = predicted(lm, [*ask, *text[:t], opening, *thought], exam.temperature)
                thought.append(int((p.cumsum(0) > u).nonzero()[0, 0]))
                if thought[-1] in (closing, lm.end):
                    break
            ends = thought[-1] == closing and opening not in thought
            lengths.append(len(thought) - (thought[-1] == closing))
            p = predicted(lm, [*ask, *text[:t], opening, *thought], exam.temperature)
            after.append(float(p[text[t]]) if ends else None)
        plain = float(predicted(lm, [*ask, *text[:t]], exam.temperature)[text[t]])
        closed = [p for p in after if p is not None]
        own.append((sum(closed) / len(after), plain, len(closed) / len(after), np.mean(lengths)))
    for name, due in zip(("match", "plain", "closed", "thought"), zip(*own, strict=True), strict=True):
        assert getattr(found, name).tolist() == pytest.approx(list(due), rel=1e-4), name
    assert 0.3 < found.closed.mean() < 0.8 and 0 < found.match.mean() < found.closed.mean()


@pytest.mark.parametrize(
    ("written", "counts"),
    (
        ("7 7 close", True),
        ("close", True),
        ("7 " * 22 + "close", True),  # 23 tokens and the prediction fill the room
        ("7 " * 23, False),
        ("7 open close", False),
        ("7 end", False),
        ("end", False),
    ),
)
def test_what_counts_as_a_thought(lm, monkeypatch, written, counts):
    # Mutants: another opening tag allowed; a text that ends taken for a thought; zero for an empty thought.
    opening, closing = tags(lm)
    names = {"open": opening, "close": closing, "end": lm.end, "7": 7}
    ids = [names[word] for word in written.split()]
    asked = []

    def wrote(_, prompts, streams, params):
        asked.append((streams.shape[1], params.max_new_tokens, params.stop_token))
        return [ids for _ in prompts]

    monkeypatch.setattr(match, "continuations", wrote)
    found = evaluate(lm, ANY)
    assert asked == [(23, 23, closing)]
    assert found.closed.tolist() == [float(counts)] * ANY.problems and ((found.match > 0) == counts).all()
    assert set(found.thought) == {len(ids) - (ids[-1] == closing)}


def test_places_are_uniform_over_the_texts_that_the_exam_is_about():
    # Mutants: the first inferable token only; never a text's last token; texts of the training split.
    exam = replace(ANY, problems=400)
    problems = exam.draw_problems()
    at = np.array([exam.place(p, n) for n, p in enumerate(problems)])
    length = np.array([len(p.written.solution_roles) for p in problems])
    assert abs(((at + 0.5) / length).mean() - 0.5) < 0.05 and (at == 0).any() and (at == length - 1).any()
    some = [p for n, p in enumerate(problems) if INFERRED in p.written.solution_roles]
    assert 0.2 < len(some) / len(problems) < 0.5  # a share of the corpus' texts stop early
    inferred = replace(INFERABLE, problems=40)
    for row, problem in enumerate(inferred.draw_problems()):
        assert problem.written.solution_roles[inferred.place(problem, row)] == INFERRED
    for each in (ANY, INFERABLE):
        assert (each.source.split, each.source.thoughts, each.source.ops) == ("held_out", "ignored", SMOKE.edge)


def test_results_do_not_depend_on_threads(lm):
    # Mutant: streams by position in a batch.
    threads = torch.get_num_threads()
    first = evaluate(lm, ANY)
    try:
        torch.set_num_threads(2)
        assert evaluate(lm, ANY).as_json() == first.as_json()
    finally:
        torch.set_num_threads(threads)
    fewer = evaluate(lm, replace(ANY, problems=3))  # a row has its own streams
    assert fewer.match.tolist() == pytest.approx(first.match[:3].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    (
        ({"places": "hard"}, "places must be one of any, inferable, got 'hard'"),
        ({"max_new_tokens": 1}, "max_new_tokens of .* must be at least 2"),
        ({"samples": 0}, "samples of .* must be at least 1"),
        ({"source": replace(ANY.source, thoughts="oracle")}, "must not hold thoughts"),
    ),
)
def test_what_cannot_be_asked_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(ANY, **changed)


def test_texts_that_leave_nothing_out_are_refused(lm):
    exam = replace(INFERABLE, source=replace(INFERABLE.source, stop_prob=0.0))
    with pytest.raises(ValueError, match="must leave out a step in every text .* text 0 infers nothing"):
        evaluate(lm, exam)


def test_columns_are_read_back_and_shown(lm):
    # Mutants: one column for another; counts for probabilities.
    found = evaluate(lm, ANY)
    cells = ANY.cells(found)
    assert set(MatchExam.columns) == set(MEASURES) and set(cells) == {*MEASURES, "thought_tokens"}
    for name in MEASURES:
        assert numbers(cells[name]).tolist() == pytest.approx(getattr(found, name).tolist(), abs=1e-5)
    row = {"arm": "a", "exam": ANY.name, "kind": "match", "problems": ANY.problems, "seed": 0, **cells}
    rows = MatchExam.summary(results.Results("s", "smoke", (row,)))
    assert {each["what"]: each["mean"] for each in rows} == pytest.approx(
        {name: getattr(found, name).mean() for name in MEASURES}, abs=1e-5
    )
    ((_, heads, (line,), caption),) = MatchExam.tables(rows)
    assert heads[2:] == [*MEASURES.values()] and "held-out" in caption
    assert float(line[3].split("\n")[0]) == pytest.approx(found.plain.mean(), abs=6e-4)
    assert MatchExam.tables([]) == [] and MatchExam.result.from_json(found.as_json()).match.tolist() == [*found.match]


def test_the_claims_of_rmt_are_about_these_exams(tmp_path):
    # Mutants: the wrong exam, arm or measure in a claim; NTP after thoughts, which it does not write; a sign.
    nano = SCALES["nano"]
    asked = rmt.study(nano)
    exams = {exam.name for exam in asked.exams if exam.kind == "match"}
    scores = [(c, arm, s) for c in rmt.CLAIMS for each in c.comparisons for _, arm, s in each.terms if s.on in exams]
    without = {(arm, s.on) for _, arm, s in scores if s.score == "plain"}
    assert without == {("NTP", rmt.INFERABLE), ("RMT", rmt.ANY)} and {s.on for _, _, s in scores} == exams
    assert all(s.score in ("match", "plain") for _, _, s in scores) and len({c for c, _, _ in scores}) == 8
    assert {(e.problems, e.samples, e.max_new_tokens) for e in asked.exams if e.name in exams} == {(200, 8, 64)}
    arms = [arm.name for arm in asked.arms]
    assert {arm for claim in rmt.CLAIMS for arm in claim.arms} <= {*arms}
    made = study_rows({arm: 4.5 + nth / 9 for nth, arm in enumerate(arms)}, (0, 1, 2), problems=3)
    made += match_rows(arms, (rmt.ANY, rmt.INFERABLE), (0, 1, 2))
    rng_S = np.random.default_rng(0)
    for row in made:
        if row["kind"] == "match":
            row["match"] = results.cell(numbers(row["match"]) + 0.01 * rng_S.standard_normal(2), 5)
    csv = results.store(asked.name, "nano", made, tmp_path)
    bands = {"ID": nano.band, "edge": nano.edge, "hard": nano.hard}
    verdicts = decide(rmt.CLAIMS, results.load(asked.name, "nano", tmp_path), bands)
    agree(csv, rmt.CLAIMS, bands, verdicts)
    at = {name: nth for nth, name in enumerate(arms)}
    first = next(v for v in verdicts if v.claim.name == "RMT matches more than RPT").measured[0]
    assert first.mean == pytest.approx(0.02 * (at["RMT"] - at["RPT"]), abs=0.02)
    ours = next(v for v in verdicts if v.claim.name == "RMT with a thought beats NTP without").measured[0]
    assert ours.mean == pytest.approx(0.3 - 0.1 + 0.01 + 0.02 * at["RMT"] - 0.8 - 0.001 * at["NTP"], abs=0.02)
