"""ReMiT: mid-training with token weights from an RL-tuned reference model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, forward_cost
from interlude.models.recipe import Recipe
from interlude.models.stage import (
    Batch,
    Stage,
    StageModels,
    check_replay,
    check_targets,
    imitate,
    logprobs,
    predicted,
    replayed,
)
from interlude.synth.render import ROLES
from interlude.synth.rng import uniforms
from interlude.synth.tasks import Task, roles_of

if TYPE_CHECKING:
    from torch import Tensor

CHOICES = {
    "centring": ("sequence", "standard", "none"),
    "against": ("learner", "start", "nothing"),
    "weights": ("gap", "shuffled", "topk"),
}


@dataclass(frozen=True, kw_only=True)
class ReMiT(Stage):
    """Rows as in Midtrain. A target token weighs more if it is more probable under the reference than under the
    learner.

    The gap log p_reference - log p_learner in nats (arXiv 2602.03075, equation 3) is centred over the row (4); w = 2
    sigmoid(gap), clipped to [1 - eps, 1 + eps] (5); the loss is -1/T sum of w log p_learner over T target tokens (6).
    Our choices where the paper is silent: no gradient flows through w, the divisor is T and not the sum of w, a
    sequence is one problem, and all its tokens are targets.

    The log has the mean weight, the shares of tokens at or beyond each clip bound and, if each word is one token, the
    mean weight by token role. Raises ValueError naming the field.
    """

    data: Task
    replay: Task
    # The recipe of a model of the same pipeline, after RL.
    reference: Recipe
    replay_share: float = 0.2
    targets: str = "all"
    # Clip bound, in (0, 1]; 1 clips nothing, as 0 < 2 sigmoid < 2.
    eps: float = 0.2
    # Controls: "standard" also divides by the row's standard deviation; "none" does not centre.
    centring: str = "sequence"
    # Controls: the gap is to the current "learner", to the learner at the "start" of the stage (one more reference
    # pass), or to "nothing" (the weights then depend on log p_reference only).
    against: str = "learner"
    # Controls: "shuffled" permutes the weights within each row; "topk" gives weight 1 to the share ``keep`` of the row
    # with the largest gaps and 0 to the others, the selection of RHO-1 (arXiv 2404.07965, section 2.2).
    weights: str = "gap"
    keep: float = 0.6
    # Control: divide by the row's mean weight, so that weights shift loss between tokens but do not change its size.
    renormalise: bool = False
    reads_weights: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        check_replay(self)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"ReMiT.{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not 0 < self.eps <= 1 or not 0 < self.keep <= 1:
            raise ValueError(f"ReMiT.eps and ReMiT.keep must be above 0 and at most 1, got {self.eps} and {self.keep}")

    @property
    def needs_initial_model(self) -> bool:  # type: ignore[override]
        return self.against == "start"

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        problems = replayed(self, seed, step, rows)
        batch = imitate(models.learner, problems, self.targets)
        shape, told = batch.ids_BT.shape, [roles_of(problem) for problem in problems]
        extra = {}
        if self.weights == "shuffled":
            extra["order"] = torch.stack([stream(shape[1], seed, step, row) for row in rows])
        if [len(each) for each in told] == list(batch.lengths):  # each word is one token, so each token has a role
            extra["role"] = torch.full(shape, -1)
            for role_T, each in zip(extra["role"], told, strict=True):
                role_T[: len(each)] = torch.tensor([ROLES.index(role) for role in each])
        asked = [models.references["reference"], *([models.start] if self.needs_initial_model else [])]
        costs = [forward_cost(lm, REFERENCE, list(batch.lengths), logits=self.target_count(batch)) for lm in asked]
        return replace(batch, extra=extra, spent=tuple(costs))

    def loss_and_metrics(self, models: StageModels, batch: Batch) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        chosen_BT, logp_N = predicted(models.learner, batch)
        weight_BT = self.weigh(self.gap(models, batch, chosen_BT, logp_N), chosen_BT, batch.extra.get("order"))
        metrics = self.weight_metrics(batch, chosen_BT, weight_BT[chosen_BT])
        if self.renormalise:
            weight_BT = weight_BT * (chosen_BT.sum(1, keepdim=True) / (weight_BT * chosen_BT).sum(1, keepdim=True))
        return -(weight_BT[chosen_BT] * logp_N).sum() / batch.total, metrics

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        return self.loss_and_metrics(models, batch)[0]

    def gap(self, models: StageModels, batch: Batch, chosen_BT: Tensor, learner_N: Tensor) -> Tensor:
        """gap_BT in nats, 0 where there is no target (equation 3, or one of its controls)."""
        # Detached, not under no_grad: other kernels would round differently, and equal models must give equal bits.
        gap_N = logprobs(models.references["reference"], batch.ids_BT, chosen_BT).detach()
        if self.against == "learner":
            gap_N = gap_N - learner_N.detach()
        elif self.against == "start":
            gap_N = gap_N - logprobs(models.start, batch.ids_BT, chosen_BT).detach()
        return torch.zeros_like(batch.gain_BT).masked_scatter(chosen_BT, gap_N)

    def weigh(self, gap_BT: Tensor, chosen_BT: Tensor, order_BT: Tensor | None = None) -> Tensor:
        """weight_BT of the target tokens from their gaps (equations 4 and 5, or a control). order_BT: sort keys that
        define the permutation of "shuffled"."""
        count_B1 = chosen_BT.sum(1, keepdim=True).clamp(min=1)
        if self.centring != "none":
            gap_BT = (gap_BT - gap_BT.sum(1, keepdim=True) / count_B1) * chosen_BT
        if self.centring == "standard":
            # The floor, in nats, is above the rounding error of float32: rounding alone must not create weights.
            gap_BT = gap_BT / ((gap_BT.square().sum(1, keepdim=True) / count_B1).sqrt() + 1e-4)
        if self.weights == "topk":
            weight_BT = (first(-gap_BT, chosen_BT).argsort(1) < (self.keep * count_B1).ceil()).to(gap_BT)
        else:
            weight_BT = (2 * gap_BT.sigmoid()).clamp(1 - self.eps, 1 + self.eps)
        if self.weights == "shuffled":
            # Both orders list the row's target tokens first: one from left to right, the other at random.
            reading, drawn = (first(key_BT, chosen_BT) for key_BT in (torch.zeros_like(order_BT), order_BT))
            weight_BT = torch.empty_like(weight_BT).scatter(1, reading, weight_BT.gather(1, drawn))
        return weight_BT

    def weight_metrics(self, batch: Batch, chosen_BT: Tensor, weight_N: Tensor) -> dict[str, tuple[float, float]]:
        """Metrics of the weights before renormalisation, each as (sum, count)."""
        measures = {"weight": weight_N, "low": weight_N <= 1 - self.eps, "high": weight_N >= 1 + self.eps}
        if "role" in batch.extra:
            role_N = batch.extra["role"][chosen_BT]
            measures |= {f"weight_{name}": weight_N[role_N == n] for n, name in enumerate(ROLES)}
        return {name: (float(x_N.double().sum()), float(x_N.numel())) for name, x_N in measures.items() if x_N.numel()}


def first(key_BT: Tensor, chosen_BT: Tensor) -> Tensor:
    """The positions (BT) of a row's tokens, target tokens first, each part by ascending ``key_BT``, then position."""
    return key_BT.masked_fill(~chosen_BT, torch.inf).argsort(dim=1, stable=True)


def stream(length: int, seed: int, step: int, row: int) -> Tensor:
    """Uniform numbers (T), float64: the sort keys that permute a row's weights."""
    return torch.from_numpy(uniforms("shuffle", seed, step, row, n=length))
