"""How fast the parts are on this machine, side by side with a peer doing equal work where there is one."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interlude.models.gpt import GPTModel
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.optim import Optim, make, rate
from interlude.models.stages import Batch, StageModels
from interlude.models.stages.pretrain import Pretrain
from interlude.models.train import PRECISIONS, Machine, State, autocast, one_step
from interlude.studies.exam import Exam, evaluate
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.scales import NANO
from interlude.synth.problem import Problem
from interlude.synth.rng import below, rng, uniforms
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

# Shapes: B rows, T positions, V tokens of the vocabulary.

PARTS = ("generate", "verify", "train", "sample", "exam")
OPS = (10, 10)  # where the reference study's generator and verifier were measured (anchors.md 1a)
THREADS = min(2, os.cpu_count() or 1)  # what the targets are stated for
ROUNDS = 5  # at least, however short ``seconds`` is
PROBLEMS = 200  # of one timed turn of generate and verify
STEPS = 6  # of one timed turn of train
MAX_NEW = 108  # a worked solution at the edge of nano; the same on both sides
BATCHES = (128, 256)
GROUPS = (16, 1)  # responses a prompt: as RL and exams ask for them, and all prompts different
SAMPLES, SAMPLED_PROBLEMS = 256, 4
MISSING = "transformers is not installed"


@dataclass(frozen=True)
class Measure:
    """One line of the bench.

    rate: the median over ``repeats`` turns, in ``unit``. spread: their interquartile range over the median. peer: what
    it is compared with, or why with nothing; peer_rate: the peer's median in the same run, ratio: the median of
    rate / peer rate of neighbouring turns; both None without a peer. target: what the project asks for, in words.
    memory_mb: largest resident memory, in 10^6 bytes, of a process that does only this, where it was measured.
    """

    part: str
    what: str
    rate: float
    unit: str
    peer: str
    peer_rate: float | None
    ratio: float | None
    target: str
    threads: int
    memory_mb: float | None
    repeats: int
    spread: float

    def as_dict(self) -> dict[str, str | float | int | None]:
        """The fields, for JSON."""
        return asdict(self)


def say(line: str) -> None:
    """Progress goes to standard error, so that JSON on standard output stays whole."""
    print(line, file=sys.stderr, flush=True)


def bench(parts: tuple[str, ...] = PARTS, seconds: float = 5.0, note: Callable[[str], None] = say) -> list[Measure]:
    """Measure the parts at scale nano, one after the other.

    seconds: how long each side of each comparison runs (at least ``ROUNDS`` turns are taken). note: told each result as
    it comes. Sides take turns, in alternating order, so that a change of the machine's speed meets all of them. Garbage
    is collected between turns only; torch's threads and random state are left as they were found.

    Raises ValueError for an unknown part or seconds that are not positive.
    """
    unknown = [part for part in parts if part not in MEASURES]
    if unknown:
        raise ValueError(f"parts must be among {', '.join(PARTS)}, got {unknown[0]!r}")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"seconds must be positive and finite, got {seconds}")
    found = []
    for part in parts:
        with torch.random.fork_rng(devices=[]):
            for result in MEASURES[part](seconds):
                note(sentence(result))
                found.append(result)
    return found


def sentence(found: Measure) -> str:
    """A result in words."""
    against = f"; {found.ratio:.1f}x {found.peer}" if found.ratio is not None else ""
    memory = f"; at most {found.memory_mb:.0f} MB" if found.memory_mb is not None else ""
    return f"{found.part}: {found.what}: {found.rate:,.0f} {found.unit}{against}{memory} (target: {found.target})"


# --- timing ----------------------------------------------------------------------------------------------------------


@contextmanager
def still(threads: int) -> Iterator[None]:
    """No garbage collection and exactly so many torch threads inside; both as before outside."""
    before, collecting = torch.get_num_threads(), gc.isenabled()
    gc.collect()
    gc.disable()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()


def race(sides: dict[str, Callable[[], float]], seconds: float, threads: int) -> dict[str, list[float]]:
    """Rates of each side, turn by turn. A side does some work and returns how much; its first turn is warm-up."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    with still(threads):
        for name in order:
            sides[name]()
        began = time.perf_counter()
        while len(rates[order[0]]) < ROUNDS or time.perf_counter() - began < seconds * len(sides):
            for name in order:
                start = time.perf_counter()
                amount = sides[name]()
                rates[name].append(amount / (time.perf_counter() - start))
            order.reverse()
            gc.collect()
    return rates


