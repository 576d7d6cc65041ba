"""How does what a base can do grow with pre-training: exact pass@k after none to twice of its long stage?"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("interplay_fig09_ladder",)
QUESTION = "How does pass@k on band, edge and hard problems grow with pre-training, and which problems stay unsolved?"
PREDICTION = (
    "At its full length the base solves the band (pass@1 at least .9), has an edge that samples reach (pass@128 from "
    ".2 to .8) and a hard band that they do not (pass@128 at most .1). Twice the long stage instead of none raises "
    "pass@128 of the edge by at least .2, of the hard band by at most .1."
)
RULE = (
    "Means over seeds of exact strict pass@k in the common world. A scale is calibrated if at x1 band pass@1 >= .9, "
    "edge pass@128 lies in [.2, .8] and hard pass@128 <= .1. The edge opens with pre-training if the 95 % Student-t "
    "interval of x2 minus x0 in edge pass@128 lies above zero; it does not if it lies below .2; else not established."
)
LENGTHS = (0, 0.5, 1, 2)  # of the base's long stage; each cut decays its own rate, and x1 is every study's base


def study(scale: Scale) -> Study:
    base = scale.stable()
    long = base.stages[-1]
    cuts = {f"x{n:g}": base.parent + replace(long, steps=round(n * long.steps)) if n else base.parent for n in LENGTHS}
    return Study(
        name="interplay/ladder",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=tuple(Arm(name, cut + scale.anneal(), equal=False) for name, cut in cuts.items()),
        exams=scale.exams(("zoo",)),
        seeds=scale.seeds,
        base=base.parent,
        unequal="how much pre-training there was is the question",
        contrasts=tuple((name, "x0") for name in list(cuts)[1:]),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
