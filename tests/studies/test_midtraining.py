"""The mid-training studies compare what they say: one base, one RL, equal compute, and references that exist anyway."""

from __future__ import annotations

import dataclasses
import math
import re
from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

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
from interlude.studies.board import OPENS
from interlude.studies.methods import (
    BINS,
    BOUNDS,
    CONTROLS,
    LAST_STEPS,
    METHODS,
    STOPS,
    Arena,
    adamw,
    alike,
    annotated,
    annotator,
    arena,
    tuned,
    worded,
)
from interlude.studies.midtraining import confirmation, leaderboard, marked_gaps, places, remit, rmt, selfgen, thinking
from interlude.studies.run import costs
from interlude.studies.scales import REPLAY_SHARE, SCALES, SMOKE
from interlude.studies.study import check_budget, execute, plan
from interlude.synth.source import parts
from interlude.synth.verify import verify

UNPAIRED = {"longer RL", "words", "words + RL"}  # words has another base

TOLD = [scale for scale in SCALES if scale != "nano-guessable"]  # RMT's seven lengths are told as numbers; it has three


def own_stages(asked, name: str) -> tuple:
    """An arm's stages after its base."""
    arm = next(arm for arm in asked.arms if arm.name == name)
    return arm.recipe.stages[len(asked.base_of(arm).stages) :]


@pytest.mark.parametrize(
    ("module", "scale"),
    [(module, scale) for module in (leaderboard, remit, thinking) for scale in SCALES] + [(rmt, each) for each in TOLD],
)
def test_every_method_stands_alone_and_before_the_same_rl(module, scale, runs):
    # Mutants: another RL after one method; an arm without its pair; budgets of both kinds compared with each other; an
    # arm that begins before the decay of the base, so that it pays for one of its own.
    here, asked = SCALES[scale], module.study(SCALES[scale])
    here = (worded if module is remit else arena)(here)
    arms = {arm.name: arm for arm in asked.arms if not arm.name.endswith("longer RL")}
    assert asked.base == here.base() and here.method_flops == SCALES[scale].arm_flops
    if module is leaderboard:  # its "RL" is what other boards call "base + RL": one recipe has one name
        assert "base + RL" not in arms and arms["RL"].recipe == arms.pop("base").recipe + here.rl(here.method_flops)
    assert asked.last_steps == LAST_STEPS
    every = [name for name in arms if not name.endswith(" RL")]
    assert {name for name in arms if name.endswith(" + RL")} == {f"{n} + RL" for n in getattr(module, "AFTER", every)}
    for name, arm in arms.items():
        if name.endswith(" + RL"):
            alone = arms[name.removesuffix(" + RL")]
            assert arm.recipe == alone.recipe + here.rl(here.method_flops) and alone.equal == arm.equal
    planned = {run.arm: run.flops for run in plan(asked) if run.equal}
    for name, flops in planned.items():
        more = name.endswith(" + RL") or name == "longer RL"
        assert flops == pytest.approx(here.method_flops * (1 + (module is thinking) + more)), name
    assert len(planned) >= 14


def test_no_method_pays_for_a_decay():
    # Mutant: the share of a budget that went to the decay of an undecayed base (0.43 of RL's, RFT's, SFT's, ReLIFT's).
    scale = arena(SMOKE)
    kinds = {name: row(scale, 6e9) for name, row in (CONTROLS | METHODS | BOUNDS).items()}
    assert all(sum(stage.flops for stage in stages) == pytest.approx(6e9) for stages in kinds.values())
    decayed = [name for name, stages in kinds.items() if any(isinstance(s, (Pretrain, ColdStart)) for s in stages)]
    assert decayed == ["pre-training"] and kinds["RL"] == (scale.rl(6e9),)
    last = scale.base().stages[-1]
    assert last.optim.schedule == "linear" and last.flops == SMOKE.anneal_flops


