"""The leaderboard's best methods on fresh seeds: the page's numbers from two tables; and what unsolved problems are."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from recompute import by_seed, table
from scipy import stats

from interlude.studies import results
from interlude.studies.find import bands
from interlude.studies.midtraining import confirmation, interleaving, leaderboard, longer_rl, unsolved
from interlude.studies.midtraining.confirmation import BEST
from interlude.studies.results import load, load_curves
from interlude.studies.scales import SCALES
from interlude.studies.verdicts import OOD, Score, decide

PAGE = results.FOLDER.parent / "midtraining" / "README.md"
STUDIES = ("midtraining/leaderboard", "midtraining/confirmation")
EDGE = Score("zoo-edge-sampled")
NUMBER = r"([+-]\d\.\d\d) \(([+-]\d\.\d\d) to ([+-]\d\.\d\d)\)"


def told(gaps: pd.Series) -> list[str]:
    """A mean difference over seeds and its 95 % Student-t interval, as the page writes them."""
    low, high = stats.t.interval(0.95, len(gaps) - 1, gaps.mean(), stats.sem(gaps))
    return [f"{each:+.2f}" for each in (gaps.mean(), low, high)]


@pytest.mark.parametrize("method", BEST)
def test_both_groups_of_seeds_and_all_sixteen(method):
    """Kills: a number of the page that its table does not give; seeds of one group counted in the other."""
    spans, line = (
        bands("nano"),
        next(r for r in PAGE.read_text().splitlines() if r.startswith(f"| {method}, then RL |")),
    )
    wanted, seeds = [], []
    for over in ("NTP", "pre-training"):
        groups = []
        for study in STUDIES:
            rows = table(results.path(study, "nano"))
            mine, theirs = (by_seed(rows, f"{arm} + RL", Score(OOD), spans) for arm in (method, over))
            groups.append(mine - theirs)
        seeds = [set(each.index) for each in groups]
        wanted += [told(each) for each in (*groups, pd.concat(groups))]
    assert [list(each) for each in re.findall(NUMBER, line)] == wanted
    assert len(seeds[0]) == len(seeds[1]) == 8 and not seeds[0] & seeds[1]
    assert np.isfinite([float(number) for each in wanted for number in each]).all()


@pytest.mark.parametrize("method", (*BEST, "ReLIFT", "RPT", "pre-training", "NTP"))
def test_where_leads_over_ntp_lie_is_what_the_tables_say(method):
    """Kills: a number of the page that its table does not give; depths or studies exchanged."""
    cells, spans = [], bands("nano")
    for study in STUDIES:
        rows = table(results.path(study, "nano"))
        for low, high in ((5, 7), (8, 9), (10, 11)):
            if f"{method} + RL" not in set(rows["arm"]):
                cells.append("")
                continue
            asked = [Score(f"zoo-ops{n}") for n in range(low, high + 1)]
            own, ntp = (
                np.mean([by_seed(rows, f"{arm} + RL", each, spans) for each in asked]) for arm in (method, "NTP")
            )
            cells.append(f"{own:.2f}" + (f" ({own - ntp:+.2f})" if method != "NTP" else ""))
    page = PAGE.read_text()
    section = page[page.index("**Where the leads") : page.index("Not established: that RLP")]
    (line,) = [each for each in section.splitlines() if each.startswith(f"| {method} |")]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == cells


def test_ntp_works_rightly_below_the_edge_and_then_gives_a_wrong_answer():
    """Kills: what the page says of the answer's token, of another arm or depth; full texts that lose it too."""
    rows = pd.DataFrame(load("midtraining/leaderboard", "nano").rows)
    rows = rows[rows["exam"] == "zoo-ops5"].set_index("arm")
    names = [name for name in rows.columns if name.endswith("_nats")]
    assert len(names) == 7
    nats = rows[names].map(np.mean).groupby("arm").mean()
    others = nats.drop(columns="answer_nats").sum(axis=1)
    assert f"{nats.answer_nats['NTP']:.2f}" == "0.67" and others["NTP"] < 0.055
    assert f"{nats.answer_nats['NTP + RL']:.2f}" == "0.28" and nats.answer_nats["NTP, full texts"] < 0.005


