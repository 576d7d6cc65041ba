"""Runs of recipes: training what is missing, waiting for what another process trains, loading what is finished."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from interlude.models import texts
from interlude.models.files import Busy, Corrupt, Lock, check, lock, read_json, seal, write_json
from interlude.models.hardware import hardware
from interlude.models.key import canonical
from interlude.models.lazy import torch
from interlude.models.ledger import Ledger
from interlude.models.lm import LM
from interlude.models.provenance import code, versions
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.tensors import write_tensors
from interlude.models.train import Machine, train
from interlude.synth.rng import key as stream

Observe = Callable[[Recipe, float, dict], None]  # recipe in training, share done, log line


def train_or_load(
    recipe: Recipe,
    machine: Machine = Machine(),
    observe: Observe | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> LM:
    """The trained model of a recipe, training whatever of its dependencies is missing.

    Several processes may ask for the same recipe: one trains, the others wait for it and call ``waiting`` every second,
    which may raise to end that.
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
                waiting()
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
    write_json(where / "cost.json", about | state.ledger.as_dict() | texts.counts(where, state.rows))
    held.confirm()  # somebody may have removed the claim by hand, and another process begun
    seal(where, ["recipe.json", "model.safetensors", "cost.json", "log.jsonl", texts.FILE])
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


def check_run(recipe: Recipe) -> None:
    """Raises Corrupt naming a file of a finished recipe that was changed, and what to do."""
    try:
        check(recipe.folder)
    except Corrupt as error:
        raise Corrupt(f"{error}; delete the folder {recipe.folder}: `interlude run` trains it again") from error


def load(recipe: Recipe, device: str = "cpu") -> LM:
    """The finished model of a recipe, checked against its seal. Raises Corrupt naming a file that was changed."""
    from safetensors.torch import load_file  # loads torch

    lm = recipe.model.build(recipe.seed)
    if recipe.stages:
        check_run(recipe)
        path = recipe.folder / "model.safetensors"
        try:
            lm.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError) as error:
            raise Corrupt(f"{path} does not hold this recipe's weights: {error}") from error
    return lm.to(torch.device(device)).eval()


@dataclass(frozen=True)
class Cost:
    """What one finished stage took: optimiser steps, wall time in seconds, and its ledger; on which machine it was
    finished ("" where its record does not say); and on how many rows it trained, and how many distinct texts they had
    (NaN where it does not say; see ``models.texts``)."""

    stage: str
    steps: int
    seconds: float
    ledger: Ledger
    machine: str = ""
    rows: float = math.nan
    distinct: float = math.nan


def costs(recipe: Recipe, known: dict[Path, Cost] | None = None) -> tuple[Cost, ...]:
    """The cost of every stage of a finished recipe, in order (references are not included).

    known: by folder, what the caller has had checked a moment ago, as a plan asks after the same stages for many arms
    and a check reads whole models; what is checked here is added. Raises Corrupt naming a file that was changed.
    """
    known = {} if known is None else known
    found: list[Cost] = []
    while recipe.stages:
        where = recipe.folder
        if where not in known:
            check_run(recipe)
            row = read_json(where / "cost.json")
            took = row["steps"], row["seconds"], Ledger.from_dict(row), row.get("machine", "")
            read = (row.get(name, math.nan) for name in ("rows", "distinct"))
            known[where] = Cost(type(recipe.stages[-1]).__name__, *took, *read)
        found.append(known[where])
        recipe = recipe.parent
    return tuple(reversed(found))