def measured(
    part: str,
    what: str,
    unit: str,
    rates: list[float],
    peer: str,
    target: str,
    threads: int,
    peer_rates: list[float] | None = None,
    memory_mb: float | None = None,
) -> Measure:
    """A line from the rates of neighbouring turns."""
    low, middle, high = np.quantile(rates, (0.25, 0.5, 0.75)).tolist()
    peer_rate = ratio = None
    if peer_rates is not None:
        peer_rate = median(peer_rates)
        ratio = median(ours / theirs for ours, theirs in zip(rates, peer_rates, strict=True))
    spread = (high - low) / middle
    return Measure(part, what, middle, unit, peer, peer_rate, ratio, target, threads, memory_mb, len(rates), spread)


# --- problems --------------------------------------------------------------------------------------------------------


def generate(seconds: float) -> Iterator[Measure]:
    """Problems with text and token ids, from fresh paths, on one core."""
    sides = {}
    for mode, dialect in (("forward", "terse"), ("reverse", "terse"), ("forward", "prose"), ("reverse", "prose")):
        source = NANO.source(OPS, length=None, mode=mode, dialect=dialect)
        sides[f"{dialect}, {mode}"] = writer(source, replace(NANO.model.vocab, dialects=(dialect,)))
    rates = race(sides, seconds, threads=1)
    for name in sides:
        what = f"op-{OPS[0]} problems with text and token ids, {name}"
        peer = (
            "none in this run; reference generator elsewhere (anchors.md 1a): 54 forward, 4.8 in its own mix of modes"
        )
        target = "at least 2,000; the goal is 10,000" if name == "terse, forward" else "none stated"
        yield measured("generate", what, "problems/s", rates[name], peer, target, threads=1)


def writer(source: Source, vocab: Vocabulary) -> Callable[[], float]:
    """Writes ``PROBLEMS`` new problems a turn."""
    turn = iter(range(sys.maxsize))

    def write() -> float:
        first = next(turn)
        for row in range(PROBLEMS):
            problem = source.problem("bench", first, row)
            vocab.encode(problem.question)
            vocab.encode(problem.solution)
        return PROBLEMS

    return write


def judge(seconds: float) -> Iterator[Measure]:
    """Traces judged by ``synth.verify``, on one core."""
    source = NANO.source(OPS, length=None)
    problems = [source.problem("bench", row) for row in range(PROBLEMS)]
    gold = [(problem, problem.solution) for problem in problems]
    wrong = [(problem, mutated(problem, row)) for row, problem in enumerate(problems)]
    check_judged(gold, wrong)
    sides = {"gold": judging(gold), "one wrong number": judging(wrong)}
    rates = race(sides, seconds, threads=1)
    for name in sides:
        what = f"op-{OPS[0]} terse traces, {name}, each with a problem not seen before"
        peer = "none in this run; reference verifier elsewhere (anchors.md 1a): 1,199 on gold traces"
        yield measured("verify", what, "traces/s", rates[name], peer, "at least 10,000", threads=1)


