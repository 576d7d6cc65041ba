"""An exam of modes: the exact probability that a model gives to each approach after the plain question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.studies.evidence import share_rows
from interlude.studies.exam import Exam, ExamResult
from interlude.studies.layout import Table, mean_over_interval, over_seeds_in_words
from interlude.studies.results import Results, cell, pairs
from interlude.studies.scoring import text_logprobs
from interlude.synth import tasks
from interlude.synth.approaches import with_approach
from interlude.synth.problem import Problem
from interlude.synth.source import parts

VERSION = 1  # raise it when the numbers of any model change: it enters the key of every exam of this kind


@dataclass(frozen=True)
class ModesResult(ExamResult):
    """modes (float64[P]): effective number of approaches. masses: the mean probability of each."""

    modes: np.ndarray
    masses: dict[str, float]


@dataclass(frozen=True)
class ModesExam(Exam):
    """The exact probability of each of the source's approaches after the plain question."""

    kind: ClassVar[str] = "modes"
    result: ClassVar[type[ExamResult]] = ModesResult
    needs: ClassVar[tuple[str, ...]] = (tasks.APPROACHES,)
    columns: ClassVar[dict[str, str]] = {
        "modes": "effective number of approaches, by exact probability, of each problem",
        "masses": "mean probability of each approach's beginnings, approach:mean",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not isinstance(part.approach, tuple) or part.tagged for part in parts(self.source)):
            raise ValueError("ModesExam.source must have several approaches (Source.approach) and no tags")

    @property
    def content(self) -> int:
        return VERSION

    @property
    def names(self) -> tuple[str, ...]:
        """The approaches of the source."""
        return tuple(dict.fromkeys(name for part in parts(self.source) for name in part.approach))

    def measure(self, lm: LM) -> ModesResult:
        found = log_masses(lm, self.draw_problems(), self.names, self.temperature)
        shares = {n: float(np.mean([np.exp(each[n]) if n in each else 0.0 for each in found])) for n in self.names}
        return ModesResult(np.array([effective(each) for each in found]), shares)

    def cells(self, result: ModesResult) -> dict[str, str | float]:
        return {"modes": cell(result.modes, 4), "masses": pairs(result.masses, ".3g")}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return share_rows(table, cls.kind, "modes", "masses")

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        if not rows:
            return []
        names = tuple(dict.fromkeys(name for row in rows for name in row["masses"]))
        cells = [
            [row["arm"], mean_over_interval(row, 2), *(f"{row['masses'].get(name, 0.0):.3f}" for name in names)]
            for row in rows
        ]
        caption = "exact: the effective number of approaches, and the probability of each; the rest begins otherwise; "
        caption += over_seeds_in_words(rows)
        return [(f"modes, {rows[0]['exam']}", ["arm", "modes", *names], cells, caption)]


def log_masses(lm: LM, problems: list[Problem], names: tuple[str, ...], temperature: float) -> list[dict[str, float]]:
    """For each problem, and each approach of ``names``, the log of its mode mass: the exact probability that a sample
    after the plain question begins as this approach's solution does, up to where no other approach's goes along
    (at the branch points of right solutions). So the masses of a problem sum to 1 at most.
    Approaches whose solutions are the same are one mode, which stands under the first of their names.

    Raises ValueError for problems whose steps may be skipped or reworded.
    """
    told = [beginnings({n: lm.encode(with_approach(p, n, tagged=False).solution) for n in names}) for p in problems]
    prompts = [lm.encode_prompt(with_approach(p, names[0], tagged=False).question) for p in problems]
    places = [(row, name) for row, each in enumerate(told) for name in each]
    texts = [told[row][name] for row, name in places]
    logps = text_logprobs(lm, [prompts[row] for row, _ in places], texts, temperature)
    found: list[dict[str, float]] = [{} for _ in problems]
    for (row, name), logp in zip(places, logps, strict=True):
        found[row][name] = logp
    return found


def beginnings(solutions: dict[str, list[int]]) -> dict[str, list[int]]:
    """Of each solution the shortest beginning that no different one has; of equal ones only the first is kept."""
    kept: dict[str, list[int]] = {}
    for name, ids in solutions.items():
        if ids not in kept.values():
            kept[name] = ids
    return {
        name: ids[: 1 + max((together(ids, other) for other in kept.values() if other != ids), default=0)]
        for name, ids in kept.items()
    }


def together(a: list[int], b: list[int]) -> int:
    """How many tokens two texts share from the start."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def effective(log_masses_of_one: dict[str, float]) -> float:
    """How many modes as likely as each other would be as uncertain: exp of the entropy of the shares of one problem's
    masses, from 1 to their number."""
    logp = np.array([*log_masses_of_one.values()])
    share = np.exp(logp - logp.max())
    share /= share.sum()
    return float(np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()))
