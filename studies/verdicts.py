"""What a study's table decides of each claim: it holds, it does not hold, or it is open, and what deciding would take.

A claim stands in its study's file beside RULE, in the tuple CLAIMS: one declared family, over which p-values are
Holm-corrected. A comparison is a difference between arms, paired by seed; seeds are the unit.

Holds: the claimed sign is established by a two-sided t test over seeds at 5 %. Does not hold: the opposite sign is
established, or equivalence is, by both one-sided tests (TOST, Schuirmann 1987) against the claim's margin, the smallest
difference that matters, at 5 %. Open: neither; then the half-width is given and, where fewer have run, the number of
seeds that would find a difference of the margin with 80 % power at two-sided 5 %, were nothing corrected. The highest
mean decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import stats

from interlude.studies.evidence import COMMON, VISIBLE, Bands, pairing, values
from interlude.studies.refusal import Refused
from interlude.studies.results import Results
from interlude.studies.stats import holm, moderated, resampled_sums, seeds_needed

HOLDS, FAILS, OPEN, NOT_RUN = VERDICTS = ("holds", "does not hold", "open", "not run")
NO_TABLE = "the study has no table yet"
LEVEL = 0.05
# Rules that say "pooled" were written when a pool's comparisons shared one variance; since 2026-11-28 it is moderated.
FEWEST = 3  # seeds that can decide: two that agree by chance have an interval of no width
CONFIRMATORY = 8  # fewer seeds are labelled exploratory
MARGIN = 0.05
RESAMPLES = 2000
OOD = "OOD"  # every number of operations beyond the band, up to the hard band's last: what pre-training did not show


@dataclass(frozen=True)
class Score:
    """What arms are compared in: a score on a band of exact exams of a world, on all of them beyond the first band
    (``OOD``), or on one exam by its name. Bands are without exams of too few structures (``Results.band``).

    score: "strict" or "answer" for pass@k, else a measure with a number a problem, by its column's name.
    """

    on: str
    k: int = 1
    score: str = "strict"
    world: str = COMMON

    def exams(self, table: Results, bands: Bands) -> tuple[str, ...]:
        """The exams it is taken from. Raises KeyError where the table has none."""
        exams = (self.on,) if self.on in table.exams else ()
        spans = bands | {OOD: (bands["ID"][1] + 1, bands["hard"][1])} if bands else bands
        if not exams and self.on in spans:
            exams = tuple(table.band(spans[self.on], self.world))
        if not exams:
            raise KeyError(f"{table.study} at {table.scale} has neither an exam nor a band {self.on!r} in {self.world}")
        return exams

    @property
    def words(self) -> str:
        what = f"pass@{self.k}" if self.score == "strict" else self.score + f" pass@{self.k}" * (self.score == "answer")
        return f"{self.on} {what}" + f", {self.world}" * (self.world != COMMON)


@dataclass(frozen=True)
class Comparison:
    """A sum of scores of arms, each with a weight; the weights of a difference add up to zero.

    direction: what is claimed of it: "above" or "below" zero, or "within" the margin of it.
    """

    terms: tuple[tuple[float, str, Score], ...]
    direction: str = "above"
    name: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("above", "below", "within"):
            raise ValueError(f"Comparison.direction must be above, below or within, got {self.direction!r}")
        if len(self.terms) < 2 or abs(sum(weight for weight, _, _ in self.terms)) > 1e-9:
            raise ValueError("Comparison.terms must be two or more whose weights add up to zero")

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(arm for _, arm, _ in self.terms))

    @property
    def words(self) -> str:
        if self.name:
            return self.name
        return " ".join(f"{'+' if w > 0 else '-'} {abs(w):g} {arm} ({s.words})" for w, arm, s in self.terms)


@dataclass(frozen=True)
class Claim:
    """One claim, of a paper or of ours: it holds where all its comparisons do, and does not where one does not.

    name: what is claimed, in words. published, place: the paper's numbers and where they stand (arXiv id, figure or
    table); both empty for a claim of our own. margin: the smallest difference that matters. pool: the variances of
    comparisons of claims with the same name here, differences of like scores, inform each other (``stats.moderated``);
    "" has its own alone.
    """

    name: str
    comparisons: tuple[Comparison, ...]
    published: str = ""
    place: str = ""
    margin: float = MARGIN
    pool: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.comparisons or not self.margin > 0:
            raise ValueError(f"Claim {self.name!r} needs a name, a comparison and a margin above 0")
        if bool(self.published) != bool(self.place):
            raise ValueError(f"Claim {self.name!r} must say both what was published and where, or neither")

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(arm for each in self.comparisons for arm in each.arms))


def minus(arm: str, over: str, on: str, k: int = 1, score: str = "strict", world: str = COMMON) -> Comparison:
    """``arm`` minus ``over`` in one score."""
    both = Score(on, k, score, world)
    return Comparison(((1.0, arm, both), (-1.0, over, both)), name=f"{arm} - {over}, {both.words}")


def more_on(on: str, elsewhere: str, arm: str, over: str, k: int = 1, world: str = COMMON) -> Comparison:
    """What ``arm`` gains over ``over`` on one band or exam, minus what it gains elsewhere."""
    here, there = Score(on, k, world=world), Score(elsewhere, k, world=world)
    terms = ((1.0, arm, here), (-1.0, over, here), (-1.0, arm, there), (1.0, over, there))
    return Comparison(terms, name=f"({arm} - {over}) on {here.words} - on {there.words}")


def gained_more(pair: tuple[str, str], than: tuple[str, str], on: str, k: int = 1, world: str = COMMON) -> Comparison:
    """What the first arm of ``pair`` gains over its second, minus what the first of ``than`` gains over its second."""
    score = Score(on, k, world=world)
    terms = ((1.0, pair[0], score), (-1.0, pair[1], score), (-1.0, than[0], score), (1.0, than[1], score))
    return Comparison(terms, name=f"({pair[0]} - {pair[1]}) - ({than[0]} - {than[1]}), {score.words}")


def more_unsound(arm: str, over: str, exam: str) -> Comparison:
    """How much larger the share of responses with a right answer and a fault in their working is under ``arm``, on a
    sampled exam."""
    answer, strict = Score(exam, score="answer"), Score(exam)
    terms = ((1.0, arm, answer), (-1.0, arm, strict), (-1.0, over, answer), (1.0, over, strict))
    return Comparison(terms, name=f"right answers with wrong working, {arm} - {over}, {exam}")


def rather(arm: str, score: str, over: str, on: str, of: str = "") -> Comparison:
    """One measure of an arm on an exam minus another of its own measures there, or of arm ``of``, in the same unit."""
    terms = ((1.0, arm, Score(on, score=score)), (-1.0, of or arm, Score(on, score=over)))
    name = f"{arm} {score} - {of} {over}, {on}" if of else f"{arm}: {score} - {over}, {on}"
    return Comparison(terms, name=name)


def above(name: str, *comparisons: Comparison, **more) -> Claim:
    """Every comparison lies above zero."""
    return Claim(name, comparisons, **more)


def below(name: str, *comparisons: Comparison, **more) -> Claim:
    """Every comparison lies below zero."""
    return Claim(name, tuple(replace(each, direction="below") for each in comparisons), **more)


def within(name: str, *comparisons: Comparison, **more) -> Claim:
    """Every comparison lies within the margin of zero: that nothing changes is a claim, and needs evidence."""
    return Claim(name, tuple(replace(each, direction="within") for each in comparisons), **more)


def ranked(name: str, arms: Sequence[str], on: str, k: int = 1, score: str = "strict", **more) -> Claim:
    """Each arm lies above the next."""
    pairs = pairwise(arms)
    world = more.pop("world", COMMON)
    return Claim(name, tuple(minus(a, b, on, k, score, world) for a, b in pairs), **more)


def check_claims(claims: object, table: Results, bands: Bands, place: str) -> None:
    """Raises Refused unless ``claims``, the CLAIMS of ``place``, is a tuple of claims about arms, and exams or bands,
    of ``table``: a row for every arm and exam, with what was measured or without it."""
    if not isinstance(claims, tuple) or not all(isinstance(claim, Claim) for claim in claims):
        wrong = claims if not isinstance(claims, tuple) else next(c for c in claims if not isinstance(c, Claim))
        raise Refused(
            f"CLAIMS of {place} must be a tuple of claims, such as (above(...),) with its comma, and holds or is a "
            f"{type(wrong).__name__}"
        )
    for claim in claims:
        for _, arm, score in (term for each in claim.comparisons for term in each.terms):
            rows = tuple(row for row in table.rows if row["arm"] == arm)
            if not rows:
                raise Refused(f"{place}: claim {claim.name!r} names an unknown arm {arm!r}; arms: {words(table.arms)}")
            try:
                score.exams(replace(table, rows=rows), bands)
            except KeyError:
                exams = dict.fromkeys(row["exam"] for row in rows)
                raise Refused(
                    f"{place}: claim {claim.name!r} is on {score.on!r} in world {score.world!r}, where arm {arm!r} has "
                    f"neither an exam nor a band of that name; its exams at {table.scale}: {words(exams)}; "
                    f"bands: {words((*bands, OOD))}"
                ) from None


def words(names: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(names)


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One comparison, measured.

    mean, low, high: with its 95 % Student-t interval over seeds, not corrected for many. resampled_low,
    resampled_high: 95 % bootstrap interval over seeds and problems. gaps: each seed's difference. sd: of them,
    moderated where the claim names a pool, with ``df`` degrees of freedom. unpaired: seeds left out, as their arms ran
    on different machines.
    p, p_equal: of the sign (for "within": of lying beyond the margin) and of equivalence, corrected over the family.
    idle: why it could not have come out otherwise, where no arm is off the floor or ceiling.
    """

    words: str
    direction: str
    mean: float
    low: float
    high: float
    resampled_low: float
    resampled_high: float
    sd: float
    df: float
    seeds: tuple[int, ...]
    gaps: tuple[float, ...]
    problems: int
    unpaired: tuple[int, ...] = ()
    idle: str = ""
    p: float = 1.0
    p_equal: float = 1.0
    verdict: str = OPEN

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Verdict:
    """What was decided of a claim. exploratory: fewer than CONFIRMATORY seeds. seeds_needed: to show a difference of
    the margin with 80 % power, were nothing corrected; None unless the claim is open and takes more than have run."""

    claim: Claim
    verdict: str
    measured: tuple[Measured, ...] = ()
    exploratory: bool = False
    seeds_needed: int | None = None
    note: str = ""

    @property
    def label(self) -> str:
        return self.verdict + " (exploratory)" * self.exploratory


