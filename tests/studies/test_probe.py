"""The thought probe: what is replaced, and that it finds that thoughts matter where they do and only there."""

from __future__ import annotations

import dataclasses
import math
from itertools import chain

import numpy as np
import pytest
import torch

from interlude.models.annotator import chunk
from interlude.models.gpt import GPT
from interlude.models.key import key
from interlude.models.lm import SamplingParams, tags
from interlude.models.recipe import Recipe
from interlude.models.sample import sample
from interlude.models.stages.thinking import Thinking, needed
from interlude.studies import scoring
from interlude.studies.exam import cached_result, evaluate
from interlude.studies.exams import probe
from interlude.studies.exams.probe import THOUGHTS, ProbeExam, others, own_thoughts, places
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.results import cell, numbers
from interlude.studies.stats import paired
from interlude.synth.rng import rng, shuffle, uniforms
from interlude.synth.segments import assertion, unthought
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import Verdict

GAPS = Source(ops=(2, 2), modulus=3, names=6, skip_prob=1.0, thoughts="ignored")
PROBE = ProbeExam("p", GAPS, 8, samples=3, max_new_tokens=24, thought="own")
EACH = {thought: dataclasses.replace(PROBE, thought=thought) for thought in THOUGHTS}
SURE, CLOSES = 0.97, 0.6


