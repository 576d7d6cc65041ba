"""The Interplay studies ask what they say they ask, and what they add to a table is what slow arithmetic says."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import math
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from crafted import row

from interlude.models.files import read_jsonl
from interlude.models.key import key
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.stages.sft import SFT
from interlude.models.train import Machine
from interlude.studies import evidence, results
from interlude.studies import study as study_
from interlude.studies.depth import GOLD, NAMES
from interlude.studies.exam import answered, cached_result, evaluate
from interlude.studies.exams.divergence import DivergenceExam
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.report import tables
from interlude.studies.run import costs, load, train_or_load
from interlude.studies.scales import REPLAY_SHARE, SCALES, SMOKE
from interlude.studies.study import Arm, Run, check_budget, execute, paper_tokens, plan, rows
from interlude.synth.rng import uniforms
from interlude.synth.source import Source
from interlude.synth.verify import KINDS, verify

PAPER = Source(ops=(1, 2), modulus=3, names=6, split="any")


def study(name: str, scale: str = "smoke"):
    return importlib.import_module(f"interlude.studies.interplay.{name}").study(SCALES[scale])


# What the studies compare


def test_bands_by_hand():
    # Mutants: the lower half of the band; a boundary within the band; beyond that begins at the edge; uniform that
    # holds all that is hard.
    nano = dataclasses.replace(SMOKE, band=(1, 4), edge=(5, 6), hard=(7, 8))
    assert nano.bands == {"inside": (3, 4), "boundary": (4, 5), "edge": (5, 6), "beyond": (7, 8), "uniform": (1, 7)}
    assert dataclasses.replace(nano, band=(2, 10)).bands["inside"] == (6, 10)


@pytest.mark.parametrize("scale", SCALES)
def test_edge_arms_train_where_they_say(scale):
    # Mutants: every arm at the edge; a curriculum out of order; an arm without replay, or with replay of long copies;
    # SFT with another learning rate; a base that has not decayed; a random reward on other terms than RL's.
    here, asked = SCALES[scale], study("edge", scale)
    stages = {arm.name: arm.recipe.stages[len(asked.base.stages) :] for arm in asked.arms}
    assert asked.base == here.base() and stages.pop("none") == ()
    curriculum = [f"RL {name}" for name in ("boundary", "edge", "beyond")]
    alike = [dataclasses.replace(stages[name][0], flops=stages[name][0].flops / 3) for name in curriculum]
    assert list(stages.pop("RL curriculum")) == alike
    (random,) = stages.pop("RL edge, random")
    assert random == dataclasses.replace(stages["RL edge"][0], reward=Reward("random"))
    assert {name: type(stage) for name, (stage,) in stages.items()} == {
        **{f"RL {name}": RL for name in here.bands}, "SFT edge": SFT, "RFT edge": RFT,
    }  # fmt: skip
    replay = here.mixture(here.band).parts
    for name, (stage,) in stages.items():
        new, old = stage.data.parts[: -len(replay)], stage.data.parts[-len(replay) :]
        assert {source.ops for _, source in new} == {here.bands[name.split()[1]]}, name
        assert [source for _, source in old] == [source for _, source in replay], name
        assert sum(share for share, _ in old) == pytest.approx(REPLAY_SHARE) == 1 - sum(share for share, _ in new), name
    assert stages["SFT edge"][0].optim == stages["RFT edge"][0].optim == here.sft_optim != here.rl_optim


def test_the_confirmation_trains_the_edge_studys_arms_on_seeds_of_its_own():
    """Mutants: an arm with another recipe; "far" that has the whole hard band; a seed that another study has used."""
    nano, asked, before = SCALES["nano"], study("edge_confirmation", "nano"), study("edge", "nano")
    again, known = ({arm.name: arm.recipe for arm in each.arms} for each in (asked, before))
    far = again.pop("RL far")
    assert again.items() <= known.items() and {"none", "RL inside", "RL edge", "RL beyond"} < set(again)
    assert far == again["none"] + nano.rl(nano.arm_flops, data=nano.mixture((11, 11)))
    used = {*nano.seeds, *nano.calibration_seeds, *nano.finding_seeds, *nano.board_seeds, *nano.exploratory_seeds}
    assert len(asked.seeds) == 16 and not set(asked.seeds) & (used | set(range(18)) | set(range(100, 108)))


def test_each_reward_has_its_own_decaying_rate_on_what_no_base_solves():
    """Mutants: a rate that stays; one rate for all, or for matrices only; another reward than the name says; the whole
    hard band; a guess worth the same at both scales."""
    for scale, slow in (("nano", 1.0), ("nano-guessable", 0.5)):
        here, asked = SCALES[scale], study("reward_guessing", scale)
        none, *arms = asked.arms
        assert none.recipe == here.base() and here.model.vocab.modulus == here.modulus == {"nano": 7}.get(scale, 3)
        for arm in arms:
            (stage,) = arm.recipe.stages[len(none.recipe.stages) :]
            factor = slow if arm.name == "answer" else 2.0
            assert stage.reward.kind == arm.name.split(",")[0] and stage.flops == here.arm_flops
            optim = stage.optim
            assert (optim.matrix_lr, optim.other_lr, optim.schedule) == (1e-3 * factor, 2e-4 * factor, "linear")
            assert {source.ops for _, source in stage.data.parts} == {(11, 11), here.band}


def test_budgets_of_rl_continue_each_other():
    """Mutants: strict paid in the longer arms; a budget that begins anew; three times the budget called four."""
    scale = SCALES["nano-shuffled"]
    asked = study("planning_budget", scale.name)
    arms = {arm.name: arm.recipe for arm in asked.arms}
    begun = len(arms["base"].stages)
    for name, times, kind in (
        ("RL x1", 1, "any_order"), ("RL x2", 2, "any_order"), ("RL x4", 4, "any_order"),
        ("RL, strict, x1", 1, "strict"), ("RL, strict, x4", 4, "strict"),
    ):  # fmt: skip
        stages = arms[name].stages[begun:]
        assert sum(stage.flops for stage in stages) == times * scale.arm_flops
        assert {stage.reward.kind for stage in stages} == {kind} and arms[name].stages[:begun] == arms["base"].stages
    assert arms["RL x4"].stages[: begun + 2] == arms["RL x2"].stages and arms["RL x2"].parent == arms["RL x1"]
    known = {arm.name: arm.recipe for arm in study("planning", scale.name).arms}
    assert (arms["RL, strict, x1"], arms["SFT x1"]) == (known["RL"], known["SFT"]) and asked.seeds == scale.seeds[:5]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["depth_carried", "planning"])
def test_kinds_of_training_begin_alike_and_differ_in_what_their_names_say(name, scale):
    # Mutants: an arm of another budget; copies replayed where the name says plain, or everywhere; other rollouts that
    # are the same; a random reward with other problems; mid-training and RL in the other order.
    here, asked = SCALES[scale], study(name, scale)
    base, *arms = asked.arms
    if name == "planning":  # Mutant: the control of RL after mid-training at the whole budget.
        begun = arms.pop()
        assert begun.recipe == next(arm for arm in arms if arm.name == "mid-training + RL").recipe.parent
    assert base.recipe == asked.base == here.base() and not base.equal
    own = {arm.name: arm.recipe.stages[len(asked.base.stages) :] for arm in arms}
    assert all(sum(stage.flops for stage in stages) == pytest.approx(here.arm_flops) for stages in own.values())
    assert list(own) == list(NAMES) and all(
        arm.recipe.stages[: len(asked.base.stages)] == asked.base.stages for arm in arms
    )
    (rl,), (plain,), (copies,) = own["RL"], own[GOLD[0]], own[GOLD[1]]
    assert plain.replay == here.mixture(here.band) != copies.replay == here.pretraining()
    assert dataclasses.replace(plain, replay=copies.replay) == copies and plain.data == copies.data == here.corpus()
    assert own["RL, other rollouts"] == (dataclasses.replace(rl, rollout_seed=1),) != (rl,)
    assert own["RL, random reward"] == (dataclasses.replace(rl, reward=Reward("random")),) != (rl,)
    assert [type(stage) for stage in own["mid-training + RL"]] == [Midtrain, RL]
    assert [type(own[kind][0]) for kind in ("SFT", "RFT", "more pre-training")] == [SFT, RFT, Pretrain]
    assert (
        own["SFT"][0].data == own["RFT"][0].data == rl.data and own["more pre-training"][0].data == here.pretraining()
    )
    assert all(arm.equal for arm in arms)


@pytest.mark.parametrize("scale", SCALES)
def test_mid_or_rl_splits_each_budget(scale, runs):
    # Mutants: beta for 1 - beta; a decay that RL alone has to pay for; budgets compared with each other; a random
    # reward under another arm's name.
    here, asked = SCALES[scale], study("mid_or_rl", scale)
    assert asked.base == here.base() and {arm.budget for arm in asked.arms} == {"half", "full"}
    for arm in asked.arms:
        own = arm.recipe.stages[len(asked.base.stages) :]
        budget = here.arm_flops * (0.5 if arm.budget == "half" else 1)
        share = int(arm.name.split("%")[0]) / 100
        rl = sum(stage.flops for stage in own if isinstance(stage, RL))
        assert sum(stage.flops for stage in own) == pytest.approx(budget) and rl == pytest.approx(share * budget)
        assert [type(stage) for stage in own] == [Midtrain] * (share < 1) + [RL] * (share > 0)
        assert share == 1 or own[0].optim.schedule == "linear"
        assert own[-1].reward == Reward("random" if "random" in arm.name else "strict") if share else True
    assert len({arm.recipe.key for arm in asked.arms}) == len(asked.arms) == 11
    # Plans are equal (above). The reason that ``last_steps`` gives does not excuse half a stage more.
    long = asked.arms[1]
    stage = long.recipe.stages[-1]
    more = dataclasses.replace(long, recipe=long.recipe.parent + dataclasses.replace(stage, flops=stage.flops * 1.5))
    other = dataclasses.replace(asked, arms=(asked.arms[0], more, *asked.arms[2:]))
    with pytest.raises(ValueError, match="'20% RL, half'.* differ in FLOPs"):
        check_budget(other, plan(other))


@pytest.mark.parametrize("scale", SCALES)
def test_process_reward_changes_the_reward_and_the_field_alone(scale):
    # Mutants: a reward under another's name; a field with the other's problems; another budget or rate for one reward.
    asked, here = study("process_reward", scale), SCALES[scale]
    none, *arms = asked.arms
    assert none.recipe == here.base() and len(arms) == 12
    for arm in arms:
        kind, field = arm.name.split(", ")
        (stage,) = arm.recipe.stages[len(none.recipe.stages) :]
        (_, source), _ = stage.data.parts
        assert stage.reward.kind == kind and source.ops == {"edge": here.edge, "hard": here.hard}[field]
        assert stage == here.rl(here.arm_flops, stage.reward, data=here.mixture(source.ops))
    sampled = {exam.name: exam.source.ops for exam in asked.exams if exam.kind == "sampled"}
    assert sampled == {"zoo-edge-sampled": here.edge, "zoo-hard-sampled": here.hard}


@pytest.mark.parametrize("scale", SCALES)
def test_rewards_on_shuffled_statements_are_three_of_the_same(scale):
    # Mutants: an arm of another budget, field or reward than its namesake in process_reward; chains left out.
    whole = {arm.name: arm for arm in study("process_reward", scale).arms}
    asked = study("planning_reward", scale)
    names = [f"{kind}, {field}" for field in ("edge", "hard") for kind in ("answer", "printed", "strict")]
    assert [arm.name for arm in asked.arms] == ["none", *names]
    assert all(arm == whole[arm.name] for arm in asked.arms)
    assert {exam.name for exam in SCALES[scale].chain_exams()} <= {exam.name for exam in asked.exams}


def test_forgetting_is_a_chain():
    # Mutants: four separate runs; a divergence from the stable phase rather than from what RL began with.
    asked = study("forgetting")
    arms = {arm.name: arm.recipe for arm in asked.arms}
    for name in ("SFT", "RL"):
        assert [arms[f"{name} {n}"].parent for n in (1, 2, 3, 4)] == [
            arms["none"],
            *(arms[f"{name} {n}"] for n in (1, 2, 3)),
        ]
    assert [exam.reference for exam in asked.exams if exam.kind == "divergence"] == [arms["none"]] * 2 and asked.unequal


def test_the_ladder_shares_its_beginning():
    # Mutant: a rung that is not the base every other study has.
    asked = study("ladder")
    arms = {arm.name: arm.recipe for arm in asked.arms}
    assert arms["x1"] == SMOKE.base() and arms["x0"] == asked.base + SMOKE.anneal()
    assert [arms[name].stages[-2].steps for name in ("x0.5", "x1", "x2")] == [1, 2, 4]


# Tables


@pytest.fixture
def stored(tmp_path, monkeypatch, runs):
    """A folder of tables of the test's own."""
    for name in ("store", "store_curves"):
        real = getattr(results, name)
        into = partial(real, folder=tmp_path)
        monkeypatch.setattr(results, name, into)
    return tmp_path


