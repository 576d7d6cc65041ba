"""The bench compares equal work, counts it rightly, and leaves the process as it found it; no test asserts a speed."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from interlude.models.optim import make, rate
from interlude.models.stages import StageModels
from interlude.models.train import Machine, State, one_step
from interlude.studies import bench
from interlude.studies.scales import SMOKE
from interlude.synth.verify import Verdict, verify

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tiny(monkeypatch):
    """Everything at scale smoke, with the fewest turns."""
    sizes = {"NANO": SMOKE, "ROUNDS": 2, "PROBLEMS": 4, "STEPS": 1, "MAX_NEW": 3, "BATCHES": (3,), "GROUPS": (2,)}
    sizes |= {"SAMPLES": 2, "SAMPLED_PROBLEMS": 2, "THREADS": 1}
    for name, value in sizes.items():
        monkeypatch.setattr(bench, name, value)


def test_parts_are_all_measured():
    """Kills: a part that is named but not measured."""
    assert tuple(bench.MEASURES) == bench.PARTS


def test_ratio_is_of_neighbouring_turns():
    """Kills: ratio of medians (here 2), which drift would move; mean for median; spread without the median."""
    found = bench.measured("p", "w", "u", [10.0, 20.0, 60.0], "peer", "t", 1, peer_rates=[10.0, 5.0, 20.0])
    assert (found.rate, found.peer_rate, found.ratio, found.repeats) == (20.0, 10.0, 3.0, 3)
    assert found.spread == pytest.approx((40 - 15) / 20)


def test_no_peer_no_ratio():
    found = bench.measured("p", "w", "u", [1.0, 1.0], bench.MISSING, "t", 1)
    assert found.peer_rate is None and found.ratio is None


def test_race_takes_turns_in_alternating_order_without_the_warm_up(monkeypatch):
    """Kills: one side after the other; the same side always first; warm-up counted; collecting inside a turn."""
    monkeypatch.setattr(bench, "ROUNDS", 4)
    calls, collecting = [], []

    def side(name):
        def work():
            calls.append(name)
            collecting.append(gc.isenabled())
            return 1.0

        return work

    rates = bench.race({"a": side("a"), "b": side("b")}, 1e-9, threads=1)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab" + "ba"
    assert [len(each) for each in rates.values()] == [4, 4]
    assert not any(collecting) and gc.isenabled()


def test_threads_and_collector_are_restored_when_a_side_fails():
    """Kills: restoring only at a good end."""
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), bench.still(before + 1):
        assert torch.get_num_threads() == before + 1
        _ = 1 / 0
    assert torch.get_num_threads() == before and gc.isenabled()


@pytest.mark.parametrize("wrong", [{"parts": ("generate", "speed")}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_bad_requests_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        bench.bench(**wrong)


def test_a_mutated_trace_differs_in_one_number_and_is_refused():
    """Kills: a mutation that may leave the number as it was."""
    source = bench.NANO.source(bench.OPS, length=None)
    for row in range(30):
        problem = source.problem("bench", row)
        good, bad = problem.solution.split(), bench.mutated(problem, row).split()
        changed = [pair for pair in zip(good, bad, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1 and changed[0][1].isdecimal()
        assert not verify(problem, bench.mutated(problem, row)).strict


def test_a_verifier_that_is_wrong_is_not_timed(tiny, monkeypatch):
    """Kills: dropping ``check_judged``, or checking only the gold traces."""
    for kind in (True, False):
        verdict = Verdict(kind, kind, float(kind), kind, ())
        monkeypatch.setattr(bench, "verify", lambda problem, text, verdict=verdict: verdict)
        with pytest.raises(ArithmeticError, match=f"must be {not kind}"):
            list(bench.judge(0.01))


def test_the_plain_loop_trains_the_same_model_on_the_same_batches():
    """Kills: another target mask, divisor, learning rate, clipping or betas; unequal weights; another step's rows."""
    pytest.importorskip("transformers")
    stage = replace(SMOKE.base().stages[0], batch_size=4)
    stage = replace(stage, optim=replace(stage.optim, kind="adamw", weight_decay=0.0, warmup=2, clip=0.02))
    models, state = StageModels(SMOKE.model.build(0)), State()
    peer = bench.twin(models.learner).train()
    ours, adam = make(stage.optim, models.learner), bench.plain_adam(peer, stage.optim)
    losses = []
    for step in range(5):
        batch = stage.collect(models, 0, step, range(stage.batch_size))
        theirs = bench.plain_step(peer, adam, stage.optim, batch, rate(stage.optim, step, stage.progress(step, 0.0)))
        line = one_step(models, stage, 0, state, ours, Machine(), "float32", None)
        state.step += 1
        losses.append((line["loss"], theirs))
    mine, plain = np.array(losses).T
    np.testing.assert_allclose(mine, plain, rtol=2e-4)
    assert abs(mine[-1] - mine[0]) > 0.1


