"""What the bench measures: descriptions of a model, its stages and its problems, and where and how long they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from interlude.models import native
from interlude.models.bench.timing import Clock, clock
from interlude.models.gpt import GPT
from interlude.models.gpt_network import GPTModel
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.train import PRECISIONS, Machine, autocast
from interlude.synth.source import Source


@dataclass(frozen=True)
class Workload:
    """One scale's work.

    pretrain: is trained with AdamW and with Muon. rl: in the shape (prompts, responses, length) that ``Size`` gives.
    problems: what is generated and verified. prompts: what is sampled from and reinforced. exact, sampled: examine a
    model and return how many problems that were; ``sampled`` draws ``samples`` responses a problem.
    """

    model: GPT
    pretrain: Pretrain
    rl: RL
    problems: Source
    prompts: Source
    exact: Callable[[GPTModel], int]
    sampled: Callable[[GPTModel], int]
    samples: int


@dataclass(frozen=True)
class Size:
    """How much is measured.

    rounds: turns of each side at least. seconds: for each side at least. problems, steps: of one turn. batch: rows that
    are sampled together, in groups of ``group`` responses a prompt. max_new_tokens: of every row, on both sides; a
    worked solution at the edge of nano is as long.
    """

    rounds: int = 7
    seconds: float = 5.0
    problems: int = 200
    steps: int = 6
    batch: int = 128
    group: int = 16
    max_new_tokens: int = 108


QUICK = Size(rounds=3, seconds=0.5, problems=50, steps=2, batch=32)


@dataclass(frozen=True)
class Setup:
    """Where and how carefully it is measured. threads: of torch; one, unless waiting for threads is to count. busy:
    figures that a busy machine may have spoilt are given too, each with the reason to doubt it.
    Raises ValueError for a bad device or precision or fewer than one thread."""

    device: str = "cpu"
    threads: int = 1
    precision: str = "float32"
    size: Size = Size()
    clock: Clock = field(default_factory=Clock)
    busy: bool = False

    def __post_init__(self) -> None:
        Machine(device=self.device, threads=self.threads)
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")

    @property
    def machine(self) -> Machine:
        return Machine(device=self.device, threads=self.threads)


def setup(
    device: str = "cpu", threads: int = 1, precision: str = "float32", quick: bool = False, busy: bool = False
) -> Setup:
    """A setup with the device's clock."""
    return Setup(device, threads, precision, QUICK if quick else Size(), clock(device), busy)


@contextmanager
def kernels(choice: str) -> Iterator[None]:
    """``choice`` ("native" or "torch") of ``models.native`` inside; the user's outside."""
    before = os.environ.get("INTERLUDE_KERNELS")
    os.environ["INTERLUDE_KERNELS"] = choice
    try:
        yield
    finally:
        if before is None:
            del os.environ["INTERLUDE_KERNELS"]
        else:
            os.environ["INTERLUDE_KERNELS"] = before


def no_native(model: GPTModel, setup: Setup) -> str | None:
    """Why compiled kernels do not run this model here; None if they do."""
    with autocast(setup.machine, setup.precision):
        return native.unsupported(model) or native.library()[1]


class Endless(GPTModel):
    """A model that never stops, so that every row has as many tokens as there is room for."""

    @property
    def end(self) -> int:
        return -1


def endless(sizes: GPT, device: str) -> Endless:
    """Fresh weights: what they say is noise, what it costs is not."""
    model = Endless(sizes)
    model.load_state_dict(sizes.build(0).state_dict())
    return model.eval().to(device)
