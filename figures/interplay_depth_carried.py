"""How far beyond the depth that it was trained on does each kind of training carry a model, at equal compute?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, by_depth, by_row, footnote, gain, legend, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY = "interplay/depth_carried"
DRAWN = {  # each with its colour
    "base": 0, "RL": 1, "mid-training + RL": 3, "RFT": 5, "SFT": 4, "mid-training, copies replayed": 7,
    "mid-training, plain replay": 2, "more pre-training": 6,
}  # fmt: skip
GAINS = tuple(name for name in DRAWN if name != "base")


def draw(folder=FOLDER) -> Figure:
    """Strict pass@1 and pass@128 by number of operations, and what each arm adds to its base, seed by seed."""
    found = table(STUDY, tuple(DRAWN), folder)
    made = figure(9.6, 3.5)
    axes = made.subplots(1, 3, gridspec_kw={"width_ratios": (1, 1, 0.9)})
    for axis, k, letter in ((axes[0], 1, "a"), (axes[1], 128, "b")):
        by_depth(axis, found, DRAWN, k)
        panel_letter(axis, letter, f"pass@{k}")
    axes[0].set_ylabel("strictly right (exact)")
    series = {}
    for place, band in enumerate(("edge", "hard")):
        exams = found.band(BANDS[band], COMMON)
        values = [found.pooled(arm, exams, 1) - found.pooled("base", exams, 1) for arm in GAINS]
        series[f"{band}, pass@1"] = (place + 1, values, [gain(found, arm, "base", band, 1) for arm in GAINS])
    by_row(axes[2], list(GAINS), series)
    axes[2].axvline(0, color="#333333", linewidth=0.6)
    axes[2].set_xlabel("gain over the base")
    axes[2].legend(loc="lower right", fontsize=6)
    panel_letter(axes[2], "c", "beyond the base")
    legend(made, axes[0], 4)
    footnote(made, found, "; 95 % intervals; chance is next to 0; at 11, questions are longer than in training")
    return made
