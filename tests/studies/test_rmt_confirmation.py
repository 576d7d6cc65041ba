"""RMT's parts, asked again: the page's numbers from the committed table."""

from __future__ import annotations

import re

import pytest

from interlude.studies import results
from interlude.studies.find import bands
from interlude.studies.midtraining import rmt, rmt_confirmation
from interlude.studies.results import load
from interlude.studies.scales import SCALES
from interlude.studies.verdicts import decide

STUDY = "midtraining/rmt_confirmation"
PAGE = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
SECTION = PAGE[PAGE.index("### The parts again") : PAGE.index("## Thinking mid-training")]


@pytest.mark.parametrize("label", ("base", "RMT", "RPT", "RMT, no budget", "RMT, no curriculum", "RMT, no NTP"))
def test_each_arm_has_its_own_numbers_on_the_page(label):
    """Kills: two arms exchanged; the probability without a thought; scores of another exam."""
    found, arm = load(STUDY, "nano"), label.removeprefix("RMT, ")
    (cells,) = [re.split(r" *\| *", line)[2:-1] for line in SECTION.splitlines() if line.startswith(f"| {label} |")]
    edge_S = found.solved(arm, "zoo-edge-sampled", 1).mean(1)
    due = [f"{found.measure(arm, f'zoo-edge-match-{at}', 'match').mean():.2f}" for at in ("inferable", "any")]
    due += [f"{edge_S.mean():.2f}", f"{edge_S.min():.2f} to {edge_S.max():.2f}"]
    after = f"{arm} + RL"
    due.append(f"{found.solved(after, 'zoo-edge-sampled', 1).mean():.2f}" if after in found.arms else "")
    assert cells == due


def test_the_verdicts_of_the_page_are_those_of_its_table():
    """Kills: a number or verdict that the table does not give."""
    rows = [line for line in SECTION.splitlines() if re.search(r"\*(open|does not hold)\*", line)]
    verdicts = decide(rmt_confirmation.CLAIMS, load(STUDY, "nano"), bands("nano"))
    assert len(rows) == len(verdicts) == 5
    for row, verdict in zip(rows, verdicts, strict=True):
        (part,) = verdict.measured
        assert row.startswith(f"| {verdict.claim.name} |") and f"*{verdict.verdict}*" in row
        assert f"{part.mean:+.3f} ({part.low:+.3f} to {part.high:+.3f}) |" in row
        assert not verdict.seeds_needed or f"{verdict.seeds_needed} seeds" in row


def test_the_arms_are_the_first_studys_on_other_seeds():
    """Kills: a part that differs in more than its part; a seed of both."""
    again, first = rmt_confirmation.study(SCALES["nano"]), rmt.study(SCALES["nano"])
    known = {arm.name: arm.recipe for arm in first.arms}
    assert all(known[arm.name] == arm.recipe for arm in again.arms)
    assert not set(again.seeds) & set(first.seeds)
