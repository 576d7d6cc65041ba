"""Rewards in RL by its share of a second world, after three kinds of pre-training (Interplay, Fig 14)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import (
    GRID,
    INTERPLAY,
    RARE,
    RL_SHARES,
    by_training,
    curves,
    legend,
    over_training,
    published,
)
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, BASES = "interplay/context_rl_share", ("0.1 % all", "1 % low", "10 % low")
COLOURS = (0, 4, 5, 6, 7)  # of the shares
PUBLISHED = {50: (0.35, 0.65), 100: (0.1, 0.65)}  # rewards at the first and last step, after 1 % of the easiest sums


def draw(folder=FOLDER) -> Figure:
    """Strict rewards, a panel a base."""
    arms = {base: [f"{base}, RL {share} %" for share in RL_SHARES] for base in BASES}
    rows = curves(STUDY, tuple(arm for each in arms.values() for arm in each), folder)
    made = figure(9.2, 3.2)
    axes = made.subplots(1, 3, sharey=True)
    for axis, letter, base in zip(axes, "abc", BASES, strict=True):
        by_training(axis, rows, dict(zip(arms[base], COLOURS, strict=True)), "reward")
        panel_letter(axis, letter, f"pre-training held {base}")
    for share, ends in PUBLISHED.items():
        nth = COLOURS[RL_SHARES.index(share)]
        published(axes[BASES.index("1 % low")], [GRID[0], GRID[-1]], list(ends), nth, INTERPLAY)
    axes[0].set(ylabel="mean strict reward, both worlds", ylim=(0, 1))
    legend(made, axes[BASES.index("1 % low")], 3)
    for text, share in zip(made.legends[0].get_texts(), RL_SHARES, strict=False):
        text.set_text(f"{share} % of RL in {RARE}")
    over_training(made, STUDY, rows, "; diamonds: the ends of the paper's curves")
    return made