def mutated(problem: Problem, row: int) -> str:
    """The solution with one of its numbers changed to another."""
    vocab, draw = NANO.model.vocab, rng("bench", "mutated", row)
    tokens = [vocab.tokens[i] for i in vocab.encode(problem.solution)]
    numbers = [at for at, token in enumerate(tokens) if token.isdecimal()]
    at = numbers[below(draw, len(numbers))]
    tokens[at] = str((int(tokens[at]) + 1 + below(draw, vocab.modulus - 1)) % vocab.modulus)
    return vocab.decode([vocab.ids[token] for token in tokens])


def check_judged(gold: list[tuple[Problem, str]], wrong: list[tuple[Problem, str]]) -> None:
    """Speed on a verdict that is wrong means nothing: raises ArithmeticError for one."""
    for traces, strict in ((gold, True), (wrong, False)):
        for problem, text in traces:
            if verify(problem, text).strict is not strict:
                raise ArithmeticError(f"the verifier's strict verdict must be {strict} for this solution: {text}")


def judging(traces: list[tuple[Problem, str]]) -> Callable[[], float]:
    """Judges all traces a turn."""

    def verdicts() -> float:
        for problem, text in traces:
            verify(replace(problem), text)  # a copy has derived nothing yet, as when responses come from a file
        return len(traces)

    return verdicts


# --- training --------------------------------------------------------------------------------------------------------


def training_stage(optim: Optim) -> Pretrain:
    """Nano's first stage of pre-training."""
    return replace(NANO.base().stages[0], optim=optim)


def train(seconds: float) -> Iterator[Measure]:
    """Our loop, whole (problems are made, encoded and packed in the time), against a plain loop fed by the same code.

    Both sides read the same rows in the same order and use a fused AdamW with the same rates, decay and clipping; the
    plain loop runs each batch at once, padded to its longest row. Tokens are counted without padding. Ours in bfloat16
    is held against the plain loop in the precision in which that is faster.
    """
    memory = peak_memory()
    muon = NANO.base().stages[0].optim
    adam = replace(muon, kind="adamw", weight_decay=0.0)
    sides = {"AdamW": our_loop(training_stage(adam)), "Muon": our_loop(training_stage(muon))}
    sides["AdamW, bfloat16"] = our_loop(training_stage(adam), "bfloat16")
    peer, faster, plain = MISSING, None, {}
    if find_spec("transformers"):
        peer = "a plain loop over Qwen3ForCausalLM with the same weights, batches and AdamW"
        plain = {precision: plain_loop(training_stage(adam), precision) for precision in PRECISIONS}
    rates = race(sides | plain, seconds, THREADS)
    what = f"pre-training tokens, {NANO.batch_size} rows a step, data made on the way"
    target = "at least 1.5x the peer, under 2,000 MB"
    more = {"threads": THREADS, "memory_mb": memory}
    yield measured(
        "train", f"{what}, AdamW", "tokens/s", rates["AdamW"], peer, target, peer_rates=rates.get("float32"), **more
    )
    if plain:
        faster, slower = sorted(plain, key=lambda precision: median(rates[precision]), reverse=True)
        peer = f"the same plain loop in {faster}, where it is faster than in {slower} (bfloat16 is torch's autocast)"
    yield measured(
        "train",
        f"{what}, AdamW, bfloat16",
        "tokens/s",
        rates["AdamW, bfloat16"],
        peer,
        "at least 1.5x the peer",
        THREADS,
        peer_rates=rates.get(faster),
    )
    peer = "none: transformers has no Muon; see the line with AdamW"
    yield measured("train", f"{what}, Muon as in nano", "tokens/s", rates["Muon"], peer, "under 2,000 MB", **more)


def our_loop(stage: Pretrain, precision: str = "float32") -> Callable[[], float]:
    """Takes ``STEPS`` steps a turn with the training loop's own step."""
    models = StageModels(NANO.model.build(0))
    optimiser, state = make(stage.optim, models.learner), State()

    def steps() -> float:
        before = state.ledger.total_tokens
        for _ in range(STEPS):
            one_step(models, stage, 0, state, optimiser, Machine(), precision, None)
            state.step += 1
        return state.ledger.total_tokens - before

    return steps


