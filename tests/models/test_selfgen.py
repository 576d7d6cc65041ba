"""Self-generated data: every kept trace is the starting model's own, right,
asked for by a tag, and taught without it."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
import test_stages
import torch
from conftest import copies

from interlude.models.files import read_jsonl
from interlude.models.gpt import GPT
from interlude.models.hf import HF
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.ledger import JUDGE, ROLLOUT
from interlude.models.optim import Optim
from interlude.models.policy_gradient import Objective
from interlude.models.ranker import fit, runs_of
from interlude.models.recipe import Recipe
from interlude.models.stage import StageModels
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.stages.selfgen import SelfGen, debuts, order, ranked
from interlude.models.train import Machine, frozen, train
from interlude.studies.midtraining import selfgen
from interlude.studies.scales import SCALES
from interlude.synth.approaches import PLAIN, signature, with_approach
from interlude.synth.render import END
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

EASY = Source(ops=(1, 1), modulus=3, names=6, approach=PLAIN)
NAMES = ("levels", "table", "plan", PLAIN)
VOCAB = Vocabulary(modulus=3, worlds=("zoo",), names=6, approaches=True)
SMALL = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=VOCAB)
STAGE = SelfGen(
    steps=4, batch_size=4, optim=Optim(matrix_lr=1e-3, other_lr=1e-3, warmup=2), data=EASY, examples=EASY,
    approaches=NAMES,
    n=4, samples=8, instances=16, per_approach=16, max_new_tokens=40,
)  # fmt: skip
REPLAYING = dataclasses.replace(STAGE, replay=EASY, replay_share=0.25)


@pytest.fixture(scope="module")
def asked():
    """``asked()`` builds a model that has learned to answer plain questions and, on request, by three approaches."""
    sizes = GPT(layers=2, width=32, heads=1, kv_heads=1, hidden=64, vocab=VOCAB)
    lm = sizes.build(0)
    data = dataclasses.replace(EASY, approach=NAMES, tagged=True)
    train(lm, Pretrain(steps=600, batch_size=32, optim=Optim(schedule="linear", floor=0.0), data=data), seed=0)
    return copies(lm)


def test_a_ranker_does_not_see_names_or_values():
    # Mutants: a noun counts as itself; a number as its value; its place in the question ignored, or which way
    # it lies from the noun before.
    source = dataclasses.replace(EASY, ops=(2, 2), names=None, approach=("levels",), modulus=7)
    problem = source.problem("names", 1)
    nouns = [word for word in dict.fromkeys(problem.question.split()) if word.isalpha()]
    other = dict(zip(nouns, ("ants", "bees", "crabs", "doves", "elks", "flies", "gnats", "hares"), strict=False))
    other |= {str(n): str(6 - n) for n in range(7)}

    def renamed(text: str) -> str:
        return " ".join(other.get(word, word) for word in text.split())

    seen = runs_of(problem.question, problem.solution)
    assert seen == runs_of(renamed(problem.question), renamed(problem.solution))
    turned = dict(zip(nouns, reversed(nouns), strict=True))
    assert runs_of(problem.question, " ".join(turned.get(word, word) for word in problem.solution.split())) != seen
    assert {"later", "earlier"} <= {word for run in seen for word in run}


def pool(stage: SelfGen, lm, seed: int = 3):
    """Every question of a stage's pool."""
    start = frozen(lm)
    with torch.no_grad():
        return [stage.pool_entry(start, seed, slot) for slot in range(stage.instances // stage.n)]


def collected(stage: SelfGen, lm, step: int = 0, references=None):
    with torch.no_grad():
        return stage.collect(StageModels(lm.eval(), frozen(lm), references or {}), 3, step, range(stage.batch_size))


def bits(lm) -> str:
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in lm.state_dict().values())).hexdigest()


def test_kept_traces(asked):
    # Mutants: wrong answers kept; an approach twice or missing, or the same first for all; held-out structures; a
    # response that never ends; strict traces only (a right answer by wrong steps is part of the method).
    lm, strict = asked(), []
    for slot, kept in enumerate(pool(dataclasses.replace(STAGE, instances=160), lm)):
        assert [trace.approach for trace in kept.traces] == [NAMES[(slot + nth) % len(NAMES)] for nth in range(4)]
        assert not kept.problem.held_out and kept.right <= kept.rollouts == (kept.dropped + 1) * 4 * 8
        for trace in kept.traces:
            text = lm.decode(trace.response)
            assert verify(kept.problem, text).answer and text.endswith(END)
            assert trace.strict == verify(with_approach(kept.problem, trace.approach), text).strict
            assert trace.shown == signature(kept.problem, text)
            strict.append(trace.strict)
    assert 0 < sum(strict) < len(strict) == 160
    # The tag asks: what is kept shows it far more often than it shows any other approach.
    asked_for = [trace for kept in pool(STAGE, lm) for trace in kept.traces if trace.approach != PLAIN]
    assert np.mean([trace.shown == {trace.approach} for trace in asked_for]) > 0.7