def decide(
    claims: Sequence[Claim], table: Results | None, bands: Bands, among: Sequence[tuple[Claim, Measured]] = ()
) -> list[Verdict]:
    """The verdict on every claim of one family. table: None where the study was never run at this scale. among: what
    ``comparisons`` measured elsewhere, for comparisons of the same family: they count in the correction, and in the
    variances of those on the same seeds."""
    taken = [measure(claim, table, bands) if table is not None else NO_TABLE for claim in claims]
    runs = [(n, each) for n, each in enumerate(taken) if not isinstance(each, str)]
    family = with_p(pooled([*((claims[n], part) for n, parts in runs for part in parts), *among]))
    verdicts, at = [], 0
    for claim, parts in zip(claims, taken, strict=True):
        if isinstance(parts, str):
            verdicts.append(Verdict(claim, NOT_RUN, note=parts))
            continue
        verdicts.append(judged(claim, tuple(family[at : at + len(parts)])))
        at += len(parts)
    return verdicts


def comparisons(claims: Sequence[Claim], table: Results, bands: Bands) -> list[tuple[Claim, Measured]]:
    """Every comparison that can be measured, with its claim; without p values, and with its own variance."""
    taken = [(claim, measure(claim, table, bands)) for claim in claims]
    return [(claim, part) for claim, parts in taken if not isinstance(parts, str) for part in parts]


