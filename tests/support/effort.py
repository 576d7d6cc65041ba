"""The cost of Python code as the number of lines that it executes, which no other process and no machine changes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most_lines(most: int) -> Iterator[list[int]]:
    """Raises AssertionError as soon as the functions that the block calls have executed more than ``most`` lines of
    Python. Yields a list whose one number is the count."""
    count = [0]

    def trace(frame, event, argument):
        if event == "line":
            count[0] += 1
            assert count[0] <= most, f"more than {most} lines of Python"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)
