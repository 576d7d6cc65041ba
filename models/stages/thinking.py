"""Thinking mid-training, second stage: RL that rewards a thought if the model then writes the corpus segment."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from interlude.models.annotator import (
    RL_HALF,
    Chunk,
    check_tokens,
    chunk,
    drawn,
    first_sentence,
    plainly,
    thought_probs,
)
from interlude.models.graders import LMJudge, check_names, device_of
from interlude.models.ledger import REFERENCE, ROLLOUT, Spent, decode_cost, forward_cost
from interlude.models.lm import LM, tags
from interlude.models.meter import uncounted
from interlude.models.policy_gradient import Policy, weigh
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Group, Reward, responses, sampling_params
from interlude.models.stage import Batch, StageModels
from interlude.models.teacher import Teacher
from interlude.synth.problem import Problem
from interlude.synth.render import END, THINK, split
from interlude.synth.rng import rng, uniforms, weighted
from interlude.synth.segments import Assertion, assertion
from interlude.synth.tasks import SEGMENTS, SOLUTIONS, TaskProblem

if TYPE_CHECKING:
    import torch
from interlude.synth.thoughts import without
from interlude.synth.verify import Verdict

STRICTNESS = ("exact", "facts", "value")
POSITIONS = ("oracle", "any")
# A question to a model that judges (``Thinking.judge``); the paper does not give its own.
SAME = (
    "Original: {original}\nContinuation: {continuation}\n\n"
    "Does the continuation say the same as the original, whatever its wording? Answer yes or no."
)


@dataclass(frozen=True)
class Judge:
    """Decides whether a written segment has the same meaning as the corpus segment.

    strictness: "facts" requires equal sets of parsed facts (relation, values, equation) in any legal order; "exact" the
    same tokens; "value" only the same resulting number. noise: share of verdicts that are flipped at random, like the
    errors of a language model as judge.
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
        """What enters the key of this judge besides its fields: the verifier's version, from 2 on."""
        return Verdict.version if Verdict.version > 1 else None

    def accepts(self, written: Assertion, gold: Assertion) -> bool:
        """The verdict without noise."""
        if self.strictness == "exact":
            return split(written.text) == split(gold.text)
        if self.strictness == "value":
            return written.value == gold.value
        return written.facts == gold.facts

    def verdict(self, written: Assertion | None, gold: Assertion, uniform: float = 1.0) -> Verdict:
        """parsed: a complete segment was written. answer: its number is right. process: the share of the corpus
        segment's facts that it states. strict: accepted; flipped if ``uniform``, in [0, 1), is below the noise."""
        if written is None:
            return Verdict(False, False, 0.0, uniform < self.noise, ())
        stated = len(written.facts & gold.facts) / len(gold.facts)
        accepted = self.accepts(written, gold) != (uniform < self.noise)
        return Verdict(True, written.value == gold.value, stated, accepted, ())


class Cut(NamedTuple):
    """A chunk, cut before one segment: the tokens before it, the segment, and what the segment asserts."""

    prefix: list[int]
    segment: list[int]
    gold: Assertion