def measure(claim: Claim, table: Results, bands: Bands) -> list[Measured] | str:
    """The comparisons of a claim without p values, or why they cannot be measured yet."""
    absent = [arm for arm in claim.arms if arm not in table.arms]
    if absent:
        return f"arm {absent[0]!r} has not been run"
    made = []
    for each in claim.comparisons:
        same, unpaired = pairing(table, *each.arms)
        if not same:
            return "in every seed its arms ran on different machines" if unpaired else "no seed has all of its arms"
        arms = set(each.arms)
        kept = tuple(row for row in table.rows if row["arm"] in arms and row["seed"] in same)
        try:
            made.append(compared(each, Results(table.study, table.scale, kept), bands, unpaired))
        except KeyError as absent_exam:
            return absent_exam.args[0]
    return made


def compared(each: Comparison, table: Results, bands: Bands, unpaired: tuple[int, ...]) -> Measured:
    """One comparison over the seeds of ``table``."""
    tables: dict[tuple, np.ndarray] = {}  # by the problems they are about: seeds by problems
    scores = []
    for weight, arm, score in each.terms:
        exams = score.exams(table, bands)
        values_SP = values(table, arm, exams, score.k, score.score)
        scores.append((score, values_SP))
        tables[exams] = tables.get(exams, 0.0) + weight * values_SP
    gaps_S = np.sum([each_SP.mean(1) for each_SP in tables.values()], axis=0)
    n, problems = len(gaps_S), max(each_SP.shape[1] for each_SP in tables.values())
    sd = float(gaps_S.std(ddof=1)) if n > 1 else math.nan
    path = (table.study, "verdict", each.words)
    low, high = np.quantile(resampled_sums(list(tables.values()), RESAMPLES, path), (0.025, 0.975))
    made = Measured(
        each.words, each.direction, float(gaps_S.mean()), math.nan, math.nan, float(low), float(high), sd, n - 1,
        table.seeds, tuple(gaps_S.tolist()), problems, unpaired, idle(scores),
    )  # fmt: skip
    return with_interval(made)