@pytest.mark.parametrize("module", (leaderboard, remit))
def test_references_are_arms(module):
    # Mutant: a teacher trained for a method's sake, whose cost no table shows.
    asked, scale = module.study(SMOKE), (arena if module is leaderboard else worded)(SMOKE)
    recipes = [arm.recipe for arm in asked.arms]
    held = {recipe for arm in asked.arms for stage in arm.recipe.stages for recipe in references(stage).values()}
    if module is leaderboard:
        assert {tuned(scale), annotator(scale)} <= held and held <= {*recipes, annotator(scale)}
        return
    # No arm: the SFT-guided arm's, which is a control.
    guide = tuned(scale).parent + scale.sft(scale.method_flops)
    own = {arm.name: references(arm.recipe.stages[-1]) for arm in asked.arms if "RL" not in arm.name}
    named = {arm.name: arm.recipe for arm in asked.arms}
    assert held - {*recipes} == {guide} and own["SFT-guided"] == {"reference": guide}
    assert own["ReMiT"] == own["no clip"] == own["distillation"] == {"reference": named["NTP + longer RL"]}
    assert own["ReMiT twice"] == {"reference": named["ReMiT + longer RL"]}
    assert own["weaker reference"] == {"reference": named["NTP + RL"]} == {"reference": tuned(scale)}


def test_the_annotator_learned_from_other_texts_than_those_it_annotates():
    # Mutants: the oracle arm as annotator, which was told what this very corpus leaves out; one that never opens
    # thoughts; one whose texts stop more often than the corpus'; an annotator that draws by chance.
    scale = arena(SMOKE)
    stage, corpus = annotator(scale).stages[-1], scale.corpus()
    assert annotator(scale).parent == scale.base() and isinstance(stage, Midtrain) and stage.flops == SMOKE.arm_flops
    assert {source.ops for _, source in stage.data.parts} == {SMOKE.band, SMOKE.edge}
    assert all(source.thoughts == "oracle" for _, source in stage.data.parts)
    learned = {stage.data.problem("midtrain", 0, step, row).question for step in range(20) for row in range(20)}
    written = annotated(scale, 1e9, annotator(scale))
    read = {written.data.problem("annotate", 0, step, row).question for step in range(20) for row in range(20)}
    assert len(learned & read) <= 4  # of 400, by chance
    assert {source.stop_prob for _, source in stage.data.parts} == {source.stop_prob for _, source in corpus.parts}
    assert annotated(scale, 1e9, annotator(scale)).temperature == 0


def test_thinking_is_the_leaderboards_where_it_means_the_same():
    # Mutants: another base, corpus or annotator, so that nothing is shared; RL that forbids thoughts; an annotator that
    # is no arm; a ladder whose steps spend other budgets; a control that differs from its method in more than its name.
    asked, board, scale = thinking.study(SMOKE), leaderboard.study(SMOKE), arena(SMOKE)
    arms = {arm.name: arm.recipe for arm in asked.arms}
    own, boards = ({arm.name: own_stages(each, arm.name) for arm in each.arms} for each in (asked, board))
    for name in thinking.AFTER[:-1]:  # at twice the budget
        assert own[name] == tuple(dataclasses.replace(each, flops=2 * each.flops) for each in boards[name])
    assert asked.base == board.base and {name for name in arms if name.endswith(" + RL")} == {
        f"{name} + RL" for name in thinking.AFTER
    }
    held = {each for recipe in arms.values() for stage in recipe.stages for each in references(stage).values()}
    assert held == {annotator(scale)}
    (sft,), (raw,) = own["thinking SFT"], own["NTP"]
    for content in ("shuffled", "empty"):
        assert own[f"thinking SFT, {content}"] == (dataclasses.replace(sft, content=content),)
    told = [(share, dataclasses.replace(part, thoughts="ignored")) for share, part in sft.data.parts]
    assert [*raw.data.parts] == told and all(part.stop_prob == STOPS for _, part in told)
    for name in ("replay", "replay_share", "batch_size", "optim"):
        assert getattr(raw, name) == getattr(sft, name)
    first, second = own["thinking"]
    for name, share in (("1/4 RL", 0.25), ("thinking", 0.5), ("3/4 RL", 0.75)):
        one, two = own[name if name == "thinking" else f"thinking, {name}"]
        assert (one.flops, two.flops) == (2 * (1 - share) * scale.method_flops, 2 * share * scale.method_flops)
        assert dataclasses.replace(one, flops=1.0) == dataclasses.replace(first, flops=1.0)
        assert dataclasses.replace(two, flops=1.0) == dataclasses.replace(second, flops=1.0)
    for name, judge in (("judge of values", Judge("value")), ("noisy judge", Judge(noise=0.1))):
        assert own[f"thinking, {name}"] == (first, dataclasses.replace(second, judge=judge))
    assert own["thinking, RL alone"] == (dataclasses.replace(second, flops=raw.flops),)
    rl = own["thinking + RL"][-1]
    assert own["longer RL"] == (first, dataclasses.replace(rl, flops=rl.flops + second.flops))
    # Mutants: RL on thoughts whose texts leave nothing out, or all of one depth.
    parts_ = second.data.parts
    assert {part.ops: share for share, part in parts_} == {scale.edge: 0.5, scale.band: 0.5}
    assert all(part.stop_prob == 1.0 and part.thoughts == "oracle" for _, part in parts_)
    assert dataclasses.replace(second, data=None, flops=1.0) == dataclasses.replace(
        boards["thinking"][1], data=None, flops=1.0
    )


