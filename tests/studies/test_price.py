"""What a study is said to take agrees with what it takes, and no machine is asked for more than it has."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from interlude.models.ledger import Ledger
from interlude.models.optim import make
from interlude.models.parallel import one_core
from interlude.models.recipe import dependencies
from interlude.models.train import Machine, State, one_step
from interlude.studies import price as pricing
from interlude.studies import speed as pace
from interlude.studies.__main__ import CARDS as NAMED
from interlude.studies.cli.runs import print_price
from interlude.studies.console import console
from interlude.studies.find import StudySpec, names, the_study
from interlude.studies.price import free_bytes, memory, price, priced, worker_count
from interlude.studies.run import costs, train_or_load
from interlude.studies.scales import SCALES
from interlude.studies.speed import CARDS, Speed, dry_run, on_card, this_machine, utilisation

# RMT's seven lengths are told as numbers, of which nano-guessable has three.
CASES = [(name, scale) for name in names() if not name.startswith("real/") for scale in SCALES]
CASES.remove(("midtraining/rmt", "nano-guessable"))


def study(name: str = "stages/quickstart", scale: str = "smoke"):
    return the_study(StudySpec(name, scale))


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_every_study_has_a_price_at_every_scale(name, scale, runs):
    """Mutants: a stage that cannot be priced; base steps left out; a price that has to build a model of 100M."""
    cost = price(study(name, scale))
    assert set(cost.arms) == {arm.name for arm in study(name, scale).arms}
    for ledger in (cost.total, cost.exams):
        assert ledger.total_flops > 0 and ledger.total_tokens > 0
    assert (cost.base.total_flops > 0) == bool(study(name, scale).base.stages)  # arms that are bases share none
    assert min(cost.cpu_bytes, cost.gpu_bytes, cost.disk_bytes) > 0
    json.dumps(cost.as_dict(), allow_nan=False)


def test_budgets_are_priced_exactly_and_once(runs):
    """Mutants: a shared stage counted for every arm; a budget replaced by an estimate; one seed of two counted."""
    asked = study()
    cost = price(asked)
    arm = {each.name: each.recipe.stages for each in asked.arms}
    assert cost.arms["mid-training"].total_flops == pytest.approx(arm["mid-training"][-1].flops)
    assert cost.arms["RL"].total_flops == pytest.approx(arm["RL"][-1].flops)
    assert cost.arms["pre-training"].total_flops == 0 and cost.counted_as == {"pre-training": "base"}
    twice = price(asked.with_seeds((0, 1)))
    assert twice.total.total_flops == pytest.approx(2 * cost.total.total_flops, rel=1e-6)
    assert twice.disk_bytes > 1.5 * cost.disk_bytes / 2


def test_an_arm_that_another_begins_with_or_learns_from_has_a_price(runs, capsys):
    """Kills: 0 for an arm that others share, be it one stage or two; 0 without a word for another arm's recipe; the
    price of the base hidden by that of an arm of its name; a part left out of the total."""
    asked, flops = study("midtraining/leaderboard"), SCALES["smoke"].arm_flops
    cost = price(asked)
    for name in ("NTP", "NTP + RL", "thinking", "thinking + RL", "ReMiT"):  # ReMiT's reference is NTP + RL, and longer
        assert cost.arms[name].total_flops == pytest.approx(flops), name
    parts = cost.as_dict()["parts"]
    assert parts["base"]["flops"] == cost.base.total_flops > 0
    assert parts["arms"]["base"] | {"flops": 0.0} == parts["arms"]["base"] and cost.counted_as == {"base": "base"}
    counted = [parts["base"], *parts["arms"].values(), parts["exams"]]
    assert sum(each["flops"] for each in counted) == pytest.approx(parts["total"]["flops"])
    again = dataclasses.replace(asked.arms[1], name="again")
    doubled = price(dataclasses.replace(asked, contrasts=(), arms=(*asked.arms[:2], again)))
    assert doubled.counted_as["again"] == asked.arms[1].name
    print_price(cost, [], SimpleNamespace(on=()), console())
    assert "base (counted as base)" in capsys.readouterr().out


def test_estimates_come_near_what_is_measured(runs):
    """Mutants: a step's FLOPs without the backward pass; questions or solutions left out of a row; tokens of one row;
    rollouts of one response."""
    asked = study()
    arm = next(each for each in asked.arms if each.name == "mid-training + RL")
    recipe = arm.recipe
    train_or_load(recipe, Machine(threads=1))
    for each, cost in zip(list(dependencies(recipe)), costs(recipe), strict=True):
        guess = priced(each)
        assert guess.ledger.total_flops == pytest.approx(cost.ledger.total_flops, rel=0.25), cost.stage
        assert guess.ledger.as_dict()["train_tokens"] == pytest.approx(cost.ledger.as_dict()["train_tokens"], rel=0.6)
        assert guess.steps == pytest.approx(cost.steps, rel=0.6)
    nano = the_study(StudySpec("stages/quickstart", "nano")).arms[1].recipe
    assert priced(nano).ledger.as_dict()["rollout_flops"] == pytest.approx(1.1e12, rel=0.5)  # the committed table


def test_larger_models_take_more_memory_and_use_cards_better():
    """Mutants: memory that forgets the weights or the cache; a utilisation beyond its points."""
    sizes = {scale: price(study("stages/quickstart", scale)) for scale in SCALES}
    assert 3e8 < sizes["nano"].cpu_bytes < 8e8  # 0.45 to 0.55 GB were measured
    assert sizes["nano"].cpu_bytes < sizes["small"].cpu_bytes < sizes["paper"].cpu_bytes
    assert sizes["small"].gpu_bytes < sizes["paper"].gpu_bytes < CARDS["h200"].memory
    rl = study("stages/quickstart", "small").arms[1].recipe
    longer = dataclasses.replace(rl.stages[-1], max_new_tokens=100_000)
    assert memory(rl.parent + longer, 1024, 300)[1] > 5 * memory(rl, 1024, 300)[1]
    assert utilisation(10**8) == pytest.approx(0.10) and utilisation(10) == pytest.approx(0.00046)
    assert utilisation(10**7) < utilisation(5 * 10**7) < utilisation(10**8) < utilisation(10**12) == pytest.approx(0.35)


def test_on_a_cpu_keys_and_values_are_kept_of_one_piece_a_core(monkeypatch):
    """Mutants: those of all rows of a step, or of a piece whatever the cores; a GPU's cut too; torch's kernels, which
    take wider pieces, priced as compiled ones; pieces priced that are larger than the step."""
    rl = study("stages/quickstart", "small").arms[1].recipe
    rl = rl.parent + dataclasses.replace(rl.stages[-1], max_new_tokens=100_000)
    kept = 2 * 4.0 * rl.model.layers * rl.model.kv_heads * rl.model.head_width * 100_000  # of one row

    def rows_kept(rows: int, on: int) -> float:
        return memory(rl, rows, 300)[on] / kept

    for cores, width, kernels in ((2, 64, "torch"), (5, 64, "torch"), (2, 16, "native")):
        monkeypatch.setenv("INTERLUDE_KERNELS", kernels)
        monkeypatch.setattr(pricing, "cores", lambda: cores)  # noqa: B023
        if kernels == "native":
            monkeypatch.setattr(pricing.native, "path", lambda model: "native")  # there may be no compiler here
        assert rows_kept(1024, on=0) == pytest.approx(cores * width, rel=0.1)
        assert rows_kept(8, on=0) == pytest.approx(8, rel=0.1) and rows_kept(1024, on=1) == pytest.approx(1024, rel=0.1)


@pytest.mark.parametrize(
    "files, found",
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "350000 100000\n"}, 3),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    ],
)
def test_cores_are_not_more_than_a_containers_quota(files, found, tmp_path, monkeypatch):
    """Mutants: a quota not read, in version 2 or 1; rounded up; none at all for half a core; no limit taken for one."""
    monkeypatch.setattr(pricing.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(pricing.sys, "platform", "linux")
    monkeypatch.setattr(pricing, "CGROUP", tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert pricing.cores() == found


def test_a_card_is_priced_by_what_was_measured():
    """Mutants: points that are not the table's; a measured size called assumed, or an assumed one measured; a share of
    another peak than the card's."""
    table = Path(__file__).parents[2] / "models" / "bench" / "h200" / "summary.calibration.json"
    stages = json.loads(table.read_text())["stages"]
    spent = {"nano": ("85ccde91f4e0", "08723a4cc4c8", "c8287140c433", "424a7c6ab771")}
    spent["small"] = ("164f2aab9a1f", "177e2902085f", "e145eadc109b")
    for scale, keys in spent.items():
        lines = [stages[f"pretrain-{key}"] for key in keys]
        rate = sum(line["flops"] for line in lines) / sum(line["seconds"] for line in lines)
        speed = on_card(CARDS["h200"], SCALES[scale].model.parameters_count)
        assert speed.training == pytest.approx(rate, rel=0.01) and speed.how.startswith("as on an H200: ")
    # A rollout's seconds are the last step's share of its stage, which moves from step to step.
    rl, nano = stages["rl-1c742f664da3"], on_card(CARDS["h200"], SCALES["nano"].model.parameters_count)
    assert nano.sampling == pytest.approx(1597282480640 / (rl["step"] * rl["collect_seconds"]), rel=0.1)
    assert on_card(CARDS["h200"], 7 * 10**6).how.startswith("assumed: ")


