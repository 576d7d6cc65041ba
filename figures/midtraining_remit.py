"""What does weighing tokens by a model tuned by RL add, by which weights, over how many rounds, and on which tokens?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import SCALE, by_row, curves, legend, table
from interlude.figures.style import figure, line, note, panel_letter
from interlude.studies.results import FOLDER, Results, tallies
from interlude.studies.stats import Estimate, difference, interval

STUDY, CONTROL = "midtraining/remit", "NTP"
ROUNDS = (CONTROL, "ReMiT", "ReMiT twice")
AFTER = (*ROUNDS[1:], "shuffled weights", "NTP, none wrong")  # arms with RL after them
CONTROLS = ("no clip", "weaker reference", "top-k", "SFT-guided", "distillation", "NTP, tokens of ReMiT")
# How the names of arms end, their colour, and which there are.
THEN = {
    "alone": ("", 1, (*AFTER, *CONTROLS)), "+ RL": (" + RL", 2, AFTER), "+ longer RL": (" + longer RL", 3, ("ReMiT",))
}  # fmt: skip
EXAM = "zoo-edge-sampled"
LATE = 0.75  # of the stage


def draw(folder=FOLDER) -> Figure:
    """Gains over next-token prediction before and after RL, repeated rounds, and the mean weight of each token role
    (the comparisons of arXiv 2602.03075)."""
    found = table(STUDY, tuple(name + end for end, _, arms in THEN.values() for name in (CONTROL, *arms)), folder)
    told = [row for row in curves(STUDY, ("ReMiT",), folder) if row["share"] > LATE]
    made = figure(8.4, 3.6)
    gains, flywheel, roles = made.subplots(1, 3, width_ratios=(1.2, 0.8, 1.0))
    by_row(gains, [*AFTER, *CONTROLS], gained(found))
    gains.axvline(0, color="#333333", linewidth=0.6)
    gains.set_xlabel(f"edge pass@1, arm - {CONTROL}")
    for label, (end, colour, _) in list(THEN.items())[:2]:
        line(flywheel, [0, 1, 2], [score(found, name + end) for name in ROUNDS], colour, label)
    flywheel.set(xlabel="rounds", ylabel="edge pass@1", xticks=(0, 1, 2))
    by_row(roles, *weighed(told))
    roles.axvline(1, color="#333333", linewidth=0.6)
    roles.set_xlabel("mean weight, last quarter")
    for axis, letter, title in ((gains, "a", "gain"), (flywheel, "b", "flywheel"), (roles, "c", "tokens' weights")):
        panel_letter(axis, letter, title)
    legend(made, gains, len(THEN))
    problems = found.of(CONTROL, EXAM)[0]["problems"]
    what = f"{STUDY}, {SCALE}, {len(found.seeds)} seeds (dots), {problems} problems"
    note(made, f"{what}; 95 % intervals (differences, weights: t over seeds)")
    return made


def gained(table: Results) -> dict:
    """For each of THEN what ``by_row`` draws: every arm over the control."""
    made = {}
    for label, (end, colour, arms) in THEN.items():
        own_SP = edge(table, CONTROL + end)
        values = [edge(table, name + end) for name in arms]
        made[label] = colour, [a_SP - own_SP for a_SP in values], [difference(a_SP, own_SP) for a_SP in values]
    return made


def edge(table: Results, arm: str) -> np.ndarray:
    """Sampled strict pass@1 of every seed and problem (SP)."""
    return table.solved(arm, EXAM, 1)


def score(table: Results, arm: str) -> Estimate:
    """Strict pass@1 at the edge with its interval."""
    return interval(edge(table, arm), path=(STUDY, arm, EXAM, 1))


def weighed(told: list[dict]) -> tuple[list[str], dict]:
    """Roles by their mean weight over these points of a training, the heaviest first, as ``by_row`` draws them."""
    seeds = sorted({row["seed"] for row in told})
    each = {seed: [tallies(row["weights"]) for row in told if row["seed"] == seed] for seed in seeds}
    names = list(dict.fromkeys(name for rows in each.values() for row in rows for name in row))
    means = {n: np.array([[np.mean([row[n] for row in each[s] if n in row])] for s in seeds]) for n in names}
    ranked = sorted(names, key=lambda name: -means[name].mean())
    values = [means[name] for name in ranked]
    return ranked, {"ReMiT": (4, values, [difference(v_S1, np.zeros_like(v_S1)) for v_S1 in values])}