def test_withdrawal_of_unsolved_problems_is_the_boards_but_for_what_unsolved_means():
    """Kills: another difference to the board's withdrawal; a board that gains or changes an arm; controls of another
    study or other seeds."""
    nano = SCALES["nano"]
    asked, known = unsolved.study(nano), {arm.name: arm for arm in confirmation.study(nano).arms}
    arms = {arm.name: arm for arm in asked.arms}
    for then in ("", " + RL"):
        mine, theirs = arms[f"{unsolved.NEW}{then}"], arms[f"{unsolved.OLD}{then}"]
        stages, at = list(theirs.recipe.stages), len(asked.base.stages)
        assert stages[at].judged == "text"
        stages[at] = replace(stages[at], judged="solution")
        assert mine.recipe == replace(theirs.recipe, stages=tuple(stages)) and mine.budget == theirs.budget
        assert theirs == known[theirs.name] and arms[f"pre-training{then}"] == known[f"pre-training{then}"]
    assert asked.seeds == confirmation.SEEDS and len(arms) == 6
    assert unsolved.NEW not in {arm.name for arm in leaderboard.study(nano).arms}


def test_the_page_on_unsolved_problems_and_interleaving_says_what_their_tables_do():
    """Kills: a number or a verdict of the page that the tables do not give; seeds that are not the confirmation's."""
    page = PAGE.read_text()
    section = page[page.index("## Withdrawal of unsolved problems") : page.index("## Three times the RL")]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "*holds*" in line]
    verdicts = [
        verdict
        for study in (unsolved, interleaving)
        for verdict in decide(study.CLAIMS, load(study.study(SCALES["nano"]).name, "nano"), bands("nano"))
    ]
    assert len(rows) == len(verdicts) == 4
    for row, verdict in zip(rows, verdicts, strict=True):
        (part,) = verdict.measured
        assert f"{part.mean:+.3f} ({part.low:+.3f} to {part.high:+.3f})" in row and verdict.verdict == "holds"
        assert part.seeds == confirmation.SEEDS
    arms = {name: by_seed(table(results.path("midtraining/interleaving", "nano")), name, EDGE, bands("nano"))
            for name in ("base", "NTP", "interleaving")}  # fmt: skip
    for name, span in {name: f"{a.min():.2f} to {a.max():.2f}" for name, a in arms.items()}.items():
        assert span in section, name


def test_the_page_on_longer_rl_says_what_its_table_does():
    """Kills: a number, gain or verdict of the page that the table does not give; a range of steps of other arms."""
    page = PAGE.read_text()
    section = page[page.index("## Three times the RL") : page.index("## Where thinking pays")]
    verdicts = decide(longer_rl.CLAIMS, load("midtraining/longer_rl", "nano"), bands("nano"))
    rows = [line for line in section.splitlines() if re.search(r"\*(holds|open)\*", line)]
    assert len(rows) == len(verdicts) == 7
    for row, verdict in zip(rows, verdicts, strict=True):
        (part,) = verdict.measured
        assert f"| {verdict.claim.name} | {part.mean:+.3f} ({part.low:+.3f} to {part.high:+.3f}) |" in row
        assert f"*{verdict.verdict}*" in row and (not verdict.seeds_needed or f"{verdict.seeds_needed} seeds" in row)
    frame, span = table(results.path("midtraining/longer_rl", "nano")), bands("nano")
    for name in longer_rl.ROWS:
        scores = [by_seed(frame, f"{name} + {then}", Score(OOD), span).mean() for then in ("RL", "3 RL")]
        hard = [by_seed(frame, f"{name} + {then}", Score("hard", 128), span).mean() for then in ("RL", "3 RL")]
        cells = [*(f"{x:.2f}" for x in scores), f"{scores[1] - scores[0]:+.2f}", *(f"{x:.2f}" for x in hard)]
        assert f"| {name} | {' | '.join(cells)} |" in section
    steps = {}
    for row in load_curves("midtraining/longer_rl", "nano"):
        last = row["stage"] - (row["arm"] == "withdrawal + 3 RL")  # RL and longer RL come one stage later there
        steps.setdefault((row["arm"], row["seed"]), {}).setdefault(last, []).append(row["step"])
    after = [sum(max(v) for at, v in own.items() if at > 3) for (arm, _), own in steps.items() if arm.endswith("3 RL")]
    assert f"{min(after)} to {max(after)} steps" in section
