"""Reinforcement learning with verifiable rewards, on the learner's own responses alone."""

from __future__ import annotations

from dataclasses import dataclass

from interlude.models.policy_gradient import Policy, weigh
from interlude.models.stage import Batch, StageModels


@dataclass(frozen=True, kw_only=True)
class RL(Policy):
    """Fields and errors are Policy's."""

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        """Sample, judge and weigh groups of responses. Dropped groups still count in the ledger."""
        return weigh(self, models.learner, *self.groups(models.learner, seed, step, rows))
