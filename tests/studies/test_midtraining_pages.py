"""The page on methods of mid-training says of each later study what its table does."""

from __future__ import annotations

import re

import pytest

from interlude.studies import results
from interlude.studies.find import bands
from interlude.studies.midtraining import thinking_confirmation
from interlude.studies.results import load
from interlude.studies.verdicts import decide

PAGE = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
CLAIMED = {("midtraining/thinking_confirmation", "nano"): thinking_confirmation.CLAIMS}


def section(study: str) -> str:
    """The part of the page whose heading names a study."""
    text = PAGE[PAGE.index(f"(`{study}`)") :]
    return text[: text.index("\n##")]


def cells(study: str, label: str) -> list[str]:
    """The cells after the first of the one row of a study's section that begins so."""
    (line,) = [each for each in section(study).splitlines() if each.startswith(f"| {label} |")]
    return re.split(r" *\| *", line)[2:-1]


@pytest.mark.parametrize(("study", "scale"), CLAIMED)
def test_verdicts_are_those_of_the_table(study, scale):
    """Kills: a number or a verdict that the table does not give; a claim left out; seeds where enough have run."""
    for verdict in decide(CLAIMED[study, scale], load(study, scale), bands(scale)):
        *_, measured, said = cells(study, verdict.claim.name)
        for part in verdict.measured:
            assert f"{part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f})" in measured
        due = f"*{verdict.verdict}*" + (f", {verdict.seeds_needed} seeds" if verdict.seeds_needed else "")
        assert said == due, verdict.claim.name


@pytest.mark.parametrize("arm", ("NTP", "thinking SFT", "thinking", "longer RL"))
def test_thinking_where_imitation_leaves_room(arm):
    """Kills: two arms exchanged; the edge for what is deeper; seeds in another order."""
    table, due = load("midtraining/thinking_confirmation", "nano"), []
    for name in (arm, f"{arm} + RL") if arm != "longer RL" else ("", arm):
        scores_S = table.solved(name, "zoo-deeper-sampled", 1).mean(1) if name else []
        due += [f"{scores_S.mean():.2f}", " ".join(f"{x:.2f}" for x in scores_S)] if name else ["", ""]
    assert cells("midtraining/thinking_confirmation", arm) == due
