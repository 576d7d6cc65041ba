"""The training loop stops when numbers go wrong, refuses what was damaged, and loses nothing when it is interrupted."""

from __future__ import annotations

import dataclasses
import json
import math
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import interlude.models.sample
import interlude.models.train as training
from interlude.models import tensors
from interlude.models.files import Corrupt, read_jsonl
from interlude.models.optim import Optim
from interlude.models.policy_gradient import Objective
from interlude.models.rollouts import Reward
from interlude.models.stage import StageModels, pack
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.train import Diverged, Machine, backward, micro_batches, train
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
STAGE = Pretrain(steps=6, batch_size=4, optim=Optim(warmup=2), data=EASY)
OFTEN, NEVER = Machine(save_every=0), Machine(save_every=1e9)


class Stop(Exception):
    """Ends a run between two steps, like a crash."""


def after(step: int, error: type[BaseException]):
    def observe(share, line):
        if line["step"] == step:
            raise error

    return observe


def stopped(lm, folder, step: int, error: type[BaseException] = Stop, machine: Machine = OFTEN, stage=STAGE) -> None:
    with pytest.raises(error):
        train(lm, stage, 0, machine, folder=folder, observe=after(step, error))


# Divergence


@pytest.mark.parametrize("poison", (math.nan, math.inf))
@pytest.mark.parametrize("kind", ("pretrain", "rl"))
def test_a_poisoned_weight_stops_the_run(kind, poison, tiny, tmp_path):
    # Mutants: NaN saved over the last good state; the message without stage, step or path.
    stage = (
        STAGE
        if kind == "pretrain"
        else RL(steps=6, batch_size=2, num_samples=2, max_new_tokens=24, optim=Optim(), data=EASY)
    )
    lm, good = tiny.build(0), []

    def observe(share, line):
        if line["step"] == 2:
            good.append((tmp_path / "state.safetensors").read_bytes())
            with torch.no_grad():
                lm.embed.fill_(poison)

    with pytest.raises(Diverged) as raised:
        train(lm, stage, 0, OFTEN, folder=tmp_path, observe=observe)
    assert f"{type(stage).__name__} step 2" in str(raised.value)
    assert f"last good save: {tmp_path / 'state.safetensors'}" in str(raised.value)
    assert (tmp_path / "state.safetensors").read_bytes() == good[0]
    assert [row["step"] for row in read_jsonl(tmp_path / "log.jsonl")] == [1, 2]
    state = train(tiny.build(0), stage, 0, OFTEN, folder=tmp_path)  # and from there it goes on
    assert state.step == 6


def test_a_huge_learning_rate_is_a_divergence(tiny, tmp_path):
    # Mutant: only the loss of the first micro-batch is looked at.
    wild = Optim(matrix_lr=1e30, other_lr=1e30, warmup=0, clip=1e9)
    with pytest.raises(Diverged, match="Pretrain step [1-3]: loss .*; no save of this stage yet"):
        train(tiny.build(0), dataclasses.replace(STAGE, optim=wild), 0, NEVER, folder=tmp_path)
    assert not (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize("sampled", (False, True))
def test_the_bound_is_that_of_a_token(sampled, tiny, monkeypatch):
    # Kills: a bound per token on the sums of a policy gradient; no bound on predictions.
    monkeypatch.setattr(training, "EXPLODED", 1e-6)
    optim = Optim(warmup=0)
    rl = RL(
        steps=1, batch_size=4, num_samples=4, max_new_tokens=24, optim=optim, data=EASY, reward=Reward("random"),
        objective=Objective(baseline="none", scale="none", aggregate="sum"),
    )  # fmt: skip
    if sampled:
        assert train(tiny.build(0), rl, 0).step == 1
    else:
        with pytest.raises(Diverged):
            train(tiny.build(0), STAGE, 0)


# Saves


def test_interrupting_between_steps_loses_nothing(tiny, tmp_path):
    # Mutant: no save on Ctrl-C, so that up to save_every seconds of work are done again.
    (tmp_path / "straight").mkdir()
    straight = tiny.build(0)
    train(straight, STAGE, 0, NEVER, folder=tmp_path / "straight")
    stopped(tiny.build(0), tmp_path, 3, KeyboardInterrupt, NEVER)
    resumed, steps = tiny.build(0), []
    train(resumed, STAGE, 0, NEVER, folder=tmp_path, observe=lambda share, line: steps.append(line["step"]))
    assert steps == [4, 5, 6]
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_log_lines_after_the_save_are_written_again(tiny, tmp_path):
    # Mutants: lines doubled on resume; a half line that a crash left breaks the resume.
    stopped(tiny.build(0), tmp_path, 2)
    stopped(tiny.build(0), tmp_path, 4, machine=NEVER)
    log = tmp_path / "log.jsonl"
    assert [row["step"] for row in read_jsonl(log)] == [1, 2, 3, 4]
    log.write_bytes(log.read_bytes() + b'{"step": 5, "lo')
    train(tiny.build(0), STAGE, 0, NEVER, folder=tmp_path)
    rows = read_jsonl(log)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds) and rows[0]["flops"] < rows[-1]["flops"]


