"""A divergence exam: how far a model's predictions have moved from a reference model's, along the right solutions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.models.parallel import together
from interlude.models.recipe import Recipe
from interlude.studies.evidence import measure_rows
from interlude.studies.exam import Exam, ExamResult
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell
from interlude.studies.run import load
from interlude.studies.scoring import chunks, encoded, predictions
from interlude.synth import tasks


@dataclass(frozen=True)
class DivergenceResult(ExamResult):
    """divergence (float64[P], nats)."""

    divergence: np.ndarray


@dataclass(frozen=True)
class DivergenceExam(Exam):
    """The exact KL(reference || model) of the next token over the whole vocabulary, in nats, summed over the positions
    of each canonical solution, teacher-forced."""

    reference: Recipe = field(kw_only=True)
    kind: ClassVar[str] = "divergence"
    result: ClassVar[type[ExamResult]] = DivergenceResult
    needs: ClassVar[tuple[str, ...]] = (tasks.SOLUTIONS,)
    columns: ClassVar[dict[str, str]] = {"divergence": "KL(reference || arm) along each problem's solution, nats"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.reference, Recipe):
            raise ValueError(f"DivergenceExam.reference of {self.name!r} must be a recipe, got {self.reference!r}")

    def measure(self, lm: LM) -> DivergenceResult:
        base = load(self.reference, str(next(lm.parameters()).device))
        problems = self.draw_problems()

        def nats(chunk: list[int]) -> list[float]:
            part = [problems[i] for i in chunk]
            found = (predictions(each, *encoded(lm, part), self.temperature) for each in (lm, base))
            pairs = zip(*found, strict=True)
            return [float((base_TV.exp() * (base_TV - own_TV)).sum()) for own_TV, base_TV in pairs]

        found = together([partial(nats, chunk) for chunk in chunks(list(range(len(problems))), lm)])
        return DivergenceResult(np.array([value for part in found for value in part]))

    def cells(self, result: DivergenceResult) -> dict[str, str | float]:
        return {"divergence": cell(result.divergence, 6)}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return measure_rows(table, cls.kind, ("divergence",))

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        return [means_table("KL(reference || arm) along a solution", rows, {"divergence": "nats"}, digits=4)]
