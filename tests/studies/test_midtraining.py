"""The mid-training studies compare what they say: one base, one RL, equal compute, and references that exist anyway."""

from __future__ import annotations

import dataclasses
import itertools
import math
import operator
from functools import partial

import numpy as np
import pytest

from interlude.figures.midtraining_leaderboard import GUESSED
from interlude.models.files import read_jsonl
from interlude.models.recipe import references
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rl import RL
from interlude.models.stages.rmt import TIERS
from interlude.models.stages.thinking import Judge, Thinking
from interlude.models.train import Machine
from interlude.studies import results
from interlude.studies.methods import (
    BINS,
    PLAIN_SHARE,
    THINKERS,
    UNEQUAL,
    Primed,
    alike,
    annealed,
    annotated,
    annotator,
    primed,
    tuned,
    worded,
)
from interlude.studies.midtraining import leaderboard, remit, rmt, thinking
from interlude.studies.run import costs
from interlude.studies.scales import SCALES, SMOKE
from interlude.studies.study import check_budget, execute, plan
from interlude.synth.source import parts
from interlude.synth.verify import verify


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("module", (leaderboard, remit, thinking))
def test_every_method_stands_alone_and_before_the_same_rl(module, scale, runs):
    # Mutants: another RL after one method; an arm without its pair; budgets of both kinds compared with each other.
    here, asked = SCALES[scale], module.study(SCALES[scale])
    here = (worded if module is remit else primed)(here)
    arms = {arm.name: arm for arm in asked.arms if arm.name != "longer RL"}
    assert asked.unequal == UNEQUAL and len(arms) == 2 * sum(not name.endswith(" + RL") for name in arms)
    for name, arm in arms.items():
        if name.endswith(" + RL"):
            alone = arms[name.removesuffix(" + RL")]
            assert arm.recipe == alone.recipe + here.rl(here.method_flops) and alone.equal == arm.equal
    planned = {run.arm: run.flops for run in plan(asked) if run.equal}
    for name, flops in planned.items():
        more = name.endswith(" + RL") or name == "longer RL"
        assert flops == pytest.approx(here.method_flops * (1 + more)), name
    assert len(planned) >= 16


@pytest.mark.parametrize("module", (leaderboard, remit))
def test_references_are_arms(module):
    # Mutant: a teacher trained for a method's sake, whose cost no table shows.
    asked, scale = module.study(SMOKE), (primed if module is leaderboard else worded)(SMOKE)
    recipes = [arm.recipe for arm in asked.arms]
    held = {recipe for arm in asked.arms for stage in arm.recipe.stages for recipe in references(stage).values()}
    guide = tuned(scale).parent + scale.sft(SMOKE.method_flops)  # the SFT-guided arm's, which is a control
    assert tuned(scale) in held and (module is remit or annotator(scale) in held)
    assert all(
        recipe in recipes or recipe in (guide, annotator(scale) if module is leaderboard else guide) for recipe in held
    )


def test_the_annotator_has_seen_no_thought_beyond_the_band():
    # Mutants: the oracle arm as annotator, which was told what this very corpus leaves out; one that never opens
    # thoughts; one whose texts skip more often than the corpus; an annotator that draws by chance.
    scale = primed(SMOKE)
    stage, corpus = annotator(scale).stages[-1], scale.corpus()
    assert annotator(scale).parent == scale.stable() and isinstance(stage, Midtrain) and stage.flops == SMOKE.arm_flops
    assert all(source.ops[1] <= SMOKE.band[1] and source.thoughts == "oracle" for _, source in stage.data.parts)
    assert {source.skip_prob for _, source in stage.data.parts} == {source.skip_prob for _, source in corpus.parts}
    assert annotated(scale, 1e9, annotator(scale)).temperature == 0


