"""Pre-training: next-token prediction on problems with their worked solutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from interlude.models.stage import Batch, Stage, StageModels, check_targets, imitate
from interlude.synth import tasks
from interlude.synth.render import ROLES


@dataclass(frozen=True, kw_only=True)
class Pretrain(Stage):
    """Each row is one problem, so that no problem can see another's values (packing would let it).

    targets: "solution" trains on the worked solution only; "all" on the question too, as arXiv 2512.07783
    does (its released code). A question's names and numbers are random, so at small scale its loss is mostly noise.
    without: roles of solution tokens (synth.render.ROLES) that are not targets. Leaving "arithmetic" out at first lets
    recall form before arithmetic, which otherwise can keep it out.
    """

    data: tasks.Task
    targets: str = "solution"
    without: tuple[str, ...] = ()
    reads_weights: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        if any(role not in ROLES for role in self.without):
            raise ValueError(f"Pretrain.without must be roles among {', '.join(ROLES)}, got {self.without!r}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (tasks.SOLUTIONS, *((tasks.ROLES,) if self.without else ()))

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        problems = [self.data.problem("pretrain", seed, step, row) for row in rows]
        return imitate(models.learner, problems, self.targets, self.without)
