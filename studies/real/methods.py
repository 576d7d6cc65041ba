"""Which mid-training method helps a real pretrained model most, alone and before RL, at a laptop's budget?

The model is asked in raw text, after a cold start of 128 texts: one operation in prose, and a quarter of two operations
with thoughts. Methods read, RL is asked and the exam asks one and two operations, the exam on structures held out.
Budgets are those of minutes on a laptop, a few optimiser steps: compared is what each method gets out of them, not
where it ends.

Not as in midtraining/leaderboard: the annotator of "thinking" is the base itself; "self-generated" are right solutions
found by sampling, or with the answer as a hint; ReMiT's reference is the arm "NTP + RL", whose training is not charged.
"""

from __future__ import annotations

from interlude.studies.methods import joined
from interlude.studies.real_scale import METHODS, real
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "What does each mid-training method add to SmolLM2-135M at equal FLOPs, alone and before the same RL?"
PREDICTION = (
    "Gold solutions in prose (NTP, ReMiT) raise strict pass@1 at the edge above the base by 0.1 or more; ReMiT lies "
    "within 0.1 of NTP. Methods that learn from their own samples (self-generated, RLP, RMT, thinking, RL) move it by "
    "less than 0.1, as their budgets buy a few steps. RL after a method adds less than the method did. chain_sum "
    "of reasoning-gym, asked in another form, stays within 0.1 of the base."
)
RULE = (
    "Differences to the base and to NTP (or NTP + RL) in strict pass@1 on the sampled edge exam: by 95 % Student-t "
    "intervals over seeds where there are two or more; with one, nothing is decided and numbers are shown as they are."
)
LAST_STEPS = "a stage ends with the step that spends its budget, and a step of rollouts is up to half of a small budget"


def study(scale: Scale) -> Study:
    scale = real(scale, "real/methods")
    base, flops = scale.base(), scale.method_flops
    rl = scale.rl(flops)
    arms = [Arm("base", base, equal=False)]
    for name, stages in METHODS.items():
        whole = joined(base, stages(scale, flops))
        arms += [Arm(name, whole, budget="alone"), Arm(f"{name} + RL", whole + rl, budget="with RL")]
        if name == "NTP":
            arms.append(Arm("RL", base + rl, budget="alone"))
    edge = scale.sampled_exam()
    return Study(
        name="real/methods", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=tuple(arms),
        exams=(edge, scale.gym_exam()), seeds=scale.seeds, base=base,
        contrasts=(
            *((arm.name, "base") for arm in arms[1:]),
            *((f"{name}{then}", f"NTP{then}") for then in ("", " + RL") for name in METHODS if name != "NTP"),
        ),
        headline=(edge.name, "chain-sum"), last_steps=LAST_STEPS,
    )  # fmt: skip
