"""Muon against torch's own and a singular value decomposition, schedules by hand, and exact resumption."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from interlude.models.gpt import GPT
from interlude.models.optim import Muon, Optim, make, orthogonal, rate
from interlude.synth.tokens import Vocabulary

VOCAB = Vocabulary(worlds=("zoo",), names=8)
SIZES = GPT(layers=2, width=64, heads=2, kv_heads=1, hidden=96, vocab=VOCAB)


def weights(*shapes: tuple[int, int], seed: int = 0) -> dict[str, torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(seed)
    return {f"w{i}": torch.nn.Parameter(torch.randn(shape, generator=draw) * 0.1) for i, shape in enumerate(shapes)}


def give_gradients(named: dict[str, torch.nn.Parameter], step: int) -> None:
    draw = torch.Generator().manual_seed(1000 + step)
    for weight in named.values():
        weight.grad = torch.randn(weight.shape, generator=draw)


def train(model, optimiser, first: int, last: int) -> None:
    for step in range(first, last):
        ids_BT = torch.randint(0, VOCAB.size, (2, 9), generator=torch.Generator().manual_seed(step))
        F.cross_entropy(model(ids_BT[:, :-1]).flatten(0, 1), ids_BT[:, 1:].flatten()).backward()
        optimiser.clip()
        optimiser.step(rate(optimiser.optim, step, step / 10))
        optimiser.zero_grad()


def test_muon_follows_torch():
    # Mutants: momentum as a sum, no look-ahead, scale by columns / rows, decay coupled to the gradient.
    shapes = ((32, 48), (48, 32), (64, 16), (32, 48))
    ours, theirs = weights(*shapes), weights(*shapes)
    optim = Optim(weight_decay=0.1)
    muon = Muon(ours, {name: (weight.size(0),) for name, weight in ours.items()}, optim)
    oracle = torch.optim.Muon(theirs.values(), lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="original")
    start = [weight.detach().clone() for weight in ours.values()]
    for step in range(4):
        give_gradients(ours, step), give_gradients(theirs, step)
        muon.step(0.02), oracle.step()
    for before, a, b in zip(start, ours.values(), theirs.values(), strict=True):
        # The oracle works in bfloat16 (8 bits): each step's entries are about 0.02 / 5, its error about 2 % of that.
        moved = (b - before).norm()
        assert moved > 0.1
        assert (a - b).norm() < 0.03 * moved


def test_momentum_is_exact():
    # Mutant: any other average. m1 = 0.05 g0, m2 = 0.95 m1 + 0.05 g1.
    named = weights((8, 8))
    muon = Muon(named, {"w0": (8,)}, Optim())
    gradients = []
    for step in range(2):
        give_gradients(named, step)
        gradients.append(named["w0"].grad.clone())
        muon.step(0.01)
    torch.testing.assert_close(muon.momentum["w0"], 0.95 * 0.05 * gradients[0] + 0.05 * gradients[1])


@pytest.mark.parametrize("shape", [(24, 24), (24, 60)])
def test_orthogonal_against_singular_values(shape):
    # Mutants: four iterations instead of five, a coefficient's last digit, one norm for the whole stack.
    wide = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wide[1] *= 1e3
    left, values, right = torch.linalg.svd(wide, full_matrices=False)
    values = values / values.norm(dim=1, keepdim=True)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    expected = left @ torch.diag_embed(values) @ right
    torch.testing.assert_close(orthogonal(wide), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(orthogonal(wide.float()), expected.float(), rtol=0, atol=1e-4)
    assert torch.linalg.svdvals(orthogonal(wide))[:, :12].sub(1).abs().max() < 0.35


def test_fused_matrices_move_as_if_they_were_apart():
    # Mutant: orthogonalising the stack (then the large gradient of one part shrinks the step of the other).
    fused, apart = weights((48, 16)), weights((32, 16), (16, 16))
    draw = torch.Generator().manual_seed(0)
    gradient = torch.cat((torch.randn(32, 16, generator=draw), 100 * torch.randn(16, 16, generator=draw)))
    with torch.no_grad():
        apart["w0"].copy_(fused["w0"][:32]), apart["w1"].copy_(fused["w0"][32:])
    fused["w0"].grad, apart["w0"].grad, apart["w1"].grad = gradient, gradient[:32].clone(), gradient[32:].clone()
    Muon(fused, {"w0": (32, 16)}, Optim()).step(0.1)
    Muon(apart, {"w0": (32,), "w1": (16,)}, Optim()).step(0.1)
    torch.testing.assert_close(fused["w0"], torch.cat((apart["w0"], apart["w1"])))


def test_a_stack_that_does_not_add_up_is_refused():
    # Mutant: trusting the row counts.
    with pytest.raises(ValueError, match="w0 of shape"):
        Muon(weights((8, 8)), {"w0": (4, 3)}, Optim())


def test_who_gets_which_optimiser():
    # Mutants: embeddings or head under Muon; a parameter forgotten, or moved by both.
    model = SIZES.build(0)
    optimiser = make(Optim(), model)
    by_adam = set(optimiser.adam_names)
    assert {"embed", "head", "norm", "layers.0.q_norm", "layers.1.mlp_norm"} <= by_adam
    assert by_adam | set(optimiser.muon.weights) == {name for name, _ in model.named_parameters()}
    assert not by_adam & set(optimiser.muon.weights)
    assert set(optimiser.muon.weights) == set(model.matrices())
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    train(model, optimiser, 0, 3)
    for name, weight in model.named_parameters():
        assert not torch.equal(weight, before[name]), f"{name} did not move"


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_weight_decay_touches_hidden_matrices_only(kind):
    # Mutants: decay on norms or embeddings; none at all.
    models = {}
    for decay in (0.0, 0.5):
        models[decay] = SIZES.build(0)
        optimiser = make(Optim(kind=kind, weight_decay=decay), models[decay])
        for weight in models[decay].parameters():
            weight.grad = torch.zeros_like(weight)
        optimiser.step(1.0)
    lr = 0.02 if kind == "muon" else 3e-3
    without, with_decay = models[0.0], models[0.5]
    torch.testing.assert_close(with_decay.layers[0].qkv, without.layers[0].qkv * (1 - lr * 0.5))
    assert torch.equal(with_decay.embed, without.embed)
    assert torch.equal(with_decay.norm, without.norm)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_resuming_is_exact(kind):
    # Mutants: momentum or Adam's step count not saved; state loaded by reference to the first run's tensors.
    whole = SIZES.build(0)
    train(whole, make(Optim(kind=kind, warmup=2), whole), 0, 6)
    first = SIZES.build(0)
    optimiser = make(Optim(kind=kind, warmup=2), first)
    train(first, optimiser, 0, 3)
    state = {name: tensor.clone() for name, tensor in optimiser.state_dict().items()}
    second = SIZES.build(1)
    second.load_state_dict(first.state_dict())
    resumed = make(Optim(kind=kind, warmup=2), second)
    resumed.load_state_dict(state)
    kept = {name: tensor.clone() for name, tensor in state.items()}
    train(second, resumed, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(state[name], kept[name]) for name in kept)
    fresh = SIZES.build(0)
    assert not torch.equal(fresh.layers[0].down, whole.layers[0].down)


def test_a_state_that_does_not_fit_is_refused():
    # Mutant: loading what matches and ignoring the rest.
    model = SIZES.build(0)
    optimiser = make(Optim(), model)
    train(model, optimiser, 0, 1)
    state = optimiser.state_dict()
    less = {gone: {k: v for k, v in state.items() if k != gone} for gone in ("muon.layers.1.down", "adam.step.embed")}
    for changed, message in (
        *((changed, f"{gone} is missing") for gone, changed in less.items()),
        (state | {"muon.layers.9.down": torch.zeros(1)}, "muon.layers.9.down is unknown"),
        (state | {"adam.exp_avg.embed": torch.zeros(1)}, "adam.exp_avg.embed has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            make(Optim(), model).load_state_dict(changed)


def test_clipping_returns_the_norm_before_and_scales_to_the_bound():
    # Mutants: the norm after; per-tensor clipping.
    model = SIZES.build(0)
    optimiser = make(Optim(clip=0.5), model)
    draw = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.grad = torch.randn(weight.shape, generator=draw)
    flat = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert optimiser.clip().item() == pytest.approx(flat.norm().item(), rel=1e-5)
    after = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    torch.testing.assert_close(after, flat * 0.5 / flat.norm(), rtol=1e-4, atol=1e-7)
    model.embed.grad[0, 0] = torch.inf
    assert not math.isfinite(optimiser.clip().item())


def test_schedules_by_hand():
    # Mutants: warm-up from zero (a wasted step), decay counted from the wrong end, a floor that is not reached.
    wsd = Optim(warmup=4, decay=0.4, floor=0.02)
    assert [rate(wsd, step, step / 20) for step in (0, 1, 3, 4, 11)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert rate(wsd, 99, 0.6) == 1.0
    assert rate(wsd, 99, 0.8) == pytest.approx(0.02 + 0.98 / 2)
    assert rate(wsd, 99, 1.0) == pytest.approx(0.02)
    cosine = Optim(warmup=10, schedule="cosine", floor=0.1)
    assert [rate(cosine, 99, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.55, 0.1])
    linear = Optim(warmup=0, schedule="linear", floor=0.2)
    assert [rate(linear, 0, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2])
    assert rate(Optim(warmup=0, schedule="constant"), 9, 0.9) == 1.0
    assert rate(Optim(warmup=20, schedule="constant"), 4, 0.9) == 0.25
    for step, progress in ((-1, 0.5), (0, -0.1), (0, 1.1), (0, math.nan)):
        with pytest.raises(ValueError, match="progress must be"):
            rate(wsd, step, progress)


@pytest.mark.parametrize(
    "field",
    [
        {"matrix_lr": 0.0}, {"other_lr": math.inf}, {"weight_decay": -0.1}, {"betas": (0.9, 1.0)}, {"betas": (0.9,)},
        {"momentum": 1.0}, {"clip": 0.0}, {"kind": "sgd"}, {"schedule": "step"}, {"warmup": 1.5}, {"decay": 0.0},
        {"floor": 1.0}, {"matrix_lr": math.nan},
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_name(field):
    # Mutant: each check removed in turn.
    with pytest.raises(ValueError, match=f"Optim.{next(iter(field))} "):
        Optim(**field)
