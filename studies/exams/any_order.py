"""An exact exam in any order: the probability that a response is right but for the order of its steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from interlude.models.lm import LM
from interlude.studies.exams.exact import ExactExam, ExactResult
from interlude.studies.scoring import solution_logprobs
from interlude.synth.moves import legal_orders
from interlude.synth.problem import Problem


@dataclass(frozen=True)
class AnyOrderExam(ExactExam):
    """The log of the probability of a solution in any legal order of steps, summed over all of them by teacher forcing.

    Strict accepts one order, in which each step is the first ready statement of the question; where statements are
    shuffled others are as good. Roles and planning are those of the canonical order. One problem has as many forward
    passes as it has orders: 18 in the mean and 126 at most among 100 of eight operations.
    """

    def measure(self, lm: LM) -> ExactResult:
        variants = [in_every_order(problem) for problem in self.draw_problems()]
        found = solution_logprobs(lm, list(chain.from_iterable(variants)), self.temperature)
        logp = np.array([logp_T.sum() for logp_T in found])
        ends = np.cumsum([len(each) for each in variants])
        summed = [np.logaddexp.reduce(part) for part in np.split(logp, ends[:-1])]
        # A sum of probabilities may round to more than 1.
        return replace(super().measure(lm), logp=np.minimum(summed, 0.0))


def in_every_order(problem: Problem) -> list[Problem]:
    """The problem with its solution written in each legal order of steps."""
    made = []
    for moves in legal_orders(problem.graph):
        variant = replace(problem)
        variant.__dict__["moves"] = moves  # a cached property, which writing the solution reads
        made.append(variant)
    return made