@dataclass(frozen=True, kw_only=True)
class Thinking(Policy):
    """RL on thoughts before segments of a corpus: the second stage of Thinking Mid-training (arXiv 2601.21343v3,
    section 2.2).

    For each row, a chunk from the half of ``data`` that ``Annotate`` never sees is cut before one of its segments. The
    prompt is the raw text before the cut and an opening tag; the response is a thought and the next segment. A judge
    that does not see the thought compares this segment with the corpus segment. Advantages and loss are Policy's
    (default: Dr.GRPO).

    Where the paper is silent: a prefix has no thoughts (our reading of its figure 10); temperature 1, no KL, one update
    per batch; Dr.GRPO divides by ``max_new_tokens``, which bounds thought and segment together. Text after the segment
    is charged, but neither judged nor trained on. An unclosed thought is rewarded like a wrong segment. The metric
    ``strict`` is the judge's verdict. Raises ValueError naming the field.
    """

    # Chooses where to think. A trained model with the same tokenizer: the segment is drawn in proportion to the
    # probability that this model thinks before it (one forward pass, charged). A Teacher: in proportion to that of its
    # yes. "oracle": drawn uniformly among the segments after a skipped step, or among all if no step is skipped (an
    # upper bound). "any": drawn uniformly (a control).
    annotator: Recipe | Teacher | str
    # A Judge reads what the generator's dialects assert; in other text it can only compare words ("exact"). An LMJudge
    # is a language model: it answers a question with {original} and {continuation}, such as SAME. Its answer is the
    # verdict where yes is likelier than no.
    judge: Judge | LMJudge = Judge()
    # After the thought, sampling stops after the length of the corpus segment plus this many tokens.
    margin: int = 8
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.annotator, str) and self.annotator not in POSITIONS:
            what = f"a Recipe, a Teacher, {' or '.join(map(repr, POSITIONS))}"
            raise ValueError(f"Thinking.annotator must be {what}, got {self.annotator!r}")
        if self.reward != Reward():
            raise ValueError(f"Thinking.reward must be {Reward()} (the judge decides), got {self.reward}")
        if self.margin < 0:
            raise ValueError(f"Thinking.margin must not be negative, got {self.margin}")
        if isinstance(self.judge, LMJudge):
            check_names("Thinking.judge.question", self.judge.question, "original", "continuation")

    @property
    def data_needs(self) -> tuple[str, ...]:
        read = isinstance(self.judge, Judge) and self.judge.strictness != "exact"
        return (SEGMENTS,) if read or self.annotator == "oracle" else (SOLUTIONS,)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        costs: list[Spent] = []

        def draw(wanted: list[int], attempt: int) -> list[Group]:
            groups, spent = self.rolled(models, seed, step, wanted, attempt)
            costs.extend(spent)
            return groups

        kept, seen = self.groups(models.learner, seed, step, rows, draw)
        batch = weigh(self, models.learner, kept, seen)
        # Policy would charge the responses after truncation; charge all sampled tokens instead.
        others = (entry for entry in batch.spent if entry.kind != ROLLOUT)
        closing = tags(models.learner)[1]
        written = [response for group in seen for response in group.responses]
        thought = [each.index(closing) if closing in each else len(each) for each in written]
        metrics = batch.metrics | {"thought_tokens": float(np.mean(thought))}
        return replace(batch, spent=(*others, *costs), metrics=metrics)

    def rolled(
        self, models: StageModels, seed: int, step: int, rows: list[int], attempt: int
    ) -> tuple[list[Group], list[Spent]]:
        """Sampled and judged groups of these rows, and their cost."""
        lm = models.learner
        cuts, costs = self.cuts(models, seed, step, rows, attempt)
        opening, closing = tags(lm)
        prompts = [[*cut.prefix, opening] for _, cut in cuts]
        most = [len(cut.segment) + self.margin for _, cut in cuts]
        params = replace(sampling_params(self), stop_token=closing, tokens_after_stop=max(most))
        with uncounted():  # each row is charged to where it could have stopped, below
            samples = responses(self, lm, prompts, seed, step, rows, attempt, params)
        asked = [nth for nth in range(len(cuts)) for _ in range(self.num_samples)]
        found = [
            read(lm, cuts[nth][0], sampled, closing, most[nth]) for nth, sampled in zip(asked, samples.ids, strict=True)
        ]
        luck = [uniforms("judge", seed, step, row, attempt, n=self.num_samples).tolist() for row in rows]
        judged, spent = self.verdicts(
            [written for _, written in found], [cuts[nth][1].gold for nth in asked], list(chain(*luck)), device_of(lm)
        )
        costs += spent
        groups = []
        for nth, (problem, _) in enumerate(cuts):
            part = slice(nth * self.num_samples, (nth + 1) * self.num_samples)
            ids = [sampled[:n] for sampled, (n, _) in zip(samples.ids[part], found[part], strict=True)]
            verdicts = judged[part]
            logps = [logp[: len(each)] for logp, each in zip(samples.logprobs[part], ids, strict=True)]
            rewards = np.array([self.reward.of(verdict, 1) for verdict in verdicts])
            groups.append(Group(problem, prompts[nth], ids, logps, verdicts, rewards))
            made = [sampled_tokens(each, closing, most[nth]) for each in samples.ids[part]]
            costs.append(decode_cost(lm, len(prompts[nth]), made))
        return groups, costs

    def verdicts(
        self, written: list[Assertion | None], gold: list[Assertion], luck: list[float], device: torch.device
    ) -> tuple[list[Verdict], list[Spent]]:
        """The verdict on each written segment, and what it cost to ask for them."""
        if isinstance(self.judge, Judge):
            return [self.judge.verdict(*each) for each in zip(written, gold, luck, strict=True)], []
        whole = [n for n, each in enumerate(written) if each is not None]
        texts = [{"original": spoken(gold[n]), "continuation": spoken(written[n])} for n in whole]
        odds, spent = self.judge.odds(texts, device)
        said = {n: each > 0 for n, each in zip(whole, odds, strict=True)}
        return [
            Verdict(n in said, said.get(n, False), float(said.get(n, False)), said.get(n, False), ())
            for n in range(len(written))
        ], spent

    def cuts(
        self, models: StageModels, seed: int, step: int, rows: list[int], attempt: int
    ) -> tuple[list[tuple[TaskProblem, Cut]], list[Spent]]:
        """For each row a problem of the RL half and its cut; and the cost of choosing the cuts."""
        lm, annotator = models.learner, models.references.get("annotator")
        paths = [("thinking", seed, step, row, attempt) for row in rows]
        chunks = [chunk(lm, drawn(self.data, RL_HALF, *path)) for path in paths]
        if isinstance(self.annotator, Teacher):
            wishes, costs = self.annotator.thought_probs(lm, chunks, device_of(lm))
        elif annotator is None:
            wishes, costs = [self.needs(each) for each in chunks], []
        else:
            check_tokens(lm, annotator, chunks)
            wishes = thought_probs(annotator, chunks)
            lengths = [len(each.question + each.solution) for each in chunks]
            costs = [forward_cost(annotator, REFERENCE, lengths, logits=sum(map(len, wishes)))]
        found = zip(paths, chunks, wishes, strict=True)
        return [(each.problem, cut(lm, each, wish, *path)) for path, each, wish in found], costs

    def needs(self, each: Chunk) -> list[float]:
        """Without an annotator, the weight with which each segment of a chunk is drawn."""
        return [1.0] * len(each.segments) if self.annotator == "any" else needed(each)