def test_thinking_is_the_leaderboards_where_it_means_the_same():
    # Mutants: another base, corpus or annotator, so that nothing is shared; RL that forbids thoughts; an annotator that
    # is no arm; a ladder whose steps spend other budgets; a control that differs from its method in more than its name.
    asked, board = thinking.study(SMOKE), leaderboard.study(SMOKE)
    arms, others = ({arm.name: arm.recipe for arm in each.arms} for each in (asked, board))
    same = ("pre-training", "NTP", "thinking SFT", "thinking SFT, oracle", "thinking")
    same += tuple(f"{name} + RL" for name in same)
    assert all(arms[name] == others[name] for name in same) and asked.base == board.base
    own = {name: recipe.stages[len(asked.base.stages) :] for name, recipe in arms.items()}
    held = {each for recipe in arms.values() for stage in recipe.stages for each in references(stage).values()}
    assert held == {annotator(primed(SMOKE))}
    (sft,), (raw,) = own["thinking SFT"], own["NTP"]
    for content in ("shuffled", "empty"):
        assert own[f"thinking SFT, {content}"] == (dataclasses.replace(sft, content=content),)
    told = [(share, dataclasses.replace(part, thoughts="ignored")) for share, part in sft.data.parts]
    assert [*raw.data.parts] == told and all(part.skip_prob for _, part in told)
    assert (raw.replay, raw.replay_share, raw.batch_size, raw.optim) == (
        sft.replay,
        sft.replay_share,
        sft.batch_size,
        sft.optim,
    )
    first, second = own["thinking"]
    for name, share in (("1/4 RL", 0.25), ("thinking", 0.5), ("3/4 RL", 0.75)):
        one, two = own[name if name == "thinking" else f"thinking, {name}"]
        assert (one.flops, two.flops) == ((1 - share) * SMOKE.method_flops, share * SMOKE.method_flops)
        assert dataclasses.replace(one, flops=1.0) == dataclasses.replace(first, flops=1.0)
        assert dataclasses.replace(two, flops=1.0) == dataclasses.replace(second, flops=1.0)
    for name, judge in (("judge of values", Judge("value")), ("noisy judge", Judge(noise=0.1))):
        assert own[f"thinking, {name}"] == (first, dataclasses.replace(second, judge=judge))
    half, alone = own["thinking, RL alone"]
    assert alone == second and half == dataclasses.replace(raw, flops=first.flops)
    assert own["NTP, all tokens"] == (dataclasses.replace(raw, targets="all"),)
    assert own["thinking SFT, all tokens"] == (dataclasses.replace(sft, targets="all"),)
    assert own["thinking, all tokens"] == (dataclasses.replace(first, targets="all"), second)
    assert raw.targets == sft.targets == first.targets == "solution"
    anneal = primed(SMOKE).decay(SMOKE.method_flops)
    assert anneal == THINKERS["RLP"](primed(SMOKE), SMOKE.method_flops)[0]
    assert anneal.replay_share == PLAIN_SHARE and anneal.replay == primed(SMOKE).pretraining()
    rl = own["thinking + RL"][-1]
    assert own["longer RL"] == (first, dataclasses.replace(rl, flops=rl.flops + second.flops))
    free = [part for _, part in rl.data.parts if part.skip_prob]
    exam = next(exam for exam in asked.exams if exam.name == "zoo-edge-sampled")
    assert free and all((p.skip_prob, p.thoughts) == (exam.source.skip_prob, exam.source.thoughts) for p in free)


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
    # Mutants: a decay for some only, or left out of the budget; texts that one of them sees; thoughts shown
    # at the edge.
    scale = primed(SMOKE)
    found = {name: stages(scale, 1e9) for name, stages in THINKERS.items()}
    assert [*found] == ["mixed SFT", "RLP", "RPT", "RMT"]
    assert all(sum(stage.flops for stage in stages) == pytest.approx(1e9) for stages in found.values())
    (plain,), *thought = found.values()
    colds = {name: stages[0] for name, stages in found.items() if name != "mixed SFT"}
    bare = dataclasses.replace(colds["RMT"], told=None)  # RMT alone is told budgets, so its decay tells lengths
    assert (
        colds == dict.fromkeys(colds, bare) | {"RMT": colds["RMT"]} and len({stages[1].data for stages in thought}) == 1
    )
    assert colds["RMT"].told == found["RMT"][1].told == BINS and BINS.count <= SMOKE.modulus
    base, (cold, stage) = scale.stable().stages[-1], thought[0]
    assert (
        isinstance(base, ColdStart)
        and dataclasses.replace(base, steps=None, flops=cold.flops, optim=cold.optim) == cold
    )
    assert cold.replay == scale.pretraining() and cold.idle == 1
    edge = {source for _, source in stage.data.parts if source.skip_prob}
    assert (
        edge == {source for _, source in scale.midtrain(1e9).data.parts} <= {source for _, source in plain.data.parts}
    )
    assert {source for _, source in stage.data.parts} - edge == {s for _, s in scale.mixture(scale.band).parts}
    assert plain.replay == scale.pretraining()
    assert all(source.ops[0] > SMOKE.band[1] and source.thoughts == "ignored" for source in edge)
    assert all(source.ops[1] <= SMOKE.band[1] and source.thoughts == "oracle" for _, source in cold.data.parts)


