"""Rewards and lengths in RL by what pre-training held of a second world (Interplay, Fig 17)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.interplay_fig04_context_exposure import SHARES, STUDY, WAYS, after
from interlude.figures.panels import by_training, curves, over_training
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER


def draw(folder=FOLDER) -> Figure:
    """Strict rewards over both worlds above and response lengths below: by share, and by kind and time."""
    rows = curves(STUDY, tuple(after(SHARES | WAYS)), folder)
    made = figure(8.4, 5.0)
    axes = made.subplots(2, 2, sharey="row")
    for nth, (bases, about) in enumerate(((SHARES, "by share"), (WAYS, "by kind and time"))):
        for axis, letter, column in ((axes[0, nth], "ab"[nth], "reward"), (axes[1, nth], "cd"[nth], "response_tokens")):
            by_training(axis, rows, after(bases), column)
            panel_letter(axis, letter, f"{about}, {column.removeprefix('response_')}")
        axes[0, nth].legend(loc="lower right", fontsize=6.5)
    axes[0, 0].set(ylabel="mean strict reward, both worlds", ylim=(0, 1))
    axes[1, 0].set_ylabel("tokens of a response")
    over_training(made, STUDY, rows)
    return made
