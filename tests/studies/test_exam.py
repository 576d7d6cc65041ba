"""Exact pass@k is what slow arithmetic says and what sampling converges to."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from interlude.models.files import Corrupt
from interlude.models.hf import HF
from interlude.models.key import key
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stages.pretrain import Pretrain
from interlude.studies import exam as exam_
from interlude.studies import scoring
from interlude.studies.exam import Exam, answered, cached_result, evaluate
from interlude.studies.exams import sampled as sampled_
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.forced import ForcedExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.results import tallies
from interlude.studies.run import train_or_load
from interlude.studies.scoring import solution_logprobs
from interlude.synth.solution_style import Words
from interlude.synth.source import Mixture, Source
from interlude.synth.verify import Verdict, verify

PAPER = Source(ops=(1, 2), modulus=3, names=6, split="any")
EXACT = ExactExam("exact", PAPER, problems=20)


def slow(lm, problem, temperature: float) -> list[float]:
    """log p of each solution token: a forward pass of its own for every prefix, and a softmax written out."""
    ids = lm.encode(problem.question)
    found = []
    for token in lm.encode(problem.solution):
        logits = [float(x) / temperature for x in lm.forward(torch.tensor([ids]))[0, -1]]
        top = max(logits)
        found.append(logits[token] - top - math.log(sum(math.exp(x - top) for x in logits)))
        ids.append(token)
    return found


@pytest.mark.parametrize("temperature", (1.0, 0.6, 1.5))
def test_exact_equals_token_by_token(temperature, learned):
    # Mutants: the first or last token left out; off by one; temperature applied after the softmax.
    lm, exam = learned(), dataclasses.replace(EXACT, problems=6, temperature=temperature)
    found = evaluate(lm, exam)
    with torch.no_grad():
        expected = [slow(lm, problem, temperature) for problem in exam.draw_problems()]
        tokens = solution_logprobs(lm, exam.draw_problems(), temperature)
    assert found.logp == pytest.approx([sum(row) for row in expected], abs=1e-3) and found.logp.max() < 0
    for row, slowly in zip(tokens, expected, strict=True):
        assert row.tolist() == pytest.approx(slowly, abs=1e-4)


def test_roles_add_up_to_the_whole(learned):
    # Mutants: a role counted twice; roles of one problem given to another (they are sorted by length in between).
    lm = learned()
    found = evaluate(lm, EXACT)
    assert sum(found.roles.values()) == pytest.approx(found.logp, abs=1e-9)
    assert {"planning", "retrieval", "arithmetic", "stop", "answer"} <= set(found.roles)
    with torch.no_grad():
        tokens = solution_logprobs(lm, EXACT.draw_problems())
    for i, (problem, row) in enumerate(zip(EXACT.draw_problems(), tokens, strict=True)):
        for role in found.roles:
            of_role = [value for name, value in zip(problem.written.solution_roles, row, strict=True) if name == role]
            assert found.roles[role][i] == pytest.approx(sum(of_role), abs=1e-5)


def test_batches_are_of_no_consequence(learned, monkeypatch):
    # Mutants: results in sorted order; padding seen by attention.
    lm = learned()
    whole = evaluate(lm, EXACT)
    for rows in (1, 7):
        monkeypatch.setitem(scoring.ROWS, "cpu", rows)
        part = evaluate(lm, EXACT)
        assert part.logp == pytest.approx(whole.logp, abs=1e-4)
        assert part.roles["planning"] == pytest.approx(whole.roles["planning"], abs=1e-4)


@pytest.mark.parametrize("temperature", (1.0, 0.8, 1.2))
def test_sampled_agrees_with_exact(temperature, learned):
    # Mutants: a strict score that the canonical solution does not define; a sampler that is not the model's softmax;
    # temperature in one of the two only; one stream for all samples of a problem.
    lm = learned()
    paper = Source(ops=(1, 1), modulus=3, names=6)
    exact = evaluate(lm, ExactExam("e", paper, problems=16, temperature=temperature))
    sampled = evaluate(
        lm, SampledExam("s", paper, problems=16, samples=256, temperature=temperature, max_new_tokens=40)
    )
    p, n = np.exp(exact.logp), sampled.samples
    assert 0.1 < p.mean() < 0.95 and n == 256
    spread = math.sqrt(float((n * p * (1 - p)).sum()))
    assert abs(float(sampled.strict.sum() - n * p.sum())) < 4 * spread
    # And problem by problem: chi-square with 16 degrees of freedom has mean 16 and standard deviation 5.7.
    assert float(((sampled.strict - n * p) ** 2 / (n * p * (1 - p))).sum()) < 16 + 5 * 5.7
    # pass@k for k = 4 by the unbiased estimator against 1 - (1 - p)^k.
    misses = np.array([math.comb(n - int(c), 4) / math.comb(n, 4) for c in sampled.strict])
    assert (1 - misses).mean() == pytest.approx((1 - (1 - p) ** 4).mean(), abs=0.05)
    assert (sampled.answer >= sampled.strict).all() and (sampled.process <= 1).all() and sampled.tokens.min() > 1


def test_sampled_counts_are_the_verifiers(learned, monkeypatch):
    # Mutant: samples credited to the neighbouring problem when the batch is cut.
    lm, judged = learned(), []

    def spy(problem, text):
        judged.append((problem, verify(problem, text)))
        return judged[-1][1]

    monkeypatch.setattr(sampled_, "judge", spy)
    exam = SampledExam("s", PAPER, problems=5, samples=200, max_new_tokens=48)  # two problems a batch
    found, paper = evaluate(lm, exam), exam.draw_problems()
    assert len(judged) == 1000 and found.strict.sum() > 0
    for i, problem in enumerate(paper):
        own = [verdict for asked, verdict in judged if asked == problem]
        assert len(own) == 200 and found.strict[i] == sum(v.strict for v in own)
        assert found.answer[i] == sum(v.answer for v in own)
        assert found.process[i] == pytest.approx(sum(v.process for v in own) / 200)


def test_thoughts_are_counted_apart(learned, monkeypatch):
    # Mutants: tags counted; thoughts of all responses added up instead of averaged.
    lm = learned()
    exam = SampledExam("s", PAPER, problems=3, samples=4, max_new_tokens=24)
    assert not evaluate(lm, exam).thought.any()
    monkeypatch.setattr(type(lm), "decode", lambda self, ids: "<think> a b c </think> d")
    assert evaluate(lm, exam).thought.tolist() == [3.0] * 3


def test_a_paper_is_the_same_for_everyone():
    # Mutant: problems drawn by the exam's name, so that renaming an exam changes its problems.
    assert EXACT.draw_problems() == dataclasses.replace(EXACT, name="other", temperature=2.0).draw_problems()
    assert dataclasses.replace(EXACT, problems=30).draw_problems()[:20] == EXACT.draw_problems()


def test_the_guess_floor_is_the_sources_not_the_samples():
    # Mutants: the commonest answer of the exam's own problems, which three problems overstate; one floor for all.
    few = dataclasses.replace(EXACT, problems=3)
    answers = [EXACT.source.problem("many", i).answer for i in range(4000)]
    wanted = max(answers.count(n) for n in range(3)) / 4000
    assert few.guess_floor == EXACT.guess_floor == pytest.approx(wanted, abs=0.04)


def test_answers_are_taken_once_and_kept(tiny, runs, monkeypatch):
    # Mutants: answers of another exam or model returned; numbers rounded in the file.
    optim = Optim(warmup=1)
    recipe = Recipe(tiny) + Pretrain(steps=1, batch_size=2, optim=optim, data=PAPER)
    lm = train_or_load(recipe)
    sampled = SampledExam("s", PAPER, problems=3, samples=4, max_new_tokens=24)
    assert not answered(recipe, EXACT)
    first, other = cached_result(recipe, EXACT, lm), cached_result(recipe, sampled, lm)
    monkeypatch.setattr(Exam, "evaluate", None)
    assert answered(recipe, EXACT) and answered(recipe, sampled)
    again = cached_result(recipe, EXACT, None)
    assert np.array_equal(again.logp, first.logp)
    assert [each.tolist() for each in again.planning] == [each.tolist() for each in first.planning]
    assert {role: values.tolist() for role, values in again.roles.items()} == {
        r: v.tolist() for r, v in first.roles.items()
    }
    assert np.array_equal(cached_result(recipe, sampled, None).strict, other.strict)
    assert not answered(recipe, dataclasses.replace(EXACT, temperature=0.5))


def test_changed_answers_are_refused_by_name(tiny, runs, monkeypatch):
    # Mutants: answers read past their digest; a digest of the answers alone, so that another exam's file is taken.
    recipe = Recipe(tiny) + Pretrain(steps=1, batch_size=2, optim=Optim(warmup=1), data=PAPER)
    other = dataclasses.replace(EXACT, temperature=0.5)
    lm = train_or_load(recipe)
    cached_result(recipe, EXACT, lm), cached_result(recipe, other, lm)
    monkeypatch.setattr(Exam, "evaluate", None)
    path, others = exam_.kept_at(recipe, EXACT), exam_.kept_at(recipe, other)
    whole = path.read_bytes()
    digit = whole.index(b'"logp"') + 20
    edited = whole[:digit] + (b"1" if whole[digit : digit + 1] != b"1" else b"2") + whole[digit + 1 :]
    for content in (edited, whole[:-5], b"", b"[]", b"{}", others.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(Corrupt, match=path.name):
            cached_result(recipe, EXACT, None)
    path.write_bytes(whole)
    cached_result(recipe, EXACT, None)
    again = recipe.with_seed(1)
    exam_.kept_at(again, EXACT).parent.mkdir(parents=True)
    exam_.kept_at(again, EXACT).write_bytes(whole)
    with pytest.raises(Corrupt, match="another model's; delete it: `interlude run` takes the exam again"):
        cached_result(again, EXACT, None)


def test_only_sampled_answers_rest_on_the_verifier(monkeypatch):
    # Mutants: sampled answers kept when the verifier changed; exact ones, which it never saw, thrown away.
    exams = EXACT, SampledExam("s", PAPER, samples=2)
    before = [key(exam) for exam in exams]
    monkeypatch.setattr(Verdict, "version", Verdict.version + 1)
    assert [key(exam) == was for exam, was in zip(exams, before, strict=True)] == [True, False]


def test_bad_exams_are_refused():
    # Mutants: a check left out; only the first part of a mixture looked at; a liberty that one kind lets pass.
    prose = dataclasses.replace(PAPER, dialect="prose")
    asked = SampledExam("s", PAPER)
    for exam, change, message in (
        (EXACT, {"problems": 0}, "Exam.problems"),
        (EXACT, {"temperature": 0.0}, "Exam.temperature"),
        (asked, {"samples": 0}, "SampledExam.samples"),
        (asked, {"max_new_tokens": 0}, "max_new_tokens"),
        (EXACT, {"source": prose}, "cannot be exact in prose"),
        (EXACT, {"source": Mixture(((0.5, PAPER), (0.5, prose)))}, "cannot be exact in prose"),
        (EXACT, {"source": dataclasses.replace(PAPER, thoughts="ignored")}, "Source.thoughts"),
        (EXACT, {"source": dataclasses.replace(PAPER, skip_prob=0.1)}, "Source.skip_prob"),
        (EXACT, {"source": dataclasses.replace(PAPER, words=Words())}, "Source.words"),
        (EXACT, {"source": dataclasses.replace(PAPER, approach="plain")}, "Source.approach"),
        (ForcedExam("f", PAPER), {"source": prose}, "cannot be forced in prose"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(exam, **change)
    dataclasses.replace(asked, source=prose)


def test_planning_is_split_by_the_step_that_is_chosen(learned):
    # Mutants: the closing mark counted as a choice; stopping forgotten; steps counted from the end; a mean over
    # problems that lack the step.
    lm = learned()
    found = evaluate(lm, EXACT)
    for problem, nats, planning, stop in zip(
        EXACT.draw_problems(), found.planning, found.roles["planning"], found.roles["stop"], strict=True
    ):
        assert len(nats) == problem.ops + 1 and nats[:-1].sum() == pytest.approx(-planning, abs=1e-9)
        assert 0 <= nats[-1] <= -stop + 1e-9
    with torch.no_grad():
        tokens = solution_logprobs(lm, EXACT.draw_problems())
    for problem, nats, row in zip(EXACT.draw_problems(), found.planning, tokens, strict=True):
        written = problem.written.solution_tokens
        starts = [0] + [at + 1 for at, token in enumerate(written) if token == ";"]  # of every step, then of the answer
        assert nats.tolist() == pytest.approx([-row[at] for at in starts], abs=1e-5)
    cell = tallies(EXACT.cells(found)["planning_by_step"])
    deep = [nats for nats in found.planning if len(nats) == 3]
    assert list(cell) == ["1", "2", "stop"] and 0 < len(deep) < 20
    assert cell["2"] == pytest.approx(np.mean([nats[1] for nats in deep]), abs=1e-4)
    assert cell["stop"] == pytest.approx(np.mean([nats[-1] for nats in found.planning]), abs=1e-4)


def test_structures_are_counted_blind_to_names():
    # Mutants: questions counted, which differ in names; the first problem's graph for all.
    alike = ExactExam("e", Source(ops=(1, 1), modulus=3, names=6, split="held_out"), problems=60)
    graphs = {problem.graph.canonical for problem in alike.draw_problems()}
    questions = {problem.question for problem in alike.draw_problems()}
    assert alike.structures == len(graphs) < len(questions)


def test_models_with_tokens_of_their_own_are_refused_before_work(tiny, learned, monkeypatch):
    # Mutants: refused after the forward passes, or by zip; sampled exams, which judge text, refused too.
    theirs = Recipe(HF("their/model"))
    for exam in (EXACT, ForcedExam("f", PAPER)):
        with pytest.raises(ValueError, match=f"'{exam.name}' is {exam.kind} .*tokenizer of its own"):
            exam.check(theirs)
        exam.check(Recipe(tiny))
    SampledExam("s", PAPER).check(theirs)
    lm = learned()
    encode = type(lm).encode
    monkeypatch.setattr(type(lm), "encode", lambda self, text: [token for token in encode(self, text) for _ in "12"])
    monkeypatch.setattr(type(lm), "logits_at", None)
    with pytest.raises(ValueError, match="reads the role of every token"):
        evaluate(lm, EXACT)


def test_an_exam_without_room_is_refused(learned):
    # Mutant: no check, so that every response is cut off and every score is 0.
    with pytest.raises(ValueError, match="exam 's' allows max_new_tokens=5, but 3 of 3 reference solutions are longer"):
        evaluate(learned(), SampledExam("s", PAPER, problems=3, samples=1, max_new_tokens=5))
