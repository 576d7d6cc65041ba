"""What a study will take before it is begun: tokens, FLOPs, memory, disk and hours, here and on a named GPU."""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch

from interlude.models.gpt import GPT
from interlude.models.hf import HF
from interlude.models.key import canonical, remembering
from interlude.models.ledger import REFERENCE, ROLLOUT, TRAIN, Ledger, decode_cost, forward_cost
from interlude.models.optim import make
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.stage import Stage, StageModels
from interlude.models.train import Machine, State, frozen, one_step
from interlude.studies.exam import Exam
from interlude.studies.refusal import Refused
from interlude.studies.study import Study, plan
from interlude.synth.source import Mixture, Source

DRAWN = 64  # problems of a source that mean lengths are taken from
PROCESS_BYTES = 300e6  # of a process that has imported torch and has no model
LINE_BYTES = 600  # of a log line
WARM = 5.0  # seconds: a shorter step is taken twice and the second counts, as the first sets things up
STEP_SECONDS = 600.0  # a dry run leaves out a stage of which one step is estimated to take longer
# On CPU, of what large float32 products reach: training at nano reaches 0.2, sampling 0.08 (two cores, one process).
CPU_TRAINING, CPU_SAMPLING = 0.2, 0.08
# On a GPU, of its peak: small models are bound by launches. (parameters, assumed MFU of training), by log-log
# interpolation; not measured.
GPU_TRAINING = ((9e5, 0.001), (6e6, 0.01), (1e8, 0.10), (1e9, 0.35))
GPU_SAMPLING = 0.1  # of training's


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
class StagePrice:
    """One stage as it will be trained: its steps and ledger, and the bytes its process needs (on CPU and on a GPU)."""

    steps: int
    ledger: Ledger
    cpu_bytes: float
    gpu_bytes: float

    @property
    def step(self) -> Ledger:
        """The share of one step."""
        return scaled(self.ledger, 1 / self.steps)


@dataclass(frozen=True)
class Price:
    """A whole study: what each part trains and examines, the largest process, and the disk that runs take.

    base: the stages of the base, and what else several runs share. arms: the other stages, by arm, all seeds together.
    exams: examining.
    """

    base: Ledger
    arms: dict[str, Ledger]
    exams: Ledger
    cpu_bytes: float
    gpu_bytes: float
    disk_bytes: float
    parameters: int

    @property
    def total(self) -> Ledger:
        return sum(self.arms.values(), self.base) + self.exams

    def as_dict(self) -> dict:
        """For JSON and tables: tokens and FLOPs of each part, bytes, and hours on this machine and on each card."""
        parts = {"base": self.base, **self.arms, "exams": self.exams, "total": self.total}
        return {
            "parts": {
                name: {
                    "train_tokens": each.as_dict()["train_tokens"],
                    "rollout_tokens": each.as_dict()["rollout_tokens"],
                    "flops": each.total_flops,
                }
                for name, each in parts.items()
            },
            "memory_bytes": self.cpu_bytes,
            "gpu_bytes": self.gpu_bytes,
            "disk_bytes": self.disk_bytes,
            "parameters": self.parameters,
        }


def priceable(study: Study) -> bool:
    """Whether the sizes of all models are known without their files, as those of transformers models are not."""
    return all(isinstance(arm.recipe.model, GPT) for arm in study.arms)


@remembering()
def price(study: Study) -> Price:
    """What a study takes from nothing, each distinct stage once, whatever is finished already.

    Budgets in FLOPs are exact. What is estimated: tokens, from the mean length of problems; steps of a stage with a
    FLOPs budget; responses, as long as the worked solution and all trained on. Passes that a method makes beside these
    are not counted where its budget is in steps.
    """
    runs = plan(study)
    users: dict[Recipe, list[str]] = {}
    for run in runs:
        for recipe in dependencies(run.recipe):
            users.setdefault(recipe, []).append(run.arm)
    bases = {replace(run.recipe, stages=run.recipe.stages[: n + 1]) for run in runs for n in range(run.shared)}
    prices = {recipe: priced(recipe) for recipe in users}
    base, arms = Ledger(), {run.arm: Ledger() for run in runs}
    for recipe, users_ in users.items():
        if len(users_) > 1 or recipe in bases:
            base += prices[recipe].ledger
        else:
            arms[users_[0]] += prices[recipe].ledger
    exams = sum((exam_price(run.recipe.model, exam) for run in runs for exam in run.exams), Ledger())
    weights = {recipe: 4.0 * parameters(recipe.model) for recipe in users}
    disk = sum(weights[recipe] + LINE_BYTES * prices[recipe].steps for recipe in users)
    return Price(
        base,
        arms,
        exams,
        max(each.cpu_bytes for each in prices.values()),
        max(each.gpu_bytes for each in prices.values()),
        disk + 3 * max(weights.values()),  # and one save with momenta, while a stage is trained
        max(parameters(recipe.model) for recipe in users),
    )


