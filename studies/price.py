"""What a study will take before it is begun: tokens, FLOPs, memory, disk, and how many processes fit this machine."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interlude.models import fetch, native
from interlude.models.gpt import GPT
from interlude.models.key import remembering
from interlude.models.ledger import REFERENCE, TRAIN, Ledger, decode_cost, forward_cost
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.sample import NATIVE_PIECE, PIECE
from interlude.models.stage import Stage
from interlude.models.train import LOGITS, Machine, autocast
from interlude.studies.exam import Exam
from interlude.studies.study import Run, Study, plan
from interlude.synth.source import Mixture, Source
from interlude.synth.tasks import Task

if TYPE_CHECKING:
    from interlude.models.hf import HF

DRAWN = 64  # problems of a source that mean lengths are taken from
PROCESS_BYTES = 300e6  # of a process that has imported torch and has no model
LINE_BYTES = 600  # of a log line
WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes of a weight
WORD_TOKENS = 1.4  # of a word, where a tokenizer is not here to count
CGROUP = Path("/sys/fs/cgroup")  # the limits of this container, if it is one


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

    base: the stages of bases, and what else arms share. arms: the other stages, all seeds together, each once
    (``held_by``): what an arm takes beyond those it begins with or learns from. counted_as: of an arm that takes
    nothing more, "base" or the arm that counts for it. exams: examining.
    """

    base: Ledger
    arms: dict[str, Ledger]
    counted_as: dict[str, str]
    exams: Ledger
    cpu_bytes: float
    gpu_bytes: float
    disk_bytes: float
    parameters: int

    @property
    def total(self) -> Ledger:
        return sum(self.arms.values(), self.base) + self.exams

    def as_dict(self) -> dict:
        """For JSON: tokens and FLOPs of each part (of arms by their names, one of which may be "base"), and bytes."""
        return {
            "parts": {
                "base": amounts(self.base),
                "arms": {
                    name: amounts(each) | {"counted_as": self.counted_as.get(name, name)}
                    for name, each in self.arms.items()
                },
                "exams": amounts(self.exams),
                "total": amounts(self.total),
            },
            "memory_bytes": self.cpu_bytes,
            "gpu_bytes": self.gpu_bytes,
            "disk_bytes": self.disk_bytes,
            "parameters": self.parameters,
        }


def amounts(ledger: Ledger) -> dict[str, float]:
    """The tokens and FLOPs of a ledger that ``plan`` prints."""
    found = ledger.as_dict()
    return {name: found[name] for name in ("train_tokens", "rollout_tokens")} | {"flops": ledger.total_flops}


def priceable(study: Study) -> bool:
    """Whether the sizes of all models are known: of a transformers model its config must be at hand."""
    try:
        return all(parameters(arm.recipe.model) > 0 for arm in study.arms)
    except (ValueError, ModuleNotFoundError):
        return False


def pretrained(study: Study) -> bool:
    """Whether a study has a transformers model, of which only a GPU's speed is estimated."""
    return not all(isinstance(arm.recipe.model, GPT) for arm in study.arms)


@remembering()
def price(study: Study) -> Price:
    """What a study takes from nothing, each distinct stage once, whatever is finished already.

    Budgets in FLOPs are exact. What is estimated: tokens, from the mean length of problems; steps of a stage with a
    FLOPs budget; responses, as long as the worked solution and all trained on. Passes that a method makes beside these
    are not counted where its budget is in steps.
    """
    runs = plan(study)
    users: dict[Recipe, set[int]] = {}
    for n, run in enumerate(runs):
        for recipe in dependencies(run.recipe):
            users.setdefault(recipe, set()).add(n)
    bases = {replace(run.recipe, stages=run.recipe.stages[: n + 1]) for run in runs for n in range(run.shared)}
    prices = {recipe: priced(recipe) for recipe in users}
    base, arms = Ledger(), {run.arm: Ledger() for run in runs}
    for recipe, each in prices.items():
        holder = None if recipe in bases else held_by(recipe, runs, users)
        if holder is None:
            base += each.ledger
        else:
            arms[holder] += each.ledger
    counted_as = {
        run.arm: held_by(run.recipe, runs, users) if run.shared < len(run.recipe.stages) else "base"
        for run in runs
        if not arms[run.arm].total_flops
    }
    exams = sum((exam_price(run.recipe.model, exam) for run in runs for exam in run.exams), Ledger())
    weights = {recipe: 4.0 * parameters(recipe.model) for recipe in prices}
    disk = sum(weights[recipe] + LINE_BYTES * prices[recipe].steps for recipe in prices)
    return Price(
        base,
        arms,
        counted_as,
        exams,
        max(each.cpu_bytes for each in prices.values()),
        max(each.gpu_bytes for each in prices.values()),
        disk + 3 * max(weights.values()),  # and one save with momenta, while a stage is trained
        max(parameters(recipe.model) for recipe in prices),
    )


