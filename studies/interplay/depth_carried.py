"""How far beyond the depth that it was trained on does each kind of training carry a model, at equal compute?

All arms begin with one base, which pre-training taught at most the band's operations, and spend the same FLOPs on
problems of the edge, a fifth of them replaced by problems of the band (without copies unless an arm says so). Rates are
each method's own: gold solutions are read at the rate of pre-training ("mid-training", decaying) and at a low one
("SFT"). "RL, other rollouts" repeats RL with other samples (an A/A test), and "RL, random reward" pays by a coin.
"""

from __future__ import annotations

from interlude.studies.depth import GOLD, NAMES, depth_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, below, minus, within

FIGURES = ("interplay_depth_carried", "interplay_depth_roles", "interplay_planning")
QUESTION = "At equal FLOPs, how many operations beyond its training data does each kind of training carry a base?"
PREDICTION = (
    "On the hard band (one and two operations beyond all training data) RL raises pass@1 by at least 0.15 and pass@128 "
    "by at least 0.3 over its base. At the edge itself gold solutions are better than RL by at least 0.1. Beyond it "
    "the pilots disagree: RL above gold at seed 4 (0.32 to 0.17), below it at seed 5 (0.37 to 0.63), so no difference "
    "is expected to be established, whatever is replayed. More pre-training and a random reward add nothing."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, Holm over all comparisons of this file; margin "
    "0.05 (smallest difference that matters, and of equivalence). Written after pilots at seeds 3, 4 and 5, with this "
    "edge and an easier one, and before any model was examined at seeds 30 to 37. At seed 30 a log of RL had been "
    "read, in which nearly all groups of the easier edge were always right: that is why the edge was moved."
)
CLAIMS = (
    above("RL carries beyond its data: hard band, pass@1", minus("RL", "base", "hard")),
    above("RL carries beyond its data: hard band, pass@128", minus("RL", "base", "hard", k=128)),
    above("RL carries further than mid-training on gold", minus("RL", GOLD[0], "hard"), minus("RL", GOLD[1], "hard")),
    within("gold at a low rate (SFT) carries as far as RL", minus("SFT", "RL", "hard")),
    above("what is replayed decides how far gold carries", minus(GOLD[1], GOLD[0], "hard")),
    above("RL after mid-training carries further than mid-training alone", minus("mid-training + RL", GOLD[0], "hard")),
    above("mid-training is better than RL at the edge itself", minus(GOLD[0], "RL", "edge")),
    below("more pre-training costs what lies beyond the band", minus("more pre-training", "base", "hard")),
    within("a random reward teaches nothing", *(minus("RL, random reward", "base", band) for band in ("edge", "hard"))),
    within("A/A: the same RL with other rollouts", *(minus("RL, other rollouts", "RL", b) for b in ("edge", "hard"))),
)


def study(scale: Scale) -> Study:
    arms = depth_arms(scale)
    return Study(
        name="interplay/depth_carried", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=scale.exams(), seeds=scale.seeds, base=arms[0].recipe,
        contrasts=(*((name, "base") for name in NAMES), *((name, "RL") for name in NAMES[1:])),
        headline=tuple(exam.name for exam in scale.exams()),
    )  # fmt: skip
