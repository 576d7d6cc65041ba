"""What the page says of longer questions is what the table does, and its models are those of edge_confirmation."""

from __future__ import annotations

import re

import pytest

from interlude.studies import results
from interlude.studies.find import bands
from interlude.studies.interplay import edge_confirmation, longer_questions
from interlude.studies.scales import NANO
from interlude.studies.verdicts import decide

PAGE = (results.FOLDER.parent / "interplay" / "README.md").read_text()
SECTION = PAGE[PAGE.index("### Depth or length?") : PAGE.index("## Finding 2: how much of a second world")]
TABLE = results.load(longer_questions.study(NANO).name, "nano")


@pytest.mark.parametrize("arm", TABLE.arms)
def test_each_arm_has_its_own_numbers_on_the_page(arm):
    """Kills: two arms exchanged; the longer questions in the column of the others; another number of operations."""
    (cells,) = [re.split(r" *\| *", line)[2:-1] for line in SECTION.splitlines() if line.startswith(f"| {arm} |")]
    due = [TABLE.solved(arm, f"zoo-ops{n}-{how}", 1).mean() for n in range(8, 12) for how in ("as-read", "longer")]
    assert cells == [f"{each:.2f}" for each in (*due, TABLE.solved(arm, "zoo-ops11-as-read", 128).mean())]


def test_the_verdicts_of_the_page_are_those_of_its_table():
    """Kills: a number or a verdict that the table does not give; a claim left out."""
    verdicts = decide(longer_questions.CLAIMS, TABLE, bands("nano"))
    assert len(verdicts) == sum(line.endswith("* |") for line in SECTION.splitlines())
    for verdict in verdicts:
        (line,) = [each for each in SECTION.splitlines() if each.startswith(f"| {verdict.claim.name} |")]
        assert line.endswith(f"| *{verdict.verdict}* |")
        for part in verdict.measured:
            assert f"{part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f})" in line


def test_its_models_and_its_questions_are_the_ones_that_it_names():
    """Kills: models trained otherwise than those that raised the question; a shorter length that pre-training, RL at
    the edge or RL uniform did not have; a longer one that they had; RL beyond said to have had the shorter."""
    made = longer_questions.study(NANO)
    known = {arm.name: arm.recipe for arm in edge_confirmation.study(NANO).arms}
    assert all(known[arm.name] == arm.recipe for arm in made.arms)
    lengths = {exam.name: exam.source.length for exam in made.exams}
    assert {length for name, length in lengths.items() if name.endswith("as-read")} == {NANO.length[1:] * 2}
    assert {length for name, length in lengths.items() if name.endswith("longer")} == {(34, 34)}
    had = {name: NANO.mixture(NANO.bands[name]) for name in ("edge", "uniform", "beyond")}
    longest = {name: max(source.length[1] for _, source in data.parts) for name, data in had.items()}
    assert longest == {"edge": 31, "uniform": 31, "beyond": 34}
    assert max(source.length[1] for _, source in NANO.pretraining().parts) == 31