def test_rl_on_thoughts_replays_the_band_as_other_rl_does():
    # Kills: no replay; another share of it than RL's; replay of texts without thoughts, or that stop more often.
    scale = arena(SMOKE)
    (rl,) = METHODS["RL"](scale, 1e9)
    for name in ("thinking", "RLPT"):
        data = METHODS[name](scale, 1e9)[-1].data
        share = {scale.edge: 1 - REPLAY_SHARE, scale.band: REPLAY_SHARE}
        for read in (data, rl.data):
            given = {ops: sum(each for each, part in read.parts if part.ops == ops) for ops in share}
            assert given == pytest.approx(share) and {part.ops for _, part in read.parts} == {*share}
        assert {(part.thoughts, part.stop_prob) for _, part in data.parts} == {("oracle", STOPS)}


def test_rlpt_is_the_second_stage_of_thinking_alone_before_any_segment():
    # Kills: imitation before it, or half of the budget; segments chosen by an annotator or by what is left out; another
    # judge; a penalty of KL.
    scale = arena(SMOKE)
    second = METHODS["thinking"](scale, 2e9)[1]
    (stage,) = METHODS["RLPT"](scale, 1e9)
    assert stage == dataclasses.replace(second, annotator="any") and stage.flops == 1e9 and not references(stage)
    assert stage.objective.kl == 0 and stage.judge == Judge("facts")
    assert stage.needs(SimpleNamespace(segments=("a", "b", "c"))) == [1.0] * 3


def test_probes_differ_in_the_thought_alone():
    # Mutants: other problems, cuts or rooms for one kind of thought; a kind left out.
    made = [exam for exam in thinking.study(SMOKE).exams if exam.kind == "probe"]
    assert [exam.thought for exam in made] == ["own", "empty", "shuffled", "other"]
    assert len({dataclasses.replace(exam, name="", thought="own") for exam in made}) == 1


def test_a_method_is_one_line(monkeypatch, runs):
    # Mutant: a list of arms or contrasts that a method has to be added to as well.
    before = leaderboard.study(SMOKE)
    rows = leaderboard.ROWS | {"toy": lambda scale, flops: (scale.midtrain(flops / 2), scale.rl(flops / 2))}
    after = leaderboard.study(SMOKE, rows)
    assert {a.name for a in after.arms} - {a.name for a in before.arms} == {"toy", "toy + RL"}
    assert set(after.contrasts) - set(before.contrasts) == {("toy", "NTP"), ("toy + RL", "NTP + RL")}
    check_budget(after, plan(after))