def test_a_log_without_a_save_begins_again(tiny, tmp_path):
    # Mutant: the log kept although step 0 is trained again.
    stopped(tiny.build(0), tmp_path, 2, machine=NEVER)
    assert not (tmp_path / "state.safetensors").exists()
    train(tiny.build(0), STAGE, 0, NEVER, folder=tmp_path)
    assert [row["step"] for row in read_jsonl(tmp_path / "log.jsonl")] == [1, 2, 3, 4, 5, 6]


def header(content: bytes) -> tuple[int, dict]:
    length = int.from_bytes(content[:8], "little")
    return length, json.loads(content[8 : 8 + length])


def rewritten(content: bytes, change) -> bytes:
    """The save with its state description changed and everything else as it was."""
    length, head = header(content)
    about = json.loads(head["__metadata__"]["state"])
    change(about)
    head["__metadata__"]["state"] = json.dumps(about)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGE = {
    "empty": lambda c: b"",
    "half": lambda c: c[: len(c) // 2],
    "one byte short": lambda c: c[:-1],
    "one byte more": lambda c: c + b"\0",
    "length": lambda c: flipped(c, 7),
    "header": lambda c: flipped(c, 20),
    "weight": lambda c: flipped(c, len(c) - 3),
    "middle": lambda c: flipped(c, 8 + header(c)[0] + 1000),
    "step": lambda c: rewritten(c, lambda about: about.update(step=about["step"] + 1)),
    "ledger": lambda c: rewritten(c, lambda about: about["ledger"].update(train_tokens=0)),
    "not ours": lambda c: b"PK\x03\x04" + c,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_save_is_refused_by_name(damage, tiny, tmp_path):
    # Mutant: a save that is loaded without its checksum being looked at.
    stopped(tiny.build(0), tmp_path, 2)
    path = tmp_path / "state.safetensors"
    content = damage(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(Corrupt) as raised:
        train(tiny.build(0), STAGE, 0, NEVER, folder=tmp_path)
    assert str(path) in str(raised.value) and path.read_bytes() == content


def test_a_save_of_another_model_is_refused(tiny, tmp_path):
    # Mutant: load_state_dict(strict=False).
    stopped(tiny.build(0), tmp_path, 2)
    with pytest.raises(Corrupt, match=r"state\.safetensors"):
        train(dataclasses.replace(tiny, layers=1).build(0), STAGE, 0, NEVER, folder=tmp_path)
    with pytest.raises(Corrupt, match=r"state\.safetensors"):
        train(tiny.build(0), dataclasses.replace(STAGE, optim=Optim(kind="adamw")), 0, NEVER, folder=tmp_path)


def test_time_between_saves(tiny, tmp_path):
    # Mutant: a save at every step whatever save_every says, or none at all.
    train(tiny.build(0), STAGE, 0, NEVER, folder=tmp_path)
    assert not (tmp_path / "state.safetensors").exists()
    stopped(tiny.build(0), tmp_path, 4)
    assert load_file(tmp_path / "state.safetensors")


def test_saves_that_take_long_come_seldom(tiny, tmp_path, monkeypatch):
    # Mutant: a run of a large model that does little but save.
    saves = []

    def slow(*args):
        saves.append(args)
        time.sleep(0.1)

    monkeypatch.setattr(training, "checkpoint", slow)
    train(tiny.build(0), STAGE, 0, Machine(save_every=1e-6), folder=tmp_path)
    assert len(saves) == 1  # the next would come two seconds later
    train(tiny.build(0), STAGE, 0, Machine(save_every=0), folder=tmp_path)
    assert len(saves) == 1 + STAGE.steps


def test_a_save_is_written_from_where_the_weights_lie(tiny, tmp_path):
    # Mutants: tensors serialised into one block first, or twice; an order or alignment that safetensors cannot read.
    mixed = {
        "b": torch.arange(6, dtype=torch.uint8), "a": torch.randn(3, 4), "half": torch.randn(7).bfloat16(),
        "scalar": torch.tensor(2.0), "none": torch.zeros(0, 3), "view": torch.randn(4, 6).mT,
        "flag": torch.tensor([True]),
    }  # fmt: skip
    index, data = tensors._layout(mixed)
    assert all(index[name]["data_offsets"][0] % mixed[name].element_size() == 0 for name in mixed)
    addresses = {np.frombuffer(part, np.uint8).ctypes.data for part in data if part.nbytes}
    assert {mixed[name].data_ptr() for name in ("a", "b", "half", "scalar", "flag")} <= addresses
    tensors.write_tensors(tmp_path / "x.safetensors", mixed, "about")
    found, about = tensors.read_tensors(tmp_path / "x.safetensors")
    assert about == "about" and found.keys() == mixed.keys()
    assert all(torch.equal(found[name], mixed[name]) and found[name].dtype == mixed[name].dtype for name in mixed)
    with pytest.raises(ValueError, match="x holds torch.complex64"):
        tensors.write_tensors(tmp_path / "y.safetensors", {"x": torch.zeros(1, dtype=torch.complex64)})


# Schedules


@pytest.mark.parametrize(
    ("optim", "expected"),
    (
        (Optim(schedule="constant", warmup=2), (0.5, 1, 1, 1, 1)),
        (Optim(schedule="linear", warmup=0, floor=0), (1, 0.8, 0.6, 0.4, 0.2)),
        (Optim(schedule="wsd", warmup=0, decay=0.4, floor=0), (1, 1, 1, 1, 0.5)),
        (Optim(schedule="cosine", warmup=0, floor=0), tuple((1 + math.cos(math.pi * n / 5)) / 2 for n in range(5))),
        (Optim(schedule="linear", warmup=5, floor=0.5), (0.2, 0.4 * 0.9, 0.6 * 0.8, 0.8 * 0.7, 0.6)),
    ),
    ids=("constant", "linear", "wsd", "cosine", "floor"),
)
def test_the_rate_follows_the_schedule(optim, expected, tiny):
    # Mutants: progress counted from the end of the step, or over all stages; lr_sum of the other optimiser's rate.
    lines, sums = [], []

    def observe(share, line):
        lines.append(line["rate"])
        sums.append(line["lr_sum"])

    for kind, lr in (("muon", 0.5), ("adamw", 0.25)):
        lines[:] = sums[:] = ()
        made = dataclasses.replace(optim, kind=kind, matrix_lr=0.5, other_lr=0.25)
        train(tiny.build(0), dataclasses.replace(STAGE, steps=5, optim=made), 0, NEVER, observe=observe)
        assert lines == pytest.approx(expected) and sums == pytest.approx([lr * each for each in expected])


def test_under_a_flops_budget_the_rate_follows_the_budget(tiny):
    # Mutant: the rate never decays because the number of steps is unknown.
    rates, shares = [], [0.0]
    stage = dataclasses.replace(STAGE, steps=None, flops=5e7, optim=Optim(schedule="linear", warmup=0, floor=0))

    def observe(share, line):
        rates.append(line["rate"])
        shares.append(share)

    train(tiny.build(0), stage, 0, NEVER, observe=observe)
    assert len(rates) >= 3 and shares[-1] == 1 and rates == pytest.approx([1 - share for share in shares[:-1]])


# Micro-batches, precision and machine


def test_micro_batches_hold_every_row_once():
    # Mutants: a row lost at a boundary; more padded tokens than allowed; a third run, for which one core waits.
    lengths = [3, 9, 1, 4, 4, 7, 2, 8]
    batch = pack([[i + 1] * n for i, n in enumerate(lengths)], [[1.0] * n for n in lengths], 7.0, pad=0)
    parts = micro_batches(batch, 12)
    seen = [int(row[0]) - 1 for part in parts for row in part.ids_BT]
    assert sorted(seen) == list(range(8)) and len(parts) > 2
    for part in parts:
        assert part.ids_BT.shape == part.gain_BT.shape == (len(part.lengths), max(part.lengths)) and part.total == 7
        assert part.ids_BT.numel() <= 12 and part.gain_BT.sum() == sum(part.lengths)
    assert [len(part.lengths) for part in micro_batches(batch, 1)] == [1] * 8 and micro_batches(batch, 999) == [batch]
    level = pack([[1] * 10] * 12, [[1.0] * 10] * 12, 1.0, pad=0)
    assert [len(part.lengths) for part in micro_batches(level, 50)] == [3, 3, 3, 3]  # greedily 5, 5 and 2


@pytest.mark.parametrize("kind", ("pretrain", "rl"))
@pytest.mark.parametrize("qk_norm", (True, False))
def test_bfloat16_runs_and_keeps_float32_weights(kind, qk_norm, tiny, tmp_path):
    # Mutants: autocast left out (equal losses); weights or momenta cast down.
    stage = (
        STAGE
        if kind == "pretrain"
        else RL(steps=3, batch_size=2, num_samples=2, max_new_tokens=24, optim=Optim(), data=EASY)
    )
    losses = {}
    for precision in ("float32", "bfloat16"):
        lm, losses[precision] = dataclasses.replace(tiny, qk_norm=qk_norm).build(0), []
        train(lm, stage, 0, NEVER, precision, observe=lambda share, line, to=losses[precision]: to.append(line["loss"]))
        assert {weight.dtype for weight in lm.parameters()} == {torch.float32}
    if kind == "pretrain":
        assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
        assert losses["bfloat16"] != losses["float32"]


def test_bfloat16_gradients_hardly_depend_on_the_split(tiny):
    # Mutant: a piece's gradients rounded to bfloat16 once more as they are added up, or weighed by its own size.
    lm = tiny.build(0)
    with torch.no_grad():
        for weight in lm.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    found = []
    for micro_tokens in (10_000, 60, 1):
        models = StageModels(lm)
        batch = STAGE.collect(models, 0, 0, range(STAGE.batch_size))
        backward(models, STAGE, batch, Machine(micro_tokens=micro_tokens), "bfloat16")
        found.append({name: weight.grad for name, weight in lm.named_parameters()})
        for weight in lm.parameters():
            weight.grad = None
    for other in found[1:]:
        for name, gradient in other.items():
            assert gradient.dtype == torch.float32
            assert (gradient - found[0][name]).norm() < 0.03 * found[0][name].norm(), name


def test_bad_requests_are_refused(tiny):
    for change in ({"device": "tpu"}, {"micro_tokens": 0}, {"save_every": -1}, {"threads": 0}):
        with pytest.raises(ValueError, match="Machine"):
            Machine(**change)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            Machine(device="cuda")
    with pytest.raises(ValueError, match="precision"):
        train(tiny.build(0), STAGE, 0, precision="float16")


def test_threads_are_set(tiny):
    # Mutant: Machine.threads accepted and ignored.
    before = torch.get_num_threads()
    try:
        train(tiny.build(0), dataclasses.replace(STAGE, steps=1), 0, Machine(threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ("float32", "bfloat16"))
def test_threads_do_not_change_a_bit(precision, learned, source, monkeypatch):
    # Mutants: gradients added in the order in which threads finish; pieces cut by the number of threads; an optimiser
    # step on several threads; autocast that does not reach the threads of the sampler.
    monkeypatch.setattr(interlude.models.sample, "PIECE", 2)
    rl = RL(steps=3, batch_size=2, num_samples=4, max_new_tokens=40, optim=Optim(), data=source)
    before = torch.get_num_threads()
    trained = []
    try:
        for threads in (1, 2, 3):
            lm, lines = learned(), []
            for stage in (rl, dataclasses.replace(STAGE, steps=3, data=source)):
                machine = Machine(threads=threads, micro_tokens=60)
                train(lm, stage, 0, machine, precision, observe=lambda _, line, to=lines: to.append(line["loss"]))
            trained.append((lm, lines))
    finally:
        torch.set_num_threads(before)
    for lm, lines in trained[1:]:
        assert lines == trained[0][1] and any(lines[:3])
        assert all(torch.equal(a, b) for a, b in zip(lm.parameters(), trained[0][0].parameters(), strict=True))


def test_another_seed_trains_another_model(tiny):
    # Mutant: the seed not passed to collect.
    models = [tiny.build(0) for _ in range(3)]
    for lm, seed in zip(models, (0, 0, 1), strict=True):
        train(lm, dataclasses.replace(STAGE, steps=2), seed)
    same = [torch.equal(models[0].embed, other.embed) for other in models[1:]]
    assert same == [True, False]


@pytest.mark.parametrize(
    ("method", "returned", "said"),
    [
        ("collect", None, "collect must return a Batch, not a NoneType"),
        ("loss", None, "loss must return a tensor of one number, not a NoneType"),
        ("loss", torch.zeros(2), r"loss must return a tensor of one number, not one of shape \(2,\)"),
        ("loss_and_metrics", None, "loss_and_metrics must return a loss and a dict, not a NoneType"),
    ],
)
def test_a_method_that_returns_something_else_is_refused_by_name(method, returned, said, tiny):
    """Kills: "'NoneType' object has no attribute 'lengths'" below twenty lines of traceback."""
    kind = type("Forgetful", (type(STAGE),), {method: lambda self, *_: returned})
    with pytest.raises(ValueError, match=f"Forgetful.{said}"):
        train(tiny.build(0), kind(**vars(STAGE)), seed=0)
