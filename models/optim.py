"""Optimisers: Muon for hidden matrices, AdamW for everything else, and their learning-rate schedules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from interlude.models import native
from interlude.models.lazy import torch
from interlude.models.lm import LM
from interlude.models.parallel import one_core, together

if TYPE_CHECKING:
    from torch import Tensor, nn

# Shapes: M matrices of one shape, R rows, C columns, R <= C.

KINDS = ("muon", "adamw")
SCHEDULES = ("wsd", "cosine", "constant", "linear")
# Coefficients of Jordan et al. 2024 (Muon, kellerjordan.github.io/posts/muon): the slope at zero is as large as can be,
# and singular values end between about 0.7 and 1.2, not at 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Optim:
    """How weights move.

    kind "muon": hidden matrices by Muon at ``matrix_lr``, the rest (embeddings, head, norms, biases) by AdamW at
    ``other_lr``. kind "adamw": everything by AdamW at ``other_lr``. weight_decay is decoupled and applies to hidden
    matrices only. clip: largest global gradient norm. warmup: steps of linear warm-up. decay: the fraction of all steps
    that "wsd" spends going down. floor: the smallest multiplier after warm-up. Raises ValueError naming the field.
    """

    matrix_lr: float = 0.02
    other_lr: float = 3e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = 0.95
    clip: float = 1.0
    kind: str = "muon"
    schedule: str = "wsd"
    warmup: int = 20
    decay: float = 0.4
    floor: float = 0.02
    version: ClassVar[int] = 1  # raise it when any update changes: it enters the key of every stage

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Optim.kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"Optim.schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")
        for name in ("matrix_lr", "other_lr", "clip"):
            if not 0 < vars(self)[name] < math.inf:
                raise ValueError(f"Optim.{name} must be positive and finite, got {vars(self)[name]!r}")
        for name in ("momentum", "floor", "weight_decay"):
            if not 0 <= vars(self)[name] < 1:
                raise ValueError(f"Optim.{name} must be in [0, 1), got {vars(self)[name]!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"Optim.betas must be two numbers in [0, 1), got {self.betas!r}")
        if type(self.warmup) is not int or self.warmup < 0:
            raise ValueError(f"Optim.warmup must be a whole number of steps, got {self.warmup!r}")
        if not 0 < self.decay <= 1:
            raise ValueError(f"Optim.decay must be in (0, 1], got {self.decay!r}")

    @property
    def main_lr(self) -> float:
        """The learning rate of the hidden matrices, before its schedule."""
        return self.matrix_lr if self.kind == "muon" else self.other_lr


def rate(optim: Optim, step: int, progress: float) -> float:
    """What the learning rates are multiplied by at ``step`` (from 0), when ``progress`` (0 to 1) of the stage is done.

    Warm-up counts steps; the rest follows progress, which may be a share of steps or of a FLOPs budget. "wsd" stays at
    1 and falls linearly over the last ``decay`` of the stage (Hu et al. 2024, MiniCPM, section 4); "cosine" and
    "linear" fall all the way; "constant" stays. Raises ValueError for a negative step or a progress outside 0..1.
    """
    if step < 0 or not 0 <= progress <= 1:
        raise ValueError(f"step must not be negative and progress must be in 0..1, got {step} and {progress}")
    warm = min(1.0, (step + 1) / optim.warmup) if optim.warmup else 1.0
    if optim.schedule == "wsd":
        shape = min(1.0, (1 - progress) / optim.decay)
    elif optim.schedule == "cosine":
        shape = (1 + math.cos(math.pi * progress)) / 2
    else:
        shape = 1 - progress if optim.schedule == "linear" else 1.0
    return warm * (optim.floor + (1 - optim.floor) * shape)


def orthogonal(wide_MRC: Tensor) -> Tensor:
    """Each matrix with its singular values pushed towards 1: five quintic Newton-Schulz steps (Jordan et al. 2024).

    Wide matrices (R <= C), any number at once. The input's dtype is the arithmetic's: float32 on CPU, where bfloat16
    has no hardware and is twenty times slower, bfloat16 on an accelerator.
    """
    a, b, c = QUINTIC
    x_MRC = wide_MRC / wide_MRC.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram_MRR = x_MRC @ x_MRC.mT
        mix_MRR = torch.baddbmm(gram_MRR, gram_MRR, gram_MRR, beta=b, alpha=c)
        x_MRC = torch.baddbmm(x_MRC, mix_MRR, x_MRC, beta=a)
    return x_MRC


class Muon:
    """Momentum whose update is made orthogonal, for all matrices of one shape together.

    weights: parameters by name. rows: for each, the row counts of the logical matrices stacked in it. A fused
    query-key-value weight is three matrices and gate-up two; orthogonalising the stack as one would tie their scales to
    each other, so each is treated as if it were a weight of its own. A weight without a gradient stays where it is.
    kernels: whose products make an update orthogonal, "torch" or "native" (``models.native``).
    """

    def __init__(
        self,
        weights: dict[str, nn.Parameter],
        rows: dict[str, tuple[int, ...]],
        optim: Optim,
        kernels: str = "torch",
    ) -> None:
        for name, weight in weights.items():
            if weight.ndim != 2 or sum(rows[name]) != weight.size(0):
                raise ValueError(f"Muon: {name} of shape {tuple(weight.shape)} is no stack of {rows[name]} rows")
        self.weights, self.rows, self.optim, self.kernels = weights, rows, optim, kernels
        self.momentum = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}

    def step(self, lr: float) -> None:
        with torch.no_grad():
            groups: dict[tuple[int, int], list[tuple[Tensor, Tensor, float]]] = {}
            for name, weight in self.weights.items():
                if weight.grad is None:
                    continue
                update = self._look_ahead(name, weight.grad.float())
                weight.mul_(1 - lr * self.optim.weight_decay)
                for piece, target in zip(update.split(self.rows[name]), weight.split(self.rows[name]), strict=True):
                    tall = piece.size(0) > piece.size(1)
                    wide, target = (piece.mT, target.mT) if tall else (piece, target)
                    # Jordan et al. 2024: equal steps as seen by the root mean square of the outputs.
                    scale = max(1.0, piece.size(0) / piece.size(1)) ** 0.5
                    groups.setdefault(tuple(wide.shape), []).append((wide, target, scale))
            # Two stacks of a shape, so that two cores have equal work; a matrix's bits do not depend on its stack.
            stacks = [half for pieces in groups.values() for half in (pieces[::2], pieces[1::2]) if half]
            for pieces, updates in zip(
                stacks, together([partial(self._orthogonal, pieces) for pieces in stacks]), strict=True
            ):
                for update, (_, target, scale) in zip(updates, pieces, strict=True):
                    target.add_(update, alpha=-lr * scale)

    def _orthogonal(self, pieces: list[tuple[Tensor, Tensor, float]]) -> Tensor:
        stack_MRC = torch.stack([wide for wide, _, _ in pieces])
        if self.kernels == "native" and not any(n % 16 for n in stack_MRC.shape[1:]):
            return native.orthogonal(stack_MRC, ITERATIONS, QUINTIC)
        return orthogonal(stack_MRC if stack_MRC.device.type == "cpu" else stack_MRC.bfloat16())

    def _look_ahead(self, name: str, grad: Tensor) -> Tensor:
        """Nesterov momentum with an exponential average, as in torch.optim.Muon."""
        average = self.momentum[name].lerp_(grad, 1 - self.optim.momentum)
        return grad.lerp(average, self.optim.momentum)


class Optimiser:
    """The optimisers of one model behind ``step``, ``zero_grad``, ``clip`` and a flat ``state_dict`` of tensors.

    A weight of less than 32 bits has a float32 master here, which is what moves (Micikevicius et al. 2017, arXiv
    1710.03740, section 3.1): most steps of fine-tuning are smaller than half the distance between two such numbers.
    """

    def __init__(self, optim: Optim, model: LM, kernels: str) -> None:
        self.optim = optim
        named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        rows = {name: count for name, count in model.matrices().items() if name in named}
        self.masters = {
            name: torch.nn.Parameter(weight.detach().float())
            for name, weight in named.items()
            if weight.element_size() < 4
        }
        self.moved = named | self.masters  # what steps are taken on
        matrices = {name: self.moved[name] for name in rows}
        others = {name: weight for name, weight in self.moved.items() if name not in rows}
        self.muon = Muon(matrices, rows, optim, kernels) if optim.kind == "muon" else None
        self.named = named
        self.adam_names = list(others) if optim.kind == "muon" else [*matrices, *others]
        groups = [{"params": list(others.values()), "weight_decay": 0.0}]
        if optim.kind == "adamw":
            groups.append({"params": list(matrices.values()), "weight_decay": optim.weight_decay})
        self.adam = torch.optim.AdamW(groups, lr=optim.other_lr, betas=optim.betas, fused=True)

    def clip(self) -> Tensor:
        """Scale all gradients so that their global norm is at most ``Optim.clip``; the norm before."""
        with one_core():
            return torch.nn.utils.clip_grad_norm_(self.named.values(), self.optim.clip)

    def step(self, multiplier: float) -> None:
        """One update at ``multiplier`` times the learning rates (see ``rate``)."""
        for name, master in self.masters.items():
            grad = self.named[name].grad
            master.grad = None if grad is None else grad.float()
        for group in self.adam.param_groups:
            group["lr"] = self.optim.other_lr * multiplier
        with one_core():
            self.adam.step()
        if self.muon is not None:
            self.muon.step(self.optim.matrix_lr * multiplier)
        with torch.no_grad():
            for name, master in self.masters.items():
                self.named[name].copy_(master)
                master.grad = None

    def zero_grad(self) -> None:
        for weight in self.named.values():
            weight.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """Everything the next step depends on besides weights and gradients: ``adam.<part>.<name>``, ``muon.<name>``,
        ``master.<name>``.

        The tensors are the optimiser's own: copy them to keep them past the next step.
        """
        state = {f"muon.{name}": tensor for name, tensor in (self.muon.momentum if self.muon else {}).items()}
        state |= {f"master.{name}": master.detach() for name, master in self.masters.items()}
        for name in self.adam_names:
            for part, tensor in self.adam.state.get(self.moved[name], {}).items():
                state[f"adam.{part}.{name}"] = tensor
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue exactly where ``state_dict`` was taken. Raises ValueError naming a tensor that does not belong."""
        momentum = self.muon.momentum if self.muon else {}
        known = {f"muon.{name}": tensor.shape for name, tensor in momentum.items()}
        known |= {f"master.{name}": master.shape for name, master in self.masters.items()}
        required = set(known)
        for name in self.adam_names:
            shape = self.named[name].shape
            parts = {f"adam.{part}.{name}": shape if part != "step" else torch.Size() for part in ADAM_STATE}
            known |= parts
            # A weight that never had a gradient has no Adam state; one that did has all of it.
            required |= parts.keys() if parts.keys() & state.keys() else set()
        for name in sorted(state.keys() - known.keys()):
            raise ValueError(f"optimiser state: {name} is unknown")
        for name in sorted(required - state.keys()):
            raise ValueError(f"optimiser state: {name} is missing")
        for name, tensor in state.items():
            if tensor.shape != known[name]:
                raise ValueError(f"optimiser state: {name} has shape {tuple(tensor.shape)}, not {tuple(known[name])}")
        for name, tensor in momentum.items():
            tensor.copy_(state[f"muon.{name}"])
        with torch.no_grad():
            for name, master in self.masters.items():
                master.copy_(state[f"master.{name}"])
        self.adam.state.clear()
        for name in self.adam_names:
            if f"adam.step.{name}" in state:
                device = self.moved[name].device
                self.adam.state[self.moved[name]] = {
                    part: state[f"adam.{part}.{name}"].detach().to(device).clone() for part in ADAM_STATE
                }


def make(optim: Optim, model: LM, kernels: str | None = None) -> Optimiser:
    """A fresh optimiser for all trainable parameters of ``model``. kernels: if None, those that run the model here."""
    return Optimiser(optim, model, kernels or native.path(model))