def test_every_claim_is_about_arms_and_exams_of_the_board():
    # Mutants: a method without claims; a claim about another score than the rule's, or against another control; seeds
    # that another study has.
    asked = leaderboard.study(SCALES["nano"])
    arms, exams = {arm.name for arm in asked.arms}, {exam.name for exam in asked.exams}
    assert all(set(claim.arms) <= arms for claim in leaderboard.CLAIMS)
    terms = [term for claim in leaderboard.CLAIMS for each in claim.comparisons for term in each.terms]
    at_once = ("zoo-edge-sampled", "zoo-edge-sampled-answer", "OOD")
    assert {(score.on, score.k) for _, _, score in terms} == {*((on, 1) for on in at_once), ("hard", 128)}
    opened = {arm for _, arm, score in terms if score.on == "zoo-edge-sampled-answer"}
    assert opened == {*OPENS} and exams >= {*at_once[:2]} and {f"zoo-ops{n}" for n in SCALES["nano"].hard} <= exams
    for method in METHODS:
        own = [claim for claim in leaderboard.CLAIMS if claim.name.startswith((f"{method} >", f"{method} + RL >"))]
        assert len(own) == 8 and len({claim.pool for claim in own}) == 4
    declared = SCALES["nano"].board_seeds
    assert asked.seeds == declared == tuple(range(50, 58))
    # Rates were chosen again at the first two, so that a method's own study has the last three.
    assert {each.study(SCALES["nano"]).seeds for each in (rmt, selfgen, thinking)} == {(55, 56, 57)}
    assert {each.study(SCALES["nano"]).seeds for each in (remit, marked_gaps)} == {tuple(range(53, 58))}
    assert not set(places.study(SCALES["nano"]).seeds) & set(declared)
    assert not set(declared) & {*SCALES["nano"].seeds, *SCALES["nano"].calibration_seeds, 3, 4, 5}


def test_the_confirmation_is_the_boards_on_seeds_that_chose_nothing():
    # Mutants: recipes, claims or exams of its own; seeds that were seen before; KL to another model than the base.
    nano = SCALES["nano"]
    asked, board = confirmation.study(nano), leaderboard.study(nano)
    recipes = {arm.name: arm.recipe for arm in board.arms}
    assert all(arm.recipe == recipes[arm.name] for arm in asked.arms) and asked.base == board.base
    assert set(board.exams) < set(asked.exams)
    assert {exam.reference for exam in set(asked.exams) - set(board.exams)} == {board.base}
    assert {each.name for each in confirmation.CLAIMS[:-1]} < {each.name for each in leaderboard.CLAIMS}
    names = (path.stem.replace(".", "/", 1) for path in results.path(asked.name, "nano").parent.glob("*.csv"))
    others = {name for name in names if not name.endswith(".curves")} - {asked.name}
    used = {name: set(results.load(name, "nano").seeds) for name in others}
    assert len(asked.seeds) == 8 and set().union(*used.values()) >= {*range(50, 58)}
    # Studies that came later share its models, and say so in their rules.
    rules = {name: import_module(f"interlude.studies.{name.replace('/', '.')}").RULE for name in others}
    assert all(asked.name in rules[name] for name, seeds in used.items() if seeds & set(asked.seeds))


def test_methods_that_think_share_corpus_base_and_rate():
    # Mutants: a cold start for some only; texts that one of them sees; thoughts shown at the edge; places anywhere.
    scale = arena(SMOKE)
    kinds = {name: METHODS[name](scale, 1e9)[0] for name in ("RLP", "RPT", "RMT", "RMT, entropy")}
    assert all(stage.data == scale.corpus() for stage in kinds.values()) and len({s.optim for s in kinds.values()}) == 1
    assert {name: stage.places for name, stage in kinds.items()} == dict.fromkeys(kinds, "inferable") | {
        "RMT, entropy": "any"
    }
    assert kinds["RMT"].ntp_aggregate == "sum" and kinds["RPT"].ntp == 0 and kinds["RPT"].budget is None
    last = scale.base().stages[-1]
    assert isinstance(last, ColdStart) and last.replay == scale.pretraining() and last.idle == 1
    assert last.told is None and BINS.count <= SMOKE.modulus
    assert all(source.ops[1] <= SMOKE.band[1] and source.thoughts == "oracle" for _, source in last.data.parts)
    (mixed,) = METHODS["mixed SFT"](scale, 1e9)
    assert {source for _, source in mixed.data.parts} == {
        source for mixture in (scale.corpus(), scale.traces()) for _, source in mixture.parts
    }


