"""Interleaving: RL steps alternate with steps of next-token prediction on a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlude.models.policy_gradient import Policy, weigh
from interlude.models.stage import Batch, Stage, StageModels, check_replay, imitate, replayed
from interlude.synth.tasks import SOLUTIONS, Task, lacking

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Interleave(Policy):
    """A cycle is ``reading`` steps of next-token prediction, then one RL step; optimiser and schedule are shared. Each
    of the former has ``batch_size`` rows, a share ``replay_share`` from ``replay`` and the others from ``text``; the
    loss is a mean over solution tokens. A cycle ends with RL, as text after RL lowers pass@1. Other fields and errors
    are Policy's. Steps of next-token prediction log no rewards.
    """

    text: Task
    replay: Task
    replay_share: float = 0.2
    reading: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_replay(self)
        for name in ("text", "replay"):
            read = getattr(self, name)
            if lacking(read, [SOLUTIONS]):
                raise ValueError(
                    f"Interleave.{name} must be a task with {SOLUTIONS}, which a {type(read).__name__} has not"
                )
        if self.reading < 1:
            raise ValueError(f"Interleave.reading must be at least 1, got {self.reading}")
        if self.updates_per_batch != 1:
            raise ValueError(f"Interleave.updates_per_batch must be 1, got {self.updates_per_batch}")

    def reads(self, step: int) -> bool:
        """Whether a step is next-token prediction on the corpus."""
        return step % (self.reading + 1) < self.reading

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        if self.reads(step):
            corpus = Reader(self.text, self.replay, self.replay_share)
            return imitate(models.learner, replayed(corpus, seed, step, rows), "solution")
        return weigh(self, models.learner, *self.groups(models.learner, seed, step, rows))

    def chosen(self, batch: Batch) -> Tensor:
        return super().chosen(batch) if batch.old_BT is not None else batch.gain_BT != 0

    def updates(self, batch: Batch) -> tuple[Batch, ...]:
        return super().updates(batch) if batch.old_BT is not None else (batch,)

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """Policy's loss on a sampled batch, cross-entropy on a batch of the corpus."""
        return super().loss(models, batch) if batch.old_BT is not None else Stage.loss(self, models, batch)


@dataclass(frozen=True)
class Reader:
    """The fields of a stage that ``replayed`` needs."""

    data: Task
    replay: Task
    replay_share: float
