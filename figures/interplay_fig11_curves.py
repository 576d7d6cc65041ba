"""Rewards, wasted groups and response lengths while RL trains on each band (Interplay, Fig 11)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import by_training, curves, legend, over_training
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

ARMS = {
    f"RL {name}": nth
    for nth, name in enumerate(("inside", "boundary", "edge", "beyond", "uniform", "curriculum"), start=1)
}


def draw(folder=FOLDER) -> Figure:
    """One panel a quantity; as a fifth of the problems are replayed from pre-training, no reward starts at nothing."""
    rows = curves("interplay/edge", tuple(ARMS), folder)
    made = figure(8.4, 3.0)
    axes = made.subplots(1, 3)
    titles = ("reward (strict)", "groups without variance", "response length")
    for nth, (axis, column) in enumerate(zip(axes, ("reward", "zero_variance", "response_tokens"), strict=True)):
        by_training(axis, rows, ARMS, column)
        panel_letter(axis, "abc"[nth], titles[nth])
        axis.set_ylabel(("mean reward of a response", "share of groups", "tokens")[nth])
    for axis in axes[:2]:
        axis.set_ylim(0, 1)
    legend(made, axes[0], 6)
    over_training(made, "interplay/edge", rows, "; a fifth replayed")
    return made
