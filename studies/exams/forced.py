"""A control exam: are operands bound to the noun that is written, whichever it is, or only to the one expected next?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.studies.evidence import forced_rows
from interlude.studies.exam import Exam, ExamResult, check_canonical
from interlude.studies.layout import Table, mean_over_interval, over_seeds_in_words
from interlude.studies.results import Results, places
from interlude.studies.scoring import token_logprobs
from interlude.synth.problem import Problem
from interlude.synth.render import COPY, PLANNING, RETRIEVAL


@dataclass(frozen=True)
class ForcedResult(ExamResult):
    """operands (P arrays, in the order of the canonical solution's steps): the probability of the operands of each
    needed noun when that noun comes first after the question."""

    operands: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class ForcedExam(Exam):
    """Every needed noun in turn, and not only the one that a right solution begins with, is forced directly after the
    question; measured is the probability (exact, teacher-forced) of its operands, the noun tokens and operators of its
    statement, given that noun.

    A model that plans and recalls separately copies the forced noun's own operands at every place; one that reads
    statements in order does so at the first place only.
    """

    kind: ClassVar[str] = "forced"
    result: ClassVar[type[ExamResult]] = ForcedResult
    aligned: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "operands": "probability of the operands of each needed noun forced after the question, place/place/... of "
        "each problem"
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_canonical(self)

    def measure(self, lm: LM) -> ForcedResult:
        problems = self.draw_problems()
        asked = [(i, *each) for i, problem in enumerate(problems) for each in statements(problem)]
        prompts = [lm.encode_prompt(problem.question) for problem in problems]
        solutions = [lm.encode(problem.solution) for problem in problems]
        texts = [solutions[i][first:last] for i, first, last, _ in asked]
        found = token_logprobs(lm, [prompts[i] for i, *_ in asked], texts, self.temperature)
        operands: list[list[float]] = [[] for _ in problems]
        for (i, _, _, copied), logp_T in zip(asked, found, strict=True):
            operands[i].append(float(np.exp(logp_T[list(copied)].sum())))
        return ForcedResult(tuple(map(np.array, operands)))

    def cells(self, result: ForcedResult) -> dict[str, str | float]:
        return {"operands": places(result.operands, 4)}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return forced_rows(table)

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        if not rows:
            return []
        most = max(len(row["places"]) for row in rows)
        cells = [
            [row["arm"], row["exam"], row["ops"], mean_over_interval(row, 3), f"{row['least']:.3f}"]
            + [f"{row['places'][n]:.3f}" if n < len(row["places"]) else "–" for n in range(most)]
            for row in rows
        ]
        heads = ["arm", "exam", "operations", "all places", "least place", *(f"place {n + 1}" for n in range(most))]
        caption = "probability of its operands given a forced noun; places in the order of the solution; "
        return [("operands of forced nouns", heads, cells, caption + over_seeds_in_words(rows))]


def statements(problem: Problem) -> list[tuple[int, int, tuple[int, ...]]]:
    """Of each step of the canonical solution: where its restated statement begins, where it ends, and which of its
    tokens, counted from there, are operands.

    A statement begins with the noun that is planned and ends before what is recalled: in "bears = foxes + owls ,
    foxes 4 owls 3 , ..." it is "bears = foxes + owls", and "foxes + owls" are its operands.
    """
    roles = problem.written.solution_roles
    starts = [at for at, role in enumerate(roles) if role == PLANNING]
    found = []
    for first, end in zip(starts, [*starts[1:], len(roles)], strict=True):
        recalled = next((at for at in range(first, end) if roles[at] == RETRIEVAL), end)
        last = recalled - 1 if recalled < end else end  # the noun whose value is recalled is copied once more
        copied = [at for at in range(first + 1, last) if roles[at] == COPY]
        found.append((first, max(copied, default=first) + 1, tuple(at - first for at in copied)))
    return found
