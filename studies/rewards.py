"""What RL is paid for, and on which problems: the arms of studies that compare rewards for the working."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm

REWARDS = ("answer", "printed", "released", "strict", "dense")  # the second and third weigh the outcome by 0.2
FIELDS = ("edge", "hard")
LAST_STEPS = "a stage ends with the step that spends its budget, and long responses make a step dear: up to 6 %"


def reward_arms(scale: Scale, kinds: tuple[str, ...] = REWARDS) -> tuple[Arm, ...]:
    """The base ("none"), then RL under each of these rewards on problems of the edge and of the hard band."""
    base, flops = scale.base(), scale.arm_flops
    data = {"edge": scale.corpus(), "hard": scale.mixture(scale.hard)}
    rl = {f"{kind}, {field}": scale.rl(flops, Reward(kind), data=data[field]) for field in FIELDS for kind in kinds}
    return Arm("none", base, equal=False), *(Arm(name, base + stage) for name, stage in rl.items())


def decayed_arms(scale: Scale, times: dict[str, float]) -> tuple[Arm, ...]:
    """The base ("none"), then RL on problems of the hard band's last operation alone, at a decaying rate. times: for
    every arm, whose name is its reward and may go on after a comma, its rate as a multiple of the scale's."""
    base, far, optim = scale.base(), scale.mixture((scale.hard[1],) * 2), replace(scale.rl_optim, schedule="linear")
    arms = [Arm("none", base, equal=False)]
    for name, factor in times.items():
        rates = {"matrix_lr": factor * optim.matrix_lr, "other_lr": factor * optim.other_lr}
        stage = scale.rl(scale.arm_flops, Reward(name.partition(",")[0]), data=far)
        arms.append(Arm(name, base + replace(stage, optim=replace(optim, **rates))))
    return tuple(arms)


def reward_pairs(kinds: tuple[str, ...] = REWARDS) -> tuple[tuple[str, str], ...]:
    """Every other reward against the answer, on each field."""
    return tuple((f"{kind}, {field}", f"answer, {field}") for field in FIELDS for kind in kinds if kind != "answer")