def priced(recipe: Recipe) -> StagePrice:
    """The price of a recipe's last stage."""
    stage, model = recipe.stages[-1], recipe.model
    rows, question, solution = row_lengths(stage)
    step = step_ledger(model, stage, rows, question, solution)
    steps = stage.steps if stage.steps is not None else max(1, math.ceil(stage.flops / step.total_flops))
    whole = scaled(step, steps)
    if stage.flops is not None:  # the budget is what it is; the estimate only says what it is spent on
        whole = replace(whole, flops=tuple(f * stage.flops / whole.total_flops for f in whole.flops))
    return StagePrice(steps, whole, *memory(recipe, rows, question + solution))


def scaled(ledger: Ledger, times: float) -> Ledger:
    return Ledger(tuple(round(n * times) for n in ledger.tokens), tuple(f * times for f in ledger.flops))


def row_lengths(stage: Stage) -> tuple[int, int, int]:
    """Rows that a step trains on, and the mean tokens of a question and of a worked solution in them."""
    names = {field.name for field in fields(stage)}
    sources = [getattr(stage, name) for name in ("data", "replay") if name in names]
    rows = stage.batch_size * (stage.num_samples if "num_samples" in names else 1)
    means = [mean_lengths(source) for source in sources if isinstance(source, (Source, Mixture))]
    share = stage.replay_share if "replay_share" in names and len(means) == 2 else 0.0
    weights = (1 - share, share)
    question, solution = (sum(w * each[i] for w, each in zip(weights, means, strict=False)) for i in (0, 1))
    return rows, round(question), round(solution)


@cache
def mean_lengths(source: Source | Mixture) -> tuple[float, float]:
    """Mean words of a question and of a worked solution."""
    written = [source.problem("price", n).written for n in range(DRAWN)]
    questions = sum(len(each.question_tokens) for each in written)
    return questions / DRAWN, sum(len(each.solution_tokens) for each in written) / DRAWN


def step_ledger(model: GPT | HF, stage: Stage, rows: int, question: int, solution: int) -> Ledger:
    """What one step spends, if every row is a question and a worked solution of mean length."""
    counter = Counted(model)
    whole = [question + solution] * rows
    spent = [forward_cost(counter, TRAIN, whole, passes=3, logits=rows * solution)]
    if "num_samples" in {field.name for field in fields(stage)}:
        spent += [decode_cost(counter, question, [solution] * stage.num_samples)] * stage.batch_size
    passes = len(references(stage)) + bool(stage.needs_initial_model)
    if passes:
        spent.append(forward_cost(counter, REFERENCE, whole, passes=passes, logits=rows * solution))
    return Ledger().plus(*spent)


def exam_price(model: GPT | HF, exam: Exam) -> Ledger:
    """What an exam spends: one pass over each solution, or responses as long as these."""
    question, solution = map(round, mean_lengths(exam.source))
    if exam.responses:
        spent = [decode_cost(Counted(model), question, [solution] * exam.responses)] * exam.problems
    else:
        whole = [question + solution] * exam.problems
        spent = [forward_cost(Counted(model), ROLLOUT, whole, logits=exam.problems * solution)]
    return Ledger().plus(*spent)


@dataclass(frozen=True)
class Counted:
    """What the ledger asks of a model, without building it."""

    model: GPT | HF

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> float:
        if isinstance(self.model, GPT):
            return self.model.flops(tokens, attended, logits)
        raise Refused(f"{self.model.name} cannot be priced: its sizes lie in its files; give Scale a GPT of like sizes")


def parameters(model: GPT | HF) -> int:
    if not isinstance(model, GPT):
        raise Refused(f"{model.name} cannot be priced: its sizes lie in its files; give Scale a GPT of like sizes")
    return model.parameters_count


def memory(recipe: Recipe, rows: int, length: int) -> tuple[float, float]:
    """Bytes of the process that trains a recipe's last stage, on CPU and on a GPU (GPU: on the card).

    Weights, gradients and momenta in float32; copies that the stage holds; activations of the forward passes that are
    under way; keys and values of all responses sampled at once. On CPU also the gradients of every micro-batch, which
    are kept until they are added up.
    """
    stage, sizes = recipe.stages[-1], recipe.model
    weights = 4.0 * parameters(sizes)
    held = weights * (1 + 1 + 2 + len(references(stage)) + bool(stage.needs_initial_model))
    token = (4.0 if recipe.precision == "float32" else 2.0) * (
        sizes.layers * (14 * sizes.width + 5 * sizes.hidden) + 3 * sizes.vocab.size
    )
    cache_bytes = 0.0
    if "num_samples" in {field.name for field in fields(stage)}:
        kept = 2 * 4.0 * sizes.layers * sizes.kv_heads * sizes.head_width
        cache_bytes = rows * (stage.max_new_tokens + length / stage.num_samples) * kept
    found = []
    for micro, threads in ((Machine().most_tokens, cores()), (65_536, 1)):
        pieces = max(1.0, rows * length / micro)
        activations = min(rows * length, micro * threads) * token
        gradients = weights * pieces if threads > 1 or micro < 65_536 else 0.0
        found.append(PROCESS_BYTES + held + max(activations + gradients, cache_bytes))
    return found[0], found[1]


