"""The problems that the fuzz tests judge: every kind of source, in turn."""

from __future__ import annotations

from interlude.synth.graph import Shape
from interlude.synth.problem import Problem
from interlude.synth.source import Source

WORLDS = ("zoo", "school", "festival")
WIDE = Shape(fan_in=3, literals=0.3, reuse=0.3, width=0.6)
KINDS = (
    {"modulus": 7, "connected": (0, 2), "filler": (0, 2)},
    {"modulus": 7, "shape": WIDE, "order": "shuffled", "connected": (0, 1)},
    {"modulus": 23, "shape": WIDE, "unconnected": (0, 1)},
    {"modulus": 3, "order": "shuffled", "connected": (1, 2), "unconnected": (0, 1)},
    {"modulus": None, "shape": Shape(literals=0.3, reuse=0.2), "connected": (0, 1)},
    {"modulus": None, "order": "shuffled", "filler": (0, 2)},
    {"modulus": 7, "shape": Shape(fan_in=4, literals=1.0)},
    {"modulus": 2, "shape": Shape(fan_in=3, width=1.0)},
)
SOURCES = (
    tuple(
        Source(ops=(1, 6), world=WORLDS[nth % 3], mode=mode, dialect=dialect, split="any", **kind)
        for nth, kind in enumerate(KINDS)
        for dialect in ("terse", "direct", "prose")
        for mode in ("forward", "reverse")
    )
    + tuple(
        Source(ops=(0, 0), copies=copies, world=world, dialect=dialect, split="any", order="shuffled", filler=(0, 3))
        for dialect, world in (("terse", "zoo"), ("direct", "festival"), ("prose", "school"))
        for copies in ((0, 0), (1, 4))
    )
    + tuple(
        Source(
            ops=(1 - nth % 2, 5), copies=(nth % 2, 6), copy_ratio=0.9, mode=mode, dialect=dialect, split="any",
            **{name: value for name, value in kind.items() if name != "unconnected"},
        )
        for nth, kind in enumerate(KINDS)
        for dialect in ("terse", "direct", "prose")
        for mode in ("forward", "reverse")
    )
)  # fmt: skip


def problem(nth: int) -> Problem:
    """The problems the tests use, cycling through every kind of source."""
    return SOURCES[nth * 37 % len(SOURCES)].problem("fuzz", nth)  # 37: neighbours differ in kind
