"""Read at a lower learning rate, is gold before RL better than gold alone, as published, or than RL alone?

`interplay/mid_or_rl` reads gold at the rate of pre-training, to which it heats up a base that has just decayed. What RL
adds to it could be lost in what that costs; here the same budget is split after gold at the rate of SFT, 0.3 of it.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.methods import slower
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, within

QUESTION = "At equal measured compute, does RL after gold that is read at a low rate add to gold, or gold to RL?"
PREDICTION = (
    "A fifth of the budget on RL after gold at the low rate equals none at the edge and on hard problems within 0.05, "
    "and is above RL alone at the edge by 0.1. 80 % RL is below none on hard problems by 0.0 to 0.05. Without RL the "
    "low rate solves 0.0 to 0.1 more hard problems than the high one; with a fifth of RL after it 0.05 to 0.15 more. "
    "By a pilot at seed 3, 5 to 11 operations: 0.84, 0.84, 0.83, 0.82 with 0, 20, 50, 80 % RL; at the high rate 0.84, "
    "0.77, 0.77, 0.82."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, variances moderated over comparisons of like "
    "scores, Holm over this file; margin 0.05. Seeds 40 to 47, where `interplay/mid_or_rl` was known and nothing had "
    "read gold at this rate. Written before it ran."
)
LOW, HIGH = (0, 0.2, 0.5, 0.8), (0, 0.2)  # shares of RL after gold at either rate
CLAIMS = (
    within("a little RL after gold equals none at the edge", minus("20% RL", "0% RL", "edge"), pool="edge"),
    within("it equals none on hard problems", minus("20% RL", "0% RL", "hard"), pool="hard"),
    above("a little RL after gold beats RL alone at the edge", minus("20% RL", "100% RL", "edge"), pool="edge"),
    above("much RL after a little gold beats none on hard problems", minus("80% RL", "0% RL", "hard"), pool="hard"),
    above("mid-training and RL beat RL alone on hard problems", minus("80% RL", "100% RL", "hard", k=128)),
    above("the low rate solves more hard problems", minus("0% RL", "0% RL, high rate", "hard"), pool="hard"),
    above("it does with a little RL after it", minus("20% RL", "20% RL, high rate", "hard"), pool="hard"),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, flops, arms = scale.base(), scale.arm_flops, []
    for end, rate, shares in (("", 0.3, LOW), (", high rate", 1.0, HIGH)):
        for share in shares:
            read = scale.midtrain((1 - share) * flops)
            gold = base + replace(read, optim=slower(read.optim, rate))
            arms.append(Arm(f"{share:.0%} RL{end}", gold + scale.rl(share * flops) if share else gold))
    arms.append(Arm("100% RL", base + scale.rl(flops)))
    return Study(
        name="interplay/gold_rate", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        last_steps="a stage ends with the step that spends its budget: up to 4 %",
        arms=tuple(arms), exams=scale.exams(deeper=1), base=base, seeds=scale.finding_seeds or scale.seeds,
        contrasts=tuple((f"{share:.0%} RL", f"{pure}% RL") for share in LOW[1:] for pure in (0, 100)),
    )  # fmt: skip
