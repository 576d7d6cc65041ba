"""Which errors does each reward leave in responses at the edge (Interplay, Fig 8)?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import by_category, legend, said, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER, Results, fault_counts
from interlude.studies.stats import Estimate, difference

MODULI = (3, 7, 11)
REWARDS = {"none": 0, "answer": 1, "printed": 2, "released": 3, "strict": 4, "process": 5}
KINDS = ("operand", "operator", "recall", "unready", "substitution", "arithmetic", "missing", "order", "answer")


def draw(folder=FOLDER) -> Figure:
    """For every modulus the share of responses with at least one fault of a kind."""
    found = table("interplay/process_reward", tuple(f"{kind} mod {p}" for kind in REWARDS for p in MODULI), folder)
    made = figure(8.4, 5.6)
    axes = made.subplots(3, 1, sharex=True)
    for axis, letter, p in zip(axes, "abc", MODULI, strict=True):
        by_category(axis, list(KINDS), {kind: (nth, faults(found, f"{kind} mod {p}")) for kind, nth in REWARDS.items()})
        axis.set(ylabel="share of responses", ylim=(0, 1))  # an interval may reach where no share can
        panel_letter(axis, letter, f"edge, modulo {p}")
    legend(made, axes[0], 6)
    said(made, found, "; 95 % intervals (t over seeds)")
    return made


def faults(found: Results, arm: str) -> list[Estimate]:
    """The share of an arm's sampled responses with at least one fault of each of KINDS, as a mean over seeds."""
    (exam,) = {row["exam"] for row in found.rows if row["kind"] == "sampled"}
    rows = found.of(arm, exam)
    shares_SK = np.array(
        [[fault_counts(r["faults"]).get(kind, 0) / (r["problems"] * r["samples"]) for kind in KINDS] for r in rows]
    )
    return [difference(column_S[:, None], np.zeros((len(rows), 1))) for column_S in shares_SK.T]
