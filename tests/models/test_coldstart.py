"""The cold start shows thoughts at any position, in bins of length, and stages that cannot think are refused."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from thinkers import EASY, FIELDS, GAPS, INFORMATION, KEPT, MATCHING, collected, nats, places, thinking_models

from interlude.models.gpt import GPT
from interlude.models.ledger import ROLLOUT
from interlude.models.lm import tags
from interlude.models.policy_gradient import Objective, sampled
from interlude.models.stage import StageModels
from interlude.models.stages.coldstart import ColdStart, encoded, with_bins
from interlude.models.stages.rmt import TIERS
from interlude.models.thought_rl import Bins, document, length
from interlude.models.train import frozen
from interlude.synth.roles import SOLUTION_ROLES, roles
from interlude.synth.source import Mixture
from interlude.synth.thoughts import without
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify


@pytest.fixture
def models(thinker):
    return thinking_models(thinker)


# The cold start


@pytest.mark.parametrize("dialect", ("terse", "prose"))
def test_the_cold_start_moves_thoughts_and_nothing_else(dialect):
    # Mutants: a thought lost, or moved past the statement that needs it; always at its first token; the tag a target.
    from interlude.models.stages.coldstart import moved

    source = dataclasses.replace(GAPS, ops=(3, 3), names=None, skip_prob=0.5, thoughts="oracle", dialect=dialect)
    places = set()
    for n in range(60):
        problem = source.problem("cold", n)
        tokens = [word for word, _ in moved(problem, 0.0, 0, 0, n)]
        text = " ".join(tokens)
        plain = dataclasses.replace(problem, style=dataclasses.replace(problem.style, thoughts="ignored"))
        assert verify(plain, text).strict
        assert without(text)[0].split() == list(plain.written.solution_tokens)
        assert tokens.count("<think>") == problem.written.solution_tokens.count("<think>")
        if "<think>" in tokens:
            places.add(tokens.index("<think>"))
    assert len(places) > 5


@pytest.mark.parametrize("idle", (0.5, 1.0))
def test_idle_thoughts_are_empty_and_say_where_to_go_on(idle):
    # Mutants: idle thoughts in every step whatever the share; in steps that have a thought; never within a step.
    from interlude.models.stages.coldstart import moved

    source = dataclasses.replace(GAPS, ops=(3, 3), names=None, skip_prob=0.5, thoughts="oracle")
    steps, thoughts, within = 0, 0, 0
    for n in range(80):
        problem = source.problem("idle", n)
        text = " ".join(word for word, _ in moved(problem, idle, 0, 0, n))
        plain = dataclasses.replace(problem, style=dataclasses.replace(problem.style, thoughts="ignored"))
        assert verify(plain, text).strict
        told = [part for part in without(text)[0].split(";") if part.strip()]
        steps += len(told)
        thoughts += text.count("<think>")
        within += sum("<think>" in part and not part.strip().startswith("<think>") for part in text.split(";"))
        assert text.count("<think> </think>") + problem.solution.count("<think>") == text.count("<think>")
    meant = sum(source.problem("idle", n).solution.count("<think>") for n in range(80))
    assert (thoughts - meant) / (steps - meant) == pytest.approx(idle, abs=0.12) and within > 80


def test_the_cold_start_shows_other_formats(thinker):
    # Mutants: the share ignored; the question of a shown text a target; thoughts moved into it.
    lm = thinker()
    data, shown = dataclasses.replace(GAPS, thoughts="oracle"), dataclasses.replace(GAPS, ops=(1, 1), skip_prob=0.0)
    fields = {"steps": 1, "batch_size": 200, "optim": FIELDS["optim"], "data": data, "idle": 1.0}
    found = ColdStart(**fields, replay=shown, replay_share=0.25).collect(StageModels(lm), 0, 0, range(200))
    opening = tags(lm)[0]
    other_B = ~(found.ids_BT == opening).any(1)
    assert float(other_B.double().mean()) == pytest.approx(0.25, abs=0.08)
    row = int(other_B.nonzero()[0])
    problem = shown.problem("coldstart", 0, 0, row)
    question, solution = lm.encode(problem.question), lm.encode(problem.solution)
    assert found.ids_BT[row, : len(question + solution)].tolist() == question + solution
    assert found.gain_BT[row, : len(question + solution)].tolist() == [0.0] * len(question) + [1.0] * len(solution)


def test_the_cold_start_never_opens_a_thought(thinker):
    # Mutant: the opening tag as a target, and plain solutions lose the probability of a thought at every step.
    lm = thinker()
    stage = ColdStart(steps=1, batch_size=8, optim=FIELDS["optim"], data=dataclasses.replace(GAPS, thoughts="oracle"))
    batch = stage.collect(StageModels(lm), 0, 0, range(8))
    opening, closing = tags(lm)
    assert bool((batch.ids_BT == opening).any()) and not batch.gain_BT[batch.ids_BT == opening].any()
    assert bool((batch.gain_BT[batch.ids_BT == closing] == 1).all()) and batch.total == float(batch.gain_BT.sum())


STOPPING = dataclasses.replace(EASY, ops=(1, 4), names=None, dialect="direct", split="any")


STOPPED = dataclasses.replace(STOPPING, thoughts="oracle", unwrapped=True, stop_prob=0.5)


def test_a_thought_that_ends_a_solution_comes_before_the_answers_value():
    # Mutants: the thought after the value, which it cannot then serve; always before the announcement; never within.
    from interlude.models.stages.coldstart import moved

    places = []
    for n in range(80):
        problem, plain = STOPPED.problem("stop", n), STOPPING.problem("stop", n)
        tokens = [word for word, _ in moved(problem, 0.0, 0, 0, n)]
        judged = dataclasses.replace(problem, style=dataclasses.replace(problem.style, thoughts="ignored"))
        assert verify(judged, " ".join(tokens)).strict and [t for t in tokens if "think" not in t][-1] == "<end>"
        if "<think>" in tokens:
            places.append(tokens[-3] == "answer")  # not split by the thought
            assert sorted(t for t in tokens if "think" not in t) == sorted(plain.written.solution_tokens)
            assert tokens[-1] == "<end>" and tokens[-2] == str(problem.answer)
    assert 0.25 < np.mean(places) < 0.75 and len(places) > 20


def test_nobody_is_taught_to_skip_a_step_before_thinking_it():
    # Mutants: words before a moved thought as targets; words before an idle thought none; words after a thought none.
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, thoughts=True)).build(0)
    source = dataclasses.replace(GAPS, ops=(3, 3), names=None, skip_prob=0.5, thoughts="oracle")
    opening, closing = tags(lm)
    kinds = set()
    stage = ColdStart(steps=1, batch_size=200, optim=FIELDS["optim"], data=source, idle=1.0)
    batch = stage.collect(StageModels(lm), 0, 0, range(200))
    for row, size in enumerate(batch.lengths):
        question = lm.encode(source.problem("coldstart", 0, 0, row).question)
        ids, gains = batch.ids_BT[row, :size].tolist(), batch.gain_BT[row, :size].tolist()
        ends = {lm.encode(mark)[0] for mark in (";", ".")}
        first = at = len(question)
        owed: list[int] = []
        while at < size:
            if ids[at] == opening:
                until = ids.index(closing, at)
                if until > at + 1:  # a thought that says something
                    owed += range(first, at)
                kinds.add((until > at + 1, first < at))
                owed += [at]
                at = until
            elif ids[at] in ends:
                first = at + 1
            at += 1
        assert gains == [float(t >= len(question) and t not in owed) for t in range(size)]
    assert len(kinds) == 4


def test_a_tokenizer_that_joins_targets_with_others_is_refused():
    # Mutant: the check left out, and what stands in a row is not the text.
    whole = SimpleNamespace(encode=lambda text: [len(text)])
    assert encoded(whole, [("one", 1.0), ("two", 1.0)], "terse") == ([7], [1.0])
    with pytest.raises(ValueError, match="tokenizer joins a word with a loss and a word without one"):
        encoded(whole, [("one", 1.0), ("two", 0.0)], "terse")


# Budgets in words

BINS = Bins(longest=26, count=3)


LONG = Bins(longest=150, count=3)  # a step's thought of some 20 tokens is in bin 1, two steps' in bin 2


TELLING = dataclasses.replace(MATCHING, told=BINS)


def test_bins_are_log_spaced():
    # Mutants: linear bins; a bin more or less; an edge that belongs to the bin below, or to rounding; 0 in no bin.
    seven = Bins(longest=128)
    assert [seven.of(n) for n in range(9)] == [0, 0, 1, 1, 2, 2, 2, 2, 3]
    assert [seven.of(2**k) for k in range(1, 8)] == [1, 2, 3, 4, 5, 6, 6] and seven.of(127) == seven.of(10**6) == 6
    assert [seven.of(2**k - 1) for k in range(1, 7)] == [0, 1, 2, 3, 4, 5]
    for bins in (BINS, seven, Bins(longest=154), Bins(longest=1000, count=5)):
        found = [bins.of(n) for n in range(bins.longest + 1)]
        assert found == sorted(found) and set(found) == set(range(bins.count))
        edges = [found.index(k) for k in range(1, bins.count)]
        assert edges == [math.ceil(bins.longest ** (k / bins.count) - 1e-9) for k in range(1, bins.count)]
    assert [Bins(longest=154).of(dataclasses.replace(MATCHING, budget=60).tokens(d)) for d in (0, 0.5, 1)] == [5, 4, 3]


def test_the_cold_start_tells_the_bin_of_what_follows():
    # Mutants: the bin shifted by one, or of the whole span with its tags; the number before the tag; the number a
    # target, or its thought not one; other problems, or another place for a thought, than without being told.
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, thoughts=True)).build(0)
    oracle = dataclasses.replace(GAPS, ops=(2, 4), names=None, skip_prob=0.7, thoughts="oracle")
    plain = ColdStart(steps=1, batch_size=40, optim=FIELDS["optim"], data=oracle)
    bare, batch = (s.collect(StageModels(lm), 0, 0, range(40)) for s in (plain, dataclasses.replace(plain, told=LONG)))
    opening, closing = tags(lm)
    numbers, bins = [lm.encode(str(k))[0] for k in range(3)], set()
    for row, size in enumerate(batch.lengths):
        ids, gains = batch.ids_BT[row, :size].tolist(), batch.gain_BT[row, :size].tolist()
        for at in [at for at, token in enumerate(ids) if token == opening][::-1]:
            tokens = ids[at:].index(closing) - 2
            assert ids[at + 1] == numbers[LONG.of(tokens)] and gains[at : at + 2] == [0.0, 0.0]
            assert gains[at + 2 : at + 3 + tokens] == [1.0] * (tokens + 1)
            bins.add(LONG.of(tokens))
            del ids[at + 1], gains[at + 1]
        width = bare.lengths[row]
        assert (ids, gains) == (bare.ids_BT[row, :width].tolist(), bare.gain_BT[row, :width].tolist())
    assert batch.total == bare.total == float(batch.gain_BT.sum()) and bins == {1, 2}
    thought = [opening, *[numbers[0]] * 20, closing]
    for longest, k in ((20**3, 1), (21**3, 0)):  # the first edge is at 20 tokens, and at 21
        ids, worth = with_bins(lm, Bins(longest=longest, count=3), thought, [0.0, *[1.0] * 21])
        assert ids == [opening, numbers[k], *thought[1:]] and worth == [0.0, 0.0, *[1.0] * 21]


def test_the_prompt_tells_the_bin_of_the_budget(thinker):
    # Mutants: the bin of B_0 for ever; shifted; told before the tag; a target, or counted as thought; not charged.
    lm = thinker().eval()
    models, stage, found = StageModels(lm, frozen(lm)), dataclasses.replace(TELLING, objective=KEPT), []
    opening, closing = tags(lm)
    for done in (0.0, 0.3, 0.6, 1.0):
        batch = collected(stage, dataclasses.replace(models, done=done))
        told, lengths = BINS.of(stage.tokens(done)), []
        for row, flags_T in enumerate(sampled(batch)):
            if flags_T.any():
                first, ids = int(flags_T.nonzero()[0]), batch.ids_BT[row, : batch.lengths[row]].tolist()
                assert ids[first - 2 : first] == [opening, lm.encode(str(told))[0]]
                assert not batch.gain_BT[row, :first].any()
                lengths.append(length(ids[first:], closing))
                rewards = [0.0, *(0.2 * stage.length_reward(lengths[-1], stage.tokens(done)) + m for m in (0.0, 0.8))]
                assert min(abs(float(batch.gain_BT[row, first]) - each) for each in rewards) < 1e-6
        assert lengths and batch.metrics["budget"] == stage.tokens(done)
        found.append(told)
        bare = collected(dataclasses.replace(stage, told=None), dataclasses.replace(models, done=done))
        read = [
            sum(each.tokens for each in b.spent if each.kind == ROLLOUT) - round(b.metrics["thought_tokens"] * 24)
            for b in (batch, bare)
        ]
        assert abs(read[0] - read[1] - 6) <= 24  # a token more in six prompts; closed thoughts read a tag more
    assert found == sorted(found, reverse=True) and len(set(found)) > 1


def test_the_log_tells_tiers_and_roles_apart(models):
    # Mutants: a role of the token before; responses counted as places; matches of all kinds in one; a tier's start.
    stage = dataclasses.replace(MATCHING, batch_size=24)
    line = collected(stage, models).metrics
    for kinds in (TIERS, SOLUTION_ROLES):
        count = {kind: line[f"drawn_{kind}"] for kind in kinds if f"drawn_{kind}" in line}
        assert sum(count.values()) == 24 * 4 and len(count) > 1
        for name in ("match", "plain"):
            assert sum(count[kind] * line[f"{name}_{kind}"] for kind in count) / 96 == pytest.approx(line[name])
    problems = [GAPS.problem("think", 5, 3, row) for row in range(24)]
    texts = [document(models.learner, problem, "solution") for problem in problems]
    expected = [roles(problems[n])[t] for _, n, t in places(stage, models, texts)]
    assert all(line[f"drawn_{role}"] == 4 * expected.count(role) for role in set(expected))
    plain = [math.exp(nats(models.start, texts[n][0][: t + 1])) for _, n, t in places(stage, models, texts)]
    assert line["plain"] == pytest.approx(np.mean(plain), abs=1e-4)


# Errors

BAD = {
    "data": EASY, "least": 0, "shrink": 0.0, "weight": 1.0, "peak": 0.0, "early": (0.5, 0.5), "late": (1.0, 0.5, -0.5),
    "turn": (0.7, 0.3), "pool": 0.0, "ntp": -1.0, "updates_per_batch": 2, "targets": "question", "num_samples": 1,
    "objective": Objective(zero_variance="resample"), "told": Bins(longest=150, count=7),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_stages_are_refused(name):
    # Mutant: a field that is not checked.
    with pytest.raises(ValueError, match=f"RMT.*{name}"):
        dataclasses.replace(MATCHING, **{name: BAD[name]})


def test_a_corpus_without_gaps_is_refused():
    # Mutants: one full part of a mixture refused; gaps where no step can be skipped; gold thoughts in the corpus.
    full = dataclasses.replace(GAPS, skip_prob=0.0)
    for bad in (full, dataclasses.replace(GAPS, ops=(1, 1)), Mixture(((0.0, GAPS), (1.0, full)))):
        with pytest.raises(ValueError, match="RLP.data has no solution that skips a step"):
            dataclasses.replace(INFORMATION, data=bad)
    dataclasses.replace(INFORMATION, data=Mixture(((0.5, GAPS), (0.5, full))))
    with pytest.raises(ValueError, match="RLP.data must not hold thoughts"):
        dataclasses.replace(INFORMATION, data=dataclasses.replace(GAPS, thoughts="oracle"))
    with pytest.raises(ValueError, match="RLP.plain must be one of"):
        dataclasses.replace(INFORMATION, plain="average")
    with pytest.raises(ValueError, match="ColdStart.data must hold thoughts"):
        ColdStart(steps=1, batch_size=1, optim=FIELDS["optim"], data=GAPS)
    cold = ColdStart(steps=1, batch_size=1, optim=FIELDS["optim"], data=dataclasses.replace(GAPS, thoughts="oracle"))
    for bad in ({"idle": 1.5}, {"replay_share": -0.1, "replay": GAPS}, {"replay_share": 0.1}, {"replay": GAPS}):
        with pytest.raises(ValueError, match="ColdStart.*replay" if "idle" not in bad else "ColdStart.idle"):
            dataclasses.replace(cold, **bad)


def test_a_model_without_tags_is_refused(learned):
    # Mutant: a tag of several tokens, or the padding, taken for one.
    with pytest.raises(ValueError, match="<think>"):
        collected(INFORMATION, StageModels(learned().eval(), learned().eval()))


def test_a_tag_must_be_written_as_it_is_read(models, monkeypatch):
    # Mutant: one token taken for a tag that is written as another, as the unknown token of many tokenizers is.
    assert tags(models.learner) == tuple(models.learner.encode("<think> </think>"))
    monkeypatch.setattr(models.learner, "decode", lambda ids: "<unk>")
    with pytest.raises(ValueError, match="<think> and </think> must be one token each"):
        tags(models.learner)


def test_bins_that_tell_nothing_are_refused():
    # Mutants: told without a budget, or with one beyond the bins; more bins than numbers; bins without a length.
    for change in ({"budget": None}, {"budget": 27}, {"told": Bins(longest=150)}):
        with pytest.raises(ValueError, match="RMT.told"):
            dataclasses.replace(TELLING, **change)
    with pytest.raises(ValueError, match="ColdStart.told has 7 bins"):
        data = dataclasses.replace(GAPS, thoughts="oracle")
        ColdStart(steps=1, batch_size=1, optim=FIELDS["optim"], data=data, told=Bins(longest=150))
    for bad, name in (
        ({"longest": 100}, "longest"),
        ({"longest": 100, "count": 1}, "count"),
        ({"longest": 999, "count": 8}, "count"),
    ):
        with pytest.raises(ValueError, match=f"Bins.{name}"):
            Bins(**bad)
