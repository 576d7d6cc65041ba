"""The figure of marked gaps draws gains over unmarked ones in both scores, a row an arm."""

from __future__ import annotations

import pytest
from crafted import study_rows

from interlude.figures import midtraining_marked_gaps as marked_gaps
from interlude.figures import panels
from interlude.studies import results


def test_gains_are_of_plain_solutions_and_of_sampled_ones(tmp_path):
    """Mutants: one score drawn twice; the control subtracted from itself; arms in another order than their names."""
    arms = dict.fromkeys((*marked_gaps.DRAWN, *marked_gaps.GAINS))
    made = study_rows({arm: 4.5 + nth * (-1) ** nth / 6 for nth, arm in enumerate(arms)}, problems=3)
    results.store(marked_gaps.STUDY, "nano", made, tmp_path)
    _, gains = marked_gaps.draw(tmp_path).axes
    names = [label.get_text() for label in gains.get_yticklabels()]
    found = panels.table(marked_gaps.STUDY, tuple(arms), tmp_path)
    drawn = {line.get_label(): list(line.get_xdata()) for line in gains.get_lines()}
    beyond = [f"zoo-ops{n}" for n in range(5, 12)]
    exact = {arm: found.pooled(arm, beyond, 1).mean() for arm in (*names, "unmarked")}
    told = {arm: found.solved(arm, "zoo-edge-sampled", 1).mean() for arm in (*names, "unmarked")}
    assert names == list(marked_gaps.GAINS) and len({*exact.values()}) == 6
    due = [exact[arm] - exact["unmarked"] for arm in names]
    assert drawn["plain solutions, 5 to 11"] == pytest.approx(due)
    due = [told[arm] - told["unmarked"] for arm in names]
    assert drawn["sampled, may think, edge"] == pytest.approx(due) and any(due)
