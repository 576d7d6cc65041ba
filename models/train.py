"""The one training loop: collect rows, take optimiser steps, enter the work in the ledger, save, resume."""

from __future__ import annotations

import copy
import json
import math
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from interlude.models import native, texts
from interlude.models.ahead import Ahead
from interlude.models.files import Corrupt, append_jsonl, read_jsonl, write_atomic
from interlude.models.lazy import torch
from interlude.models.ledger import TRAIN, Ledger, forward_cost
from interlude.models.lm import LM
from interlude.models.meter import Meter, check_charged
from interlude.models.optim import Optimiser, make, rate
from interlude.models.parallel import one_by_one
from interlude.models.provenance import check_origin, check_types, types
from interlude.models.stage import Batch, Stage, StageModels, checked_batch
from interlude.models.tensors import read_tensors, write_tensors
from interlude.models.track import Tracker

if TYPE_CHECKING:
    from torch import Tensor

Sums = dict[str, tuple[float, float]]  # by name, a sum and over how many it goes (see Stage.loss_and_metrics)
PRECISIONS = ("float32", "bfloat16")
# Nats a token: a prediction's loss beyond it has diverged, finite or not; guessing costs log V, 4.5 at nano.
EXPLODED = 1e3
# Padded tokens of a forward pass. In torch one core trains nano equally fast at 450 to 2,000, compiled the faster the
# more there are; this many make at least two pieces of a step, one for each core.
CORE_TOKENS = 1024
ACCELERATOR_TOKENS = 65_536
LOGITS = 2**29  # numbers in the logits of one forward pass on an accelerator at most: 2 GB in float32, a few times over
SAVING = 0.05  # share of a run's time that saves may take


