"""Rewards where answers can be guessed, asked again: the page says what its table does, and the arms are the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

from interlude.studies import results
from interlude.studies.find import bands
from interlude.studies.interplay import reward_confirmation, reward_guessing
from interlude.studies.scales import SCALES
from interlude.studies.verdicts import decide

STUDY, SCALE = "interplay/reward_confirmation", "nano-guessable"
PAGE = (results.FOLDER.parent / "interplay" / "README.md").read_text()
SECTION = PAGE[PAGE.index("## Where answers can be guessed, again") : PAGE.index("## Where statements are shuffled")]
ROWS = {'base ("none")': "none", "answer": "answer", "answer, fast": "answer, fast", "printed": "printed"}
ROWS |= {"random (a coin)": "random"}


@pytest.fixture(scope="module")
def table():
    return results.load(STUDY, SCALE)


@pytest.mark.parametrize("label", ROWS)
def test_each_arm_has_its_own_numbers_on_the_page(table, label):
    """Kills: two arms exchanged; another operation's column; the answer's rate for the strict one."""
    arm = ROWS[label]
    (cells,) = [re.split(r" *\| *", line)[2:-1] for line in SECTION.splitlines() if line.startswith(f"| {label} |")]
    due = [table.solved(arm, f"zoo-ops{n}", 1).mean() for n in (4, 6, 8, 9, 10, 11)]
    due.append(np.mean([table.solved(arm, f"zoo-ops{n}", 128).mean() for n in (10, 11)]))
    due += [table.solved(arm, "zoo-hard-sampled", 1, score).mean() for score in ("answer", "strict")]
    assert cells == [f"{each:.2f}" for each in due]


def test_the_verdicts_of_the_page_are_those_of_its_table(table):
    """Kills: a number or verdict that the table does not give."""
    lines = [line for line in SECTION.splitlines() if line.endswith("| *holds* |")]
    verdicts = decide(reward_confirmation.CLAIMS, table, bands(SCALE))
    assert len(lines) == len(verdicts) == 3 and {verdict.verdict for verdict in verdicts} == {"holds"}
    for line, verdict in zip(lines, verdicts, strict=True):
        assert line.startswith(f"| {verdict.claim.name} |")
        told = re.findall(r"([+-]\d\.\d\d) \(([+-]\d\.\d\d) to ([+-]\d\.\d\d)\)", line)
        assert told == [tuple(f"{x:+.2f}" for x in (p.mean, p.low, p.high)) for p in verdict.measured]


def test_the_arms_are_those_that_suggested_it_on_other_seeds():
    """Kills: a rate, reward or field that is not the first study's; a seed of the first study's."""
    scale = SCALES[SCALE]
    again, first = reward_confirmation.study(scale), reward_guessing.study(scale)
    assert {arm.name: arm.recipe for arm in again.arms} == {arm.name: arm.recipe for arm in first.arms}
    assert len(again.seeds) == 16 and not set(again.seeds) & set(first.seeds)
