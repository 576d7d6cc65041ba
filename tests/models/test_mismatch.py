"""The log says how far the sampler's log-probabilities are from the trainer's, without changing what is learned."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from interlude.models.optim import Optim
from interlude.models.policy_gradient import Objective
from interlude.models.rollouts import Reward
from interlude.models.stage import StageModels
from interlude.models.stages.interleave import Interleave
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.rl import RL
from interlude.models.train import Machine, backward, frozen, train
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
STAGE = RL(
    steps=2, batch_size=4, num_samples=4, max_new_tokens=24, optim=Optim(warmup=0), data=EASY, reward=Reward("random")
)  # fmt: skip
COMMON = {name: getattr(STAGE, name) for name in ("steps", "batch_size", "num_samples", "max_new_tokens", "optim")}
ROUNDING = 1e-3  # nats: what float32 kernels that sum in another order may differ by


def measured(stage, lm, batch, update: int = 0) -> tuple[float, dict]:
    """The loss of a batch and what was measured beside it, in several micro-batches."""
    models = StageModels(lm, frozen(lm), update=update)
    return backward(models, stage, batch, Machine(micro_tokens=200), "float32")


def logged(stage, lm) -> list[dict]:
    lines = []
    train(lm, stage, 0, observe=lambda share, line: lines.append(line))
    return lines


@pytest.mark.parametrize("temperature", (1.0, 0.7))
@pytest.mark.parametrize("kl", (0.0, 0.01))
def test_the_gap_is_that_of_the_sampled_tokens(kl, temperature, learned):
    """Kills: another temperature than the sampler's; a signed mean, in which gaps cancel; padding or prompts that
    count; a mean of micro-batches' means; a loss that changes with what is measured."""
    lm, stage = learned().eval(), replace(STAGE, objective=Objective(kl=kl), temperature=temperature)
    with torch.no_grad():
        batch = stage.collect(StageModels(lm, frozen(lm)), 0, 0, range(4))
    loss, seen = measured(stage, lm, batch)
    total, count = seen["mismatch"]
    assert count == int(stage.chosen(batch).sum()) and 0 <= total / count < ROUNDING
    nudges_BT = torch.where(torch.arange(batch.old_BT.shape[1]) % 2 == 0, 0.5, -0.25)  # as often up as down, or so
    moved = replace(batch, old_BT=batch.old_BT + nudges_BT)
    expected = nudges_BT.abs().expand_as(batch.old_BT)[stage.chosen(batch)].mean()
    moved_loss, seen = measured(stage, lm, moved)
    assert seen["mismatch"][0] / count == pytest.approx(float(expected), abs=ROUNDING)
    assert moved_loss == loss == measured(stage, lm, batch, update=1)[0]  # with one update the old ones enter no loss


def test_only_the_first_update_of_a_batch_is_measured(learned):
    """Kills: a mean over all updates, of which later ones have moved the learner on purpose."""
    optim = Optim(kind="adamw", other_lr=0.05, warmup=0)
    lines = logged(replace(STAGE, updates_per_batch=4, optim=optim), learned())
    assert all(0 <= line["mismatch"] < ROUNDING for line in lines)
    lm = learned().eval()
    with torch.no_grad():
        batch = STAGE.collect(StageModels(lm), 0, 0, range(4))
    assert measured(STAGE, lm, batch, update=1)[1] == {}


def test_methods_that_wrap_the_loss_log_it_too(learned):
    """Kills: a metric that a subclass' own loss loses; one of steps that sample nothing."""
    read, rl = logged(
        Interleave(**COMMON, data=EASY, text=EASY, replay=EASY, reading=1, reward=STAGE.reward), learned()
    )
    assert "mismatch" not in read and rl["mismatch"] < ROUNDING
    strict = ReLIFT(**COMMON, data=EASY, reward=Reward("strict"))
    assert any(line.get("mismatch", 1.0) < ROUNDING for line in logged(strict, learned()))
