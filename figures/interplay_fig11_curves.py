"""Rewards, wasted groups and response lengths while RL trains on each band (Interplay, Fig 11)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import GRID, INTERPLAY, by_training, curves, legend, over_training, published
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

ARMS = {
    f"RL {name}": nth
    for nth, name in enumerate(("inside", "boundary", "edge", "beyond", "uniform", "curriculum"), start=1)
}
# Rewards at the first and last step, after RL on op 11-14 and on op 17-20; of easier problems no ends are given.
PUBLISHED = {"RL edge": (0.2, 0.5), "RL beyond": (0.0, 0.0)}


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
    for arm, ends in PUBLISHED.items():
        published(axes[0], [GRID[0], GRID[-1]], list(ends), ARMS[arm], INTERPLAY)
    legend(made, axes[0], 7)
    over_training(made, "interplay/edge", rows, "; a fifth replayed; diamonds: the ends of the paper's curves")
    return made
