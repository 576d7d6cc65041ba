"""What studies of mid-training methods share: the first reference, and stages made of a scale's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from models.stages import Stage
from studies.run import Recipe
from studies.scales import Scale


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe and then these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The first reference of methods that need one: the base after next-token prediction and RL with half of an arm's
    budget each. It is an arm of every study here, so no teacher is trained for a method's sake (methods.md 1.2)."""
    return scale.base() + scale.midtrain(scale.arm_flops / 2) + scale.rl(scale.arm_flops / 2)


def alike(kind: type[Stage], stage: Stage, **more) -> Stage:
    """A stage of another kind with every field of ``stage`` (data, budget, rate) and ``more``. Raises TypeError if that
    kind lacks one of them."""
    return kind(**{field.name: getattr(stage, field.name) for field in fields(stage)}, **more)


def annealed(scale: Scale, flops: float, stage: Callable[[float], Stage]) -> tuple[Stage, Stage]:
    """A stage that must follow the end of pre-training, which takes the same share of any budget as of an arm's."""
    anneal = replace(scale.anneal(), flops=flops * scale.anneal_flops / scale.arm_flops)
    return anneal, stage(flops - anneal.flops)
