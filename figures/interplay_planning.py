"""Does RL extend what a base can do, or only sharpen it, with statements in order and with shuffled ones?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, by_depth, by_row, legend, plural, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies import evidence
from interlude.studies.results import FOLDER

STUDY, SCALE = "interplay/planning", "nano-shuffled"
CHAINS = ("zoo-edge-chains", "zoo-hard-chains")
# How statements stand in a question: study, scale, its bands (studies.scales, which loads torch, has them; a test
# compares), and exams of gains: None for those of the edge and the hard band.
REGIMES = {
    "in order": ("interplay/depth_carried", "nano", BANDS, None),
    "shuffled": (STUDY, SCALE, {"ID": (1, 4), "edge": (5, 6), "hard": (7, 8)}, CHAINS),
}
DRAWN = {"base": 0, "RL": 1, "RFT": 5, "SFT": 4, "mid-training, plain replay": 2}  # each with its colour
GAINS = tuple(name for name in DRAWN if name != "base")
SOLVED = {1: "pass@1", 128: "pass@128"}


def draw(folder=FOLDER) -> Figure:
    """A regime a row: strict pass@1 and pass@128 by number of operations, and gains over the base from the edge on."""
    made = figure(9.6, 6.0)
    axes = made.subplots(2, 3, gridspec_kw={"width_ratios": (1, 1, 0.9)})
    told = []
    for row, (order, (study, scale, bands, one)) in enumerate(REGIMES.items()):
        found = table(study, tuple(DRAWN), folder, scale)
        for column, k in enumerate(SOLVED):
            by_depth(axes[row, column], found, DRAWN, k, bands=bands)
            panel_letter(axes[row, column], "abcdef"[3 * row + column], f"{order}: {SOLVED[k]}")
        axes[row, 0].set_ylabel("strictly right (exact)")
        exams = list(one or found.band((bands["edge"][0], bands["hard"][1]), COMMON))
        series = {}
        for place, k in enumerate(SOLVED):
            values = [found.pooled(arm, exams, k) - found.pooled("base", exams, k) for arm in GAINS]
            series[SOLVED[k]] = (place + 1, values, [evidence.gain(found, arm, "base", exams, k) for arm in GAINS])
        by_row(axes[row, 2], [name.split(",")[0] for name in GAINS], series)
        axes[row, 2].axvline(0, color="#333333", linewidth=0.6)
        axes[row, 2].set_xlabel(f"gain over the base, edge and hard{', chains' * (one is not None)}")
        panel_letter(axes[row, 2], "abcdef"[3 * row + 2], f"{order}{', one legal order of steps' * (one is not None)}")
        told.append(f"{study}, {scale}, {plural(found.seeds)}")
    axes[0, 2].legend(loc="lower right", fontsize=6)
    legend(made, axes[0, 0], 5)
    problems = max(int(row["problems"]) for row in found.rows if row["kind"] == "exact" and row["exam"] not in CHAINS)
    spread = "95 % intervals" if len(found.seeds) > 1 else "95 % intervals over problems"
    note(made, f"{'; '.join(told)}; {problems} problems an operation; {spread}; exact: chance is next to 0")
    return made
