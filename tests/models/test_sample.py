"""Sampling equals its definition: the uncached model, one token at a time, one uniform number a token."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import interlude.models.gpt_network
from interlude.models.gpt import GPT
from interlude.models.gpt_network import GPTModel
from interlude.models.lm import SamplingParams
from interlude.models.sample import choose, sample
from interlude.synth.rng import uniforms
from interlude.synth.tokens import Vocabulary

VOCAB = Vocabulary(worlds=("zoo",), names=8)
SIZES = GPT(layers=2, width=64, heads=2, kv_heads=2, hidden=96, vocab=VOCAB)
ROOM = 24


def trained(sizes: GPT = SIZES, end: float = 0.0) -> GPTModel:
    """Weights far from their start, so that distributions are uneven; ``end`` makes stopping more likely."""
    model, draw = sizes.build(0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=draw) * 0.15)
        if model.head is not None:
            model.head[VOCAB.end] += end * model.head.std() * torch.ones(sizes.width)
    return model


def ragged(count: int, seed: int = 0) -> tuple[list[list[int]], np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(seed))
    prompts = [draw.integers(3, VOCAB.size, size=1 + int(draw.integers(0, 20))).tolist() for _ in range(count)]
    return prompts, np.stack([uniforms("test", seed, row, n=ROOM) for row in range(count)])


@torch.no_grad()
def slowly(model: GPTModel, prompt: list[int], stream: np.ndarray, temperature: float, top_p: float):
    """The definition, written a second time: no cache, no batch, Python lists."""
    ids, logprobs = list(prompt), []
    for uniform in stream:
        logp = torch.log_softmax(model(torch.tensor([ids]))[0, -1].double() / (temperature or 1.0), -1).tolist()
        mass = np.exp(logp)
        if top_p < 1:
            kept, total = set(), 0.0
            for token in sorted(range(len(mass)), key=lambda i: -mass[i]):
                if total < top_p:
                    kept.add(token)
                total += mass[token]
            mass = np.array([m if i in kept else 0.0 for i, m in enumerate(mass)])
        target, total = uniform * mass.sum(), 0.0
        for token, share in enumerate(mass):  # noqa: B007, the token it stops at is used
            total += share
            if total > target:
                break
        token = int(np.argmax(mass)) if temperature == 0 else token
        ids.append(token)
        logprobs.append(logp[token])
        if token == VOCAB.end:
            break
    return ids[len(prompt) :], logprobs


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.3, 0.8), (0.0, 1.0)])
@pytest.mark.parametrize(
    "sizes",
    [SIZES, dataclasses.replace(SIZES, heads=4, kv_heads=2, qk_norm=False), dataclasses.replace(SIZES, tied=True)],
    ids=["qwen3", "grouped", "tied"],
)
@pytest.mark.parametrize("shared", (False, True))
def test_cached_sampling_is_the_definition(sizes, temperature, top_p, shared):
    # Mutants: a wrong position after a short prompt, no mask, stale columns after compaction, the stream transposed,
    # log-probabilities after the cut, top_p dropping the token that crosses the threshold.
    model = trained(sizes, end=2.0)
    prompts, streams = ragged(12)
    assert len(set(map(tuple, prompts))) == 12
    if shared:  # which is decoded otherwise than rows with prompts of their own
        prompts[3:9:2] = prompts[:6:2]
    found = model.sample(prompts, streams, SamplingParams(max_new_tokens=ROOM, temperature=temperature, top_p=top_p))
    for prompt, stream, ids, logprobs, stopped in zip(
        prompts, streams, found.ids, found.logprobs, found.stopped, strict=True
    ):
        expected, expected_logprobs = slowly(model, prompt, stream, temperature, top_p)
        assert ids == expected
        assert logprobs == pytest.approx(expected_logprobs, abs=1e-4)
        assert stopped == (ids[-1] == VOCAB.end)
        assert len(ids) == ROOM or stopped
    if temperature == 1.0 and sizes.kv_heads == sizes.heads and not sizes.tied:
        assert 0 < sum(found.stopped) < len(prompts), "rows must stop at different times for this test to mean anything"


def test_a_row_does_not_depend_on_the_other_rows():
    # Mutants: a stream indexed by position in the batch after compaction; prompts deduplicated with their streams.
    model = trained(end=2.0)
    prompts, streams = ragged(64, seed=1)
    prompts[7] = prompts[3]
    params = SamplingParams(max_new_tokens=ROOM)
    together = model.sample(prompts, streams, params)
    alone = [model.sample([p], stream[None], params) for p, stream in zip(prompts, streams, strict=True)]
    assert together.ids == [found.ids[0] for found in alone]
    for row, found in enumerate(alone):
        assert together.logprobs[row] == pytest.approx(found.logprobs[0], abs=1e-4)
    assert together.ids[7] != together.ids[3]
    assert len({len(ids) for ids in together.ids}) > 3


@pytest.mark.parametrize("shared", (False, True))
def test_prompts_read_in_several_groups(monkeypatch, shared):
    # Mutant: a later group overwriting the rows of an earlier one, or leaving numbers behind the end of short prompts.
    model = trained()
    prompts, streams = ragged(20)
    if shared:
        prompts[-1] = prompts[0]
    whole = model.sample(prompts, streams, SamplingParams(max_new_tokens=ROOM))
    monkeypatch.setitem(interlude.models.gpt_network.PREFILL_TOKENS, "cpu", 1)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.use_deterministic_algorithms(True)  # fills fresh memory with NaN, so nothing may rest on what it held
    try:
        assert model.sample(prompts, streams, SamplingParams(max_new_tokens=ROOM)).ids == whole.ids
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_shorter_room_is_a_prefix():
    # Mutant: anything in the loop that looks at max_new_tokens.
    model = trained()
    prompts, streams = ragged(6)
    long, short = (model.sample(prompts, streams, SamplingParams(max_new_tokens=room)).ids for room in (ROOM, 5))
    assert short == [ids[:5] for ids in long]


def test_frequencies_follow_the_distribution():
    # Mutant: uniform used as a quantile of the sorted distribution, or a cumulative sum shifted by one.
    logits_V = torch.tensor([0.0, -1.0, -torch.inf, 1.0])
    uniform_B = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    chosen_B, logprob_B = choose(logits_V.expand(10_000, 4), uniform_B, 2.0, 1.0)
    expected = torch.softmax(logits_V / 2, 0)
    torch.testing.assert_close(chosen_B.bincount(minlength=4) / 10_000, expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(logprob_B.exp(), expected[chosen_B])


def test_the_largest_uniform_still_chooses_a_possible_token():
    # Mutant: the comparison in float32, where 1 - 2^-53 is 1.
    logits_BV = torch.tensor([[0.3, 0.1, 0.2, -torch.inf]]).expand(50, 4) * torch.linspace(0.5, 3, 50)[:, None]
    edge_B = torch.full((50,), np.nextafter(1.0, 0.0), dtype=torch.float64)
    assert set(choose(logits_BV, edge_B, 1.0, 1.0)[0].tolist()) == {2}
    assert set(choose(logits_BV, torch.zeros(50, dtype=torch.float64), 1.0, 1.0)[0].tolist()) == {0}


def test_a_tiny_top_p_is_argmax():
    # Mutant: an empty nucleus.
    logits_BV = torch.randn(30, 9, generator=torch.Generator().manual_seed(0))
    uniform_B = torch.linspace(0, 0.99, 30, dtype=torch.float64)
    assert torch.equal(choose(logits_BV, uniform_B, 1.0, 1e-9)[0], logits_BV.argmax(-1))


def test_weights_that_are_not_finite_are_refused():
    # Mutant: sampling quietly from NaN.
    model = trained()
    with torch.no_grad():
        model.layers[0].down[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        model.sample([[5]], np.full((1, 2), 0.5), SamplingParams(max_new_tokens=2))


def test_no_prompts_is_no_samples():
    # Mutant: max() of nothing.
    assert sample(trained(), [], np.zeros((0, 3)), SamplingParams(max_new_tokens=3)).ids == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"tokens_after_stop": -1}, "tokens_after_stop"),
        ({"streams": np.zeros((1, 2))}, "streams"),
        ({"streams": np.zeros((1, 3), dtype=np.float32)}, "streams"),
        ({"streams": np.ones((1, 3))}, "uniforms"),
        ({"streams": np.full((1, 3), np.nan)}, "uniforms"),
        ({"prompts": [[]]}, "prompt 0 is empty"),
        ({"prompts": [[VOCAB.size]]}, "prompt 0 has a token outside"),
        ({"max_new_tokens": 5000, "streams": np.zeros((1, 5000))}, "positions"),
    ],
)
def test_bad_requests_are_refused(changes, message):
    # Mutant: each check removed in turn.
    request = {"prompts": [[5]], "streams": np.zeros((1, 3)), "max_new_tokens": 3} | changes
    with pytest.raises(ValueError, match=message):
        sample(trained(), request.pop("prompts"), request.pop("streams"), SamplingParams(**request))
