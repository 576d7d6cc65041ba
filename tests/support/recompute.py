"""A second opinion on a study's claims from its CSV alone, with pandas and scipy and none of our statistics.

``recomputed(csv, claims, bands)`` does over again what ``studies.verdicts.decide`` says of a table; a study's test
compares the two with ``agree``. Nothing here imports ``studies.stats``, ``evidence`` or ``results``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import optimize, stats

LEVEL, FEWEST, VISIBLE = 0.05, 3, 0.0005
GRAPHS = 50  # different ones, that a band's exam has; 0 in a table: not recorded


def pass_at_k(row: pd.Series, k: int, score: str) -> np.ndarray:
    """pass@k of every problem of a row: exact from log-probabilities, else from counts, by the hypergeometric law.
    Other scores are columns with a number a problem."""
    if score not in ("strict", "answer"):
        return np.fromstring(row[score], sep=" ")
    if row.kind == "exact":
        return 1 - (1 - np.exp(np.fromstring(row.logp, sep=" "))) ** k
    counts = np.fromstring(row["correct" if score == "answer" else score], sep=" ").astype(int)
    return 1 - stats.hypergeom(row.samples, counts, k).pmf(0)


def table(csv) -> pd.DataFrame:
    return pd.read_csv(csv, comment="#", keep_default_na=False)


def band(rows: pd.DataFrame, score, bands: dict) -> pd.DataFrame:
    """The rows that a score is taken from."""
    if score.on in set(rows.exam):
        return rows[rows.exam == score.on]
    beyond = score.on == "OOD"
    low, high = (bands["ID"][1] + 1, bands["hard"][1]) if beyond else bands[score.on]
    exact = rows[(rows.kind == "exact") & (rows.world == score.world)]
    ops = pd.to_numeric(exact.ops, errors="coerce")
    inside = exact[(ops >= low) & (ops <= high)]
    varied = inside[(inside.structures == 0) | (inside.structures >= GRAPHS)]
    return inside if varied.empty else varied


def by_seed(rows: pd.DataFrame, arm: str, score, bands: dict) -> pd.Series:
    """An arm's mean score of each seed."""
    own = band(rows[rows.arm == arm], score, bands)
    return own.groupby("seed").apply(
        lambda part: np.concatenate([pass_at_k(row, score.k, score.score) for _, row in part.iterrows()]).mean(),
        include_groups=False,
    )


def compared(rows: pd.DataFrame, comparison, bands: dict) -> dict:
    """The seeds' differences of one comparison; seeds whose arms have different machines are left out."""
    own = rows[rows.arm.isin(comparison.arms)]
    where = own.groupby(["seed", "arm"]).machine.first().unstack().reindex(columns=list(comparison.arms)).dropna()
    same = where.index[where.nunique(axis=1) == 1]
    own = own[own.seed.isin(same)]
    each = [(weight, by_seed(own, arm, score, bands)) for weight, arm, score in comparison.terms]
    gaps = sum(weight * scores for weight, scores in each)
    means = [scores.mean() for _, scores in each]
    rates = all(score.score in ("strict", "answer") for _, _, score in comparison.terms)
    idle = rates and (max(means) < VISIBLE or min(means) > 1 - VISIBLE)
    return {
        "gaps": gaps,
        "unpaired": tuple(where.index.difference(same)),
        "idle": idle,
        "direction": comparison.direction,
    }


def holm(p: list[float]) -> np.ndarray:
    """Step down: each p times the number of those at least as large, never below the one before."""
    ordered = pd.Series(p).sort_values(kind="stable")
    stepped = (ordered * np.arange(len(p), 0, -1)).cummax().clip(upper=1)
    return stepped.sort_index().to_numpy()


def moderate(parts: list[dict]) -> None:
    """Gives comparisons over the same seeds their sd and df by empirical Bayes (Smyth 2004): the law of the true
    variances is fitted by the first two moments of log F, whose law scipy gives where Smyth writes out trigammas."""
    gaps = pd.concat([part["gaps"] for part in parts], axis=1)
    own, d = gaps.var(ddof=1).to_numpy(), len(gaps) - 1
    df, drawn = np.full(len(own), float(d)), own
    if len(own) > 1 and own.any():
        eigenvalues = np.linalg.eigvalsh(gaps.cov().to_numpy())
        most = d * eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        logs = np.log(own.clip(min=1e-5 * max(np.median(own), 1e-5 * own.max())))
        # A variance is a true one times chi2(d) / d; the true one is prior / (chi2(d0) / d0).
        noise = stats.loggamma(d / 2)
        excess = logs.var(ddof=1) - noise.var()
        drawn, df = np.full(len(own), own.mean()), np.full(len(own), most)
        if excess > 0:
            found = optimize.root_scalar(
                lambda log: np.log(stats.loggamma(np.exp(log)).var() / excess), bracket=(-25, 25)
            )
            half = np.exp(found.root)
            prior = np.exp(logs.mean() - (noise.mean() - np.log(d / 2)) + stats.loggamma(half).mean() - np.log(half))
            drawn, df = (2 * half * prior + d * own) / (2 * half + d), np.full(len(own), min(2 * half + d, most))
    for part, variance, free in zip(parts, drawn, df, strict=True):
        part["sd"], part["df"] = float(np.sqrt(variance)), float(free)