def test_rows_are_plain_questions_and_kept_traces(asked):
    # Mutants: the tag left in the prompt; the prompt as target; an instance twice in an epoch; another row's trace.
    lm = asked()
    rows = []
    for step in range(4):
        batch = collected(STAGE, lm, step)
        for b, length in enumerate(batch.lengths):
            ids = batch.ids_BT[b, :length].tolist()
            start = ids.index(lm.encode("?")[0]) + 1
            assert batch.gain_BT[b, :length].tolist() == [0.0] * start + [1.0] * (length - start)
            rows.append((lm.decode(ids[:start]), tuple(ids[start:])))
        assert batch.total == float(batch.gain_BT.sum())
    expected = [(kept.problem.question, tuple(t.response)) for kept in pool(STAGE, lm) for t in kept.traces]
    assert sorted(rows) == sorted(expected) and len(rows) == STAGE.instances
    again = collected(STAGE, lm, 4)  # a second epoch: the same instances in another order, and nothing to pay for
    assert again.spent == () and again.metrics["rollouts"] == 0
    assert order(16, 3, 0) != order(16, 3, 1) and sorted(order(16, 3, 1)) == list(range(16))


def test_the_budget_of_instances_is_the_same_for_every_n(asked):
    # Mutants: a question without n traces kept with fewer; instances counted before questions are dropped.
    # Of n samples rarely n are right.
    plain = dataclasses.replace(STAGE, source="rejection", examples=None, samples=1)
    for n, stage in ((n, stage) for n in (1, 2, 4) for stage in (STAGE, plain)):
        cell = pool(dataclasses.replace(stage, n=n), asked())
        assert n * len(cell) == 16 == sum(len(kept.traces) for kept in cell)
        assert len({kept.problem.question for kept in cell}) == len(cell)


def test_the_best_by_the_ranker_is_kept(asked):
    # Mutants: the first or the worst kept; scores of another approach; the parser in place of the ranker.
    lm, firsts = asked(), []
    start = frozen(lm)
    with torch.no_grad():
        ranker = STAGE.ranker(start, 3)
        found = [(p, STAGE.groups(start, p, 0, ("test", n))) for n in range(12) for p in [EASY.problem("test", n)]]
    for problem, group in ((problem, group) for problem, groups in found for group in groups if any(group.usable)):
        usable = [text for text, good in zip(group.texts, group.usable, strict=True) if good]
        column = [float(ranker.scores(problem.question, [text])[0][0, NAMES.index(group.approach)]) for text in usable]
        best, cost = ranked(problem, group, ranker)
        assert best.adherence == pytest.approx(max(column)) and cost.kind == JUDGE and cost.flops > 0
        assert column[usable.index(lm.decode(best.response))] == pytest.approx(max(column))
        firsts.append(column[0] > max(column) - 1e-9)
    assert not all(firsts)


def test_the_generator_is_the_start(asked, monkeypatch):
    # Mutant: the learner, as it is, generates.
    lm, seen = asked(), set()
    whole, sample = bits(lm), type(lm).sample

    def watched(self, *args, **more):
        seen.add(bits(self))
        return sample(self, *args, **more)

    monkeypatch.setattr(type(lm), "sample", watched)
    train(lm, dataclasses.replace(STAGE, n=2), 3, Machine())
    assert seen == {whole} != {bits(lm)}


def test_every_flop_is_charged_once(asked):
    # Mutants: dropped questions free; ranking or training the ranker free; a pool charged in every epoch, or per row.
    lm = asked()
    # Two epochs; one hot sample is often not enough.
    stage = dataclasses.replace(STAGE, steps=8, samples=1, temperature=1.6)
    spent = [each for step in range(8) for each in collected(stage, lm, step).spent]
    kept = pool(stage, lm)
    training = stage.ranker(frozen(lm), 3).spent
    paid = [each for question in kept for each in question.spent] + [training]
    assert sorted(spent) == sorted(paid) and training.flops > 0
    questions = sum(question.dropped + 1 for question in kept)
    assert sum(each.kind == ROLLOUT for each in paid) == 4 * questions
    assert sum(question.dropped for question in kept) > 0
    assert sum(each.kind == JUDGE for each in paid) == 4 * len(kept) + 1
    ledger = train(asked(), stage, 3, Machine()).ledger.as_dict()
    for kind in (ROLLOUT, JUDGE):
        assert ledger[f"{kind}_flops"] == pytest.approx(sum(each.flops for each in paid if each.kind == kind))
    assert len(debuts(16, 4, 3)) == 4 and len(debuts(16, 1, 3)) == 16