def idle(scores: list[tuple[Score, np.ndarray]]) -> str:
    """Why scores of pass@k cannot differ, if they cannot: all at the floor or all at the ceiling."""
    rates = [values_SP.mean() for score, values_SP in scores if score.score in ("strict", "answer")]
    if not rates or len(rates) < len(scores):
        return ""
    if max(rates) < VISIBLE:
        return f"no arm reaches {VISIBLE}"
    return f"every arm is above {1 - VISIBLE}" if min(rates) > 1 - VISIBLE else ""


def with_interval(made: Measured) -> Measured:
    """With the interval that its sd and degrees of freedom give; none for a single seed."""
    if len(made.seeds) < 2:
        return made
    reach = float(stats.t.ppf(1 - LEVEL / 2, made.df) * made.sd / len(made.seeds) ** 0.5)
    return replace(made, low=made.mean - reach, high=made.mean + reach)


def pooled(parts: list[tuple[Claim, Measured]]) -> list[tuple[Claim, Measured]]:
    """The same with variances moderated where claims name a pool, over its comparisons on the same seeds."""
    pools: dict[tuple, list[int]] = {}
    for n, (claim, part) in enumerate(parts):
        if claim.pool and part.df > 0:
            pools.setdefault((claim.pool, part.seeds), []).append(n)
    made = list(parts)
    for those in pools.values():
        variances, df = moderated(np.array([parts[n][1].gaps for n in those]).T)
        for n, variance, free in zip(those, variances, df, strict=True):
            claim, part = parts[n]
            made[n] = claim, with_interval(replace(part, sd=math.sqrt(variance), df=float(free)))
    return made


