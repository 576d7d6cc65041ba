"""ReMiT weighs tokens as its paper says, is next-token prediction where nothing is to weigh, and tells its weights."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from interlude.models.ledger import REFERENCE, TRAIN, forward_cost
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stage import StageModels, predicted
from interlude.models.stages.distil import Distil
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.remit import ReMiT
from interlude.models.train import Machine, backward, frozen, train
from interlude.synth.roles import roles
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
FIELDS = {
    "steps": 2, "batch_size": 3, "optim": Optim(warmup=1), "data": EASY,
    "replay": dataclasses.replace(EASY, order="shuffled"), "replay_share": 0.5,
}  # fmt: skip


@pytest.fixture
def around(tiny):
    """A learner and a reference of equal size whose weights differ, and what a stage is given of them."""

    def shaken(seed: int):
        lm, noise = tiny.build(0).eval(), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in lm.parameters():
                weight.add_(0.2 * torch.randn(weight.shape, generator=noise))
        return lm

    return StageModels(shaken(1), frozen(shaken(2)), {"reference": frozen(shaken(3))})


def stage(tiny, **changes) -> ReMiT:
    return ReMiT(**FIELDS | {"reference": Recipe(tiny)} | changes)


def collected(stage, models: StageModels):
    with torch.no_grad():
        return stage.collect(models, 5, 2, range(stage.batch_size))


def logps(lm, batch) -> list[list[float]]:
    """log p of every token but the first of each row, by one whole forward pass a row, in float64."""
    found = []
    with torch.no_grad():
        for ids_T, n in zip(batch.ids_BT, batch.lengths, strict=True):
            logp_TV = lm.forward(ids_T[None, :n])[0].double().log_softmax(-1)
            found.append([float(logp_TV[t - 1, ids_T[t]]) for t in range(1, n)])
    return found


@pytest.mark.parametrize(
    "changes", ({}, {"centring": "standard"}, {"centring": "none", "renormalise": True}, {"targets": "solution"})
)
def test_a_reference_like_the_learner_is_plain_midtraining(changes, around, tiny):
    # Mutants: the sigmoid not doubled; the clip not around 1; a standard deviation of 0 that divides; other problems.
    one = stage(tiny, **changes)
    plain = Midtrain(**FIELDS, targets=one.targets)
    same = StageModels(around.learner, None, {"reference": frozen(around.learner)})
    batch = collected(one, same)
    loss, told = one.loss_and_metrics(same, batch)
    assert told["weight"] == (batch.total, batch.total) and told["low"][0] == told["high"][0] == 0
    assert torch.equal(loss, plain.loss(same, collected(plain, same)))


@pytest.mark.parametrize("against", ("learner", "start", "nothing"))
def test_the_loss_by_hand(against, around, tiny):
    # Mutants: the gap the other way round; centred over the batch; the divisor the sum of weights; a shifted target.
    one = stage(tiny, against=against)
    batch = collected(one, around)
    reference, learner = logps(around.references["reference"], batch), logps(around.learner, batch)
    nothing = [[0.0] * (n - 1) for n in batch.lengths]  # no prediction of a first token
    other = {"learner": learner, "start": logps(around.start, batch), "nothing": nothing}[against]
    total, count = 0.0, 0
    for high, low, own in zip(reference, other, learner, strict=True):
        gaps = [a - b for a, b in zip(high, low, strict=True)]
        mean = sum(gaps) / len(gaps)
        weights = [min(1.2, max(0.8, 2 / (1 + math.exp(mean - gap)))) for gap in gaps]
        assert len(set(weights)) > 3
        total, count = total - sum(w * logp for w, logp in zip(weights, own, strict=True)), count + len(own)
    assert one.loss(around, batch).item() == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("changes", ({}, {"renormalise": True}))
def test_no_gradient_flows_through_the_weights(changes, around, tiny):
    # Mutant: a gap that is not detached: the loss could be lowered by making tokens that weigh much weigh less.
    one = stage(tiny, eps=1.0, **changes)
    batch, weights = collected(one, around), list(around.learner.parameters())
    found = torch.autograd.grad(one.loss(around, batch), weights, allow_unused=True)
    chosen_BT, logp_N = predicted(around.learner, batch)
    assert not one.gap(around, batch, chosen_BT, logp_N).requires_grad
    weight_BT = one.weigh(one.gap(around, batch, chosen_BT, logp_N), chosen_BT)
    if one.renormalise:
        weight_BT = weight_BT / (weight_BT * chosen_BT).sum(1, keepdim=True) * chosen_BT.sum(1, keepdim=True)
    loss = -(weight_BT[chosen_BT].detach() * logp_N).sum() / batch.total
    expected = torch.autograd.grad(loss, weights, allow_unused=True)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


# Weights alone: three rows of 7, 4 and 1 targets.
CHOSEN_BT = torch.tensor([[0, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0, 0, 0]]).bool()
GAP_BT = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)) * CHOSEN_BT
KEYS_BT = torch.rand(3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def rows(x_BT) -> list[list[float]]:
    return [x_T[chosen_T].tolist() for x_T, chosen_T in zip(x_BT, CHOSEN_BT, strict=True)]


@pytest.mark.parametrize("centring", ("sequence", "standard", "none"))
def test_a_constant_in_a_row_changes_nothing(centring, tiny):
    # Mutants: no centring; centring over padding, over questions or over the batch.
    one = stage(tiny, centring=centring, eps=1.0)
    moved_BT = GAP_BT + torch.tensor([[3.0], [-2.0], [0.5]]) * CHOSEN_BT
    before, after = (rows(one.weigh(gap_BT, CHOSEN_BT)) for gap_BT in (GAP_BT, moved_BT))
    same = [b == pytest.approx(a, abs=1e-5) for a, b in zip(after, before, strict=True)]
    assert same == [centring != "none"] * 3 and (before[2] == [1.0]) == (centring != "none")


def test_standardised_gaps_by_hand(tiny):
    # Mutants: a variance for a standard deviation; that of the padded row.
    gaps = GAP_BT[0, 1:].double()
    expected = 2 * ((gaps - gaps.mean()) / gaps.std(unbiased=False)).sigmoid()
    found = rows(stage(tiny, centring="standard", eps=1.0).weigh(GAP_BT, CHOSEN_BT))[0]
    assert found == pytest.approx(expected.tolist(), rel=1e-3)


@pytest.mark.parametrize("eps", (0.05, 0.2, 0.5))
def test_weights_keep_within_their_bounds(eps, tiny):
    # Mutants: a clip on one side; a clip of the gap instead of the weight.
    clipped = [w for row in rows(stage(tiny, eps=eps).weigh(5 * GAP_BT, CHOSEN_BT)) for w in row]
    free = [w for row in rows(stage(tiny, eps=1.0).weigh(5 * GAP_BT, CHOSEN_BT)) for w in row]
    assert (min(clipped), max(clipped)) == pytest.approx((1 - eps, 1 + eps))
    assert clipped == pytest.approx([min(1 + eps, max(1 - eps, w)) for w in free])
    assert 0 < min(free) < 0.5 and max(free) > 1.5


def test_shuffled_weights_are_the_same_weights(tiny):
    # Mutants: shuffled across rows or among tokens that are no targets; one permutation for all rows; nothing shuffled.
    plain = rows(stage(tiny).weigh(GAP_BT, CHOSEN_BT))
    shuffled = stage(tiny, weights="shuffled")
    found = rows(shuffled.weigh(GAP_BT, CHOSEN_BT, KEYS_BT))
    assert list(map(sorted, found)) == list(map(sorted, plain)) and found[0] != plain[0] and found[1] != plain[1]
    # What is drawn for a token is its row's own, wherever the row stands and however far it is padded.
    wider = [torch.nn.functional.pad(x_BT[1:2], (0, 3)) for x_BT in (GAP_BT, CHOSEN_BT, KEYS_BT)]
    assert shuffled.weigh(*wider)[0, :8][CHOSEN_BT[1]].tolist() == found[1]


def test_topk_keeps_the_largest_gaps(tiny):
    # Mutants: the smallest; a share of the padded row; a share rounded down to nothing.
    found = rows(stage(tiny, weights="topk", keep=0.4).weigh(GAP_BT, CHOSEN_BT))
    for row, gaps, kept in zip(found, rows(GAP_BT), (3, 2, 1), strict=True):
        assert row == [float(gap in sorted(gaps)[-kept:]) for gap in gaps]


def test_renormalised_weights_have_mean_one(around, tiny):
    # Mutants: a mean over the batch; a mean over padding. Against a plain loss weighed by hand.
    one = stage(tiny, weights="topk", keep=0.5, renormalise=True)
    batch = collected(one, around)
    total = 0.0
    for other, own in zip(logps(around.references["reference"], batch), logps(around.learner, batch), strict=True):
        row = [a - b for a, b in zip(other, own, strict=True)]
        kept = [row.index(gap) for gap in sorted(row)[-math.ceil(len(row) / 2) :]]
        total -= sum(own[t] for t in kept) * len(row) / len(kept)
    assert one.loss(around, batch).item() == pytest.approx(total / batch.total, rel=1e-5)


@pytest.mark.parametrize("micro_tokens", (1 << 20, 30))
def test_the_log_tells_the_weights(micro_tokens, around, tiny):
    # Mutants: means of micro-batches' means; roles off by one; questions' roles for solutions'; low for high.
    one = stage(tiny)
    batch = collected(one, around)
    _, told = backward(around, one, batch, Machine(micro_tokens=micro_tokens), "float32")
    chosen_BT, logp_N = predicted(around.learner, batch)
    weight_BT = one.weigh(one.gap(around, batch, chosen_BT, logp_N), chosen_BT)
    expected: dict[str, list[float]] = {"weight": [], "low": [], "high": []}
    for row in range(one.batch_size):
        drawn = [source.problem("midtrain", 5, 2, row) for source in (one.data, one.replay)]
        ids, encode = batch.ids_BT[row, : batch.lengths[row]].tolist(), around.learner.encode
        problem = next(each for each in drawn if encode(each.question) + encode(each.solution) == ids)
        for t, role in enumerate(roles(problem)):
            if t:
                w = float(weight_BT[row, t])
                for name, x in (("weight", w), ("low", w < 0.80001), ("high", w > 1.19999), (f"weight_{role}", w)):
                    expected.setdefault(name, []).append(float(x))
    assert told.keys() == expected.keys() and 0 < sum(expected["low"]) != sum(expected["high"])
    assert {name: pair[1] for name, pair in told.items()} == {name: len(each) for name, each in expected.items()}
    sums = {name: sum(each) for name, each in expected.items()}
    assert {name: pair[0] for name, pair in told.items()} == pytest.approx(sums)


def test_the_reference_stays_and_costs_a_third(around, tiny):
    # Mutants: the optimiser given the reference; a reference pass not charged, or charged to training.
    before = {name: tensor.clone() for name, tensor in around.references["reference"].state_dict().items()}
    lines = []
    models = around.references
    state = train(around.learner, stage(tiny), 3, references=models, observe=lambda _, line: lines.append(line))
    after = around.references["reference"].state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    row = state.ledger.as_dict()
    assert row["reference_tokens"] == row["train_tokens"]
    assert 3 * row["reference_flops"] == pytest.approx(row["train_flops"])
    assert 0.8 <= lines[0]["weight"] <= 1.2 and {"low", "high", "weight_planning"} <= lines[0].keys()


def test_distillation_by_hand(around, tiny):
    # Mutants: KL the other way round; alpha exchanged; only the target's term; a divisor of its own.
    fields = FIELDS | {"reference": Recipe(tiny), "targets": "solution"}
    batch = collected(Distil(**fields), around)
    nats = kl = 0.0
    with torch.no_grad():
        for b, n in enumerate(batch.lengths):
            both = (around.learner, around.references["reference"])
            q, p = (lm.forward(batch.ids_BT[b : b + 1, :n])[0].double().log_softmax(-1) for lm in both)
            for t in range(1, n):
                if batch.gain_BT[b, t]:
                    nats -= float(q[t - 1, batch.ids_BT[b, t]])
                    kl += float((p[t - 1].exp() * (p[t - 1] - q[t - 1])).sum())
        found = [float(Distil(**fields, alpha=alpha).loss(around, batch)) for alpha in (0.0, 0.25, 1.0)]
        plain = float(Midtrain(**FIELDS).loss(around, batch))
    assert found == pytest.approx([(nats, 0.75 * nats + 0.25 * kl, kl)[n] / batch.total for n in range(3)], rel=1e-4)
    assert found[0] == pytest.approx(plain, rel=1e-6) and kl > 1
    asked = forward_cost(around.learner, REFERENCE, list(batch.lengths), logits=int(batch.total))
    assert batch.spent == (asked,) and asked.kind != TRAIN


BAD = {"eps": 1.5, "keep": 0.0, "centring": "mean", "against": "base", "weights": "random", "targets": "question"}


@pytest.mark.parametrize("change", [*({name: bad} for name, bad in BAD.items()), {"eps": 0.0}, {"replay_share": 1.5}])
def test_bad_stages_are_refused(change, tiny):
    # Mutant: a field that is not checked.
    with pytest.raises(ValueError, match=f"ReMiT.*{next(iter(change))}"):
        stage(tiny, **change)


def test_a_reference_of_other_tokens_is_refused(tiny):
    # Mutant: found out after hours of pre-training, or never, where two vocabularies are as large.
    other = Recipe(dataclasses.replace(tiny, vocab=dataclasses.replace(tiny.vocab, worlds=("school",))))
    with pytest.raises(ValueError, match="ReMiT.reference reads other tokens than the model"):
        Recipe(tiny) + stage(tiny, reference=other)
    with pytest.raises(ValueError, match="Distil.alpha"):
        Distil(**FIELDS, reference=Recipe(tiny), alpha=1.5)
