"""Mid-training: next-token prediction on a new mixture, with a share of the old one replayed."""

from __future__ import annotations

from dataclasses import dataclass

from models.stages import Batch, Models, Stage, check_targets, imitate
from synth.problem import Mixture, Source
from synth.rng import rng


@dataclass(frozen=True, kw_only=True)
class Midtrain(Stage):
    """Each row comes from ``replay`` with probability ``replay_share``, else from ``data`` (targets as in Pretrain)."""

    data: Source | Mixture
    replay: Source | Mixture
    replay_share: float = 0.2
    targets: str = "solution"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        if not 0 <= self.replay_share <= 1:
            raise ValueError(f"Midtrain.replay_share must be between 0 and 1, got {self.replay_share}")

    def collect(self, models: Models, seed: int, step: int, rows: range) -> Batch:
        problems = []
        for row in rows:
            path = ("midtrain", seed, step, row)
            source = self.replay if rng("replay", *path).random() < self.replay_share else self.data
            problems.append(source.problem(*path))
        return imitate(models.learner, problems, self.targets)
