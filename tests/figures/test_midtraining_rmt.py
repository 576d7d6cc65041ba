"""The figure of RMT: next tokens of held-out texts stand beside those that its paper prints."""

from __future__ import annotations

import pytest
from crafted import match_rows, study_rows, thought_rows

from interlude.figures import midtraining_rmt, panels
from interlude.studies import results
from interlude.studies.midtraining import rmt
from interlude.studies.scales import SCALES


def test_next_tokens_are_drawn_beside_the_published(tmp_path):
    """Mutants: one exam for the other; with a thought for without; an arm's published share at another arm, or another
    than its claim's; NTP's in the colour of thoughts; exams or arms that the study lacks."""
    asked = rmt.study(SCALES[panels.SCALE])
    assert {exam.name for exam in asked.exams if exam.kind == "match"} == {*midtraining_rmt.MATCHED.values()}
    alone = {arm.name for arm in asked.arms if "RL" not in arm.name}
    assert alone == {*midtraining_rmt.ARMS, "pre-training", "mean of NTP", "words"}
    claimed = {"RMT": "46.9"}
    for claim in rmt.CLAIMS:
        if "of next tokens" in claim.published:
            ours, claimed[claim.arms[1]] = claim.published.removesuffix(" % of next tokens").split(" against ")
            assert (claim.arms[0], ours) == ("RMT", "46.9")
    arms = list(midtraining_rmt.ARMS)
    names = [f"{arm}{more}" for more in ("", " + RL") for arm in arms]
    made = study_rows({arm: 4.5 + nth / 9 for nth, arm in enumerate(names)}, problems=3)
    made += match_rows(names, midtraining_rmt.MATCHED.values())
    results.store(midtraining_rmt.STUDY, panels.SCALE, made, tmp_path)
    results.store_curves(midtraining_rmt.STUDY, panels.SCALE, thought_rows(list(midtraining_rmt.ABLATED)), tmp_path)
    axes = midtraining_rmt.draw(tmp_path).axes
    # Mutants: one arm's matches under the other's name; an arm left out by role.
    points = panels.curves(midtraining_rmt.STUDY, midtraining_rmt.THINKERS, tmp_path)
    by_role = {line.get_label(): list(line.get_ydata()) for line in axes[1].get_lines() if line.get_label()[:1] != "_"}
    roles = [text.get_text() for text in axes[1].get_xticklabels()]
    assert [*by_role] == ["no thought", *midtraining_rmt.THINKERS] and roles
    for arm in midtraining_rmt.THINKERS:
        assert by_role[arm] == pytest.approx(
            [midtraining_rmt.matched(points, arm, role).mean for role in roles], nan_ok=True
        )
    for axis, lower in zip(axes[2:4], (0.0, 0.1), strict=True):
        assert [text.get_text() for text in axis.get_xticklabels()] == arms
        lines = {line.get_label(): line for line in axis.get_lines() if line.get_label()[:1] != "_"}
        assert list(lines["a thought before it"].get_ydata()) == pytest.approx(
            [0.31 - lower + 0.02 * n for n in range(len(arms))]
        )
        assert list(lines["no thought"].get_ydata()) == pytest.approx([0.8 + 0.001 * n for n in range(len(arms))])
        theirs = [line for line in axis.get_lines() if line.get_label()[:1] == "_"]
        dots = {arms[x]: y for line in theirs for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}
        if lower == 0.0:
            assert not dots
            continue
        assert dots == midtraining_rmt.PUBLISHED and set(dots) == {"NTP", "base"} | alone & {*arms[3:]} - {
            "RMT, entropy", "long budget"
        }  # fmt: skip
        assert {arm: f"{100 * share:.1f}" for arm, share in dots.items() if arm != "base"} == claimed
        (plain,) = [line for line in theirs if list(line.get_ydata()) == [midtraining_rmt.PUBLISHED["NTP"]]]
        assert plain.get_color() == lines["no thought"].get_color()
