"""What studies of mid-training methods share: the reference, and stages that spend a given budget on a scale's data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from models.stages import Stage
from models.stages.distil import Distil
from models.stages.remit import ReMiT
from studies.run import Recipe
from studies.scales import Scale


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe and then these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The first reference of methods that need one: the base after next-token prediction and RL with half of an arm's budget
    each. It is an arm of every study here, so no teacher is trained for the sake of a method (methods.md 1.2)."""
    return scale.base() + scale.midtrain(scale.arm_flops / 2) + scale.rl(scale.arm_flops / 2)


def guided(kind: type[ReMiT | Distil], scale: Scale, flops: float, reference: Recipe, **changes) -> ReMiT | Distil:
    """The scale's mid-training, problem for problem, with a reference; its passes are part of ``flops``."""
    plain = scale.midtrain(flops)
    return kind(**{field.name: getattr(plain, field.name) for field in fields(plain)}, reference=reference, **changes)


def annealed(scale: Scale, flops: float, stage: Callable[[float], Stage]) -> tuple[Stage, Stage]:
    """A stage that must follow the end of pre-training, which takes the same share of any budget as of an arm's."""
    anneal = replace(scale.anneal(), flops=flops * scale.anneal_flops / scale.arm_flops)
    return anneal, stage(flops - anneal.flops)
