"""Rewards and lengths in RL by what pre-training held of a second world (Interplay, Fig 17)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.interplay_fig04_context_exposure import KINDS, STUDY, arms, exposures
from interlude.figures.panels import by_training, curves, over_training
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER


def draw(folder=FOLDER) -> Figure:
    """Strict rewards over both worlds above and response lengths below, a column a kind of seed."""
    rows = curves(STUDY, tuple(dict.fromkeys(arm for kind in KINDS for arm in arms(kind))), folder)
    made = figure(8.4, 5.0)
    axes = made.subplots(2, 3, sharey="row")
    for nth, kind in enumerate(KINDS):
        for axis, letter, column in ((axes[0, nth], "abc"[nth], "reward"), (axes[1, nth], "def"[nth], "tokens")):
            by_training(axis, rows, arms(kind), {"reward": "reward", "tokens": "response_tokens"}[column])
            panel_letter(axis, letter, f"{kind}, {column}")
    axes[0, 0].set(ylabel="mean strict reward, both worlds", ylim=(0, 1))
    axes[1, 0].set_ylabel("tokens of a response")
    exposures(made, axes[0, 1])
    over_training(made, STUDY, rows)
    return made
