"""A recipe names a model and the stages it goes through; running it trains what is missing and remembers the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from interlude.models.files import Busy, Corrupt, Lock, check, lock, read_json, seal, sealed, write_json
from interlude.models.gpt import GPT
from interlude.models.hardware import hardware
from interlude.models.hf import HF
from interlude.models.ledger import Ledger
from interlude.models.lm import LM
from interlude.models.provenance import code, versions
from interlude.models.stages import Stage
from interlude.models.tensors import write_tensors
from interlude.models.train import PRECISIONS, Machine, train
from interlude.studies.key import canonical, folder, key
from interlude.synth.added_field import added_field
from interlude.synth.rng import key as stream
from interlude.synth.tokens import Vocabulary

SEEDS = 2**64  # torch's generators take no larger seed
Observe = Callable[["Recipe", float, dict], None]  # recipe in training, share done, log line


@dataclass(frozen=True)
class Recipe:
    """A model description, the stages it is trained through in order, a seed and a precision.

    ``recipe + stage`` is the recipe with one more stage. The key of a recipe covers all of it, so recipes with equal
    beginnings share what they share. A stage may hold a Recipe in a field (a reference, a teacher).

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
    """What a model reads: its vocabulary, or what tells a transformers model's tokenizer from others."""
    return model.vocab if isinstance(model, GPT) else model.tokens


def dependencies(recipe: Recipe) -> list[Recipe]:
    """Every recipe that has to be finished for this one, in an order that works; itself last."""
    needed: list[Recipe] = []
    if recipe.stages:
        for each in (recipe.parent, *references(recipe.stages[-1]).values()):
            needed += [r for r in dependencies(each) if r not in needed]
        needed.append(recipe)
    return needed


def train_or_load(recipe: Recipe, machine: Machine = Machine(), observe: Observe | None = None) -> LM:
    """The trained model of a recipe, training whatever of its dependencies is missing.

    Several processes may ask for the same recipe: one trains, the others wait for it.
    """
    for each in dependencies(recipe):
        while not each.finished:
            each.folder.mkdir(parents=True, exist_ok=True)
            try:
                with lock(each.folder) as held:
                    if not each.finished:
                        train_last(each, machine, observe, held)
            except Busy:
                time.sleep(1.0)
    return load(recipe, machine.device)


def train_last(recipe: Recipe, machine: Machine, observe: Observe | None, held: Lock) -> None:
    """Train the last stage of a recipe whose other stages are finished, and seal its folder."""
    stage, where = recipe.stages[-1], recipe.folder
    write_json(where / "recipe.json", {"key": recipe.key, "recipe": canonical(recipe)})
    lm = load(recipe.parent, machine.device)
    others = {name: load(held, machine.device).requires_grad_(False) for name, held in references(stage).items()}
    watch = None if observe is None else lambda share, line: observe(recipe, share, line)
    state = train(lm, stage, stage_seed(recipe), machine, recipe.precision, where, others, watch, origin(recipe))
    write_tensors(where / "model.safetensors", lm.state_dict())
    about = {"seconds": state.seconds, "steps": state.step, "machine": hardware(machine.device)}
    write_json(where / "cost.json", about | state.ledger.as_dict())
    held.confirm()  # somebody may have removed the claim by hand, and another process begun
    seal(where, ["recipe.json", "model.safetensors", "cost.json", "log.jsonl"])
    (where / "state.safetensors").unlink(missing_ok=True)


def origin(recipe: Recipe) -> dict[str, str]:
    """Whose a save of the recipe's last stage is: what training may only be continued with."""
    seeds = {"seed": str(recipe.seed), "data_seed": str(recipe.data_seed)}
    return {"recipe": recipe.key, **seeds, "code": code(), **versions()}


def stage_seed(recipe: Recipe) -> int:
    """The seed of a recipe's last stage: every stage draws from streams of its own, as two pre-training stages would
    otherwise train on the same problems. Arms that agree up to a stage see the same data in it."""
    seed = recipe.seed if recipe.data_seed is None else recipe.data_seed
    return stream("stage", seed, len(recipe.stages)) >> 65


def load(recipe: Recipe, device: str = "cpu") -> LM:
    """The finished model of a recipe, checked against its seal. Raises Corrupt naming a file that was changed."""
    lm = recipe.model.build(recipe.seed)
    if recipe.stages:
        check(recipe.folder)
        path = recipe.folder / "model.safetensors"
        try:
            lm.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError) as error:
            raise Corrupt(f"{path} does not hold this recipe's weights: {error}") from error
    return lm.to(torch.device(device)).eval()


@dataclass(frozen=True)
class Cost:
    """What one finished stage took: optimiser steps, wall time in seconds, and its ledger; and on which machine it was
    finished ("" where its record does not say)."""

    stage: str
    steps: int
    seconds: float
    ledger: Ledger
    machine: str = ""


def costs(recipe: Recipe) -> tuple[Cost, ...]:
    """The cost of every stage of a finished recipe, in order (references are not included).

    Raises Corrupt naming a file that was changed.
    """
    found: list[Cost] = []
    while recipe.stages:
        check(recipe.folder)
        row = read_json(recipe.folder / "cost.json")
        took = row["steps"], row["seconds"], Ledger.from_dict(row), row.get("machine", "")
        found.append(Cost(type(recipe.stages[-1]).__name__, *took))
        recipe = recipe.parent
    return tuple(reversed(found))
