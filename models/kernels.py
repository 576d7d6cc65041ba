"""The few operations of a small GPT that torch is slow at on CPU, written out; elsewhere they are torch's own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Shapes: B rows, T positions, H heads, A query and key heads together, W head width.


class Norm(torch.autograd.Function):
    """x / rms(x) * weight (Zhang and Sennrich 2019, equation 4) over the last dimension, in few passes over memory.

    On CPU torch composes RMSNorm of a dozen kernels; forward and backward written out take a third of the time
    (3072 x 128 floats, one thread: 1.0 ms against 2.8 ms).
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.size(-1)).add_(eps).rsqrt_()
        unit = x * scale
        ctx.save_for_backward(unit, scale, weight)
        return unit * weight

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        unit, scale, weight = ctx.saved_tensors
        along = grad * unit
        grad_weight = along.flatten(0, -1 - weight.ndim).sum(0)
        mean = along.mul_(weight).mean(-1, keepdim=True)
        return torch.addcmul(grad * weight, unit, mean, value=-1).mul_(scale), grad_weight, None


def norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMSNorm over the last dimension; ``weight`` has the last one or two dimensions of ``x``."""
    if x.device.type != "cpu":
        return F.rms_norm(x.float(), x.shape[-1:], None, eps).to(x.dtype) * weight
    if torch.is_grad_enabled():
        return Norm.apply(x, weight, eps)
    # Written out, because torch's own takes twice as many kernels on CPU.
    return x * x.square().mean(-1, keepdim=True).add_(eps).rsqrt_() * weight


class SwiGLU(torch.autograd.Function):
    """silu(gate) * up with a backward pass that writes both gradients where they belong, instead of joining two."""

    @staticmethod
    def forward(ctx, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, -1)
        active = F.silu(gate)
        ctx.save_for_backward(gate_up, active)
        return active * up

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        gate_up, active = ctx.saved_tensors
        gate, up = gate_up.chunk(2, -1)
        both = torch.empty_like(gate_up)
        to_gate, to_up = both.chunk(2, -1)
        torch.mul(grad, active, out=to_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=to_gate)
        return both


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(first half) * second half of the last dimension (Shazeer 2020, equation 6)."""
    if gate_up.device.type == "cpu" and torch.is_grad_enabled():
        return SwiGLU.apply(gate_up)
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate) * up


def rotate(x_BTAW: Tensor, turn_TA: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021, equation 34): neighbouring features 2i, 2i+1 are one number in the plane.

    turn_TA: (..., T, A or 1, W / 2, 2) cosines and sines. transformers pairs feature i with i + W/2 instead; the rows
    of the query and key weights are permuted on the way in and out (``models.hf_checkpoint``), because neighbouring
    pairs are one complex product, which on CPU is eight times faster than slicing halves and joining them.
    """
    if x_BTAW.device.type == "cpu" and x_BTAW.dtype == torch.float32:
        pairs = torch.view_as_complex(x_BTAW.unflatten(-1, (-1, 2))) * torch.view_as_complex(turn_TA)
        return torch.view_as_real(pairs).flatten(-2)
    real, imaginary = x_BTAW.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = turn_TA.unbind(-1)  # float32, so bfloat16 features are rotated in float32
    return torch.stack((real * cos - imaginary * sin, imaginary * cos + real * sin), -1).flatten(-2)


class Attention(torch.autograd.Function):
    """Causal attention of bfloat16 heads (B, H, T, W) on CPU: products in bfloat16, softmax in float32.

    Written out, because there torch's own backward pass is four times slower in bfloat16 (3 rows of 127 tokens, 4 heads
    of 32, both passes, one thread: 5.7 ms; in float32 2.2 ms; this 1.7 ms).
    """

    @staticmethod
    def forward(ctx, *qkv_BHTW: Tensor) -> Tensor:
        q, k, v = (z.flatten(0, 1) for z in qkv_BHTW)
        past_TT = torch.full((q.size(1), q.size(1)), -torch.inf).triu_(1)
        score = torch.add(past_TT, torch.bmm(q, k.mT), alpha=q.size(-1) ** -0.5)  # float32, as the mask is
        weight = score.softmax(-1).bfloat16()
        ctx.save_for_backward(q, k, v, weight)
        return torch.bmm(weight, v).view(qkv_BHTW[0].shape)

    @staticmethod
    def backward(ctx, grad_BHTW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, weight = ctx.saved_tensors
        grad = grad_BHTW.flatten(0, 1)
        to_weight = torch.bmm(grad, v.mT).float()
        to_score = torch.ops.aten._softmax_backward_data(to_weight, weight.float(), -1, torch.float32)
        to_score = to_score.mul_(q.size(-1) ** -0.5).bfloat16()
        found = torch.bmm(to_score, k), torch.bmm(to_score.mT, q), torch.bmm(weight.mT, grad)
        return tuple(z.view(grad_BHTW.shape) for z in found)


def attention(q_BHTW: Tensor, k_BKTW: Tensor, v_BKTW: Tensor) -> Tensor:
    """What every position gathers from itself and those before it: y_BHTW. Each key head serves H / K query heads."""
    grouped = q_BHTW.size(1) != k_BKTW.size(1)
    if q_BHTW.device.type == "cpu" and q_BHTW.dtype == torch.bfloat16:
        heads = (z.repeat_interleave(q_BHTW.size(1) // z.size(1), 1) if grouped else z for z in (k_BKTW, v_BKTW))
        return Attention.apply(q_BHTW, *heads)
    return F.scaled_dot_product_attention(q_BHTW, k_BKTW, v_BKTW, is_causal=True, enable_gqa=grouped)
