"""Exact exams: the probability of each problem's canonical solution, or of all its legal orders, without sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.studies.evidence import planning_by_step
from interlude.studies.exam import Exam, ExamResult, check_canonical
from interlude.studies.layout import Table
from interlude.studies.results import ROLES, Results, cell, pairs
from interlude.studies.scoring import solution_logprobs
from interlude.synth.moves import legal_orders
from interlude.synth.problem import Problem
from interlude.synth.render import ANSWER, PLANNING, STOP

MOST_ORDERS = 1000  # of one problem, each a forward pass
LAST = "stop"  # the step after the last: to end the solution


@dataclass(frozen=True)
class ExactResult(ExamResult):
    """logp (float64[P], nats): log-probability of each canonical solution. roles: the same, summed by token role.
    planning (P arrays, nats): the surprise of every choice of a next step, and last of the choice to stop."""

    logp: np.ndarray
    roles: dict[str, np.ndarray]
    planning: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class ExactExam(Exam):
    """The log-probability of the canonical worked solution, by teacher forcing, and its split by token role.

    In an ordered dialect this is the log of the probability p that a sample is strictly correct, so pass@k = 1 - (1 -
    p)^k is known for every k, at any ``temperature``, in one forward pass.
    """

    kind: ClassVar[str] = "exact"
    result: ClassVar[type[ExamResult]] = ExactResult
    aligned: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "logp": "log-probability (nats) of each problem's canonical solution",
        "planning_by_step": "mean surprise (nats) of the choice of each step, step:nats from 1, and of stopping",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_canonical(self)

    def measure(self, lm: LM) -> ExactResult:
        problems = self.draw_problems()
        found = solution_logprobs(lm, problems, self.temperature)
        roles: dict[str, np.ndarray] = {}
        for i, (problem, logp_T) in enumerate(zip(problems, found, strict=True)):
            for role, value in zip(problem.written.solution_roles, logp_T, strict=True):
                roles.setdefault(role, np.zeros(len(problems)))[i] += value
        planning = tuple(planning_nats(problem, logp_T) for problem, logp_T in zip(problems, found, strict=True))
        return ExactResult(np.array([logp_T.sum() for logp_T in found]), roles, planning)

    def cells(self, result: ExactResult) -> dict[str, str | float]:
        nats = {f"{r}_nats": float(-result.roles[r].mean()) if r in result.roles else math.nan for r in ROLES}
        return nats | {"logp": cell(result.logp, 4), "planning_by_step": pairs(by_step(result.planning), ".4f")}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return planning_by_step(table)

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        if not rows:
            return []
        steps = list(dict.fromkeys(step for row in rows for step in row["nats"]))
        steps = sorted(steps, key=lambda step: (step == LAST, int(step) if step != LAST else 0))
        cells = [
            [row["arm"], row["exam"], *(f"{row['nats'][s]:.3f}" if s in row["nats"] else "–" for s in steps)]
            for row in rows
        ]
        heads = ["arm", "exam", *(step if step == LAST else f"step {step}" for step in steps)]
        return [("planning nats by step", heads, cells, "mean surprise of the choice of each step, over seeds, exact")]


@dataclass(frozen=True)
class AnyOrderExam(ExactExam):
    """The log of the probability of a solution in any legal order of steps, summed over all of them by teacher forcing.

    Strict accepts one order, in which each step is the first ready statement of the question; where statements are
    shuffled others are as good. Roles and planning are those of the canonical order. One problem has as many forward
    passes as it has orders: 18 in the mean and 126 at most among 100 of eight operations.
    """

    @property
    def solutions(self) -> int:
        return orders(self)

    def measure(self, lm: LM) -> ExactResult:
        variants = [in_every_order(problem) for problem in self.draw_problems()]
        found = solution_logprobs(lm, list(chain.from_iterable(variants)), self.temperature)
        logp = np.array([logp_T.sum() for logp_T in found])
        ends = np.cumsum([len(each) for each in variants])
        summed = [np.logaddexp.reduce(part) for part in np.split(logp, ends[:-1])]
        # A sum of probabilities may round to more than 1.
        return replace(super().measure(lm), logp=np.minimum(summed, 0.0))


@cache
def orders(exam: AnyOrderExam) -> int:
    """The number of legal orders of all problems of an exam, and the canonical ones once more, which give the roles."""
    return exam.problems + sum(len(in_every_order(problem)) for problem in exam.draw_problems())


def in_every_order(problem: Problem) -> list[Problem]:
    """The problem with its solution written in each legal order of steps. Raises ValueError if there are too many."""
    made = []
    for moves in islice(legal_orders(problem.graph), MOST_ORDERS + 1):
        if len(made) == MOST_ORDERS:
            raise ValueError(
                f"a problem of {len(problem.moves)} operations has more than {MOST_ORDERS} legal orders of steps, too "
                "many to sum over; ask fewer operations or narrower graphs"
            )
        variant = replace(problem)
        variant.__dict__["moves"] = moves  # a cached property, which writing the solution reads
        made.append(variant)
    return made


def planning_nats(problem: Problem, logp_T: np.ndarray) -> np.ndarray:
    """The surprise (nats) of the token that chooses each step, and then of the one that stops.

    The canonical solution announces its answer with a stopping token of its own; the closing mark after the answer
    chooses nothing.
    """
    roles = problem.written.solution_roles
    chosen = [-value for role, value in zip(roles, logp_T, strict=True) if role == PLANNING]
    stops = [at for at, role in enumerate(roles) if role == STOP and (at == 0 or roles[at - 1] != ANSWER)]
    return np.array([*chosen, *(-logp_T[at] for at in stops[:1])])


def by_step(planning: tuple[np.ndarray, ...]) -> dict[str, float]:
    """Mean nats of each step, over the problems that have it, named from "1", and of stopping."""
    most = max(len(each) for each in planning) - 1
    means = {str(n + 1): float(np.mean([each[n] for each in planning if n < len(each) - 1])) for n in range(most)}
    return means | {LAST: float(np.mean([each[-1] for each in planning]))}
