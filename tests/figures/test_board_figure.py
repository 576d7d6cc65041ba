"""The figure of the leaderboard ranks methods by the study's rule and draws every score of its own arm."""

from __future__ import annotations

import numpy as np
import pytest
from axes import dots, labels
from crafted import study_rows

from interlude.figures import midtraining_leaderboard, midtraining_tuned_controls
from interlude.studies import results


def test_the_board_ranks_by_the_mean_after_rl(tmp_path):
    """Mutants: methods ranked alone, or from the worst; a method that the study was given left out; gain and loss of
    another sign, or over other operations; the control's line after RL at its score alone; a seed not drawn; one
    attempt for many, or the exact score for the sampled one; losses counted from a control that has them too."""
    ability = {
        "NTP": 5.1,
        "A": 6.0,
        "B": 0.5,
        "NTP + RL": 6.1,
        "A + RL": 5.1,
        "B + RL": 7.1,
        "C + RL": 9.0,
        "base": 3.5,
    }
    results.store("midtraining/leaderboard", "nano", study_rows(ability, problems=3, banded=True), tmp_path)
    score, ahead, reach, free, lost = midtraining_leaderboard.draw(tmp_path).axes
    found = results.load("midtraining/leaderboard", "nano", tmp_path)
    order = ["B", "NTP", "A"]
    assert labels(score) == order

    def mean(arm: str, first: int, last: int, k: int = 1) -> float:
        each = [found.solved(arm, f"zoo-ops{n}", k).mean() for n in range(first, last + 1)]
        return sum(each) / len(each)

    drawn = [line for line in score.get_lines() if len(set(line.get_ydata())) == 2 and line.get_linestyle() != "None"]
    assert [line.get_xdata()[0] for line in drawn] == pytest.approx([mean("NTP", 5, 11), mean("NTP + RL", 5, 11)])
    wanted = {
        score: lambda name, end: mean(name + end, 5, 11),
        ahead: lambda name, end: mean(name + end, 5, 11) - mean("NTP" + end, 5, 11),
        reach: lambda name, end: mean(name + end, 10, 11, 128),
        free: lambda name, end: found.solved(name + end, "zoo-edge-sampled", 1).mean(),
        lost: lambda name, end: mean("base", 1, 4) - mean(name + end, 1, 4),
    }
    for axis, told in wanted.items():
        points = [line.get_xdata() for line in axis.get_lines() if line.get_label() in midtraining_leaderboard.THEN]
        for found_at, end in zip(points, ("", " + RL"), strict=True):
            assert list(found_at) == pytest.approx([told(name, end) for name in order], abs=1e-12)
        assert len(set(points[0])) > 1
    own = np.mean([found.solved("B + RL", f"zoo-ops{n}", 1).mean(1) for n in range(5, 12)], axis=0)
    assert dots(score, 0, 1) == pytest.approx(sorted(own)) and len(own) == 3


def test_leads_are_over_each_control_at_each_rate(tmp_path):
    """Mutants: the two controls, or their two rates, exchanged; a lead alone for one after RL; the sampled exam of one
    method for another's; a lead of another sign."""
    rows = [f"{control}{rate}" for control in ("NTP", "pre-training") for rate in ("", ", low rate")]
    rows += midtraining_tuned_controls.METHODS
    arms = [row + then for row in rows for then in ("", " + RL")]
    ability = {arm: 4.0 + (nth * 5) % 7 + nth / 9 for nth, arm in enumerate(arms)}
    results.store("midtraining/tuned_controls", "nano", study_rows(ability, problems=3, banded=True), tmp_path)
    found = results.load("midtraining/tuned_controls", "nano", tmp_path)
    score, over_ntp, over_pre, before = midtraining_tuned_controls.draw(tmp_path).axes

    def deeper(arm: str) -> float:
        return np.mean([found.solved(f"{arm} + RL", f"zoo-ops{n}", 1).mean() for n in range(5, 12)])

    def alone(arm: str) -> float:
        return found.solved(arm, "zoo-edge-sampled" + "-answer" * (arm == "RMT"), 1).mean()

    assert labels(score) == rows
    (points,) = [line.get_xdata() for line in score.get_lines() if line.get_marker() == "s"]
    assert list(points) == pytest.approx([deeper(row) for row in rows])
    for axis, control, of in ((over_ntp, "NTP", deeper), (over_pre, "pre-training", deeper), (before, "NTP", alone)):
        drawn = {line.get_label(): line.get_xdata() for line in axis.get_lines() if line.get_label()[0] != "_"}
        for label, rate in zip(drawn, ("", ", low rate"), strict=True):
            assert ("tenth" in label) == (rate != "")
            due = [of(name) - of(control + rate) for name in midtraining_tuned_controls.METHODS]
            assert list(drawn[label]) == pytest.approx(due, abs=1e-12)