def test_edge_from_end_to_end(stored):
    # Mutants: curves of pre-training; one point a step; points of one stage under another's index; rollouts of the
    # base; a table of curves taken for a study's.
    whole = study("edge")
    chosen = [arm for arm in whole.arms if arm.name in ("none", "RL curriculum", "RFT edge")]
    asked = dataclasses.replace(whole, arms=tuple(chosen), exams=whole.exams[-2:], contrasts=(("RFT edge", "none"),))
    execute(asked, Machine(), note=str)
    finished = {run.arm: run for run in plan(asked)}
    assert all(run.examined for run in finished.values())
    table = results.load(asked.name, "smoke", stored)
    points = results.load_curves(asked.name, "smoke", stored)
    first = len(asked.base.stages)
    assert {(p["arm"], p["stage"]) for p in points} == {
        ("RFT edge", first),
        *(("RL curriculum", first + n) for n in range(3)),
    }
    recipe = finished["RFT edge"].recipe
    lines = read_jsonl(recipe.folder / "log.jsonl")
    curve = [p for p in points if p["arm"] == "RFT edge"]
    assert len(curve) == 40 < len(lines) and (curve[-1]["share"], curve[-1]["step"]) == (1.0, len(lines))
    assert [p["step"] for p in curve] == sorted({p["step"] for p in curve})
    begin = 0
    for point in curve:
        part = lines[begin : point["step"]]
        assert point["response_tokens"] == pytest.approx(sum(line["response_tokens"] for line in part) / len(part))
        assert point["share"] == part[-1]["flops"] / lines[-1]["flops"] and len(part) in (
            len(lines) // 40,
            len(lines) // 40 + 1,
        )
        assert point["key"] == recipe.key[:16]
        begin = point["step"]
    by_arm = {name: table.of(name, asked.exams[0].name)[0] for name in table.arms}
    assert (
        by_arm["none"]["rollouts"] == 0
        and by_arm["RFT edge"]["rollouts"] == len(lines) * SMOKE.rl_prompts * SMOKE.rl_num_samples
    )
    assert by_arm["none"]["rows"] == by_arm["none"]["distinct"] == 0 < by_arm["RFT edge"]["distinct"]
    assert by_arm["RFT edge"]["rows"] == costs(recipe)[-1].rows  # its own stage's alone
    assert by_arm["none"]["paper_tokens"] == 0 and math.isnan(by_arm["RFT edge"]["paper_tokens"])
    # Again: the same bytes; and ``show`` has every table.
    before = [path(asked.name, "smoke", stored).read_bytes() for path in (results.path, results.curves_path)]
    execute(asked, Machine(), note=str)
    assert before == [path(asked.name, "smoke", stored).read_bytes() for path in (results.path, results.curves_path)]
    titles = [
        title for title, *_ in tables.full(tables.summary(asked, table, {"edge": (3, 3)}), tables.kinds_of(asked))
    ]
    assert "faults" in titles