def held_by(recipe: Recipe, runs: list[Run], users: dict[Recipe, set[int]]) -> str | None:
    """The arm that a stage counts for: the first of those that need it whose end all of these need, too; None if there
    is none. users: the places of the runs that need each stage."""
    those = users[recipe]
    return next((runs[n].arm for n in sorted(those) if those <= users[runs[n].recipe]), None)


def priced(recipe: Recipe) -> StagePrice:
    """The price of a recipe's last stage."""
    stage, model = recipe.stages[-1], recipe.model
    rows, question, solution = row_lengths(stage, model)
    step = step_ledger(model, stage, rows, question, solution)
    steps = stage.steps if stage.steps is not None else max(1, math.ceil(stage.flops / step.total_flops))
    whole = scaled(step, steps)
    if stage.flops is not None:  # the budget is what it is; the estimate only says what it is spent on
        whole = replace(whole, flops=tuple(f * stage.flops / whole.total_flops for f in whole.flops))
    return StagePrice(steps, whole, *memory(recipe, rows, question + solution))


def scaled(ledger: Ledger, times: float) -> Ledger:
    """A ledger with all tokens and FLOPs multiplied by ``times``."""
    return Ledger(tuple(round(n * times) for n in ledger.tokens), tuple(f * times for f in ledger.flops))


def samples(stage: Stage) -> bool:
    """Whether a stage samples responses."""
    return "num_samples" in {field.name for field in fields(stage)}


def own_tokenizer(model: GPT | HF | None) -> HF | None:
    """The model if it has a tokenizer of its own, by which lengths are counted, else None."""
    return None if isinstance(model, GPT) else model


def row_lengths(stage: Stage, model: GPT | HF | None = None) -> tuple[int, int, int]:
    """Rows that a step trains on, and the mean tokens of a question and of a worked solution in them (without a model,
    words)."""
    names = {field.name for field in fields(stage)}
    sources = [getattr(stage, name) for name in ("data", "replay") if name in names]
    rows = stage.batch_size * (stage.num_samples if samples(stage) else 1)
    means = [mean_lengths(source, own_tokenizer(model)) for source in sources if source is not None]
    share = stage.replay_share if "replay_share" in names and len(means) == 2 else 0.0
    weights = (1 - share, share)
    question, solution = (sum(w * each[i] for w, each in zip(weights, means, strict=False)) for i in (0, 1))
    return rows, round(question), max(1, round(solution))


@cache
def mean_lengths(source: Task, model: HF | None = None) -> tuple[float, float]:
    """Mean words of a question and of a worked solution; with ``model``, tokens of its tokenizer where that is here."""
    if model is not None or not isinstance(source, (Source, Mixture)):
        drawn = [source.problem("price", n) for n in range(DRAWN)]
        texts = [[each.question for each in drawn], [each.solution for each in drawn]]
        count = counter(model)
        return tuple(sum(map(count, each)) / DRAWN for each in texts)
    written = [source.problem("price", n).written for n in range(DRAWN)]
    questions = sum(len(each.question_tokens) for each in written)
    return questions / DRAWN, sum(len(each.solution_tokens) for each in written) / DRAWN


