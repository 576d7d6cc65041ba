"""Work done in threads or in other processes has the bits of work done one after the other, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from models import parallel
from models.parallel import apart
from synth.rng import uniforms


@pytest.fixture
def two():
    """Two threads, a helper that has started, and none afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    hired()
    yield
    parallel.dismiss()
    torch.set_num_threads(threads)


def hired() -> None:
    """Wait until a helper has started."""
    until = time.monotonic() + 60
    while not (parallel.HELPERS and parallel.HELPERS[0].ready()):
        assert len(set(apart(os.getpid, [()] * 2))) <= 2 and time.monotonic() < until
        time.sleep(0.05)


def halves(number: int) -> tuple[int, bool, bool, torch.dtype, int]:
    """A result with where and how it was found."""
    modes = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    return number // 2, *modes, os.getpid()


def test_every_other_piece_is_done_elsewhere_and_results_are_in_order(two):
    # Mutants: all work here; results in the order of processes; gradient mode or autocast of a process's own.
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = apart(halves, [(n,) for n in range(5)])
    assert [each[:4] for each in found] == [(n // 2, False, True, torch.bfloat16) for n in range(5)]
    assert len({each[4] for each in found[::2]}) == len({each[4] for each in found[1::2]}) == 1
    assert found[0][4] == os.getpid() != found[1][4] and torch.get_num_threads() == 2


def test_one_thread_hires_nobody():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert {each[4] for each in apart(halves, [(1,), (2,)])} == {os.getpid()} and not parallel.HELPERS
    finally:
        torch.set_num_threads(threads)


def test_samples_have_the_same_bits(two, learned, source):
    # Mutants: streams of another piece; weights of an earlier call.
    lm = learned().eval()
    prompts = [lm.encode(source.problem("apart", row).question) for row in range(150)]
    streams = np.stack([uniforms("apart", row, n=20) for row in range(150)])
    for scale in (1.0, 1.1):
        with torch.no_grad():
            lm.embed.mul_(scale)
        there = lm.sample(prompts, streams, max_new=20)
        torch.set_num_threads(1)
        assert there == lm.sample(prompts, streams, max_new=20)
        torch.set_num_threads(2)


def fails_elsewhere(parent: int) -> int:
    if os.getpid() != parent:
        raise ValueError("a piece failed")
    return 1


def ends_elsewhere(parent: int) -> int:
    if os.getpid() != parent:
        os._exit(7)
    return 1


def fails_here(parent: int) -> int:
    if os.getpid() == parent:
        raise KeyboardInterrupt
    return 1


def test_a_failure_is_raised_here_and_the_next_call_is_sound(two):
    # Mutants: an exception swallowed; a dead helper waited for; an answer left over and taken for the next call's.
    for work, error, words in (
        (fails_elsewhere, ValueError, "a piece failed"),
        (ends_elsewhere, RuntimeError, r"exit code 7\) before it answered"),
        (fails_here, KeyboardInterrupt, None),
    ):
        with pytest.raises(error, match=words):
            apart(work, [(os.getpid(),)] * 2)
        hired()
        assert [each[0] for each in apart(halves, [(6,), (8,)])] == [3, 4]


def test_a_helper_ends_with_its_master(tmp_path):
    # Mutant: a helper that outlives a killed run.
    code = (
        "import os, time, torch; from models import parallel\n"
        "torch.set_num_threads(2); parallel.apart(os.getpid, [()] * 2)\n"
        "print(parallel.HELPERS[0].process.pid, flush=True); time.sleep(60)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    master = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env, text=True)
    helper = int(master.stdout.readline())
    os.kill(helper, 0)
    master.send_signal(signal.SIGKILL)
    master.wait()
    master.stdout.close()
    until = time.monotonic() + 60
    while alive(helper):
        assert time.monotonic() < until
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
