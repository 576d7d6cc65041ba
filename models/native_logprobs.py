"""Log-probabilities of given tokens, and their gradients, from the compiled kernels."""

from __future__ import annotations

import ctypes

import numpy as np
import torch
from torch import Tensor

from interlude.models import native
from interlude.models.meter import count_pass

# Shapes: B rows, T positions, N chosen positions.


class Packed:
    """Rows without their padding, end to end: only tokens that a chosen one depends on."""

    def __init__(self, ids_BT: Tensor, chosen_BT: Tensor, vocab: int, positions: int) -> None:
        ids_BT, chosen_BT = ids_BT.numpy(), chosen_BT.numpy()[:, 1:]
        row_N, at_N = chosen_BT.nonzero()
        read_B = np.zeros(len(ids_BT), dtype=np.int64)
        np.maximum.at(read_B, row_N, at_N + 1)
        self.lengths, self.longest = read_B, int(read_B.max(initial=0))
        if self.longest > positions:
            raise ValueError(f"a row of {self.longest} tokens is longer than the {positions} positions of the model")
        begin_B = np.concatenate(([0], read_B.cumsum()))
        self.start = np.unique(begin_B)  # rows of which nothing is read begin where the next one does
        self.ids = ids_BT[:, :-1][np.arange(chosen_BT.shape[1]) < read_B[:, None]].astype(np.int64)
        self.index = begin_B[row_N] + at_N
        self.targets = ids_BT[:, 1:][chosen_BT].astype(np.int64)
        for ids in (self.ids, self.targets):
            if ids.min(initial=0) < 0 or ids.max(initial=0) >= vocab:
                raise IndexError(f"a token is outside 0..{vocab - 1}")

    def arguments(self) -> tuple:
        """As cpp/native.cpp wants them."""
        first = len(self.start) - 1, self.start.ctypes.data, self.ids.ctypes.data
        return (*first, len(self.index), self.index.ctypes.data, self.targets.ctypes.data)


def logprobs(model: torch.nn.Module, ids_BT: Tensor, chosen_BT: Tensor, temperature: float) -> Tensor:
    """Log-probabilities (N) of the chosen tokens given those before them; see ``models.stages.logprobs``."""
    packed = Packed(ids_BT, chosen_BT, model.vocab_size, len(model.turns))
    count_pass(model, packed.lengths, len(packed.index))
    present = [weight for weight in native.weights(model) if weight is not None]
    if torch.is_grad_enabled() and any(weight.requires_grad for weight in present):
        return Logprobs.apply(model, packed, temperature, *present)
    return forward(model, packed, temperature, False)[0]


def forward(model: torch.nn.Module, packed: Packed, temperature: float, keep: bool) -> tuple[Tensor, Tensor]:
    """The log-probabilities, and the memory in which the backward pass finds what it needs."""
    run, s = native.library()[0], native.sizes(model)
    room = run.native_room(ctypes.byref(s), len(packed.ids), len(packed.index), packed.longest, keep)
    memory, logp_N = (torch.empty(n, dtype=torch.float32) for n in (room, len(packed.index)))
    run.native_forward(
        *(ctypes.byref(s), native.addresses(native.weights(model)), model.turns.data_ptr(), *packed.arguments()),
        *(temperature, keep, memory.data_ptr(), logp_N.data_ptr()),
    )
    return logp_N, memory


class Logprobs(torch.autograd.Function):
    """``logprobs`` with the gradients of all weights, which are those of one call, whatever was called in between."""

    @staticmethod
    def forward(ctx, model: torch.nn.Module, packed: Packed, temperature: float, *present: Tensor) -> Tensor:
        logp_N, memory = forward(model, packed, temperature, True)
        ctx.model, ctx.packed, ctx.temperature = model, packed, temperature
        ctx.has = [weight is not None for weight in native.weights(model)]
        ctx.save_for_backward(memory, *present)  # torch refuses weights that were changed in place meanwhile
        return logp_N

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope_N: Tensor) -> tuple[Tensor | None, ...]:
        memory, *present = ctx.saved_tensors
        flat = torch.zeros(sum(weight.numel() for weight in present), dtype=torch.float32)
        parts = flat.split([weight.numel() for weight in present])
        grads = [part.view_as(weight) for part, weight in zip(parts, present, strict=True)]
        lie = [
            native.addresses([next(each) if has else None for has in ctx.has]) for each in (iter(present), iter(grads))
        ]
        s, slope_N = native.sizes(ctx.model), slope_N.contiguous()
        native.library()[0].native_backward(
            *(ctypes.byref(s), lie[0], ctx.model.turns.data_ptr(), *ctx.packed.arguments()),
            *(ctx.temperature, memory.data_ptr(), slope_N.data_ptr(), lie[1]),
        )
        wanted = zip(grads, ctx.needs_input_grad[3:], strict=True)
        return None, None, None, *(grad if needed else None for grad, needed in wanted)