ALL = ("levels", "depth", "backward", "symbolic", "restate", "check", "running", "commuted", PLAIN)
WIDE = Source(ops=(1, 2), modulus=7, names=12, filler=(0, 2), approach=PLAIN)


def tagged_traces(source: Source, tag: str, each: int) -> list[tuple[str, str, str]]:
    """(approach, question, solution) of solutions told by every approach."""
    found = []
    for name in ALL:
        for n in range(each):
            problem = with_approach(source.problem("ranker-test", tag, name, n), name, tagged=False)
            found.append((name, problem.question, problem.solution))
    return found


def accuracy(ranker, examples) -> float:
    hits = [ranker.approaches[ranker.scores(q, [text])[0].argmax()] == name for name, q, text in examples]
    return float(np.mean(hits))


def test_the_ranker_learns_approaches():
    # Mutants: labels of another example; features that do not carry over to more operations; weights left at zero.
    examples, unseen = tagged_traces(WIDE, "train", 32), tagged_traces(WIDE, "exam", 10)
    longer = tagged_traces(dataclasses.replace(WIDE, ops=(4, 4)), "longer", 10)
    ranker, chance = fit(examples), 1 / len(ALL)
    assert accuracy(ranker, unseen) > 0.9 and accuracy(ranker, longer) > 0.7
    names = [name for name, _, _ in examples]
    turned = [names[(7 * i) % len(names)] for i in range(len(names))]  # 7 does not divide 288: a permutation
    shuffled = fit([(name, q, text) for name, (_, q, text) in zip(turned, examples, strict=True)])
    assert sorted(turned) == sorted(names) and accuracy(shuffled, unseen) < 3 * chance
    assert np.array_equal(fit(examples).weight_FC, ranker.weight_FC)
    scores_NC, _ = ranker.scores(examples[0][1], [examples[0][2], examples[40][2]])
    assert np.exp(scores_NC).sum(1) == pytest.approx([1, 1])


def test_incorrect_traces(asked):
    # Mutant: the field read the wrong way round, or only by one source.
    lm = asked()
    wrong = dataclasses.replace(STAGE, traces="incorrect", n=1, approaches=("levels",), attempts=500)
    plain = dataclasses.replace(wrong, source="rejection", examples=None)
    for stage in (wrong, plain):
        for kept in pool(stage, lm):
            text = lm.decode(kept.traces[0].response)
            assert not verify(kept.problem, text).answer and text.endswith(END)


def test_rejection_takes_different_traces_first(asked):
    # Mutants: a tag asked for; a repeat before a new one; a ranker trained for nothing.
    lm = asked()
    stage = dataclasses.replace(STAGE, source="rejection", examples=None)
    assert not any(each.kind == JUDGE for step in range(4) for each in collected(stage, lm, step).spent)
    repeats = 0
    for kept in pool(stage, lm):
        responses = [tuple(trace.response) for trace in kept.traces]
        news = [response not in responses[:n] for n, response in enumerate(responses)]
        assert news == sorted(news, reverse=True) and {trace.approach for trace in kept.traces} == {None}
        repeats += news.count(False)
        assert all(verify(kept.problem, lm.decode(list(response))).answer for response in responses)
    assert repeats  # a model that is sure of a question repeats itself: this is no structured diversity


def test_star_asks_with_the_answer_where_it_failed(asked, monkeypatch):
    # Mutants: hints everywhere or nowhere; a hint left in the prompt that is taught; the hint's work free.
    lm, asked_with = asked(), []
    stage = dataclasses.replace(STAGE, source="star", examples=None, n=1, samples=2, instances=48, temperature=1.6)
    sample = type(lm).sample

    def watched(self, prompts, *args, **more):
        asked_with.extend(lm.decode(prompt) for prompt in prompts[::2])
        return sample(self, prompts, *args, **more)

    monkeypatch.setattr(type(lm), "sample", watched)
    hinted = 0
    for kept in pool(stage, lm):
        (trace,) = kept.traces
        plain = asked_with.index(kept.problem.question)
        rationalised = f"answer {kept.problem.answer} ; {kept.problem.question}" in asked_with[plain:]
        assert rationalised == (trace.approach == "hint") and kept.rollouts == 2 * len(kept.spent)
        assert verify(kept.problem, lm.decode(trace.response)).answer
        hinted += rationalised
    assert 0 < hinted < 48


