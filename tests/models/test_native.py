"""Compiled kernels say what torch's say: log-probabilities, gradients and samples of every shape of model."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import shutil
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch

from interlude.models import native
from interlude.models.files import Corrupt
from interlude.models.gpt import GPT
from interlude.models.gpt_network import GPTModel
from interlude.models.lm import SamplingParams
from interlude.models.optim import ITERATIONS, QUINTIC, Optim, orthogonal
from interlude.models.stage import logprobs
from interlude.models.stages.pretrain import Pretrain
from interlude.models.train import Machine, train
from interlude.synth.rng import uniforms
from interlude.synth.tokens import Vocabulary

if shutil.which("c++") is None and shutil.which("g++") is None:
    pytest.skip("there is no C++ compiler here", allow_module_level=True)

VOCAB = Vocabulary(worlds=("zoo",), names=8)
QWEN3 = GPT(layers=2, width=64, heads=2, kv_heads=2, hidden=96, vocab=VOCAB)
SIZES = {
    "qwen3": QWEN3,
    "qwen2": dataclasses.replace(QWEN3, qk_norm=False, qkv_bias=True, kv_heads=1, tied=True),
    "llama": dataclasses.replace(QWEN3, qk_norm=False, heads=4, width=128, kv_heads=2),
    "one layer": dataclasses.replace(QWEN3, layers=1, tied=True, rope_theta=500.0, norm_eps=1e-3),
    "heads of 64": dataclasses.replace(QWEN3, layers=3, heads=3, kv_heads=1, head_width=64, hidden=48, width=80),
    "heads of 128": dataclasses.replace(QWEN3, heads=4, kv_heads=2, head_width=128, width=32),
    "nano": GPT(vocab=VOCAB),
}
ROOM = 40


def shaken(sizes: GPT, seed: int = 0, end: float = 0.0) -> GPTModel:
    """A model in which no weight is at its initial zero or one; ``end`` makes stopping more likely."""
    model, draw = sizes.build(seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=draw) * 0.1)
        if end:
            (model.embed if model.head is None else model.head)[VOCAB.end] *= end
    return model.eval()


def asked(seed: int = 0, count: int = 7, length: int = 130) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens and which are chosen: some rows have none, and some only one, at their beginning or their end."""
    draw = torch.Generator().manual_seed(seed)
    ids_BT = torch.randint(0, VOCAB.size, (count, length), generator=draw)
    chosen_BT = torch.rand(count, length, generator=draw) < 0.4
    chosen_BT[0] = chosen_BT[2] = False
    chosen_BT[3] = torch.arange(length) == 1
    chosen_BT[4, 40:] = False
    chosen_BT[5] = torch.arange(length) == length - 1
    chosen_BT[:, 0] = False
    return ids_BT, chosen_BT


def both(monkeypatch, work):
    """What ``work`` returns by torch's kernels and by compiled ones."""
    found = []
    for kernels in ("torch", "native"):
        monkeypatch.setenv("INTERLUDE_KERNELS", kernels)
        found.append(work())
    return found


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("temperature", (1.0, 0.7))
def test_log_probabilities_and_gradients(monkeypatch, sizes, temperature):
    # Mutants: a term missing in any backward pass, a wrong mask or rotation, a key head of another query head, a
    # divisor left out, gradients of a tied table kept apart.
    model, (ids_BT, chosen_BT) = shaken(sizes), asked()
    weights = dict(model.named_parameters())
    gain_N = torch.randn(int(chosen_BT.sum()), generator=torch.Generator().manual_seed(3))

    def work():
        logp_N = logprobs(model, ids_BT, chosen_BT, temperature)
        grads = torch.autograd.grad((gain_N * logp_N).sum(), weights.values())
        return logp_N.detach(), dict(zip(weights, grads, strict=True))

    (expected_N, expected), (found_N, found) = both(monkeypatch, work)
    torch.testing.assert_close(found_N, expected_N, rtol=0, atol=2e-5)
    for name, grad in expected.items():
        assert (found[name] - grad).norm() <= 1e-4 * grad.norm(), name
    with torch.no_grad():
        assert torch.equal(logprobs(model, ids_BT, chosen_BT, temperature), found_N)


