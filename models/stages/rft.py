"""Rejection-sampling fine-tuning: imitate the starting model's own responses that are strictly right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from interlude.models.ledger import decode_cost
from interlude.models.rollouts import Group, Reward, rollouts, summary
from interlude.models.stage import Batch, Stage, StageModels, pack
from interlude.synth.tasks import Task


@dataclass(frozen=True, kw_only=True)
class RFT(Stage):
    """``batch_size`` prompts a step, ``num_samples`` responses each, sampled from the stage's initial model.

    Every distinct strictly correct response of a prompt is imitated once (Yuan et al. 2023, arXiv 2308.01825, RFT);
    unlike there, no prompt comes twice and sampling goes on beside training, so a budget covers both. The loss is a
    mean over target tokens; a step without a correct response moves nothing and counts in the ledger all the same.
    max_new_tokens: longest response in tokens. Raises ValueError naming the field.
    """

    data: Task
    num_samples: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 256
    needs_initial_model: ClassVar[bool] = True
    reward: ClassVar[Reward] = Reward("strict")
    top_p: ClassVar[float] = 1.0
    rollout_seed: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_samples < 1 or self.temperature <= 0 or self.max_new_tokens < 1:
            raise ValueError(
                "RFT.num_samples, temperature and max_new_tokens must be positive, "
                f"got {self.num_samples}, {self.temperature} and {self.max_new_tokens}"
            )

    @property
    def data_needs(self) -> tuple[str, ...]:
        return ()

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        groups = rollouts(self, models.start, seed, step, list(rows), attempt=0)
        taught = [(group, response) for group in groups for response in correct(group)]
        # Where nothing is right, one row without a target stands in: a batch needs a row, and it has no gradient.
        shown = taught or [(groups[0], groups[0].responses[0])]
        ids = [group.prompt + response for group, response in shown]
        gains = [[0.0] * len(group.prompt) + [float(bool(taught))] * len(response) for group, response in shown]
        costs = tuple(decode_cost(models.start, len(g.prompt), [len(r) for r in g.responses]) for g in groups)
        batch = pack(ids, gains, max(1.0, float(sum(map(sum, gains)))), models.learner.pad)
        return replace(batch, spent=costs, metrics=summary(groups, groups) | {"taught": float(len(taught))})


def correct(group: Group) -> list[list[int]]:
    """The distinct strictly correct responses of a prompt, in the order they were sampled."""
    right = [tuple(ids) for ids, verdict in zip(group.responses, group.verdicts, strict=True) if verdict.strict]
    return [list(ids) for ids in dict.fromkeys(right)]
