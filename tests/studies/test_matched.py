"""Rewards judged along their training: curves whose answer is known, and the page's tables recomputed from the CSVs."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from crafted import curve_rows
from recompute import by_seed, table
from scipy import stats

from interlude.studies import matched, places
from interlude.studies.verdicts import Score

PAGE = (places.COMMITTED.parent / "interplay" / "README.md").read_text()
HARD = {"hard": (10, 11)}


def points(arm: str, seed: int, answers, strict, stage: int = 4) -> list[dict]:
    """One seed's curve through these shares of right answers and of strictly right responses."""
    made = curve_rows((arm,), (seed,), points=len(answers), stages=(stage,))
    return [row | {"answer": a, "strict": s} for row, a, s in zip(made, answers, strict, strict=True)]


def test_the_last_steps_are_those_of_the_last_quarter():
    """Kills: the last point alone; the whole stage; an earlier stage of the arm; arms exchanged."""
    rows = []
    for seed, more in ((3, 0.0), (4, 0.2)):
        rows += points("ours", seed, [0.5] * 8, [0, 0, 0, 0, 0, 1, 0.5, 0.7 + more])
        rows += points("ours", seed, [0.9] * 8, [1] * 8, stage=3)
        rows += points("theirs", seed, [0.5] * 8, [1, 1, 1, 1, 1, 1, 0.1, 0.3])
    late = matched.judged(rows[::-1], "ours", "theirs").late
    assert late.mean == pytest.approx((0.4 + 0.5) / 2) and late.seeds == 2
    reach = stats.t.ppf(0.975, 1) * np.std([0.4, 0.5], ddof=1) / 2**0.5
    assert (late.low, late.high) == pytest.approx((late.mean - reach, late.mean + reach))


def test_a_rate_is_first_reached_between_two_points():
    """Kills: the nearest point for the crossing; the last crossing for the first; the lower of the two rates; a rate
    that only one arm reaches; a curve that is not smoothed, or over another width."""
    answers, strict = np.array([0.2, 0.4, 0.8, 0.5, 0.9]), np.array([0.1, 0.2, 0.6, 0.3, 0.7])
    assert matched.first_reached(0.5, answers, strict) == pytest.approx(0.3)
    assert matched.first_reached(0.2, answers, strict) == pytest.approx(0.1)
    other = np.array([0.2, 0.6, 0.5, 0.4, 0.3]), np.array([0.0, 0.2, 0.2, 0.1, 0.9])
    assert matched.at_common_rate((answers, strict), other) == pytest.approx((0.6, 0.4, 0.2))
    assert matched.at_common_rate(other, (answers, strict)) == pytest.approx((0.6, 0.2, 0.4))
    tied = np.array([0.2, 0.3, 0.25, 0.5]), np.array([0.0, 0.4, 0.3, 0.9])  # Kills: a share equal but for its last bits
    assert matched.at_common_rate(tied, (np.array([0.1, 0.1 + 0.2]), np.zeros(2)))[1] == pytest.approx(0.4)
    share = np.array([0.1, 0.2, 0.3, 0.6, 1.0])
    assert matched.smoothed(share, np.array([1.0, 2, 6, 4, 5]), 0.25) == pytest.approx([1.5, 3, 4, 4, 5])


def test_a_seed_without_a_common_rate_is_named():
    """Kills: a seed dropped in silence; one counted at a rate that an arm began above."""
    rows = points("ours", 3, [0.2, 0.4], [0.1, 0.3]) + points("theirs", 3, [0.3, 0.6], [0.0, 0.3])
    rows += points("ours", 4, [0.2, 0.4], [0.1, 0.3]) + points("theirs", 4, [0.5, 0.6], [0.0, 0.3])
    rows += points("ours", 5, [0.3, 0.5], [0.1, 0.3]) + points("theirs", 5, [0.3, 0.6], [0.0, 0.3])
    found = matched.judged(rows, "ours", "theirs", window=0.1)
    assert found.without == (4,) and found.matched.seeds == 2 and found.late.seeds == 3
    assert found.rate == pytest.approx(0.45) and found.matched.mean == pytest.approx(((0.3 - 0.1) + (0.3 - 0.2)) / 2)
    with pytest.raises(ValueError, match="'ours' and 'theirs' reach"):
        matched.judged([row for row in rows if row["seed"] == 4], "ours", "theirs", window=0.1)
    with pytest.raises(ValueError, match="both 'ours' and 'nobody'"):
        matched.judged(rows, "ours", "nobody")


