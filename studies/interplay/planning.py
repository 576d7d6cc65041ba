"""Does RL extend what a base can do, or only sharpen it, where planning is missing and not a count of steps?

At the scale nano a base reads statements off in the order they stand in and lacks only how many to expect: there RL
carries beyond its data, in pass@128 too (`interplay/depth_carried`). At nano-shuffled statements stand in random order,
so that the next step has to be found, and a base of six layers finds it in part. Kinds of training, budget shares and
exams are the same.
"""

from __future__ import annotations

from interlude.studies.depth import GOLD, NAMES, depth_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, below, minus, within

SCALE = "nano-shuffled"
FIGURES = ("interplay_planning",)
QUESTION = "Where a base cannot yet choose the next step, does RL extend what samples reach, or only sharpen it?"
PREDICTION = (
    "RL raises pass@1 by 0.03 to 0.1 at the edge and beyond, and no pass@128: it lies within 0.05 of the base's, and "
    "below it at the edge; of a million samples fewer solve a hard problem than before. RFT does as RL does. Gold at a "
    "low rate (SFT) raises pass@1 more, and pass@128 at the edge and beyond by 0.05 to 0.15. RL after gold sharpens "
    "what gold has taught. A random reward and other rollouts change nothing that can be seen."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, Holm over all comparisons of this file; margin "
    "0.05. Written after one pilot each at seeds 3 and 4 (RL - base at edge and hard: pass@1 +0.07 and +0.04, pass@128 "
    "-0.03 and +0.01; SFT - base: +0.11 and +0.04, +0.07 and +0.12), before any model was examined at seeds 60 to 67."
)
PLAIN, _, SFT = GOLD
BOTH = ("edge", "hard")
CLAIMS = (
    above("RL solves more at once", *(minus("RL", "base", band) for band in BOTH)),
    within("RL reaches no more within 128 samples", *(minus("RL", "base", band, k=128) for band in BOTH)),
    below("RL reaches less at the edge within 128 samples", minus("RL", "base", "edge", k=128)),
    below("what RL loses no number of samples finds", minus("RL", "base", "hard", k=10**6)),
    within("RFT reaches as much as RL", *(minus("RFT", "RL", band, k=128) for band in BOTH)),
    above("gold at a low rate (SFT) solves more at once than RL", minus(SFT, "RL", "edge")),
    above("SFT reaches more within 128 samples", *(minus(SFT, "base", band, k=128) for band in BOTH)),
    above("SFT reaches more than RL", *(minus(SFT, "RL", band, k=128) for band in BOTH)),
    above("the high rate of mid-training costs what lies beyond its data", minus(SFT, PLAIN, "hard", k=128)),
    below("RL after mid-training reaches less than mid-training", minus("mid-training + RL", PLAIN, "edge", k=128)),
    within("a random reward teaches nothing", minus("RL, random reward", "base", "edge")),
    within(
        "A/A: the same RL with other rollouts",
        minus("RL, other rollouts", "RL", "edge"), *(minus("RL, other rollouts", "RL", band, k=128) for band in BOTH),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    arms = depth_arms(scale)
    return Study(
        name="interplay/planning", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=scale.exams(), seeds=scale.seeds, base=arms[0].recipe,
        contrasts=(*((name, "base") for name in NAMES), *((name, "RL") for name in NAMES[1:])),
        headline=tuple(exam.name for exam in scale.exams()),
    )  # fmt: skip