@pytest.mark.parametrize("length", (2, 3, 17, 97, 200))
def test_rows_of_any_length(monkeypatch, length):
    # Mutants: what is left of a block, a tile or a vector of a product not computed; a key beyond the last one seen.
    model, draw = shaken(QWEN3), torch.Generator().manual_seed(length)
    ids_BT = torch.randint(0, VOCAB.size, (3, length), generator=draw)
    chosen_BT = torch.ones(3, length, dtype=torch.bool)
    chosen_BT[1, length // 2 + 1 :] = False
    weights = list(model.parameters())

    def work():
        logp_N = logprobs(model, ids_BT, chosen_BT)
        return logp_N.detach(), torch.autograd.grad(logp_N.sum(), weights)

    (expected_N, expected), (found_N, found) = both(monkeypatch, work)
    torch.testing.assert_close(found_N, expected_N, rtol=0, atol=2e-5)
    for grad, expected_grad in zip(found, expected, strict=True):
        assert (grad - expected_grad).norm() <= 1e-4 * expected_grad.norm() + 1e-5  # a query of one key has none


def test_nothing_chosen_and_weights_that_are_not_trained(monkeypatch):
    # Mutants: an empty batch fails; a gradient for a frozen weight, or one for none.
    model, (ids_BT, chosen_BT) = shaken(QWEN3), asked()
    none_N = logprobs(model, ids_BT, torch.zeros_like(chosen_BT))
    assert none_N.shape == (0,)
    assert all(grad.abs().sum() == 0 for grad in torch.autograd.grad(none_N.sum(), list(model.parameters())))
    model.embed.requires_grad_(False)
    (expected,), (found,) = both(
        monkeypatch, lambda: torch.autograd.grad(logprobs(model, ids_BT, chosen_BT).sum(), [model.head])
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for weight in model.parameters():
        weight.requires_grad_(False)
    assert not logprobs(model, ids_BT, chosen_BT).requires_grad


def test_weights_are_never_those_of_an_earlier_call(monkeypatch):
    # Mutants: packed weights kept by version only, which ``.data`` does not raise; a gradient of other weights.
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")
    model, (ids_BT, chosen_BT) = shaken(QWEN3), asked()
    before_N = logprobs(model, ids_BT, chosen_BT)
    streams = np.full((1, 5), 0.5)
    first = model.sample([[5, 6]], streams, SamplingParams(max_new_tokens=5))
    model.layers[0].qkv.data.mul_(1.5)
    model.head.data[3] += 1.0
    found_N = logprobs(model, ids_BT, chosen_BT)
    then = model.sample([[5, 6]], streams, SamplingParams(max_new_tokens=5))
    monkeypatch.setenv("INTERLUDE_KERNELS", "torch")
    torch.testing.assert_close(found_N, logprobs(model, ids_BT, chosen_BT), rtol=0, atol=2e-5)
    assert not torch.allclose(before_N, found_N, atol=1e-2) and then.logprobs != first.logprobs
    with torch.no_grad():
        model.layers[0].qkv.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        found_N.sum().backward()


def test_a_second_backward_pass_finds_the_same(monkeypatch):
    # Mutant: a backward pass that spoils what the forward pass left.
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")
    model, weights = (found := shaken(QWEN3)), list(found.parameters())
    loss = logprobs(model, *asked()).square().sum()
    once, twice = (torch.autograd.grad(loss, weights, retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def test_nothing_rests_on_what_fresh_memory_held(monkeypatch):
    # Mutant: a sum that is added to and was never cleared.
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")
    model = shaken(SIZES["heads of 128"])
    weights = list(model.parameters())

    def work():
        logp_N = logprobs(model, *asked())
        return [logp_N.detach(), *torch.autograd.grad(logp_N.sum(), weights)]

    expected = work()
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)  # fills fresh memory with NaN
    try:
        assert all(torch.equal(a, b) for a, b in zip(work(), expected, strict=True))
    finally:
        torch.use_deterministic_algorithms(False)


PROMPTS = np.random.default_rng(0)
DIFFERENT = [PROMPTS.integers(3, VOCAB.size, size=1 + int(PROMPTS.integers(0, 40))).tolist() for _ in range(40)]
LONG = [PROMPTS.integers(3, VOCAB.size, size=60 + 4 * row).tolist() for row in range(16)]
ASKED = {
    "all different": DIFFERENT,
    "long": LONG,
    "groups": [DIFFERENT[row // 8] for row in range(40)],
    "mixed": [DIFFERENT[row % 7 if row % 3 else row] for row in range(40)],
    "one": DIFFERENT[:1],
}
HOW = {
    "plain": {},
    "greedy": {"temperature": 0.0},
    "nucleus": {"temperature": 0.7, "top_p": 0.8},
    "hot": {"temperature": 1.3, "top_p": 0.3},
    "stop": {"stop_token": 7, "tokens_after_stop": 2},
    "stop at once": {"stop_token": 9, "temperature": 0.7},
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("prompts", ASKED.values(), ids=ASKED)
def test_samples(monkeypatch, sizes, prompts):
    # Mutants: a position off by one, a prompt's keys for another's rows, a row's own keys moved when others end, the
    # stop rule off by one, a nucleus without the token that crosses, log-probabilities after the cut; prompts that are
    # read later (a piece of 16 "long" ones holds 1,440 tokens, which native.cpp reads 512 at a time) taken for earlier.
    model = shaken(sizes, end=1.5)
    streams = np.stack([uniforms("native", row, n=ROOM + 3) for row in range(len(prompts))])
    for (name, how), room in product(HOW.items(), (1, ROOM)):
        params = SamplingParams(max_new_tokens=room, **how)
        expected, found = both(monkeypatch, lambda: model.sample(prompts, streams, params))  # noqa: B023
        assert found.ids == expected.ids and found.stopped == expected.stopped, (name, room)
        for ours, theirs in zip(found.logprobs, expected.logprobs, strict=True):
            assert ours == pytest.approx(theirs, abs=5e-5)
        if name == "plain" and room == ROOM and len(prompts) > 1:
            assert len(set(map(len, found.ids))) > 3, "rows must end at different times for this test to mean anything"


@pytest.mark.parametrize("after", (0, 2))
def test_rows_are_not_sampled_beyond_their_stop_token(after):
    # Mutants: a stop token that compiled kernels never hear of, whose rows are cut afterwards; one token more or less.
    model, stop = shaken(QWEN3, end=1.5), 7
    streams = np.stack([uniforms("native", row, n=ROOM) for row in range(40)])
    params = SamplingParams(max_new_tokens=ROOM, stop_token=stop, tokens_after_stop=after)
    ids_BN, _ = native.sample(model, DIFFERENT[:40], streams, params)
    lengths = [1 + after + row.index(stop) for row in ids_BN.tolist() if stop in row]
    rows = [row for row in ids_BN.tolist() if stop in row]
    assert sum(length < ROOM for length in lengths) > 3, "rows must stop early for this test to mean anything"
    assert all(set(row[length:]) <= {model.pad} for row, length in zip(rows, lengths, strict=True))
    assert any(model.pad not in row[: min(length, ROOM)] for row, length in zip(rows, lengths, strict=True))


def test_threads_change_no_bit(monkeypatch, source):
    # Mutants: memory that two threads share; pieces cut by the number of threads; sums in the order of threads.
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")
    threads, found = torch.get_num_threads(), []
    sizes = dataclasses.replace(QWEN3, vocab=Vocabulary(modulus=3, worlds=("zoo",), names=6))
    streams = np.stack([uniforms("native", row, n=ROOM) for row in range(60)])
    try:
        for count in (1, 2, 3):
            model, losses = sizes.build(0), []
            stage = Pretrain(steps=4, batch_size=24, optim=Optim(), data=source)
            machine = Machine(threads=count, micro_tokens=150)
            train(model, stage, 0, machine, observe=lambda _, line: losses.append(line["loss"]))  # noqa: B023
            prompts = [[3 + row % 5, 4, 5] for row in range(60)]
            samples = model.sample(prompts, streams, SamplingParams(max_new_tokens=ROOM))
            found.append((losses, model.state_dict(), samples))
    finally:
        torch.set_num_threads(threads)
    for losses, weights, samples in found[1:]:
        assert losses == found[0][0] and samples == found[0][2]
        assert all(torch.equal(weights[name], weight) for name, weight in found[0][1].items())


def test_training_goes_the_same_way(monkeypatch, source, tiny):
    # Mutants: a loss or an update of another step; Newton-Schulz of another shape.
    def work():
        losses, model = [], tiny.build(0)
        stage = Pretrain(steps=8, batch_size=16, optim=Optim(), data=source)
        train(model, stage, 0, observe=lambda _, line: losses.append(line["loss"]))
        return losses

    expected, found = both(monkeypatch, work)
    assert found == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("shape", ((3, 128, 384), (2, 48, 80), (1, 16, 16)))
def test_orthogonal(shape):
    # Mutants: an upper half not copied, a coefficient exchanged, a matrix scaled by the norm of another.
    x_MRC = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x_MRC *= torch.logspace(-3, 2, shape[0])[:, None, None]
    found = native.orthogonal(x_MRC.clone(), ITERATIONS, QUINTIC)
    torch.testing.assert_close(found, orthogonal(x_MRC), rtol=0, atol=1e-5)


def test_what_is_refused(monkeypatch):
    # Mutants: a token read from beyond the table, a position from beyond the rotations, NaN sampled from.
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")
    model = shaken(QWEN3)
    chosen_BT = torch.ones(1, 3, dtype=torch.bool)
    for ids in ([5, VOCAB.size, 5], [-1, 5, 5], [5, 5, VOCAB.size]):
        with pytest.raises(IndexError, match="outside 0"):
            logprobs(model, torch.tensor([ids]), chosen_BT)
    with pytest.raises(ValueError, match="4096 positions"):
        logprobs(model, torch.zeros(1, 4098, dtype=torch.long), torch.ones(1, 4098, dtype=torch.bool))
    with pytest.raises(ValueError, match="positions"):
        model.sample([[5] * 4000], np.zeros((1, 97)), SamplingParams(max_new_tokens=97))
    with torch.no_grad():
        model.layers[0].down[0, 0] = torch.inf
    with pytest.raises(ValueError, match="not finite"):
        model.sample([[5]], np.full((1, 2), 0.5), SamplingParams(max_new_tokens=2))


class Other(GPTModel):
    """A model whose logits are its own affair."""

    def logits_at(self, ids_BT, index_N):
        return super().logits_at(ids_BT, index_N) * 2


def test_which_kernels_run(monkeypatch):
    # Mutants: a model that says otherwise what it predicts, or bfloat16, run by compiled kernels; a wish not heard.
    model = QWEN3.build(0)
    assert native.path(model) == "native"
    with torch.autocast("cpu", torch.bfloat16):
        assert native.path(model) == "torch"
    others = {
        "no plain GPT": Other(QWEN3),
        "not float32": QWEN3.build(0).double(),
        "multiple of 16": dataclasses.replace(QWEN3, hidden=40).build(0),
        "is no plain": torch.nn.Linear(2, 2),
    }
    for reason, other in others.items():
        assert native.path(other) == "torch"
        monkeypatch.setenv("INTERLUDE_KERNELS", "native")
        with pytest.raises(native.Unavailable, match=reason):
            native.path(other)
        monkeypatch.setenv("INTERLUDE_KERNELS", "auto")
    replaced = QWEN3.build(0)
    replaced.decoder = lambda prompts, room: None
    assert native.path(replaced) == "torch"
    monkeypatch.setenv("INTERLUDE_KERNELS", "torch")
    assert native.path(model) == "torch"
    monkeypatch.setenv("INTERLUDE_KERNELS", "cuda")
    with pytest.raises(ValueError, match="INTERLUDE_KERNELS must be one of auto, native, torch, got 'cuda'"):
        native.path(model)


def test_a_stage_is_not_continued_by_other_kernels(monkeypatch, source, tiny, tmp_path):
    # Mutants: continued all the same; a save from before there were others refused; a log that does not say.
    stage = Pretrain(steps=4, batch_size=4, optim=Optim(), data=source)

    def stop(share, line):
        if line["step"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setenv("INTERLUDE_KERNELS", "torch")
    with pytest.raises(KeyboardInterrupt):
        train(tiny.build(0), stage, 0, folder=tmp_path, observe=stop)
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")
    with pytest.raises(Corrupt, match=f"{tmp_path}.*begun with torch kernels.*set INTERLUDE_KERNELS=torch"):
        train(tiny.build(0), stage, 0, folder=tmp_path)
    monkeypatch.setenv("INTERLUDE_KERNELS", "torch")
    assert train(tiny.build(0), stage, 0, folder=tmp_path).kernels == "torch"
    assert (tmp_path / "log.jsonl").read_text().count('"kernels": "torch"') == 4


PROBE = """
import os
from interlude.models import native
from interlude.models.gpt import GPT
model = GPT(layers=1).build(0)
print(native.path(model))
os.environ["INTERLUDE_KERNELS"] = "native"
try:
    print(native.path(model))
except native.Unavailable as error:
    print(error)
"""


def probe(**env: str) -> subprocess.Popen:
    """A process that asks twice which kernels run: whichever can, and compiled ones only."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    env = os.environ | {"PYTHONPATH": paths, "INTERLUDE_KERNELS": "auto"} | env
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", PROBE], env=env, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"CXX": "/nowhere/c++"}, "there is no C++ compiler"),
        ({"CXX": "false"}, "false failed"),
        ({"INTERLUDE_CACHE": "/proc/nowhere"}, "/proc/nowhere cannot be written"),
    ],
    ids=("no compiler", "a compiler that fails", "no place"),
)
def test_where_nothing_can_be_built_torch_runs_and_says_so(tmp_path, env, reason):
    # Mutants: an error that ends the run; silence; half a file left that a later run would load.
    out, err = probe(**({"INTERLUDE_CACHE": str(tmp_path)} | env)).communicate()
    assert out.startswith("torch\nINTERLUDE_KERNELS is native, but compiled kernels cannot be built here")
    assert reason in out
    assert reason in err and err.count("\n") == 1 and not list(tmp_path.glob("*.so"))


def test_two_processes_build_once(tmp_path):
    # Mutants: half a file loaded; both build; a lock of a process that is gone waited for.
    compiler = tmp_path / "counting"
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *-O3*) echo built >> {tmp_path}/count;; esac\nexec c++ "$@" -O0\n')
    compiler.chmod(0o755)
    env = {"INTERLUDE_CACHE": str(tmp_path / "cache"), "CXX": str(compiler)}
    at_once = [probe(**env) for _ in range(2)]
    assert [each.communicate()[0] for each in at_once] == ["native\nnative\n"] * 2
    assert probe(**env).communicate()[0] == "native\nnative\n" and (tmp_path / "count").read_text() == "built\n"
    assert [path.suffix for path in sorted((tmp_path / "cache").iterdir())] == [".lock", ".so"]


def test_sizes_are_those_of_the_source():
    # Mutant: a field added on one side only, which would shift all others.
    source = native.SOURCE.with_name("model.h").read_text()
    declared = source[source.index("struct Sizes {") :].split("int64_t ", 1)[1].split(";", 1)[0]
    assert declared.split(", ") == [name for name, kind in native.Sizes._fields_ if kind is ctypes.c_int64]
