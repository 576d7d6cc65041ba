"""The ledger counts the tokens and FLOPs a run really spent, by kind of work, so that equal compute is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

# What work is for. A forward pass counts 1, its backward pass 2 (Kaplan et al. 2020, section 2.1).
TRAIN, ROLLOUT, REFERENCE, JUDGE = "train", "rollout", "reference", "judge"
KINDS = (TRAIN, ROLLOUT, REFERENCE, JUDGE)


class Spent(NamedTuple):
    """Tokens processed and FLOPs spent on one kind of work."""

    kind: str
    tokens: int
    flops: float


@dataclass(frozen=True)
class Ledger:
    """Totals by kind, in the order of KINDS. ``tokens`` in tokens, ``flops`` in floating-point operations."""

    tokens: tuple[int, ...] = (0,) * len(KINDS)
    flops: tuple[float, ...] = (0.0,) * len(KINDS)

    def plus(self, *spent: Spent) -> Ledger:
        """This ledger with more work entered."""
        tokens, flops = list(self.tokens), list(self.flops)
        for kind, n, f in spent:
            tokens[KINDS.index(kind)] += n
            flops[KINDS.index(kind)] += f
        return replace(self, tokens=tuple(tokens), flops=tuple(flops))

    def __add__(self, other: Ledger) -> Ledger:
        return self.plus(*(Spent(k, n, f) for k, n, f in zip(KINDS, other.tokens, other.flops, strict=True)))

    @property
    def total_flops(self) -> float:
        return sum(self.flops)

    @property
    def total_tokens(self) -> int:
        return sum(self.tokens)

    def as_dict(self) -> dict[str, float]:
        """Flat, for JSON and tables: ``train_tokens``, ``train_flops``, ..."""
        row: dict[str, float] = {}
        for kind, n, f in zip(KINDS, self.tokens, self.flops, strict=True):
            row[f"{kind}_tokens"], row[f"{kind}_flops"] = n, f
        return row

    @staticmethod
    def from_dict(row: dict[str, float]) -> Ledger:
        """The inverse of ``as_dict``. Raises KeyError for a missing entry."""
        return Ledger(
            tuple(int(row[f"{kind}_tokens"]) for kind in KINDS), tuple(float(row[f"{kind}_flops"]) for kind in KINDS)
        )


def attended(lengths: list[int]) -> int:
    """Causal attention over rows of these lengths: each token attends to itself and all before it in its row."""
    return sum(n * (n + 1) // 2 for n in lengths)


def forward_cost(lm, kind: str, lengths: list[int], passes: float = 1.0, logits: int | None = None) -> Spent:
    """What ``passes`` forward passes over rows of these lengths cost (training a row is 3: forward and backward), when
    ``logits`` tokens are predicted (None: every one). The optimiser's own arithmetic is not counted, as is usual."""
    return Spent(kind, sum(lengths), passes * lm.flops(sum(lengths), attended(lengths), logits))


def decode_cost(lm, prompt: int, responses: list[int]) -> Spent:
    """What sampling responses of these lengths to one prompt costs with a cache: the prompt is read
    once, every response token but the last is read once and attends to the prompt and what came before
    it, and each is predicted once."""
    read = [n - 1 for n in responses]
    seen = attended([prompt]) + sum(n * prompt + n * (n + 1) // 2 for n in read)
    tokens = prompt + sum(read)
    return Spent(ROLLOUT, tokens, float(lm.flops(tokens, seen, sum(responses))))


def interplay_rl_tokens(samples: float, group: int, length: int, reference: bool = True) -> float:
    """Training-token equivalents of GRPO by the formula of the Interplay paper (arXiv 2512.07783, appendix A.10.1):
    T = (4/3 + gamma/3) N r L, with N prompts, r rollouts each, L charged tokens a rollout, gamma 1 with a reference."""
    return (4 / 3 + (1 / 3 if reference else 0)) * samples * group * length
