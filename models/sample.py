"""Sampling a batch of rows, each from its own stream of uniform numbers, with a cache of keys and values."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from interlude.models import native
from interlude.models.lazy import inference_mode, torch
from interlude.models.lm import LM, Samples, SamplingParams
from interlude.models.meter import count_samples
from interlude.models.parallel import together

if TYPE_CHECKING:
    from torch import Tensor

# Shapes: B rows, L rows still alive, V tokens of the vocabulary, N new tokens.

# Dropping finished rows copies the cache once; that pays when at least this share of the batch has finished.
COMPACT = 1 / 8
# Rows of one piece on CPU, where pieces run side by side: fixed, so that a row's bits do not depend on the machine.
# Wider would save little: a step of 64 rows is already work enough for one core.
PIECE = 64
# Compiled, a step is so short that reading keys and values is what it costs: those of few rows stay in the cache.
NATIVE_PIECE = 16


def sample(model: LM, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> Samples:
    """Continue every prompt until ``model.end`` or for ``params.max_new_tokens`` tokens.

    prompts: B non-empty lists of token ids, of any lengths. streams: float64 array (B, >= max_new_tokens) of uniforms
    in [0, 1); ``streams[b, t]`` chooses token t of row b by inverse CDF in vocabulary order, so a row depends on its
    prompt and its stream and on nothing else in the batch.

    Raises ValueError for an empty or out-of-vocabulary prompt, a stream of the wrong shape or range, and for logits
    that are not finite.
    """
    check(model, prompts, streams, params)
    if not prompts:
        return Samples([], [], [])
    on_cpu = next(model.parameters()).device.type == "cpu"
    piece = NATIVE_PIECE if native.path(model) == "native" else PIECE
    width = piece if on_cpu else len(prompts)
    pieces = [slice(first, first + width) for first in range(0, len(prompts), width)]
    found = together([partial(sample_piece, model, prompts[p], streams[p], params) for p in pieces])
    whole = Samples(*(list(chain(*(getattr(part, name) for part in found))) for name in ("ids", "logprobs", "stopped")))
    count_samples(model, prompts, whole.ids)
    return whole


@inference_mode
def sample_piece(model: LM, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> Samples:
    """``sample`` for rows that are decoded as one batch."""
    if native.path(model) == "native":
        ids_BN, logprobs_BN = native.sample(model, prompts, streams, params)
        return _collect(ids_BN.tolist(), logprobs_BN.tolist(), model.end, params)
    room = params.max_new_tokens
    decoder = model.decoder(prompts, room)
    logits_LV = decoder.begin()
    device = logits_LV.device
    uniforms_NB = torch.from_numpy(np.ascontiguousarray(streams[:, :room].T)).to(device)
    ids_NB = torch.full((room, len(prompts)), model.pad, device=device)
    logprobs_NB = torch.zeros(room, len(prompts), device=device)
    rows_L = torch.arange(len(prompts), device=device)
    alive_L = torch.ones(len(prompts), dtype=torch.bool, device=device)
    last_L = torch.full((len(prompts),), room, device=device)  # the position of a row's last token
    for t in range(room):
        chosen_L, logprob_L = choose(logits_LV, uniforms_NB[t, rows_L], params.temperature, params.top_p)
        ids_NB[t, rows_L] = chosen_L.where(alive_L, model.pad)
        logprobs_NB[t, rows_L] = logprob_L
        alive_L &= chosen_L != model.end
        if params.stop_token is not None:
            ending_L = last_L.clamp(max=t + params.tokens_after_stop)
            last_L = torch.where(chosen_L == params.stop_token, ending_L, last_L)
            alive_L &= t < last_L
        alive = int(alive_L.sum())
        if alive == 0 or t + 1 == room:
            break
        if alive <= (1 - COMPACT) * len(rows_L):
            kept_K = alive_L.nonzero()[:, 0]
            decoder.keep(kept_K)
            rows_L, chosen_L, alive_L, last_L = (x_L[kept_K] for x_L in (rows_L, chosen_L, alive_L, last_L))
        logits_LV = decoder.step(chosen_L)
    return _collect(ids_NB.T.tolist(), logprobs_NB.T.tolist(), model.end, params)


def choose(logits_BV: Tensor, uniform_B: Tensor, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """One token per row and its log-probability (ids_B, logprob_B); see ``sample`` for the rule.

    Raises ValueError if a logit is NaN or infinite.
    """
    scaled_BV = logits_BV.float() / (temperature or 1.0)
    total_B = scaled_BV.logsumexp(-1)
    if not bool(total_B.isfinite().all()):
        raise ValueError("the model's logits are not finite: it has diverged or its weights are damaged")
    if temperature == 0:
        chosen_B = scaled_BV.argmax(-1)
    else:
        mass_BV = (scaled_BV - total_B[:, None]).double().exp()
        chosen_B = _invert(_nucleus(mass_BV, top_p) if top_p < 1 else mass_BV, uniform_B)
    return chosen_B, scaled_BV.gather(1, chosen_B[:, None])[:, 0] - total_B


def _nucleus(mass_BV: Tensor, top_p: float) -> Tensor:
    """``mass_BV`` with zeros outside the nucleus: a token stays while the mass before it is below top_p."""
    sorted_BV, order_BV = mass_BV.sort(dim=-1, descending=True, stable=True)
    outside_BV = sorted_BV.cumsum(-1) - sorted_BV >= top_p
    return torch.zeros_like(mass_BV).scatter_(1, order_BV, sorted_BV.masked_fill(outside_BV, 0))


def _invert(mass_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The first token at which the cumulative mass exceeds ``uniform * total``; it always has positive mass."""
    cumulative_BV = mass_BV.cumsum(-1)
    # In float64 a uniform of at most 1 - 2^-53 times the total rounds to less than the total: a token is always found.
    target_B1 = uniform_B[:, None] * cumulative_BV[:, -1:]
    return torch.searchsorted(cumulative_BV, target_B1, right=True)[:, 0]


def _collect(ids: list[list[int]], logprobs: list[list[float]], end: int, params: SamplingParams) -> Samples:
    """Rows cut at their first ``end``, or where ``params.stop_token`` ends them."""
    if (stop := params.stop_token) is not None:
        after = 1 + params.tokens_after_stop
        ids = [row[: row.index(stop) + after] if stop in row else row for row in ids]
    stopped = [end in row for row in ids]
    lengths = [row.index(end) + 1 if ended else len(row) for row, ended in zip(ids, stopped, strict=True)]
    return Samples(
        [row[:n] for row, n in zip(ids, lengths, strict=True)],
        [row[:n] for row, n in zip(logprobs, lengths, strict=True)],
        stopped,
    )


def check(model: LM, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> None:
    """Raises ValueError for what ``sample`` refuses."""
    room = params.max_new_tokens
    if streams.dtype != np.float64 or streams.ndim != 2 or len(streams) != len(prompts) or streams.shape[1] < room:
        raise ValueError(
            f"streams must be float64 of shape ({len(prompts)}, >= {room}), got {streams.dtype} {streams.shape}"
        )
    if prompts and not (streams.min() >= 0 and streams.max() < 1):
        raise ValueError("streams must hold uniforms in [0, 1)")
    for row, prompt in enumerate(prompts):
        if not prompt:
            raise ValueError(f"prompt {row} is empty")
        if min(prompt) < 0 or max(prompt) >= model.vocab_size:
            raise ValueError(f"prompt {row} has a token outside 0..{model.vocab_size - 1}")
