"""An exam of empty thoughts: does a thought with nothing in it leave the corpus' own next token as probable as it was?

A method that thinks before any token is judged by whether its thoughts help. Where even an empty one harms, because the
model has seen thoughts only where something was missing, it could not win: the gate before such methods are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM, tags
from interlude.studies.exam import Exam, ExamResult
from interlude.studies.results import cell
from interlude.studies.scoring import encoded, token_probabilities
from interlude.synth.rng import below, rng
from interlude.synth.source import parts


@dataclass(frozen=True)
class EmptyResult(ExamResult):
    """Of each problem's token (float64[P]): empty_thought, its probability after an empty thought; no_thought, its
    probability without one."""

    empty_thought: np.ndarray
    no_thought: np.ndarray


@dataclass(frozen=True)
class EmptyExam(Exam):
    """The exact probability of one token of each text, drawn uniformly from its solution: after an opening and a
    closing tag, and without them. Places are the same for all models, so that differences are paired."""

    kind: ClassVar[str] = "empty"
    result: ClassVar[type[ExamResult]] = EmptyResult
    columns: ClassVar[dict[str, str]] = {
        "empty_thought": "probability of each text's own next token after an empty thought",
        "no_thought": "probability of the same token without it",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(part.thoughts == "oracle" for part in parts(self.source)):
            raise ValueError(f"EmptyExam.source of {self.name!r} must not hold thoughts")

    def measure(self, lm: LM) -> EmptyResult:
        opening, closing = tags(lm)
        asked, texts = encoded(lm, self.draw_problems())
        at = [below(rng("empty", "place", row), len(ids)) for row, ids in enumerate(texts)]
        prefixes = [[*ask, *ids[:t]] for ask, ids, t in zip(asked, texts, at, strict=True)]
        own = [[ids[t]] for ids, t in zip(texts, at, strict=True)]
        after = [[*prefix, opening, closing] for prefix in prefixes]
        return EmptyResult(*(token_probabilities(lm, each, own, self.temperature) for each in (after, prefixes)))

    def cells(self, result: EmptyResult) -> dict[str, str]:
        return {name: cell(getattr(result, name), 5) for name in self.columns}
