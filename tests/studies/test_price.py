"""What a study is said to take agrees with what it takes, and no machine is asked for more than it has."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import pytest

from interlude.models.ledger import Ledger
from interlude.models.recipe import dependencies
from interlude.models.train import Machine
from interlude.studies import price as pricing
from interlude.studies.__main__ import CARDS as NAMED
from interlude.studies.find import Wanted, names, the_study
from interlude.studies.price import (
    CARDS,
    Speed,
    dry_run,
    free_bytes,
    memory,
    on_card,
    price,
    priced,
    this_machine,
    utilisation,
    worker_count,
)  # fmt: skip
from interlude.studies.run import costs, train_or_load
from interlude.studies.scales import SCALES


def study(name: str = "stages/quickstart", scale: str = "smoke"):
    return the_study(Wanted(name, scale))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", names())
def test_every_study_has_a_price_at_every_scale(name, scale, runs):
    """Mutants: a stage that cannot be priced; base steps left out; a price that has to build a model of 100M."""
    cost = price(study(name, scale))
    assert set(cost.arms) == {arm.name for arm in study(name, scale).arms}
    for ledger in (cost.total, cost.exams):
        assert ledger.total_flops > 0 and ledger.total_tokens > 0
    assert cost.base.total_flops > 0
    assert min(cost.cpu_bytes, cost.gpu_bytes, cost.disk_bytes) > 0
    json.dumps(cost.as_dict(), allow_nan=False)


def test_budgets_are_priced_exactly_and_once(runs):
    """Mutants: a shared stage counted for every arm; a budget replaced by an estimate; one seed of two counted."""
    asked = study()
    cost = price(asked)
    arm = {each.name: each.recipe.stages for each in asked.arms}
    assert cost.arms["mid-training"].total_flops == pytest.approx(arm["mid-training"][-1].flops)
    assert cost.arms["RL"].total_flops == pytest.approx(arm["RL"][-1].flops)
    assert cost.arms["pre-training"].total_flops == 0  # its decay is also where RL begins
    twice = price(asked.with_seeds((0, 1)))
    assert twice.total.total_flops == pytest.approx(2 * cost.total.total_flops, rel=1e-6)
    assert twice.disk_bytes > 1.5 * cost.disk_bytes / 2


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
    nano = the_study(Wanted("stages/quickstart", "nano")).arms[1].recipe
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
    assert utilisation(10**8) == pytest.approx(0.10) and utilisation(10) == pytest.approx(0.001)
    assert utilisation(10**7) < utilisation(5 * 10**7) < utilisation(10**8) < utilisation(10**12) == pytest.approx(0.35)


def test_hours_add_up_work_of_both_kinds():
    """Mutants: sampling at training's speed; seconds for hours; a card that is not of its name."""
    spent = Ledger(tokens=(1, 1, 0, 0), flops=(7.2e12, 3.6e12, 0.0, 0.0))
    assert Speed("x", 1e9, 1e9).hours(spent) == pytest.approx(3.0)
    assert Speed("x", 1e9, 0.5e9).hours(spent) == pytest.approx(4.0)
    assert on_card(CARDS["h100"], 10**8).training == pytest.approx(98.9e12)
    assert on_card(CARDS["a100"], 10**8).sampling == pytest.approx(3.12e12)
    here = this_machine(0.05)
    assert 0 < here.sampling < here.training < 1e14
    assert tuple(CARDS) == NAMED


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
    monkeypatch.setattr(pricing, "one_step", lambda *_: pytest.fail("a step was taken"))
    monkeypatch.setattr(pricing, "free_bytes", lambda: 8e9)
    for each in dry_run(study(scale="paper"), Machine()):
        assert "GB of memory, and 8.0 GB are free" in each.why_not
    monkeypatch.setattr(pricing, "free_bytes", lambda: 1e15)
    monkeypatch.setattr(pricing, "this_machine", lambda: Speed("slow", 1e3, 1e3))
    for each in dry_run(study(), Machine()):
        assert "minutes here" in each.why_not
