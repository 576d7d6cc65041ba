"""What do mid-training and RL add to a real pretrained model on a task of reasoning-gym, judged by its own scorer?

chain_sum: sums and differences of two numbers of up to two digits, to be answered between <answer> and </answer>. The
model is SmolLM2-135M-Instruct as it is, asked in raw text; in a look at 24 questions it never used the tags.
"""

from __future__ import annotations

from interlude.studies.real_scale import NAME, chain_methods, real
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

SCALE = "smollm2"
QUESTION = "At equal FLOPs, what do mid-training and RL add to SmolLM2-135M on chain_sum of reasoning-gym?"
PREDICTION = (
    "RL alone leaves the base where it is, as none of its responses earns anything. Mid-training on solutions teaches "
    "the tags and solves a tenth or more; RL after it adds something. ReMiT lies within 0.1 of mid-training."
)
RULE = (
    "Differences in strict pass@1 on held-out questions: by 95 % Student-t intervals over seeds where there are two or "
    "more; with one, nothing is decided and numbers are shown as they are."
)
RUN = 2  # of the scale's seeds, so far


def study(scale: Scale) -> Study:
    scale = real(scale, "real/gym")
    methods = chain_methods(scale)
    base = methods["base"]
    arms = [Arm("base", base, equal=False)]
    arms += [Arm(n, r, budget="with RL" if "+" in n else "alone") for n, r in methods.items() if n != "base"]
    pairs = (("NTP + RL", "NTP"), ("ReMiT", "NTP"), ("ReMiT + RL", "NTP + RL"), ("NTP + RFT", "NTP + RL"))
    return Study(
        name="real/gym", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=tuple(arms),
        exams=(scale.gym_exam(),), seeds=scale.seeds[:RUN], base=base,
        contrasts=(*((arm.name, "base") for arm in arms[1:]), *pairs), headline=("chain-sum",),
        last_steps="a stage ends with the step that spends its budget",
        last_steps_tolerance=0.1 if scale.name == NAME else 1.0,  # half of a small budget is a step or two
    )  # fmt: skip
