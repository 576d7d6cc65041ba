"""Work done in threads has the bits of work done one after the other, and loses nothing."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
import torch

from interlude.models.annotator import annotate, chunk, thought_probs
from interlude.models.gpt import GPT
from interlude.models.graders import raised
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim
from interlude.models.parallel import one_by_one, together
from interlude.models.stages.ra3 import RA3
from interlude.models.stages.withdraw import Withdraw
from interlude.models.thought_rl import last_logprobs, unsure
from interlude.synth.rng import uniforms
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

DEEP = Source(ops=(3, 4))
COMMON = {"steps": 1, "batch_size": 1, "optim": Optim(), "data": DEEP}


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


@pytest.fixture(scope="module")
def wide():
    """A model whose products are large enough for torch to share among cores, and which looks at every token."""
    lm, noise = GPT(vocab=Vocabulary(thoughts=True)).build(0).eval(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in lm.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=noise))
    return lm


ROWS = [uniforms("row", n, n=40 + n % 90) for n in range(64)]
ROWS = [(5 + 55 * row_T).astype(int).tolist() for row_T in ROWS]
SCORING = {  # what collections ask of a model beside samples
    "last_logprobs": lambda lm: last_logprobs(lm, ROWS),
    "unsure": lambda lm: np.concatenate(unsure(lm, [(row, 20) for row in ROWS]), axis=1).tolist(),
    "thought_probs": lambda lm: thought_probs(lm, [chunk(lm, DEEP.problem("row", n)) for n in range(64)]),
    "annotate": lambda lm: annotate(lm, [chunk(lm, DEEP.problem("row", 0))], np.stack([uniforms("a", n=400)]), 8),
    "raised": lambda lm: raised(lm, ROWS[0], ROWS[1], ROWS)[0],
    "RA3": lambda lm: [
        scores_KT.tolist()
        for scores_KT in RA3(**COMMON, replay=DEEP).scores(lm, [chunk(lm, DEEP.problem("row", n)) for n in range(16)])[
            0
        ]
    ],
    "Withdraw": lambda lm: Withdraw(**COMMON, max_new_tokens=400).unsolved(lm, [], "row").question,
}


@pytest.mark.parametrize("name", SCORING)
def test_scores_have_the_same_bits(two, wide, monkeypatch, name):
    # Kills: a collection whose sums are shared among cores, so that a run depends on Machine.threads.
    monkeypatch.setenv("INTERLUDE_KERNELS", "torch")
    used, found = set(), []
    for at in ("logits_at", "decoder"):
        asked = getattr(wide, at)
        monkeypatch.setattr(wide, at, lambda *given, asked=asked: used.add(torch.get_num_threads()) or asked(*given))
    for threads in (1, 3):
        torch.set_num_threads(threads)
        with torch.no_grad():
            found.append(SCORING[name](wide))
        assert torch.get_num_threads() == threads
    assert found[0] == found[1] and used == {1}
