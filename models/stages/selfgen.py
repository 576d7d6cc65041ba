"""Mid-training on self-generated data: several correct solutions per question, each by a different approach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from interlude.models.graders import LMJudge, RewardModel, check_names, device_of, filled, raised
from interlude.models.ledger import Spent, decode_cost
from interlude.models.lm import LM, SamplingParams
from interlude.models.meter import uncounted
from interlude.models.ranker import Ranker, fit
from interlude.models.recipe import Recipe
from interlude.models.rollouts import check_room
from interlude.models.stage import Batch, Stage, StageModels, pack
from interlude.synth import tasks
from interlude.synth.added_field import added_field
from interlude.synth.approaches import APPROACHES, PLAIN, signature, with_approach
from interlude.synth.problem import Problem
from interlude.synth.render import END
from interlude.synth.rng import rng, shuffle, uniforms
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.tasks import Task, TaskProblem, judge

NAMES = (*APPROACHES, PLAIN)  # PLAIN has no tag
FIRST = 16  # questions whose own solutions must fit the room for responses
HINT = "hint"  # marks a response to a prompt that contains the answer (STaR's rationalisation)
CHOICES = {"source": ("approaches", "rejection", "star", "distil"), "traces": ("correct", "incorrect")}
# How a hint states the answer, by dialect.
HINTS = {"terse": "answer {} ; ", "direct": "answer {} ; ", "prose": "The answer is {}. "}


class Trace(NamedTuple):
    """A kept response: the requested approach or heuristic (None: neither), its tokens, whether it has no fault, the
    approaches it shows, and the ranker's score (of an approach its log-probability; 0 without ranking)."""

    approach: str | None
    response: list[int]
    strict: bool
    shown: frozenset[str]
    adherence: float


class PoolEntry(NamedTuple):
    """One question of the pool, its ``n`` traces, and the cost of finding them: questions dropped before it, responses
    sampled, responses with the right answer, and compute."""

    problem: TaskProblem
    traces: tuple[Trace, ...]
    dropped: int
    rollouts: int
    right: int
    spent: tuple[Spent, ...]