def plain_loop(stage: Pretrain, precision: str = "float32") -> Callable[[], float]:
    """Takes ``STEPS`` steps a turn as anyone would write them for a transformers model."""
    models = StageModels(NANO.model.build(0))
    peer = twin(models.learner).train()
    adam = plain_adam(peer, stage.optim)
    counter = iter(range(sys.maxsize))

    def steps() -> float:
        tokens = 0
        for _ in range(STEPS):
            step = next(counter)
            batch = stage.collect(models, 0, step, range(stage.batch_size))
            multiplier = rate(stage.optim, step, stage.progress(step, 0.0))
            plain_step(peer, adam, stage.optim, batch, multiplier, precision)
            tokens += sum(batch.lengths)
        return tokens

    return steps


def plain_adam(peer: nn.Module, optim: Optim) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        peer.parameters(), lr=optim.other_lr, betas=optim.betas, weight_decay=optim.weight_decay, fused=True
    )


def plain_step(
    peer: nn.Module,
    adam: torch.optim.AdamW,
    optim: Optim,
    batch: Batch,
    multiplier: float,
    precision: str = "float32",
) -> float:
    """One step on the whole padded batch; returns the loss. Padding is on the right, so causality needs no mask."""
    with autocast(Machine(), precision):
        logits_BTV = peer(input_ids=batch.ids_BT[:, :-1], use_cache=False).logits.float()
    targets_BT = batch.ids_BT[:, 1:].masked_fill(batch.gain_BT[:, 1:] == 0, -100)
    loss = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-100)
    loss.backward()
    nn.utils.clip_grad_norm_(peer.parameters(), optim.clip)
    for group in adam.param_groups:
        group["lr"] = optim.other_lr * multiplier
    adam.step()
    adam.zero_grad()
    return loss.item()


def twin(model: GPTModel) -> nn.Module:
    """The transformers model with the same weights."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with tempfile.TemporaryDirectory() as folder:
            save_pretrained(model, folder, tokenizer=False)
            return AutoModelForCausalLM.from_pretrained(folder)
    finally:
        if bars:
            logging.enable_progress_bar()


def peak_memory() -> float:
    """Largest resident memory (10^6 bytes) of a fresh process that takes a few steps of each of nano's base stages."""
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    code = "from interlude.studies.bench import few_steps, resident_peak; few_steps(); print(resident_peak())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,  # its own words say more than an exit code
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the process whose memory was to be measured failed: {done.stderr.strip()[-500:]}")
    return float(done.stdout)


def few_steps() -> None:
    """One turn of each base stage."""
    torch.set_num_threads(THREADS)
    for stage in NANO.base().stages:
        our_loop(stage)()


def resident_peak() -> float:
    """Largest resident memory of this process so far, in 10^6 bytes.

    Linux lets a child inherit its parent's ``ru_maxrss`` over exec, so there the mark of the address space is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


# --- sampling and examining ------------------------------------------------------------------------------------------


class Endless(GPTModel):
    """A model that never stops, so that every row gets as many tokens as there is room for."""

    @property
    def end(self) -> int:
        return -1


def endless() -> Endless:
    """Nano with fresh weights: what it says is noise, what it costs is not."""
    model = Endless(NANO.model)
    model.load_state_dict(NANO.model.build(0).state_dict())
    return model.eval()


def sample(seconds: float) -> Iterator[Measure]:
    """New tokens a second; ending is disabled on both sides, so both make ``MAX_NEW`` a row."""
    model = endless()
    installed = find_spec("transformers") is not None
    peer = "transformers generate, same weights and prompts, its cache, sdpa, no top-k" if installed else MISSING
    source = NANO.source(NANO.edge, split="held_out")
    for rows, group in product(BATCHES, GROUPS):
        prompts = [model.encode(source.problem("bench", row // group).question) for row in range(rows)]
        sides = {"ours": our_sampler(model, prompts)}
        if installed:
            sides["peer"] = plain_sampler(model, prompts)
        rates = race(sides, seconds, THREADS)
        asked = f"{group} responses a prompt" if group > 1 else "all prompts different"
        what = f"new tokens, batch {rows}, {asked}, {MAX_NEW} a row whatever is said"
        target = "at least 2x the peer; the goal is 5x"
        yield measured("sample", what, "tokens/s", rates["ours"], peer, target, THREADS, peer_rates=rates.get("peer"))


def our_sampler(model: GPTModel, prompts: list[list[int]]) -> Callable[[], float]:
    """Continues all prompts a turn, drawing each row's stream in the time."""
    counter = iter(range(sys.maxsize))

    def tokens() -> float:
        turn = next(counter)
        streams = np.stack([uniforms("bench", turn, row, n=MAX_NEW) for row in range(len(prompts))])
        return full(sum(map(len, model.sample(prompts, streams, max_new_tokens=MAX_NEW).ids)), prompts)

    return tokens


