"""Mid-training on self-generated data: several correct solutions to each question, each by another approach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from interlude.models.ledger import Spent, decode_cost
from interlude.models.lm import LM
from interlude.models.ranker import Ranker, fit
from interlude.models.recipe import Recipe
from interlude.models.stage import Batch, Stage, StageModels, pack
from interlude.synth import tasks
from interlude.synth.approaches import APPROACHES, PLAIN, asking, signature
from interlude.synth.problem import Problem
from interlude.synth.rng import rng, shuffle, uniforms
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.verify import verify

NAMES = (*APPROACHES, PLAIN)  # PLAIN is asked for without a tag
HINT = "hint"  # what a rationalised response was asked with
CHOICES = {"source": ("approaches", "rejection", "star", "distil"), "traces": ("correct", "incorrect")}
# How a solution of the dialect states its answer.
HINTS = {"terse": "answer {} ; ", "direct": "answer {} ; ", "prose": "The answer is {}. "}


class Trace(NamedTuple):
    """A kept response: the approach it was asked for (None: none), its tokens, whether it has no fault at all, which
    approaches it shows, and the ranker's log-probability of the one asked for (0 where nothing was ranked)."""

    approach: str | None
    response: list[int]
    strict: bool
    shown: frozenset[str]
    adherence: float


class Kept(NamedTuple):
    """One question of the pool, its ``n`` traces, and what finding them took: questions dropped on the way, responses
    sampled, those of them with the right answer, and the work."""

    problem: Problem
    traces: tuple[Trace, ...]
    dropped: int
    rollouts: int
    right: int
    spent: tuple[Spent, ...]


