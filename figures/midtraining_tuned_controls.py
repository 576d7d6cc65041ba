"""How much of the leads over the leaderboard's controls is left when the controls' learning rate is tuned as well?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, SCALE, by_row, legend, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies.evidence import values
from interlude.studies.results import FOLDER, Results
from interlude.studies.stats import difference, interval

STUDY = "midtraining/tuned_controls"
METHODS = ("withdrawal", "RL", "RMT", "RFT")
CONTROLS = ("NTP", "pre-training")
# At which learning rate a control reads: how its arms are named, and the colour of leads over them.
RATES = {"over controls at the leaderboard's rate": ("", 0), "over controls at a tenth of it": (", low rate", 2)}
OPENED = ("RMT",)  # for which a thought is opened in the sampled exam
DEEPER = (BANDS["ID"][1] + 1, BANDS["hard"][1])


def draw(folder=FOLDER) -> Figure:
    """Scores after RL, then each method's lead over each control at both rates, then the same before RL at the edge."""
    rows = [*(control + more for control in CONTROLS for more, _ in RATES.values()), *METHODS]
    found = table(STUDY, tuple(row + then for row in rows for then in ("", " + RL")), folder)
    made = figure(11.5, 2.7)
    score, *leads = made.subplots(1, 4, width_ratios=(1.3, 1, 1, 1))
    solved = [deeper(found, row) for row in rows]
    told = [interval(each, path=(STUDY, row)) for row, each in zip(rows, solved, strict=True)]
    by_row(score, rows, {"": (1, solved, told)})
    score.set_xlabel(f"{DEEPER[0]} to {DEEPER[1]} operations, + RL, pass@1")
    panel_letter(score, "a", "after the same RL")
    for axis, letter, control in zip(leads, "bc", CONTROLS, strict=False):
        by_row(axis, list(METHODS), lead(found, control, deeper))
        axis.set_xlabel(f"{DEEPER[0]} to {DEEPER[1]} operations, + RL,\nmethod - {control}")
        panel_letter(axis, letter, f"lead over {control}")
    by_row(leads[2], list(METHODS), lead(found, "NTP", alone))
    leads[2].set_xlabel("edge, sampled pass@1,\nmethod - NTP")
    panel_letter(leads[2], "d", "lead before RL")
    for axis in leads[1:]:
        axis.set_yticks(range(len(METHODS)), [""] * len(METHODS))
    for axis in leads:
        axis.axvline(0, color="#333333", linewidth=0.6)
    legend(made, leads[0], 2)
    note(made, f"{STUDY}, {SCALE}, {len(found.seeds)} seeds (dots); 95 % intervals (differences: t over seeds)")
    return made


def deeper(found: Results, row: str) -> np.ndarray:
    """Exact pass@1 after RL of every seed and problem (SP) deeper than the band."""
    return values(found, f"{row} + RL", found.band(DEEPER, COMMON), 1)


def alone(found: Results, row: str) -> np.ndarray:
    """Sampled pass@1 at the edge before RL (SP), in the exam that belongs to the row."""
    return values(found, row, ("zoo-edge-sampled" + "-answer" * (row in OPENED),), 1)


def lead(found: Results, control: str, score) -> dict:
    """For each of RATES what ``by_row`` draws: how far every method is above the control at that rate."""
    made = {}
    for label, (more, colour) in RATES.items():
        drawn = [score(found, name) - score(found, control + more) for name in METHODS]
        made[label] = colour, drawn, [difference(each, np.zeros_like(each)) for each in drawn]
    return made
