"""Prefix withdrawal: RL on unsolved problems, with prompts that contain an ever shorter prefix of the solution."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, Spent, forward_cost
from interlude.models.lm import LM
from interlude.models.parallel import one_core
from interlude.models.policy_gradient import Policy, weigh
from interlude.models.rollouts import Group, Reward, check_room, responses, sampling_params
from interlude.models.stage import Batch, StageModels, logprobs
from interlude.synth.added_field import added_field
from interlude.synth.problem import Problem
from interlude.synth.segments import segments, unthought, whole
from interlude.synth.tasks import SEGMENTS
from interlude.synth.verify import verify

JUDGED = ("text", "solution")


@dataclass(frozen=True, kw_only=True)
class Withdraw(Policy):
    """A prompt is the question and the first floor(``begin`` (1 - done / ``free``) n) of the n steps of the corpus
    solution. done is the finished share of the stage; from ``free`` on the prefix is empty. The verifier judges prefix
    and response together; the prefix is not trained on.

    Problems are meant to be those that the stage's initial model does not solve: a row skips a problem if the initial
    model gives one text of it (``judged``) a probability of ``solved`` or more. This exact number replaces 64 attempts
    without success (MFC, arXiv 2609.13997, of which we knew only the idea: the schedule is ours). After ``tries``
    skipped problems a row takes the next one unchecked. Other fields and errors are Policy's.
    """

    begin: float = 0.9
    free: float = 0.8
    solved: float = 0.01
    tries: int = 8
    # The text whose probability decides whether the initial model solves a problem. "text": what the corpus has. Where
    # texts stop early this is wrong for the paper's purpose: a model that solves the problem goes on, gives the stopped
    # text next to nothing, and the problem is taken. It is the default because results exist that were trained with it.
    # "solution": the whole solution, every step shown outside thoughts, whose probability exact exams report. Where a
    # response may also be right in other ways (thoughts, words, prose), that is a lower bound of solving the problem.
    judged: str = added_field("text")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.begin <= 1 or not 0 < self.free <= 1 or not 0 <= self.solved <= 1 or self.tries < 1:
            what = f"{self.begin}, {self.free}, {self.solved} and {self.tries}"
            raise ValueError(
                f"Withdraw.begin and solved must be in [0, 1], free in (0, 1] and tries at least 1, got {what}"
            )
        if self.judged not in JUDGED:
            raise ValueError(f"Withdraw.judged must be one of {', '.join(JUDGED)}, got {self.judged!r}")
        if self.reward != Reward():
            raise ValueError(f"Withdraw.reward must be {Reward()}, got {self.reward}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SEGMENTS,)

    @property
    def needs_initial_model(self) -> bool:  # type: ignore[override]
        return True

    def given(self, done: float, steps: int) -> int:
        """How many steps of the solution are in the prompt when the share ``done`` of the stage is over."""
        return math.floor(self.begin * max(0.0, 1 - done / self.free) * steps)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        costs: list[Spent] = []
        kept, seen = self.groups(models.learner, seed, step, rows, partial(self.rolled, models, costs, seed, step))
        batch = weigh(self, models.learner, kept, seen)
        shown = float(np.mean([len(g.prompt) - len(models.learner.encode_prompt(g.problem.question)) for g in seen]))
        return replace(batch, spent=(*batch.spent, *costs), metrics=batch.metrics | {"prefix_tokens": shown})

    def rolled(
        self, models: StageModels, costs: list[Spent], seed: int, step: int, rows: list[int], attempt: int
    ) -> list[Group]:
        """Sampled and judged groups of these rows; the cost of finding their problems is appended to ``costs``."""
        lm, groups = models.learner, []
        problems = [self.unsolved(models.start, costs, "rl", seed, step, row, attempt) for row in rows]
        if step == attempt == 0:
            check_room(type(self).__name__, lm, self.data, problems, self.max_new_tokens)
        prefixes = [self.prefix(lm, problem, models.done) for problem in problems]
        prompts = [lm.encode_prompt(p.question) + prefix for p, prefix in zip(problems, prefixes, strict=True)]
        samples = responses(self, lm, prompts, seed, step, rows, attempt, sampling_params(self))
        for nth, (problem, prefix) in enumerate(zip(problems, prefixes, strict=True)):
            part = slice(nth * self.num_samples, (nth + 1) * self.num_samples)
            verdicts = [verify(problem, lm.decode(prefix + ids)) for ids in samples.ids[part]]
            rewards = np.array([self.reward.of(verdict, len(problem.moves)) for verdict in verdicts])
            groups.append(Group(problem, prompts[nth], samples.ids[part], samples.logprobs[part], verdicts, rewards))
        return groups

    def prefix(self, lm: LM, problem: Problem, done: float) -> list[int]:
        """The tokens of the first solution steps, as they are put in the prompt."""
        steps = segments(unthought(problem))[:-1]
        return lm.encode("".join(steps[: self.given(done, len(steps))]))

    @one_core()
    def unsolved(self, start: LM, costs: list[Spent], *path: str | int) -> Problem:
        """The first problem of a path's stream that ``start`` does not solve, as far as ``judged`` can tell."""
        for again in range(self.tries):
            problem = self.data.problem(*path, *((again,) if again else ()))
            text = (whole(problem) if self.judged == "solution" else problem).solution
            question, solution = start.encode_prompt(problem.question), start.encode(text)
            ids_1T = torch.tensor([question + solution], device=next(start.parameters()).device)
            chosen_1T = torch.arange(ids_1T.shape[1], device=ids_1T.device)[None] >= len(question)
            costs.append(forward_cost(start, REFERENCE, [ids_1T.shape[1]], logits=len(solution)))
            if float(logprobs(start, ids_1T, chosen_1T).sum()) < math.log(max(self.solved, 1e-300)):
                return problem
        return self.data.problem(*path, self.tries)
