"""What a stage computes is charged: its own passes are counted beside what it says, and a batch must fit together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import test_stages
import torch

import interlude.models.meter as meter
import interlude.models.train as training
from interlude.models.hf import HF
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.ledger import JUDGE, Spent, decode_cost, forward_cost
from interlude.models.lm import SamplingParams
from interlude.models.meter import Meter
from interlude.models.optim import Optim
from interlude.models.stage import imitate, logprobs, predicted
from interlude.models.stages.midtrain import Midtrain
from interlude.models.train import Diverged, Machine, train
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
FIELDS = {"steps": 2, "batch_size": 4, "optim": Optim(warmup=1), "data": EASY, "replay": EASY}
learned = test_stages.learned  # of each stage, a model that it can teach something
ONE_PIECE = Machine(micro_tokens=1 << 20)


@pytest.fixture(params=("native", "torch"))
def kernels(request, monkeypatch):
    """Both ways in which a small model computes."""
    monkeypatch.setenv("INTERLUDE_KERNELS", request.param)
    return request.param


def by_logprobs(lm, batch):
    logprobs(lm, batch.ids_BT, batch.gain_BT != 0)
    return forward_cost(lm, JUDGE, [n - 1 for n in batch.lengths], logits=int(batch.gain_BT.sum()))


def by_call(lm, batch):
    lm(batch.ids_BT)
    return forward_cost(lm, JUDGE, list(batch.lengths))


def by_sample(lm, batch):
    prompts = [row[:5] for row in batch.ids_BT.tolist()]
    found = lm.sample(prompts, np.full((len(prompts), 30), 0.5), SamplingParams(max_new_tokens=30)).ids
    costs = [decode_cost(lm, len(prompt), [len(ids)]) for prompt, ids in zip(prompts, found, strict=True)]
    return Spent(JUDGE, sum(each.tokens for each in costs), sum(each.flops for each in costs))


WAYS = (by_logprobs, by_call, by_sample)


@dataclass(frozen=True, kw_only=True)
class Wrong(Midtrain):
    """Looks at its rows ten times, and charges the share ``paid`` of it."""

    way: int = 0
    paid: float = 0.0

    def collect(self, models, seed, step, rows):
        batch = super().collect(models, seed, step, rows)
        cost = [WAYS[self.way](models.learner, batch) for _ in range(10)]
        flops = self.paid * sum(each.flops for each in cost)
        return replace(batch, spent=(Spent(JUDGE, sum(each.tokens for each in cost), flops),))


@pytest.mark.parametrize("way", range(len(WAYS)), ids=[way.__name__ for way in WAYS])
@pytest.mark.parametrize("paid", (0.0, 0.7, 1.0))
def test_passes_in_collect_must_be_charged(way, paid, kernels, tiny):
    """Kills: a way to a model that is not counted, with either kernels; tokens without FLOPs taken for a charge; a
    charge of two thirds that passes; what is charged in full refused."""
    if paid == 1:
        assert train(tiny.build(0), Wrong(**FIELDS, way=way, paid=paid), 0).step == 2
        return
    said = r"Wrong\.collect ran models for \d.* FLOPs that Batch\.spent does not charge: let collect return replace\("
    with pytest.raises(ValueError, match=said):
        train(tiny.build(0), Wrong(**FIELDS, way=way, paid=paid), 0)


def test_what_is_charged_enters_the_ledger(tiny):
    """Kills: a charge that is compared and not entered."""
    plain = train(tiny.build(0), Midtrain(**FIELDS), 0).ledger.as_dict()
    paid = train(tiny.build(0), Wrong(**FIELDS, paid=1.0), 0).ledger.as_dict()
    assert paid["train_flops"] == plain["train_flops"] and paid["judge_flops"] > 2 * paid["train_flops"]


@dataclass(frozen=True, kw_only=True)
class Loss(Midtrain):
    """A loss with more passes than one: one pass of ``extra``, or the logits of every token."""

    extra: str = "start"
    needs_initial_model = True

    def loss(self, models, batch):
        if self.extra == "logits":
            logp_BTV = models.learner(batch.ids_BT[:, :-1]).log_softmax(-1)
            logp_BT = logp_BTV.gather(2, batch.ids_BT[:, 1:, None])[:, :, 0]
            return -(logp_BT * batch.gain_BT[:, 1:]).sum() / batch.total
        if self.extra == "learner":
            predicted(models.learner, batch)
        elif self.extra == "start":
            predicted(models.start, batch)
        return super().loss(models, batch)


@pytest.mark.parametrize("extra", ("start", "learner", "logits"))
def test_so_must_passes_in_a_loss(extra, kernels, tiny):
    """Kills: losses that are not counted; a second pass of the learner counted without its backward pass."""
    counted = "count in target_count what the loss predicts without a gain"
    with pytest.raises(ValueError, match=rf"Loss\.loss ran models for .*Batch\.spent.*{counted}") as raised:
        train(tiny.build(0), Loss(**FIELDS, extra=extra), 0, ONE_PIECE)
    missing = float(str(raised.value).split(" FLOPs")[0].split()[-1])
    assert train(tiny.build(0), Loss(**FIELDS, extra=""), 0).step == 2
    if extra != "logits":
        each = train(tiny.build(0), Midtrain(**FIELDS | {"steps": 1}), 0).ledger.total_flops
        assert missing == pytest.approx(each if extra == "learner" else each / 3, rel=0.1)


@test_stages.each
def test_no_stage_of_ours_computes_more_than_it_charges(stage, learned, kernels, monkeypatch):
    """Kills: a stage that forgets a charge, be it a thousandth; work that is charged later taken for forgotten."""
    counted = []
    real = training.check_charged
    monkeypatch.setattr(training, "check_charged", lambda *given: (counted.append(given), real(*given)))
    monkeypatch.setattr(meter, "SLACK", 0.0)
    test_stages.train(learned(), stage, 3)
    assert len(counted) == stage.steps and any(learning > 0 for *_, learning, _ in counted)


@pytest.mark.parametrize("name", ("annotate", "rft", "dr-grpo", "withdraw", "rlp", "rlp-2-updates"))
def test_what_these_charge_is_what_is_counted(name, kernels, thinker, primed):
    """Kills: a way to a model that is not counted (constrained decoding, sampling, scoring); padding that is; a prompt
    counted for every response."""
    stage, lm = test_stages.EXAMPLES[name], (primed if name == "annotate" else thinker)().eval()
    around = test_stages.around(stage, lm)
    with torch.no_grad(), Meter(lm) as counted:
        batch = stage.collect(around, 5, 2, range(4))
    paid = sum(cost.flops for cost in batch.spent)
    assert 0.97 * paid < counted.flops <= paid


def test_the_meter_counts_its_block_alone(tiny, learned):
    """Kills: exams counted as training; an inner block that ends the counting of the outer; padding counted."""
    lm, other = learned(), tiny.build(1)
    ids_BT = torch.tensor([[1, 2, 3], [1, lm.pad, lm.pad]])
    cost = forward_cost(lm, JUDGE, [3, 1]).flops
    with torch.no_grad(), Meter(lm) as outer:
        lm(ids_BT)
        with Meter(lm) as inner:
            lm(ids_BT)
        with meter.uncounted():
            lm(ids_BT)
        other(ids_BT)
    lm(ids_BT)
    assert (outer.flops, inner.flops, Meter.now) == (2 * cost, cost, None)


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_transformers_models_are_counted(way, learned, tmp_path):
    """Kills: a way to a transformers model that is not counted; the check of a model that is read in between taken for
    work of the stage."""
    pytest.importorskip("transformers")
    save_pretrained(learned(), tmp_path / "hf")
    lm = HF(str(tmp_path / "hf")).build(0)
    batch = imitate(lm, [EASY.problem("counted", n) for n in range(4)], "all")
    with torch.no_grad(), Meter(lm) as counted:
        HF(str(tmp_path / "hf")).build(0)
        paid = way(lm, batch)
    assert 0.9 * paid.flops < counted.flops <= paid.flops


# Batches


def cut(batch):
    return {"gain_BT": batch.gain_BT[:, :3]}


def poisoned(batch):
    gain_BT = batch.gain_BT.clone()
    gain_BT[1, 4] = math.nan
    return {"gain_BT": gain_BT}


BAD = {
    "gain": (cut, r"gain_BT is 4x3, ids_BT 4x\d+; they must have the same shape"),
    "old": (lambda b: {"old_BT": b.gain_BT[:2]}, r"old_BT is 2x\d+, ids_BT 4x\d+; they must"),
    "extra": (lambda b: {"extra": {"mine": b.gain_BT[0]}}, r"extra\['mine'\] is \d+, ids_BT 4x\d+; they must"),
    "list": (lambda b: {"gain_BT": b.gain_BT.tolist()}, "gain_BT must be a tensor, not a list"),
    "lengths": (lambda b: {"lengths": b.lengths[:3]}, r"lengths must hold the number of tokens for each of the 4 rows"),
    "long": (lambda b: {"lengths": (1000,) * 4}, r"lengths must .* from 1 to \d+, got \(1000, "),
    "vocabulary": (lambda b: {"ids_BT": b.ids_BT + 1000}, r"ids_BT must hold token ids from 0 to \d+"),
    "float": (lambda b: {"ids_BT": b.ids_BT.float()}, r"ids_BT must hold token ids from 0 to \d+"),
    "nan": (poisoned, "gain_BT holds a number that is not finite"),
    "infinite": (lambda b: {"old_BT": b.gain_BT - math.inf}, "old_BT holds an infinite log-probability"),
    "zero": (lambda b: {"gain_BT": b.gain_BT * 0, "total": 0.0}, r"total, which divides .* above 0, got 0\.0"),
    "total": (lambda b: {"total": math.nan}, "total, which divides .* above 0, got nan"),
}


@dataclass(frozen=True, kw_only=True)
class Misfit(Midtrain):
    """A batch with one thing wrong."""

    wrong: str = "gain"

    def collect(self, models, seed, step, rows):
        batch = super().collect(models, seed, step, rows)
        return replace(batch, **BAD[self.wrong][0](batch))


@pytest.mark.parametrize("wrong", BAD)
def test_a_batch_that_does_not_fit_together_is_refused(wrong, kernels, tiny):
    """Kills: an IndexError out of the kernels, or "loss nan, gradient norm 0.0", that names neither class nor field;
    with torch's kernels, gains of rows that are cut off in silence."""
    with pytest.raises(ValueError, match=rf"^Misfit\.collect: {BAD[wrong][1]}"):
        train(tiny.build(0), Misfit(**FIELDS, wrong=wrong), 0)


def test_gains_of_broken_weights_are_a_divergence(tiny):
    """Kills: a model that has diverged reported as a mistake in a method."""
    lm = tiny.build(0)
    with torch.no_grad():
        lm.embed.fill_(math.nan)
    with pytest.raises(Diverged, match=r"Misfit step 0: .*gain_BT holds a number that is not finite; no save"):
        train(lm, Misfit(**FIELDS, wrong="nan"), 0)
