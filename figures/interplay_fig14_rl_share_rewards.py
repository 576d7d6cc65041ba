"""Rewards in RL by its share of a second world, after three kinds of pre-training (Interplay, Fig 14)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import RARE, RL_SHARES, by_training, curves, legend, over_training
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, BASES = "interplay/context_rl_share", ("0.1 % all", "1 % low", "10 % low")
COLOURS = (0, 4, 5, 6, 7)  # of the shares


def draw(folder=FOLDER) -> Figure:
    """Strict rewards, a panel a base."""
    arms = {base: [f"{base}, RL {share} %" for share in RL_SHARES] for base in BASES}
    rows = curves(STUDY, tuple(arm for each in arms.values() for arm in each), folder)
    made = figure(9.2, 3.2)
    axes = made.subplots(1, 3, sharey=True)
    for axis, letter, base in zip(axes, "abc", BASES, strict=True):
        by_training(axis, rows, dict(zip(arms[base], COLOURS, strict=True)), "reward")
        panel_letter(axis, letter, f"pre-training held {base}")
    axes[0].set(ylabel="mean strict reward, both worlds", ylim=(0, 1))
    legend(made, axes[0], len(RL_SHARES))
    for text, share in zip(made.legends[0].get_texts(), RL_SHARES, strict=True):
        text.set_text(f"{share} % of RL in {RARE}")
    over_training(made, STUDY, rows)
    return made
