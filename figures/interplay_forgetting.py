"""What do SFT and RL on edge problems forget of the band, and does KL predict it (arXiv 2509.04259)?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import footnote, gain, spanned, table
from interlude.figures.style import MARKERS, PALETTE, figure, panel_letter
from interlude.studies.results import FOLDER, Results, numbers
from interlude.studies.stats import Estimate, interval

METHODS = {"SFT": 2, "RL": 1}


def draw(folder=FOLDER) -> Figure:
    """Loss of band pass@1 against gain of edge pass@1, and against the divergence on edge problems."""
    paths = {method: [f"{method} {n}" for n in range(1, 5)] for method in METHODS}
    found = table("interplay/forgetting", ("none", *(arm for path in paths.values() for arm in path)), folder)
    made = figure(8.0, 3.2)
    gained, moved = made.subplots(1, 2, sharey=True)
    for method, nth in METHODS.items():
        lost = [gain(found, "none", arm, "ID", 1) for arm in paths[method]]
        crosses(gained, [gain(found, arm, "none", "edge", 1) for arm in paths[method]], lost, nth, method)
        crosses(moved, [divergence(found, arm) for arm in paths[method]], lost, nth, method)
    gained.set(xlabel="gained in edge pass@1", ylabel=f"lost in {spanned(found, 'ID')} pass@1")
    moved.set_xlabel("KL(base || arm) on edge solutions (nats)")
    for axis, letter, title in ((gained, "a", "at what price"), (moved, "b", "does KL tell?")):
        axis.axhline(0, color="#333333", linewidth=0.6)
        panel_letter(axis, letter, title)
    gained.legend(loc="upper left")
    footnote(made, found, "; 95 % intervals (differences: t over seeds)")
    return made


def divergence(table: Results, arm: str) -> Estimate:
    """KL to the base at the edge in nats, with its interval over seeds and problems."""
    nats_SP = np.array([numbers(row["divergence"]) for row in table.of(arm, "edge-kl")])
    return interval(nats_SP, path=(table.study, arm, "edge-kl"))


def crosses(axis, x: list[Estimate], y: list[Estimate], nth: int, label: str) -> None:
    """A path through points that have an interval either way, from the base at the origin."""
    colour = PALETTE[nth]
    axis.plot(
        [0, *(e.mean for e in x)],
        [0, *(e.mean for e in y)],
        color=colour,
        marker=MARKERS[nth],
        markersize=3.6,
        label=label,
    )
    axis.hlines([e.mean for e in y], [e.low for e in x], [e.high for e in x], color=colour, linewidth=0.9)
    axis.vlines([e.mean for e in x], [e.low for e in y], [e.high for e in y], color=colour, linewidth=0.9)
