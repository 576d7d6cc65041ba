"""What does each stage of training contribute: pre-training alone, then mid-training, RL, and both at equal compute?"""

from __future__ import annotations

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

FIGURES = ("quickstart",)
QUESTION = "At equal compute after a shared base, what do RL, mid-training, and mid-training followed by RL each add?"
PREDICTION = (
    "All three arms leave the band near its ceiling. At the edge, mid-training on gold solutions raises pass@1 and "
    "pass@128; RL alone raises pass@1 more than pass@128, as it can only reinforce what the base samples; "
    "mid-training followed by RL is at least as good at the edge as RL alone."
)
RULE = (
    "Paired difference in exact strict pass@1 on the edge exams of the common world, (mid-training + RL) minus RL: "
    "positive if its 95 % Student-t interval over seeds lies above zero, negative if below, else not established."
)
CLAIMS = (
    above(
        "mid-training followed by RL solves more of the edge at once than RL alone",
        minus("mid-training + RL", "RL", "edge"),
    ),
)


def study(scale: Scale) -> Study:
    base, budget = scale.base(), scale.arm_flops
    arms = (
        Arm("pre-training", base, equal=False),
        Arm("RL", base + scale.rl(budget)),
        Arm("mid-training", base + scale.midtrain(budget)),
        Arm("mid-training + RL", base + scale.midtrain(budget / 2) + scale.rl(budget / 2)),
    )
    return Study(
        name="stages/quickstart",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=arms,
        exams=(*scale.exams(), scale.sampled_exam()),
        seeds=scale.seeds,
        base=base,
        contrasts=(("mid-training + RL", "RL"), ("mid-training + RL", "mid-training"), ("RL", "pre-training")),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