def test_every_method_reads_and_is_judged_on_one_corpus():
    # Mutants: a method with full solutions at the edge; RL or an exam that refuses skipped steps or thoughts.
    scale, asked = primed(SMOKE), leaderboard.study(SMOKE)
    assert (
        isinstance(scale, Primed)
        and scale.stable() == asked.base
        and scale.stable().parent == dataclasses.replace(SMOKE, model=scale.model).stable()
    )
    for arm in asked.arms:
        for stage in arm.recipe.stages[len(asked.base.stages) :]:
            old = {source for _, source in scale.pretraining().parts}
            sources = [source for _, source in stage.data.parts if source.ops == SMOKE.edge and source not in old]
            full = arm.name.startswith("NTP, full texts") and isinstance(stage, Midtrain)  # a bound, no method
            told = "oracle" if isinstance(stage, (Annotate, Thinking)) else "ignored"
            assert full or all(source.skip_prob == 0.1 and source.thoughts == told for source in sources), arm.name
            assert full or sources or isinstance(stage, (ColdStart, Pretrain)), arm.name
    sampled = [exam for exam in asked.exams if exam.kind == "sampled"]
    assert [exam.name for exam in sampled] == ["zoo-edge-sampled", "zoo-band-sampled"]
    assert all(exam.source.skip_prob and exam.source.thoughts == "ignored" for exam in sampled)
    assert [exam.source.ops for exam in sampled] == [SMOKE.edge, SMOKE.band]


def test_methods_that_think_from_end_to_end(tmp_path, monkeypatch, runs):
    # Mutants: a log line that curves cannot read; tags that the base's model lacks; rollouts not counted.
    store = results.store
    monkeypatch.setattr(
        results, "store", lambda study, scale, rows, **more: store(study, scale, rows, tmp_path, **more)
    )
    monkeypatch.setattr(results, "store_curves", lambda *args, **more: None)
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


def test_remit_reads_a_noisy_corpus_and_is_asked_none():
    # Mutants: wrong solutions in RL, in exams, in the base or in what SFT and the bound read; none in the corpus; an
    # exam or an RL that refuses the corpus's words; words that the base has never seen.
    asked, scale = remit.study(SMOKE), worded(SMOKE)
    arms = {arm.name: arm.recipe.stages[-1] for arm in asked.arms}

    def slips(data) -> set[float]:
        return {source.words.error_rate for source in parts(data)}

    noisy = [stage for name, stage in arms.items() if not name.endswith("RL") and name != "NTP, none wrong"]
    assert all(slips(stage.data) == {0.3} and slips(stage.replay) == {0.0} for stage in noisy) and len(noisy) == 9
    weighed = {"shuffled weights": {"weights": "shuffled"}, "renormalised": {"renormalise": True}}
    weighed |= {"top-k": {"weights": "topk", "renormalise": True}}
    assert all(arms[name] == dataclasses.replace(arms["ReMiT"], **more) for name, more in weighed.items())
    clean = [arms["NTP, none wrong"].data, scale.sft(1e9).data, arms["NTP + RL"].data, asked.base.stages[-1].data]
    assert all(slips(data) == {0.0} for data in (*clean, *(exam.source for exam in asked.exams)))
    slipped = [p for p in (arms["NTP"].data.problem("slip", n) for n in range(400)) if p.style.slip is not None]
    assert 0.2 < len(slipped) / 400 < 0.4 and not any(verify(p, p.solution).strict for p in slipped)
    right = [source.problem("right", n) for n in range(50) for source in (asked.exams[0].source, clean[2])]
    assert all(verify(p, p.solution).strict for p in right)


def test_remit_from_end_to_end(tmp_path, monkeypatch, runs):
    # Mutants: weights left out of the curves, or another role's; a curve of stages that neither sample nor weigh;
    # ReMiT's reference charged to it, or its passes not; the token-matched arm with other tokens or problems.
    store = results.store
    monkeypatch.setattr(
        results, "store", lambda study, scale, rows, **more: store(study, scale, rows, tmp_path, **more)
    )
    curves = results.store_curves
    monkeypatch.setattr(
        results, "store_curves", lambda study, scale, rows, **more: curves(study, scale, rows, tmp_path, **more)
    )
    small = dataclasses.replace(SMOKE, method_flops=6e9, arm_flops=12e9, anneal_flops=15e8)
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
    assert results.tallies(points[0]["weights"])["planning"] == pytest.approx(
        np.mean([line["weight_planning"] for line in first]), abs=1e-6
    )
    assert all(math.isnan(point["reward"]) and point["loss"] > 0 for point in points)


