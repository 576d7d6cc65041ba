"""Independent pieces of work are done side by side, one core each, with the same bits as one after the other."""

from __future__ import annotations

import atexit
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
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
def modes(grad: bool, cast: bool, dtype: torch.dtype, precision: str) -> Iterator[None]:
    """Gradient mode and autocast, which torch keeps for each thread, and the precision of products, for a process."""
    if torch.get_float32_matmul_precision() != precision:
        torch.set_float32_matmul_precision(precision)
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype, enabled=cast):
        yield


def current_modes() -> tuple[bool, bool, torch.dtype, str]:
    """What ``modes`` is given to bring about what holds here."""
    cast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    return torch.is_grad_enabled(), *cast, torch.get_float32_matmul_precision()


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

    This process does its share and helpers, which start at the first call that could use them and stay, do theirs.
    Where that cannot be (they are not ready yet, could not be started or were killed, their code is not this process',
    something cannot be pickled, another thread uses them), threads do all of it: only speed depends on helpers. What
    fails there is done again here, where its exception belongs. ``work`` must not change its arguments and must
    depend on nothing but them, the code on disk and ``modes``.
    """
    found = None
    if (count := min(torch.get_num_threads(), len(arguments))) > 1 and LOCK.acquire(blocking=False):
        try:
            if (helpers := hired(count - 1)) is not None:
                found = shared(work, [arguments[nth::count] for nth in range(count)], helpers)
        finally:
            LOCK.release()
    if found is None:
        return together([partial(work, *each) for each in arguments])
    return [found[nth % count][nth // count] for nth in range(len(arguments))]


def shared(work: Callable[..., T], shares: list[Sequence[tuple]], helpers: list[Helper]) -> list[list[T]] | None:
    """The results of each share, the first done here; None where a helper was lost, and then no more are hired."""
    try:
        for helper, share in zip(helpers, shares[1:], strict=True):
            helper.send((work, share, current_modes()))
        useless = False
        with one_core():
            found = [[work(*each) for each in shares[0]]]
            for helper, share in zip(helpers, shares[1:], strict=True):
                answer = helper.receive()
                if answer is None:
                    answer, useless = [work(*each) for each in share], True  # it can be done, but not there
                found.append(answer)
        if useless:
            give_up()
        return found
    except (Lost, OSError):
        give_up()
        return None
    except BaseException:  # an answer nobody waits for would be taken for the next one
        dismiss()
        raise


class Lost(Exception):
    """A helper cannot be used."""


class Helper:
    """A process that works for this one on one core and ends with it. Ctrl-C does not reach it: its master kills it."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path if isinstance(path, str))
        self.process = subprocess.Popen(  # -P: what is importable here is there, and nothing else
            [sys.executable, "-P", "-c", "from interlude.models.parallel import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        self.greeted = False

    def ready(self) -> bool:
        """Whether it has started; does not wait for it. Raises Lost if its code is not this process'."""
        if not self.greeted and select.select([self.process.stdout], [], [], 0)[0]:
            if self.receive() != CODE:
                raise Lost
            self.greeted = True
        return self.greeted

    def send(self, job: tuple) -> None:
        try:
            content = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # whatever a reduction raises
            raise Lost from error
        self.process.stdin.write(len(content).to_bytes(8, "big") + content)
        self.process.stdin.flush()

    def receive(self) -> object:
        """The next answer: the greeting, then for each job its results, or None where it failed."""
        try:
            return pickle.load(self.process.stdout)
        except Exception as error:  # nothing, or what is no answer
            raise Lost from error

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        for pipe in (self.process.stdout, self.process.stdin):
            with suppress(BrokenPipeError):  # what was still to be sent has no reader
                pipe.close()


HELPERS: list[Helper] = []
LOCK = threading.Lock()
wanted = True  # until a helper was lost


def hired(count: int) -> list[Helper] | None:
    """So many helpers; None while they are not all ready, or after one was lost."""
    try:
        while wanted and len(HELPERS) < count:
            HELPERS.append(Helper())
        return HELPERS[:count] if wanted and all(helper.ready() for helper in HELPERS[:count]) else None
    except (Lost, OSError, ValueError):  # select refuses large descriptors
        give_up()
        return None
    except BaseException:
        dismiss()
        raise


def give_up() -> None:
    """Go on without helpers."""
    global wanted
    wanted = False
    dismiss()


@atexit.register
def dismiss() -> None:
    """End all helpers."""
    while HELPERS:
        HELPERS.pop().kill()


def forget() -> None:
    """In a forked child: the helpers are its parent's, and must not be talked to or waited for."""
    while HELPERS:
        helper = HELPERS.pop()
        helper.process.returncode = 0
        helper.close()


os.register_at_fork(after_in_child=forget)


def code() -> str:
    """A digest of the source of this package and of ``synth``."""
    here = Path(__file__).resolve().parent
    found = blake2b(digest_size=16)
    for path in sorted(path for folder in (here, here.parent / "synth") for path in folder.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


CODE = code()  # as it was when this process began: a run of hours must not be joined by what was edited since


def serve() -> None:
    """What a helper does: say what its code is, then answer each (work, arguments, modes) that it reads, until there
    are no more or its master is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    master, answers = os.getppid(), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints can spoil an answer
    torch.set_num_threads(1)
    found: object = CODE
    with suppress(BrokenPipeError):
        while True:
            pickle.dump(found, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
            size = int.from_bytes(sys.stdin.buffer.read(8), "big")
            content = sys.stdin.buffer.read(size)
            if not size or len(content) < size:  # the master is gone
                break
            try:
                found = answered(content, master)
            except Exception:
                found = None  # the master does it again, and raises what there is to raise
    os._exit(0)  # closing ``answers`` would try once more


def answered(content: bytes, master: int) -> list:
    """The results of a job; none if its master ends meanwhile."""
    work, arguments, held = pickle.loads(content)
    found = []
    with modes(*held):
        for each in arguments:
            if os.getppid() != master:
                os._exit(0)
            found.append(work(*each))
    return found
