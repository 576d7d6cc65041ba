"""Supervised fine-tuning: imitate worked solutions, the question being given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from interlude.models.stage import Batch, Stage, StageModels, imitate
from interlude.synth.tasks import Task


@dataclass(frozen=True, kw_only=True)
class SFT(Stage):
    """Loss on solution tokens only: the control that RL is to be compared with."""

    data: Task
    reads_weights: ClassVar[bool] = False

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        return imitate(models.learner, [self.data.problem("sft", seed, step, row) for row in rows], "solution")
