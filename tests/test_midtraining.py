"""The mid-training studies compare what they say: one base, one RL, equal compute, and references that exist anyway."""

from __future__ import annotations

import dataclasses

import pytest

from models.files import read_jsonl
from models.stages.coldstart import ColdStart
from models.stages.midtrain import Midtrain
from models.stages.pretrain import Pretrain
from models.stages.remit import ReMiT
from models.stages.rl import RL
from models.train import Machine
from studies import results
from studies.methods import THINKERS, Told, alike, annealed, annotator, told, tuned
from studies.midtraining import leaderboard, remit
from studies.run import costs, references
from studies.scales import SCALES, SMOKE
from studies.study import check_budget, execute, plan


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("module", (leaderboard, remit))
def test_every_method_stands_alone_and_before_the_same_rl(module, scale, runs):
    # Mutants: another RL after one method; an arm without its pair; budgets of both kinds compared with each other.
    here, asked = SCALES[scale], module.study(SCALES[scale])
    here = told(here) if module is leaderboard else here
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
    asked, scale = module.study(SMOKE), told(SMOKE) if module is leaderboard else SMOKE
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
    # Mutants: a decay for some only, or left out of the budget; texts that one of them sees; thoughts shown at the edge.
    scale = told(SMOKE)
    found = {name: stages(scale, 1e9) for name, stages in THINKERS.items()}
    assert [*found] == ["mixed SFT", "RLP", "RPT", "RMT"]
    assert all(sum(stage.flops for stage in stages) == pytest.approx(1e9) for stages in found.values())
    (plain,), *thought = found.values()
    assert len({stages[0] for stages in thought}) == len({stages[1].data for stages in thought}) == 1
    base, (cold, stage) = scale.base().stages[-1], thought[0]
    assert isinstance(base, ColdStart) and base.data == cold.data and cold.idle == base.idle == 1 and base.shown
    edge = {source for _, source in stage.data.parts if source.elided}
    assert edge == {source for _, source in scale.midtrain(1e9).data.parts} <= {source for _, source in plain.data.parts}
    assert {source for _, source in stage.data.parts} - edge == {source for _, source in plain.replay.parts}
    assert all(source.ops[0] > SMOKE.band[1] and source.thoughts == "ignored" for source in edge)
    assert all(source.ops[1] <= SMOKE.band[1] and source.thoughts == "oracle" for _, source in cold.data.parts)
    assert all(source.ops[1] <= SMOKE.band[1] and source.tagged for _, source in base.shown.parts)


def test_every_method_reads_and_is_judged_on_one_corpus():
    # Mutants: a method with full solutions at the edge; RL or an exam that refuses skipped steps or thoughts.
    scale, asked = told(SMOKE), leaderboard.study(SMOKE)
    assert isinstance(scale, Told) and scale.base() == asked.base and scale.base().before == dataclasses.replace(
        SMOKE, model=scale.model
    ).base()
    for arm in asked.arms:
        for stage in arm.recipe.stages[len(asked.base.stages) :]:
            old = {source for _, source in scale.pretraining().parts}
            sources = [source for _, source in stage.data.parts if source.ops == SMOKE.edge and source not in old]
            assert all(source.elided == 0.5 and source.thoughts != "none" for source in sources), arm.name
            assert sources or isinstance(stage, (ColdStart, Pretrain)), arm.name
    sampled = [exam for exam in asked.exams if exam.kind == "sampled"]
    assert [exam.name for exam in sampled] == ["zoo-edge-sampled", "school-edge-sampled", "zoo-band-sampled"]
    assert all(exam.source.elided and exam.source.thoughts == "ignored" for exam in sampled)
    assert [exam.source.ops for exam in sampled] == [SMOKE.edge, SMOKE.edge, SMOKE.band]


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
    # Mutants: ReMiT's reference charged to it, or its passes not; the token-matched arm with other tokens or problems.
    store = results.store
    monkeypatch.setattr(results, "store", lambda study, scale, rows: store(study, scale, rows, tmp_path))
    monkeypatch.setattr(results, "store_curves", lambda *args: None)
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
