"""The atomic operations: their symbols, what they compute, and how each is undone."""

from __future__ import annotations

LIMIT = 999  # largest value without a modulus: arXiv 2512.07783's released generator keeps values in 1..1000

FORWARD = ("+", "-", "*")  # the operations a statement may use
DIVIDE = "/"  # appears in solutions only, as the inverse of "*"
SYMBOLS = (*FORWARD, DIVIDE)
SAME = "="  # a statement may also repeat another quantity: no operation, and its own inverse


def is_prime(n: int) -> bool:
    """Trial division; moduli are small."""
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def check_modulus(name: str, modulus: object) -> None:
    """Raises ValueError unless ``modulus`` is None or a prime up to LIMIT, at once for a number of any size: each
    residue is a token, and inverses need a prime."""
    if modulus is None:
        return
    if type(modulus) is int and modulus > LIMIT:
        digits = "" if modulus < 10**12 else ", which has too many digits to show"
        raise ValueError(
            f"{name} must be a prime up to {LIMIT} or None, got {modulus if not digits else 'one'}{digits}"
        )
    if type(modulus) is not int or not is_prime(modulus):
        raise ValueError(f"{name} must be a prime or None, got {modulus!r}: inverses need a prime")


def compute(op: str, left: int, right: int, modulus: int | None) -> int | None:
    """``left op right`` modulo ``modulus`` (None: plain integers). None where it has no value.

    A quotient exists modulo a prime when the divisor is not zero, and among plain integers when it is exact.
    """
    if op == "+":
        value = left + right
    elif op == "-":
        value = left - right
    elif op == "*":
        value = left * right
    elif op == "/":
        if modulus is not None:
            return None if right % modulus == 0 else left * pow(right, -1, modulus) % modulus
        return None if right == 0 or left % right else left // right
    else:
        raise ValueError(f"operation must be one of {' '.join(SYMBOLS)}, got {op!r}")
    return value if modulus is None else value % modulus


def fold(op: str, values: tuple[int, ...], modulus: int | None) -> int | None:
    """The value of ``v1 op v2 op v3 ...`` from left to right."""
    total: int | None = values[0]
    for value in values[1:]:
        if total is None:
            return None
        total = compute(op, total, value, modulus)
    return total


def inverse(op: str, position: int, fan_in: int) -> tuple[str, bool]:
    """How ``result = a op b [op c]`` is solved for the argument at ``position``.

    Returns the operation to apply and whether the result comes first: from ``r = a + b``, ``a = r - b`` is
    ("-", True); from ``r = a - b``, ``a = r + b`` is ("+", True) and ``b = a - r`` is ("-", False).
    """
    if op == "+":
        return "-", True
    if op == "*":
        return DIVIDE, True
    if op == SAME:
        return SAME, True
    if op == "-":
        if position == 0:
            return "+", True
        return "-", False
    raise ValueError(f"operation must be one of {' '.join((*FORWARD, SAME))}, got {op!r}")
