"""Thinking mid-training: chunks are copied exactly, halves do not meet, and the judge sees segments and no thoughts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from test_stages import COMMON, EASY, ROLLS, TAGGED, around, collected

from interlude.models.annotator import (
    IN_PLACE_OF_THOUGHTS,
    MARK,
    RL_HALF,
    SFT_HALF,
    annotate,
    chunk,
    drawn,
    half,
    oracle,
    room,
    starts,
    thought_probs,
    with_content,
    without_thoughts,
)  # fmt: skip
from interlude.models.gpt import GPT
from interlude.models.ledger import REFERENCE, ROLLOUT, decode_cost, forward_cost
from interlude.models.lm import tags
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward, responses, sampling_params
from interlude.models.stage import StageModels
from interlude.models.stages import thinking
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.thinking import Judge, Thinking, read, sampled_tokens
from interlude.synth.render import THINK
from interlude.synth.rng import uniforms
from interlude.synth.segments import assertion, segments, unthought
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

STEPS = Source(ops=(2, 4), skip_prob=0.5, thoughts="oracle", split="any")
PROSE = dataclasses.replace(STEPS, dialect="prose")
BOTH = Vocabulary(worlds=("zoo",), dialects=("terse", "prose"), thoughts=True)
SMALL = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=BOTH)


def corpus(lm, which: int = SFT_HALF, n: int = 12):
    return [chunk(lm, drawn(source, which, "test", row)) for row in range(n) for source in (STEPS, PROSE)]


def plain(ids: list[int], opening: int, closing: int) -> list[int]:
    """``ids`` without thoughts, by another route: everything between the tags goes, and the tags."""
    kept, depth = [], 0
    for token in ids:
        depth += token == opening
        kept += [token] if depth == 0 else []
        depth -= token == closing
        assert depth in (0, 1)
    return kept


# The annotator


@pytest.mark.parametrize(("bias", "most"), ((0.0, 40), (9.0, 40), (9.0, 3)))
def test_what_is_not_thought_is_the_chunk(bias, most):
    # Mutants: a token sampled outside a thought; a tag or the end inside one; a thought left open where its room ends.
    lm = SMALL.build(0)
    opening, closing = tags(lm)
    logits = lm._logits
    lm._logits = lambda hidden: logits(hidden) + bias * (torch.arange(lm.vocab_size) == opening)
    chunks = corpus(lm)
    streams = np.stack([uniforms("annotator", row, n=400) for row in range(len(chunks))])
    told = annotate(lm, chunks, streams, most)
    for each, ids in zip(chunks, told, strict=True):
        assert plain(ids, opening, closing) == each.solution == lm.encode(each.problem.solution)
        assert len(ids) <= room(each, most) and ids.count(opening) == ids.count(closing)
        assert len(ids) - len(each.solution) - 2 * ids.count(opening) <= most
        at = [len(plain(ids[:n], opening, closing)) for n, token in enumerate(ids) if token == opening]
        assert at == sorted(set(at)) and set(at) <= set(starts(each))  # one at most before each segment
    thoughts = sum(ids.count(opening) for ids in told)
    assert thoughts >= len(chunks) if bias else thoughts > 0


def test_the_annotator_decides_where(primed):
    # Mutants: odds of another position or of the wrong token; a decision that forgets what stands before.
    lm = primed().eval()
    chunks = [chunk(lm, drawn(EASY, SFT_HALF, "where", row)) for row in range(6)]
    opening, _ = tags(lm)
    with torch.no_grad():
        for each, odds in zip(chunks, thought_probs(lm, chunks), strict=True):
            for at, odd in zip(starts(each), odds, strict=True):
                before = torch.tensor([each.question + each.solution[:at]])
                p_V = lm.forward(before)[0, -1].double().softmax(-1)
                expected = p_V[opening] / (p_V[opening] + p_V[each.solution[at]])
                assert odd == pytest.approx(float(expected), rel=1e-4)
    n = 300
    streams = np.stack([uniforms("annotator", row, n=60) for row in range(n)])
    told = annotate(lm, [chunks[0]] * n, streams, 20)
    share = sum(ids[0] == opening for ids in told) / n
    assert share == pytest.approx(thought_probs(lm, chunks[:1])[0][0], abs=0.1)


def test_an_oracle_thinks_what_is_skipped():
    # Mutants: raw text with the generator's thoughts still in it; an oracle that thinks nothing.
    lm = SMALL.build(0)
    opening, closing = tags(lm)
    thought = 0
    for row in range(20):
        problem = drawn(STEPS, SFT_HALF, "oracle", row)
        assert THINK not in problem.solution
        told = oracle(lm, problem)
        assert plain(told, opening, closing) == chunk(lm, problem).solution
        assert (opening in told) == bool(problem.style.skipped)
        thought += opening in told
    assert thought > 10
    bare = drawn(EASY, SFT_HALF, "oracle", 0)
    assert oracle(lm, bare) == lm.encode(bare.solution)


def test_contents_keep_the_format():
    # Mutants: text shuffled too; the thought moved; the tags dropped.
    ids = [5, 1, 7, 8, 9, 10, 2, 6, 1, 2, 4]
    assert with_content(ids, 1, 2, "own") == ids
    assert with_content(ids, 1, 2, "empty") == [5, 1, 2, 6, 1, 2, 4]
    drawn_ = {tuple(with_content(ids, 1, 2, "shuffled", n)) for n in range(9)}
    assert len(drawn_) > 3 and all(sorted(each[2:6]) == [7, 8, 9, 10] for each in drawn_)
    assert all(each[:2] + each[6:] == (5, 1, 2, 6, 1, 2, 4) for each in drawn_)


def test_what_stands_in_place_of_thoughts():
    """Kills: a text that loses or gains a token; a mark that is not where the thought was; a tag left or put at a gap;
    tags that always go to one place; a mark that is in the text anyway."""
    lm = SMALL.build(0)
    opening, closing = tags(lm)
    mark = lm.encode(MARK)
    moved, thought = set(), 0
    for row in range(40):
        each = chunk(lm, problem := drawn(STEPS, SFT_HALF, "instead", row))
        told = oracle(lm, problem)
        empty = with_content(told, opening, closing, "empty")
        put = {kind: without_thoughts(each, told, opening, closing, kind, mark, row) for kind in IN_PLACE_OF_THOUGHTS}
        assert put["nothing"] == each.solution
        as_mark = "_".join(map(str, empty)).replace(f"{opening}_{closing}", str(mark[0]))
        assert "_".join(map(str, put["mark"])) == as_mark
        apart = put["elsewhere"]
        assert [token for token in apart if token not in (opening, closing)] == each.solution
        gaps = [n - 2 * k for k, n in enumerate(n for n, token in enumerate(empty) if token == opening)]
        there = [n - 2 * k for k, n in enumerate(n for n, token in enumerate(apart) if token == opening)]
        assert not set(there) & set(gaps) and set(there) <= set(starts(each))
        assert len(there) == min(len(gaps), len(each.segments) - len(gaps))
        thought += len(gaps)
        moved |= {at / len(each.solution) for at in there}
    assert thought > 15 and len(moved) > 4
    with pytest.raises(ValueError, match="must be in no solution"):
        without_thoughts(each, told, opening, closing, "mark", each.solution[:1])


# The halves


def test_the_halves_never_meet(primed):
    # Mutants: one half for both stages; a half decided by the row or the path, which lets a problem be in both.
    lm = primed()
    rl = Thinking(**ROLLS, annotator="any")
    opening = lm.encode("?")[0]
    questions = [set(), set()]
    for step in range(60):
        batch = Annotate(**COMMON, annotator="oracle").collect(StageModels(lm), 0, step, range(4))
        for ids in batch.ids_BT.tolist():
            questions[0].add(tuple(ids[: ids.index(opening) + 1]))
        for _, cut in rl.cuts(StageModels(lm), 0, step, [0, 1, 2, 3], 0)[0]:
            questions[1].add(tuple(cut.prefix[: cut.prefix.index(opening) + 1]))
    assert not questions[0] & questions[1] and min(map(len, questions)) > 150
    sides = [half(STEPS.problem("side", n)) for n in range(400)]
    assert 150 < sum(sides) < 250
    told = STEPS.problem("side", 0)
    assert half(told) == half(unthought(told))


def test_too_few_problems_are_an_error():
    # Mutants: an endless draw; the other half's problem given instead.
    class Same:
        def problem(self, *path):
            return EASY.problem("the only one")

    only = half(EASY.problem("the only one"))
    assert half(drawn(Same(), only, "x")) == only
    with pytest.raises(ValueError, match="thinking needs data with more problems"):
        drawn(Same(), 1 - only, "x")


# Supervised


def test_all_tokens_are_targets_and_annotation_is_paid(primed):
    # Mutants: thoughts or the question no targets; annotation free, or charged as if nothing were cached.
    lm = primed()
    stage = Annotate(**COMMON | {"data": dataclasses.replace(EASY, filler=(0, 3))}, annotator=TAGGED, max_thought=20)
    batch = collected(stage, lm)
    for b, length in enumerate(batch.lengths):
        assert batch.gain_BT[b].tolist() == [0.0, *[1.0] * (length - 1), *[0.0] * (batch.gain_BT.shape[1] - length)]
    assert batch.total == sum(batch.lengths) - 4 and batch.metrics["thoughts"] > 0
    annotator, cut = around(stage, lm).references["annotator"], lm.encode("?")[0]
    rows = [batch.ids_BT[b, :n].tolist() for b, n in enumerate(batch.lengths)]
    sizes = [(row.index(cut) + 1, len(row) - row.index(cut) - 1) for row in rows]
    assert batch.spent == tuple(decode_cost(annotator, q, [s])._replace(kind=REFERENCE) for q, s in sizes)
    raw = dataclasses.replace(stage, replay=EASY, replay_share=1.0)
    assert collected(raw, lm).spent == () and collected(raw, lm).metrics["thoughts"] == 0
    # Mutants: a question's last token a target; a thought none.
    told = collected(dataclasses.replace(stage, targets="solution"), lm)
    for b, (question, rest) in enumerate(sizes):
        assert told.gain_BT[b, : question + rest].tolist() == [0.0] * question + [1.0] * rest
    assert torch.equal(told.ids_BT, batch.ids_BT) and told.total == float(sum(rest for _, rest in sizes))
    empty = collected(dataclasses.replace(stage, content="empty"), lm)
    assert empty.metrics["thoughts"] == batch.metrics["thoughts"] and empty.metrics["thought_tokens"] == 0


@pytest.mark.parametrize("kind", ("annotate", "thinking"))
def test_other_tokens_are_an_error_before_training(kind, primed):
    # Mutants: ids of one vocabulary read as another's; a learner without tags that pads instead of thinking.
    other = Recipe(dataclasses.replace(SMALL, vocab=dataclasses.replace(TAGGED.model.vocab, words=True)))
    stage = Annotate(**COMMON, annotator=other) if kind == "annotate" else Thinking(**ROLLS, annotator=other)
    sizes = GPT(layers=2, width=32, heads=1, kv_heads=1, hidden=64, vocab=TAGGED.model.vocab)
    with pytest.raises(ValueError, match="annotator reads other tokens than the model"):
        Recipe(sizes) + stage
    shifted = Recipe(dataclasses.replace(SMALL, vocab=Vocabulary(modulus=5, worlds=("zoo",), names=6, thoughts=True)))
    with pytest.raises(ValueError, match="annotator and the learner must have equal tokenizers"):
        collected(dataclasses.replace(stage, annotator=shifted), primed())
    mute = dataclasses.replace(sizes, vocab=dataclasses.replace(sizes.vocab, thoughts=False)).build(0)
    with pytest.raises(ValueError, match="<think>"):
        collected(dataclasses.replace(stage, annotator=TAGGED), mute)


# The judge


def test_segments_are_the_solution():
    # Mutants: a remark lost; the answer in the last step's segment; claims of the wrong segment.
    for source in (STEPS, PROSE, dataclasses.replace(STEPS, mode="reverse")):
        for row in range(30):
            problem = unthought(source.problem("segments", row))
            parts = segments(problem)
            assert " ".join(" ".join(parts).split()) == problem.solution
            assert len(parts) == len(problem.moves) - len(problem.style.skipped) + 1
            values = [assertion(problem, part).value for part in parts]
            assert values[-2:] == [problem.answer] * 2
            for n, part in enumerate(parts):
                # What follows does not matter.
                assert assertion(problem, " ".join(parts[n:])) == assertion(problem, part)
                assert assertion(problem, part[: len(part) - 2 - len("<end>") * (n == len(parts) - 1)]) is None


PAIRS = {  # whether each strictness accepts what is written for the corpus' segment
    "the same": ("bears = owls + foxes , owls 3 foxes 4 , 3 + 4 = 0 , bears 0 ;", "exact facts value"),
    "another order": ("bears = foxes + owls , foxes 4 owls 3 , 4 + 3 = 0 , bears 0 ;", "facts value"),
    "a wrong value": ("bears = owls + foxes , owls 3 foxes 4 , 3 + 4 = 1 , bears 1 ;", ""),
    "a wrong result": ("bears = owls + foxes , owls 3 foxes 4 , 3 + 4 = 0 , bears 1 ;", ""),
    "a wrong recall": ("bears = owls + foxes , owls 3 foxes 5 , 3 + 4 = 0 , bears 0 ;", "value"),
    "a wrong equation": ("bears = owls + foxes , owls 3 foxes 4 , 3 + 5 = 0 , bears 0 ;", "value"),
    "another quantity": ("apes = owls + foxes , owls 3 foxes 4 , 3 + 4 = 0 , apes 0 ;", "value"),
    "another relation": ("bears = owls * foxes , owls 3 foxes 4 , 3 + 4 = 0 , bears 0 ;", "value"),
    "a fact too few": ("bears = owls + foxes , owls 3 , 3 + 4 = 0 , bears 0 ;", "value"),
    "more after it": ("bears = owls + foxes , owls 3 foxes 4 , 3 + 4 = 0 , bears 0 ; owls = ;", "exact facts value"),
}


@pytest.mark.parametrize("case", PAIRS)
def test_the_judge_compares_facts(case):
    # Mutants: order compared; only the last value compared; extra or missing facts forgiven; text after it read.
    problem = Source(ops=(1, 1)).problem("judge", 0)
    gold, written = (assertion(problem, PAIRS[name][0]) for name in ("the same", case))
    accepted = [kind for kind in ("exact", "facts", "value") if Judge(kind).verdict(written, gold).strict]
    assert accepted == PAIRS[case][1].split()


def test_what_does_not_commute_is_no_other_order():
    # Mutant: operands sorted whatever the operation.
    problem = Source(ops=(1, 1)).problem("judge", 0)
    gold = assertion(problem, "bears = owls - foxes , owls 3 foxes 3 , 3 - 3 = 0 , bears 0 ;")
    other = assertion(problem, "bears = foxes - owls , foxes 3 owls 3 , 3 - 3 = 0 , bears 0 ;")
    assert not Judge().verdict(other, gold).strict and Judge().verdict(gold, gold).strict
    said = "The number of bears is the number of {} plus the number of {}. "
    said += "There are {}, and {} = 0, so there are 0 bears."
    prose = dataclasses.replace(problem, dialect="prose")
    one = said.format("owls", "foxes", "3 owls and 4 foxes", "3 + 4")
    two = said.format("foxes", "owls", "4 foxes and 3 owls", "4 + 3")
    assert Judge().verdict(assertion(prose, two), assertion(prose, one)).strict
    assert not Judge().verdict(assertion(prose, two.replace("3 owls", "2 owls")), assertion(prose, one)).strict


def test_noise_turns_the_share_it_says():
    # Mutants: noise at 0; wrong verdicts never turned; noise shared by a group.
    problem = Source(ops=(1, 1)).problem("judge", 0)
    right, wrong = (assertion(problem, PAIRS[name][0]) for name in ("the same", "a wrong value"))
    luck = uniforms("noise", n=2000).tolist()
    for noise in (0.0, 0.2, 1.0):
        judge = Judge(noise=noise)
        for written, true in ((right, True), (wrong, False), (None, False)):
            turned = sum(judge.verdict(written, right, uniform).strict != true for uniform in luck) / 2000
            assert turned == noise if noise in (0.0, 1.0) else abs(turned - noise) < 0.04
    assert Judge().verdict(right, right, 0.0).strict


# Reinforcement


def test_reading_cuts_after_the_segment():
    # Mutants: the rest of the solution reinforced; a thought read as the segment; the margin ignored; no tag, no fault.
    problem = dataclasses.replace(EASY, ops=(2, 2), names=None).problem("read", 0)
    lm = dataclasses.replace(TAGGED.model, vocab=Vocabulary(modulus=3, worlds=("zoo",), thoughts=True)).build(0)
    closing = tags(lm)[1]
    first, second, last = segments(problem)
    size = len(lm.encode(first))
    for thought in ("", "bears 1", second, "answer 2"):
        before = len(lm.encode(f"{thought} </think>"))
        for rest in ("", second, f"{second} {last}", "; ; ;", "<think> bears", "</think>"):
            ids = lm.encode(f"{thought} </think> {first} {rest}")
            assert read(lm, problem, ids, closing, size + 8) == (before + size, assertion(problem, first))
            assert read(lm, problem, ids, closing, size) == (before + size, assertion(problem, first))
            assert read(lm, problem, ids, closing, size - 1) == (before + size - 1, None)
    assert read(lm, problem, lm.encode(f"{first} {second}"), closing, 99)[1] is None
    assert read(lm, problem, lm.encode(f"<think> </think> {first}"), closing, 99)[1] is None
    twice = lm.encode(f"bears </think> <think> owls </think> {first}")
    assert read(lm, problem, twice, closing, 99) == (len(twice), assertion(problem, first))


def test_a_row_is_charged_up_to_where_its_own_segment_may_end():
    # Mutants: the room of other rows charged; a token more or less; a thought that never closes charged for less.
    assert [sampled_tokens([1, 2, 9, 3, 4, 5], 9, most) for most in (0, 2, 3, 50)] == [3, 5, 6, 6]
    assert sampled_tokens([1, 2, 3, 4], 9, 1) == 4


def test_prefixes_are_raw_and_rewards_do_not_see_thoughts(primed):
    # Mutants: gold thoughts in the prefix; the segment given away; a thought judged; text after the segment in the row.
    lm = primed().eval()
    stage = Thinking(**ROLLS | {"num_samples": 8}, annotator=TAGGED)
    opening, closing = tags(lm)
    with torch.no_grad():
        models = around(stage, lm)
        cuts, _ = stage.cuts(models, 5, 0, [0, 1, 2, 3], 0)
        groups, _ = stage.rolled(models, 5, 0, [0, 1, 2, 3], 0)
        batch = stage.collect(models, 5, 0, range(4))
    assert any(group.varied for group in groups)
    for (problem, cut), group in zip(cuts, groups, strict=True):
        assert half(problem) == RL_HALF and group.prompt == [*cut.prefix, opening] and opening not in cut.prefix
        whole = lm.encode(f"{problem.question} {problem.solution}")
        n = len(cut.prefix)
        assert whole[:n] == cut.prefix and whole[n : n + len(cut.segment)] == cut.segment
        assert assertion(problem, lm.decode(cut.segment)) == cut.gold
        told = zip(group.responses, group.verdicts, group.rewards, group.logprobs, strict=True)
        for response, verdict, reward, logps in told:
            tail = response[response.index(closing) + 1 :] if closing in response else []
            assert reward == verdict.strict == (tail == cut.segment) and len(logps) == len(response)
            assert len(tail) <= len(cut.segment) + stage.margin
    prompts = [group.prompt for group in groups]
    with torch.no_grad():
        sampled = responses(stage, lm, prompts, 5, 0, [0, 1, 2, 3], 0, sampling_params(stage)).ids
    # Mutants: sampled on to the end of the room; a row's own segment charged with the room of another's.
    most = [len(cut.segment) + stage.margin for _, cut in cuts]
    stopped = [r[: r.index(closing) + 1 + most[n // 8]] if closing in r else r for n, r in enumerate(sampled)]
    reads = sum(len(p) + sum(len(r) - 1 for r in stopped[8 * n : 8 * n + 8]) for n, p in enumerate(prompts))
    assert sum(entry.tokens for entry in batch.spent if entry.kind == ROLLOUT) == reads
    assert sum(map(len, sampled)) > sum(len(r) for g in groups for r in g.responses)  # what is cut off was paid
    lengths = [len(lm.encode(f"{p.question} {p.solution}")) for p, _ in cuts]
    expected = forward_cost(models.references["annotator"], REFERENCE, lengths, logits=8)
    assert [entry for entry in batch.spent if entry.kind == REFERENCE] == [expected]
    assert batch.total == 32 * stage.max_new_tokens  # Dr.GRPO's constant


def test_positions(monkeypatch):
    # Mutants: a cut where nothing is skipped; always the first; an annotator's odds ignored.
    lm, stage = SMALL.build(0), Thinking(**ROLLS | {"data": STEPS}, annotator="oracle")
    places, (opening, closing) = set(), tags(lm)
    for problem, cut in (
        pair for step in range(10) for pair in stage.cuts(StageModels(lm), 0, step, [0, 1, 2, 3], 0)[0]
    ):
        told = oracle(lm, problem)
        if opening in told:
            before = cut.prefix[len(lm.encode(problem.question)) :]
            assert before in [plain(told[:n], opening, closing) for n, token in enumerate(told) if token == opening]
            places.add(len(before))
    assert len(places) > 2
    monkeypatch.setattr(
        thinking, "thought_probs", lambda lm, chunks: [[0.0] * (len(c.segments) - 1) + [0.3] for c in chunks]
    )
    for annotator, share in (("any", 0.35), (Recipe(SMALL), 1.0)):
        one = dataclasses.replace(stage, annotator=annotator)
        held = {"annotator": lm} if isinstance(annotator, Recipe) else {}
        cuts, _ = one.cuts(StageModels(lm, references=held), 0, 0, list(range(100)), 0)
        last = sum("answer" in lm.decode(cut.segment) for _, cut in cuts) / 100
        assert last == pytest.approx(share, abs=0.15 if share < 1 else 0)


def test_bad_fields_are_refused():
    # Mutant: any check removed.
    for make, message in (
        (lambda: Annotate(**COMMON, annotator="me"), "Annotate.annotator"),
        (lambda: Annotate(**COMMON, annotator="oracle", replay_share=0.5), "Annotate.replay must"),
        (lambda: Annotate(**COMMON, annotator="oracle", replay=EASY, replay_share=2.0), "Annotate.replay_share"),
        (lambda: Annotate(**COMMON, annotator="oracle", content="loud"), "Annotate.content"),
        (lambda: Annotate(**COMMON, annotator="oracle", targets="thoughts"), "Annotate.targets"),
        (lambda: Annotate(**COMMON, annotator="oracle", max_thought=0), "Annotate.max_thought"),
        (lambda: Annotate(**COMMON, annotator="oracle", temperature=-1.0), "Annotate.temperature"),
        (lambda: Thinking(**ROLLS, annotator="me"), "Thinking.annotator"),
        (lambda: Thinking(**ROLLS, annotator="any", margin=-1), "Thinking.margin"),
        (lambda: Thinking(**ROLLS, annotator="any", reward=Reward("answer")), "Thinking.reward"),
        (lambda: Thinking(**ROLLS | {"num_samples": 1}, annotator="any"), "Thinking.num_samples"),
        (lambda: Judge("kind"), "Judge.strictness"),
        (lambda: Judge(noise=1.5), "Judge.noise"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
