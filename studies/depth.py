"""The kinds of training that studies of depth compare: each after one base, on problems of its edge, at one budget."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm

GOLD = ("mid-training, plain replay", "mid-training, copies replayed", "SFT")  # kinds that read gold solutions
NAMES = (
    "RL", *GOLD, "RFT", "mid-training + RL", "more pre-training", "RL, other rollouts", "RL, random reward",
)  # fmt: skip


def depth_arms(scale: Scale) -> tuple[Arm, ...]:
    """The base, then ``NAMES``: a fifth of every kind's problems are of the band, without copies unless its name says
    so. Rates are each kind's own: gold is read at the rate of pre-training ("mid-training", decaying) and at a low one
    ("SFT"). "RL, other rollouts" is RL again with other samples (an A/A test); "RL, random reward" pays by a coin."""
    base, flops = scale.base(), scale.arm_flops
    rl, gold = scale.rl(flops), scale.midtrain(flops)
    plain = replace(gold, replay=scale.mixture(scale.band))
    stages = (
        (rl,), (plain,), (gold,), (scale.sft(flops),), (scale.rft(flops),),
        (replace(plain, flops=0.3 * flops), replace(rl, flops=0.7 * flops)),
        (replace(scale.anneal(), flops=flops),),
        (replace(rl, rollout_seed=1),),
        (replace(rl, reward=Reward("random")),),
    )  # fmt: skip
    return Arm("base", base, equal=False), *(
        Arm(name, replace(base, stages=base.stages + more)) for name, more in zip(NAMES, stages, strict=True)
    )
