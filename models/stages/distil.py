"""Distillation: mid-training with cross-entropy on the corpus plus KL to a reference model at each token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, forward_cost
from interlude.models.lm import LM
from interlude.models.recipe import Recipe
from interlude.models.stage import Batch, Stage, StageModels, check_replay, check_targets, imitate, replayed
from interlude.synth.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Distil(Stage):
    """Rows as in Midtrain. Loss: (1 - alpha) * cross-entropy + alpha * KL(reference || learner) at temperature 1, both
    in nats and averaged over target tokens; the KL is a sum over the vocabulary.

    This is the distillation baseline of ReMiT (arXiv 2602.03075), whose exact form the paper does not give. Raises
    ValueError naming the field.
    """

    data: Task
    replay: Task
    # The recipe of a model with the same tokenizer.
    reference: Recipe
    replay_share: float = 0.2
    targets: str = "all"
    # In [0, 1]; 0.5 is our choice.
    alpha: float = 0.5
    reads_weights: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        check_replay(self)
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"Distil.alpha must be between 0 and 1, got {self.alpha}")

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        batch = imitate(models.learner, replayed(self, seed, step, rows), self.targets)
        lengths, reference = list(batch.lengths), models.references["reference"]
        if reference.vocab_size != models.learner.vocab_size:  # equal tokenizers, but differently padded vocabularies
            sizes = f"{reference.vocab_size} and {models.learner.vocab_size}"
            raise ValueError(f"Distil.reference and the learner must have equal vocabulary sizes, got {sizes}")
        return replace(batch, spent=(forward_cost(reference, REFERENCE, lengths, logits=self.target_count(batch)),))

    def loss_and_metrics(self, models: StageModels, batch: Batch) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        index_N = batch.gain_BT[:, 1:].flatten().nonzero()[:, 0]
        targets_N = batch.ids_BT[:, 1:].flatten()[index_N]
        learner_NV = distribution(models.learner, batch, index_N)
        with torch.no_grad():
            reference_NV = distribution(models.references["reference"], batch, index_N)
        nats_N = -learner_NV.gather(1, targets_N[:, None])[:, 0]
        kl_N = (reference_NV.exp() * (reference_NV - learner_NV)).sum(1)
        loss = ((1 - self.alpha) * nats_N + self.alpha * kl_N).sum() / batch.total
        return loss, {"kl": (float(kl_N.detach().double().sum()), float(kl_N.numel()))}

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        return self.loss_and_metrics(models, batch)[0]


def distribution(lm: LM, batch: Batch, index_N: Tensor) -> Tensor:
    """Log-probabilities (NV) of every token at the flat positions ``index_N`` of all columns but the last."""
    return lm.logits_at(batch.ids_BT[:, :-1], index_N).float().log_softmax(-1)