def counter(model: HF | None) -> Callable[[str], float]:
    """How many tokens a text has."""
    fetched = model is not None and model.name == fetch.FETCHED and (fetch.cache_folder() / fetch.NAME).is_dir()
    if fetched or (model is not None and Path(model.name).is_dir()):
        tokenizer = model.tokenizer()
        return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
    return lambda text: WORD_TOKENS * len(text.split())


def step_ledger(model: GPT | HF, stage: Stage, rows: int, question: int, solution: int) -> Ledger:
    """What one step spends, if every row is a question and a worked solution of mean length."""
    counter = Counted(model)
    whole = [question + solution] * rows
    spent = [forward_cost(counter, TRAIN, whole, passes=3, logits=rows * solution)]
    if samples(stage):
        spent += [decode_cost(counter, question, [solution] * stage.num_samples)] * stage.batch_size
    passes = len(references(stage)) + bool(stage.needs_initial_model)
    if passes:
        spent.append(forward_cost(counter, REFERENCE, whole, passes=passes, logits=rows * solution))
    return Ledger().plus(*spent)


def exam_price(model: GPT | HF, exam: Exam) -> Ledger:
    """What an exam spends: one pass over each solution, or responses as long as these."""
    question, solution = map(round, mean_lengths(exam.source, own_tokenizer(model)))
    if exam.responses:
        spent = [decode_cost(Counted(model), question, [solution] * exam.responses)] * exam.problems
    else:
        whole = [question + solution] * exam.solutions  # nothing is sampled: one pass reads them, as fast as training
        spent = [forward_cost(Counted(model), REFERENCE, whole, logits=exam.solutions * solution)]
    return Ledger().plus(*spent)


@dataclass(frozen=True)
class Counted:
    """What the ledger asks of a model, without building it."""

    model: GPT | HF

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> float:
        found = self.model if isinstance(self.model, GPT) else self.model.skeleton()
        return found.flops(tokens, attended, logits)


def parameters(model: GPT | HF) -> int:
    """The number of parameters of a model, without loading weights."""
    if isinstance(model, GPT):
        return model.parameters_count
    return sum(weight.numel() for weight in model.skeleton().parameters())


def held_bytes(model: GPT | HF, copies: int) -> float:
    """Bytes of weights, gradients, moments and, below 32 bits, float32 masters, with so many copies of the weights.
    Adapters (LoRA) are in float32, and alone have the latter three."""
    weights = float(parameters(model))
    if isinstance(model, GPT):
        return 4.0 * weights * (1 + 1 + 2 + copies)
    wide = WIDTHS[model.dtype]
    if not model.lora:
        return weights * (wide * (2 + copies) + 8 + (4 if wide < 4 else 0))
    named = dict(model.skeleton().named_parameters())
    adapters = sum(model.lora * sum(named[name].shape) for name in model.skeleton().matrices())
    return weights * wide * (1 + copies) + 16.0 * adapters


@dataclass(frozen=True)
class Shape:
    """What activations and caches are computed from; vocab in tokens, ``wide`` in bytes of a number."""

    layers: int
    width: int
    hidden: int
    kv_heads: int
    head_width: int
    vocab: int
    wide: float


def shape(recipe: Recipe) -> Shape:
    """The sizes of a recipe's model, from which its memory is estimated."""
    model = recipe.model
    if isinstance(model, GPT):
        wide = 4.0 if recipe.precision == "float32" else 2.0
        sizes = model.layers, model.width, model.hidden, model.kv_heads, model.head_width, model.vocab.size
        return Shape(*sizes, wide)
    config = model.skeleton().causal.config.get_text_config()
    table = config.to_dict()
    heads = config.num_attention_heads
    head_width = table.get("head_dim") or config.hidden_size // heads
    hidden = table.get("intermediate_size") or 4 * config.hidden_size
    sizes = config.num_hidden_layers, config.hidden_size, hidden, table.get("num_key_value_heads") or heads, head_width
    return Shape(*sizes, config.vocab_size, WIDTHS[model.dtype])


