"""What the axes of a figure show, read back for tests of figures."""

from __future__ import annotations

import numpy as np


def labels(axis) -> list[str]:
    return [text.get_text() for text in axis.get_yticklabels()]


def dots(axis, row: int, place: int) -> list[float]:
    """The seeds drawn in a row for the first or second of its series."""
    at = row + (place - 0.5) * 0.36
    found = [line for line in axis.get_lines() if line.get_marker() == "." and np.allclose(line.get_ydata(), at)]
    return sorted(found[0].get_xdata()) if found else []


def hollow(line) -> bool:
    """Whether a line is drawn as open diamonds: values of another paper."""
    return line.get_marker() == "D" and line.get_markerfacecolor() == "white"


def diamonds(axis) -> list[tuple[float, float, str]]:
    """Place, height and colour of each open diamond, in the order drawn."""
    found = [line for line in axis.get_lines() if hollow(line)]
    return [
        (float(x), float(y), line.get_color())
        for line in found
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]