def with_p(parts: list[tuple[Claim, Measured]]) -> list[Measured]:
    """Every comparison with its two p values, corrected by Holm over all of them, and its own verdict."""
    if not parts:
        return []
    signs = holm([p_sign(part, claim.margin) for claim, part in parts])
    equals = holm([p_equal(part, claim.margin) for claim, part in parts])
    made = []
    for (_, part), sign, equal in zip(parts, signs, equals, strict=True):
        made.append(replace(part, p=float(sign), p_equal=float(equal), verdict=part_verdict(part, sign, equal)))
    return made


def p_sign(part: Measured, margin: float) -> float:
    """Two-sided p that the difference is zero; for "within", that it is not beyond the margin."""
    away = max(0.0, abs(part.mean) - margin) if part.direction == "within" else abs(part.mean)
    return two_sided(away, part)


def p_equal(part: Measured, margin: float) -> float:
    """p of the two one-sided tests that the difference lies within the margin of zero: the larger of the two, which
    is above one half where the difference measured lies beyond the margin."""
    room = margin - abs(part.mean)
    if not part.df:
        return 1.0
    if part.sd == 0:
        return float(room <= 0)
    return float(stats.t.sf(room * len(part.seeds) ** 0.5 / part.sd, part.df))


def two_sided(away: float, part: Measured) -> float:
    """Two-sided p of a distance from what is tested; with one seed 1, and where seeds do not differ at all 0 or 1."""
    if not part.df:
        return 1.0
    if part.sd == 0:
        return float(away == 0)
    return float(2 * stats.t.sf(away * len(part.seeds) ** 0.5 / part.sd, part.df))


def part_verdict(part: Measured, sign: float, equal: float) -> str:
    """The verdict on one comparison."""
    if part.idle or len(part.seeds) < FEWEST:
        return OPEN
    if part.direction == "within":
        return HOLDS if equal < LEVEL else FAILS if sign < LEVEL else OPEN
    claimed = part.mean > 0 if part.direction == "above" else part.mean < 0
    if sign < LEVEL:
        return HOLDS if claimed else FAILS
    return FAILS if equal < LEVEL else OPEN


def judged(claim: Claim, parts: tuple[Measured, ...]) -> Verdict:
    """The verdict on a claim, from its comparisons'."""
    each = [part.verdict for part in parts]
    verdict = HOLDS if set(each) == {HOLDS} else FAILS if FAILS in each else OPEN
    fewest = min(len(part.seeds) for part in parts)
    notes = [f"{part.words}: {part.idle}, so that nothing could be told apart" for part in parts if part.idle]
    for part in parts:
        if part.unpaired:
            seeds = ", ".join(map(str, part.unpaired))
            notes.append(
                f"{part.words}: seed{'s' * (len(part.unpaired) > 1)} {seeds} left out, trained on two machines"
            )
        if part.verdict == HOLDS and part.direction != "within" and abs(part.mean) < claim.margin:
            notes.append(f"{part.words}: established, yet smaller than the margin of {claim.margin:g}")
    if fewest < FEWEST:
        notes.append(f"{fewest} seeds decide nothing" if fewest != 1 else "one seed decides nothing")
    undecided = [part for part in parts if part.verdict == OPEN and part.df > 0 and not part.idle]
    needed = max((seeds_needed(part.sd, claim.margin) for part in undecided), default=None)
    needed = None if verdict != OPEN or needed is None else max(needed, FEWEST)
    needed = None if needed is None or needed <= fewest else needed  # enough have run; correction leaves it open
    return Verdict(claim, verdict, parts, fewest < CONFIRMATORY, needed, "; ".join(notes))
