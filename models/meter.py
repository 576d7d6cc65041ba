"""A meter of what models compute in a training step, so that work that a stage forgot to charge is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from interlude.models.lazy import torch
from interlude.models.ledger import TRAIN, Spent, decode_cost, forward_cost
from interlude.models.lm import LM

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

# Share of what a step is charged that may be missing. No stage here lacks any; it leaves room for a model of the user's
# own that is charged by a rule of thumb.
SLACK = 0.05


class Meter:
    """Counts, inside its ``with`` block, the FLOPs of all models: whole passes, and rows that were sampled.

    They are counted by the formulas of ``models.ledger``, padding left out. A pass of ``learner`` with gradients is
    training, and counts with the backward pass that it is for. Threads that work for the block are counted too.
    """

    now: ClassVar[Meter | None] = None  # the one that counts

    def __init__(self, learner: LM) -> None:
        self.learner = learner
        # Tokens are counted on the device where they lie, and read at the end: reading makes the CPU wait for it.
        self.passes: list[tuple[LM, float, Tensor | np.ndarray, int | None]] = []
        self.sampled = 0.0

    def __enter__(self) -> Meter:
        self.outer, Meter.now = Meter.now, self
        return self

    def __exit__(self, *of) -> None:
        Meter.now = self.outer

    @property
    def flops(self) -> float:
        """FLOPs counted so far."""
        found = (forward_cost(lm, TRAIN, lengths_B.tolist(), times, n) for lm, times, lengths_B, n in self.passes)
        return self.sampled + sum(cost.flops for cost in found)


def count_pass(lm: LM, lengths_B: Tensor | np.ndarray, logits: int | None) -> None:
    """A pass over rows of these lengths, in which ``logits`` tokens are predicted (None: every one)."""
    if (meter := Meter.now) is not None:
        times = 3.0 if lm is meter.learner and torch.is_grad_enabled() else 1.0
        meter.passes.append((lm, times, lengths_B, logits))


def count_rows(lm: LM, ids_BT: Tensor, index_N: Tensor | None = None) -> None:
    """``count_pass`` of padded rows: of what the flat positions ``index_N`` see, or of all tokens."""
    if Meter.now is None:
        return
    if index_N is None:
        count_pass(lm, (ids_BT != lm.pad).sum(1), None)
    else:
        width, none_B = ids_BT.shape[1], index_N.new_zeros(len(ids_BT))
        count_pass(lm, none_B.scatter_reduce(0, index_N // width, index_N % width + 1, "amax"), len(index_N))


def count_samples(lm: LM, prompts: Sequence[list[int]], responses: Sequence[list[int]]) -> None:
    """Responses that were sampled to these prompts, of which equal ones are read once."""
    if (meter := Meter.now) is not None:
        by_prompt: dict[tuple[int, ...], list[int]] = {}
        for prompt, response in zip(prompts, responses, strict=True):
            by_prompt.setdefault(tuple(prompt), []).append(len(response))
        meter.sampled += sum(decode_cost(lm, len(prompt), lengths).flops for prompt, lengths in by_prompt.items())


@contextmanager
def uncounted() -> Iterator[None]:
    """Work inside is not counted: a stage charges it at another step, or charges less of it on purpose."""
    outer, Meter.now = Meter.now, None
    try:
        yield
    finally:
        Meter.now = outer


def check_charged(stage: str, collecting: float, spent: Sequence[Spent], learning: float, trained: float) -> None:
    """Raises ValueError where a step's models computed more than it is charged, naming the function that did.

    In FLOPs: collecting and learning are what was counted in ``collect`` and in losses; spent is ``Batch.spent``,
    trained the charge for optimiser steps. Only their sums must agree, as ``collect`` may charge for a loss.
    """
    paid = sum(cost.flops for cost in spent)
    missing = {"collect": collecting - paid, "loss": learning - trained}
    if sum(missing.values()) > SLACK * (paid + trained):
        where = max(missing, key=missing.get)
        counts = " (or count in target_count what the loss predicts without a gain)" if where == "loss" else ""
        raise ValueError(
            f"{stage}.{where} ran models for {sum(missing.values()):.3g} FLOPs that Batch.spent does not charge: let "
            "collect return replace(batch, spent=(*batch.spent, forward_cost(model, JUDGE, lengths))), both of "
            f"interlude.models.ledger{counts}"
        )