def test_a_shorter_run_leaves_no_old_points(tmp_path):
    # Mutants: points of the longer run kept; another arm's points lost.
    point = {
        column.name: 0.5 if column.type is float else 1 if column.type is int else "x"
        for column in results.CURVE_COLUMNS
    }

    def run(arm: str, steps: tuple[int, ...], loss: float) -> list[dict]:
        return [point | {"arm": arm, "step": step, "loss": loss} for step in steps]

    results.store_curves("a/b", "smoke", run("long", (1, 2, 3), 1.0) + run("other", (9,), 1.0), tmp_path)
    results.store_curves("a/b", "smoke", run("long", (1, 4), 2.0), tmp_path)
    found = [(p["arm"], p["step"], p["loss"]) for p in results.load_curves("a/b", "smoke", tmp_path)]
    assert sorted(found) == [("long", 1, 2.0), ("long", 4, 2.0), ("other", 9, 1.0)]
    with pytest.raises(FileNotFoundError, match="a/c has no training curves at scale smoke yet"):
        results.load_curves("a/c", "smoke", tmp_path)
    with pytest.raises(FileNotFoundError, match="a/b has no results at scale smoke yet"):
        results.load("a/b", "smoke", tmp_path)


def test_paper_tokens_by_hand():
    # Mutants: the reference charged where there is none; real lengths; a group counted as a prompt. Interplay A.10.1:
    # (4/3 + 1/3 with a reference) x responses x charged length, here twice the longest response.
    stage = SMOKE.rl(1e9)
    assert paper_tokens(stage, None, 60.0) == pytest.approx(4 / 3 * 60 * 2 * SMOKE.max_new_tokens)
    kept = dataclasses.replace(stage, objective=dataclasses.replace(stage.objective, kl=0.1))
    assert paper_tokens(kept, None, 60.0) == pytest.approx(5 / 3 * 60 * 2 * SMOKE.max_new_tokens)


