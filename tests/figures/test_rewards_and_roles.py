"""Figures of rewards where steps are chosen, and of roles and steps beyond the data, draw what their tables say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from crafted import study_rows

from interlude.figures import interplay_depth_roles as depth_roles
from interlude.figures import interplay_planning, panels
from interlude.figures import interplay_planning_reward as planning_reward
from interlude.studies import results


def test_what_a_reward_adds_is_of_its_own_field(tmp_path):
    """Mutants: the other field's chains; another control; the paper's value in another row than its reward."""
    paid = ["none", *(f"{kind}, {field}" for field in ("edge", "hard") for kind in ("strict", "answer", "printed"))]
    made = study_rows({arm: 1.5 + nth * (-1) ** nth / 9 for nth, arm in enumerate(paid)}, problems=3, top=8)
    for exam, ops in zip(interplay_planning.CHAINS, ("5", "7"), strict=True):
        made += [row | {"exam": exam} for row in made if row["exam"] == f"zoo-ops{ops}"]
    results.store(planning_reward.STUDY, "nano-shuffled", made, tmp_path)
    gains = planning_reward.draw(tmp_path).axes[2]
    found = results.load(planning_reward.STUDY, "nano-shuffled", tmp_path)
    for field, exam in (("edge", "zoo-edge-chains"), ("hard", "zoo-hard-chains")):
        (drawn,) = [line for line in gains.get_lines() if line.get_label() == field]
        score = {kind: found.pooled(f"{kind}, {field}", [exam], 1).mean() for kind in planning_reward.REWARDS}
        due = [score[kind] - score["answer"] for kind in ("printed", "strict")]
        assert list(drawn.get_xdata()) == pytest.approx(due) and due[0] != due[1]
    diamonds = [line for line in gains.get_lines() if line.get_markerfacecolor() == "white"]
    at = [(round(y), x) for line in diamonds for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]
    assert at == [(0, 0.047), (1, 0.052), (0, 0.043)]


def test_roles_and_steps_are_those_one_operation_beyond_the_data(tmp_path):
    """Mutants: another depth; the seeds' sum for their mean; a step left out; the first step at zero."""
    arms = list(depth_roles.DRAWN)
    made = study_rows({arm: 4.5 + nth / 9 for nth, arm in enumerate(arms)}, problems=3, stepped=True)
    results.store(depth_roles.STUDY, "nano", made, tmp_path)
    roles, steps = depth_roles.draw(tmp_path).axes
    found = panels.table(depth_roles.STUDY, tuple(arms), tmp_path)
    widths: dict[float, float] = {}
    for patch in roles.patches:
        widths[patch.get_y()] = widths.get(patch.get_y(), 0.0) + patch.get_width()
    for arm, (_, width) in zip(arms, sorted(widths.items()), strict=True):
        told = [[row[f"{role}_nats"] for role in results.ROLES] for row in found.of(arm, "zoo-ops10")]
        assert width == pytest.approx(np.mean([sum(nats for nats in each if not math.isnan(nats)) for each in told]))
        (drawn,) = [line for line in steps.get_lines() if line.get_label() == arm]
        by_step = [results.tallies(row["planning_by_step"]) for row in found.of(arm, "zoo-ops10")]
        due = [np.mean([each[str(n)] for each in by_step]) for n in range(1, 11)]
        assert list(drawn.get_ydata()) == pytest.approx(due, abs=1e-3)