def test_distillation_is_the_references_own(asked):
    # Mutant: the start generates; the reference's work free.
    reference = frozen(asked())
    recipe = Recipe(SMALL)
    stage = dataclasses.replace(STAGE, source="distil", examples=None, reference=recipe, n=2, instances=8)
    stranger = SMALL.build(1)
    batch = collected(stage, stranger, references={"reference": reference})
    same = collected(dataclasses.replace(stage, source="rejection", reference=None), asked())
    assert torch.equal(batch.ids_BT, same.ids_BT) and batch.spent == same.spent


def test_an_empty_pool_is_an_error(asked):
    # Mutant: an endless search, or a batch without targets.
    hard = dataclasses.replace(
        STAGE, data=dataclasses.replace(EASY, ops=(2, 2)), attempts=2, samples=1, max_new_tokens=48
    )
    with pytest.raises(ValueError, match=r"SelfGen.n 4: none of 2 questions of SelfGen.data .* pool is empty"):
        collected(hard, asked())


def test_every_approach_is_tried_before_a_weight_moves(asked, monkeypatch):
    # Mutants: the first question alone; questions looked for again at every step; their work charged early or twice.
    looked, found, lm = [], SelfGen.generate, asked()
    stage = dataclasses.replace(STAGE, n=1, batch_size=1)
    plain = [collected(stage, asked(), step).spent for step in range(2)]
    monkeypatch.setattr(SelfGen, "generate", lambda self, *args: looked.append(args[2]) or found(self, *args))
    assert collected(stage, lm).spent == plain[0] and set(looked) >= {0, 1, 2, 3} and len(looked) <= 5
    assert {stage.pool_entry(lm, 3, slot).traces[0].approach for slot in range(stage.tried)} == {*NAMES}
    looked.clear()
    assert collected(stage, lm, 1).spent == plain[1] and len(looked) <= 1
    assert [dataclasses.replace(STAGE, n=n).tried for n in (4, 2, 1)] == [1, 3, 4]
    assert dataclasses.replace(STAGE, source="rejection", examples=None).tried == 1


def test_replay_takes_its_share_of_every_step_and_the_pool_is_still_read_whole(asked):
    # Mutants: instances in whose place replay stands, so that an epoch never reads them; rows of replay told in the log
    # or charged; another replay when other rows of the step are collected; its question a target.
    lm, deep = asked(), dataclasses.replace(EASY, ops=(2, 2))
    stage = dataclasses.replace(REPLAYING, replay=deep)
    assert (stage.pool_rows, STAGE.pool_rows) == (3, 4)

    def texts(batch) -> list[str]:
        return [lm.decode(ids[:n].tolist()) for ids, n in zip(batch.ids_BT, batch.lengths, strict=True)]

    mixed = [collected(stage, lm, step) for step in range(6)]
    own = [text for batch in mixed for text in texts(batch)[:3]]
    assert own[:16] == [text for step in range(4) for text in texts(collected(STAGE, lm, step))]
    old = [deep.problem("selfgen", "replay", 3, step, 3) for step in range(6)]
    assert [texts(batch)[3] for batch in mixed] == [f"{each.question} {each.solution}" for each in old]
    assert mixed[0].gain_BT[3].sum() == len(lm.encode(old[0].solution))
    with torch.no_grad():
        alone = stage.collect(StageModels(lm, frozen(lm), {}), 3, 0, range(3, 4))
    assert texts(alone) == texts(mixed[0])[3:] and alone.metrics == {} and alone.spent == ()


@pytest.mark.parametrize(
    "change",
    (
        {"source": "luck"}, {"traces": "some"}, {"n": 0}, {"samples": 0}, {"temperature": 0.0}, {"per_approach": 0},
        {"attempts": 0}, {"max_new_tokens": 0}, {"instances": 6}, {"approaches": ("luck",)},
        {"approaches": ("plan", "plan")},
        {"n": 8}, {"examples": None}, {"reference": Recipe(SMALL)}, {"source": "distil", "examples": None},
        {"source": "star", "examples": None}, {"data": dataclasses.replace(EASY, approach="plan", tagged=True)},
        {"data": Mixture(((1.0, dataclasses.replace(EASY, approach="plan", tagged=True)),))},
        {"replay_share": 1.5, "replay": EASY}, {"replay_share": 0.9, "replay": EASY}, {"replay": EASY},
        {"replay_share": 0.5},
    ),
)  # fmt: skip
def test_bad_fields_are_refused(change):
    # Mutant: a check left out.
    name = "" if change.get("source") in ("distil", "star") else next(iter(change))
    with pytest.raises(ValueError, match=f"SelfGen.{name}"):
        dataclasses.replace(STAGE, **change)