@dataclass(frozen=True)
class Machine:
    """Where work is done. Nothing here may change what is done: no field enters a key. (micro_tokens and the device do
    change the order of floating-point sums; threads do not change a bit.)

    device: "cpu", "cuda" or "cuda:N". threads: CPU threads of one run (None: leave torch's). micro_tokens: padded
    tokens of one forward pass at most, as rows are grouped by length and gradients added up (None: what stays in a
    core's cache, or fills an accelerator). save_every: seconds between saves, and longer where saving takes more than
    ``SAVING`` of the time; 0 saves after every step. recompute: keep of each layer only its input, and compute the rest
    again in the backward pass (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174): a third more work for a
    fraction of the memory; of transformers models only. collectors: processes that make batches ahead (see ``Ahead``).
    """

    device: str = "cpu"
    threads: int | None = None
    micro_tokens: int | None = None
    save_every: float = 30.0
    recompute: bool = False
    collectors: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ValueError(f"Machine.device must be cpu, cuda or cuda:N, got {self.device!r}")
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(f"Machine.device is {self.device!r} but this machine has no CUDA device")
        counts = [n for n in (self.micro_tokens, self.threads) if n is not None]
        if any(n < 1 for n in counts) or self.save_every < 0:
            raise ValueError("Machine.micro_tokens and threads must be at least 1 and save_every not negative")
        if self.collectors is not None and self.collectors < 0:
            raise ValueError(f"Machine.collectors must not be negative, got {self.collectors}")

    @property
    def most_tokens(self) -> int:
        """Padded tokens of one forward pass at most."""
        return self.micro_tokens or (CORE_TOKENS if self.device == "cpu" else ACCELERATOR_TOKENS)

    def pass_tokens(self, vocab_size: int) -> int:
        """The same for a model of so many tokens, whose logits must fit an accelerator too."""
        if self.micro_tokens or self.device == "cpu":
            return self.most_tokens
        return max(1, min(self.most_tokens, LOGITS // vocab_size))


class Diverged(ArithmeticError):
    """A loss, a gradient or a reward stopped being a finite number."""


@dataclass
class State:
    """How far a stage has come; everything a resume needs besides weights and momenta.

    kernels: which ran, "native" or "torch" (``models.native``); their bits differ, so a stage ends with those it began
    with. rows: how many rows were trained on, each counted once however many updates its batch feeds.
    """

    step: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    seconds: float = 0.0
    kernels: str = "torch"
    rows: int = 0


def train(
    lm: LM,
    stage: Stage,
    seed: int,
    machine: Machine = Machine(),
    precision: str = "float32",
    folder: Path | None = None,
    references: dict[str, LM] | None = None,
    observe: Callable[[float, dict], None] | None = None,
    origin: dict[str, str] | None = None,
) -> State:
    """Train ``lm`` in place through ``stage``; returns what it cost.

    With a ``folder``, progress is saved there and an interrupted call resumes to the same bits (CPU). ``observe`` is
    called after every step with the share done and the log line. ``origin`` says whose a save is (recipe, seed, code):
    it is kept in every save, and a save of another origin, or of other kernels than would go on here, is refused
    (Corrupt). Raises Diverged, naming stage, step and the last good save, when a loss, gradient or reward is not
    finite; nothing finished is overwritten.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    lm.to(machine.device)
    if machine.recompute:
        recompute(lm)
    start = frozen(lm) if stage.needs_initial_model else None
    models = StageModels(lm, start, references or {})
    with autocast(machine, precision):
        kernels = native.path(lm)
    optimiser = make(stage.optim, lm, kernels)
    origin = origin or {}
    state = resume(folder, lm, optimiser, kernels, origin) if folder else State(kernels=kernels)
    tracker = Tracker(folder) if folder else None
    clock, saved, pause = time.monotonic(), time.monotonic(), machine.save_every
    with Ahead(stage, seed, machine.device, machine.collectors) as ahead:
        while stage.progress(state.step, state.ledger.total_flops) < 1:
            line = one_step(models, stage, seed, state, optimiser, machine, precision, folder, ahead)
            state.step += 1
            now = time.monotonic()
            state.seconds, clock = state.seconds + now - clock, now
            line |= {"step": state.step, "seconds": round(state.seconds, 3), "flops": state.ledger.total_flops}
            line["kernels"] = kernels
            if folder:
                append_jsonl(folder / "log.jsonl", line)
                tracker.log(line)
                if now - saved >= pause:
                    checkpoint(folder, lm, optimiser, state, origin)
                    saved = time.monotonic()
                    pause = max(machine.save_every, (saved - now) / SAVING) if machine.save_every else 0.0
            if observe:
                try:
                    observe(stage.progress(state.step, state.ledger.total_flops), line)
                except KeyboardInterrupt:  # between two steps, so that the save is whole
                    if folder:
                        checkpoint(folder, lm, optimiser, state, origin)
                    raise
    check_weights(lm, f"{type(stage).__name__} at its end", folder)
    if folder:
        tracker.finish()
        check_log(folder, read_jsonl(folder / "log.jsonl"), state.step)
    return state


def recompute(lm: LM) -> None:
    """Let a model compute its activations again in the backward pass. Raises ValueError for one that cannot."""
    change = getattr(lm, "recompute", None)
    if change is None:
        raise ValueError(f"Machine.recompute is for models of transformers, not for a {type(lm).__name__}")
    change()


def check_weights(lm: LM, when: str, folder: Path | None) -> None:
    """Raises Diverged rather than let weights that are not finite be saved."""
    for name, weight in lm.named_parameters():
        if not bool(weight.isfinite().all()):
            raise Diverged(f"{when}: {name} is not finite; {last_good(folder)}")


def one_step(
    models: StageModels,
    stage: Stage,
    seed: int,
    state: State,
    optimiser: Optimiser,
    machine: Machine,
    precision: str,
    folder: Path | None,
    ahead: Ahead | None = None,
) -> dict:
    """Collect once, take the optimiser steps it feeds, and enter the work and the rows; returns the log line.

    ahead: where the batch comes from; None: it is made here. Raises ValueError for a batch that does not fit together
    and for work of the stage that nobody charges.
    """
    name = f"{type(stage).__name__} step {state.step}"
    began = time.monotonic()
    done = stage.progress(state.step, state.ledger.total_flops)
    models = replace(models, done=done)
    models.learner.eval()
    source = ahead or Ahead(stage, seed, machine.device, 0)
    collecting, learning, trained = Meter(models.learner), Meter(models.learner), 0.0

    def collect() -> Batch:
        return checked_batch(stage, models.learner, source.collect(models, state.step))

    with torch.no_grad(), autocast(machine, precision), collecting:
        batch = guarded(name, folder, models.learner, collect)
    collected = time.monotonic()
    models.learner.train()
    multiplier = rate(stage.optim, state.step, done)
    losses, norms, seen, moved = [], [], {}, 0.0
    for nth, part in enumerate(stage.updates(batch)):
        with learning:
            loss, measured = backward(replace(models, update=nth), stage, part, machine, precision)
        seen = added(seen, measured)
        norm = optimiser.clip().item()
        most = EXPLODED if part.old_BT is None else math.inf  # a policy gradient may be a sum over a whole response
        if not (math.isfinite(loss) and abs(loss) <= most and math.isfinite(norm)):
            raise Diverged(f"{name}: loss {loss}, gradient norm {norm}; {last_good(folder)}")
        if norm > 0:  # Muon's step has the same size for any gradient: where there is none, there must be no step
            optimiser.step(multiplier)
            moved += multiplier * stage.optim.main_lr
        optimiser.zero_grad()
        losses.append(loss)
        norms.append(norm)
        cost = forward_cost(models.learner, TRAIN, list(part.lengths), passes=3, logits=stage.target_count(part))
        state.ledger, trained = state.ledger.plus(cost), trained + cost.flops
    check_charged(type(stage).__name__, collecting.flops, batch.spent, learning.flops, trained)
    state.ledger = state.ledger.plus(*batch.spent)
    state.rows += len(batch.lengths)
    if folder:
        texts.append(folder, texts.hashes(batch))
    line = {"loss": sum(losses) / len(losses), "norm": sum(norms) / len(norms), "rate": multiplier}
    line["lr_sum"] = moved
    line |= {name: total / count for name, (total, count) in seen.items()}
    return line | batch.metrics | {"collect_seconds": round(collected - began, 4)}


def guarded(name: str, folder: Path | None, lm: LM, collect: Callable[[], Batch]) -> Batch:
    """``collect()``, with a reward or weights that are not finite reported like any other divergence."""
    try:
        return collect()
    except (FloatingPointError, ValueError) as error:
        # The sampler refuses logits that are not finite; any other ValueError is no divergence.
        if isinstance(error, ValueError) and all(bool(weight.isfinite().all()) for weight in lm.parameters()):
            raise
        raise Diverged(f"{name}: {error}; {last_good(folder)}") from error


def backward(models: StageModels, stage: Stage, batch: Batch, machine: Machine, precision: str) -> tuple[float, Sums]:
    """Gradients of a batch, summed over micro-batches of similar length in a fixed order; returns the loss and what the
    stage measured beside it.

    Micro-batches run side by side (``parallel.one_by_one``). Each returns its own gradients, which are added up here,
    as threads adding to ``.grad`` would add in the order in which they finish.
    """
    weights = [weight for weight in models.learner.parameters() if weight.requires_grad]

    def piece(part: Batch) -> tuple[Tensor, Sums, tuple[Tensor | None, ...]]:
        with autocast(machine, precision):
            loss, measured = checked(stage, stage.loss_and_metrics(models, part.to(machine.device)))
        return loss.detach(), measured, torch.autograd.grad(loss, weights, allow_unused=True)

    parts = micro_batches(batch, machine.pass_tokens(models.learner.vocab_size))
    if machine.device == "cpu":
        found = one_by_one([partial(piece, part) for part in parts])
    else:
        found = map(piece, parts)
    losses, seen = [], {}
    for loss, measured, gradients in found:
        losses.append(loss)
        seen = added(seen, measured)
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
    total = 0.0
    for loss in losses:  # read when all pieces are launched, as reading makes the CPU wait for an accelerator
        total += loss.item()
    return total, seen


def checked(stage: Stage, returned: object) -> tuple[Tensor, Sums]:
    """What ``loss_and_metrics`` returned. Raises ValueError, naming the stage, unless that is a loss and a dict."""
    name = type(stage).__name__
    if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[1], dict):
        raise ValueError(f"{name}.loss_and_metrics must return a loss and a dict, not a {type(returned).__name__}")
    loss = returned[0]
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        what = f"one of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else f"a {type(loss).__name__}"
        raise ValueError(f"{name}.loss must return a tensor of one number, not {what}")
    return returned


def added(sums: Sums, more: Sums) -> Sums:
    """Both sums and both counts, name by name."""
    zero = (0.0, 0.0)
    return sums | {
        name: tuple(a + b for a, b in zip(sums.get(name, zero), pair, strict=True)) for name, pair in more.items()
    }


def micro_batches(batch: Batch, tokens: int) -> list[Batch]:
    """Rows sorted by length and cut into runs of at most ``tokens`` padded tokens (always at least one row).

    More than one run are made an even number of runs as equal as rows allow, for two cores finish together only then.
    """
    if len(batch.lengths) * max(batch.lengths) <= tokens:
        return [batch]
    order = sorted(range(len(batch.lengths)), key=lambda i: (batch.lengths[i], i), reverse=True)
    lengths = [batch.lengths[i] for i in order]
    ends = cuts(lengths, tokens)
    count = len(ends) + len(ends) % 2
    low, high = 1, tokens  # the fewest padded tokens that need no more parts, by halving
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(cuts(lengths, middle)) <= count else (middle + 1, high)
    ends = cuts(lengths, low)
    return [batch.rows(order[start:end]) for start, end in pairwise([0, *ends])]


def cuts(lengths: list[int], tokens: int) -> list[int]:
    """Where runs of rows of falling length end, each of at most ``tokens`` padded tokens or of one row."""
    ends, first = [], 0
    for n in range(1, len(lengths)):
        if (n + 1 - first) * lengths[first] > tokens:
            ends.append(n)
            first = n
    return [*ends, len(lengths)]


def autocast(machine: Machine, precision: str):
    """bfloat16 arithmetic where asked for; float32 weights either way."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(machine.device.split(":")[0], dtype=torch.bfloat16)


def frozen(lm: LM) -> LM:
    """A copy that will not be trained."""
    twin = copy.deepcopy(lm).eval()
    for parameter in twin.parameters():
        parameter.requires_grad_(False)
    return twin


def checkpoint(folder: Path, lm: LM, optimiser, state: State, origin: dict[str, str]) -> None:
    """Weights, momenta and progress in one file, so that they cannot disagree; written beside, then renamed.

    origin: whose this save is; see ``train``.
    """
    check_weights(lm, f"step {state.step}", folder)
    texts.sync(folder)
    tensors = {f"model.{k}": v for k, v in lm.state_dict().items()}
    tensors |= {f"optim.{k}": v for k, v in optimiser.state_dict().items()}
    progress = {"step": state.step, "seconds": state.seconds, "ledger": state.ledger.as_dict()}
    progress |= {"kernels": state.kernels, "rows": state.rows}
    about = json.dumps(progress | {"origin": origin, "types": types(tensors)})
    write_tensors(folder / "state.safetensors", tensors, about)


def resume(folder: Path, lm: LM, optimiser, kernels: str, origin: dict[str, str]) -> State:
    """Load the newest save into ``lm`` and ``optimiser`` and drop log lines and rows written after it.

    Raises Corrupt where the save is damaged, of other kernels or of another ``origin``, the log has lost or repeats
    lines, or rows are lost.
    """
    path = folder / "state.safetensors"
    if not path.exists():
        trim_log(folder, 0)
        texts.trim(folder, 0)
        return State(kernels=kernels)
    try:
        tensors, text = read_tensors(path)
        about = json.loads(text)
        begun = about.get("kernels", "torch")  # the only ones there were when saves did not say
        if begun != kernels:
            raise Corrupt(
                f"{path} is of a stage begun with {begun} kernels, but {kernels} kernels would go on with it: "
                f"set INTERLUDE_KERNELS={begun}, or delete it to start this stage again"
            )
        check_origin(about["origin"], origin)
        check_types(tensors, about["types"], lm.state_dict())
        lm.load_state_dict(part(tensors, "model."))
        optimiser.load_state_dict(part(tensors, "optim."))
        state = State(about["step"], Ledger.from_dict(about["ledger"]), about["seconds"], kernels, about["rows"])
    except Corrupt:
        raise
    except (AttributeError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise Corrupt(f"{path} cannot be continued ({error}); delete it to start this stage again") from error
    trim_log(folder, state.step)
    texts.trim(folder, state.rows)
    return state


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


def trim_log(folder: Path, step: int) -> None:
    """Keep only log lines up to ``step``: later ones will be written again."""
    path = folder / "log.jsonl"
    if path.exists():
        kept = read_jsonl(path, trim=True)[:step] if step else []
        check_log(folder, kept, step)
        write_atomic(path, b"".join(json.dumps(row).encode() + b"\n" for row in kept))
    elif step:
        check_log(folder, [], step)


def check_log(folder: Path, rows: list[dict], steps: int) -> None:
    """Raises Corrupt unless the rows of a log are those of steps 1 to ``steps``, each once and in order."""
    found = [row.get("step") for row in rows]
    if found != list(range(1, steps + 1)):
        wrong = next((n for n, step in enumerate(found, start=1) if step != n), len(found) + 1)
        has = f"step {found[wrong - 1]!r}" if wrong <= len(found) else "nothing"
        path = folder / "log.jsonl"
        raise Corrupt(
            f"{path}, line {wrong}: {has} where step {wrong} of {steps} should stand, so lines were lost, repeated or "
            f"edited; delete it and {folder / 'state.safetensors'} to start this stage again"
        )


def last_good(folder: Path | None) -> str:
    """Where training can go on from, in words."""
    path = folder / "state.safetensors" if folder else None
    return f"last good save: {path}" if path and path.exists() else "no save of this stage yet"
