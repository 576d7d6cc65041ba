"""Rewards and lengths in RL by what pre-training held of a second world (Interplay, Fig 17)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.interplay_fig04_context_exposure import SHARES, STUDY, WAYS, after
from interlude.figures.panels import GRID, INTERPLAY, by_training, curves, over_training, published
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

PUBLISHED = {"1 % arithmetic": (0.35, 0.6), "10 % arithmetic": (0.35, 0.7)}  # rewards at the first and last step


def draw(folder=FOLDER) -> Figure:
    """Strict rewards over both worlds above and response lengths below: by share, and by kind and time."""
    rows = curves(STUDY, tuple(after(SHARES | WAYS)), folder)
    made = figure(8.4, 5.0)
    axes = made.subplots(2, 2, sharey="row")
    for nth, (bases, about) in enumerate(((SHARES, "by share"), (WAYS, "by kind and time"))):
        for axis, letter, column in ((axes[0, nth], "ab"[nth], "reward"), (axes[1, nth], "cd"[nth], "response_tokens")):
            by_training(axis, rows, after(bases), column)
            panel_letter(axis, letter, f"{about}, {column.removeprefix('response_')}")
        if bases is SHARES:
            for base, ends in PUBLISHED.items():
                published(axes[0, nth], [GRID[0], GRID[-1]], list(ends), bases[base], INTERPLAY)
        axes[0, nth].legend(loc="lower right", fontsize=6.5, ncols=2)
    axes[0, 0].set(ylabel="mean strict reward, both worlds", ylim=(0, 1))
    axes[1, 0].set_ylabel("tokens of a response")
    over_training(made, STUDY, rows, "; diamonds: the ends of the paper's curves")
    return made
