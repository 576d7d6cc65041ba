"""How fast work is done: measured on one core of this machine, once on a GPU, and by a real step of every stage."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from interlude.models.bench.timing import clock
from interlude.models.key import canonical, remembering
from interlude.models.lazy import torch
from interlude.models.ledger import TRAIN, Ledger, decode_cost, forward_cost
from interlude.models.lm import SamplingParams
from interlude.models.optim import make
from interlude.models.parallel import one_core
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.stage import StageModels
from interlude.models.train import Machine, State, autocast, backward, frozen, one_step
from interlude.studies.price import free_bytes, pretrained, priced, row_lengths, samples
from interlude.studies.study import Study, plan
from interlude.synth.rng import uniforms

WARM = 5.0  # CPU seconds: a shorter step is taken twice and the second counts, as the first sets things up
STEP_SECONDS = 600.0  # a dry run leaves out a stage of which one step is estimated to take longer
PROBE_FLOPS = 2e10  # of one try of a probe, at most: a third of a second of one core at nano
PROBE_LAYERS = 4  # of the model that is probed, at most: the others of a deeper one do the same
TRIES = 3  # of a probe; the fastest counts, as caches are shared with whatever else runs
# On a GPU, of its peak: small models are bound by launches. (parameters, MFU of training), by log-log interpolation.
# Measured in pre-training on an H200 (models/bench/h200), where batches were not yet made ahead: nano in float32,
# 1.945e13 FLOPs in 42.9 s, and small in bfloat16, 3.05e15 in 344 s, of which more than half went into making batches.
GPU_MEASURED = ((881_536, 0.00046), (6_380_288, 0.0090))
GPU_TRAINING = (*GPU_MEASURED, (1e8, 0.10), (1e9, 0.35))  # the larger ones are assumed
# Of training's. Measured at nano there: RL's rollouts and their judging, 1.6e12 FLOPs in about 34 s and 1.1e12 in about
# 25 s (the share of the last step for all); assumed of larger models.
GPU_SAMPLING = 0.1


@dataclass(frozen=True)
class Card:
    """A GPU: peak dense bfloat16 FLOP/s and memory in bytes, from its data sheet."""

    name: str
    peak: float
    memory: float


CARDS = {
    "b200": Card("B200", 2250e12, 180e9),
    "h200": Card("H200 SXM", 989e12, 141e9),
    "h100": Card("H100 SXM", 989e12, 80e9),
    "a100": Card("A100 SXM 80 GB", 312e12, 80e9),
    "l40s": Card("L40S", 362e12, 48e9),
    "4090": Card("RTX 4090", 165e12, 24e9),
}


@dataclass(frozen=True)
class Speed:
    """FLOP/s of one process, training and sampling. name: where. how: in words, how it is known. mfu: the share of a
    GPU's peak that training is taken to reach."""

    name: str
    training: float
    sampling: float
    how: str = "assumed"
    mfu: float | None = None

    def hours(self, ledger: Ledger) -> float:
        """One process, or one GPU, after another. Passes without a gradient are as fast as training, FLOP by FLOP."""
        spent = ledger.as_dict()
        sampled = spent["rollout_flops"]
        return ((ledger.total_flops - sampled) / self.training + sampled / self.sampling) / 3600


# --- a GPU -----------------------------------------------------------------------------------------------------------


def on_card(card: Card, parameters: int) -> Speed:
    """What a GPU is taken to reach with a model of so many parameters: the share of its peak that an H200 reached, or
    an assumed one where that was not measured."""
    mfu = utilisation(parameters)
    known = "as on an H200" if parameters <= GPU_MEASURED[-1][0] else "assumed"
    how = f"{known}: {mfu:.2%} of its peak (MFU) in training, {GPU_SAMPLING * mfu:.2%} in sampling"
    return Speed(card.name, card.peak * mfu, GPU_SAMPLING * card.peak * mfu, how, mfu)


