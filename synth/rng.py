"""Every random draw in Interlude comes from a stream named by what it is for."""

from __future__ import annotations

import random
from hashlib import blake2b

import numpy as np


def key(*path: str | int) -> int:
    """The 128-bit number that names a path such as ``("pretrain", seed, step, row)``.

    The path is hashed, never handed to a generator as a list: numpy pads seed lists, so ``[1, 2]`` and ``[1, 2, 0]``
    would be one stream, and ``seed + row`` shares all but one stream between neighbouring seeds.

    Raises TypeError for a part that is neither str nor int (a float or an object has no stable spelling).
    """
    parts = []
    for part in path:
        if type(part) is int:
            parts.append(f"i{part}")
        elif type(part) is str:
            parts.append(f"s{len(part)}:{part}")
        else:
            raise TypeError(f"a random path is made of str and int, not {type(part).__name__} ({part!r})")
    return int.from_bytes(blake2b("/".join(parts).encode(), digest_size=16).digest(), "big")


def rng(*path: str | int) -> random.Random:
    """A generator for scalar draws. Only its ``random()`` is used, the one method Python promises to keep stable."""
    return random.Random(key(*path))


def uniforms(*path: str | int, n: int) -> np.ndarray:
    """``n`` float64 numbers in [0, 1): the stream that one sampled row consumes, one number a token."""
    return np.random.Generator(np.random.PCG64(key(*path))).random(n)


def below(draw: random.Random, n: int) -> int:
    """An integer in [0, n)."""
    return int(draw.random() * n)


def between(draw: random.Random, low: int, high: int) -> int:
    """An integer in [low, high], both ends included."""
    return low + int(draw.random() * (high - low + 1))


def shuffle(draw: random.Random, items: list) -> None:
    """Fisher-Yates in place (``random.shuffle`` may change between Python versions)."""
    for i in range(len(items) - 1, 0, -1):
        j = int(draw.random() * (i + 1))
        items[i], items[j] = items[j], items[i]


def weighted(draw: random.Random, weights: tuple[float, ...]) -> int:
    """An index drawn in proportion to ``weights`` (non-negative, not all zero)."""
    target = draw.random() * sum(weights)
    for index, weight in enumerate(weights):
        target -= weight
        if target < 0:
            return index
    return max(i for i, weight in enumerate(weights) if weight > 0)
