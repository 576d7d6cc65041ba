"""Work done in threads has the bits of work done one after the other, and loses nothing."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
import torch

from interlude.models.lm import SamplingParams
from interlude.models.parallel import one_by_one, together
from interlude.synth.rng import uniforms


@pytest.fixture
def two():
    """Two threads, and afterwards as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def halves(number: int) -> tuple[int, bool, bool, torch.dtype, int]:
    """A result with how it was found."""
    modes = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    return number // 2, *modes, torch.get_num_threads()


def test_results_are_in_order_and_modes_hold_in_threads(two):
    # Mutants: results in the order in which they end; gradient mode or autocast of a thread's own; jobs on all cores.
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = together([partial(halves, n) for n in range(9)])
    assert found == [(n // 2, False, True, torch.bfloat16, 1) for n in range(9)]
    assert torch.get_num_threads() == 2


def test_two_jobs_run_at_a_time(two):
    # Mutant: one after the other.
    both = threading.Barrier(2, timeout=60)
    assert sorted(together([both.wait, both.wait])) == [0, 1]


def test_a_failure_is_raised_here(two):
    with pytest.raises(ZeroDivisionError):
        together([partial(divmod, 6, 3), partial(divmod, 6, 0)])
    assert together([partial(divmod, 6, 3), partial(divmod, 7, 2)]) == [(2, 0), (3, 1)] and torch.get_num_threads() == 2


class Large:
    """A result that counts how many of its kind are kept."""

    kept = 0

    def __init__(self):
        Large.kept += 1

    def __del__(self):
        Large.kept -= 1


@pytest.mark.parametrize("threads", (1, 2))
def test_results_that_were_taken_are_not_kept(two, threads):
    # Mutant: a list of all results, which for gradients of a large model are gigabytes each.
    torch.set_num_threads(threads)
    taken, said = threading.Event(), []

    def job(number):
        if number == 5:  # what came before was taken, or this waits in vain
            said.append(taken.wait(timeout=60))
        return Large()

    results = one_by_one([partial(job, n) for n in range(6)])
    for _ in range(5):
        next(results)
    said.append(Large.kept == 0)
    taken.set()
    assert len(list(results)) == 1
    assert said == [True, True] and Large.kept == 0 and torch.get_num_threads() == threads


@pytest.mark.parametrize("kernels", ("auto", "torch"))
def test_samples_have_the_same_bits(two, learned, source, monkeypatch, kernels):
    # Mutants: streams of another piece; weights of an earlier call.
    monkeypatch.setenv("INTERLUDE_KERNELS", kernels)
    lm = learned().eval()
    prompts = [lm.encode(source.problem("apart", row).question) for row in range(150)]
    streams = np.stack([uniforms("apart", row, n=20) for row in range(150)])
    for scale in (1.0, 1.1):
        with torch.no_grad():
            lm.embed.mul_(scale)
        there = lm.sample(prompts, streams, SamplingParams(max_new_tokens=20))
        torch.set_num_threads(1)
        assert there == lm.sample(prompts, streams, SamplingParams(max_new_tokens=20))
        torch.set_num_threads(2)
