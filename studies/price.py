"""What a study will take before it is begun: tokens, FLOPs, memory, disk, and how many processes fit this machine."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

from interlude.models.gpt import GPT
from interlude.models.hf import HF
from interlude.models.key import remembering
from interlude.models.ledger import REFERENCE, TRAIN, Ledger, decode_cost, forward_cost
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.stage import Stage
from interlude.models.train import Machine
from interlude.studies.exam import Exam
from interlude.studies.refusal import Refused
from interlude.studies.study import Study, plan
from interlude.synth.source import Mixture, Source

DRAWN = 64  # problems of a source that mean lengths are taken from
PROCESS_BYTES = 300e6  # of a process that has imported torch and has no model
LINE_BYTES = 600  # of a log line


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


def samples(stage: Stage) -> bool:
    """Whether a stage samples responses."""
    return "num_samples" in {field.name for field in fields(stage)}


def row_lengths(stage: Stage) -> tuple[int, int, int]:
    """Rows that a step trains on, and the mean tokens of a question and of a worked solution in them."""
    names = {field.name for field in fields(stage)}
    sources = [getattr(stage, name) for name in ("data", "replay") if name in names]
    rows = stage.batch_size * (stage.num_samples if samples(stage) else 1)
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
    if samples(stage):
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
        whole = [question + solution] * exam.problems  # nothing is sampled: one pass reads them, as fast as training
        spent = [forward_cost(Counted(model), REFERENCE, whole, logits=exam.problems * solution)]
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
    under way; keys and values of all responses sampled at once. On a CPU also the gradients of as
    many micro-batches as cores, which are added up as they come.
    """
    stage, sizes = recipe.stages[-1], recipe.model
    weights = 4.0 * parameters(sizes)
    held = weights * (1 + 1 + 2 + len(references(stage)) + bool(stage.needs_initial_model))
    token = (4.0 if recipe.precision == "float32" else 2.0) * (
        sizes.layers * (14 * sizes.width + 5 * sizes.hidden) + 3 * sizes.vocab.size
    )
    cache_bytes = 0.0
    if samples(stage):
        kept = 2 * 4.0 * sizes.layers * sizes.kv_heads * sizes.head_width
        cache_bytes = rows * (stage.max_new_tokens + length / stage.num_samples) * kept
    found = []
    for micro, threads in ((Machine().most_tokens, cores()), (65_536, 1)):
        at_once = min(max(1.0, rows * length / micro), threads)
        activations = min(rows * length, micro * threads) * token
        gradients = weights * at_once
        found.append(PROCESS_BYTES + held + max(activations + gradients, cache_bytes))
    return found[0], found[1]


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
