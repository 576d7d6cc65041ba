"""Mid-training: next-token prediction on a new mixture, with a share of the old one replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from interlude.models.stage import Batch, Stage, StageModels, check_replay, check_targets, imitate, replayed
from interlude.synth.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Midtrain(Stage):
    """Each row comes from ``replay`` with probability ``replay_share``, else from ``data`` (targets as in Pretrain)."""

    data: Task
    replay: Task
    replay_share: float = 0.2
    targets: str = "solution"
    reads_weights: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        check_replay(self)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        return imitate(models.learner, replayed(self, seed, step, rows), self.targets)
