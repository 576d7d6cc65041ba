"""Do own solutions by several approaches let RL reach further than as many without, and are they more diverse?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import SCALE, by_category, by_row, legend, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies.results import FOLDER, Results, numbers
from interlude.studies.stats import Estimate, difference, interval

STUDY, EDGE, BAND = "midtraining/selfgen", "zoo-edge-sampled", "zoo-band-sampled"
WAYS, MODES = "zoo-edge-diversity", "zoo-edge-modes"
NONE = "no mid-training"
METHODS = (NONE, "gold", "STaR", "rejection 4", "approaches 1", "approaches 4", "distillation 4", "incorrect 1")
THEN = {"alone": ("", 1), "+ the same RL": (" + RL", 2)}  # how its arms' names end, and their colour
LONGER = "longer RL"
REACH = {"STaR": 3, "rejection 4": 4, "approaches 4": 1, "incorrect 1": 8}  # methods of a, with their colours
ATTEMPTS = (1, 4, 16, 64)


def draw(folder=FOLDER) -> Figure:
    """After RL, pass@k; alone and + RL, pass@64, pass@1 in the band, approaches a response, the Vendi score of
    approaches, and modes by exact probability (the comparisons of arXiv 2605.08472)."""
    found = table(STUDY, (*(name + end for name in METHODS for end, _ in THEN.values()), LONGER), folder)
    made = figure(11.0, 6.2)
    (reach, most, band), (composed, vendi, modes) = made.subplots(2, 3)
    arms = {f"{NONE} + RL": 0, LONGER: 2} | {f"{name} + RL": nth for name, nth in REACH.items()}
    series = {arm: (nth, [score(found, arm, k) for k in ATTEMPTS]) for arm, nth in arms.items()}
    by_category(reach, list(map(str, ATTEMPTS)), series)
    reach.set(xlabel="attempts k", ylabel="edge, strictly right within k", ylim=(-0.02, 1.02))
    for axis, what in ((most, within), (band, known), (composed, composition), (vendi, ways), (modes, divided)):
        values = {label: (nth, [what(found, name + end) for name in METHODS]) for label, (end, nth) in THEN.items()}
        by_row(
            axis, list(METHODS), {label: (nth, each, list(map(over, each))) for label, (nth, each) in values.items()}
        )
    for axis, label in ((most, "edge, strictly right within 64"), (band, "band, strictly right")):
        axis.set(xlabel=label, xlim=(-0.02, 1.02))  # intervals of a few seeds go on beyond
    modes.set_xlabel("effective number of approaches, exact")
    composed.set_xlabel("share of right responses with two approaches or more")
    vendi.set_xlabel("Vendi score of a question's responses, by approach")
    reach.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=6.5, columnspacing=0.8)
    for axis in (band, vendi, modes):
        axis.set_yticklabels([])
    titles = ("after RL", "pass@64", "kept", "composition", "diversity", "modes")
    for axis, letter, title in zip((reach, most, band, composed, vendi, modes), "abcdef", titles, strict=True):
        panel_letter(axis, letter, title)
    legend(made, composed, 2)
    seeds = f"{len(found.seeds)} seed{'s' * (len(found.seeds) != 1)}"
    problems = found.of(NONE, EDGE)[0]["problems"]
    note(made, f"{STUDY}, {SCALE}, {seeds} (dots), {problems} problems; 95 % intervals (b to f: t over seeds)")
    return made


def score(table: Results, arm: str, k: int) -> Estimate:
    """Strict pass@k at the edge with its interval."""
    return interval(table.solved(arm, EDGE, k), path=(STUDY, arm, EDGE, k))


def composition(table: Results, arm: str) -> np.ndarray:
    """For each seed (S1) the share of right responses that show two approaches or more, 0 where none is right."""
    sat = table.of(arm, WAYS)
    both, right = (np.array([numbers(row[name]) for row in sat]) for name in ("composed", "correct"))
    return both.sum(1, keepdims=True) / np.maximum(1, right.sum(1, keepdims=True))


def ways(table: Results, arm: str) -> np.ndarray:
    """The Vendi score by approaches of every seed and problem (SP)."""
    return np.array([numbers(row["vendi_approaches"]) for row in table.of(arm, WAYS)])


def within(table: Results, arm: str) -> np.ndarray:
    """Strict pass@64 at the edge of every seed and problem (SP)."""
    return table.solved(arm, EDGE, 64)


def known(table: Results, arm: str) -> np.ndarray:
    """Strict pass@1 in the band of every seed and problem (SP)."""
    return table.solved(arm, BAND, 1)


def divided(table: Results, arm: str) -> np.ndarray:
    """The effective number of approaches of every seed and problem (SP)."""
    return np.array([numbers(row["modes"]) for row in table.of(arm, MODES)])


def over(values: np.ndarray) -> Estimate:
    """The mean of some values (SP), with Student's t over seeds."""
    return difference(values, np.zeros_like(values))
