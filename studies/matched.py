"""Rewards judged along their training: strict rates over the last steps, and where two arms give as many right answers.

From training curves, so of problems and responses of the training itself. Axes: S seeds, T points of a curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interlude.studies.places import FOLDER
from interlude.studies.results import load_curves
from interlude.studies.stats import Estimate, difference

LATE = 0.75  # of a stage's FLOPs: what follows are its last steps
WINDOW = 0.25  # of a stage's FLOPs: the width of the running mean
TIE = 1e-9  # shares are of some hundred responses, so that equal ones are common; their means differ in the last bits
STEPS = ("printed", "released", "strict", "dense")
# What the page compares: study and scale, and pairs of a reward for steps and one for the answer, on the same problems.
COMPARED = {
    ("interplay/process_reward", "nano"): tuple((f"{k}, {f}", f"answer, {f}") for f in ("edge", "hard") for k in STEPS),
    ("interplay/reward_guessing", "nano-guessable"): (("printed", "answer"), ("printed", "answer, fast")),
    ("interplay/reward_guessing", "nano"): (("printed", "answer"), ("printed", "answer, fast")),
}


@dataclass(frozen=True)
class Judged:
    """One arm less another in the share of strictly right responses, paired by seed.

    late: over the last steps. matched: where each first reaches ``rate``, the highest share of right answers that both
    reach (a mean over seeds). without: the seeds that have no such rate, and are not in ``matched``.
    """

    late: Estimate
    matched: Estimate
    rate: float
    without: tuple[int, ...]


def judged(rows: list[dict], arm: str, over: str, window: float = WINDOW) -> Judged:
    """Compare two arms over the seeds that both have. rows: as of ``results.load_curves``; of each arm its last stage
    counts. Raises ValueError where no seed has both arms, or none a common rate."""
    seeds = sorted(set.intersection(*({row["seed"] for row in rows if row["arm"] == each} for each in (arm, over))))
    if not seeds:
        raise ValueError(f"no seed has training curves of both {arm!r} and {over!r}")
    late_S2, matched, without = [], [], []
    for seed in seeds:
        both = [curve(rows, each, seed) for each in (arm, over)]
        late_S2.append([strict_T[share_T > LATE].mean() for share_T, _, strict_T in both])
        found = at_common_rate(
            *((smoothed(s, answer, window), smoothed(s, strict, window)) for s, answer, strict in both)
        )
        if found is None:
            without.append(seed)
        else:
            matched.append(found)
    if not matched:
        raise ValueError(f"at no seed is there a rate of right answers that both {arm!r} and {over!r} reach")
    rate_S, ours_S, theirs_S = np.array(matched).T
    matched_ = difference(ours_S[:, None], theirs_S[:, None])
    late_S2 = np.array(late_S2)
    return Judged(difference(late_S2[:, :1], late_S2[:, 1:]), matched_, float(rate_S.mean()), tuple(without))


def curve(rows: list[dict], arm: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of an arm's last stage, at each of its points the share of FLOPs spent, of right answers, and of strictly right
    responses (T)."""
    own = [row for row in rows if (row["arm"], row["seed"]) == (arm, seed)]
    last = max(row["stage"] for row in own)
    points = sorted((row["share"], row["answer"], row["strict"]) for row in own if row["stage"] == last)
    share_T, answer_T, strict_T = np.array(points).T
    return share_T, answer_T, strict_T


def smoothed(share_T: np.ndarray, values_T: np.ndarray, window: float) -> np.ndarray:
    """The mean of the points at most half a window away; at the ends of the stage there are fewer."""
    return np.array([values_T[np.abs(share_T - at) <= window / 2].mean() for at in share_T])


def at_common_rate(ours, theirs) -> tuple[float, float, float] | None:
    """The highest rate that both arms reach and the strict share of each where it first reaches it, between points by
    a straight line. ours, theirs: a pair of curves (T), of right answers and of strictly right responses. None where
    one arm has more right answers from the start than the other ever has: no rate is common."""
    rate = min(answer_T.max() for answer_T, _ in (ours, theirs))
    if any(answer_T[0] > rate + TIE for answer_T, _ in (ours, theirs)):
        return None
    return float(rate), *(first_reached(rate, answer_T, strict_T) for answer_T, strict_T in (ours, theirs))


def first_reached(rate: float, answer_T: np.ndarray, strict_T: np.ndarray) -> float:
    """The strict share where the share of right answers first reaches a rate, which it does not begin above."""
    after = int(np.argmax(answer_T >= rate - TIE))
    if after == 0:
        return float(strict_T[0])
    before = after - 1
    along = (rate - answer_T[before]) / (answer_T[after] - answer_T[before])
    return float(strict_T[before] + along * (strict_T[after] - strict_T[before]))


def lines(study: str, scale: str, folder: Path = FOLDER) -> Iterator[str]:
    """The page's table of a study, a line a pair of arms. Raises FileNotFoundError where it has no training curves."""
    rows = load_curves(study, scale, folder)
    for arm, over in COMPARED[study, scale]:
        found = judged(rows, arm, over)
        without = ", ".join(map(str, found.without))
        yield f"| {arm} - {over} | {said(found.late)} | {said(found.matched)} | {found.rate:.2f} | {without} |"


def said(estimate: Estimate) -> str:
    """A mean and its 95 % interval, as the page writes them."""
    return f"{estimate.mean:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


if __name__ == "__main__":
    for where in COMPARED:
        print(*where, *lines(*where), sep="\n")
