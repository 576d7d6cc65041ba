"""A CUDA card computes what the CPU computes: logits, training, sampling, exams, and saves that cross over."""

from __future__ import annotations

import copy
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch

from interlude.models.bench import timing
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim, orthogonal
from interlude.models.stage import logprobs
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.train import Diverged, Machine, train
from interlude.studies.exams.exact import ExactExam
from interlude.synth.rng import uniforms

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]
CUDA = Machine(device="cuda") if torch.cuda.is_available() else None


@pytest.fixture(scope="module")
def stage(source):
    return Pretrain(steps=12, batch_size=16, optim=Optim(warmup=2), data=source)


def both(lm):
    """The same weights on the CPU and on the card."""
    return lm, copy.deepcopy(lm).to("cuda")


def test_log_probabilities_are_the_cpus(learned):
    cpu, cuda = both(learned())
    ids_BT = torch.arange(60).view(4, 15) % cpu.vocab_size
    chosen_BT = torch.ones_like(ids_BT, dtype=torch.bool)
    chosen_BT[:, 0] = False
    with torch.no_grad():
        found = logprobs(cuda, ids_BT.to("cuda"), chosen_BT.to("cuda")).cpu()
        torch.testing.assert_close(found, logprobs(cpu, ids_BT, chosen_BT), rtol=0, atol=2e-4)


@pytest.mark.parametrize("kind", ("adamw", "muon"))
def test_training_follows_the_cpus(kind, tiny, stage):
    """Muon makes its updates orthogonal in bfloat16 there, so losses agree less closely."""
    stage = replace(stage, optim=replace(stage.optim, kind=kind))
    losses = {}
    for machine in (Machine(), CUDA):
        lines = losses.setdefault(machine.device, [])
        train(tiny.build(0), stage, 0, machine, observe=lambda share, line, lines=lines: lines.append(line["loss"]))
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=1e-3 if kind == "adamw" else 3e-2)
    assert losses["cuda"][-1] < losses["cuda"][0]


def test_micro_batches_change_no_more_than_rounding(tiny, stage):
    losses = []
    for tokens in (None, 64):
        lines = []
        machine = replace(CUDA, micro_tokens=tokens)
        train(tiny.build(0), stage, 0, machine, observe=lambda share, line, lines=lines: lines.append(line["loss"]))
        losses.append(lines)
    np.testing.assert_allclose(losses[0], losses[1], rtol=3e-2)


def test_bfloat16_trains(tiny, stage):
    lines = []
    train(tiny.build(0), stage, 0, CUDA, "bfloat16", observe=lambda share, line: lines.append(line["loss"]))
    assert lines[-1] < lines[0] and np.isfinite(lines).all()


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_batches_made_ahead_change_nothing_there(tiny, stage):
    """Kills: processes that need the card's state, or die of it; other batches than are made here."""
    losses = []
    for collectors in (0, 2):
        lines = []
        machine = replace(CUDA, collectors=collectors)
        train(tiny.build(0), stage, 0, machine, observe=lambda share, line, lines=lines: lines.append(line["loss"]))
        losses.append(lines)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert len(losses[1]) == stage.steps and not multiprocessing.active_children()


def test_what_is_not_finite_is_refused_there_too(tiny, stage):
    lm = tiny.build(0)
    with torch.no_grad():
        lm.embed[3] = torch.nan
    with pytest.raises(Diverged):
        train(lm, stage, 0, CUDA)


def test_the_same_uniforms_choose_the_same_tokens(learned, source):
    cpu, cuda = both(learned())
    prompts = [cpu.encode(source.problem("gpu", n // 2).question) for n in range(16)]
    streams = np.stack([uniforms("gpu", n, n=24) for n in range(16)])
    ours, theirs = (lm.sample(prompts, streams, SamplingParams(max_new_tokens=24)) for lm in (cpu, cuda))
    assert sum(a == b for a, b in zip(ours.ids, theirs.ids, strict=True)) >= 14  # a uniform may lie on a boundary
    for a, b, first, second in zip(ours.ids, theirs.ids, ours.logprobs, theirs.logprobs, strict=True):
        if a == b:
            np.testing.assert_allclose(first, second, atol=1e-3)


def test_an_exact_exam_gives_the_cpus_log_probabilities(learned, source):
    cpu, cuda = both(learned())
    asked = ExactExam("gpu", replace(source, split="any"), 12)
    np.testing.assert_allclose(asked.evaluate(cuda).logp, asked.evaluate(cpu).logp, atol=1e-3)


def test_a_step_of_rl_moves_the_weights(learned, source):
    lm = learned()
    before = {name: weight.detach().clone() for name, weight in lm.named_parameters()}
    optim = Optim(matrix_lr=1e-3, other_lr=2e-4, warmup=0)
    stage = RL(steps=2, batch_size=4, num_samples=4, optim=optim, data=source, max_new_tokens=24)
    state = train(lm, stage, 0, CUDA)
    assert state.step == 2
    moved = [not torch.equal(weight.detach().cpu(), before[name]) for name, weight in lm.named_parameters()]
    assert any(moved)


def test_a_save_goes_on_where_it_was_written(tiny, stage, tmp_path):
    """The bits are those of a run that was not interrupted, as far as one card repeats its own sums."""

    class Enough(KeyboardInterrupt):
        pass

    def interrupt(share, line):
        if line["step"] == 5:
            raise Enough

    whole = tiny.build(0)
    train(whole, stage, 0, CUDA)
    with pytest.raises(Enough):
        train(tiny.build(0), stage, 0, CUDA, folder=tmp_path, observe=interrupt)
    resumed = tiny.build(0)
    assert train(resumed, stage, 0, CUDA, folder=tmp_path).step == stage.steps
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_updates_are_made_orthogonal(tiny):
    wide_MRC = torch.randn(3, 32, 64, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(wide_MRC.to("cuda").bfloat16()).float())
    assert values.min() > 0.5 and values.max() < 1.4


def test_the_benchs_clock_waits_for_the_card():
    """Kills: timing launches only: this product takes milliseconds, launching it microseconds."""
    x = torch.randn(6000, 6000, device="cuda")

    def work():
        for _ in range(10):
            _ = x @ x
        return 1.0

    timing.timed(work, timing.clock("cuda"))
    launched = timing.timed(work, timing.Clock())
    torch.cuda.synchronize()
    assert timing.timed(work, timing.clock("cuda")).wall > 3 * launched.wall
