"""ReLIFT: reinforcement learning, and imitation of gold solutions where no response of a group solved the prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from interlude.models.policy_gradient import Policy, sampled, weigh
from interlude.models.stage import Batch, Stage, StageModels, imitate, stacked
from interlude.synth.tasks import SOLUTIONS


@dataclass(frozen=True, kw_only=True)
class ReLIFT(Policy):
    """A collection feeds the RL steps that RL would take, then one step of cross-entropy, a mean over solution tokens,
    on the gold solutions of its prompts without any reward (Ma et al. 2025, arXiv 2506.07527).

    The paper fills a buffer over steps and takes the step when it is full. Collecting is a pure function of weights and
    step here, so the buffer is emptied with every collection, however few it holds: the step comes more often and is
    smaller. The log's ``taught`` counts the solutions. Fields and errors are Policy's.
    """

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SOLUTIONS, *super().data_needs)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        kept, seen = self.groups(models.learner, seed, step, rows)
        batch = weigh(self, models.learner, kept, seen)
        failed = [group.problem for group in seen if not group.rewards.any()]
        if failed:
            batch = stacked(batch, imitate(models.learner, failed, "solution"), models.learner.pad)
        return replace(batch, metrics=batch.metrics | {"taught": float(len(failed))})

    def updates(self, batch: Batch) -> tuple[Batch, ...]:
        """The updates of RL on the rows that were sampled, then one on those that were not."""
        own_B = sampled(batch).any(1)
        own, gold = (flags_B.nonzero()[:, 0].tolist() for flags_B in (own_B, ~own_B))
        if not gold:
            return super().updates(batch)
        taught = batch.rows(gold)
        return (*super().updates(batch.rows(own)), replace(taught, total=float(taught.gain_BT.sum())))

    def chosen(self, batch: Batch) -> Tensor:
        return super().chosen(batch) if bool(sampled(batch).any()) else batch.gain_BT != 0

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """Policy's on sampled rows, cross-entropy on the others; a batch of ``updates`` has one kind only."""
        return super().loss(models, batch) if bool(sampled(batch).any()) else Stage.loss(self, models, batch)