def test_both_samplers_make_every_token_asked_for(tiny, monkeypatch):
    """Kills: a model that may stop early on one side; counting prompt tokens."""
    pytest.importorskip("transformers")
    monkeypatch.setattr(bench, "MAX_NEW", 30)
    model = bench.endless()  # its head is zero, so in 600 tokens of some 80 kinds `end` comes up
    prompts = [[5, 6, 7], [8], [5, 9], [7]] * 5
    assert bench.our_sampler(model, prompts)() == bench.plain_sampler(model, prompts)() == 20 * 30


def test_unequal_work_is_refused(tiny):
    """Kills: timing whatever came back."""
    with pytest.raises(ArithmeticError, match="8 tokens"):
        bench.full(8, [[1]] * 3)


def test_prompts_are_padded_on_the_left():
    """Kills: right padding, from which ``generate`` would continue the padding."""
    ids_BT, mask_BT = bench.padded_left([[4], [5, 6]], 0)
    assert ids_BT.tolist() == [[0, 4], [5, 6]] and mask_BT.tolist() == [[0, 1], [1, 1]]


@pytest.mark.skipif(sys.platform != "linux", reason="the trap is Linux's")
def test_a_childs_peak_is_its_own():
    """Kills: ``ru_maxrss`` on Linux, which a child inherits from a large parent over fork and exec."""
    code = (
        "import subprocess, sys; held = bytearray(b'1') * 900_000_000; print(subprocess.check_output([sys.executable, "
    )
    code += "'-c', 'from studies.bench import resident_peak; print(resident_peak())'], text=True))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    peak = float(
        subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    )
    assert 50 < peak < 850


def test_every_part_gives_lines_that_json_can_hold(tiny, monkeypatch, capsys):
    """Kills: NaN or a numpy number in a line; progress on standard output; a random state that has moved."""
    monkeypatch.setattr(bench, "peak_memory", lambda: 123.0)  # it has a test of its own; here it would train nano
    torch_state = torch.random.get_rng_state()
    found = bench.bench(seconds=1e-6)
    rows = json.loads(json.dumps([each.as_dict() for each in found], allow_nan=False))
    assert {row["part"] for row in rows} == set(bench.PARTS)
    assert all(row["rate"] > 0 and row["repeats"] >= 2 and row["spread"] >= 0 for row in rows)
    assert all((row["ratio"] is None) == (row["peer_rate"] is None) for row in rows)
    shown = capsys.readouterr()
    assert not shown.out and len(shown.err.splitlines()) == len(rows)
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_without_transformers_the_peer_is_null_and_says_so(tiny, monkeypatch):
    """Kills: failing, or leaving the line out, where transformers is not installed."""
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    monkeypatch.setattr(bench, "peak_memory", lambda: 123.0)
    adam, half, muon, sampling = bench.bench(("train", "sample"), 1e-6, note=lambda line: None)
    for line in (adam, half, sampling):
        assert line.peer == "transformers is not installed" and line.peer_rate is None and line.ratio is None
    assert (adam.memory_mb, half.memory_mb, muon.memory_mb, sampling.memory_mb) == (123.0, None, 123.0, None)


@pytest.mark.parametrize("faster", ("float32", "bfloat16"))
def test_bfloat16_is_held_against_the_faster_plain_loop(faster, tiny, monkeypatch):
    """Kills: always one precision of the peer, or its slower one; our bfloat16 line with float32's rates."""
    pytest.importorskip("transformers")
    monkeypatch.setattr(bench, "peak_memory", lambda: 123.0)
    rates = {"AdamW": [4.0] * 3, "Muon": [3.0] * 3, "AdamW, bfloat16": [12.0] * 3, "float32": [2.0] * 3}
    rates["bfloat16"] = [3.0 if faster == "bfloat16" else 1.0] * 3
    monkeypatch.setattr(bench, "race", lambda sides, seconds, threads: {name: rates[name] for name in sides})
    adam, half, _ = bench.train(1.0)
    assert (adam.ratio, half.rate, half.ratio) == (2.0, 12.0, 12.0 / rates[faster][0])
    assert f"in {faster}, where it is faster" in half.peer


def test_both_loops_of_a_precision_compute_in_it():
    """Kills: a precision that does not reach a loop's steps, whose losses would then be float32's."""
    pytest.importorskip("transformers")
    stage = replace(SMOKE.base().stages[0], batch_size=4)
    stage = replace(stage, optim=replace(stage.optim, kind="adamw", weight_decay=0.0, warmup=2))
    batch = stage.collect(StageModels(SMOKE.model.build(0)), 0, 0, range(4))
    losses = {}
    for precision in ("float32", "bfloat16"):
        models, state = StageModels(SMOKE.model.build(0)), State()
        peer = bench.twin(models.learner).train()
        adam, ours = bench.plain_adam(peer, stage.optim), make(stage.optim, models.learner)
        theirs = [bench.plain_step(peer, adam, stage.optim, batch, 1.0, precision) for _ in range(3)]
        lines = [one_step(models, stage, 0, state, ours, Machine(), precision, None)["loss"] for _ in range(3)]
        losses[precision] = theirs[1:] + lines[1:]  # the first loss is log V in any precision, as the head is zero
    for exact, rounded in zip(losses["float32"], losses["bfloat16"], strict=True):
        assert rounded == pytest.approx(exact, rel=0.05) and rounded != exact
