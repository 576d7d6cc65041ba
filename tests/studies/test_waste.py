"""RL that teaches nothing says so and why: in its log, in the progress that is shown, and when the run is done."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from interlude.models.optim import Optim
from interlude.models.rollouts import (
    ALWAYS_RIGHT,
    CUT_OFF,
    NEVER_RIGHT,
    NOT_PARSED,
    REASONS,
    Group,
    Reward,
    rollouts,
    summary,
)  # fmt: skip
from interlude.models.stages.rl import RL
from interlude.studies import console, evidence, results
from interlude.studies import study as studies
from interlude.studies.find import SCALE_NAMES, StudySpec, the_study
from interlude.studies.real_scale import NAME
from interlude.studies.report import tables
from interlude.studies.scales import SCALES
from interlude.studies.study import check_budget, plan, wasted
from interlude.synth.source import Source
from interlude.synth.verify import verify

SOURCE = Source(ops=(2, 2))
PROBLEM = SOURCE.problem("waste", 0)
RIGHT = PROBLEM.solution
WRONG = RIGHT.replace(f"answer {PROBLEM.answer}", f"answer {(PROBLEM.answer + 1) % 7}")
CUT = RIGHT.rsplit(" ", 6)[0]
NONSENSE = "= = = <end>"


def group(*texts: str, reward: str = "strict") -> Group:
    verdicts = [verify(PROBLEM, text) for text in texts]
    rewards = np.array([Reward(reward).of(verdict, len(PROBLEM.moves)) for verdict in verdicts])
    return Group(PROBLEM, [1], [[2]] * len(texts), [[0.0]] * len(texts), verdicts, rewards)


@pytest.mark.parametrize(
    "texts, reason",
    [
        ((RIGHT, WRONG), None),
        ((RIGHT, RIGHT), ALWAYS_RIGHT),
        ((WRONG, WRONG, CUT), NEVER_RIGHT),
        ((WRONG, CUT, CUT), CUT_OFF),
        ((NONSENSE, NONSENSE, CUT), NOT_PARSED),
    ],
)
def test_a_group_without_variance_has_a_reason(texts, reason):
    """Mutants: always right taken for never right; the first response's reason for the group's; a truncated text that
    counts as not parsed."""
    assert group(*texts).reason == reason


def test_equal_part_rewards_are_not_always_right():
    """Mutant: any reward above zero counts as right."""
    made = group(WRONG, WRONG, reward="process")
    assert 0 < made.rewards.min() <= 1
    part = dataclasses.replace(made, rewards=np.array([0.5, 0.5]))
    assert part.reason == NEVER_RIGHT


def test_the_log_says_shares_by_reason():
    """Mutants: shares of responses for shares of groups; a reason left out, so that they do not add up."""
    seen = [group(RIGHT, WRONG), group(RIGHT, RIGHT), group(CUT, CUT), group(NONSENSE, NONSENSE)]
    line = summary(seen, seen)
    assert line["zero_variance"] == 0.75 == sum(line[name] for name in REASONS)
    assert (line[ALWAYS_RIGHT], line[CUT_OFF], line[NOT_PARSED], line[NEVER_RIGHT]) == (0.25, 0.25, 0.25, 0.0)
    assert line["truncated"] == 0.25 and line["unparsed"] >= 0.25


def test_progress_shows_how_many_and_mostly_why():
    """Mutants: a line that looks as usual; the least common reason."""
    line = {"loss": 0.0, "reward": 0.0, "zero_variance": 0.9, **dict.fromkeys(REASONS, 0.1), CUT_OFF: 0.6}
    assert console.live(line).endswith("no variance 90% (cut off)")
    assert "variance" not in console.live({"loss": 1.0, "zero_variance": 0.5})  # a log of an older version
    assert "variance" not in console.live(line | {"zero_variance": 0.0})
    assert console.REASONS == REASONS and (*SCALES, NAME) == SCALE_NAMES


def test_a_finished_run_warns_where_nearly_nothing_was_taught(runs, monkeypatch):
    """Mutants: the base's stages warned of too; a threshold of any share; shares of the last step only."""
    asked = the_study(StudySpec("stages/quickstart", "smoke"))
    run = plan(asked)[1]
    lines = {True: [], False: []}
    for nth in range(10):
        line = {"zero_variance": 1.0, **dict.fromkeys(REASONS, 0.0), CUT_OFF: 1.0}
        lines[True].append(line if nth < 9 else line | {"zero_variance": 0.0, CUT_OFF: 0.0})
        lines[False].append(line if nth < 5 else line | {"zero_variance": 0.0, CUT_OFF: 0.0})
    for much in (True, False):
        monkeypatch.setattr(studies, "read_jsonl", lambda path, much=much: lines[much] if "rl-" in str(path) else [{}])
        said = wasted(run)
        assert len(said) == much
    monkeypatch.setattr(studies, "read_jsonl", lambda path: lines[True] if "rl-" in str(path) else [{"loss": 1}])
    assert wasted(run)[0].startswith("seed 0, RL: in 90% of the groups of RL all rewards were equal")
    assert wasted(run)[0].endswith("(cut off 90%)")
    assert wasted(plan(asked)[0]) == []


