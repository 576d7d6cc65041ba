"""`python -m figures` draws every figure again from the committed tables."""

from __future__ import annotations

import sys

from figures import quickstart
from figures.style import save

FIGURES = (quickstart,)


def main() -> int:
    """Draw all; returns 2, with a sentence, where a table is missing or damaged."""
    for figure in FIGURES:
        try:
            made = figure.draw()
        except (OSError, ValueError) as error:
            print(f"figures: {error}", file=sys.stderr)
            return 2
        print(save(figure.__name__.rpartition(".")[2], made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
