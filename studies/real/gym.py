"""What do mid-training and RL add to a real pretrained model on a task of reasoning-gym, judged by its own scorer?

chain_sum: sums and differences of two numbers of up to two digits, to be answered between <answer> and </answer>. The
model is SmolLM2-135M-Instruct as it is, asked in raw text; in a look at 24 questions it never used the tags.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.recipe import Recipe
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.studies.methods import alike
from interlude.studies.real_scale import CHAIN, GYM_ROOM, RealScale
from interlude.studies.refusal import Refused
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "At equal FLOPs, what do mid-training and RL add to SmolLM2-135M on chain_sum of reasoning-gym?"
PREDICTION = (
    "RL alone leaves the base where it is, as none of its responses earns anything. Mid-training on solutions teaches "
    "the tags and solves a tenth or more; RL after it adds something. ReMiT lies within 0.1 of mid-training."
)
RULE = (
    "Differences in strict pass@1 on held-out questions: by 95 % Student-t intervals over seeds where there are two or "
    "more; with one, nothing is decided and numbers are shown as they are."
)
SHARE = 0.5  # of a method's budget: rows are a third as long as in real/methods


def study(scale: Scale) -> Study:
    if not isinstance(scale, RealScale):
        raise Refused(f"real/gym asks about a real model, which scale {scale.name} is not; use --scale smollm2")
    base, data = Recipe(replace(scale.model, thoughts=False)), replace(CHAIN, split="train")
    flops = SHARE * scale.method_flops
    plain = Midtrain(
        flops=flops, batch_size=2 * scale.batch_size, optim=scale.optim, data=data, replay=data, replay_share=0.0
    )
    rolls = {"batch_size": scale.rl_prompts, "num_samples": 2 * scale.rl_num_samples, "max_new_tokens": GYM_ROOM}
    rl = RL(flops=flops, optim=scale.rl_optim, data=data, **rolls)
    rft = RFT(flops=flops, optim=scale.sft_optim, data=data, **rolls)
    remit = alike(ReMiT, plain, reference=base + plain + rl)
    arms = (
        Arm("base", base, equal=False),
        Arm("NTP", base + plain, budget="alone"),
        Arm("NTP + RL", base + plain + rl, budget="with RL"),
        Arm("RL", base + rl, budget="alone"),
        Arm("ReMiT", base + remit, budget="alone"),
        Arm("ReMiT + RL", base + remit + rl, budget="with RL"),
        Arm("NTP + RFT", base + plain + rft, budget="with RL"),
    )
    return Study(
        name="real/gym", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=arms,
        exams=(scale.gym_exam(),), seeds=scale.seeds, base=base,
        contrasts=(
            *((arm.name, "base") for arm in arms[1:]), ("NTP + RL", "NTP"), ("ReMiT", "NTP"),
            ("ReMiT + RL", "NTP + RL"), ("NTP + RFT", "NTP + RL"),
        ),
        headline=("chain-sum",), unequal="a stage ends with the step that spends its budget",
    )  # fmt: skip