def test_newly_solved_by_hand():
    # Mutants: problems solved before; log-probabilities after instead of before; a threshold on one side only.
    before, after = np.log([0.49, 0.6, 1e-5, 0.2, 1e-7]), np.log([0.51, 0.9, 0.7, 0.4, 0.5001])
    made = (row("base", 0, 0, "zoo", 3, before), row("RL", 1, 0, "zoo", 3, after))
    found = results.Results("a/b", "smoke", made)
    assert np.exp(found.newly_solved("RL", "base", "zoo-ops3")) == pytest.approx([0.49, 1e-5, 1e-7], rel=1e-3)
    (told,) = evidence.newly_solved(found, "RL", "base", {"edge": (3, 3)})
    assert told["solved"] == 3 and told["below"] == pytest.approx({"0.0078": 2 / 3, "0.0001": 2 / 3, "1e-06": 1 / 3})


def test_tables_without_the_newer_columns_load(tmp_path):
    # Mutants: a committed table refused; a missing column of the first ones accepted.
    later = [column for column in results.COLUMNS if column.fill is not None]
    assert {"exam_key", "machine", "rollouts", "paper_tokens"} <= {column.name for column in later}
    old = tuple(column for column in results.COLUMNS if column.fill is None)
    whole = row("RL", 1, 0, "zoo", 3, np.array([-1.0]))
    made = {column.name: whole[column.name] for column in old} | {"logp": whole["logp"]}
    where = results.path("a/b", "smoke", tmp_path)
    where.parent.mkdir()
    results.write(where, [made], old, results.KEYS, open_ended=True)
    (found,) = results.load("a/b", "smoke", tmp_path).rows
    assert found["machine"] == "" and math.isnan(found["rollouts"]) and found["logp"] == made["logp"]
    short = tuple(column for column in old if column.name != "flops")
    lacking = {name: value for name, value in made.items() if name != "flops"}
    results.write(where, [lacking], short, results.KEYS, open_ended=True)
    with pytest.raises(ValueError, match="missing \\['flops'\\]"):
        results.load("a/b", "smoke", tmp_path)


