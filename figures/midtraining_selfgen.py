"""Do own solutions by several approaches let RL reach further than as many without, and are they more diverse?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import SCALE, by_row, legend, table
from interlude.figures.style import figure, line, note, panel_letter
from interlude.studies.results import FOLDER, Results, numbers
from interlude.studies.stats import Estimate, difference, interval

STUDY, EDGE, BAND = "midtraining/selfgen", "zoo-edge-sampled", "zoo-band-sampled"
WAYS, MODES = "zoo-edge-diversity", "zoo-edge-modes"
NONE = "no mid-training"
OWN, ALIKE = {n: f"approaches {n}" for n in (1, 2, 4, 8)}, {n: f"rejection {n}" for n in (1, 8)}
METHODS = (NONE, "gold", "gold by approaches", "STaR", *ALIKE.values(), *OWN.values(), "distillation 8", "incorrect 1")
THEN = {"alone": ("", 1), "+ the same RL": (" + RL", 2)}  # how its arms' names end, and their colour
REACH = {NONE: 0, "STaR": 3, ALIKE[8]: 4, OWN[8]: 1, "incorrect 1": 8}  # arms of a, with their colours
ATTEMPTS = (1, 4, 16, 64)


def draw(folder=FOLDER) -> Figure:
    """After RL, pass@k and pass@64 by n at equal instances; alone and + RL, pass@1 in the band, approaches a response,
    the Vendi score of approaches, and modes by exact probability (the comparisons of arXiv 2605.08472)."""
    found = table(STUDY, tuple(name + end for name in METHODS for end, _ in THEN.values()), folder)
    made = figure(11.0, 6.2)
    (reach, cells, band), (composed, vendi, modes) = made.subplots(2, 3)
    for name, nth in REACH.items():
        line(reach, list(ATTEMPTS), [score(found, f"{name} + RL", k) for k in ATTEMPTS], nth, name)
    reach.set(xlabel="attempts k", ylabel="edge, strictly right within k", xscale="log", ylim=(0, 1.05))
    reach.set_xticks(ATTEMPTS, ATTEMPTS)
    reach.minorticks_off()
    for label, arms, nth in (("n approaches", OWN, 1), ("n without approaches", ALIKE, 4)):
        for (end, _), style in zip(THEN.values(), (f"{label}, alone", f"{label} + RL"), strict=True):
            line(cells, list(arms), [score(found, arm + end, 64) for arm in arms.values()], nth + (not end), style)
    cells.set(xlabel="solutions n of a question", ylabel="edge pass@64", xscale="log", ylim=(0, 1.05))
    cells.set_xticks(tuple(OWN), tuple(OWN))
    cells.minorticks_off()
    for axis, what in ((band, known), (composed, composition), (vendi, ways), (modes, divided)):
        values = {label: (nth, [what(found, name + end) for name in METHODS]) for label, (end, nth) in THEN.items()}
        by_row(
            axis, list(METHODS), {label: (nth, each, list(map(over, each))) for label, (nth, each) in values.items()}
        )
    band.set(xlabel="band, strictly right", xlim=(None, 1.02))
    modes.set_xlabel("effective number of approaches, exact")
    composed.set_xlabel("share of right responses with two approaches or more")
    vendi.set_xlabel("Vendi score of a question's responses, by approach")
    for axis in (reach, cells):
        axis.legend(loc="lower right", fontsize=6.5)
    for axis in (vendi, modes):
        axis.set_yticklabels([])
    titles = ("after RL", "equal instances", "kept", "composition", "diversity", "modes")
    for axis, letter, title in zip((reach, cells, band, composed, vendi, modes), "abcdef", titles, strict=True):
        panel_letter(axis, letter, title)
    legend(made, composed, 2)
    seeds = f"{len(found.seeds)} seed{'s' * (len(found.seeds) != 1)}"
    problems = found.of(NONE, EDGE)[0]["problems"]
    note(made, f"{STUDY}, {SCALE}, {seeds} (dots), {problems} problems; 95 % intervals (c to f: t over seeds)")
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


def known(table: Results, arm: str) -> np.ndarray:
    """Strict pass@1 in the band of every seed and problem (SP)."""
    return table.solved(arm, BAND, 1)


def divided(table: Results, arm: str) -> np.ndarray:
    """The effective number of approaches of every seed and problem (SP)."""
    return np.array([numbers(row["modes"]) for row in table.of(arm, MODES)])


def over(values: np.ndarray) -> Estimate:
    """The mean of some values (SP), with Student's t over seeds."""
    return difference(values, np.zeros_like(values))
