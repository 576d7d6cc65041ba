"""The mid-training studies compare what they say: one base, one RL, equal compute, and references that exist anyway."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from models.files import read_jsonl
from models.stages.coldstart import ColdStart
from models.stages.midtrain import Midtrain
from models.stages.remit import ReMiT
from models.stages.rl import RL
from models.train import Machine
from studies import results
from studies.methods import THINKERS, alike, annealed, annotator, tagged, tuned
from studies.midtraining import leaderboard, remit
from studies.run import costs, references
from studies.scales import SCALES, SMOKE
from studies.study import check_budget, execute, plan


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("module", (leaderboard, remit))
def test_every_method_stands_alone_and_before_the_same_rl(module, scale, runs):
    # Mutants: another RL after one method; an arm without its pair; budgets of both kinds compared with each other.
    here, asked = SCALES[scale], module.study(SCALES[scale])
    arms = {arm.name: arm for arm in asked.arms if arm.name != "longer RL"}
    assert asked.unequal == "" and len(arms) == 2 * sum(not name.endswith(" + RL") for name in arms)
    for name, arm in arms.items():
        if name.endswith(" + RL"):
            alone = arms[name.removesuffix(" + RL")]
            assert arm.recipe == alone.recipe + here.rl(here.method_flops) and alone.equal == arm.equal
    planned = {run.arm: run.flops for run in plan(asked) if run.equal}
    for name, flops in planned.items():
        assert flops == pytest.approx(here.method_flops * (2 if arms[name].budget == "with RL" else 1)), name
    assert len(planned) >= 16


@pytest.mark.parametrize("module", (leaderboard, remit))
def test_references_are_arms(module):
    # Mutant: a teacher trained for a method's sake, whose cost no table shows.
    asked, scale = module.study(SMOKE), tagged(SMOKE) if module is leaderboard else SMOKE
    recipes = [arm.recipe for arm in asked.arms]
    held = {recipe for arm in asked.arms for stage in arm.recipe.stages for recipe in references(stage).values()}
    guide = tuned(scale).before + SMOKE.sft(SMOKE.method_flops)  # the SFT-guided arm's, which is a control
    assert tuned(scale) in held and (annotator(scale) in held) == (module is leaderboard)
    assert all(recipe in recipes or recipe == guide for recipe in held)


def test_a_method_is_one_line(monkeypatch, runs):
    # Mutant: a list of arms or contrasts that a method has to be added to as well.
    before = leaderboard.study(SMOKE)
    monkeypatch.setitem(leaderboard.METHODS, "toy", lambda scale, flops: annealed(scale, flops, scale.midtrain))
    after = leaderboard.study(SMOKE)
    assert {a.name for a in after.arms} - {a.name for a in before.arms} == {"toy", "toy + RL"}
    assert set(after.contrasts) - set(before.contrasts) == {("toy", "NTP"), ("toy + RL", "NTP + RL")}
    check_budget(after, plan(after))


def test_methods_that_think_share_corpus_and_cold_start():
    # Mutants: a cold start for some only, or left out of the budget; texts that one of them sees; gold at the edge.
    found = {name: stages(tagged(SMOKE), 1e9) for name, stages in THINKERS.items()}
    assert [*found] == ["mixed SFT", "RLP", "RPT", "RMT"]
    assert len({stage for stages in found.values() for stage in stages if isinstance(stage, ColdStart)}) == 1
    assert all(sum(stage.flops for stage in stages) == pytest.approx(1e9) for stages in found.values())
    (cold, plain), *thought = found.values()
    assert all(stages[1] == cold for stages in thought) and len({stages[2].data for stages in thought}) == 1
    elided = [(share, source) for share, source in thought[0][2].data.parts if source.elided]
    assert [(pytest.approx(0.8 * share), source) for share, source in plain.data.parts] == elided
    assert {source for _, source in thought[0][2].data.parts if not source.elided} == {s for _, s in plain.replay.parts}
    assert all(source.ops[0] > SMOKE.band[1] for _, source in elided)
    assert all(source.ops[1] <= SMOKE.band[1] for _, source in cold.data.parts)


def test_methods_that_think_from_end_to_end(tmp_path, monkeypatch, runs):
    # Mutants: a log line that curves cannot read; tags that the base's model lacks; rollouts not counted.
    store = results.store
    monkeypatch.setattr(results, "store", lambda study, scale, rows: store(study, scale, rows, tmp_path))
    monkeypatch.setattr(results, "store_curves", lambda *args: None)
    whole = leaderboard.study(SMOKE)
    chosen = tuple(arm for arm in whole.arms if arm.name in THINKERS or arm.name == "RMT + RL")
    asked = dataclasses.replace(whole, arms=chosen, exams=whole.exams[:1], contrasts=(), headline=())
    execute(asked, Machine(), note=str)
    table = results.load(asked.name, "smoke", tmp_path)
    rows = {arm.name: table.of(arm.name, asked.exams[0].name)[0] for arm in chosen}
    alone = [rows[name]["arm_flops"] for name in THINKERS]
    assert max(alone) < 1.05 * min(alone) and rows["mixed SFT"]["rollout_flops"] == 0
    assert all(rows[name]["rollout_flops"] > 0 for name in ("RLP", "RPT", "RMT"))


def test_alike_keeps_every_field():
    # Mutants: a field forgotten; a kind that silently lacks one.
    stage = SMOKE.midtrain(1e9)
    made = alike(ReMiT, stage, reference=tuned(SMOKE), eps=0.5)
    assert all(getattr(made, f.name) == getattr(stage, f.name) for f in dataclasses.fields(Midtrain))
    assert made.eps == 0.5
    with pytest.raises(TypeError, match="replay"):
        alike(RL, stage)


def test_remit_from_end_to_end(tmp_path, monkeypatch, runs):
    # Mutants: weights left out of the curves, or another role's; a curve of stages that neither sample nor weigh; ReMiT's reference charged to it, or its passes not; the token-matched arm with other tokens or problems.
    store = results.store
    monkeypatch.setattr(results, "store", lambda study, scale, rows: store(study, scale, rows, tmp_path))
    curves = results.store_curves
    monkeypatch.setattr(results, "store_curves", lambda study, scale, rows: curves(study, scale, rows, tmp_path))
    small = dataclasses.replace(SMOKE, method_flops=2e9, arm_flops=4e9, anneal_flops=5e8)
    whole = remit.study(small)
    names = ("NTP", "NTP, tokens of ReMiT", "ReMiT")
    chosen = tuple(arm for arm in whole.arms if arm.name in names)
    asked = dataclasses.replace(whole, arms=chosen, exams=whole.exams[:1], contrasts=(("ReMiT", "NTP"),), headline=())
    execute(asked, Machine(), note=str)
    table = results.load(asked.name, "smoke", tmp_path)
    rows = {name: table.of(name, asked.exams[0].name)[0] for name in names}
    lines = {run.arm: read_jsonl(run.recipe.folder / "log.jsonl") for run in plan(asked)}
    fewer, weighed = lines["NTP, tokens of ReMiT"], lines["ReMiT"]
    assert len(fewer) == len(weighed) < len(lines["NTP"])
    assert [line["flops"] * 4 / 3 for line in fewer] == pytest.approx([line["flops"] for line in weighed])
    assert rows["ReMiT"]["arm_flops"] == pytest.approx(weighed[-1]["flops"])
    assert all(0.8 <= line["weight"] <= 1.2 and 0.8 <= line["weight_planning"] <= 1.2 for line in weighed)
    own = {run.arm: costs(run.recipe)[-1].ledger.as_dict() for run in plan(asked)}
    tokens = [own["ReMiT"][name] for name in ("train_tokens", "reference_tokens")]
    assert tokens == [own["NTP, tokens of ReMiT"]["train_tokens"]] * 2
    points = results.load_curves(asked.name, "smoke", tmp_path)
    assert {point["arm"] for point in points} == {"ReMiT"} and len(points) == min(40, len(weighed))
    first = weighed[: points[0]["step"]]
    assert results.weights(points[0]["weights"])["planning"] == pytest.approx(
        np.mean([line["weight_planning"] for line in first]), abs=1e-6
    )
    assert all(math.isnan(point["reward"]) and point["loss"] > 0 for point in points)