# What test_stages asks of every stage, of this one with approaches: its tiny model knows no tags.


def test_resume(asked, tmp_path):
    for after in (1, 3):
        folder = tmp_path / str(after)
        folder.mkdir()
        test_stages.test_resume_gives_the_same_bits(STAGE, after, asked, folder)
    line = read_jsonl(folder / "whole" / "log.jsonl")[0]
    assert line["rollouts"] >= 32 and 0 <= line["kept_strict"] <= 1 and line["adherence"] < 0


@pytest.mark.parametrize(
    "check",
    (
        test_stages.test_collecting_is_pure,
        test_stages.test_a_share_of_the_rows_is_the_same_rows,
        test_stages.test_splitting_a_batch_changes_nothing,
        test_stages.test_every_weight_moves,
        test_stages.test_a_flops_budget_is_met_within_a_step,
    ),
)
@pytest.mark.parametrize("replays", (False, True))
def test_common(check, replays, asked):
    check(REPLAYING if replays else STAGE, asked)


def test_runs_on_a_transformers_model(asked, tmp_path):
    # Mutant: sampling by approaches that uses more of a model than the LM protocol has.
    pytest.importorskip("transformers")
    save_pretrained(asked(), tmp_path / "hf")
    build = HF(str(tmp_path / "hf")).build
    lm = build(0)
    state = train(lm, dataclasses.replace(REPLAYING, steps=2), seed=3)
    moved = [not torch.equal(a, b) for a, b in zip(lm.parameters(), build(0).parameters(), strict=True)]
    assert state.step == 2 and state.ledger.as_dict()["rollout_tokens"] > 0 and all(moved)


@pytest.mark.parametrize("scale", SCALES)
def test_the_study_compares_what_it_says(scale):
    # Mutants: tags above the band or below its top; more instances in a cell; a tag in an exam or in questions that own
    # solutions are asked for; approaches in replay; RL with KL.
    asked_, arms = selfgen.study(SCALES[scale]), {}
    for arm in asked_.arms:
        assert {s.ops[1] for s in tagged(arm.recipe)} == {SCALES[scale].band[1]}
        for stage in (stage for stage in arm.recipe.stages if isinstance(stage, SelfGen)):
            arms[arm.name] = stage
            assert stage.examples is None or stage.examples.ops == SCALES[scale].band
            assert {(s.split, s.tagged) for s in parts(stage.data)} == {("train", False)}
            assert not any(s.tagged or s.approach for s in parts(stage.replay))
    assert len({(stage.instances, stage.flops) for stage in arms.values()}) == 1 and len(arms) == 12
    assert arms["approaches 4"].n == arms["rejection 4"].n == 4 and arms["incorrect 1"].n == 1
    rl = {stage.objective for arm in asked_.arms for stage in arm.recipe.stages if isinstance(stage, RL)}
    assert rl == {Objective()}  # GRPO
    assert all(not exam.source.tagged and exam.source.split == "held_out" for exam in asked_.exams)


def tagged(recipe) -> list[Source]:
    """The sources of a recipe's stages whose questions ask for an approach."""
    return [source for stage in recipe.stages for source in parts(stage.data) if source.tagged]


def test_the_base_of_the_study_reads_tagged_rows():
    # Mutant: a stage without arithmetic targets that cannot tell the roles of an approach's lines.
    recipe = selfgen.study(SCALES["smoke"]).base
    lm, stage = recipe.model.build(0), recipe.stages[0]
    tagged = 0
    for row in range(40):
        problem = stage.data.problem("pretrain", 0, 0, row)
        tagged += problem.style is not None and problem.style.tagged
    batch = stage.collect(StageModels(lm), 0, 0, range(40))
    assert 0 < tagged < 40 and len(batch.lengths) == 40


def test_self_generated_data_without_room_is_refused(asked):
    # Mutants: no check; made at every step but the first.
    stage = dataclasses.replace(STAGE, max_new_tokens=5)
    with pytest.raises(ValueError, match="SelfGen allows max_new_tokens=5, but 4 of 4 reference solutions"):
        collected(stage, asked())
