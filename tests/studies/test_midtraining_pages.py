"""The page on methods of mid-training says of each later study what its table does."""

from __future__ import annotations

import re

import pytest

from interlude.studies import results
from interlude.studies.board import OPENS
from interlude.studies.find import bands
from interlude.studies.midtraining import (
    gaps_confirmation,
    same_method,
    selfgen_graded,
    thinking_confirmation,
    tuned_controls,
)
from interlude.studies.results import load
from interlude.studies.verdicts import decide

PAGE = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
CLAIMED = {
    ("midtraining/thinking_confirmation", "nano"): thinking_confirmation.CLAIMS,
    ("midtraining/selfgen_graded", "nano"): selfgen_graded.CLAIMS,
    ("midtraining/same_method", "nano"): same_method.CLAIMS,
    ("midtraining/gaps_confirmation", "nano"): gaps_confirmation.CLAIMS,
    ("midtraining/gaps_confirmation", "nano-shuffled"): gaps_confirmation.CLAIMS,
}


def section(study: str) -> str:
    """The part of the page whose heading names a study."""
    text = PAGE[PAGE.index(f"(`{study}`)") :]
    return text.partition("\n##")[0]


def cells(study: str, label: str) -> list[str]:
    """The cells after the first of the one row of a study's section that begins so."""
    (line,) = [each for each in section(study).splitlines() if each.startswith(f"| {label} |")]
    return re.split(r" *\| *", line)[2:-1]


@pytest.mark.parametrize(("study", "scale"), CLAIMED)
def test_verdicts_are_those_of_the_table(study, scale):
    """Kills: a number or a verdict that the table does not give; a claim left out; seeds where enough have run."""
    for verdict in decide(CLAIMED[study, scale], load(study, scale), bands(scale)):
        row = cells(study, verdict.claim.name)
        measured, said = row[:2] if study.endswith("gaps_confirmation") and scale == "nano" else row[-2:]
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


@pytest.mark.parametrize("scale", ("nano", "nano-shuffled"))
@pytest.mark.parametrize("arm", ("base", "thoughts", "empty tags", "mark", "tags elsewhere", "unmarked"))
def test_what_stands_at_a_gap(scale, arm):
    """Kills: two arms or two kinds of base exchanged; the band counted among what is deeper."""
    table = load("midtraining/gaps_confirmation", scale)
    low, high = bands(scale)["ID"][1] + 1, bands(scale)["hard"][1]
    plain_S = table.pooled(arm, [f"zoo-ops{n}" for n in range(low, high + 1)], 1).mean(1)
    due = [f"{plain_S.mean():.2f}", " ".join(f"{x:.2f}" for x in plain_S)]
    due.append(f"{table.solved(arm, 'zoo-edge-sampled', 1).mean():.2f}")
    found = cells("midtraining/gaps_confirmation", arm)
    assert found[:3] == due if scale == "nano" else found[3:] == due


@pytest.mark.parametrize("arm", (*selfgen_graded.ROWS, "longer RL"))
def test_own_solutions_of_graded_questions(arm):
    """Kills: two arms exchanged; the first attempt for the sixty-fourth; a score before RL for one after it."""
    table, asked = load("midtraining/selfgen_graded", "nano"), selfgen_graded.GRADED
    alone, after = ("", arm) if arm == "longer RL" else (arm, f"{arm} + RL")
    due = [f"{table.solved(alone, asked, k).mean():.2f}" if alone else "" for k in (1, 64)]
    due += [f"{table.solved(after, asked, k).mean():.2f}" for k in (1, 64)]
    due.append(" ".join(f"{x:.2f}" for x in table.solved(after, asked, 64).mean(1)))
    assert cells("midtraining/selfgen_graded", arm) == due


@pytest.mark.parametrize("row", (*tuned_controls.TUNED, *tuned_controls.OLD, *tuned_controls.BEST))
def test_what_tuned_controls_and_methods_solve(row):
    """Kills: two rows exchanged; a score before RL for one after it; a thought opened for a row that has none."""
    table = load("midtraining/tuned_controls", "nano")

    def solved(arm: str, low: int, high: int, k: int = 1) -> str:
        return f"{table.pooled(arm, [f'zoo-ops{n}' for n in range(low, high + 1)], k).mean():.2f}"

    alone = table.solved(row, "zoo-edge-sampled" + "-answer" * (row in OPENS), 1)
    due = [f"{alone.mean():.2f}", solved(row, 10, 11, 128)]
    due += [solved(f"{row} + RL", *ops) for ops in ((5, 11), (5, 7), (8, 9), (10, 11), (10, 11, 128))]
    assert f"| {row} | {' | '.join(due)} |\n" in section("midtraining/tuned_controls")


def test_leads_over_tuned_controls():
    """Kills: a number or a verdict that the table does not give; a comparison left out; the two controls exchanged."""
    found = decide(tuned_controls.CLAIMS, load("midtraining/tuned_controls", "nano"), bands("nano"))
    said = {verdict.claim.name: verdict for verdict in found}
    text, told = section("midtraining/tuned_controls"), 0
    for method in tuned_controls.BEST:
        for what in ("+ RL, OOD pass@1", "+ RL, hard pass@128", "alone, edge pass@1", "alone, hard pass@128"):
            line = f"| {method} | {what.replace('OOD pass@1', '5 to 11 operations')} |"
            for control in tuned_controls.TUNED:
                verdict = said[f"{method} > {control}: {what}"]
                (part,) = verdict.measured
                line += f" {part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f}) *{verdict.verdict}*"
                line += f", {verdict.seeds_needed} seeds |" if verdict.seeds_needed else " |"
                told += 1
            assert line + "\n" in text, line
    for new, old in zip(tuned_controls.TUNED, tuned_controls.OLD, strict=True):
        verdict = said[f"{new} > {old}: + RL, OOD pass@1"]
        (part,) = verdict.measured
        place = text.index(
            f"{part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f})", text.index("NTP at the low rate is")
        )
        assert f"*{verdict.verdict}*" in text[place : place + 80]
        told += 1
    assert told == len(tuned_controls.CLAIMS)