def recomputed(csv, claims, bands: dict) -> list[dict]:
    """Of each claim: its verdict, and the mean, interval and corrected p values of each of its comparisons."""
    rows = table(csv)
    there = set(rows.arm)
    run = [claim for claim in claims if set(claim.arms) <= there]
    parts = [(claim, compared(rows, each, bands)) for claim in run for each in claim.comparisons]
    pools: dict[tuple, list] = {}
    for nth, (claim, part) in enumerate(parts):
        pools.setdefault((claim.pool or nth, *part["gaps"].index), []).append(part)
    for pool in pools.values():
        moderate(pool)
    for claim, part in parts:
        gaps, n = part["gaps"], len(part["gaps"])
        part["mean"], error = float(gaps.mean()), part["sd"] / np.sqrt(n)
        beyond = claim.margin if part["direction"] == "within" else 0.0
        away = max(0.0, abs(part["mean"]) - beyond)
        if error == 0:  # seeds that do not differ at all: nothing is left to chance
            part["low"] = part["high"] = part["mean"]
            part["raw"], part["raw_equal"] = float(away == 0), float(abs(part["mean"]) >= claim.margin)
            continue
        part["low"], part["high"] = stats.t.interval(0.95, part["df"], part["mean"], error)
        part["raw"] = 2 * stats.t.sf(away / error, part["df"])
        upper = stats.t.cdf((part["mean"] - claim.margin) / error, part["df"])
        lower = stats.t.sf((part["mean"] + claim.margin) / error, part["df"])
        part["raw_equal"] = max(upper, lower)
    signs = holm([part["raw"] for _, part in parts])
    equals = holm([part["raw_equal"] for _, part in parts])
    for (_, part), sign, equal in zip(parts, signs, equals, strict=True):
        part |= {"p": sign, "p_equal": equal, "verdict": verdict(part, sign < LEVEL, equal < LEVEL)}
    found, at = [], 0
    for claim in claims:
        if claim not in run:
            found.append({"claim": claim.name, "verdict": "not run", "parts": []})
            continue
        own = [part for _, part in parts[at : at + len(claim.comparisons)]]
        at += len(own)
        said = [part["verdict"] for part in own]
        whole = "does not hold" if "does not hold" in said else "holds" if set(said) == {"holds"} else "open"
        found.append({"claim": claim.name, "verdict": whole, "parts": own})
    return found


def verdict(part: dict, apart: bool, equal: bool) -> str:
    """Of one comparison."""
    if part["idle"] or len(part["gaps"]) < FEWEST:
        return "open"
    if part["direction"] == "within":
        return "holds" if equal else "does not hold" if apart else "open"
    claimed = (part["mean"] > 0) == (part["direction"] == "above")
    if apart:
        return "holds" if claimed else "does not hold"
    return "does not hold" if equal else "open"


def agree(csv, claims, bands: dict, verdicts) -> None:
    """Asserts that ours and the second opinion are the same: every verdict, mean, interval and p value."""
    again = recomputed(csv, claims, bands)
    assert [row["verdict"] for row in again] == [verdict.verdict for verdict in verdicts]
    for row, ours in zip(again, verdicts, strict=True):
        assert row["claim"] == ours.claim.name and len(row["parts"]) == len(ours.measured)
        for part, measured in zip(row["parts"], ours.measured, strict=True):
            assert tuple(part["gaps"].index) == measured.seeds and part["unpaired"] == measured.unpaired
            assert part["verdict"] == measured.verdict
            for name in ("mean", "low", "high", "sd", "df", "p", "p_equal"):
                ours_, theirs = getattr(measured, name), part[name]
                assert abs(ours_ - theirs) < 1e-9 + 1e-6 * abs(theirs), (row["claim"], name, ours_, theirs)