@pytest.mark.parametrize("scale", SCALES)
def test_rmt_shares_its_runs_with_the_leaderboard(scale):
    # Mutants: another base, another cold start or budget for an arm of the same name; an ablation that changes nothing,
    # or more than it says; a cold start that is no beginning of RMT's.
    board = {arm.name: arm.recipe for arm in leaderboard.study(SCALES[scale]).arms}
    asked = rmt.study(SCALES[scale])
    arms = {arm.name: arm.recipe for arm in asked.arms}
    shared = ("NTP", "mixed SFT", "RPT", "RMT")
    assert all(arms[f"{name}{then}"] == board[f"{name}{then}"] for name in shared for then in ("", " + RL"))
    assert arms["cold start"] == arms["RMT"].parent
    whole = arms["RMT"].stages[-1]
    for name, changed in ABLATED.items():
        ablated = arms[name].stages[-1]
        found = {f.name for f in dataclasses.fields(whole) if getattr(whole, f.name) != getattr(ablated, f.name)}
        assert found == changed and (arms[name].stages[-2].told is None) == ("told" in changed)
    assert {name.removesuffix(" + RL") for name in arms} == {*shared, "cold start", *ABLATED}
    assert all(
        (arm.recipe.stages[-1] == board["NTP + RL"].stages[-1]) == arm.name.endswith(" + RL") for arm in asked.arms
    )


ABLATED = {"no budget": {"budget", "told"}, "no words": {"told"}, "no curriculum": {"early", "late"}, "no NTP": {"ntp"}}


def test_rmt_from_end_to_end(tmp_path, monkeypatch, runs):
    # Mutants: curves of stages that think missing, or their reward unnamed; tiers or roles lost between log and table.
    for name in ("store", "store_curves"):
        real = getattr(results, name)
        into = partial(real, folder=tmp_path)
        monkeypatch.setattr(results, name, into)
    whole = rmt.study(SMOKE)
    chosen = tuple(arm for arm in whole.arms if arm.name in ("RMT", "RPT", "no budget"))
    asked = dataclasses.replace(whole, arms=chosen, exams=whole.exams[:1], contrasts=(), headline=())
    execute(asked, Machine(), note=str)
    points = results.load_curves(asked.name, "smoke", tmp_path)
    assert {p["arm"] for p in points} == {"RMT", "RPT", "no budget"}
    for run in plan(asked):
        lines = read_jsonl(run.recipe.folder / "log.jsonl")
        own = [p for p in points if p["arm"] == run.arm]
        assert [math.isnan(p["budget"]) for p in own] == [run.arm != "RMT"] * len(own)
        assert all(
            math.isnan(p["strict"]) and math.isfinite(p["reward"] + p["thought_tokens"] + p["plain"]) for p in own
        )
        drawn, matched = ([results.tallies(p[name]) for p in own] for name in ("drawn", "matched"))
        tiers = [sum(d.get(tier, 0.0) for d in drawn) for tier in TIERS]
        assert sum(tiers) == sum(line["rollouts"] for line in lines) and (tiers[0] > 0) == (run.arm != "RPT")
        assert sum(sum(d.values()) for d in drawn) == pytest.approx(2 * sum(tiers))  # once by tier and once by role
        right = sum(sum(m.get(tier, 0.0) for tier in TIERS) for m in matched)
        assert right == pytest.approx(sum(line["match"] * line["rollouts"] for line in lines))


def test_skipping_and_guessing_is_strictly_right_as_often_as_the_floor_says():
    # Mutants: a literal or a given counted as lacking; an operand that stands twice counted twice; no floor, or
    # one for all.
    asked = leaderboard.study(SCALES["nano"])
    exams = {exam.name: exam for exam in asked.exams}
    exam = exams["zoo-edge-sampled"]
    assert exam.strict_floor == pytest.approx(GUESSED[1], abs=0.01) and exams["zoo-ops5"].strict_floor == 0
    assert all(exam.guess_pass_at_k(k) == pytest.approx(share, abs=0.01) for k, share in GUESSED.items())
    score, compute = 0.0, {"+": operator.add, "-": operator.sub, "*": operator.mul}
    for problem in exam.draw_problems()[:12]:
        last = problem.solution.split(";")[-2].split(",")
        operands = last[1].split()
        nouns, own = operands[::2], dict(zip(operands[::2], operands[1::2], strict=True))
        hidden = [noun for noun in own if f"{noun} {own[noun]} ;" not in problem.question]
        for values in itertools.product(range(7), repeat=len(hidden)):
            told = own | dict(zip(hidden, map(str, values), strict=True))
            (x, y), sign = (told[noun] for noun in nouns), last[0].split()[2]
            found = str(compute[sign](int(x), int(y)) % 7)
            text = f"{last[0].strip()} , {nouns[0]} {x} {nouns[1]} {y} , {x} {sign} {y} = {found}"
            text += f" , {last[3].split()[0]} {found} ;"
            score += verify(problem, f"{text} answer {found} <end>").strict / 7 ** len(hidden)
    assert score / 12 == pytest.approx(dataclasses.replace(exam, problems=12).strict_floor)
