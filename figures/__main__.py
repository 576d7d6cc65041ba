"""`python -m figures` draws every figure again from the committed tables."""

from __future__ import annotations

import sys

from figures import (
    interplay_fig03_edge,
    interplay_fig06_mid_or_rl,
    interplay_fig10_heatmap,
    interplay_fig11_curves,
    interplay_fig18_budgets,
    quickstart,
)
from figures.panels import Missing
from figures.style import save

FIGURES = (
    quickstart,
    interplay_fig03_edge,
    interplay_fig06_mid_or_rl,
    interplay_fig10_heatmap,
    interplay_fig11_curves,
    interplay_fig18_budgets,
)


def main() -> int:
    """Draw all whose tables there are and name the others; returns 2, with a sentence, where a table is damaged."""
    for figure in FIGURES:
        name = figure.__name__.rpartition(".")[2]
        try:
            made = figure.draw()
        except (FileNotFoundError, Missing) as error:
            print(f"figures: {name} not drawn: {error}", file=sys.stderr)
        except (OSError, ValueError) as error:
            print(f"figures: {error}", file=sys.stderr)
            return 2
        else:
            print(save(name, made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