# Exams


def test_faults_are_counted_by_response(learned, tiny, runs):
    # Mutants: a fault counted as often as it occurs in a response; only a response's first kind; kinds without any.
    lm, exam = learned(), SampledExam("s", PAPER, problems=8, samples=16, max_new_tokens=48)
    found = evaluate(lm, exam)
    expected: Counter[str] = Counter()
    params = SamplingParams(max_new_tokens=exam.max_new_tokens)
    for i, problem in enumerate(exam.draw_problems()):
        streams = np.stack([uniforms("sampled", i, n, n=exam.max_new_tokens) for n in range(exam.samples)])
        prompts = [lm.encode(problem.question)] * exam.samples
        for ids in lm.sample(prompts, streams, params).ids:
            kinds = [fault.kind for fault in verify(problem, lm.decode(ids)).faults]
            expected.update(set(kinds))
    assert found.faults == expected and list(found.faults) == [kind for kind in KINDS if kind in expected]
    assert len(expected) >= 3 and max(expected.values()) <= 128 - found.strict.sum()
    recipe = Recipe(tiny) + Pretrain(steps=1, batch_size=2, optim=Optim(warmup=1), data=PAPER)
    train_or_load(recipe)
    cached_result(recipe, exam, lm)
    made = rows(study("edge"), Run("a", 0, recipe, (exam,), 0, True, True, 0.0, 0.0, True))[0]
    assert results.fault_counts(made["faults"]) == dict(expected) and "divergence" not in made


