"""Independent pieces of work are done side by side, one core each, with the same bits as one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

from interlude.models.lazy import torch

S, T = TypeVar("S"), TypeVar("T")


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


def together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all jobs, in order, using as many threads as torch was given (``torch.set_num_threads``).

    The caller's gradient mode and autocast hold in every job. The first exception of a job is raised here.
    """
    return list(one_by_one(jobs))


def in_pieces(job: Callable[[Sequence[S]], T], items: Sequence[S], size: int, device: torch.device) -> list[T]:
    """``job`` of each run of ``size`` items, in order: side by side on a CPU, where no bit depends on how many threads
    there are; one after the other on an accelerator, whose memory they share."""
    jobs = [partial(job, items[first : first + size]) for first in range(0, len(items), size)]
    return together(jobs) if device.type == "cpu" else [each() for each in jobs]


def one_by_one(jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
    """``together``, handing over each result in its turn, so that large ones need not all be kept at once.

    Every job computes on one core. At width 128 this is also faster than letting cores share each small product:
    threads meet once a job, not at every operation. Work made of thousands of small operations gains little, as threads
    wait for Python's lock at every one; compiled kernels (``models.native``) do not hold it. Gradient mode and
    autocast, which torch keeps for each thread, are the caller's in every job; they and the number of threads must stay
    as they are until the last result.
    """
    grad, cast, dtype = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def done(job: Callable[[], T]) -> T:
        with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype, enabled=cast):
            return job()

    with one_core() as threads:
        if threads == 1 or len(jobs) == 1:
            yield from map(done, jobs)
        else:
            yield from pool(threads).map(done, jobs)


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Threads are kept, as starting one takes longer than a small job."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
