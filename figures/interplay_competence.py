"""What does RL add in pass@128, against how much its base solved of the problems that RL was given, model by model?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, SCALE, table
from interlude.figures.style import MARKERS, PALETTE, figure, note, panel_letter
from interlude.studies.results import FOLDER, Results, load

STUDIES = ("interplay/edge", "interplay/edge_confirmation")
# The arms: of which colour, and of how many operations the problems are that their RL was given.
GIVEN = {
    "RL inside": (1, (3, 4)), "RL edge": (3, BANDS["edge"]), "RL beyond": (4, BANDS["hard"]), "RL far": (2, (11, 11)),
}  # fmt: skip
RANGES = ((0.0, 0.002), (0.02, 0.3), (0.9, 1.0))  # of the base's pass@1, declared before the second study ran
LEAST = 1e-4  # of pass@1: what is below stands there


def draw(folder=FOLDER) -> Figure:
    """A dot is one model: the gain on what its RL was given (a) and on the hard band (b), over its base's pass@1 on
    what RL was given. Lines are means over the models of a range."""
    made = figure(8.4, 3.6)
    axes = made.subplots(1, 2, sharey=True)
    for axis, letter, title in zip(axes, "ab", ("on the problems given to RL", "on the hard band"), strict=True):
        every = []
        for arm, (nth, ops) in GIVEN.items():
            x, y = rates_and_gains(arm, ops, BANDS["hard"] if axis is axes[1] else ops, folder)
            label = f"{arm} ({' and '.join(map(str, dict.fromkeys(ops)))} operations)"
            axis.plot(
                np.maximum(x, LEAST), y, MARKERS[nth], color=PALETTE[nth], markersize=4, alpha=0.75, label=label
            )  # fmt: skip
            every.append((x, y))
        x, y = (np.concatenate(each) for each in zip(*every, strict=True))
        for low, high in RANGES:
            if (chosen := (x >= low) & (x <= high)).any():
                axis.hlines(y[chosen].mean(), max(low, LEAST / 1.5), min(high, 1.5), color="#222222", linewidth=1.4)
        axis.axhline(0, color="#333333", linewidth=0.6)
        axis.set(xscale="log", xlim=(LEAST / 1.5, 1.5), ylim=(-0.55, 1.05), xlabel="base's pass@1 on what RL was given")
        panel_letter(axis, letter, title)
    axes[0].set_ylabel("gain in pass@128 by RL (exact)")
    axes[0].legend(loc="upper left", fontsize=6.5)
    models = sum(len(line.get_xdata()) for line in axes[0].get_lines() if line.get_label()[:1] != "_")
    note(made, f"{' and '.join(STUDIES)}, {SCALE}; {models} models; a pass@1 below {LEAST:g} is drawn there")
    return made


def rates_and_gains(arm: str, ops: tuple[int, int], judged: tuple[int, int], folder) -> tuple[np.ndarray, np.ndarray]:
    """Of every seed of the studies that have the arm, the base's pass@1 on problems with ``ops`` operations, and what
    the arm gains over it in pass@128 on problems with as many as ``judged``."""
    before, gained = [], []
    for study in STUDIES:
        if arm not in load(study, SCALE, folder).arms:
            continue
        found = table(study, ("none", arm), folder)
        before.append(scores(found, "none", ops, 1))
        gained.append(scores(found, arm, judged, 128) - scores(found, "none", judged, 128))
    return np.concatenate(before), np.concatenate(gained)


def scores(found: Results, arm: str, ops: tuple[int, int], k: int) -> np.ndarray:
    """Mean exact pass@k of each seed (S) over problems with so many operations."""
    return found.pooled(arm, found.band(ops, COMMON), k).mean(1)