def needed(each: Chunk) -> list[float]:
    """1 for each segment of a chunk that follows a skipped step, 0 for the others; 1 for all if no step is skipped."""
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
    text = lm.decode(each.segments[at])
    gold = assertion(each.problem, text) if isinstance(each.problem, Problem) else plainly(text)
    if gold is None:
        raise ValueError(f"segment {at} of this problem asserts nothing: {lm.decode(each.segments[at])!r}")
    return Cut(each.question + list(chain.from_iterable(each.segments[:at])), each.segments[at], gold)


def sampled_tokens(response: list[int], closing: int, most: int) -> int:
    """How many tokens of a response are charged: those up to ``most`` tokens after its thought, where its row stops,
    even if other rows of the batch go on."""
    return min(len(response), response.index(closing) + 1 + most) if closing in response else len(response)


def spoken(segment: Assertion) -> str:
    """A segment without its end mark, which is no part of what it says."""
    return segment.text.removesuffix(END).rstrip()


def read(lm: LM, problem: TaskProblem, ids: list[int], closing: int, most: int) -> tuple[int, Assertion | None]:
    """For a response to an opening tag: the number of tokens of the thought and the first segment after it (at most
    ``most`` tokens), and what the segment asserts (None if thought or segment is incomplete)."""
    if closing not in ids:
        return len(ids), None
    after = ids.index(closing) + 1
    end = min(len(ids), after + most)
    if not isinstance(problem, Problem):
        length = first_sentence(lm, ids[after:end])
        if length is None or {*tags(lm)} & {*ids[after : after + length]}:
            return end, None
        return after + length, plainly(lm.decode(ids[after : after + length]))

    def written(length: int) -> Assertion | None:
        return assertion(problem, without(f"{THINK} {lm.decode(ids[:length])}")[0])

    if written(end) is None:
        return end, None
    length = bisect_left(range(end), True, lo=after, key=lambda n: written(n) is not None)
    return length, written(length)
