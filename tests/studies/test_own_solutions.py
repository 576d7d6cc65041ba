"""The study of self-generated solutions: what its base reads, and what each arm learns from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlude.models.stages.rl import RL
from interlude.models.stages.selfgen import SelfGen
from interlude.studies.midtraining import selfgen, selfgen_graded
from interlude.studies.mixtures import approached
from interlude.studies.own_solutions import MOST_COPIES, NAMES, SPENT, TAGGED, between, knowing, own_solution_recipes
from interlude.studies.scales import NANO, REPLAY_SHARE, SCALES
from interlude.studies.study import check_budget, plan


def test_half_of_the_rows_follow_approaches_on_problems_like_the_others():
    # Mutants: approaches without copies, below the band's top, without tags, in the late stages alone; more copies.
    scale, base, anneal = approached(knowing(NANO), NAMES, TAGGED)
    assert scale.model.vocab.approaches
    for stage in (*base.stages, anneal):
        plain = [(weight, each) for weight, each in stage.data.parts if each.approach is None]
        told = [(weight, each) for weight, each in stage.data.parts if each.approach is not None]
        assert sum(weight for weight, _ in told) == pytest.approx(TAGGED)
        assert all(each.tagged and each.approach == NAMES for _, each in told)
        bare = [(weight * (1 - TAGGED) / TAGGED, replace(each, approach=None, tagged=False)) for weight, each in told]
        assert [each for _, each in bare] == [each for _, each in plain]
        assert [weight for weight, _ in bare] == pytest.approx([weight for weight, _ in plain])
        assert all(each.ops[1] == NANO.band[1] and each.copies[1] == MOST_COPIES for _, each in plain)
    assert not any(stage.data == anneal.data for stage in base.stages[:-1]) and base.stages[-1].data == anneal.data


@pytest.mark.parametrize("name", ("smoke", "nano"))
def test_most_rows_of_an_arm_are_its_own(name):
    # Mutants: most rows replayed; approaches in the replay; questions of band or whole edge; samples as by default.
    scale, base, recipes = own_solution_recipes(SCALES[name], 1e9, between(SCALES[name]))
    own = {arm: each.stages[-1] for arm, each in recipes.items() if isinstance(each.stages[-1], SelfGen)}
    assert {*recipes} - {*own} == {"no mid-training", "gold"} and recipes["no mid-training"] == base
    low, high = between(scale)
    assert (low, high) == (scale.edge[0] - 1, scale.edge[0]) and (name == "smoke" or scale.band[1] < low)
    for arm, stage in own.items():
        assert stage.n == int(arm[-1]) if arm[-1].isdigit() else stage.n == 1
        assert stage.replay_share == REPLAY_SHARE and stage.replay == scale.pretraining()
        assert all(each.approach is None for _, each in stage.replay.parts)
        assert stage.data == scale.mixture((low, high)) and stage.flops == 1e9
        assert (stage.source == "approaches") == (stage.examples is not None)
    assert {arm: stage.source for arm, stage in own.items() if stage.source != "approaches"} == {
        "rejection 4": "rejection", "STaR": "star", "distillation 4": "distil",
    }  # fmt: skip
    assert {arm for arm, stage in own.items() if stage.traces == "incorrect"} == {"incorrect 1"}
    assert len({(stage.instances, stage.samples, stage.max_new_tokens) for stage in own.values()}) == 1
    teacher = own["distillation 4"].reference
    assert teacher.stages[:-1] == base.stages and scale.corpus().parts[0][1] in [
        each for _, each in teacher.stages[-1].data.parts
    ]
    assert all(each.ops == (low, high) for _, each in recipes["gold"].stages[-1].data.parts[:1])


def test_what_is_compared_at_equal_cost():
    # Mutants: RL with a KL penalty, by steps, or off the edge; the base's RL as long as two stages under the name of
    # one; an arm whose budget is another's.
    study = selfgen.study(NANO)
    arms = {arm.name: arm for arm in study.arms}
    check_budget(study, plan(study))
    assert {name for name, arm in arms.items() if not arm.equal} == {"no mid-training", "no mid-training + RL"}
    half = SPENT * NANO.arm_flops
    for name, arm in arms.items():
        last = arm.recipe.stages[-1]
        assert isinstance(last, RL) == (name.endswith("RL")), name
        if isinstance(last, RL):
            assert last.objective.kl == 0 and last.reward.kind == "answer"
            assert NANO.corpus().parts[0][1] in [each for _, each in last.data.parts]
            assert last.flops == (2 * half if name == "longer RL" else half)
    assert arms["longer RL"].recipe.parent == arms["no mid-training"].recipe == study.base


def test_graded_questions_reach_from_what_a_base_solves_to_what_it_does_not():
    """Mutants: other questions for corpus, RL or exam; longer questions than were read; RL paid for the answer."""
    study = selfgen_graded.study(NANO)
    check_budget(study, plan(study))
    exam = study.exams[0].source
    assert exam.ops == (6, 10) and exam.length == (31, 31) and NANO.length[1] == 31 and exam.split == "held_out"
    for arm in study.arms:
        for stage in arm.recipe.stages[len(study.base.stages) :]:
            assert NANO.mixture((6, 10)).parts[0][1] in [each for _, each in stage.data.parts], arm.name
            if isinstance(stage, RL):
                assert stage.reward.kind == "strict" and stage.objective.kl == 0
                assert stage.flops == (2 if arm.name == "longer RL" else 1) * SPENT * NANO.arm_flops
    own = {arm.name: arm.recipe.stages[-1] for arm in study.arms if isinstance(arm.recipe.stages[-1], SelfGen)}
    assert {name: (stage.source, stage.n) for name, stage in own.items()} == {
        "approaches 4": ("approaches", 4), "approaches 1": ("approaches", 1), "rejection 4": ("rejection", 4),
        "STaR": ("star", 1),
    }  # fmt: skip