def test_every_method_reads_and_is_judged_on_one_corpus():
    # Mutants: a method with full solutions at the edge; RL or an exam that lets steps be left out, or forbids thoughts.
    scale, asked = arena(SMOKE), leaderboard.study(SMOKE)
    assert isinstance(scale, Arena) and scale.base() == asked.base
    assert scale.stable() == dataclasses.replace(SMOKE, model=scale.model).stable()
    for arm in asked.arms:
        for stage in own_stages(asked, arm.name):
            old = {source for _, source in scale.pretraining().parts}
            sources = [source for _, source in stage.data.parts if source.ops == SMOKE.edge and source not in old]
            full = arm.name.startswith("NTP, full texts") and isinstance(stage, Midtrain)  # a bound, no method
            told = "oracle" if isinstance(stage, (Annotate, Thinking)) else "ignored"
            assert full or all(source.stop_prob == STOPS and source.thoughts == told for source in sources), arm.name
            assert full or sources or isinstance(stage, (ColdStart, Pretrain)), arm.name
            asks = [source for _, source in stage.data.parts] if isinstance(stage, RL) else []
            assert all(source.unwrapped and source.thoughts == "ignored" for source in asks)
    sampled = [exam for exam in asked.exams if exam.kind == "sampled"]
    assert [(exam.name, exam.opened) for exam in sampled] == [
        ("zoo-edge-sampled", ""), ("zoo-edge-sampled-answer", "answer"), ("zoo-band-sampled", ""),
    ]  # fmt: skip
    assert all(e.source.unwrapped and not e.source.stop_prob and e.source.thoughts == "ignored" for e in sampled)
    assert [exam.source.ops for exam in sampled] == [SMOKE.edge, SMOKE.edge, SMOKE.band]


def test_one_arm_has_the_papers_optimiser():
    # Mutants: Muon, under which an advantage's size is lost, for AdamW; other data or rollouts than RL's.
    scale = arena(SCALES["nano"])
    (plain,), (paper,) = METHODS["RL"](scale, 1e9), METHODS["RL, AdamW"](scale, 1e9)
    assert paper == adamw(plain) and (paper.optim.kind, paper.updates_per_batch) == ("adamw", 4)
    assert paper.objective == dataclasses.replace(plain.objective, kl=0.001)
    assert (paper.data, paper.num_samples, paper.reward) == (plain.data, plain.num_samples, plain.reward)


def test_methods_that_think_from_end_to_end(tmp_path, monkeypatch, runs):
    # Mutants: a log line that curves cannot read; tags that the base's model lacks; rollouts not counted.
    store = results.store
    monkeypatch.setattr(
        results, "store", lambda study, scale, rows, **more: store(study, scale, rows, tmp_path, **more)
    )
    monkeypatch.setattr(results, "store_curves", lambda *args, **more: None)
    # Four times the budget, as one step of RLP would be a tenth of smoke's.
    whole = leaderboard.study(dataclasses.replace(SMOKE, arm_flops=4 * SMOKE.arm_flops))
    names = ("mixed SFT", "RLP", "RPT", "RMT")
    chosen = tuple(arm for arm in whole.arms if arm.name in (*names, "RMT + RL"))
    opened = tuple(exam for exam in whole.exams if exam.name == "zoo-edge-sampled-answer")
    asked = dataclasses.replace(whole, arms=chosen, exams=opened, contrasts=(), headline=())
    execute(asked, Machine(), note=str)
    table = results.load(asked.name, "smoke", tmp_path)
    rows = {arm.name: table.of(arm.name, asked.exams[0].name)[0] for arm in chosen}
    alone = [rows[name]["arm_flops"] for name in names]
    assert max(alone) < 1.05 * min(alone) and rows["mixed SFT"]["rollout_flops"] == 0
    assert all(rows[name]["rollout_flops"] > 0 for name in names[1:])


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

    noisy = [
        stage for name, stage in arms.items() if not name.endswith("RL") and name not in ("base", "NTP, none wrong")
    ]
    assert all(slips(stage.data) == {0.1} and slips(stage.replay) == {0.0} for stage in noisy) and len(noisy) == 10
    weighed = {"shuffled weights": {"weights": "shuffled"}, "no clip": {"eps": 1.0}}
    weighed |= {"top-k": {"weights": "topk", "renormalise": True}}
    assert all(arms[name] == dataclasses.replace(arms["ReMiT"], **more) for name, more in weighed.items())
    clean = [arms["NTP, none wrong"].data, scale.sft(1e9).data, arms["NTP + RL"].data, asked.base.stages[-1].data]
    assert all(slips(data) == {0.0} for data in (*clean, *(exam.source for exam in asked.exams)))
    read = [arms["NTP"].data.problem("slip", n) for n in range(400)]
    slipped = [p for p in read if any(word.slip is not None for word in p.style.wording)]
    assert not any(verify(p, p.solution).strict for p in slipped)
    share = sum(p.written.solution_roles.count("slip") for p in slipped) / sum(len(p.style.wording) for p in read)
    assert 0.07 < share < 0.13 and all(verify(p, p.solution).strict for p in read if p not in slipped)
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


