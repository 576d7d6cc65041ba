"""The figure of guessable answers draws each scale's own table, and right answers apart from right solutions."""

from __future__ import annotations

import numpy as np
import pytest
from crafted import study_rows

from interlude.figures import interplay_reward_guessing as guessing
from interlude.studies import results


def test_scales_and_scores_are_drawn_apart(tmp_path):
    """Mutants: one scale drawn twice, or the panels exchanged; answers drawn as solutions; the other scale's responses;
    a guess worth nothing."""
    for nth, scale in enumerate(guessing.GUESSES):
        ability = {arm: 3.5 + 0.5 * nth + 0.4 * n for n, arm in enumerate(guessing.ARMS)}
        made = study_rows(ability, (3, 4, 5), problems=3)
        made = [row | {"guess_floor": (0.2, 0.3)[nth]} for row in made]
        results.store(guessing.STUDY, scale, made, tmp_path)
    *depths, working = guessing.draw(tmp_path).axes
    for axis, scale in zip(depths, guessing.GUESSES, strict=True):
        found = results.load(guessing.STUDY, scale, tmp_path)
        for arm in guessing.ARMS:
            (drawn,) = [line for line in axis.get_lines() if line.get_label() == arm]
            due = [found.solved(arm, f"zoo-ops{n}", 1).mean() for n in drawn.get_xdata()]
            assert list(drawn.get_ydata()) == pytest.approx(due) and len(due) == 11
    for label, counts in (("right answer", "correct"), ("right throughout", "strict")):
        (drawn,) = [line for line in working.get_lines() if line.get_label() == label]
        rows = [found.of(arm, guessing.SAMPLED) for arm in guessing.ARMS]
        due = [np.mean([int(n) / row["samples"] for row in each for n in row[counts].split()]) for each in rows]
        assert list(drawn.get_ydata()) == pytest.approx(due)
    assert any(list(line.get_ydata()) == [0.3, 0.3] for line in working.get_lines())