def test_rollouts_carry_it_into_the_log(learned, source):
    """Mutant: a summary that nobody calls."""
    stage = RL(steps=1, batch_size=2, num_samples=4, optim=Optim(), data=source, max_new_tokens=2)
    seen = rollouts(stage, learned(), 0, 1, [0, 1], 0)  # at step 0 so little room is refused
    line = summary(seen, seen)
    assert line[CUT_OFF] == line["truncated"] == 1.0
    json.dumps(line, allow_nan=False)


def with_measured(runs: list, *spent: float | None) -> list:
    return [dataclasses.replace(run, measured=each) for run, each in zip(runs, spent, strict=True)]


def test_the_same_command_goes_on_after_an_arm_is_finished(runs):
    """Mutants: what a finished arm took compared with what another may take; nothing compared once all are done."""
    asked = the_study(StudySpec("stages/quickstart", "smoke"))
    first, rl, mid, both = plan(asked)
    over = 1.2 * rl.planned
    check_budget(asked, [first, *with_measured([rl, mid, both], over, None, None)])
    check_budget(asked, [first, *with_measured([rl, mid, both], over, 1.18 * rl.planned, None)])
    with pytest.raises(ValueError, match=r"'RL' and 'mid-training' differ .*measured FLOPs"):
        check_budget(asked, [first, *with_measured([rl, mid, both], over, rl.planned, None)])
    with pytest.raises(ValueError, match=r"'RL' and 'mid-training' differ .*budgets"):
        check_budget(asked, [first, dataclasses.replace(rl, planned=over), mid, both])


def test_show_says_how_much_of_rl_taught_nothing():
    """Kills: quarters exchanged; a mean over rows, of which one seed has more, for a mean over seeds; stages that
    sample nothing; a share of responses for one of groups."""
    blank = {"arm": "RL", "stage": 3, "strict": 0.0}
    rows = [
        blank | {"seed": seed, "step": step, "share": share, "reward": reward, "zero_variance": equal}
        for seed, step, share, reward, equal in (
            (0, 4, 0.2, 0.1, 1.0), (0, 8, 0.5, 0.2, 0.5), (0, 12, 1.0, 0.9, 0.0),
            (1, 6, 0.25, 0.3, 0.8), (1, 9, 0.9, 0.5, 0.2),
        )
    ]  # fmt: skip
    rows += [
        blank | {"arm": "ReMiT", "seed": 0, "step": 5, "share": 1.0, "reward": math.nan, "zero_variance": math.nan}
    ]
    (found,) = evidence.rl_stages(rows)
    assert (found["arm"], found["stage"], found["seeds"], found["steps"]) == ("RL", 3, 2, 10.5)
    assert found["equal"] == pytest.approx((0.5 + 0.5) / 2) and found["equal_late"] == pytest.approx((0.0 + 0.2) / 2)
    assert found["reward_early"] == pytest.approx((0.1 + 0.3) / 2)
    assert found["reward_late"] == pytest.approx((0.9 + 0.5) / 2)
    _, heads, cells, _ = tables.rl_table([found])
    assert dict(zip(heads, cells[0], strict=True))["groups of equal rewards"] == "50%"


def test_the_curves_of_a_table_are_those_of_its_runs():
    """Kills: curves of a run that was trained again since; an error for a study without curves."""
    table = results.load("interplay/edge", "nano")
    found = results.curves_of(table)
    assert {row["arm"] for row in found} == set(table.arms) - {"none"} - {"SFT edge"}
    other = dataclasses.replace(table, rows=tuple(row | {"key": "0"} for row in table.rows))
    assert results.curves_of(other) == [] == results.curves_of(results.load("stages/base_seeds", "nano"))
