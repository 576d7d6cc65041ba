"""Where thinking pays, asked again: the page's numbers from the committed table and its training curves."""

from __future__ import annotations

import re

import numpy as np
import pytest

from interlude.figures.midtraining_filters import aimed
from interlude.studies import results
from interlude.studies.evidence import values
from interlude.studies.find import bands
from interlude.studies.midtraining import own_filter, places, places_confirmation
from interlude.studies.results import load, load_curves
from interlude.studies.verdicts import decide

STUDY = "midtraining/places_confirmation"
PAGE = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
SECTION = PAGE[PAGE.index("### Again, and what follows") : PAGE.index("### By the model as it is")]
ARMS = {
    "base": "base", "RMT, told the tokens": "RMT", "RMT by entropy, top fifth (the paper's)": "RMT, entropy",
    'top two-hundredth ("narrow")': "narrow", 'after reading, top fifth ("read, wide")': "read, wide",
    'after reading, top two-hundredth ("read, narrow")': "read, narrow",
}  # fmt: skip


def test_the_verdicts_of_the_page_are_those_of_its_table():
    """Kills: a number or verdict that the table does not give; claims in another order."""
    rows = [re.split(r" *\| *", line)[1:-1] for line in SECTION.splitlines() if re.search(r"\*(holds|open)\*", line)]
    verdicts = decide(places_confirmation.CLAIMS, load(STUDY, "nano"), bands("nano"))
    assert len(rows) == len(verdicts) == 8
    for (name, measured, said), verdict in zip(rows, verdicts, strict=True):
        (part,) = verdict.measured
        form = "+.3f" if abs(part.mean) < 0.01 else "+.2f"
        assert f"{part.mean:{form}} ({part.low:{form}} to {part.high:{form}})" in measured
        assert name == verdict.claim.name and said.startswith(f"*{verdict.verdict}*")
        needed = f", {verdict.seeds_needed} seeds" if verdict.seeds_needed else ""
        assert said.endswith(needed) and ("seeds" in said) == bool(needed)


@pytest.mark.parametrize("label", ARMS)
def test_each_arm_has_its_own_numbers_on_the_page(label):
    """Kills: two arms exchanged; the last step's share for the stage's; the range of another column."""
    table, arm = load(STUDY, "nano"), ARMS[label]
    (cells,) = [re.split(r" *\| *", line)[2:-1] for line in SECTION.splitlines() if line.startswith(f"| {label} |")]
    match_S, any_S = (table.measure(arm, f"zoo-edge-match-{at}", "match").mean(1) for at in ("inferable", "any"))
    due = [f"{match_S.mean():.2f}", f"{match_S.min():.2f} to {match_S.max():.2f}", f"{any_S.mean():.2f}"]
    due.append(f"{table.solved(arm, 'zoo-edge-sampled', 1).mean():.2f}")
    assert cells[1:] == due
    rows = [row for row in load_curves(STUDY, "nano") if row["drawn"]]
    if arm == "base":
        assert not cells[0]
    else:
        share = np.mean(aimed(rows, arm))
        assert float(cells[0]) == pytest.approx(share, abs=0.0005 if share < 0.5 else 0.005)


def test_both_groups_of_seeds_hold_the_first_three_claims():
    """Kills: a claim that the two studies put differently; a seed in both."""
    both = [decide(m.CLAIMS, load(s, "nano"), bands("nano"))[:3] for m, s in
            ((places, "midtraining/places"), (places_confirmation, STUDY))]  # fmt: skip
    for one, other in zip(*both, strict=True):
        assert one.verdict == other.verdict == "holds"
        assert one.claim.comparisons == other.claim.comparisons
        assert not set(one.measured[0].seeds) & set(other.measured[0].seeds)


def test_the_page_on_the_models_own_filter_says_what_its_table_does():
    """Kills: a score, difference or verdict that the table does not give; shares of thoughts of the whole stage."""
    section = PAGE[PAGE.index("### By the model as it is") : PAGE.index("## A mark at a gap")]
    table = load("midtraining/own_filter", "nano")
    verdicts = decide(own_filter.CLAIMS, table, bands("nano"))
    lines = [line for line in section.splitlines() if re.search(r"\*(holds|open)\*", line)]
    assert len(lines) == len(verdicts) == 3
    for line, verdict in zip(lines, verdicts, strict=True):
        (part,) = verdict.measured
        assert line.startswith(f"| {verdict.claim.name} |") and f"*{verdict.verdict}*" in line
        assert f"{part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f})" in line
        (_, arm, score), (_, other, _) = verdict.claim.comparisons[0].terms
        means = [values(table, each, (score.on,), 1, score.score).mean() for each in (arm, other)]
        assert f"{means[0]:.2f} - {means[1]:.2f}," in line
    late = [row for row in load_curves("midtraining/own_filter", "nano") if row["drawn"] and row["share"] > 0.75]
    own, start = (aimed(late, arm).mean() for arm in (own_filter.OWN, own_filter.START))
    assert f"{100 * own:.0f} % of its thoughts" in section and f"filter {100 * start:.1f} %" in section
