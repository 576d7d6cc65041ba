"""The page on longer RL, RL paid by a coin in a second world, and RL paid for answers says what their tables do."""

from __future__ import annotations

import re

import pytest

from interlude.studies import results
from interlude.studies.find import bands
from interlude.studies.interplay import exposure_control, gold_rate, reward_beyond, rl_steps
from interlude.studies.results import load
from interlude.studies.verdicts import decide

PAGE = (results.FOLDER.parent / "interplay" / "README.md").read_text()
ASKED = {  # study: its world, the operations of the page's columns, and its claims
    "interplay/rl_steps": ("zoo", (6, 8, 9, 10, 11, 12), rl_steps.CLAIMS),
    "interplay/gold_rate": ("zoo", (6, 7, 8, 9, 10, 11), gold_rate.CLAIMS),
    "interplay/exposure_control": ("school", (2, 4, 6, 8, 9), exposure_control.CLAIMS),
}


def section(study: str) -> str:
    text = PAGE[PAGE.index(f"(`{study}`)") :]
    return text[: text.index("\n##")]


@pytest.mark.parametrize("study", ASKED)
def test_each_arm_has_its_own_numbers_on_the_page(study):
    """Kills: two arms exchanged; another world's exam, or another operation's, in a column; an arm left out."""
    world, ops, _ = ASKED[study]
    table = results.load(study, "nano")
    lines = [re.split(r" *\| *", line)[1:-1] for line in section(study).splitlines() if line.startswith("| ")]
    said = {name: cells for name, *cells in lines}
    for arm in table.arms:
        due = [f"{table.solved(arm, f'{world}-ops{n}', 1).mean():.2f}" for n in ops]
        due.append(f"{table.pooled(arm, [f'{world}-ops{n}' for n in (8, 9)], 128).mean():.2f}")
        if world == "zoo":
            due.append(f"{table.pooled(arm, ['zoo-ops10', 'zoo-ops11'], 128).mean():.2f}")
        assert said[arm] == due, arm


@pytest.mark.parametrize("study", ASKED)
def test_the_verdicts_of_the_page_are_those_of_its_table(study):
    """Kills: a number or a verdict that the table does not give; a claim left out."""
    claims = ASKED[study][2]
    verdicts = decide(claims, results.load(study, "nano"), bands("nano"))
    for verdict in verdicts:
        (line,) = [each for each in section(study).splitlines() if each.startswith(f"| {verdict.claim.name} |")]
        said = line.rpartition(" | ")[2]
        assert f"*{verdict.verdict}*" in said and ("seeds" in said) == (verdict.verdict == "open")
        assert verdict.verdict != "open" or f", {verdict.seeds_needed} seeds |" in said
        for part in verdict.measured:
            assert f"{part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f})" in line


PAID = {"nothing (base)": "none", "whole solutions": "strict", "answers": "answer"}


@pytest.mark.parametrize("label", PAID)
def test_what_each_reward_carries_is_its_own(label):
    """Kills: two rewards exchanged; long questions for short ones; the share of right answers for right solutions."""
    table, arm, read = load("interplay/reward_beyond", "nano"), PAID[label], "zoo-hard-as-read"
    due = [table.solved(arm, f"zoo-ops{n}", 1) for n in (6, 8, 9, 10, 11)]
    due += [table.pooled(arm, ["zoo-ops10", "zoo-ops11"], 128)]
    due += [table.solved(arm, read, k) for k in (1, 128)]
    due += [table.solved(arm, "zoo-hard-sampled", 1, score) for score in ("answer", "strict")]
    (line,) = [each for each in section("interplay/reward_beyond").splitlines() if each.startswith(f"| {label} |")]
    assert re.split(r" *\| *", line)[2:-1] == [f"{each.mean():.2f}" for each in due]


def test_verdicts_on_what_answers_carry_are_those_of_the_table():
    """Kills: a number or a verdict that the table does not give; a claim left out."""
    for verdict in decide(reward_beyond.CLAIMS, load("interplay/reward_beyond", "nano"), bands("nano")):
        (part,) = verdict.measured
        numbers = f"{part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f})"
        said = f"*{verdict.verdict}*" + (f", {verdict.seeds_needed} seeds" if verdict.seeds_needed else "")
        assert f"\n| {verdict.claim.name} | {numbers} | {said} |" in section("interplay/reward_beyond")


@pytest.mark.parametrize(
    ("arm", "before"),
    (("0% RL, high rate", "0% RL, full"), ("20% RL, high rate", "20% RL, full"), ("100% RL", "100% RL, full")),
)
def test_arms_that_finding_3_shares_came_out_to_the_bit(arm, before):
    """Kills: a recipe that is not the one of finding 3; a run that cannot be repeated."""
    here, there = load("interplay/gold_rate", "nano"), load("interplay/mid_or_rl", "nano")
    for exam in here.exams:
        again, first = (
            [(row["seed"], row["logp"]) for row in t.of(a, exam)] for t, a in ((here, arm), (there, before))
        )
        assert again == first and len(again) == 8, exam
