"""The studies of worlds and difficulty: exposures are what they say, seeds are of one kind,
similarity is what it is called."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom

from interlude.models.stage import StageModels
from interlude.models.train import Machine
from interlude.studies import evidence, results
from interlude.studies.exams.exact import ExactExam
from interlude.studies.interplay import context_exposure, context_rl_share, pretraining_difficulty, topology
from interlude.studies.mixtures import COMMON, EXPOSURES, KINDS, RARE, exposed, exposure_data, only
from interlude.studies.report.tables import full, kinds_of, summary
from interlude.studies.scales import NANO, SCALES, SMOKE
from interlude.studies.study import Study, execute, plan, similarities
from interlude.synth import worlds
from interlude.synth.graph import Graph, similarity
from interlude.synth.ops import SAME
from interlude.synth.source import Mixture, Source

DRAWS = 1000


def within(hits: int, trials: int, share: float) -> bool:
    """Whether so many hits are likely (all but one in a million) if each trial has this chance."""
    return binom.ppf(5e-7, trials, share) <= hits <= binom.isf(5e-7, trials, share)


def drawn(data: Mixture, draws: int = DRAWS) -> list:
    return [data.problem("pretrain", 5, row // 16, row % 16) for row in range(draws)]


def arms(module, scale=NANO) -> dict:
    return {arm.name: arm for arm in module.study(scale).arms}


def test_exposures_are_what_they_say():
    # Mutants: a share of the early rows; a share of the anneal only; 0.01 for 1 %; RL on one world.
    made = arms(context_exposure)
    wanted = {"0 %": 0.0} | {f"{100 * share:g} % arithmetic": share for share in EXPOSURES} | {"1 % copies": 0.01}
    assert [name for name in made if "RL" not in name] == [*wanted, "1 % arithmetic, late"]
    assert len(made) == 2 * len(wanted) + 3
    for name, share in wanted.items():
        *early, late, anneal = made[name].recipe.stages
        assert late.data == anneal.data and made[name].base == made[name].recipe
        assert {source.world for stage in early for _, source in stage.data.parts} == {COMMON}
        rare = [problem for problem in drawn(late.data) if problem.world == RARE]
        assert within(len(rare), DRAWS, share) and (share > 0 or not rare), name
        weights = [weight for weight, source in late.data.parts if source.world == RARE]
        assert sum(weights) == pytest.approx(share, abs=1e-12)
    few, many = (
        sum(problem.world == RARE for problem in drawn(made[f"{n} % arithmetic"].recipe.stages[-1].data))
        for n in (1, 10)
    )
    assert not within(many, DRAWS, 0.01) and not within(few, DRAWS, 0.1), "the bounds could not tell 10 % from 1 %"
    tuned = drawn(made["0 % + RL"].recipe.stages[-1].data)
    assert within(sum(problem.world == RARE for problem in tuned), DRAWS, 0.5)
    assert set(Counter(problem.ops for problem in tuned)) == set(range(1, NANO.edge[1] + 1))


def test_rows_that_are_trained_on_hold_the_rare_world_as_often_as_they_should():
    # Mutant: a stage that draws from another mixture than its description's.
    stage = arms(context_exposure, SMOKE)["10 % arithmetic"].recipe.stages[-1]
    lm = SMOKE.model.build(0)
    nouns = {lm.encode(noun)[0] for noun in worlds.world(RARE).names[: SMOKE.model.vocab.names]}
    rows = [ids for step in range(80) for ids in stage.collect(StageModels(lm), 3, step, range(8)).ids_BT.tolist()]
    assert within(sum(not nouns.isdisjoint(ids) for ids in rows), len(rows), 0.1)


def test_arms_differ_in_nothing_else():
    # Mutants: early stages trained anew for every arm; RL that depends on the exposure.
    made = {arm.name: arm for arm in arms(context_exposure).values()}
    assert (
        len({arm.recipe.stages[:-2] for arm in made.values() if arm.recipe == arm.base and "late" not in arm.name}) == 1
    )
    tuned = {name: arm.recipe.stages[-1] for name, arm in made.items() if arm.equal}
    alone = tuned.pop("1 % arithmetic + RL in the first world")
    assert len(set(tuned.values())) == 1 and {source.world for _, source in alone.data.parts} == {COMMON}
    assert dataclasses.replace(alone, data=tuned["0 % + RL"].data) == tuned["0 % + RL"]
    plain = [dataclasses.replace(stage, data=NANO.pretraining()) for stage in NANO.base().stages]
    for arm in made.values():
        assert [
            dataclasses.replace(stage, data=NANO.pretraining()) for stage in arm.recipe.stages[: len(plain)]
        ] == plain
    assert {arm.recipe.key for arm in made.values()} == {arm.recipe.key for arm in arms(topology).values()}


def test_late_exposure_shows_as_many_rows_as_early():
    # Mutants: the share of the stage's rows for that of pre-training's; a late stage in place of the decay.
    made = arms(context_exposure)
    *before, late = made["1 % arithmetic, late"].recipe.stages
    assert tuple(before) == made["0 %"].recipe.stages
    rare = sum(share for share, source in late.data.parts if source.world == RARE)
    assert rare == 0.5 and late.steps * rare == pytest.approx(0.01 * 2 * NANO.long_steps, abs=1)
    (_, source) = next(part for part in late.data.parts if part[1].world == RARE)
    assert source in [part for _, part in made["1 % arithmetic"].recipe.stages[-1].data.parts]


@pytest.mark.parametrize("scale", SCALES)
def test_seeds_of_one_kind_hold_no_other(scale):
    # Mutants: a copy among the arithmetic; names only that copy;
    # a seed in the common world; a distractor that computes.
    for kind in KINDS:
        for problem in [exposure_data(SCALES[scale], kind).problem("seeds", i) for i in range(150)]:
            assert problem.world == RARE and all(word in worlds.world(RARE).names for word in problem.words)
            used = {node.op for node in problem.nodes if node.args}
            steps = len(problem.moves)
            if kind == "copies":
                assert used == {SAME} and 1 <= steps <= SCALES[scale].copies[0][1] and problem.ops == 0
            else:
                assert used - {SAME} and problem.ops in (1, 2)
            assert not problem.held_out


def test_seeds_are_as_long_as_the_other_rows():
    # Mutant: seeds of short questions, so that exposure comes with another length.
    for kind in KINDS:
        tokens = [len(exposure_data(NANO, kind).problem("long", i).written.question_tokens) for i in range(200)]
        least, most = NANO.length
        assert 3 * least <= min(tokens)
        assert 3 * min(NANO.model.vocab.names, most) <= max(tokens) + 2 <= 3 * most + 4


def test_exams_are_counterfactual_pairs():
    # Mutant: worlds examined on different graphs, so that their difference is not the world's.
    exams = {exam.name: exam for exam in context_exposure.study(SMOKE).exams}
    assert len(exams) == 2 * SMOKE.hard[1]
    for ops in range(1, SMOKE.hard[1] + 1):
        for a, b in zip(
            exams[f"{COMMON}-ops{ops}"].draw_problems(), exams[f"{RARE}-ops{ops}"].draw_problems(), strict=True
        ):
            assert (a.graph, a.extra, a.order, a.names) == (b.graph, b.extra, b.order, b.names)
            assert a.held_out and a.graph.ops == ops and set(a.words).isdisjoint(b.words)


def test_rl_shares_are_what_they_say():
    # Mutants: shares of the common world; pre-training of one kind for both; the arms with other budgets.
    made = arms(context_rl_share)
    every = set(range(NANO.band[0], NANO.band[1] + 1))
    for kind, exposure, ops in (("0.1 % all", 0.001, every), ("1 % low", 0.01, {1, 2}), ("10 % low", 0.1, {1, 2})):
        late = made[kind].recipe.stages[-1].data
        rare = only(late, RARE)
        assert sum(w for w, source in late.parts if source.world == RARE) == pytest.approx(exposure, abs=1e-12)
        assert {n for _, source in rare.parts for n in range(source.ops[0], source.ops[1] + 1)} == ops
        for share in context_rl_share.SHARES:
            arm = made[f"{kind}, RL {100 * share:g} %"]
            told = Counter(problem.world for problem in drawn(arm.recipe.stages[-1].data))
            assert within(told[RARE], DRAWS, share) and arm.base == made[kind].base and arm.equal
    with pytest.raises(ValueError, match="holds no source in 'festival'"):
        only(late, "festival")


def test_difficulties_are_what_they_say():
    # Mutants: top problems in the early rows; a share of the early rows too; problems beyond the band, or without
    # copies, in the later ones.
    made, top = arms(pretraining_difficulty), NANO.band[1]
    for share in pretraining_difficulty.SHARES:
        *early, late, anneal = made[f"{100 * share:g} %"].recipe.stages
        assert late.data == anneal.data
        assert {source.ops for stage in early for _, source in stage.data.parts} == {(NANO.band[0], top - 1)}
        ops = Counter(problem.ops for problem in drawn(late.data))
        assert within(ops[top], DRAWS, share), (share, ops)
        assert {source.ops for _, source in late.data.parts} == {(NANO.band[0], top - 1), (top, top)}
        whole = {dataclasses.replace(source, ops=NANO.band) for _, source in late.data.parts}
        assert whole == {source for _, source in NANO.pretraining().parts}
    rl = NANO.rl(NANO.arm_flops)
    assert {arm.recipe.stages[-1] for arm in made.values() if arm.equal} == {rl}


# --- topology --------------------------------------------------------------------------------------------------------


def slow_similarity(a: Graph, b: Graph) -> float:
    """The same kernel from its definition: labels are nested tuples of what a node is,
    its operands' and its users' labels."""
    counts = []
    for graph in (a, b):
        view = graph.nx()
        labels = {n: "leaf" if not view.in_degree(n) else view.nodes[n]["op"] for n in view}
        seen = Counter(labels.values())
        for _ in range(3):
            around = {n: (view.predecessors(n), view.successors(n)) for n in view}
            labels = {
                n: (labels[n], *(tuple(sorted((labels[m] for m in each), key=repr)) for each in around[n]))
                for n in view
            }
            seen += Counter(labels.values())
        counts.append(seen)
    dot = sum(counts[0][label] * counts[1][label] for label in counts[0])
    return dot / math.sqrt(sum(n * n for n in counts[0].values()) * sum(n * n for n in counts[1].values()))


@pytest.mark.parametrize("ops", (1, 3, 6))
def test_similarity_to_gold_against_a_slow_one(ops):
    # Mutants: the farthest gold graph, or the mean; gold of other operations; two rounds; users left out of a label.
    exam = ExactExam("few", NANO.source((ops, ops), RARE, split="held_out"), 6)
    gold = tuple(ExactExam(f"gold{n}", NANO.source((n, n)), 12) for n in (1, 3, 6))
    paper = gold[(1, 3, 6).index(ops)].draw_problems()
    found = similarities(exam, gold)
    for problem, value in zip(exam.draw_problems(), found, strict=True):
        assert value == pytest.approx(max(slow_similarity(problem.graph, each.graph) for each in paper), abs=1e-12)
        assert value == max(similarity(problem.graph, each.graph) for each in paper) and 0 < value <= 1
    assert not any(each.held_out for each in paper) and (ops == 1 or min(found) < 1)
    with pytest.raises(ValueError, match="Study.gold has 0 sets of problems with as many operations as exam 'few'"):
        similarities(exam, gold[:0])


def test_gold_is_for_every_exam_of_topology():
    # Mutants: held-out gold; gold told in the rare world.
    asked = topology.study(SMOKE)
    assert {exam.source.world for exam in asked.exams} == {RARE}
    assert [each.source.ops for each in asked.gold] == [exam.source.ops for exam in asked.exams]
    told = {(each.source.world, each.source.split, each.problems) for each in asked.gold}
    assert told == {(COMMON, "train", topology.GOLD)}
    others = {exam.name: exam for exam in context_exposure.study(SMOKE).exams}
    assert all(others[exam.name] == exam for exam in asked.exams), "exams already sat are not sat again"


def small() -> Study:
    """Topology with two arms, neither of them with RL, two exams and less gold."""
    asked = topology.study(SMOKE)
    arms_ = tuple(arm for arm in asked.arms if not arm.equal)[:2]
    gold = tuple(dataclasses.replace(each, problems=15) for each in asked.gold[1::2])
    return dataclasses.replace(asked, arms=arms_, exams=(asked.exams[1], asked.exams[3]), headline=(), gold=gold)


def test_topology_from_end_to_end(runs, tmp_path, monkeypatch):
    # Mutants: similarity of another exam in a row; the histogram of the problems instead of the solved ones;
    # pass@1 for pass@128.
    store = results.store
    monkeypatch.setattr(results, "store", lambda name, scale, rows, **more: store(name, scale, rows, tmp_path, **more))
    monkeypatch.setattr(evidence, "VISIBLE", 1e-300)  # two untrained models solve less than anyone would see
    asked = small()
    execute(asked, Machine(), note=str)
    table = results.load(asked.name, "smoke", tmp_path)
    assert len(table.rows) == 4 and all(run.examined for run in plan(asked))
    shown = summary(asked, table, {"ID": SMOKE.band, "edge": SMOKE.edge, "hard": SMOKE.hard})["similarity"]
    assert len(shown) == 2 * 2 * 2  # arms, bands with an exam, k
    for row in table.rows:
        exam = next(exam for exam in asked.exams if exam.name == row["exam"])
        (gold,) = (gold.draw_problems() for gold in asked.gold if gold.source.ops == exam.source.ops)
        like = [max(slow_similarity(p.graph, g.graph) for g in gold) for p in exam.draw_problems()]
        assert results.numbers(row["similarity"]) == pytest.approx(like, abs=5e-5)
        for k in (1, 128):
            logps = results.numbers(row["logp"])
            weights = [1 - (1 - math.exp(logp)) ** k if logp > -20 else k * math.exp(logp) for logp in logps]
            weighed = list(zip(weights, like, strict=True))
            told = next(r for r in shown if (r["arm"], r["ops"].split("-")[-1], r["k"]) == (row["arm"], row["ops"], k))
            bins = [sum(w for w, s in weighed if low <= s < high) / len(like) for low, high in pairwise(evidence.BINS)]
            assert told["bins"] == pytest.approx(bins, rel=2e-3)
            assert told["correct"] == pytest.approx(sum(bins), rel=2e-3)
            mean = sum(w * s for w, s in weighed) / sum(weights)
            assert told["correct_mean"] == pytest.approx(mean, abs=2e-3)
            assert told["all"] == pytest.approx(np.mean(like), abs=1e-3)
            assert told["mean"] == pytest.approx(told["correct_mean"] - told["all"], abs=1e-9)
            assert told["low"] <= told["mean"] <= told["high"]
    titles = [title for title, *_ in full(summary(asked, table, {"hard": SMOKE.hard}), kinds_of(asked))]
    assert "similarity of correct graphs to gold" in titles


def test_an_arm_that_solves_equally_often_everywhere_replicates_nothing():
    # Mutants: a weight for each exam; an interval that takes the spread of the weights for that of the similarities.
    rows, like = [], "0.5000 0.6000 0.7000 0.9000 1.0000 0.8000"
    for seed in (0, 1):
        arms = {"even": [-1.0] * 6, "near": [-9.0, -9.0, -9.0, -1.0, -1.0, -9.0], "none": [-800.0] * 6}
        # The least number above zero: its mean over problems is zero, and once was divided by.
        for arm, logp in (arms | {"least": [-744.4] + [-800.0] * 5, "unseen": [-9.0] * 6}).items():
            cells = {"exam": "x", "kind": "exact", "world": RARE, "mode": "forward", "ops": "3", "similarity": like}
            rows.append(cells | {"arm": arm, "seed": seed, "logp": results.cell(np.array(logp), 4)})
    for kept in (rows, rows[:5]):
        table = results.Results("interplay/topology", "smoke", tuple(kept))
        even, near, *rest = (evidence.similar(table, arm, {"edge": (3, 3)}) for arm in (*arms, "least", "unseen"))
        assert even[0]["mean"] == pytest.approx(0) and even[0]["correct"] == pytest.approx(math.exp(-1))
        assert even[0]["low"] == pytest.approx(0, abs=1e-12) and even[0]["high"] == pytest.approx(0, abs=1e-12)
        assert near[0]["mean"] == pytest.approx(0.95 - 0.75, abs=1e-3)
        assert [[row["k"] for row in rows_] for rows_ in rest] == [[], [], [128]]  # e^-9 shows at 128 attempts
        assert near[0]["bins"][5] == pytest.approx(math.exp(-1) / 6) == near[0]["bins"][6]


def test_where_all_problems_are_alike_nothing_is_left_to_chance():
    # Mutant: a bootstrap over weight times similarity, whose interval is as wide as the weights vary.
    cells = {"arm": "near", "seed": 0, "exam": "x", "kind": "exact", "world": RARE, "mode": "forward", "ops": "3"}
    row = cells | {"logp": "-9.0000 -1.0000 -1.0000 -9.0000", "similarity": "0.7000 0.7000 0.7000 0.7000"}
    found = evidence.similar(results.Results("interplay/topology", "smoke", (row,)), "near", {"edge": (3, 3)})
    assert [(each["low"], each["mean"], each["high"]) for each in found] == [pytest.approx((0, 0, 0), abs=1e-12)] * 2


def test_exposed_needs_no_rare_share():
    # Mutant: a part of weight nought kept, which would name another run for the same data.
    base, anneal = exposed(SMOKE, 0.0, exposure_data(SMOKE, "copies"))
    assert all(weight > 0 and isinstance(source, Source) for weight, source in anneal.data.parts)
    assert {source.world for stage in base.stages for _, source in stage.data.parts} == {COMMON}
