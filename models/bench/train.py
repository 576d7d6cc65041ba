"""Speed of a training step with AdamW and with Muon, compared with a plain loop over the equal transformers model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import torch
from torch import nn

from interlude.models.bench.peer import missing, plain_adam, plain_step, twin
from interlude.models.bench.report import Race
from interlude.models.bench.timing import Side, quiet, race
from interlude.models.bench.workload import QUICK, Setup, Workload, kernels, no_native
from interlude.models.optim import make, rate
from interlude.models.stage import StageModels
from interlude.models.stages.pretrain import Pretrain
from interlude.models.train import State, one_step

PLAIN = "plain transformers loop, AdamW"
COMPILED = "plain transformers loop, AdamW, torch.compile"


def races(work: Workload, setup: Setup) -> Iterator[Race]:
    """All sides in one race, and once more beside the compiled loop, which takes minutes to compile: they read the same
    rows in the same order, problems are made, encoded and packed in the time, and tokens are counted without padding.
    The plain loops use a fused AdamW with our rates, decay and clipping and run each batch at once, padded to its
    longest row."""
    adam = with_adamw(work.pretrain)
    sides, skipped = {}, {}
    reason = no_native(work.model.build(0).to(setup.device), setup)
    for choice in ("native", "torch"):
        for name, stage in (("AdamW", adam), ("Muon", work.pretrain)):
            side = f"ours, {choice} kernels, {name}"
            if choice == "native" and reason:
                skipped[side] = reason
            else:
                sides[side] = our_loop(work, stage, choice, setup)
    absent = missing("transformers")
    peers = {} if absent else {PLAIN: plain_loop(work, adam, setup)}
    skipped |= {PLAIN: absent, COMPILED: absent} if absent else {}
    what = f"pre-training, {work.pretrain.batch_size} rows a step, {setup.precision}"
    yield raced(what, setup, sides | peers, skipped)
    if not absent:
        side, reason = compiled_loop(work, adam, setup)
        every, skipped = (sides | {COMPILED: side}, {}) if side else ({}, {COMPILED: reason})
        yield raced(f"{what}, beside a compiled loop", setup, every, skipped)


def raced(what: str, setup: Setup, sides: dict[str, Side], skipped: dict[str, str]) -> Race:
    """One race of these sides; no turns where there are none."""
    turns = race(sides, setup.clock, setup.size.seconds, setup.size.rounds, setup.threads) if sides else {}
    return Race("train", what, "tokens/s", turns, setup.clock.load(), setup.device, (PLAIN, COMPILED), skipped)


def with_adamw(stage: Pretrain) -> Pretrain:
    """The stage with AdamW for all weights, and no decay, which ours applies to some only."""
    return replace(stage, optim=replace(stage.optim, kind="adamw", weight_decay=0.0))


def our_loop(work: Workload, stage: Pretrain, choice: str, setup: Setup) -> Side:
    """Takes the training loop's own steps."""
    models = StageModels(work.model.build(0).to(setup.device))
    optimiser, state = make(stage.optim, models.learner, choice), State(kernels=choice)

    def steps() -> float:
        before = state.ledger.total_tokens
        with kernels(choice):
            for _ in range(setup.size.steps):
                one_step(models, stage, 0, state, optimiser, setup.machine, setup.precision, None)
                state.step += 1
        return state.ledger.total_tokens - before

    return steps


def plain_loop(work: Workload, stage: Pretrain, setup: Setup, compiled: bool = False) -> Side:
    """Takes steps as anyone would write them for a transformers model."""
    models = StageModels(work.model.build(0))
    peer: nn.Module = twin(models.learner).train().to(setup.device)
    adam = plain_adam(peer, stage.optim)
    if compiled:
        peer = torch.compile(peer, dynamic=True)  # rows differ in length from batch to batch
    counter = count()

    def steps() -> float:
        tokens = 0
        for _ in range(setup.size.steps):
            step = next(counter)
            batch = stage.collect(models, 0, step, range(stage.batch_size))
            multiplier = rate(stage.optim, step, stage.progress(step, 0.0))
            plain_step(peer, adam, stage.optim, batch, multiplier, setup.precision, setup.device)
            tokens += sum(batch.lengths)
        return tokens

    return steps


def compiled_loop(work: Workload, stage: Pretrain, setup: Setup) -> tuple[Side | None, str]:
    """The plain loop under torch.compile, compiled by now, or why there is none."""
    if setup.size == QUICK:
        return None, "compiling takes a minute, which --quick leaves out"
    if not shutil.which(os.environ.get("CXX") or "g++"):
        return None, "there is no C++ compiler"
    side = plain_loop(work, stage, setup, compiled=True)
    try:
        with quiet(setup.threads):  # for another number of threads it would be compiled anew
            side()
    except RuntimeError as error:  # torch raises one for whatever its compiler or the machine's cannot do
        return None, f"torch.compile failed: {str(error).strip().splitlines()[0][:200]}"
    return side, ""
