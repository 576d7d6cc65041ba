"""How should a fixed budget be split between mid-training and RL, by depth (Interplay, Fig 6)?"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from interlude.figures.panels import (
    BANDS,
    COMMON,
    INTERPLAY,
    by_category,
    by_depth,
    footnote,
    gain,
    logp,
    published,
    spanned,
    table,
)
from interlude.figures.style import figure, line, panel_letter, shade
from interlude.studies.results import FOLDER
from interlude.studies.stats import interval

SHARES, ALONE = (0, 20, 50, 80), 100
ARMS = {f"{share}% RL, full": nth for nth, share in enumerate((*SHARES, ALONE), start=1)}
BUDGETS = {"full": 0, "half": 7}
# What RL after mid-training adds to RL alone on hard problems (op 15-20); our claim of it is of 80 % RL and pass@128.
PUBLISHED = {80: 0.108}


def draw(folder=FOLDER) -> Figure:
    """pass@1, pass@128, for what neither can show the log-probability of a solution; and what each split adds to RL
    alone on hard problems, beside what the paper prints."""
    arms = tuple(f"{share}% RL, {budget}" for share in (*SHARES, ALONE) for budget in BUDGETS)
    found = table("interplay/mid_or_rl", arms, folder)
    made = figure(8.4, 5.6)
    once, often, log, gains = made.subplots(2, 2).flat
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
    over_alone = {
        f"{budget} budget": (
            nth,
            [gain(found, f"{n}% RL, {budget}", f"100% RL, {budget}", "hard", 128) for n in SHARES],
        )
        for budget, nth in BUDGETS.items()
    }
    by_category(gains, [f"{share} %" for share in SHARES], over_alone)
    published(gains, [SHARES.index(share) for share in PUBLISHED], list(PUBLISHED.values()), 8, INTERPLAY)
    gains.axhline(0, color="#333333", linewidth=0.6)
    gains.set(xlabel="share of RL", ylabel="pass@128, over RL alone", ylim=(-0.2, 0.3))
    gains.legend(loc="upper left", fontsize=6.5)
    panel_letter(gains, "d", f"{spanned(found, 'hard')}, over RL alone")
    footnote(made, found, "; 95 % intervals; diamond: op 15-20")
    return made
