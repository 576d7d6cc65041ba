"""Which mid-training method is best at equal compute, alone and before the same RL?

What training a reference costs is not charged (methods.md 1.2: no teacher is trained for a method): it is the arm "NTP + RL",
whose cost stands in the table. Its passes are charged.
"""

from __future__ import annotations

from dataclasses import replace

from models.stages.distil import Distil
from models.stages.remit import ReMiT
from studies.methods import annealed, guided, joined, tuned
from studies.scales import Scale
from studies.study import Arm, Study

QUESTION = "At equal measured FLOPs, what does each method add to next-token prediction, alone and + the same RL?"
PREDICTION = (
    "At the edge no method is above NTP alone by more than .05 of pass@1, as gold solutions are the best targets there are and "
    "methods pay for references and rollouts. Pre-training and RL alone are far below it. Differences shrink after RL."
)
RULE = (
    "Differences to NTP, or NTP + RL, over seeds with 95 % Student-t intervals in exact strict pass@1 on the edge exams of the "
    "common world: better if above zero, worse if below, else not established. Methods are ranked by their mean + RL."
)
# A method is one line: the stages that spend a budget after the base.
METHODS = {
    "NTP": lambda scale, flops: (scale.midtrain(flops),),
    "pre-training": lambda scale, flops: (replace(scale.anneal(), flops=flops),),
    "ReMiT": lambda scale, flops: (guided(ReMiT, scale, flops, tuned(scale)),),
    "distillation": lambda scale, flops: (guided(Distil, scale, flops, tuned(scale)),),
    "SFT": lambda scale, flops: annealed(scale, flops, scale.sft),
    "RFT": lambda scale, flops: annealed(scale, flops, scale.rft),
    "RL": lambda scale, flops: annealed(scale, flops, scale.rl),
}


def study(scale: Scale) -> Study:
    base, half, arms = scale.base(), scale.arm_flops / 2, []
    for name, stages in METHODS.items():
        alone = Arm(name, joined(base, stages(scale, half)), budget="alone")
        arms += [alone, Arm(f"{name} + RL", alone.recipe + scale.rl(half), budget="with RL")]
    return Study(
        name="midtraining/leaderboard", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*scale.exams(), scale.sampled_exam()), seeds=scale.seeds, base=base,
        contrasts=tuple((f"{name}{then}", f"NTP{then}") for then in ("", " + RL") for name in METHODS if name != "NTP"),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )  # fmt: skip