@pytest.mark.parametrize("temperature", (1.0, 0.7))
def test_divergence_is_kl_from_the_reference(temperature, tiny, learned, runs):
    # Mutants: the other direction; the sampled token's log-ratio only; the question's positions, or a position off by
    # one; a mean over positions; the reference under another seed.
    base = Recipe(tiny) + Pretrain(steps=2, batch_size=2, optim=Optim(warmup=1), data=PAPER)
    exam = DivergenceExam("kl", PAPER, 4, temperature=temperature, reference=base)
    reference, lm = train_or_load(base), learned()
    assert evaluate(reference, exam).divergence == pytest.approx([0.0] * 4, abs=1e-12)
    expected = []
    with torch.no_grad():
        for problem in exam.draw_problems():
            ids, total = lm.encode(problem.question), 0.0
            for token in lm.encode(problem.solution):
                p, q = (
                    (each.forward(torch.tensor([ids]))[0, -1].double() / temperature).softmax(-1)
                    for each in (reference, lm)
                )
                total += sum(float(a) * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))
                ids.append(token)
            expected.append(total)
    found = evaluate(lm, exam).divergence
    assert found == pytest.approx(expected, rel=1e-3) and found.min() > 1
    cached_result(base, exam, reference)
    assert answered(base, exam) and cached_result(base, exam, None).divergence.tolist() == [0.0] * 4
    assert torch.equal(load(base).head, reference.head)


def test_a_reference_follows_the_seed_and_the_key(tiny, runs):
    # Mutants: every seed compared with seed 0's base; a reference left out of the key; an older exam's key changed.
    base = Recipe(tiny) + Pretrain(steps=2, batch_size=2, optim=Optim(), data=PAPER)
    exam = DivergenceExam("kl", PAPER, 4, reference=base)
    assert exam.with_seed(3).reference == base.with_seed(3) and key(exam.with_seed(3)) != key(exam)
    plain = ExactExam("e", PAPER, 4)
    assert plain.with_seed(3) is plain
    asked = dataclasses.replace(study("forgetting"), seeds=(0, 5))
    for run in plan(asked):
        assert {e.reference.seed for e in run.exams if e.kind == "divergence"} == {run.seed}
        assert all(
            e.reference.stages == run.recipe.stages[: len(e.reference.stages)]
            for e in run.exams
            if e.kind == "divergence"
        )


def test_bad_references_are_refused(tiny):
    # Mutants: a divergence from nothing; a reference nobody looks at; one that would not be trained by then.
    with pytest.raises(ValueError, match="DivergenceExam.reference of 'e' must be a recipe"):
        DivergenceExam("e", PAPER, 4, reference=None)
    asked = study("forgetting")
    arm = Arm("elsewhere", asked.base, equal=False)
    exams = tuple(
        dataclasses.replace(exam, reference=exam.reference + SMOKE.midtrain(1e9))
        for exam in asked.exams
        if exam.kind == "divergence"
    )
    with pytest.raises(ValueError, match="'edge-kl' of interplay/forgetting compares arm 'elsewhere' with a model"):
        dataclasses.replace(asked, arms=(arm,), exams=exams, contrasts=())


def test_old_logs_do_not_pass_for_no_rollouts(tiny, runs):
    # Mutant: a run whose log does not count responses told as one that sampled none.
    recipe = Recipe(tiny) + RL(steps=1, batch_size=2, num_samples=2, max_new_tokens=24, optim=Optim(), data=PAPER)
    train_or_load(recipe)
    run = Run("a", 0, recipe, (), 0, True, True, 0.0, 0.0, True)
    assert study_.sampled(run) == [4.0]
    lines = read_jsonl(recipe.folder / "log.jsonl")
    old = [{name: value for name, value in line.items() if name != "rollouts"} for line in lines]
    (recipe.folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in old))
    assert math.isnan(study_.sampled(run)[0])


def test_chains_have_one_legal_order():
    # Mutants: an exam of other graphs; of the band; of training structures.
    here = SCALES["nano-shuffled"]
    for exam, ops in zip(here.chain_exams(), (here.edge, here.hard), strict=True):
        assert exam.source.split == "held_out" and exam.problems == 2 * here.problems
        for problem in exam.draw_problems()[:20]:
            graph = problem.graph
            steps = [n for n, node in enumerate(graph.nodes) if node.args]
            assert ops[0] <= len(steps) <= ops[1]
            assert all(before in graph.nodes[after].args for before, after in itertools.pairwise(steps))