@dataclass(frozen=True, kw_only=True)
class SelfGen(Stage):
    """Mid-training on self-generated solutions by several approaches (arXiv 2605.08472): SFT on a pool of ``instances``
    / ``n`` questions with ``n`` responses each, without the tags that requested them.

    For each question and each of ``n`` approaches, the stage's initial model samples ``samples`` responses to the
    question with the approach's tag. Of those with the right final answer (no other check), a ranker
    (models/ranker.py) selects the one that best follows the approach. A question without n traces is replaced by a new
    one. A step trains on ``batch_size`` instances; every epoch visits all in a new order. The loss is a mean over
    target tokens.

    Traces are a pure function of the initial weights and the question's index: kept in memory, sampled again on resume,
    and charged once, at first use. A response that never ends has no final answer. Raises ValueError naming the field.
    """

    data: Task
    # Worked solutions that the ranker is trained on, ``per_approach`` for each approach.
    examples: Source | None = None
    # "approaches"; "rejection": n right responses out of n * samples to the plain question, distinct ones first (more
    # traces without structured diversity); "distil": the same, sampled from ``reference``; "star" (n = 1): the first
    # right response or, if there is none, the first right response to a prompt with the answer before the question
    # (STaR, arXiv 2203.14465, one round; no base was trained on such hints, so the metric ``hinted`` counts them).
    source: str = "approaches"
    # A tag alone requests an approach, without examples in the prompt, as the base was trained on tags. Each question
    # uses n of them, starting one later than the question before, so that n does not change which are trained on.
    approaches: tuple[str, ...] = NAMES
    n: int = 8
    # 8 samples and temperature 1 are ours: the paper does not give them.
    samples: int = 8
    temperature: float = 1.0
    # Number of (question, trace) pairs, for every n. Three epochs are steps = 3 * instances / batch_size.
    instances: int = 4096
    # "correct", or "incorrect" for wrong answers instead of right ones (the paper's ablation).
    traces: str = "correct"
    reference: Recipe | None = None
    per_approach: int = 64
    # ValueError if this many questions in a row are dropped; every approach is tried before the first step.
    attempts: int = 64
    max_new_tokens: int = 256
    # Worked solutions that make up ``replay_share`` of the rows of each step, rounded. The paper has no replay; neither
    # has the default. A model that forgets how to solve deeper problems needs some.
    replay: Task | None = None
    replay_share: float = 0.0
    # Requests in words in place of tags, each with {question} where the question stands; examples may stand in them too
    # (``models.heuristics.POLYA`` has sixteen without). ``approaches`` and ``examples`` are not used then.
    heuristics: tuple[str, ...] = added_field(())
    # Who ranks by adherence to a heuristic. None: the initial model itself, by how much likelier the request makes the
    # response than the question alone, per token. A RewardModel, as in the paper, scores the response to the request.
    # An LMJudge answers a question with {question}, {heuristic} and {response}.
    scorer: LMJudge | RewardModel | None = added_field(None)
    needs_initial_model: ClassVar[bool] = True
    version: ClassVar[int] = 2  # version 1 used the first n approaches for every question

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"SelfGen.{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name in ("n", "samples", "temperature", "instances", "per_approach", "attempts", "max_new_tokens"):
            if not getattr(self, name) > 0:
                raise ValueError(f"SelfGen.{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.replay_share <= 1 or not self.pool_rows:
            raise ValueError(
                "SelfGen.replay_share must be between 0 and 1 and leave a row of SelfGen.batch_size, "
                f"got {self.replay_share}"
            )
        if (self.replay is None) != (self.replay_share == 0):
            raise ValueError("SelfGen.replay and SelfGen.replay_share must be given together")
        if self.instances % self.n:
            raise ValueError(f"SelfGen.instances must be a multiple of SelfGen.n {self.n}, got {self.instances}")
        unknown = [name for name in self.approaches if name not in NAMES]
        if unknown or len(set(self.approaches)) < len(self.approaches):
            raise ValueError(f"SelfGen.approaches must be different names of synth.approaches, got {self.approaches}")
        generated = isinstance(self.data, (Source, Mixture))
        if generated and any(source.tagged for source in parts(self.data)):
            raise ValueError("SelfGen.data must have no tags: the stage trains on responses to the plain question")
        if self.source == "approaches" and self.n > len(self.requests):
            what = "heuristics" if self.heuristics else "approaches"
            raise ValueError(
                f"SelfGen.n must be at most the number of SelfGen.{what} ({len(self.requests)}), got {self.n}"
            )
        if (self.source == "approaches" and not self.heuristics) != (self.examples is not None):
            what = 'if SelfGen.source is "approaches" without SelfGen.heuristics, and only then'
            raise ValueError(f"SelfGen.examples must be given {what}")
        if self.heuristics and self.source != "approaches":
            raise ValueError(f'SelfGen.heuristics needs SelfGen.source "approaches", got {self.source!r}')
        if self.scorer is not None and not self.heuristics:
            raise ValueError("SelfGen.scorer ranks responses to SelfGen.heuristics, of which there are none")
        if len(set(self.heuristics)) < len(self.heuristics):
            raise ValueError("SelfGen.heuristics must be different from each other")
        for heuristic in self.heuristics:
            check_names("each of SelfGen.heuristics", heuristic, "question")
        if isinstance(self.scorer, LMJudge):
            check_names("SelfGen.scorer.question", self.scorer.question, "heuristic", "response")
        if self.replay is not None and (missing := tasks.lacking(self.replay, [tasks.SOLUTIONS])):
            raise ValueError(
                f"SelfGen.replay must be a task with {missing[0]}, which a {type(self.replay).__name__} has not"
            )
        if (self.source == "distil") != (self.reference is not None):
            raise ValueError('SelfGen.reference must be given if SelfGen.source is "distil", and only then')
        if self.source == "star" and (self.n, self.traces) != (1, "correct"):
            got = f"got {self.n}, {self.traces!r}"
            raise ValueError(f'SelfGen.n and SelfGen.traces must be 1 and "correct" with "star", {got}')

    @property
    def data_needs(self) -> tuple[str, ...]:
        if self.source == "approaches" and not self.heuristics:
            return (tasks.APPROACHES,)
        return (tasks.SOLUTIONS,) if self.source == "star" else ()

    @property
    def requests(self) -> tuple[str, ...]:
        """What solutions are asked for by: heuristics in words, or the names of approaches."""
        return self.heuristics or self.approaches

    @property
    def pool_rows(self) -> int:
        """How many rows of a step are from the pool (the first ones); the others are replay."""
        return self.batch_size - round(self.replay_share * self.batch_size)

    @property
    def tried(self) -> int:
        """How many of the first questions together request every approach."""
        every = len(self.requests) - self.n + 1 if self.source == "approaches" else 1
        return min(every, self.instances // self.n)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        generator = models.references["reference"] if self.source == "distil" else models.start
        taught, paid = [], []
        if step == 0:
            first = [
                self.data.problem("selfgen", seed, slot, 0) for slot in range(min(FIRST, self.instances // self.n))
            ]
            check_room(type(self).__name__, generator, self.data, first, self.max_new_tokens)
        for slot in range(self.tried if step == 0 else 0):  # so that an empty pool raises before any update
            self.pool_entry(generator, seed, slot)
        for row in (row for row in rows if row < self.pool_rows):
            epoch, place = divmod(step * self.pool_rows + row, self.instances)
            instance = order(self.instances, seed, epoch)[place]
            kept = self.pool_entry(generator, seed, instance // self.n)
            taught.append((kept.problem, kept.traces[instance % self.n]))
            if epoch == 0 and place in debuts(self.instances, self.n, seed):
                paid.append(kept)
        spent = [each for kept in paid for each in kept.spent]
        if self.source == "approaches" and not self.heuristics and step == 0 and 0 in rows:
            spent.append(self.ranker(generator, seed).spent)
        lm = models.learner
        pairs = [(lm.encode_prompt(problem.question), trace.response) for problem, trace in taught]
        old = (self.replay.problem("selfgen", "replay", seed, step, row) for row in rows if row >= self.pool_rows)
        pairs += [(lm.encode_prompt(problem.question), lm.encode(problem.solution)) for problem in old]
        ids = [prompt + response for prompt, response in pairs]
        gains = [[0.0] * len(prompt) + [1.0] * len(response) for prompt, response in pairs]
        batch = pack(ids, gains, float(sum(map(sum, gains))), lm.pad)
        return replace(
            batch, spent=tuple(spent), metrics=trace_metrics([trace for _, trace in taught], paid) if taught else {}
        )

    def pool_entry(self, generator: LM, seed: int, slot: int) -> PoolEntry:
        """Question ``slot`` of the pool: the first candidate with n traces."""
        pool = memory(generator, self, seed)
        if slot not in pool:
            pool[slot] = self.generate(generator, seed, slot)
        return pool[slot]

    @uncounted()  # it is charged at the first use, which may be another step, and not again after a resume
    def generate(self, generator: LM, seed: int, slot: int) -> PoolEntry:
        """The first question of this slot's candidates that gives n traces, with them and what all of them cost."""
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
                for group in groups:
                    best, costs = self.best(generator, seed, problem, group)
                    traces.append(best)
                    spent += costs
            if len(traces) == self.n:
                return PoolEntry(problem, tuple(traces), attempt, rollouts, right, tuple(spent))
        raise ValueError(
            f"SelfGen.n {self.n}: none of {self.attempts} questions of SelfGen.data in a row gave {self.n} "
            f"{self.traces} traces with SelfGen.samples {self.samples} (source {self.source!r}): "
            "the pool is empty after filtering"
        )

    def best(self, generator: LM, seed: int, problem: TaskProblem, group: Group) -> tuple[Trace, list[Spent]]:
        """The usable response of a group that follows its request best (the first of equals), and the cost."""
        if not self.heuristics:
            found, cost = ranked(problem, group, self.ranker(generator, seed))
            return found, [cost]
        usable = [n for n, good in enumerate(group.usable) if good]
        request, texts = filled(group.approach, {"question": problem.question}), [group.texts[n] for n in usable]
        texts = [text.partition(END)[0].rstrip() for text in texts]
        device = device_of(generator)
        if self.scorer is None:
            prompts = generator.encode_prompt(problem.question), generator.encode_prompt(request)
            scores, costs = raised(generator, *prompts, [group.ids[n] for n in usable])
        elif isinstance(self.scorer, RewardModel):
            scores, costs = self.scorer.scores([(request, text) for text in texts], device)
        else:
            way = filled(group.approach, {"question": ""}).strip()
            about = {"question": problem.question, "heuristic": way}
            scores, costs = self.scorer.odds([about | {"response": text} for text in texts], device)
        nth = int(np.argmax(scores))
        return trace(problem, group, usable[nth], scores[nth]), costs

    def groups(self, generator: LM, problem: TaskProblem, slot: int, path: tuple) -> list[Group]:
        """The responses sampled for a question, one group per prompt: a prompt for each approach, or the plain question
        and, for STaR without a usable response, the question with a hint."""
        if self.source == "approaches":
            names = [self.requests[(slot + nth) % len(self.requests)] for nth in range(self.n)]
            question = {"question": problem.question}
            asked = [
                (name, filled(name, question) if self.heuristics else with_approach(problem, name).question)
                for name in names
            ]
            return self.sampled(generator, problem, asked, self.samples, path)
        found = self.sampled(generator, problem, [(None, problem.question)], self.n * self.samples, path)
        if self.source == "star" and not any(found[0].usable):
            dialect = problem.dialect if isinstance(problem, Problem) else "prose"
            hinted = HINTS[dialect].format(problem.answer) + problem.question
            found += self.sampled(generator, problem, [(HINT, hinted)], self.samples, path)
        return found

    def sampled(
        self, generator: LM, problem: TaskProblem, asked: list[tuple[str | None, str]], times: int, path: tuple
    ) -> list[Group]:
        """``times`` responses to each prompt, sampled in one batch that depends only on the question."""
        prompts = [generator.encode_prompt(text) for _, text in asked]
        streams = [uniforms(*path, name or "", n, n=self.max_new_tokens) for name, _ in asked for n in range(times)]
        found = generator.sample(
            [prompt for prompt in prompts for _ in range(times)],
            np.stack(streams),
            SamplingParams(max_new_tokens=self.max_new_tokens, temperature=self.temperature),
        )
        groups = []
        for nth, (name, _) in enumerate(asked):
            part = slice(nth * times, (nth + 1) * times)
            ids = found.ids[part]
            texts = [generator.decode(each) for each in ids]
            right = [judge(problem, text).answer for text in texts]
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
    """Responses to one prompt: the requested approach, and for each response its tokens, its text, whether its answer
    is right, and whether it may be trained on."""

    approach: str | None
    ids: list[list[int]]
    texts: list[str]
    right: list[bool]
    usable: list[bool]
    spent: Spent


def ranked(problem: Problem, group: Group, ranker: Ranker) -> tuple[Trace, Spent]:
    """The usable response that the ranker finds to follow its approach best (the first of equals), and the cost."""
    usable = [n for n, good in enumerate(group.usable) if good]
    scores_NC, cost = ranker.scores(problem.question, [group.texts[n] for n in usable])
    scores_N = scores_NC[:, ranker.approaches.index(group.approach)]
    best = int(scores_N.argmax())
    return trace(problem, group, usable[best], float(scores_N[best])), cost


def plain(problem: TaskProblem, groups: list[Group], wanted: int) -> list[Trace]:
    """At most ``wanted`` usable responses, distinct ones first, otherwise in the order of sampling."""
    found = [(group, n) for group in groups for n, good in enumerate(group.usable) if good]
    seen = [group.ids[n] for group, n in found]
    first = sorted(range(len(found)), key=lambda i: seen[i] in seen[:i])  # stable
    return [trace(problem, *found[i], 0.0) for i in first[:wanted]]


def trace(problem: TaskProblem, group: Group, n: int, adherence: float) -> Trace:
    """A response as a Trace. ``strict`` is judged on the question with the requested approach; which approaches a
    response shows is known of the generator's problems alone."""
    text = group.texts[n]
    judged = with_approach(problem, group.approach) if group.approach in NAMES else problem
    shown = signature(problem, text) if isinstance(problem, Problem) else frozenset()
    return Trace(group.approach, group.ids[n], judge(judged, text).strict, shown, adherence)


def trace_metrics(taught: list[Trace], paid: list[PoolEntry]) -> dict[str, float]:
    """The metrics of a step. Of the traces trained on: the shares without fault, showing only the requested approach,
    and showing two or more, and how many come from a hint. Of the questions new in this step: how many were dropped
    before them, the responses sampled, and the responses with a right answer."""
    more = {}
    if asked := [each for each in taught if each.approach not in (None, HINT)]:
        more["adherence"] = float(np.mean([each.adherence for each in asked]))
    if tagged := [each for each in asked if each.approach in NAMES]:
        more["kept_adherent"] = float(np.mean([each.shown == {each.approach} - {PLAIN} for each in tagged]))
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
    """The cache of this stage and seed for a generator, whose weights do not change."""
    return MEMORY.setdefault(generator, {}).setdefault((stage, seed), {})


@cache
def order(instances: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The order in which an epoch visits the instances."""
    found = list(range(instances))
    shuffle(rng("selfgen-order", seed, epoch), found)
    return tuple(found)


@cache
def debuts(instances: int, n: int, seed: int) -> frozenset[int]:
    """The positions in the first epoch at which a question occurs for the first time."""
    slots = [instance // n for instance in order(instances, seed, 0)]
    return frozenset(dict(zip(reversed(slots), reversed(range(instances)), strict=True)).values())
