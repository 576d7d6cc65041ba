"""The mid-training studies compare what they say: one base, one RL, equal compute, and references that exist anyway."""

from __future__ import annotations

import dataclasses

import pytest

from models.files import read_jsonl
from models.stages.coldstart import ColdStart
from models.stages.midtrain import Midtrain
from models.stages.remit import ReMiT
from models.stages.rl import RL
from models.stages.thinking import Judge
from models.train import Machine
from studies import results
from studies.methods import THINKERS, alike, annealed, annotator, tagged, told_rl, tuned
from studies.midtraining import leaderboard, remit, thinking
from studies.run import costs, references
from studies.scales import SCALES, SMOKE
from studies.study import check_budget, execute, plan


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("module", (leaderboard, remit, thinking))
def test_every_method_stands_alone_and_before_the_same_rl(module, scale, runs):
    # Mutants: another RL after one method; an arm without its pair; budgets of both kinds compared with each other.
    here, asked = SCALES[scale], module.study(SCALES[scale])
    rl = told_rl(here, here.method_flops) if module is thinking else here.rl(here.method_flops)
    arms = {arm.name: arm for arm in asked.arms if arm.name != "longer RL"}
    assert asked.unequal == "" and len(arms) == 2 * sum(not name.endswith(" + RL") for name in arms)
    for name, arm in arms.items():
        if name.endswith(" + RL"):
            alone = arms[name.removesuffix(" + RL")]
            assert arm.recipe == alone.recipe + rl and alone.equal == arm.equal
    planned = {run.arm: run.flops for run in plan(asked) if run.equal}
    for name, flops in planned.items():
        more = name.endswith(" + RL") or name == "longer RL"
        assert flops == pytest.approx(here.method_flops * (1 + more)), name
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


def test_thinking_is_the_leaderboards_where_it_means_the_same():
    # Mutants: another base, corpus or annotator, so that nothing is shared; RL that forbids thoughts; an annotator that
    # is no arm; a ladder whose steps spend other budgets; a control that differs from its method in more than its name.
    asked, board = thinking.study(SMOKE), leaderboard.study(SMOKE)
    arms, others = ({arm.name: arm.recipe for arm in each.arms} for each in (asked, board))
    same = ("pre-training", "thinking SFT", "thinking SFT, oracle", "thinking")
    assert all(arms[name] == others[name] for name in same) and asked.base == board.base
    own = {name: recipe.stages[len(asked.base.stages) :] for name, recipe in arms.items()}
    held = {each for recipe in arms.values() for stage in recipe.stages for each in references(stage).values()}
    assert held == {annotator(tagged(SMOKE))} == {arms["thinking SFT, oracle"]}
    (sft,), (raw,) = own["thinking SFT"], own["raw"]
    for content in ("shuffled", "empty"):
        assert own[f"thinking SFT, {content}"] == (dataclasses.replace(sft, content=content),)
    told = [(share, dataclasses.replace(part, thoughts="none")) for share, part in sft.data.parts]
    assert [*raw.data.parts] == told and all(part.elided for _, part in told)
    assert (raw.replay, raw.replay_share, raw.rows, raw.optim) == (sft.replay, sft.replay_share, sft.rows, sft.optim)
    first, second = own["thinking"]
    for name, share in (("1/4 RL", 0.25), ("thinking", 0.5), ("3/4 RL", 0.75)):
        one, two = own[name if name == "thinking" else f"thinking, {name}"]
        assert (one.flops, two.flops) == ((1 - share) * SMOKE.method_flops, share * SMOKE.method_flops)
        assert dataclasses.replace(one, flops=1.0) == dataclasses.replace(first, flops=1.0)
        assert dataclasses.replace(two, flops=1.0) == dataclasses.replace(second, flops=1.0)
    for name, judge in (("judge of values", Judge("value")), ("noisy judge", Judge(noise=0.1))):
        assert own[f"thinking, {name}"] == (first, dataclasses.replace(second, judge=judge))
    anneal, alone = own["thinking, RL alone"]
    assert dataclasses.replace(alone, flops=second.flops) == second
    assert anneal == annealed(SMOKE, SMOKE.method_flops, SMOKE.sft)[0]
    rl = own["thinking + RL"][-1]
    assert own["longer RL"] == (first, dataclasses.replace(rl, flops=rl.flops + second.flops))
    free = [part for _, part in rl.data.parts if part.elided]
    exam = next(exam for exam in asked.exams if exam.name == "zoo-edge-told")
    assert free and all((p.elided, p.thoughts) == (exam.source.elided, exam.source.thoughts) for p in free)


def test_probes_differ_in_the_thought_alone():
    # Mutants: other problems, cuts or rooms for one kind of thought; a kind left out.
    made = [exam for exam in thinking.study(SMOKE).exams if exam.kind == "probe"]
    assert [exam.thought for exam in made] == ["own", "empty", "shuffled", "other"]
    assert len({dataclasses.replace(exam, name="", thought="own") for exam in made}) == 1


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