def utilisation(parameters: int) -> float:
    """The share of a GPU's peak (MFU) in training, by interpolation between the points of GPU_TRAINING."""
    points = [(math.log(n), math.log(share)) for n, share in GPU_TRAINING]
    x = min(max(math.log(parameters), points[0][0]), points[-1][0])
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return math.exp(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return GPU_TRAINING[-1][1]


# --- one core of this machine ----------------------------------------------------------------------------------------


def this_machine(study: Study) -> Speed:
    """What one core does of this study's own work: a training step of its largest stage that only reads, and sampling
    in the shape of its largest stage that samples, with its model and on the kernels that will run.

    By CPU time of one thread, so that waiting for a busy core does not count. What others do to shared caches does:
    the load is said.
    """
    stages = list(dict.fromkeys(each.with_seed(0) for run in plan(study) for each in dependencies(run.recipe)))
    cost = {each: priced(each).ledger for each in stages}
    plain = [each for each in stages if not samples(each.stages[-1]) and not references(each.stages[-1])]
    sampling = [each for each in stages if samples(each.stages[-1])]
    with one_core():
        trained = training_speed(max(plain or stages, key=lambda each: cost[each].total_flops))
        longest = max(sampling or stages, key=lambda each: cost[each].as_dict()["rollout_flops"])
        sampled = sampling_speed(longest)
    load = os.getloadavg()[0]
    return Speed("one core here", trained, sampled, f"measured in CPU time at load {load:.1f}")


def shallow(recipe: Recipe) -> Recipe:
    """The same with at most PROBE_LAYERS layers."""
    return replace(recipe, model=replace(recipe.model, layers=min(recipe.model.layers, PROBE_LAYERS)))


def training_speed(recipe: Recipe) -> float:
    """FLOP/s of this thread in steps of a recipe's last stage, problems and optimiser included.

    A step of more than PROBE_FLOPS is cut to so many rows. It is then taken without the optimiser, whose time does not
    depend on rows and is a small share of a large step.
    """
    recipe = shallow(recipe)
    stage, machine = recipe.stages[-1], Machine(threads=1)
    rows = max(1, int(stage.batch_size * min(1.0, PROBE_FLOPS / priced(recipe).step.total_flops)))
    models = fresh(recipe, machine)
    optimiser, state = make(stage.optim, models.learner), State()

    def whole() -> float:
        before = state.ledger.total_flops
        one_step(models, stage, recipe.seed, state, optimiser, machine, recipe.precision, None)
        state.step += 1
        return state.ledger.total_flops - before

    def some() -> float:
        with autocast(machine, recipe.precision):
            batch = stage.collect(models, recipe.seed, 0, range(rows))
        backward(models, stage, batch, machine, recipe.precision)
        optimiser.zero_grad()
        return forward_cost(models.learner, TRAIN, list(batch.lengths), 3, stage.target_count(batch)).flops

    return fastest(whole if rows == stage.batch_size else some)


def sampling_speed(recipe: Recipe) -> float:
    """FLOP/s of this thread in sampling as many responses a prompt as a recipe's last stage, each as long as a worked
    solution. Fresh weights stop anywhere, so stopping is disabled."""
    recipe = shallow(recipe)
    stage = recipe.stages[-1]
    from interlude.models.bench.workload import endless

    rows, question, solution = row_lengths(stage)
    group = stage.num_samples if samples(stage) else 1
    lm = endless(recipe.model, "cpu")
    prompt_flops = decode_cost(lm, question, [solution] * group).flops
    prompts = max(1, min(rows // group, int(PROBE_FLOPS / prompt_flops)))
    asked = [[(7 * nth + t) % lm.vocab_size for t in range(question)] for nth in range(prompts) for _ in range(group)]
    streams = np.stack([uniforms("probe", row, n=solution) for row in range(len(asked))])

    def sample() -> float:
        with autocast(Machine(), recipe.precision):
            lm.sample(asked, streams, SamplingParams(max_new_tokens=solution))
        return prompts * prompt_flops

    return fastest(sample)


def fastest(work: Callable[[], float]) -> float:
    """The best rate of TRIES, or of as many as begin within a CPU second; ``work`` returns how much it was."""
    best, spent = 0.0, 0.0
    for _ in range(TRIES):
        if spent < 1.0:
            began = time.thread_time()
            amount = work()
            took = time.thread_time() - began
            best, spent = max(best, amount / took), spent + took
    return best


def fresh(recipe: Recipe, machine: Machine) -> StageModels:
    """Untrained models for a recipe's last stage, with all that it refers to."""
    stage = recipe.stages[-1]
    lm = recipe.model.build(recipe.seed).to(machine.device)
    others = {name: held.model.build(held.seed).to(machine.device) for name, held in references(stage).items()}
    return StageModels(lm, frozen(lm) if stage.needs_initial_model else None, others)


# --- a dry run -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stepped:
    """One step of a stage, as it was taken from fresh weights; or why it was not. seconds: CPU seconds of all threads;
    on a GPU, seconds on the wall until it had finished. peak_bytes: of the process, or on the card. steps: that the
    stage has."""

    stage: str
    arm: str
    seconds: float = math.nan
    tokens: int = 0
    flops: float = math.nan
    peak_bytes: float = math.nan
    why_not: str = ""
    steps: int = 0


@remembering()
def dry_run(study: Study, machine: Machine) -> list[Stepped]:
    """One step of every different stage of a study, at its real size and from fresh weights, without saving anything.

    Responses of fresh weights seldom end, so sampling takes longer than it will. A stage that this machine has no
    memory or no time for is not begun, and says what it needs; the time of a step on a GPU is not known before.
    """
    speed = None if pretrained(study) or machine.device != "cpu" else this_machine(study)
    taken, found = {}, {}
    for run in plan(study):
        for recipe in dependencies(run.recipe):
            stage = recipe.stages[-1]
            step = canonical(replace(recipe, seed=0, stages=(replace(stage, steps=1, flops=None),)))
            if step not in taken:
                taken[step] = step_of(recipe, run.arm, machine, speed)
            whole = canonical(replace(recipe, seed=0, stages=(stage,)))
            if whole not in found:
                each = taken[step]
                steps = stage.steps if stage.steps is not None else math.ceil(stage.flops / each.flops)
                found[whole] = replace(each, arm=run.arm, steps=steps)
    return list(found.values())


def step_of(recipe: Recipe, arm: str, machine: Machine, speed: Speed | None) -> Stepped:
    """One step of a recipe's last stage. speed: of this machine's cores, where it is known and the step is on them."""
    stage, cost = recipe.stages[-1], priced(recipe)
    name = type(stage).__name__
    on_cpu = machine.device == "cpu"
    needs = cost.cpu_bytes if on_cpu else cost.gpu_bytes
    free = free_bytes() if on_cpu else torch.cuda.mem_get_info(machine.device)[0]
    if needs > free:
        why = f"it needs about {needs / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
        return Stepped(name, arm, flops=cost.step.total_flops, why_not=why)
    if speed is not None and (seconds := 3600 * speed.hours(cost.step)) > STEP_SECONDS:
        why = f"one step would take about {seconds / 60:.0f} minutes of one core here"
        return Stepped(name, arm, flops=cost.step.total_flops, why_not=why)
    timer = clock(machine.device)
    seconds_now = timer.cpu if on_cpu else timer.wall  # as models.bench.timing
    if not on_cpu:
        torch.cuda.reset_peak_memory_stats(machine.device)
    models = fresh(recipe, machine)
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    optimiser, took = make(stage.optim, models.learner), 0.0
    for _ in range(2):
        if took < WARM:
            timer.finish()
            state, began = State(), seconds_now()
            one_step(models, stage, recipe.seed, state, optimiser, machine, recipe.precision, None)
            timer.finish()
            took = seconds_now() - began
    spent = state.ledger
    if on_cpu:
        peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    else:
        peak = float(torch.cuda.max_memory_allocated(machine.device))
    return Stepped(name, arm, took, spent.total_tokens, spent.total_flops, peak)
