"""Checks that descriptions make of their own fields, each with one sentence that names the field."""

from __future__ import annotations

import math


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite int or float (True and False are not numbers)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_probability(name: str, value: object) -> None:
    """Raises ValueError unless ``value`` is a number between 0 and 1."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability, between 0 and 1, got {value!r}")


def check_distribution(name: str, value: object, number: int) -> None:
    """Raises ValueError unless ``value`` is a tuple of so many probabilities that sum to 1."""
    right = isinstance(value, tuple) and len(value) == number and all(is_number(v) and v >= 0 for v in value)
    if not right or abs(sum(value) - 1) > 1e-9:
        raise ValueError(f"{name} must hold {number} probabilities that sum to 1, got {value!r}")


def check_range(name: str, value: object, least: int) -> None:
    """Raises ValueError unless ``value`` is (low, high) with least <= low <= high."""
    pair = isinstance(value, tuple) and len(value) == 2 and all(type(v) is int for v in value)
    if not pair or not least <= value[0] <= value[1]:
        raise ValueError(f"{name} must be (low, high) with {least} <= low <= high, got {value!r}")


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raises ValueError unless ``value`` is an int between ``low`` and ``high``."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be {low}..{high}, got {value!r}")


def check_type(name: str, value: object, kind: type) -> None:
    """Raises ValueError unless ``value`` is of this class."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be of type {kind.__name__}, got {value!r}")
