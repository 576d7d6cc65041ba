"""Are the graphs solved in a second world nearer to training graphs than its problems are (Interplay, Fig 5)?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, RARE, footnote, legend, spanned, table
from interlude.figures.style import figure, line, panel_letter
from interlude.studies.results import FOLDER, Results
from interlude.studies.stats import Estimate, difference

ARMS = {f"{share} arithmetic + RL": nth for nth, share in enumerate(("0.3 %", "1 %", "10 %"), start=1)}
EDGES = np.array([0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9999, 1.0001])  # the last bin holds graphs equal to a gold one
LEAST = 0.0005  # of a band must be solved in every seed for its distribution to be drawn
PLACES = (0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.04)


def draw(folder=FOLDER) -> Figure:
    """Distribution of similarity: of all problems, and of the solved ones, each weighed by its exact pass@1."""
    found = table("interplay/topology", tuple(ARMS), folder)
    made = figure(8.4, 2.9)
    axes = made.subplots(1, 3, sharey=True)
    for axis, letter, band in zip(axes, "abc", BANDS, strict=True):
        first = next(iter(ARMS))
        line(axis, list(PLACES), spread(found, first, band, weighed=False), 0, "all problems")
        for arm, nth in ARMS.items():
            if found.pooled(arm, found.band(BANDS[band], RARE), 1).mean(1).min() < LEAST:
                continue  # the mean of next to nothing
            line(axis, list(PLACES), spread(found, arm, band, weighed=True), nth, f"solved, {arm}")
        axis.set_xlabel("similarity to the nearest gold graph")
        axis.set_xticks([0.35, 0.55, 0.75, 1.04], ["< .4", ".5 to .6", ".7 to .8", "equal"])
        panel_letter(axis, letter, f"{spanned(found, band, RARE)}, {RARE}")
    axes[0].set_ylabel("share")
    axes[0].set_ylim(0, 1.05)
    legend(made, axes[0], 4)
    footnote(made, found, f"; arms that solve {LEAST} of a band in every seed; 95 % intervals (t over seeds)")
    return made


def spread(table: Results, arm: str, band: str, weighed: bool) -> list[Estimate]:
    """The share of the problems of a band in each bin of similarity, as a mean over seeds."""
    exams = table.band(BANDS[band], RARE)
    like_SP = np.concatenate([table.similarity(arm, exam) for exam in exams], axis=1)
    weight_SP = table.pooled(arm, exams, 1) if weighed else np.ones_like(like_SP)
    weight_SP = weight_SP / weight_SP.sum(1, keepdims=True)
    shares_SB = np.array([np.histogram(like, EDGES, weights=w)[0] for like, w in zip(like_SP, weight_SP, strict=True)])
    return [difference(column_S[:, None], np.zeros((len(column_S), 1))) for column_S in shares_SB.T]
