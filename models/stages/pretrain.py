"""Pre-training: next-token prediction on problems with their worked solutions."""

from __future__ import annotations

from dataclasses import dataclass

from models.stages import Batch, Models, Stage, check_targets, imitate
from synth.problem import Mixture, Source


@dataclass(frozen=True, kw_only=True)
class Pretrain(Stage):
    """Each row is one problem, so that no problem can see another's values (packing would let it).

    targets: "solution" trains on the worked solution only; "all" on the question too, as the Interplay study does
    (interplay.md 3.2). A question's names and numbers are random, so at small scale its loss is mostly noise.
    """

    data: Source | Mixture
    targets: str = "solution"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)

    def collect(self, models: Models, seed: int, step: int, rows: range) -> Batch:
        problems = [self.data.problem("pretrain", seed, step, row) for row in rows]
        return imitate(models.learner, problems, self.targets)
