"""Batches that depend on no weights, made ahead by other processes while an accelerator trains."""

from __future__ import annotations

import io
import logging
import math
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from multiprocessing import connection, resource_tracker
from statistics import median
from threading import Thread
from types import ModuleType

from interlude.models.lazy import torch
from interlude.models.stage import Batch, Stage, StageModels, collects_alone

TRIED = 5  # steps whose batches are made here first, to see what making them ahead would save
WORTH = 10.0  # seconds that it must save: processes are there after two to five, most of it the import of torch
PRELOADED = ("torch.utils.data", "interlude.models.ahead")  # by the server that processes are forked from

logger = logging.getLogger(__name__)


class Ahead:
    """The batches of a stage, step after step: made here or, once that saves time, ahead by other processes.

    Where a batch is made changes no bit of it, as ``collect`` is a pure function. A step that another process cannot
    make is made here, where what is wrong with it is raised. Use it in a ``with`` block, at the end of which no process
    is left.
    """

    def __init__(self, stage: Stage, seed: int, device: str, processes: int | None) -> None:
        """processes: how many, from the first step on; None: none on the CPU, and on an accelerator as many as keep up
        with it where they save ``WORTH`` seconds."""
        self.stage, self.seed = stage, seed
        self.at_once = processes is not None
        self.most = most(device) if processes is None else processes
        if not collects_alone(stage):
            self.most = 0
        self.batches: Iterator[bytes] | None = None
        self.collecting: deque[float] = deque(maxlen=TRIED)  # seconds of making a batch here
        self.training: deque[float] = deque(maxlen=TRIED)  # seconds between two of them
        self.ended = math.nan

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *of) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, and lose what they have made ahead."""
        if self.batches is not None:
            # Private, but nothing else ends them at once: a traceback may still refer to the iterator.
            self.batches._shutdown_workers()
            self.batches = None

    def collect(self, models: StageModels, step: int) -> Batch:
        """The batch of a step; steps are asked for one after another."""
        if self.batches is None and (processes := self.wanted(models.done, step)):
            self.start(models, step, processes)
        made = b"" if self.batches is None else self.received()
        return pickle.loads(made) if made else self.here(models, step)

    def wanted(self, done: float, step: int) -> int:
        """How many processes to start now. done: the share of the stage that ``step`` steps have done."""
        if self.at_once or not self.most:
            return self.most
        if len(self.training) < TRIED or done <= 0:
            return 0
        collecting, left = median(self.collecting), step * (1 - done) / done
        if collecting * left < WORTH:
            return 0
        return min(self.most, 1 + math.ceil(collecting / max(median(self.training), 1e-3)))

    def start(self, models: StageModels, step: int, processes: int) -> None:
        """Let processes make the batches from ``step`` on. Where the stage cannot be sent to them, it stays here."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        try:
            with apart():
                maker = Maker(pickle.dumps(self.stage), weightless(models), self.seed)
                loader = torch.utils.data.DataLoader(
                    maker,
                    batch_size=None,
                    sampler=count(step),
                    num_workers=processes,
                    multiprocessing_context=context,
                    worker_init_fn=serve,
                    generator=torch.Generator(),  # else it draws from the whole process's
                )
                self.batches = iter(loader)
        except (AttributeError, OSError, TypeError, pickle.PicklingError) as error:
            self.give_up(f"others cannot be started for it ({error})")

    def received(self) -> bytes:
        """The next batch that was made ahead, pickled; empty if there is none."""
        try:
            made = next(self.batches)
        except RuntimeError as error:  # a process ended: killed, or out of memory
            self.give_up(str(error))
            return b""
        if not made:
            self.give_up("another process failed at it")
        return made

    def here(self, models: StageModels, step: int) -> Batch:
        """The batch of a step, made in this process."""
        began = time.monotonic()
        if not math.isnan(self.ended):
            self.training.append(began - self.ended)
        batch = self.stage.collect(models, self.seed, step, range(self.stage.batch_size))
        self.ended = time.monotonic()
        self.collecting.append(self.ended - began)
        return batch

    def give_up(self, why: str) -> None:
        """Make all further batches here."""
        self.close()
        self.most = 0
        logger.warning("%s makes its batches in this process: %s", type(self.stage).__name__, why)


class Maker:
    """What another process makes batches with. stage, models: pickled, as what cannot be read there must not end it."""

    def __init__(self, stage: bytes, models: bytes, seed: int) -> None:
        self.stage, self.models, self.seed = stage, models, seed

    @cached_property
    def parts(self) -> tuple[Stage, StageModels]:
        return pickle.loads(self.stage), pickle.loads(self.models)

    def __getitem__(self, step: int) -> bytes:
        """The batch of a step, pickled: through a pipe, as shared memory is scarce in containers. Empty if it cannot be
        made here: then it is made where it is needed, and says there what is wrong."""
        try:
            stage, models = self.parts
            with torch.no_grad():
                return pickle.dumps(stage.collect(models, self.seed, step, range(stage.batch_size)))
        except Exception:
            return b""


def serve(*_) -> None:
    """Let this process end when the one that it works for does, however that ends, and at no Ctrl-C.

    torch asks whether the parent still lives, but here that is the server, which lives as long as those it forked.
    """

    def wait() -> None:
        connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a server that somebody else had started, which hears it
    Thread(target=wait, daemon=True).start()


class Weightless(pickle.Pickler):
    """Pickles shapes in place of tensors: a model keeps its tokenizer and its sizes, and whatever reads a weight fails
    in place of being wrong."""

    def reducer_override(self, each):
        return (shape, (each.shape, each.dtype)) if isinstance(each, torch.Tensor) else NotImplemented


def shape(size: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor without numbers."""
    return torch.empty(size, dtype=dtype, device="meta")


def weightless(models: StageModels) -> bytes:
    """What a stage that reads no weights may look at. How much of the stage is done is not known ahead, so that None
    stands there: what computes with it fails too."""
    found = io.BytesIO()
    known = StageModels(models.learner, models.start, models.references, done=None)
    Weightless(found, pickle.HIGHEST_PROTOCOL).dump(known)
    return found.getvalue()


def most(device: str) -> int:
    """How many processes may make batches ahead: all cores but one for this process."""
    if device == "cpu" or multiprocessing.current_process().daemon:  # a daemon may start none
        return 0
    return (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1) - 1


@contextmanager
def apart() -> Iterator[None]:
    """Processes that begin inside know nothing of the script that is running, which would otherwise be run again in
    each, and do not hear Ctrl-C, which is for this process: it saves and ends them."""
    resource_tracker.ensure_running()  # else it is started inside, and unblocks the signal
    script, heard = sys.modules["__main__"], signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
