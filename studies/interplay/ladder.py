"""How does what a base can do grow with pre-training: exact pass@k after none to twice of its long stage?"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, within

FIGURES = ("interplay_fig09_ladder",)
QUESTION = "How does pass@k on band, edge and hard problems grow with pre-training, and which problems stay unsolved?"
PREDICTION = (
    "The band needs no long stage: after none of it pass@1 there is within 0.05 of the base's. Twice the long stage "
    "instead of none raises pass@128 by at least 0.1 at the edge and on the hard band, and its second half still adds."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, Holm over all comparisons of this file; margin "
    "0.05. What is compared are lengths of pre-training, not uses of one budget. Five seeds, exploratory. Written with "
    "the pilots of the notebook known, before any model was examined at seeds 90 to 94."
)
CLAIMS = (
    within("the band is learned without the long stage", minus("x0", "x1", "ID")),
    above("longer pre-training opens the edge to samples", minus("x2", "x0", "edge", k=128)),
    above("and what lies beyond it", minus("x2", "x0", "hard", k=128)),
    above("twice the base's length still adds at the edge", minus("x2", "x1", "edge")),
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
        seeds=scale.exploratory_seeds or scale.seeds,
        base=base.parent,
        unequal="how much pre-training there was is the question",
        contrasts=tuple((name, "x0") for name in list(cuts)[1:]),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