# --- time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """FLOP/s that work is assumed to reach, training and sampling (and a name for where)."""

    name: str
    training: float
    sampling: float

    def hours(self, ledger: Ledger) -> float:
        """One process, or one GPU, after another."""
        spent = ledger.as_dict()
        sampled = spent["rollout_flops"]
        return ((ledger.total_flops - sampled) / self.training + sampled / self.sampling) / 3600


def this_machine(seconds: float = 0.3) -> Speed:
    """What this machine's CPUs are assumed to reach, from a probe: the fastest of the large float32 products that fit
    in ``seconds`` seconds, so that what else runs at the moment counts little."""
    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    began, fastest = time.perf_counter(), math.inf
    while (start := time.perf_counter()) - began < seconds:
        torch.mm(a, b)
        fastest = min(fastest, time.perf_counter() - start)
    reached = 2 * 1024**3 / fastest
    return Speed(f"this machine ({cores()} cores)", CPU_TRAINING * reached, CPU_SAMPLING * reached)


def on_card(card: Card, parameters: int) -> Speed:
    """What a GPU is assumed to reach with a model of so many parameters."""
    training = card.peak * utilisation(parameters)
    return Speed(card.name, training, GPU_SAMPLING * training)


def utilisation(parameters: int) -> float:
    """The assumed share of a GPU's peak (MFU) in training, by interpolation between the points of GPU_TRAINING."""
    points = [(math.log(n), math.log(share)) for n, share in GPU_TRAINING]
    x = min(max(math.log(parameters), points[0][0]), points[-1][0])
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return math.exp(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return GPU_TRAINING[-1][1]


# --- this machine ----------------------------------------------------------------------------------------------------


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def free_bytes() -> float:
    """Memory that is free for new processes: what the system says, or what is left of this container's limit."""
    if sys.platform != "linux":
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = 1024.0 * int(lines["MemAvailable"].split()[0])
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip().isdigit():
        free = min(free, float(limit.read_text()) - float(used.read_text()))
    return free


def worker_count(asked: int | None, runs: int, worker_bytes: float) -> int:
    """How many processes share ``runs`` runs: as many as cores, four fifths of free memory and runs allow, and at most
    as many as were asked for; at least one."""
    most = min(cores(), int(0.8 * free_bytes() // worker_bytes), runs)
    return max(1, most if asked is None else min(asked, most))


# --- a dry run -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stepped:
    """One step of a stage, as it was taken from fresh weights; or why it was not."""

    stage: str
    arm: str
    seconds: float = math.nan
    tokens: int = 0
    flops: float = math.nan
    peak_bytes: float = math.nan
    why_not: str = ""
    steps: int = 0  # that the stage has


@remembering()
def dry_run(study: Study, machine: Machine) -> list[Stepped]:
    """One step of every different stage of a study, at its real size and from fresh weights, without saving anything.

    Responses of fresh weights seldom end, so sampling takes longer than it will. A stage that this machine has no
    memory or no time for is not begun, and says what it needs.
    """
    speed, taken, found = this_machine(), {}, {}
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


def step_of(recipe: Recipe, arm: str, machine: Machine, speed: Speed) -> Stepped:
    """One step of a recipe's last stage."""
    stage, cost = recipe.stages[-1], priced(recipe)
    name = type(stage).__name__
    free, seconds = free_bytes(), 3600 * speed.hours(cost.step)
    if machine.device == "cpu" and cost.cpu_bytes > free:
        why = f"it needs about {cost.cpu_bytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
        return Stepped(name, arm, flops=cost.step.total_flops, why_not=why)
    if machine.device == "cpu" and seconds > STEP_SECONDS:
        why = f"one step would take about {seconds / 60:.0f} minutes here"
        return Stepped(name, arm, flops=cost.step.total_flops, why_not=why)
    lm = recipe.model.build(recipe.seed).to(machine.device)
    others = {name: held.model.build(held.seed).to(machine.device) for name, held in references(stage).items()}
    models = StageModels(lm, frozen(lm) if stage.needs_initial_model else None, others)
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    optimiser, took = make(stage.optim, lm), 0.0
    for _ in range(2):
        if took < WARM:
            state, began = State(), time.monotonic()
            one_step(models, stage, recipe.seed, state, optimiser, machine, recipe.precision, None)
            took = time.monotonic() - began
    spent = state.ledger
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Stepped(name, arm, took, spent.total_tokens, spent.total_flops, peak)