@pytest.mark.parametrize("scale", TOLD)
def test_rmt_shares_its_runs_with_the_leaderboard(scale):
    # Mutants: another base or budget for an arm of the same name; an ablation that changes nothing, or more than it
    # says; words without a base that was told lengths.
    board = {arm.name: arm.recipe for arm in leaderboard.study(SCALES[scale]).arms}
    asked = rmt.study(SCALES[scale])
    arms = {arm.name: arm.recipe for arm in asked.arms}
    shared = ("NTP", "pre-training", "mixed SFT", "RPT", "RMT", "RMT, entropy")
    assert all(arms[f"{name}{then}"] == board[f"{name}{then}"] for name in shared for then in ("", " + RL"))
    assert arms["base"] == board["base"] and arms["base + RL"] == board["RL"]
    whole = arms["RMT"].stages[-1]
    for name, changed in (ABLATED | {"words": {"told"}, "RMT, entropy": {"places"}}).items():
        ablated = arms[name].stages[-1]
        found = {f.name for f in dataclasses.fields(whole) if getattr(whole, f.name) != getattr(ablated, f.name)}
        assert found == changed
    assert arms["words"].stages[-2].told == arms["words"].stages[-1].told == BINS
    assert arms["longer RL"] == board["RL + RL"]
    assert {name.removesuffix(" + RL") for name in arms} == {*shared, "base", "words", "longer RL", *ABLATED}


ABLATED = {"no budget": {"budget"}, "no curriculum": {"early", "late"}, "no NTP": {"ntp"}}
ABLATED |= {"mean of NTP": {"ntp_aggregate"}, "long budget": {"shrink"}}


def test_a_long_budget_leaves_room_for_what_texts_leave_out():
    # Mutants: the board's RMT changed with it; a budget that no response has room for; the shrink of the whole.
    arms = {arm.name: arm.recipe.stages[-1] for arm in rmt.study(SCALES["nano"]).arms}
    found = {name: [arms[name].tokens(done) for done in (0.0, 1.0)] for name in ("RMT", "long budget")}
    assert found == {"RMT": [60, 12], "long budget": [60, 36]}
    assert arms["long budget"].length_reward(51, 36) > 0 == arms["RMT"].length_reward(24, 12)
    assert arms["long budget"].max_new_tokens <= 2 * arms["long budget"].budget


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


def test_every_method_of_the_board_is_told_on_its_page():
    """Kills: a method without a sentence; a file that is not there; a paper that its file does not name."""
    page = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
    section = page[page.index("## The methods") : page.index("## Is there room?")]
    lines = [re.split(r" *\| *", line)[1:-1] for line in section.splitlines() if line.startswith("| ")][1:]
    told = {name for names, *_ in lines for name in names.split("; ")}
    assert told == {*leaderboard.ROWS, "NTP, tokens of ReMiT"}
    code = (results.FOLDER.parent / "methods.py").read_text()
    for names, _, paper, files in lines:
        sources = [results.FOLDER.parents[1] / "models" / "stages" / file for file in files.split(", ")]
        assert all(source.exists() for source in sources), files
        own = [code[: code.index(f'"{name}": ')][-600:] for name in names.split("; ") if f'"{name}": ' in code]
        function = f"def {names.split(', ')[-1].lower().replace(' ', '_')}("
        own += [part for part in code.split("\n\n\n") if part.startswith(function)]
        known = "".join([*own, *(source.read_text() for source in sources)])
        assert not paper.startswith("arXiv") or paper.removeprefix("arXiv ") in known, paper
