"""Does weighing tokens by a model tuned by RL improve mid-training, does RL keep the gain, and does more of it add more?

What training the reference costs is not charged to the arms that use it, as it exists before them (methods.md 1.2): it is the
arm "NTP + RL", whose cost stands in the table beside theirs. "longer RL" spends as much as ReMiT + RL and its reference.
"""

from __future__ import annotations

from models.stages.distil import Distil
from models.stages.remit import ReMiT
from studies.methods import guided, tuned
from studies.scales import Scale
from studies.study import Arm, Study

QUESTION = "At equal FLOPs, reference passes included, what does ReMiT add to next-token prediction, before and after RL?"
PREDICTION = (
    "The paper's shape: ReMiT - NTP at the edge is above zero before RL, smaller but above zero after it, and grows less in a "
    "second round. Shuffled weights add nothing; SFT-guided, top-k and distillation add less than ReMiT."
)
RULE = (
    "Differences over seeds with 95 % Student-t intervals in exact strict pass@1 on the edge exams of the common world. A gain "
    "is found where ReMiT - NTP lies above zero, alone and + RL judged apart; it is the weights' if ReMiT - shuffled weights "
    "does too, and worth its reference if ReMiT + RL - longer RL does. The shape holds if the mean gains are alone > + RL > 0 "
    "and ReMiT > ReMiT twice - ReMiT. A gain does not hold if its interval lies below zero; else it is not established."
)


def study(scale: Scale) -> Study:
    base, half, first = scale.base(), scale.arm_flops / 2, tuned(scale)
    plain, rl, remit = first.before, first.stages[-1], base + guided(ReMiT, scale, half, first)
    methods = {
        "NTP": plain,
        "NTP, tokens of ReMiT": base + scale.midtrain(half * 3 / 4),  # a third of training is what the reference costs
        "ReMiT": remit,
        "ReMiT twice": base + guided(ReMiT, scale, half, remit + rl),
        "shuffled weights": base + guided(ReMiT, scale, half, first, weights="shuffled"),
        "renormalised": base + guided(ReMiT, scale, half, first, renormalise=True),
        "top-k": base + guided(ReMiT, scale, half, first, weights="topk", renormalise=True),
        "SFT-guided": base + guided(ReMiT, scale, half, plain + scale.sft(half)),
        "distillation": base + guided(Distil, scale, half, first),
    }
    arms = [Arm(name, recipe, name != "NTP, tokens of ReMiT", budget="alone") for name, recipe in methods.items()]
    arms += [Arm(f"{arm.name} + RL", arm.recipe + rl, arm.equal, budget="with RL") for arm in arms]
    pairs = [*((name, "NTP") for name in list(methods)[1:]), ("ReMiT", "shuffled weights"), ("ReMiT twice", "ReMiT")]
    return Study(
        name="midtraining/remit", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(*arms, Arm("longer RL", first + scale.rl(scale.arm_flops), equal=False)), seeds=scale.seeds, base=base,
        exams=(*scale.exams(("zoo",)), scale.sampled_exam()), headline=tuple(exam.name for exam in scale.exams(("zoo",))),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs), ("ReMiT + RL", "longer RL")),
    )  # fmt: skip