class Parrot(torch.nn.Module):
    """A model in whose thought stands the segment that the corpus has after this prefix, and which repeats its thought
    where it ``listens``; one that does not says the segment whatever it thought. Every token has the probability
    SURE, or CLOSES where a thought may close, and all others share the rest."""

    def __init__(self, lm, segments: dict[tuple, list[int]], listens: bool):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.encode, self.encode_prompt, self.decode = lm.encode, lm.encode_prompt, lm.decode
        self.pad, self.end = lm.pad, lm.end
        self.vocab_size, self.segments, self.listens = lm.vocab_size, segments, listens
        self.opening, self.closing = tags(lm)

    def next(self, ids: list[int]) -> torch.Tensor:
        """Logits after one row of tokens."""
        first = ids.index(self.opening)
        segment = self.segments[tuple(ids[:first])]
        if self.closing not in ids[first:]:
            wanted = [*segment, self.closing][min(len(ids) - first - 1, len(segment))]
            p = CLOSES if wanted == self.closing else SURE
        else:
            last = ids.index(self.closing, first)
            said = ids[first + 1 : last] if self.listens else segment
            wanted, p = ([*said, self.end] + [self.end] * len(ids))[len(ids) - last - 1], SURE
        p_V = torch.full((self.vocab_size,), (1 - p) / (self.vocab_size - 1))
        p_V[wanted] = p
        return p_V.log()

    def logits_at(self, ids_BT, index_N):
        rows, width = ids_BT.tolist(), ids_BT.shape[1]
        return torch.stack([self.next(rows[at // width][: at % width + 1]) for at in index_N.tolist()])

    def decoder(self, prompts, room):
        return Repeating(self, [list(prompt) for prompt in prompts])

    def sample(self, prompts, streams, params):
        return sample(self, prompts, streams, params)


class Repeating:
    """Decoding without a cache."""

    def __init__(self, lm, rows):
        self.lm, self.rows = lm, rows

    def begin(self):
        return torch.stack([self.lm.next(row) for row in self.rows])

    def step(self, ids_B):
        self.rows = [[*row, token] for row, token in zip(self.rows, ids_B.tolist(), strict=True)]
        return self.begin()

    def keep(self, rows_K):
        self.rows = [self.rows[row] for row in rows_K.tolist()]


def parrot(lm, listens: bool) -> tuple[Parrot, list]:
    cuts = places(lm, PROBE.draw_problems())
    return Parrot(lm, {tuple(each.prefix): each.segment for each in cuts}, listens), cuts


def slow(lm, prompt: list[int], text: list[int], temperature: float) -> float:
    """log p of a text token by token, each by a pass of its own."""
    total, ids = 0.0, list(prompt)
    for token in text:
        total += float((lm.forward(torch.tensor([ids]))[0, -1].double() / temperature).log_softmax(-1)[token])
        ids.append(token)
    return total


def replaced(thoughts: list[list[list[int]]], thought: str) -> list[list[list[int]]]:
    """What stands in each thought, by another route."""
    if thought == "empty":
        return [[[] for _ in each] for each in thoughts]
    if thought == "other":
        return [thoughts[other] for other in others(len(thoughts))]
    return thoughts


@pytest.mark.parametrize("thought", THOUGHTS)
@pytest.mark.parametrize("temperature", (1.0, 0.7))
def test_the_segment_is_scored_after_what_stands_in_the_thought(thought, temperature, thinker):
    # Mutants: every condition given the own thought; a tag missing or twice; the question without the segments before;
    # temperature in one place only; a sum over thoughts; the thought scored with the segment.
    lm = thinker().eval()
    exam = dataclasses.replace(EACH[thought], temperature=temperature)
    found = evaluate(lm, exam)
    opening, closing = tags(lm)
    with torch.no_grad():
        cuts = places(lm, exam.draw_problems())
        own = own_thoughts(lm, cuts, 3, SamplingParams(max_new_tokens=exam.max_new_tokens, temperature=temperature))
        for row, (each, stood) in enumerate(zip(cuts, replaced(own, thought), strict=True)):
            if thought != "shuffled":
                told = [[*each.prefix, opening, *ids, closing] for ids in stood]
                expected = np.mean([slow(lm, prompt, each.segment, temperature) for prompt in told])
                assert found.logp[row] == pytest.approx(expected, abs=1e-3)
            assert found.thought[row] == pytest.approx(np.mean([len(ids) for ids in stood]))
    assert (found.strict <= found.answer).all() and found.answer.max() <= found.samples == 3
    assert found.logp.max() < 0


def test_own_thoughts_are_sampled_from_their_own_streams(thinker):
    # Mutants: one stream for all; the closing tag or the end left in; gold thoughts in the prefix; the neighbour's.
    lm = thinker().eval()
    opening, closing = tags(lm)
    told = [dataclasses.replace(GAPS, thoughts="oracle").problem("exam", 2, 2, n) for n in range(8)]
    cuts = places(lm, told)
    assert cuts == places(lm, [unthought(problem) for problem in told])
    closed = 0
    own = own_thoughts(lm, cuts, 3, SamplingParams(max_new_tokens=24))
    for row, (each, thoughts) in enumerate(zip(cuts, own, strict=True)):
        assert opening not in each.prefix
        for n, ids in enumerate(thoughts):
            streams = uniforms("probe", row, n, n=24)[None]
            whole = lm.sample([[*each.prefix, opening]], streams, SamplingParams(max_new_tokens=24)).ids[0]
            closed += closing in whole
            expected = whole[: whole.index(closing)] if closing in whole else [t for t in whole if t != lm.end]
            assert ids == expected
    assert closed > 4


def test_a_cut_is_where_a_step_is_skipped():
    # Mutants: a cut anywhere; the answer asked for; another place for each thought or model.
    vocab = Vocabulary(worlds=("zoo",), thoughts=True)
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=vocab).build(0)
    for source in (GAPS, Source(ops=(3, 4), skip_prob=0.5, thoughts="ignored")):
        exam = dataclasses.replace(PROBE, source=source, problems=30)
        cuts, at = places(lm, exam.draw_problems()), set()
        for problem, each in zip(exam.draw_problems(), cuts, strict=True):
            raw = chunk(lm, unthought(problem))
            assert each.prefix[: len(raw.question)] == raw.question
            place = [list(chain(raw.question, *raw.segments[:n])) for n in range(len(raw.segments))].index(each.prefix)
            assert needed(raw)[place] == 1 and each.segment == raw.segments[place]
            assert assertion(problem, lm.decode(each.segment)) == each.gold
            assert problem.style.skipped and "answer" not in lm.decode(each.segment)
            at.add(place)
        assert cuts == places(lm, exam.draw_problems()) and (len(at) > 1 or source is GAPS)


def test_a_probe_asks_the_first_problems_that_skip_a_step():
    # Mutants: problems that skip none; these left out without others for them; an exam of another kind that chooses.
    source = Source(ops=(3, 4), skip_prob=0.2, thoughts="ignored")
    asked = dataclasses.replace(PROBE, source=source, problems=20)
    drawn = [source.problem("exam", 3, 4, row) for row in range(100)]
    expected = [problem for problem in drawn if problem.style.skipped][:20]
    assert len(expected) == 20 and asked.draw_problems() == expected != drawn[:20]
    assert SampledExam("s", asked.source, asked.problems).draw_problems() == drawn[:20]
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(worlds=("zoo",), thoughts=True))
    with pytest.raises(ValueError, match="after a skipped step"):
        places(lm.build(0), drawn)


def test_nobody_has_his_own():
    # Mutants: a permutation with fixed points; an order of the problems.
    for count in (2, 3, 50):
        found = others(count)
        assert sorted(found) == list(range(count)) and all(row != other for row, other in enumerate(found))
        assert found == others(count)
    assert others(50) != [*range(1, 50), 0]


def expected(lm: Parrot, cuts, thought: str) -> list[float]:
    """What a Parrot gives each segment after its sampled thoughts: SURE for every token in the right place."""
    rest = (1 - SURE) / (lm.vocab_size - 1)
    found, own = [], own_thoughts(lm, cuts, 3, SamplingParams(max_new_tokens=24))
    for row, (each, thoughts) in enumerate(zip(cuts, replaced(own, thought), strict=True)):
        nats = []
        for n, ids in enumerate(thoughts):
            if thought == "shuffled":
                ids = list(ids)
                shuffle(rng("thought", "probe", row, n, 1), ids)
            said = [*(ids if lm.listens else each.segment), *[lm.end] * len(each.segment)]
            nats.append(sum(math.log(SURE if a == b else rest) for a, b in zip(each.segment, said, strict=False)))
        found.append(float(np.mean(nats)))
    return found


@pytest.mark.parametrize("listens", (True, False))
def test_the_probe_tells_whether_thoughts_matter(listens, thinker):
    """Mutants: every condition given the own thought, or none; a thought shuffled across problems; own and other
    exchanged. By an oracle: a model whose every probability is known."""
    lm, cuts = parrot(thinker(), listens)
    found = {thought: evaluate(lm, exam) for thought, exam in EACH.items()}
    for thought, each in found.items():
        assert each.logp == pytest.approx(expected(lm, cuts, thought), abs=1e-4), thought
    gaps = {t: paired(found["own"].logp[None], found[t].logp[None]) for t in THOUGHTS[1:]}
    right = {t: each.strict.sum() / (3 * len(cuts)) for t, each in found.items()}
    for thought, gap in gaps.items():
        if listens:
            assert gap.low > 2 and right["own"] > right[thought] + 0.1
        else:
            assert gap.mean == gap.low == gap.high == 0 and right["own"] == right[thought] > 0.1
    assert found["shuffled"].thought.tolist() == found["own"].thought.tolist() and not found["empty"].thought.any()


def test_written_segments_are_judged_without_their_thoughts(thinker, monkeypatch):
    # Mutants: verdicts of the neighbour; the thought judged, so that a tag inside it spoils the segment; a bare count
    # where a mean belongs; text after the segment read.
    lm, cuts = parrot(thinker(), False)
    plain = evaluate(lm, PROBE)
    thoughts = own_thoughts(lm, cuts, 3, SamplingParams(max_new_tokens=24))
    broken = [[[tags(lm)[0], *ids] for ids in each] for each in thoughts]
    monkeypatch.setattr(probe, "own_thoughts", lambda *args: broken)
    nested = evaluate(lm, PROBE)
    assert nested.strict.tolist() == plain.strict.tolist() and nested.answer.tolist() == plain.answer.tolist()
    assert (nested.thought - plain.thought).tolist() == pytest.approx([1.0] * 8)
    opening, closing = tags(lm)
    judged = np.zeros(8)
    longest = max(len(each.segment) for each in cuts) + Thinking.margin
    for row, (problem, each) in enumerate(zip(PROBE.draw_problems(), cuts, strict=True)):
        for n, ids in enumerate(thoughts[row]):
            streams = uniforms("probe", "segment", row, n, n=longest)[None]
            params = SamplingParams(max_new_tokens=longest)
            text = lm.sample([[*each.prefix, opening, *ids, closing]], streams, params).ids[0]
            said = assertion(problem, lm.decode(text))
            judged[row] += said is not None and said.facts == each.gold.facts
    assert plain.strict.tolist() == judged.tolist() and 0 < judged.sum() < 24
    assert (plain.process <= 1).all() and (plain.process * 3 >= plain.strict - 1e-9).all()


def test_batches_are_of_no_consequence(thinker, monkeypatch):
    # Mutants: results in another order; padding seen; streams by place in the batch.
    lm = thinker()
    whole = evaluate(lm, PROBE)
    monkeypatch.setitem(scoring.ROWS, "cpu", 3)
    monkeypatch.setattr(scoring, "SAMPLED", 5)
    part = evaluate(lm, PROBE)
    assert part.logp == pytest.approx(whole.logp, abs=1e-4) and part.strict.tolist() == whole.strict.tolist()


def test_probes_are_kept_and_keyed(thinker, runs, tiny, monkeypatch):
    # Mutants: conditions sharing one file; old exams with other keys; verdicts kept when the judge has changed, or
    # places when what is asked has; other kinds taken again for a probe's sake.
    recipe = Recipe(dataclasses.replace(tiny, vocab=dataclasses.replace(tiny.vocab, thoughts=True)))
    lm = thinker()
    first = {thought: cached_result(recipe, exam, lm) for thought, exam in EACH.items()}
    for thought, exam in EACH.items():
        again = cached_result(recipe, exam, None)
        assert again.logp.tolist() == first[thought].logp.tolist()
        assert again.strict.tolist() == first[thought].strict.tolist()
        assert numbers(cell(again.logp, 4)) == pytest.approx(again.logp, abs=1e-4)
    assert len({key(exam) for exam in EACH.values()}) == 4
    before, sat = key(PROBE), SampledExam("s", GAPS, 8, samples=3)
    other = key(sat)
    with monkeypatch.context() as changed:
        changed.setattr(probe, "VERSION", 99)
        assert key(PROBE) != before and key(sat) == other
    monkeypatch.setattr(Verdict, "version", Verdict.version + 1)
    assert key(PROBE) != before


def test_bad_probes_are_refused(learned):
    # Mutant: any check removed.
    for change, name in (
        ({"thought": None}, "ProbeExam.thought"),
        ({"thought": "gold"}, "ProbeExam.thought"),
        ({"samples": 0}, "ProbeExam.samples"),
        ({"problems": 1}, "ProbeExam.problems"),
        ({"source": dataclasses.replace(GAPS, skip_prob=0.0)}, "ProbeExam.source"),
    ):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(PROBE, **change)
    with pytest.raises(ValueError, match="'p' skips a step in 0 of 800 problems"):
        dataclasses.replace(PROBE, source=dataclasses.replace(GAPS, skip_prob=1e-9)).draw_problems()
    with pytest.raises(ValueError, match="<think>"):
        evaluate(learned(), PROBE)
