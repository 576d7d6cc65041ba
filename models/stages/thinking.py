"""Thinking mid-training, its second stage: RL in which a thought is paid for the corpus segment that follows it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar, NamedTuple

import numpy as np

from interlude.models.annotator import RL_HALF, Chunk, check_tokens, chunk, drawn, willing
from interlude.models.ledger import REFERENCE, ROLLOUT, Spent, decode_cost, forward_cost
from interlude.models.lm import LM, tags
from interlude.models.policy_gradient import Policy, weigh
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Group, Reward, responses
from interlude.models.stage import Batch, StageModels
from interlude.synth.problem import Problem
from interlude.synth.render import THINK, split
from interlude.synth.rng import rng, uniforms, weighted
from interlude.synth.segments import Assertion, assertion
from interlude.synth.tasks import SEGMENTS
from interlude.synth.thoughts import without
from interlude.synth.verify import Verdict

STRICTNESS = ("exact", "facts", "value")
POSITIONS = ("oracle", "any")


@dataclass(frozen=True)
class Judge:
    """Says whether a written segment means what the corpus segment means.

    strictness: "facts" asks for equal sets of parsed facts (relation, values, equation), in any order that is legal;
    "exact" for the same tokens; "value" for the same number found and nothing else. noise: share of verdicts that are
    turned round, as those of a language model would be now and then; 0 turns none.
    """

    strictness: str = "facts"
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.strictness not in STRICTNESS:
            raise ValueError(f"Judge.strictness must be one of {', '.join(STRICTNESS)}, got {self.strictness!r}")
        if not 0 <= self.noise <= 1:
            raise ValueError(f"Judge.noise must be a share between 0 and 1, got {self.noise}")

    @property
    def content(self) -> int | None:
        """What a key of this judge rests on beyond its fields: how segments are read, once that has changed."""
        return Verdict.version if Verdict.version > 1 else None

    def accepts(self, written: Assertion, gold: Assertion) -> bool:
        """Without noise."""
        if self.strictness == "exact":
            return split(written.text) == split(gold.text)
        if self.strictness == "value":
            return written.value == gold.value
        return written.facts == gold.facts

    def verdict(self, written: Assertion | None, gold: Assertion, uniform: float = 1.0) -> Verdict:
        """parsed: a whole segment was written. answer: it finds the right number. process: the share of the corpus'
        facts that it states. strict: accepted, or the reverse where ``uniform``, in [0, 1), is below the noise."""
        if written is None:
            return Verdict(False, False, 0.0, uniform < self.noise, ())
        stated = len(written.facts & gold.facts) / len(gold.facts)
        accepted = self.accepts(written, gold) != (uniform < self.noise)
        return Verdict(True, written.value == gold.value, stated, accepted, ())


class Cut(NamedTuple):
    """Where a chunk is cut: the tokens before a segment, and the segment with what it asserts."""

    prefix: list[int]
    segment: list[int]
    gold: Assertion


@dataclass(frozen=True, kw_only=True)
class Thinking(Policy):
    """RL on thoughts before segments of a corpus: the second stage of Thinking Mid-training (arXiv 2601.21343v3,
    section 2.2).

    For each row a chunk of the half of ``data`` that ``Annotate`` never sees is cut before one of its segments; the
    learner reads the raw text up to there and an opening tag, and writes a thought and the next segment; a judge that
    does not see the thought compares the segment with the corpus'. Advantages and loss are Policy's, Dr.GRPO unless
    said otherwise.

    Where the paper is silent: a prefix has no thoughts (our reading of its figure 10); temperature 1, no KL, one
    update; Dr.GRPO divides by ``max_new_tokens``, which bounds thought and segment together; text after the segment is
    neither judged nor reinforced, but charged. An unclosed thought earns what a wrong segment earns. ``strict`` in the
    log is the judge's verdict. Raises ValueError naming the field.
    """

    # Says only where a thought belongs. A finished model of the same tokens: a segment of the chunk is drawn in
    # proportion to the probability that this model thinks before it (one forward pass, charged). "oracle": drawn
    # uniformly among those that come after a skipped step, or among all where nothing is skipped: an upper bound.
    # "any": drawn uniformly, a control.
    annotator: Recipe | str
    judge: Judge = Judge()
    # Sampling ends with the thought, the length of the corpus' segment and so many tokens more.
    margin: int = 8
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.annotator, str) and self.annotator not in POSITIONS:
            what = f"a Recipe, {' or '.join(map(repr, POSITIONS))}"
            raise ValueError(f"Thinking.annotator must be {what}, got {self.annotator!r}")
        if self.reward != Reward():
            raise ValueError(f"Thinking.reward must be {Reward()}, got {self.reward}: the judge's verdict is paid")
        if self.margin < 0:
            raise ValueError(f"Thinking.margin must not be negative, got {self.margin}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SEGMENTS,)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        costs: list[Spent] = []

        def draw(wanted: list[int], attempt: int) -> list[Group]:
            groups, spent = self.rolled(models, seed, step, wanted, attempt)
            costs.extend(spent)
            return groups

        kept, seen = self.groups(models.learner, seed, step, rows, draw)
        batch = weigh(self, models.learner, kept, seen)
        # Policy charges the responses it is shown, which are cut; what was sampled is charged instead.
        others = (entry for entry in batch.spent if entry.kind != ROLLOUT)
        closing = tags(models.learner)[1]
        written = [response for group in seen for response in group.responses]
        thought = [each.index(closing) if closing in each else len(each) for each in written]
        metrics = batch.metrics | {"thought_tokens": float(np.mean(thought))}
        return replace(batch, spent=(*others, *costs), metrics=metrics)

    def rolled(
        self, models: StageModels, seed: int, step: int, rows: list[int], attempt: int
    ) -> tuple[list[Group], list[Spent]]:
        """Sampled and judged groups of these rows, and what they cost."""
        lm = models.learner
        cuts, costs = self.cuts(models, seed, step, rows, attempt)
        opening, closing = tags(lm)
        prompts = [[*cut.prefix, opening] for _, cut in cuts]
        most = [len(cut.segment) + self.margin for _, cut in cuts]
        samples = responses(self, lm, prompts, seed, step, rows, attempt, stop=(closing, max(most)))
        groups = []
        for nth, (problem, cut) in enumerate(cuts):
            part = slice(nth * self.num_samples, (nth + 1) * self.num_samples)
            luck = uniforms("judge", seed, step, rows[nth], attempt, n=self.num_samples)
            ids, verdicts = [], []
            for sampled, uniform in zip(samples.ids[part], luck.tolist(), strict=True):
                length, written = read(lm, problem, sampled, closing, most[nth])
                ids.append(sampled[:length])
                verdicts.append(self.judge.verdict(written, cut.gold, uniform))
            logps = [logp[: len(each)] for logp, each in zip(samples.logprobs[part], ids, strict=True)]
            rewards = np.array([self.reward.of(verdict, 1) for verdict in verdicts])
            groups.append(Group(problem, prompts[nth], ids, logps, verdicts, rewards))
            made = [sampled_tokens(each, closing, most[nth]) for each in samples.ids[part]]
            costs.append(decode_cost(lm, len(prompts[nth]), made))
        return groups, costs

    def cuts(
        self, models: StageModels, seed: int, step: int, rows: list[int], attempt: int
    ) -> tuple[list[tuple[Problem, Cut]], list[Spent]]:
        """For each row a problem of the RL half and where it is cut; and what finding that place cost."""
        lm, annotator = models.learner, models.references.get("annotator")
        paths = [("thinking", seed, step, row, attempt) for row in rows]
        chunks = [chunk(lm, drawn(self.data, RL_HALF, *path)) for path in paths]
        if annotator is None:
            wishes, costs = [self.needs(each) for each in chunks], []
        else:
            check_tokens(lm, annotator, chunks)
            wishes = willing(annotator, chunks)
            lengths = [len(each.question + each.solution) for each in chunks]
            costs = [forward_cost(annotator, REFERENCE, lengths, logits=sum(map(len, wishes)))]
        found = zip(paths, chunks, wishes, strict=True)
        return [(each.problem, cut(lm, each, wish, *path)) for path, each, wish in found], costs

    def needs(self, each: Chunk) -> list[float]:
        """How much each segment of a chunk asks for a thought, without an annotator."""
        return [1.0] * len(each.segments) if self.annotator == "any" else needed(each)


def needed(each: Chunk) -> list[float]:
    """1 for each segment of a chunk that comes after a skipped step and 0 for others; where nothing is skipped, 1 for
    all."""
    told = each.problem.style
    if told is None or not told.skipped:
        return [1.0] * len(each.segments)
    found, waiting = [], False
    for move in each.problem.moves:
        if move.statement in told.skipped:
            waiting = True
        else:
            found.append(float(waiting))
            waiting = False
    return [*found, float(waiting)]


def cut(lm: LM, each: Chunk, wish: list[float], *path: str | int) -> Cut:
    """A chunk cut before one of its segments, drawn in proportion to ``wish``."""
    at = weighted(rng("cut", *path), tuple(wish))
    gold = assertion(each.problem, lm.decode(each.segments[at]))
    if gold is None:
        raise ValueError(f"segment {at} of this problem asserts nothing: {lm.decode(each.segments[at])!r}")
    return Cut(each.question + list(chain.from_iterable(each.segments[:at])), each.segments[at], gold)


def sampled_tokens(response: list[int], closing: int, most: int) -> int:
    """How many tokens of a response are charged: up to ``most`` after its thought, where its row stops, whatever other
    rows of the batch have room for."""
    return min(len(response), response.index(closing) + 1 + most) if closing in response else len(response)


def read(lm: LM, problem: Problem, ids: list[int], closing: int, most: int) -> tuple[int, Assertion | None]:
    """How many tokens of a response to an opening tag are a thought and the first segment after it, of ``most`` tokens
    at most, and what the segment asserts (None where thought or segment is not whole)."""
    if closing not in ids:
        return len(ids), None
    after = ids.index(closing) + 1
    end = min(len(ids), after + most)

    def written(length: int) -> Assertion | None:
        return assertion(problem, without(f"{THINK} {lm.decode(ids[:length])}")[0])

    if written(end) is None:
        return end, None
    length = bisect_left(range(end), True, lo=after, key=lambda n: written(n) is not None)
    return length, written(length)