def plain_sampler(model: GPTModel, prompts: list[list[int]]) -> Callable[[], float]:
    """Continues all prompts a turn with ``generate``, which wants them padded on the left."""
    peer = twin(model).eval()
    peer.generation_config.eos_token_id = None
    ids_BT, mask_BT = padded_left(prompts, model.pad)

    def tokens() -> float:
        with torch.inference_mode():
            made_BT = peer.generate(
                input_ids=ids_BT,
                attention_mask=mask_BT,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=MAX_NEW,
                pad_token_id=model.pad,
            )
        return full(made_BT.size(0) * (made_BT.size(1) - ids_BT.size(1)), prompts)

    return tokens


def full(tokens: int, prompts: list[list[int]]) -> int:
    """``tokens``; raises ArithmeticError if some row stopped early, for then the sides did not do equal work."""
    if tokens != len(prompts) * MAX_NEW:
        raise ArithmeticError(f"{len(prompts)} rows of {MAX_NEW} tokens were asked for, {tokens} tokens came back")
    return tokens


def padded_left(prompts: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """ids_BT and the mask of what is not padding."""
    longest = max(map(len, prompts))
    ids_BT = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask_BT = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids_BT, mask_BT


def examine(seconds: float) -> Iterator[Measure]:
    """Exact examination against sampling the same problems; samples are as long as a worked solution is on average.

    ``sampled`` works through its problems in batches of a fixed size, so its cost is linear in their number and a few
    of the paper's problems give its rate.
    """
    model = endless()
    ops = NANO.edge[1]
    exact = ExactExam("bench", NANO.source((ops, ops), split="held_out"), NANO.problems)
    lengths = [len(model.encode(problem.solution)) for problem in exact.draw_problems()[:SAMPLED_PROBLEMS]]
    length = round(sum(lengths) / len(lengths))
    some = SampledExam("bench", exact.source, SAMPLED_PROBLEMS, samples=SAMPLES, max_new_tokens=length)
    rates = race({"exact": examining(model, exact), "sampled": examining(model, some)}, seconds, THREADS)
    taken = exact.problems / median(rates["exact"])
    what = f"problems examined exactly, {exact.problems} of ops {ops}, {taken:.2f} s in all"
    peer = (
        f"{SAMPLES} samples of {length} tokens a problem, {SAMPLED_PROBLEMS} of the same problems, scaled up linearly"
    )
    yield measured(
        "exam", what, "problems/s", rates["exact"], peer, "at least 50x the peer", THREADS, peer_rates=rates["sampled"]
    )


def examining(model: GPTModel, exam: Exam) -> Callable[[], float]:
    """Takes the exam once a turn."""

    def problems() -> float:
        evaluate(model, exam)
        return exam.problems

    return problems


MEASURES = {"generate": generate, "verify": judge, "train": train, "sample": sample, "exam": examine}
