"""Independent pieces of work are done side by side, one core each, with the same bits as one after the other."""

from __future__ import annotations

import atexit
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def one_core() -> Iterator[int]:
    """Every operation inside runs on one core, so that the order of its sums, and with it every bit of its result, does
    not depend on how many threads torch was given; yields that number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def modes(grad: bool, cast: bool, dtype: torch.dtype) -> Iterator[None]:
    """Gradient mode and autocast, which torch keeps for each thread."""
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype, enabled=cast):
        yield


def current_modes() -> tuple[bool, bool, torch.dtype]:
    """What ``modes`` is given to bring about what holds here."""
    return torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")


def together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all jobs, in order, using as many threads as torch was given (``torch.set_num_threads``).

    Every job computes on one core. At width 128 this is also faster than letting cores share each small product:
    threads meet once a job, not at every operation. The caller's gradient mode and autocast hold in every job. The
    first exception of a job is raised here.
    """
    held = current_modes()

    def done(job: Callable[[], T]) -> T:
        with modes(*held):
            return job()

    with one_core() as threads:
        if threads == 1 or len(jobs) == 1:
            return [job() for job in jobs]
        return list(pool(threads).map(done, jobs))


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Threads are kept, as starting one takes longer than a small job."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


def apart(work: Callable[..., T], arguments: Sequence[tuple]) -> list[T]:
    """``[work(*each) for each in arguments]`` as ``together`` does it, but in processes: for work made of thousands of
    small operations, as threads would wait for Python's lock at every one (studies/LOG.md, 2026-11-22).

    ``work`` and ``arguments`` must be picklable, ``work`` must not change its arguments. This process takes its share;
    helpers, one fewer than torch was given threads, start at the first call that could use them and stay. Until they
    are ready, threads do the work: nothing but speed depends on it. The first exception is raised here; RuntimeError
    where a helper ended before it answered.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(arguments) == 1:
        return together([partial(work, *each) for each in arguments])
    while len(HELPERS) < threads - 1:
        HELPERS.append(Helper())
    if not all(helper.ready() for helper in HELPERS[: threads - 1]):
        return together([partial(work, *each) for each in arguments])
    shares = [arguments[nth::threads] for nth in range(threads)]
    busy = [(helper, share) for helper, share in zip(HELPERS, shares[1:], strict=False) if share]
    try:
        for helper, share in busy:
            helper.send((work, share, current_modes()))
        with one_core():
            found = [[work(*each) for each in shares[0]]]
        found += [helper.receive() for helper, _ in busy]
    except BaseException:  # an answer nobody waits for would be taken for the next one
        dismiss()
        raise
    return [found[nth % threads][nth // threads] for nth in range(len(arguments))]


class Helper:
    """A process that works for this one on one core and ends with it. Ctrl-C does not reach it: its master kills it."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)  # what is importable here is there
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from models.parallel import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        self.waited = False

    def ready(self) -> bool:
        """Whether it has started; does not wait for it."""
        if not self.waited and select.select([self.process.stdout], [], [], 0)[0]:
            self.receive()
            self.waited = True
        return self.waited

    def send(self, job: tuple) -> None:
        try:
            pickle.dump(job, self.process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(self.ended()) from None

    def receive(self) -> list:
        """The next answer; raises what its work raised."""
        try:
            found = pickle.load(self.process.stdout)
        except EOFError:
            raise RuntimeError(self.ended()) from None
        if isinstance(found, Exception):
            raise found
        return found

    def ended(self) -> str:
        return f"a helper process ended (exit code {self.process.wait()}) before it answered"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stdin):
            try:
                pipe.close()
            except BrokenPipeError:  # what was still to be sent has no reader
                pass


HELPERS: list[Helper] = []
os.register_at_fork(after_in_child=HELPERS.clear)  # a child must not talk through its parent's pipes


@atexit.register
def dismiss() -> None:
    """End all helpers; the next call of ``apart`` hires others."""
    while HELPERS:
        HELPERS.pop().kill()


def serve() -> None:
    """What a helper does: answer each (work, arguments, modes) that it reads, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints can spoil an answer
    torch.set_num_threads(1)
    found: list | Exception = []
    while True:
        pickle.dump(found, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()
        try:
            work, arguments, held = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            with modes(*held):
                found = [work(*each) for each in arguments]
        except Exception as error:
            found = error
