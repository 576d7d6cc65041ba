"""How a claim of a paper, or a study's own prediction, is decided from what was measured: by the rule of the study.

The claims of a topic stand in ``studies/<topic>/claims.py``, in a tuple CLAIMS. A claim is decided by the RULE in its
study's file; the words there and the code here must agree. Where a study has no rule for a claim, the claim carries one
(``rule``), written before any nano table of that study was read, or beginning with AFTER. No rule says what the code
adds: fewer than FEWEST seeds decide nothing, and where no arm reaches VISIBLE a comparison needs scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from interlude.studies.results import Results, numbers
from interlude.studies.stats import Estimate, difference

HOLDS, FAILS, BETTER, WORSE, SCALE, CONFOUNDED, OPEN, FEW_SEEDS, NOT_RUN = VERDICTS = (
    "holds", "does not hold", "better", "worse", "needs scale", "confounded in the original", "not established",
    "not established (too few seeds)", "not run",
)  # fmt: skip
FEWEST = 3  # seeds that can decide: two that agree by chance have an interval of no width
VISIBLE = 0.0005  # what rounds to nothing at three decimals
T = "Student's t interval over seeds"  # how rules begin
AFTER = "Written after the run: "  # how those begin that were, whatever they say
COMMON = "zoo"  # the world that every study's models know best

Bands = dict[str, tuple[int, int]]  # ID, edge and hard to fewest and most operations
Part = tuple[str, Estimate]  # what was measured


@dataclass(frozen=True)
class Finding:
    """A verdict (one of VERDICTS), the estimates it rests on, and a remark."""

    verdict: str
    parts: tuple[Part, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """The rows of the arms that a claim compares, for the seeds that all of them have, and their training curves."""

    found: Results
    bands: Bands
    curves: tuple[dict, ...] = ()

    def scores(self, arm: str, band: str, k: int, world: str = COMMON) -> np.ndarray:
        """Exact strict pass@k of every seed and problem (SP) of a band."""
        return self.found.pooled(arm, self.found.within(self.bands[band], world), k)

    def logp(self, arm: str, band: str) -> np.ndarray:
        """Log-probability, in nats, of every seed's worked solution of every problem (SP) of a band."""
        exams = self.found.within(self.bands[band], COMMON)
        return np.concatenate(
            [np.array([numbers(row["logp"]) for row in self.found.of(arm, exam)]) for exam in exams], axis=1
        )

    def gain(self, arm: str, over: str, band: str, k: int, world: str = COMMON) -> Estimate:
        """Difference of two arms in pass@k over a band."""
        return difference(self.scores(arm, band, k, world), self.scores(over, band, k, world))


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, one control or open question that it leaves, or one prediction of a study.

    published: the paper's numbers and their place. arms: those compared; a seed counts if it has them all. judge: the
    rule as code. rule: the rule in words where the study's file has none for this claim.
    """

    name: str
    says: str
    published: str
    study: str
    arms: tuple[str, ...]
    judge: Callable[[Evidence], Finding]
    rule: str = ""


def decide(claim: Claim, found: Results | None, bands: Bands, curves: tuple[dict, ...] = ()) -> Finding:
    """What a study's table says of a claim. found: None where the study was never run at this scale."""
    if found is None:
        return Finding(NOT_RUN)
    absent = [arm for arm in claim.arms if arm not in found.arms]
    if absent:
        return Finding(NOT_RUN, note=f"no arm {absent[0]!r} yet")
    seeds = set.intersection(*({row["seed"] for row in found.rows if row["arm"] == arm} for arm in claim.arms))
    if not seeds:
        return Finding(NOT_RUN, note="no seed has all arms yet")
    rows = tuple(row for row in curves if row["arm"] in claim.arms and row["seed"] in seeds)
    made = claim.judge(Evidence(found.common(*claim.arms), bands, rows))
    decided = made.verdict in (HOLDS, FAILS, BETTER, WORSE, CONFOUNDED, OPEN)
    return replace(made, verdict=FEW_SEEDS) if len(seeds) < FEWEST and decided else made


# Arithmetic


def by_seed(a_S, b_S, problems: int) -> Estimate:
    """The mean difference of two lists with one number a seed, which rest on so many problems."""
    a_S1, b_S1 = (np.asarray(each, dtype=np.float64)[:, None] for each in (a_S, b_S))
    return replace(difference(a_S1, b_S1), problems=problems)


def verdict(holds: bool, fails: bool) -> str:
    return HOLDS if holds else FAILS if fails else OPEN


def sign(parts: list[Part]) -> str:
    """Holds if every interval lies above zero, does not if one lies below."""
    return verdict(all(e.low > 0 for _, e in parts), any(e.high < 0 for _, e in parts))


def signed(parts: list[Part]) -> Finding:
    return Finding(sign(parts), tuple(parts))