def again(study: str, scale: str, arm: str, over: str, window: float = 0.25) -> list[float]:
    """The numbers of a line of the page from the CSV, with pandas: crossings on a fine grid, intervals by scipy."""
    csv = pd.read_csv(places.curves_path(study, scale, places.COMMITTED), comment="#", keep_default_na=False)
    late, common, rates, without = [], [], [], []
    for seed, own in csv.groupby("seed"):
        ends, reached = [], {}
        for each in (arm, over):
            curve = own[own.arm == each].sort_values("share")
            ends.append(curve[curve.share > 0.75].strict.mean())
            near = np.abs(np.subtract.outer(curve.share.to_numpy(), curve.share.to_numpy())) <= window / 2
            smooth = near @ curve[["answer", "strict"]].to_numpy() / near.sum(1, keepdims=True)
            fine = np.linspace(0, len(curve) - 1, 5000 * (len(curve) - 1) + 1)  # the points are among them
            reached[each] = [np.interp(fine, np.arange(len(curve)), column) for column in smooth.T]
        late.append(ends[0] - ends[1])
        rate = min(answers.max() for answers, _ in reached.values())
        if max(answers[0] for answers, _ in reached.values()) > rate + 1e-9:
            without.append(str(seed))
            continue
        first = [strict[np.argmax(answers >= rate - 1e-9)] for answers, strict in reached.values()]
        common.append(first[0] - first[1])
        rates.append(rate)
    made = []
    for gaps in (late, common):
        middle = np.mean(gaps)
        made += [middle, *stats.t.interval(0.95, len(gaps) - 1, middle, stats.sem(gaps))]
    return [*made, np.mean(rates)], without


ROWS = [(where, pair) for where, pairs in matched.COMPARED.items() for pair in pairs]


@pytest.mark.parametrize(("where", "pair"), ROWS, ids=[f"{scale} {a}-{b}" for (_, scale), (a, b) in ROWS])
def test_the_page_says_what_the_curves_say(where, pair):
    """Kills: a number of the page that its curves do not give; ours that a second opinion does not share; a seed left
    out and not named."""
    (line,) = [each for each in matched.lines(*where) if each.startswith(f"| {pair[0]} - {pair[1]} |")]
    if where[0] == "interplay/reward_guessing":  # the page has both moduli in one table
        line = f"| modulo {7 if where[1] == 'nano' else 3}: {line[2:]}"
    assert line in PAGE.splitlines()
    numbers, without = again(*where, *pair)
    *cells, left_out = [cell.strip() for cell in line.strip("|").split("|")][1:]
    printed = [float(number) for cell in cells for number in re.findall(r"[-+]?\d+\.\d+", cell)]
    assert printed == pytest.approx([*numbers[:6], numbers[6]], abs=6e-3) and left_out == ", ".join(without)
    assert printed[:6] == pytest.approx(numbers[:6], abs=6e-4)


def test_the_page_says_how_wide_a_window_its_differences_bear():
    """Kills: a window at which the page's one difference is not what it says."""
    text = " ".join(PAGE.split())
    for word, window in (("a tenth", 0.1), ("half", 0.5)):
        (_, _, _, *found, _), _ = again("interplay/process_reward", "nano", "strict, edge", "answer, edge", window)
        assert f"{word} {found[0]:+.3f} ({found[1]:+.3f} to {found[2]:+.3f})" in text
    where, pairs = ("interplay/reward_guessing", "nano-guessable"), (("printed", "answer"), ("printed", "answer, fast"))
    means = [again(*where, *pair, window)[0][3] for pair in pairs for window in (0.1, 0.5)]
    assert f"in the mean, {min(means):+.3f} to {max(means):+.3f} with running means over a tenth and over half" in text


def test_the_page_says_how_far_the_answers_reward_carries_beyond_its_data():
    """Kills: the edge for the hard band; pass@1 for pass@128; a table that was run again without the page."""
    rows, text = table(places.path("interplay/process_reward", "nano", places.COMMITTED)), " ".join(PAGE.split())
    for over in ("strict", "printed"):
        said = []
        for k in (1, 128):
            gaps = by_seed(rows, "answer, edge", Score("hard", k), HARD) - by_seed(
                rows, f"{over}, edge", Score("hard", k), HARD
            )
            low, high = stats.t.interval(0.95, len(gaps) - 1, gaps.mean(), stats.sem(gaps))
            said.append(f"{gaps.mean():+.3f} ({low:+.3f} to {high:+.3f})")
            assert len(gaps) == 8
        assert f"over {over} {said[0]} in pass@1 and {said[1]} in pass@128" in text