def memory(recipe: Recipe, rows: int, length: int) -> tuple[float, float]:
    """Bytes of the process that trains a recipe's last stage, on CPU and on a GPU (GPU: on the card).

    Weights, gradients and momenta in float32; copies that the stage holds; activations of the forward passes that are
    under way; keys and values of the responses that are sampled at once: on a GPU all of a step, on a CPU one piece of
    rows a core (``models.sample``). On a CPU also the gradients of as many micro-batches as cores, which are added up
    as they come.
    """
    stage, sizes = recipe.stages[-1], shape(recipe)
    held = held_bytes(recipe.model, len(references(stage)) + bool(stage.needs_initial_model))
    weights = 4.0 * parameters(recipe.model) if isinstance(recipe.model, GPT) else 0.0  # transformers adds in place
    token = sizes.wide * (sizes.layers * (14 * sizes.width + 5 * sizes.hidden) + 3 * sizes.vocab)
    wide = 4.0 if isinstance(recipe.model, GPT) else sizes.wide
    kept = 2 * wide * sizes.layers * sizes.kv_heads * sizes.head_width  # of a token
    on_cpu = piece(recipe.model, recipe.precision, native.choice()) if samples(stage) else rows
    card = 65_536 if isinstance(recipe.model, GPT) else min(65_536, LOGITS // sizes.vocab)
    found = []
    for micro, threads, width in ((Machine().most_tokens, cores(), on_cpu), (card, 1, rows)):
        cache_bytes = 0.0
        if samples(stage):  # rows of one prompt share its keys and values, within a piece
            read = length / min(stage.num_samples, width)
            cache_bytes = min(rows, width * threads) * (stage.max_new_tokens + read) * kept
        at_once = min(max(1.0, rows * length / micro), threads)
        activations = min(rows * length, micro * threads) * token
        gradients = weights * at_once
        found.append(PROCESS_BYTES + held + max(activations + gradients, cache_bytes))
    return found[0], found[1]


@cache
def piece(model: GPT | HF, precision: str, kernels: str) -> int:
    """Rows that one core decodes at once, on the kernels that will run such a model here; kernels: $INTERLUDE_KERNELS,
    so that what is kept was found under the same. Raises native.Unavailable as training would."""
    if not isinstance(model, GPT):
        return PIECE
    with autocast(Machine(), precision):
        runs = native.path(replace(model, layers=1).build(0))  # a layer says as much as all of them
    return NATIVE_PIECE if runs == "native" else PIECE


# --- this machine ----------------------------------------------------------------------------------------------------


def cores() -> int:
    """Cores that this process may use: those that it may run on, or fewer where its container's quota of CPU time is
    that of fewer (rounded down, as threads that share a core wait for each other); at least one."""
    most = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, int(min(most, quota())))


def quota() -> float:
    """CPU seconds a second that this container may take, by version 2 or 1 of cgroups; infinity without a limit."""
    with suppress(OSError, ValueError):  # "max 100000" is no number
        most, period = map(int, (CGROUP / "cpu.max").read_text().split())
        return most / period
    with suppress(OSError, ValueError):
        most, period = (int((CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return most / period if most > 0 else math.inf  # -1: no limit
    return math.inf


def free_bytes() -> float:
    """Memory that is free for new processes: what the system says, or what is left of this container's limit."""
    if sys.platform != "linux":
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = 1024.0 * int(lines["MemAvailable"].split()[0])
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.exists() and used.exists() and limit.read_text().strip().isdigit():
        free = min(free, float(limit.read_text()) - float(used.read_text()))
    return free


def worker_count(asked: int | None, runs: int, worker_bytes: float) -> int:
    """How many processes share ``runs`` runs: as many as cores, four fifths of free memory and runs allow, and at most
    as many as were asked for; at least one."""
    most = min(cores(), int(0.8 * free_bytes() // worker_bytes), runs)
    return max(1, most if asked is None else min(asked, most))
