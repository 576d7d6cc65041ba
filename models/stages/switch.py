"""Switch: reverse KL to a reference on the tokens where its entropy is lowest, cross-entropy on all others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, forward_cost
from interlude.models.recipe import Recipe
from interlude.models.stage import Batch, Stage, StageModels, check_replay, check_targets, imitate, replayed
from interlude.synth.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Switch(Stage):
    """Rows as in Midtrain. In each text, the ``share`` of target tokens with the lowest reference entropy (rounded up)
    get the loss ``weight`` * tau^2 * KL(learner || reference), both at temperature tau, in nats and summed over the
    vocabulary. The other target tokens get cross-entropy. The loss is the mean over target tokens
    (facebookresearch/midtraining-distillation, "switch": a fifth, tau 2, weight 1). Two choices are ours: the factor
    tau^2, which keeps gradients as large as at temperature 1 (arXiv 1503.02531, section 2), and ranking within a text.

    reference: the recipe of a model with the same tokenizer. Raises ValueError naming the field.
    """

    data: Task
    replay: Task
    reference: Recipe
    replay_share: float = 0.2
    targets: str = "solution"
    share: float = 0.2
    temperature: float = 2.0
    weight: float = 1.0
    reads_weights: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        check_replay(self)
        if not 0 <= self.share <= 1 or not self.temperature > 0 or not self.weight >= 0:
            what = f"{self.share}, {self.temperature} and {self.weight}"
            raise ValueError(
                f"Switch.share must be in [0, 1], temperature positive and weight not negative, got {what}"
            )

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        batch = imitate(models.learner, replayed(self, seed, step, rows), self.targets)
        lengths, reference = list(batch.lengths), models.references["reference"]
        if reference.vocab_size != models.learner.vocab_size:
            sizes = f"{reference.vocab_size} and {models.learner.vocab_size}"
            raise ValueError(f"Switch.reference and the learner must have equal vocabulary sizes, got {sizes}")
        return replace(batch, spent=(forward_cost(reference, REFERENCE, lengths, logits=self.target_count(batch)),))

    def loss_and_metrics(self, models: StageModels, batch: Batch) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        chosen_BT = batch.gain_BT[:, 1:] != 0
        index_N = chosen_BT.flatten().nonzero()[:, 0]
        targets_N = batch.ids_BT[:, 1:].flatten()[index_N]
        learner_NV = models.learner.logits_at(batch.ids_BT[:, :-1], index_N).float()
        with torch.no_grad():
            reference_NV = models.references["reference"].logits_at(batch.ids_BT[:, :-1], index_N).float()
        sure_N = surest(entropy(reference_NV), chosen_BT, self.share)
        nats_N = torch.nn.functional.cross_entropy(learner_NV, targets_N, reduction="none")
        own_NV, other_NV = (x_NV.div(self.temperature).log_softmax(-1) for x_NV in (learner_NV, reference_NV))
        kl_N = self.temperature**2 * (own_NV.exp() * (own_NV - other_NV)).sum(1)
        loss = torch.where(sure_N, self.weight * kl_N, nats_N).sum() / batch.total
        count = float(sure_N.sum())
        return loss, {"reverse_kl": (float(kl_N.detach()[sure_N].double().sum()), count)} if count else {}

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        return self.loss_and_metrics(models, batch)[0]


def entropy(logits_NV: Tensor) -> Tensor:
    """Entropy in nats (N) of the distribution of each row of logits."""
    logp_NV = logits_NV.log_softmax(-1)
    return -(logp_NV.exp() * logp_NV).sum(1)


def surest(entropy_N: Tensor, chosen_BT: Tensor, share: float) -> Tensor:
    """Whether each target token (bool N, in row order) is in the ``share`` of its row with the lowest entropy."""
    entropy_BT = torch.full(chosen_BT.shape, torch.inf, device=entropy_N.device).masked_scatter(chosen_BT, entropy_N)
    rank_BT = entropy_BT.argsort(dim=1, stable=True).argsort(dim=1)
    return (rank_BT < (share * chosen_BT.sum(1, keepdim=True)).ceil())[chosen_BT]
