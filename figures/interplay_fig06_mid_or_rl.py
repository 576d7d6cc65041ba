"""How should a fixed budget be split between mid-training and RL, by depth (Interplay, Fig 6)?"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, by_depth, footnote, logp, table
from interlude.figures.style import figure, line, panel_letter, shade
from interlude.studies.results import FOLDER
from interlude.studies.stats import interval

ARMS = {f"{share}% RL, full": nth for nth, share in enumerate((0, 20, 50, 80, 100), start=1)}


def draw(folder=FOLDER) -> Figure:
    """pass@1, pass@128, and for what neither can show the log-probability of a solution."""
    found = table("interplay/mid_or_rl", tuple(ARMS), folder)
    made = figure(8.4, 3.1)
    once, often, log = made.subplots(1, 3)
    for axis, k, letter in ((once, 1, "a"), (often, 128, "b")):
        by_depth(axis, found, ARMS, k)
        axis.set_ylabel("strictly right (exact)")
        panel_letter(axis, letter, f"pass@{k}")
    exams = found.within((1, BANDS["hard"][1]), COMMON)
    shade(log, BANDS)
    for arm, nth in ARMS.items():
        tens = [interval(logp(found, arm, exam) / math.log(10), path=("log", arm, exam)) for exam in exams]
        line(log, [int(found.of(arm, exam)[0]["ops"]) for exam in exams], tens, nth, arm)
    log.set(xlabel="operations", ylabel="mean log10 of probability", xticks=range(1, BANDS["hard"][1] + 1))
    log.set_ylim(top=4)  # room for the names of the bands
    panel_letter(log, "c", "probability of the solution")
    once.legend(loc="lower left", fontsize=6.5)
    footnote(made, found, "; 95 % intervals")
    return made