def test_hours_add_up_work_of_both_kinds():
    """Mutants: sampling at training's speed; seconds for hours; a card that is not of its name."""
    spent = Ledger(tokens=(1, 1, 0, 0), flops=(7.2e12, 3.6e12, 0.0, 0.0))
    assert Speed("x", 1e9, 1e9).hours(spent) == pytest.approx(3.0)
    assert Speed("x", 1e9, 0.5e9).hours(spent) == pytest.approx(4.0)
    assert on_card(CARDS["h100"], 10**8).training == pytest.approx(98.9e12)
    assert on_card(CARDS["a100"], 10**8).sampling == pytest.approx(3.12e12)
    assert on_card(CARDS["a100"], 10**8).mfu == pytest.approx(0.10)
    assert "10.00% of its peak (MFU) in training, 1.00% in sampling" in on_card(CARDS["a100"], 10**8).how
    assert on_card(CARDS["a100"], 10**8).how.startswith("assumed: ")
    assert tuple(CARDS) == NAMED


@pytest.fixture
def slow_clock(monkeypatch):
    """A thread whose CPU time is one second a try: every try reads it twice."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(pace.time, "thread_time", lambda: float(next(ticks)))


def test_this_machine_is_probed_by_the_cpu_time_of_the_studys_own_work(runs, slow_clock, monkeypatch):
    """Mutants: wall time; a rate of the slowest try; FLOPs of other work than was done; threads of others; a load that
    is not said."""
    monkeypatch.setattr(pace.os, "getloadavg", lambda: (7.25, 0.0, 0.0))
    asked, threads = study(), torch.get_num_threads()
    here = this_machine(asked)
    recipe = asked.arms[0].recipe
    step = max(priced(each).step.total_flops for each in dependencies(recipe))
    assert here.training == pytest.approx(step, rel=0.5)  # one step a second, by this clock
    assert here.sampling > 0 and here.how == "measured in CPU time at load 7.2"
    assert torch.get_num_threads() == threads and not runs.exists()


def test_large_steps_are_probed_in_part(runs, slow_clock, monkeypatch):
    """Mutants: a step of hours at scale paper; every layer of a deep model; FLOPs of the whole for a part."""
    recipe = study().arms[0].recipe
    whole = pace.training_speed(recipe)
    monkeypatch.setattr(pace, "PROBE_FLOPS", priced(recipe).step.total_flops / 2)
    monkeypatch.setattr(pace, "one_step", lambda *_: pytest.fail("a whole step was taken"))
    assert 0.3 * whole < pace.training_speed(recipe) < 0.7 * whole
    monkeypatch.setattr(pace, "PROBE_LAYERS", 1)
    assert pace.shallow(recipe).model.layers == 1


def test_the_fastest_try_counts(monkeypatch):
    """Mutant: the mean, which whatever else runs would raise."""
    times = iter((0.0, 0.4, 10.0, 10.1, 20.0, 20.2, 30.0, 32.0))
    monkeypatch.setattr(pace.time, "thread_time", lambda: next(times))
    assert pace.fastest(lambda: 6.0) == pytest.approx(60.0)
    assert pace.fastest(lambda: 6.0) == 3.0  # long enough: it is not taken again


def test_what_is_predicted_is_near_what_it_costs(runs):
    """Mutants: kernels that will not run; FLOPs counted twice; hours for seconds. A step of RL takes as many CPU
    seconds of this thread as were predicted for its FLOPs, but for a factor of 2.5 (other work shares the caches)."""
    asked = the_study(StudySpec("stages/quickstart", "nano", (30,)))
    recipe = next(arm.recipe for arm in asked.arms if arm.name == "RL")
    stage = dataclasses.replace(recipe.stages[-1], batch_size=2)
    here = this_machine(asked)
    models = pace.fresh(recipe, Machine())
    optimiser, state = make(stage.optim, models.learner), State()
    with one_core():
        one_step(models, stage, 0, state, optimiser, Machine(threads=1), "float32", None)
        began, before = time.thread_time(), state.ledger
        one_step(models, stage, 0, state, optimiser, Machine(threads=1), "float32", None)
    took = time.thread_time() - began
    spent = Ledger(
        *(
            tuple(a - b for a, b in zip(x, y, strict=True))
            for x, y in ((state.ledger.tokens, before.tokens), (state.ledger.flops, before.flops))
        )
    )
    assert 0.4 * took < 3600 * here.hours(spent) < 2.5 * took


def test_workers_are_as_many_as_fit(monkeypatch):
    """Mutants: a cap left out; more than were asked for; none at all."""
    monkeypatch.setattr(pricing, "cores", lambda: 8)
    monkeypatch.setattr(pricing, "free_bytes", lambda: 10e9)
    assert worker_count(None, 100, 1e8) == 8  # cores
    assert worker_count(None, 100, 2e9) == 4  # memory: four fifths of 10 GB
    assert worker_count(None, 3, 1e8) == 3  # runs
    assert worker_count(6, 100, 1e8) == 6 and worker_count(6, 4, 1e8) == 4 and worker_count(60, 100, 1e8) == 8
    assert worker_count(None, 0, 1e8) == worker_count(5, 9, 1e12) == 1
    monkeypatch.undo()
    assert 1e8 < free_bytes() < 1e14 and 1 <= pricing.cores() <= os.cpu_count()


def test_a_dry_run_takes_one_step_of_every_stage_and_saves_nothing(runs):
    """Mutants: a stage left out, or taken once for each arm; folders left behind."""
    found = dry_run(study(), Machine(threads=1))
    assert [each.stage for each in found] == ["Pretrain"] * 4 + ["RL", "Midtrain", "Midtrain", "RL"]
    assert all(each.seconds > 0 and each.flops > 0 and not each.why_not for each in found)
    assert [each.steps for each in found[:3]] == [2, 2, 2] and found[4].arm == "RL"
    assert not runs.exists()


def test_a_dry_run_with_references_builds_them(runs):
    """Mutant: a stage that looks at a model nobody built."""
    found = dry_run(study("midtraining/remit"), Machine(threads=1))
    assert any(each.stage == "ReMiT" for each in found) and not any(math.isnan(each.flops) for each in found)


def test_what_does_not_fit_is_said_instead_of_tried(monkeypatch, runs):
    """Mutants: a process killed for its memory; hours without a word."""
    monkeypatch.setattr(pace, "one_step", lambda *_: pytest.fail("a step was taken"))
    monkeypatch.setattr(pace, "this_machine", lambda study: Speed("slow", 1e3, 1e3))
    monkeypatch.setattr(pace, "free_bytes", lambda: 2e9)
    for each in dry_run(study(scale="paper"), Machine()):
        assert "GB of memory, and 2.0 GB are free" in each.why_not
    monkeypatch.setattr(pace, "free_bytes", lambda: 1e15)
    for each in dry_run(study(), Machine()):
        assert "minutes of one core here" in each.why_not


def test_what_does_not_fit_a_gpu_is_said_instead_of_tried(monkeypatch, runs):
    """Mutants: this machine's memory, or a CPU process's needs, looked at for a GPU; the CPU probed for nothing."""
    monkeypatch.setattr(Machine, "__post_init__", lambda self: None)  # there may be no GPU here
    monkeypatch.setattr(pace, "one_step", lambda *_: pytest.fail("a step was taken"))
    monkeypatch.setattr(pace, "this_machine", lambda study: pytest.fail("a CPU was probed"))
    monkeypatch.setattr(pace, "free_bytes", lambda: 1e15)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1.5e6 if device == "cuda:1" else 1e15, 80e9))
    asked = study(scale="paper")
    cost = max((priced(arm.recipe) for arm in asked.arms), key=lambda each: each.gpu_bytes)
    assert cost.gpu_bytes > cost.cpu_bytes + 1e9
    found = [each.why_not for each in dry_run(asked, Machine(device="cuda:1"))]
    assert found and all("GB of memory, and 0.0 GB are free" in why for why in found)
    assert any(why.startswith(f"it needs about {cost.gpu_bytes / 1e9:.1f} GB") for why in found)
