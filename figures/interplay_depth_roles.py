"""At which tokens, and at which of its steps, does each kind of training still lose solutions beyond all data?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.interplay_depth_carried import DRAWN, STUDY
from interlude.figures.panels import BANDS, COMMON, by_role, footnote, legend, table
from interlude.figures.style import PALETTE, figure, line, panel_letter
from interlude.studies.results import FOLDER, Results, tallies
from interlude.studies.stats import Estimate, difference


def draw(folder=FOLDER) -> Figure:
    """One operation beyond all training data: nats by role of token, and nats of the choice of each step, which is
    where a model that has learned to count to fewer steps fails."""
    found = table(STUDY, tuple(DRAWN), folder)
    beyond = found.within((BANDS["hard"][0],) * 2, COMMON)
    made = figure(9.6, 3.5)
    roles, steps = made.subplots(1, 2, width_ratios=(0.8, 1))
    by_role(roles, found, beyond, {arm: PALETTE[nth] for arm, nth in DRAWN.items()})
    operations = BANDS["hard"][0]
    for arm, nth in DRAWN.items():
        line(steps, list(range(1, operations + 1)), chosen(found, arm, beyond[0], operations), nth, arm)
    steps.set_yscale("symlog", linthresh=0.1)
    steps.set(xlabel="step", ylabel="nats of its choice", ylim=(0, None), xticks=range(1, operations + 1))
    panel_letter(roles, "a", f"surprise at {operations} operations")
    panel_letter(steps, "b", "which step is chosen")
    legend(made, steps, 4)
    footnote(made, found, "; 95 % intervals, t over seeds; exact: chance is next to 0")
    return made


def chosen(found: Results, arm: str, exam: str, operations: int) -> list[Estimate]:
    """Of each step, the mean negative log-probability (nats) of choosing it, with its interval over seeds."""
    told = [tallies(row["planning_by_step"]) for row in found.of(arm, exam)]
    by_step = [np.array([[seed[str(n)]] for seed in told]) for n in range(1, operations + 1)]
    return [difference(nats_S1, np.zeros_like(nats_S1)) for nats_S1 in by_step]
