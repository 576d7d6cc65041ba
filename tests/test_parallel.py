"""Work done in threads or in other processes has the bits of work done one after the other, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from interlude.models import parallel
from interlude.models.parallel import apart
from interlude.synth.rng import uniforms


@pytest.fixture
def two():
    """Two threads, a helper that has started, and none afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    hired()
    yield
    parallel.dismiss()
    parallel.wanted = True
    torch.set_num_threads(threads)


def hired() -> None:
    """Wait until a helper has started."""
    parallel.wanted = True
    until = time.monotonic() + 60
    while not (parallel.HELPERS and parallel.HELPERS[0].ready()):
        apart(os.getpid, [()] * 2)
        assert time.monotonic() < until
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
    parallel.dismiss()
    torch.set_num_threads(1)
    try:
        assert {each[4] for each in apart(halves, [(1,), (2,)])} == {os.getpid()} and not parallel.HELPERS
    finally:
        torch.set_num_threads(threads)


def test_samples_have_the_same_bits(two, learned, source, monkeypatch):
    # Mutants: streams of another piece; weights of an earlier call; threads all the same; a large model sent about.
    sent, send = [], parallel.Helper.send
    monkeypatch.setattr(parallel.Helper, "send", lambda self, job: sent.append(job) or send(self, job))
    lm = learned().eval()
    prompts = [lm.encode(source.problem("apart", row).question) for row in range(150)]
    streams = np.stack([uniforms("apart", row, n=20) for row in range(150)])
    for scale in (1.0, 1.1):
        with torch.no_grad():
            lm.embed.mul_(scale)
        sent.clear()
        there = lm.sample(prompts, streams, max_new_tokens=20)
        assert [len(share) for _, share, _ in sent] == [1]  # of three pieces
        torch.set_num_threads(1)
        assert there == lm.sample(prompts, streams, max_new_tokens=20)
        torch.set_num_threads(2)
    monkeypatch.setattr("interlude.models.gpt.PORTABLE", 100)
    assert there == lm.sample(prompts, streams, max_new_tokens=20) and len(sent) == 1


def fails(parent: int) -> int:
    raise ValueError("a piece failed")


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


@pytest.mark.parametrize("work", (fails, fails_here))
def test_a_failure_is_raised_here_and_the_next_call_is_sound(two, work):
    # Mutants: an exception swallowed; an answer left over and taken for the next call's.
    with pytest.raises((ValueError, KeyboardInterrupt)):
        apart(work, [(os.getpid(),)] * 2)
    hired()
    assert [each[0] for each in apart(halves, [(6,), (8,)])] == [3, 4]


def test_a_piece_that_fails_anywhere_is_no_reason_to_go_without_helpers(two):
    # Mutant: a helper that ends where its work fails.
    with pytest.raises(ZeroDivisionError):
        apart(divmod, [(6, 3), (6, 0)])
    hired_before = parallel.wanted
    hired()
    assert hired_before and apart(divmod, [(6, 3), (7, 2)]) == [(2, 0), (3, 1)]


@pytest.mark.parametrize("work", (fails_elsewhere, ends_elsewhere, lambda parent: 1))
def test_where_a_helper_cannot_work_threads_do(two, work):
    # Mutants: a dead helper waited for, or its loss an error; what cannot be pickled an error; hired again every time.
    for _ in range(2):
        assert apart(work, [(os.getpid(),)] * 3) == [1, 1, 1]
    assert not parallel.HELPERS and not parallel.wanted


@pytest.mark.parametrize(("name", "value"), (("CODE", "edited"), ("sys.executable", "/nowhere/python")))
def test_a_helper_that_cannot_start_or_has_other_code_does_nothing(two, monkeypatch, name, value):
    # Mutants: a run joined by code edited since it began; a helper that cannot start ends the run.
    monkeypatch.setattr(f"interlude.models.parallel.{name}", value)
    parallel.dismiss()
    until = time.monotonic() + 60
    while parallel.wanted:
        assert {each[4] for each in apart(halves, [(1,), (2,)])} == {os.getpid()} and time.monotonic() < until
    assert not parallel.HELPERS


def test_two_threads_do_not_get_each_others_answers(two):
    # Mutant: both talk to one helper.
    def ask(number: int) -> bool:
        torch.set_num_threads(2)
        found = [apart(halves, [(2 * number,), (4 * number,)]) for _ in range(100)]
        return all([each[0] for each in pair] == [number, 2 * number] for pair in found)

    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(ask, (10, 1000)))


def test_products_are_as_precise_there(two):
    # Mutant: a setting of the master's that a helper does not hear of.
    try:
        for precision in ("medium", "highest"):
            torch.set_float32_matmul_precision(precision)
            assert apart(precision_of, [(0,), (1,)]) == [precision] * 2
    finally:
        torch.set_float32_matmul_precision("highest")


def precision_of(_: int) -> str:
    return torch.get_float32_matmul_precision()


def noisy(_: int) -> int:
    os.write(1, b"noise")
    return os.getpid()


def test_what_prints_spoils_no_answer(two):
    # Mutant: a helper whose standard output is the pipe it answers through.
    assert len(set(apart(noisy, [(0,), (1,)]))) == 2 and parallel.wanted


def test_a_forked_child_leaves_its_parents_helpers_alone(two):
    # Mutants: a child that talks through its parent's pipes, or ends its parent's helpers.
    child = os.fork()
    if not child:
        os._exit(len(parallel.HELPERS))
    assert os.waitpid(child, 0)[1] == 0 and len({each[4] for each in apart(halves, [(1,), (2,)])}) == 2


@pytest.mark.parametrize("then", ("time.sleep(60)", "parallel.apart(time.sleep, [(0.2,)] * 600)"), ids=("idle", "busy"))
def test_a_helper_ends_with_its_master(then):
    # Mutants: a helper that outlives a killed run, or works a minute more for it.
    code = (
        "import os, time, torch; from interlude.models import parallel\n"
        "torch.set_num_threads(2)\n"
        "while not (parallel.HELPERS and parallel.HELPERS[0].ready()): parallel.apart(os.getpid, [()] * 2)\n"
        f"print(parallel.HELPERS[0].process.pid, flush=True); {then}"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    master = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env, text=True)
    helper = int(master.stdout.readline())
    os.kill(helper, 0)
    time.sleep(1)  # until it works, where it is to
    master.send_signal(signal.SIGKILL)
    master.wait()
    master.stdout.close()
    until = time.monotonic() + 30
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
