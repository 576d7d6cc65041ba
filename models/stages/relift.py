"""ReLIFT: RL, plus SFT on gold solutions of the prompts that no response of the group solved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interlude.models.policy_gradient import Policy, sampled, weigh
from interlude.models.stage import Batch, Stage, StageModels, imitate, stacked
from interlude.synth.tasks import SOLUTIONS

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ReLIFT(Policy):
    """Each batch gives the usual RL updates, then one SFT update: cross-entropy, a mean over solution tokens, on the
    gold solutions of prompts whose rewards are all 0 (Ma et al. 2025, arXiv 2506.07527).

    The paper fills a buffer over several steps and makes the SFT update when it is full. Here collecting is a pure
    function of weights and step, so the buffer is used after every batch, even if it holds few solutions: SFT updates
    are more frequent and smaller. The metric ``taught`` counts these solutions. Fields and errors are Policy's.
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
        """The RL updates on the sampled rows, then one SFT update on the gold rows."""
        own_B = sampled(batch).any(1)
        own, gold = (flags_B.nonzero()[:, 0].tolist() for flags_B in (own_B, ~own_B))
        if not gold:
            return super().updates(batch)
        taught = batch.rows(gold)
        return (*super().updates(batch.rows(own)), replace(taught, total=float(taught.gain_BT.sum())))

    def chosen(self, batch: Batch) -> Tensor:
        return super().chosen(batch) if bool(sampled(batch).any()) else batch.gain_BT != 0

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """Policy's loss on sampled rows, cross-entropy on gold rows; a batch from ``updates`` has only one kind."""
        return super().loss(models, batch) if bool(sampled(batch).any()) else Stage.loss(self, models, batch)