@dataclass(frozen=True, kw_only=True)
class SelfGen(Stage):
    """A pool of ``instances`` / ``n`` questions with ``n`` responses each, imitated without the tag that asked for
    them: mid-training on self-generated data of several approaches (arXiv 2605.08472).

    For each question and each of ``n`` approaches, the stage's initial model samples ``samples`` responses under the
    approach's tag. Those with the right final answer stay (no other check), and of them the one that a ranker
    (models/ranker.py) finds to follow the approach best. A question without n traces is dropped for a fresh one. A step
    imitates ``batch_size`` instances; every epoch visits all in an order of its own; the loss is a mean over target
    tokens.

    A question's traces are a pure function of the initial weights and its number: kept in memory, sampled again on
    resume, and charged once, where they are first needed. A response that never ends has no final answer. Raises
    ValueError naming the field.
    """

    data: Source | Mixture
    # Worked solutions, ``per_approach`` of each approach, that the ranker is trained on.
    examples: Source | None = None
    # "approaches"; "rejection": n right responses out of n * samples to the plain question, different ones first (more
    # traces without structured diversity); "distil": the same from ``reference``; "star" (n = 1): the first right
    # response or, where there is none, the first to the question with its answer before it (STaR, arXiv 2203.14465, one
    # round; no base was trained on such hints, so the log counts the ``hinted`` traces).
    source: str = "approaches"
    # The tag asks alone, without exemplars, as the base was trained on tags. Each question uses n of them and begins
    # one further, so that n changes how many a question has and not which are taught.
    approaches: tuple[str, ...] = NAMES
    n: int = 8
    # Ours, as is temperature 1: the paper does not give them.
    samples: int = 8
    temperature: float = 1.0
    # n times questions, whatever n is. Three epochs are steps = 3 * instances / batch_size.
    instances: int = 4096
    # "correct", or "incorrect" for wrong answers in place of right ones (the paper's ablation).
    traces: str = "correct"
    reference: Recipe | None = None
    per_approach: int = 64
    # ValueError if so many questions in a row are dropped; tried for every approach before the first step.
    attempts: int = 64
    max_new_tokens: int = 256
    # Worked solutions that make up ``replay_share`` of every step's rows, rounded. The paper has no replay, nor has the
    # default; a model that forgets how to go deeper needs some.
    replay: Source | Mixture | None = None
    replay_share: float = 0.0
    needs_initial_model: ClassVar[bool] = True
    version: ClassVar[int] = 2  # 1 took the first n approaches for every question

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"SelfGen.{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name in ("n", "samples", "temperature", "instances", "per_approach", "attempts", "max_new_tokens"):
            if not getattr(self, name) > 0:
                raise ValueError(f"SelfGen.{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.replay_share <= 1 or not self.own:
            raise ValueError(
                "SelfGen.replay_share must be between 0 and 1 and leave a row of SelfGen.batch_size, "
                f"got {self.replay_share}"
            )
        if (self.replay is None) != (self.replay_share == 0):
            raise ValueError("SelfGen.replay and SelfGen.replay_share are given together or not at all")
        if self.instances % self.n:
            raise ValueError(f"SelfGen.instances must be a multiple of SelfGen.n {self.n}, got {self.instances}")
        unknown = [name for name in self.approaches if name not in NAMES]
        if unknown or len(set(self.approaches)) < len(self.approaches):
            raise ValueError(f"SelfGen.approaches must be different names of synth.approaches, got {self.approaches}")
        if any(source.tagged for source in parts(self.data)):
            raise ValueError("SelfGen.data must show no tags: what is imitated is an answer to the plain question")
        if self.source == "approaches" and self.n > len(self.approaches):
            raise ValueError(
                f"SelfGen.n must be at most the {len(self.approaches)} of SelfGen.approaches, got {self.n}"
            )
        if (self.source == "approaches") != (self.examples is not None):
            raise ValueError('SelfGen.examples is needed with SelfGen.source "approaches", and with no other')
        if (self.source == "distil") != (self.reference is not None):
            raise ValueError('SelfGen.reference is needed with SelfGen.source "distil", and with no other')
        if self.source == "star" and (self.n, self.traces) != (1, "correct"):
            got = f"got {self.n}, {self.traces!r}"
            raise ValueError(f'SelfGen.n and SelfGen.traces must be 1 and "correct" with "star", {got}')

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (tasks.APPROACHES,)

    @property
    def own(self) -> int:
        """How many rows of a step are of the pool: its first ones."""
        return self.batch_size - round(self.replay_share * self.batch_size)

    @property
    def tried(self) -> int:
        """How many of the first questions, together, ask for every approach."""
        every = len(self.approaches) - self.n + 1 if self.source == "approaches" else 1
        return min(every, self.instances // self.n)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        generator = models.references["reference"] if self.source == "distil" else models.start
        taught, paid = [], []
        for slot in range(self.tried if step == 0 else 0):  # so that an empty pool is refused before a weight moves
            self.kept(generator, seed, slot)
        for row in (row for row in rows if row < self.own):
            epoch, place = divmod(step * self.own + row, self.instances)
            instance = order(self.instances, seed, epoch)[place]
            kept = self.kept(generator, seed, instance // self.n)
            taught.append((kept.problem, kept.traces[instance % self.n]))
            if epoch == 0 and place in debuts(self.instances, self.n, seed):
                paid.append(kept)
        spent = [each for kept in paid for each in kept.spent]
        if self.source == "approaches" and step == 0 and 0 in rows:
            spent.append(self.ranker(generator, seed).spent)
        lm = models.learner
        pairs = [(lm.encode_prompt(problem.question), trace.response) for problem, trace in taught]
        old = (self.replay.problem("selfgen", "replay", seed, step, row) for row in rows if row >= self.own)
        pairs += [(lm.encode_prompt(problem.question), lm.encode(problem.solution)) for problem in old]
        ids = [prompt + response for prompt, response in pairs]
        gains = [[0.0] * len(prompt) + [1.0] * len(response) for prompt, response in pairs]
        batch = pack(ids, gains, float(sum(map(sum, gains))), lm.pad)
        return replace(
            batch, spent=tuple(spent), metrics=trace_metrics([trace for _, trace in taught], paid) if taught else {}
        )

    def kept(self, generator: LM, seed: int, slot: int) -> Kept:
        """Question ``slot`` of the pool: the first of its candidates that has n traces."""
        pool = memory(generator, self, seed)
        if slot not in pool:
            pool[slot] = self.found(generator, seed, slot)
        return pool[slot]

    def found(self, generator: LM, seed: int, slot: int) -> Kept:
        rollouts, right, spent = 0, 0, []
        for attempt in range(self.attempts):
            path = ("selfgen", seed, slot, attempt)
            problem, traces = self.data.problem(*path), []
            groups = self.groups(generator, problem, slot, path)
            for group in groups:
                rollouts, right = rollouts + len(group.texts), right + sum(group.right)
                spent.append(group.spent)
            if self.source != "approaches":
                traces = plain(problem, groups, self.n)
            elif all(any(group.usable) for group in groups):
                ranker = self.ranker(generator, seed)
                for group in groups:
                    best, cost = ranked(problem, group, ranker)
                    traces.append(best)
                    spent.append(cost)
            if len(traces) == self.n:
                return Kept(problem, tuple(traces), attempt, rollouts, right, tuple(spent))
        raise ValueError(
            f"SelfGen.n {self.n}: none of {self.attempts} questions of SelfGen.data in a row kept that many "
            f"{self.traces} traces out of SelfGen.samples {self.samples} (source {self.source!r}): "
            "the pool is empty after filtering"
        )

    def groups(self, generator: LM, problem: Problem, slot: int, path: tuple) -> list[Group]:
        """What is sampled for a question, by what was asked: every approach, or nothing, or a hint where that
        failed."""
        if self.source == "approaches":
            names = [self.approaches[(slot + nth) % len(self.approaches)] for nth in range(self.n)]
            asked = [(name, asking(problem, name).question) for name in names]
            return self.sampled(generator, problem, asked, self.samples, path)
        found = self.sampled(generator, problem, [(None, problem.question)], self.n * self.samples, path)
        if self.source == "star" and not any(found[0].usable):
            hinted = HINTS[problem.dialect].format(problem.answer) + problem.question
            found += self.sampled(generator, problem, [(HINT, hinted)], self.samples, path)
        return found

    def sampled(
        self, generator: LM, problem: Problem, asked: list[tuple[str | None, str]], times: int, path: tuple
    ) -> list[Group]:
        """``times`` responses to each prompt, sampled in one batch, which depends on nothing but the question."""
        prompts = [generator.encode_prompt(text) for _, text in asked]
        streams = [uniforms(*path, name or "", n, n=self.max_new_tokens) for name, _ in asked for n in range(times)]
        found = generator.sample(
            [prompt for prompt in prompts for _ in range(times)],
            np.stack(streams),
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
        )
        groups = []
        for nth, (name, _) in enumerate(asked):
            part = slice(nth * times, (nth + 1) * times)
            ids = found.ids[part]
            texts = [generator.decode(each) for each in ids]
            right = [verify(problem, text).answer for text in texts]
            wanted = self.traces == "correct"
            usable = [end and ok == wanted for end, ok in zip(found.stopped[part], right, strict=True)]
            cost = decode_cost(generator, len(prompts[nth]), [len(each) for each in ids])
            groups.append(Group(name, ids, texts, right, usable, cost))
        return groups

    def ranker(self, generator: LM, seed: int) -> Ranker:
        """The ranker of this stage and seed."""
        pool = memory(generator, self, seed)
        if "ranker" not in pool:
            taught = []
            for name in self.approaches:
                source = replace(self.examples, approach=name, chances=None, tagged=False)
                for n in range(self.per_approach):
                    problem = source.problem("ranker", seed, name, n)
                    taught.append((name, problem.question, problem.solution))
            pool["ranker"] = fit(taught)
        return pool["ranker"]


class Group(NamedTuple):
    """Responses to one prompt: what it asked for, and for each its tokens, its text, whether its answer is right, and
    whether it may be taught."""

    asked: str | None
    ids: list[list[int]]
    texts: list[str]
    right: list[bool]
    usable: list[bool]
    spent: Spent


def ranked(problem: Problem, group: Group, ranker: Ranker) -> tuple[Trace, Spent]:
    """The usable response that follows its approach best by the ranker (the first of equals), and what ranking cost."""
    usable = [n for n, good in enumerate(group.usable) if good]
    scores_NC, cost = ranker.scores(problem.question, [group.texts[n] for n in usable])
    scores_N = scores_NC[:, ranker.approaches.index(group.asked)]
    best = int(scores_N.argmax())
    return trace(problem, group, usable[best], float(scores_N[best])), cost


def plain(problem: Problem, groups: list[Group], wanted: int) -> list[Trace]:
    """At most so many usable responses, different ones first, else in the order of sampling."""
    found = [(group, n) for group in groups for n, good in enumerate(group.usable) if good]
    seen = [group.ids[n] for group, n in found]
    first = sorted(range(len(found)), key=lambda i: seen[i] in seen[:i])  # stable
    return [trace(problem, *found[i], 0.0) for i in first[:wanted]]


def trace(problem: Problem, group: Group, n: int, adherence: float) -> Trace:
    """A response as it is kept. Whether it has no fault is judged by the question that was asked."""
    text = group.texts[n]
    judged = asking(problem, group.asked) if group.asked in NAMES else problem
    return Trace(group.asked, group.ids[n], verify(judged, text).strict, signature(problem, text), adherence)


def trace_metrics(taught: list[Trace], paid: list[Kept]) -> dict[str, float]:
    """What the log says: of the traces taught, the shares without any fault, that show the approach asked for and no
    other, and that show two or more, and how many come from a hint; of the questions new in this step, how many were
    dropped before them, and the responses sampled and those with a right answer."""
    more = {}
    if asked := [each for each in taught if each.approach in NAMES]:
        more["adherence"] = float(np.mean([each.adherence for each in asked]))
        more["kept_adherent"] = float(np.mean([each.shown == {each.approach} - {PLAIN} for each in asked]))
    return more | {
        "kept_strict": float(np.mean([each.strict for each in taught])),
        "kept_composed": float(np.mean([len(each.shown) > 1 for each in taught])),
        "hinted": float(sum(each.approach == HINT for each in taught)),
        "dropped": float(sum(each.dropped for each in paid)),
        "rollouts": float(sum(each.rollouts for each in paid)),
        "rollouts_right": float(sum(each.right for each in paid)),
    }


MEMORY: WeakKeyDictionary[LM, dict] = WeakKeyDictionary()


def memory(generator: LM, stage: SelfGen, seed: int) -> dict:
    """What was already computed for this stage and seed with a generator, whose weights do not change."""
    return MEMORY.setdefault(generator, {}).setdefault((stage, seed), {})


@cache
def order(instances: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The order in which an epoch visits the instances."""
    found = list(range(instances))
    shuffle(rng("selfgen-order", seed, epoch), found)
    return tuple(found)


@cache
def debuts(instances: int, n: int, seed: int) -> frozenset[int]:
    """The places of the first epoch at which a question comes for the first time."""
    slots = [instance // n for instance in order(instances, seed, 0)]
    return frozenset(dict(zip(reversed(slots), reversed(range(instances)), strict=True)).values())
