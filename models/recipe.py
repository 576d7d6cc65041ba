"""A recipe names a model and the stages that it is trained through, in order; its key covers all of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interlude.models.files import sealed
from interlude.models.gpt import GPT
from interlude.models.key import folder, key
from interlude.models.stage import Stage
from interlude.models.train import PRECISIONS
from interlude.synth.added_field import added_field
from interlude.synth.tokens import Vocabulary

if TYPE_CHECKING:
    from interlude.models.hf import HF

SEEDS = 2**64  # torch's generators take no larger seed


@dataclass(frozen=True)
class Recipe:
    """A model description, the stages it is trained through in order, a seed and a precision.

    ``recipe + stage`` is the recipe with one more stage. The key of a recipe covers all of it, so recipes with equal
    beginnings share what they share. A stage may hold a Recipe in a field (a reference, a teacher). What goes on from
    stage to stage are the weights alone: each begins with momenta at zero and the warm-up of its own ``Optim``, also
    where it continues the data and the rate of the one before.

    seed: an integer in [0, 2^64) that fixes the initial weights and, unless ``data_seed`` is given, also what every
    stage draws (problems, rollouts). data_seed: the seed of what stages draw, so that the two sources of randomness can
    be varied one at a time; ``with_seed`` leaves it as it is.
    """

    model: GPT | HF
    stages: tuple[Stage, ...] = ()
    seed: int = 0
    precision: str = "float32"
    data_seed: int | None = added_field(None)

    def __post_init__(self) -> None:
        for name, seed in (("seed", self.seed), ("data_seed", self.data_seed)):
            if not (type(seed) is int and 0 <= seed < SEEDS) and not (name == "data_seed" and seed is None):
                raise ValueError(f"Recipe.{name} must be an integer of at least 0 and below 2^64, got {seed!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"Recipe.precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        for stage in self.stages:
            for name, held in references(stage).items():
                if tokens(held.model) != tokens(self.model):
                    what = f"{tokens(held.model)}, not {tokens(self.model)}"
                    raise ValueError(f"{type(stage).__name__}.{name} reads other tokens than the model: {what}")

    def __add__(self, stage: Stage) -> Recipe:
        return replace(self, stages=(*self.stages, stage))

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe, and every recipe inside its stages, with another seed."""
        stages = []
        for stage in self.stages:
            inner = {name: recipe.with_seed(seed) for name, recipe in references(stage).items()}
            stages.append(replace(stage, **inner) if inner else stage)
        return replace(self, seed=seed, stages=tuple(stages))

    @property
    def parent(self) -> Recipe:
        """The recipe without its last stage."""
        return replace(self, stages=self.stages[:-1])

    @property
    def key(self) -> str:
        return key(self)

    @property
    def folder(self) -> Path:
        """Where this recipe's finished model lies: a readable name and the content key."""
        name = type(self.stages[-1]).__name__.lower() if self.stages else type(self.model).__name__.lower()
        return root() / folder(name, self.key)

    @property
    def finished(self) -> bool:
        return not self.stages or (self.folder.is_dir() and sealed(self.folder))


def root() -> Path:
    """The folder of all runs: $INTERLUDE_RUNS, or ./runs."""
    return Path(os.environ.get("INTERLUDE_RUNS", "runs"))


def references(description) -> dict[str, Recipe]:
    """The recipes a stage or an exam holds, by field name."""
    held = ((field.name, getattr(description, field.name)) for field in fields(description))
    return {name: value for name, value in held if isinstance(value, Recipe)}


def tokens(model: GPT | HF) -> Vocabulary | tuple:
    """What a model reads: its vocabulary, or what identifies a transformers model's tokenizer."""
    return model.vocab if isinstance(model, GPT) else model.tokens


def dependencies(recipe: Recipe) -> list[Recipe]:
    """Every recipe that has to be finished for this one, in an order that works; itself last."""
    needed: list[Recipe] = []
    if recipe.stages:
        for each in (recipe.parent, *references(recipe.stages[-1]).values()):
            needed += [r for r in dependencies(each) if r not in needed]
        needed.append(recipe)
    return needed
