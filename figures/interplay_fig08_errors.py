"""Which errors does each reward leave in responses to problems of its field (Interplay, Fig 8)?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.interplay_fig07_process_reward import FIELDS, REWARDS, arms
from interlude.figures.panels import by_category, footnote, legend, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER, Results, fault_counts
from interlude.studies.stats import Estimate, difference

KINDS = ("operand", "operator", "recall", "unready", "substitution", "arithmetic", "missing", "order", "answer")


def draw(folder=FOLDER) -> Figure:
    """For each field the share of responses with at least one fault of a kind."""
    found = table("interplay/process_reward", tuple(arms("edge") | arms("hard")), folder)
    made = figure(8.4, 4.2)
    axes = made.subplots(len(FIELDS), 1, sharex=True)
    for axis, letter, field in zip(axes, "ab", FIELDS, strict=True):
        labels = {"none": 0} | REWARDS
        named = zip(labels.items(), arms(field), strict=True)
        by_category(axis, list(KINDS), {kind: (nth, faults(found, arm, field)) for (kind, nth), arm in named})
        axis.set(ylabel="share of responses", ylim=(0, 1))  # an interval may reach where no share can
        panel_letter(axis, letter, f"RL on the {field} band, responses to its problems")
    legend(made, axes[0], 6)
    footnote(made, found, "; 95 % intervals (t over seeds)")
    return made


def faults(table: Results, arm: str, field: str) -> list[Estimate]:
    """The share of an arm's sampled responses with at least one fault of each of KINDS, as a mean over seeds."""
    rows = table.of(arm, f"zoo-{field}-sampled")
    shares_SK = np.array(
        [[fault_counts(r["faults"]).get(kind, 0) / (r["problems"] * r["samples"]) for kind in KINDS] for r in rows]
    )
    return [difference(column_S[:, None], np.zeros((len(rows), 1))) for column_S in shares_SK.T]
