"""How probable was each solution before the training that made it likely: does RL lift, or create?"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, footnote, logp, spanned, table
from interlude.figures.style import PALETTE, figure, panel_letter
from interlude.studies.results import FOLDER, Results

ARMS = {"RL edge": 3, "SFT edge": 7, "RFT edge": 8}
BELOW = np.arange(0.0, -12.5, -0.5)  # log10 of probability
MARKED = {"1/128": math.log10(1 / 128), "1e-4": -4.0, "1e-6": -6.0}


def draw(folder=FOLDER) -> Figure:
    """Every problem before and after RL at the edge; and of those newly solved, how many were how improbable before."""
    found = table("interplay/edge", ("none", *ARMS), folder)
    made = figure(8.4, 3.6)
    moved, shares = made.subplots(1, 2)
    for nth, (band, ops) in enumerate(BANDS.items()):
        exams = found.band(ops, COMMON)
        before, after = (
            np.concatenate([logp(found, arm, e) for e in exams], axis=1).ravel() for arm in ("none", "RL edge")
        )
        x, y = (np.clip(nats / math.log(10), -12, 0) for nats in (before, after))
        # Dots as short lines with round ends: one path a band, where markers are an element a problem.
        x, y = (np.stack([t, t + long, np.full(t.size, np.nan)], 1).ravel() for t, long in ((x, 0.01), (y, 0.0)))
        moved.plot(
            x, y, linewidth=1.8, solid_capstyle="round", alpha=0.5, color=PALETTE[nth + 1], label=spanned(found, band)
        )
    moved.plot([-12, 0], [-12, 0], color="#333333", linewidth=0.6)
    moved.axhline(math.log10(0.5), color="#333333", linewidth=0.6, linestyle="--")
    moved.text(0.4, math.log10(0.5), "1/2", ha="left", va="center", fontsize=6.5)
    moved.set(
        xlabel="log10 of probability before RL (-12: or less)",
        ylabel="after RL at the edge",
        xlim=(-12.3, 0.3),
        ylim=(-12.3, 0.3),
    )
    moved.legend(loc="lower right")
    panel_letter(moved, "a", "every problem of every seed")
    for arm, nth in ARMS.items():
        by_seed = newly(found, arm)
        solved = np.concatenate(by_seed)
        if len(solved):
            label = f"{arm}, {len(solved)} newly solved"
            shares.plot(BELOW, [(solved < x).mean() for x in BELOW], color=PALETTE[nth], linewidth=1.6, label=label)
        for one in by_seed:
            if len(one):
                shares.plot(BELOW, [(one < x).mean() for x in BELOW], color=PALETTE[nth], linewidth=0.6, alpha=0.7)
    for name, level in MARKED.items():
        shares.axvline(level, color="#333333", linewidth=0.6, linestyle=":")
        shares.text(level, 1.02, name, ha="center", va="bottom", fontsize=6.5, transform=shares.get_xaxis_transform())
    shares.set(
        xlabel="log10 of probability before", ylabel="share of newly solved below it", xlim=(-12.3, 0.3), ylim=(0, 1.02)
    )
    shares.set_title("b   p from under to over 1/2", fontweight="bold", pad=14)
    shares.legend(loc="upper left", fontsize=6.5)
    footnote(made, found, "; b: thick lines all seeds, thin lines each")
    return made


def newly(table: Results, arm: str) -> list[np.ndarray]:
    """For each seed, log10 of the probability before of what ``arm`` newly solves, over all bands."""
    exams = [exam for ops in BANDS.values() for exam in table.band(ops, COMMON)]
    before, after = (np.concatenate([logp(table, a, e) for e in exams], axis=1) for a in ("none", arm))
    half = math.log(0.5)
    return [b[(a >= half) & (b < half)] / math.log(10) for a, b in zip(after, before, strict=True)]
