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
from interlude.studies.verdicts import above, minus, within

SCALE = "smollm2"
QUESTION = "What does each mid-training method add to SmolLM2-135M at equal FLOPs, alone and before the same RL?"
PREDICTION = (
    "Gold solutions (NTP, ReMiT, distillation) raise strict pass@1 at the edge by 0.2 or more; ReMiT and distillation "
    "lie within 0.1 of NTP. Methods that learn from their own samples (RL, RFT, self-generated, RLP, RPT, RMT) move it "
    "by less than 0.15, as their budgets buy a few steps; thinking lies between them and NTP. "
    "RL adds less than 0.1 to NTP. Three operations, which no arm was shown, are solved more often by 0.05 after NTP."
)
RULE = (
    "Paired differences over seeds in strict pass@1 of sampled responses, Student t with variances pooled over "
    "comparisons of like scores, Holm over all comparisons of this file; margin 0.1. Written after one pilot at seed 3 "
    "(base 0.21, NTP 0.75, RL 0.25 at the rates taken), before any model was examined at seeds 4 to 6."
)
MARGIN = 0.1
RUN = 2  # of the scale's seeds, so far: each takes 40 minutes of two cores
EDGE, DEEPER = "zoo-edge-sampled", "zoo-ops3"

CLAIMS = (
    above(
        "gold solutions lift a real model's edge",
        *(minus(name, "base", EDGE) for name in ("NTP", "ReMiT", "distillation")), margin=MARGIN, pool="edge",
    ),
    within(
        "a teacher changes little: ReMiT and distillation end where NTP does",
        *(minus(name, "NTP", EDGE) for name in ("ReMiT", "distillation")), margin=MARGIN, pool="edge",
    ),
    above("rejection sampling teaches", minus("RFT", "base", EDGE), margin=MARGIN, pool="edge"),
    above("RL alone teaches", minus("RL", "base", EDGE), margin=MARGIN, pool="edge"),
    above("RL adds to NTP", minus("NTP + RL", "NTP", EDGE), margin=MARGIN, pool="edge"),
    above(
        "methods that think before RL beat RL alone",
        *(minus(f"{name} + RL", "RL", EDGE) for name in ("RLP", "RPT", "RMT", "thinking")), margin=MARGIN, pool="edge",
    ),
    above("gold of one and two operations carries to three", minus("NTP", "base", DEEPER), margin=MARGIN),
)  # fmt: skip
LAST_STEPS = "a stage ends with the step that spends its budget, and a step of rollouts is up to half of a small budget"


def study(scale: Scale) -> Study:
    scale = real(scale, "real/methods")
    base, flops, rl = scale.base(), scale.method_flops, scale.rl(scale.method_flops)
    arms = [Arm("base", base, equal=False), Arm("RL", base + rl, budget="alone")]
    for name, stages in METHODS.items():
        whole = joined(base, stages(scale, flops))
        arms += [Arm(name, whole, budget="alone"), Arm(f"{name} + RL", whole + rl, budget="with RL")]
    return Study(
        name="real/methods", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=tuple(arms),
        exams=(scale.sampled_exam(), scale.deeper_exam()), seeds=scale.seeds[:RUN], base=base,
        contrasts=(
            *((arm.name, "base") for arm in arms[1:]),
            *((f"{name}{then}", f"NTP{then}") for then in ("", " + RL") for name in METHODS if name != "NTP"),
        ),
        headline=(EDGE, DEEPER), last_steps=LAST_STEPS, last_steps_tolerance=0.1 if scale.name == SCALE else 0.5,
    )  # fmt: skip
