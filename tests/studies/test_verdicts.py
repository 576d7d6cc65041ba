"""Verdicts on claims: by hand where that is short, by pandas and scipy from the CSV, and against simulated studies."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from crafted import row, sampled_row
from recompute import agree, recomputed
from scipy import stats

from interlude.studies import results
from interlude.studies.results import Results
from interlude.studies.stats import holm, moderated
from interlude.studies.verdicts import (
    FAILS,
    HOLDS,
    NOT_RUN,
    OOD,
    OPEN,
    Claim,
    Comparison,
    Score,
    above,
    below,
    decide,
    gained_more,
    minus,
    more_on,
    ranked,
    rather,
    within,
)

BANDS = {"ID": (1, 2), "edge": (3, 4), "hard": (5, 6)}
SYNTHETIC = Path(__file__).parent / "tables" / "synthetic.csv"
PAPER = {"published": "+1 point", "place": "arXiv 0000.00000, Figure 1"}
CLAIMS = (
    above("good beats none at the edge", minus("good", "none", "edge"), minus("good", "none", "edge", k=2), **PAPER),
    above("bad beats none at the edge", minus("bad", "none", "edge")),
    above("same beats none at the edge", minus("same", "none", "edge"), margin=0.1),
    within("same is as good as none at the edge", minus("same", "none", "edge"), margin=0.1),
    within("good is as good as none at the edge", minus("good", "none", "edge"), margin=0.02),
    above("wild beats none at the edge", minus("wild", "none", "edge")),
    below("bad falls below none at the edge", minus("bad", "none", "edge")),
    above("good gains more at the edge than inside", more_on("edge", "ID", "good", "none")),
    ranked("good, none, bad in that order", ("good", "none", "bad"), "edge"),
    above("good and wild beat none at the edge", minus("good", "none", "edge"), minus("wild", "none", "edge")),
    above("good beats none on hard problems", minus("good", "none", "hard")),
    above("good answers more", minus("good", "none", "sampled", k=4, score="answer"), pool="a"),
    above("wild answers more", minus("wild", "none", "sampled", k=4, score="answer"), pool="a"),
    above("good gains more than bad", gained_more(("good", "none"), ("bad", "same"), "edge", k=2)),
)


def synthetic(seeds=range(20, 28), problems=12) -> list[dict]:
    """Arms whose edge moves by a known amount, and by seeds' luck: good +0.15, bad -0.15, same 0, wild 0 and anything.

    One seed of "good" was trained on another machine. Hard problems are out of every arm's reach.
    """
    rng = np.random.Generator(np.random.PCG64(7))
    made = []
    for s, seed in enumerate(seeds):
        base = rng.normal(0.0, 0.06)
        for nth, (arm, shift, luck) in enumerate(
            (("none", 0.0, 0.0), ("good", 0.15, 0.03), ("bad", -0.15, 0.03), ("same", 0.0, 0.02), ("wild", 0.0, 0.25))
        ):
            moved = shift + rng.normal(0.0, luck)
            machine = {"machine": "B" if (arm, s) == ("good", 3) else "A"}
            for ops in range(1, 7):
                level = 0.9 if ops < 3 else 0.5 + base + moved if ops < 5 else 1e-9
                p = np.clip(level + 0.1 * rng.standard_normal(problems) * (ops in (3, 4)), 1e-9, 0.999)
                made.append(row(arm, nth, seed, "zoo", ops, np.log(p)) | machine)
            counts = rng.binomial(8, np.clip(0.4 + base + moved, 0, 1), 4)
            right = " ".join(map(str, counts))
            made.append(sampled_row(arm, seed) | machine | {"exam": "sampled", "strict": right, "correct": right})
    return made


@pytest.fixture(scope="module")
def found() -> Results:
    return Results("a/synthetic", "nano", tuple(results.read(SYNTHETIC, results.COLUMNS, results.KEYS, True)))


@pytest.fixture(scope="module")
def verdicts(found):
    return {verdict.claim.name: verdict for verdict in decide(CLAIMS, found, BANDS)}


def test_the_committed_table_is_the_one_that_is_described(found):
    # Mutant: a table changed by hand until a verdict fits.
    fresh = synthetic()
    assert len(fresh) == len(found.rows)
    for made, kept in zip(fresh, found.rows, strict=True):
        for name, value in made.items():
            assert kept[name] == (pytest.approx(value, nan_ok=True) if isinstance(value, float) else value), name


def test_pandas_and_scipy_come_to_the_same_verdicts(found):
    # Mutants: Holm by claim instead of by comparison; a one-sided p; pairs across machines kept; a pooled variance of
    # the wrong weights; TOST at twice the level; the smaller of its two p values.
    agree(SYNTHETIC, CLAIMS, BANDS, decide(CLAIMS, found, BANDS))


def test_verdicts_are_what_was_put_in(verdicts):
    # Mutants: the highest mean decides; absence of evidence taken for equivalence; a claim that holds in one part.
    said = {name: verdict.verdict for name, verdict in verdicts.items()}
    assert said == {
        "good beats none at the edge": HOLDS,
        "bad beats none at the edge": FAILS,
        "same beats none at the edge": FAILS,
        "same is as good as none at the edge": HOLDS,
        "good is as good as none at the edge": FAILS,
        "wild beats none at the edge": OPEN,
        "bad falls below none at the edge": HOLDS,
        "good gains more at the edge than inside": HOLDS,
        "good, none, bad in that order": HOLDS,
        "good and wild beat none at the edge": OPEN,
        "good beats none on hard problems": OPEN,
        "good answers more": OPEN,
        "wild answers more": OPEN,
        "good gains more than bad": HOLDS,
    }


def test_an_open_verdict_says_what_it_would_take(verdicts):
    # Mutants: the observed difference as the one to find; a half-width of the bootstrap; a number for idle claims.
    wild = verdicts["wild beats none at the edge"]
    (part,) = wild.measured
    reach = stats.t.ppf(0.975, 7) * part.sd / 8**0.5
    assert part.half_width == pytest.approx(reach) and wild.seeds_needed > 50
    noncentral = 0.05 * wild.seeds_needed**0.5 / part.sd
    assert stats.norm.sf(1.96 - noncentral) == pytest.approx(0.8, abs=0.01)
    assert verdicts["good beats none at the edge"].seeds_needed is None
    hard = verdicts["good beats none on hard problems"]
    assert hard.seeds_needed is None and "no arm reaches 0.0005" in hard.note


def test_pairs_across_machines_are_left_out_and_it_is_said(verdicts):
    # Mutants: machines compared by arm and not by seed; the seed left out of every comparison.
    good, bad = verdicts["good beats none at the edge"], verdicts["bad beats none at the edge"]
    assert all(part.unpaired == (23,) and 23 not in part.seeds and len(part.seeds) == 7 for part in good.measured)
    assert "seed 23 left out, trained on two machines" in good.note
    assert len(bad.measured[0].seeds) == 8 and bad.measured[0].unpaired == ()


def test_few_seeds_are_exploratory_and_two_decide_nothing(found):
    # Mutants: the label from the table's seeds rather than the pairs'; a verdict on two seeds that agree by chance.
    for count, verdict, exploratory in ((2, OPEN, True), (5, HOLDS, True), (8, HOLDS, False)):
        kept = tuple(r | {"machine": "A"} for r in found.rows if r["seed"] < 20 + count)
        (said,) = decide(CLAIMS[6:7], Results("a/b", "nano", kept), BANDS)
        assert (said.verdict, said.exploratory) == (verdict, exploratory)
        assert said.label == verdict + " (exploratory)" * exploratory
    (alone,) = decide(CLAIMS[6:7], Results("a/b", "nano", tuple(r for r in found.rows if r["seed"] == 20)), BANDS)
    assert alone.verdict == OPEN and math.isnan(alone.measured[0].low) and alone.note == "one seed decides nothing"
    assert 0 > alone.measured[0].resampled_high > alone.measured[0].resampled_low  # over problems alone


def test_holm_counts_every_comparison_of_the_family(found):
    # Mutant: each claim corrected by itself.
    (alone,) = decide(CLAIMS[:1], found, BANDS)
    in_family = decide(CLAIMS, found, BANDS)[0]
    assert in_family.measured[0].p > alone.measured[0].p
    many = decide(CLAIMS[:1] * 10, found, BANDS)
    assert many[0].measured[0].p >= 10 * alone.measured[0].p / 2


def test_what_was_not_run_is_said():
    # Mutants: a claim about an arm that is not there decided, or fatal to the others'.
    rows = tuple(r for r in synthetic() if r["arm"] in ("none", "good"))
    said = decide(CLAIMS[:2], Results("a/b", "nano", rows), BANDS)
    assert [verdict.verdict for verdict in said] == [HOLDS, NOT_RUN] and "arm 'bad' has not been run" in said[1].note
    assert [verdict.verdict for verdict in decide(CLAIMS, None, BANDS)] == [NOT_RUN] * len(CLAIMS)
    moved = tuple(r | {"machine": r["arm"]} for r in rows)
    (apart,) = decide(CLAIMS[:1], Results("a/b", "nano", moved), BANDS)
    assert apart.verdict == NOT_RUN and "different machines" in apart.note
    deep, near = decide((above("x", minus("good", "none", "deep")), CLAIMS[0]), Results("a/b", "nano", rows), BANDS)
    assert deep.verdict == NOT_RUN and "neither an exam nor a band 'deep'" in deep.note and near.verdict == HOLDS


def test_what_is_beyond_the_band_holds_every_exam_there_and_no_other(found):
    """Kills: a depth between band and edge left out; the band's own depths counted in; another world's exams."""
    assert Score(OOD).exams(found, BANDS) == tuple(f"zoo-ops{n}" for n in range(3, 7))
    wide = {"ID": (1, 2), "edge": (5, 5), "hard": (6, 6)}
    assert Score(OOD).exams(found, wide) == Score(OOD).exams(found, BANDS)


def test_exams_of_few_structures_decide_nothing_in_a_band(tmp_path, found):
    """Kills: one operation, of which there are five structures, in a verdict on the band or beyond it, in ours or in
    the second opinion; bands of few problems alone left without a verdict."""
    few = {"zoo-ops1": 5, "zoo-ops5": 49}
    rows = [r | {"structures": few.get(r["exam"], 50)} for r in found.rows]
    lone = Results(found.study, found.scale, tuple(rows))
    assert Score("ID").exams(lone, BANDS) == ("zoo-ops2",)
    assert Score(OOD).exams(lone, BANDS) == ("zoo-ops3", "zoo-ops4", "zoo-ops6")
    assert Score("zoo-ops1").exams(lone, BANDS) == ("zoo-ops1",)
    hard = [r for r in rows if r["exam"] != "zoo-ops6"]
    assert Score("hard").exams(Results(found.study, found.scale, tuple(hard)), BANDS) == ("zoo-ops5",)
    claims = (above("in the band", minus("bad", "none", "ID")), above("beyond", minus("good", "none", OOD)), *CLAIMS)
    where = results.store("a/synthetic", "nano", rows, tmp_path)
    agree(where, claims, BANDS, decide(claims, lone, BANDS))


def test_the_bootstrap_shares_problems_within_an_exam_only(found):
    # Mutants: problems drawn anew for each arm, which loses the pairing; the interval of seeds reported twice.
    (said,) = decide((above("x", minus("same", "none", "edge")),), found, BANDS)
    (part,) = said.measured
    assert part.resampled_low < part.mean < part.resampled_high
    wide = part.resampled_high - part.resampled_low
    assert wide != pytest.approx(part.high - part.low, rel=1e-3) and part.problems == 24
    # Two arms that differ by as much in every problem, however much problems differ: nothing is left to draw.
    logp = np.log([[0.1, 0.5, 0.8], [0.2, 0.6, 0.9]])
    rows = [row(arm, 0, seed, "zoo", 3, logp[nth]) for nth, arm in enumerate("ab") for seed in (0, 1, 2)]
    (said,) = decide((above("x", minus("b", "a", "edge")),), Results("a/b", "nano", tuple(rows)), BANDS)
    (part,) = said.measured
    assert (part.resampled_low, part.mean, part.resampled_high) == pytest.approx((0.1, 0.1, 0.1), abs=1e-4)


@pytest.mark.parametrize(
    ("effect", "margin", "allowed"),
    [(0.0, 0.02, {HOLDS: 0.07, FAILS: 0.20}), (0.05, 0.05, {FAILS: 0.07}), (0.2, 0.05, {FAILS: 0.01, OPEN: 0.35})],
)
def test_verdicts_err_no_more_often_than_they_say(effect, margin, allowed):
    # Mutants: a normal quantile for Student's at eight seeds; TOST at 10 %; problems taken for repetitions.
    rng = np.random.Generator(np.random.PCG64(3))
    counts = {HOLDS: 0, FAILS: 0, OPEN: 0}
    cells = {"kind": "exact", "world": "zoo", "mode": "forward", "exam": "e", "ops": "3", "machine": ""}
    for _ in range(300):
        rows = []
        for seed in range(8):
            base = 0.4 + rng.normal(0, 0.05)
            for arm, level in (("a", base + effect + rng.normal(0, 0.1)), ("b", base)):
                logp = results.cell(np.log(np.clip([level, level], 1e-6, 0.999)), 6)
                rows.append(cells | {"arm": arm, "seed": seed, "logp": logp})
        (said,) = decide((above("x", minus("a", "b", "e"), margin=margin),), Results("s", "t", tuple(rows)), {})
        counts[said.verdict] += 1
    assert all(counts[verdict] / 300 <= most for verdict, most in allowed.items()), counts


def test_descriptions_that_say_nothing_are_refused():
    # Mutant: any check left out.
    score = Score("edge")
    for wrong, message in (
        (lambda: Comparison(((1.0, "a", score), (1.0, "b", score))), "weights add up to zero"),
        (lambda: Comparison(((1.0, "a", score), (-1.0, "b", score)), "up"), "above, below or within"),
        (lambda: Claim("", (minus("a", "b", "edge"),)), "needs a name"),
        (lambda: above("x"), "needs a name, a comparison"),
        (lambda: above("x", minus("a", "b", "edge"), margin=0.0), "margin above 0"),
        (lambda: above("x", minus("a", "b", "edge"), published="+1"), "what was published and where"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()


def test_the_second_opinion_can_disagree(found):
    # Mutant: an agreement that compares nothing.
    good = decide(CLAIMS, found, BANDS)
    assert recomputed(SYNTHETIC, CLAIMS, BANDS)[0]["verdict"] == HOLDS
    with pytest.raises(AssertionError):
        agree(SYNTHETIC, CLAIMS, BANDS, [*good[1:], good[0]])
    with pytest.raises(AssertionError):
        agree(SYNTHETIC, CLAIMS[:1], BANDS, good[:1])  # another family


def test_two_measures_are_compared(found):
    # Mutants: the sign; one measure twice; another arm's, or its own where another's is asked for.
    rows = [
        row
        | {
            "exam": "places",
            "entropy_rank": f"{seed / 20} 0.2",
            "loss_rank": f"{seed / 20 + 0.3} {0.4 + seed % 2 / 50}",
        }
        for seed, row in enumerate(row for row in found.rows if row["arm"] == "none" and row["exam"] == "sampled")
    ]
    claim = above("loss does", rather("none", "loss_rank", "entropy_rank", "places"))
    (verdict,) = decide((claim,), Results(found.study, found.scale, tuple(rows)), BANDS)
    assert verdict.measured[0].mean == pytest.approx(0.255) and verdict.verdict == HOLDS
    assert verdict.measured[0].words == "none: loss_rank - entropy_rank, places"
    rows += [row | {"arm": "other", "entropy_rank": "0.1 0.1"} for row in rows]
    claim = above("loss does", rather("none", "loss_rank", "entropy_rank", "places", of="other"))
    (verdict,) = decide((claim,), Results(found.study, found.scale, tuple(rows)), BANDS)
    assert verdict.measured[0].mean == pytest.approx(
        0.255 + np.mean([(n / 20 + 0.2) / 2 for n in range(len(rows) // 2)]) - 0.1
    )
    assert verdict.measured[0].words == "none loss_rank - other entropy_rank, places"


POOLS = {  # seeds, comparisons, sd of what they share, sds of their own
    "one control, like": (8, 12, 1.0, np.ones(12)),
    "one control, unlike": (8, 12, 1.0, np.exp(np.linspace(-1, 1, 12))),
    "unlike": (8, 4, 0.0, np.array([0.164, 0.014, 0.003, 0.039])),
    "three seeds, one control": (3, 10, 1.0, np.exp(np.linspace(-1, 1, 10))),
}


@pytest.mark.parametrize("pool", POOLS)
def test_variances_that_inform_each_other_do_not_make_verdicts_err(pool):
    """Kills: one variance for all (any false verdict in 0.05, 0.19, 0.21 and 0.15 of these families); degrees of
    freedom added up as if nothing were shared; variances drawn too far, or all the way."""
    seeds, count, shared, own = POOLS[pool]
    rng, wrong = np.random.Generator(np.random.PCG64(11)), 0
    for _ in range(400):
        gaps_SC = own * rng.standard_normal((seeds, count)) + shared * rng.standard_normal((seeds, 1))
        variances, df = moderated(gaps_SC)
        p = 2 * stats.t.sf(abs(gaps_SC.mean(0)) / np.sqrt(variances / seeds), df)
        wrong += holm(p).min() < 0.05
    assert wrong / 400 <= 0.09


def test_like_variances_become_one_and_unlike_ones_stay_apart():
    """Kills: no drawing together; the mean where variances differ a hundredfold; a law whose location is biased; a
    variance of nothing that breaks the logarithm, or a division of 0 by 0; a column that another's units reach."""
    rng = np.random.Generator(np.random.PCG64(5))
    like = rng.standard_normal((8, 400))
    variances, df = moderated(like)
    assert variances.std() < 0.1 and df.min() > 40  # own variances spread by 0.53, with 7
    unlike = like * np.where(np.arange(400) % 2, 1.0, 0.01)
    apart, free = moderated(unlike)
    own = unlike.var(0, ddof=1)
    assert np.quantile(abs(np.log(apart / own)), 0.9) < 0.5 and free.max() < 12
    true = 10 / rng.chisquare(
        10, 4000
    )  # the law that is fitted: the mean of 1 / true, given what is found, is 1 / drawn
    drawn, ten = moderated(rng.standard_normal((8, 4000)) * np.sqrt(true))
    assert np.mean(drawn / true) == pytest.approx(1, abs=0.03) and ten[0] == pytest.approx(10 + 7, abs=2)
    scaled, same = moderated(3 * unlike)
    assert scaled == pytest.approx(9 * apart) and same == pytest.approx(free)
    flat, _ = moderated(np.column_stack([like[:, :3], np.zeros(8)]))
    assert np.isfinite(flat).all() and (flat > 0).all()
    none, _ = moderated(np.zeros((8, 3)))
    assert not none.any()
    nothing, seven = moderated(1e-100 * like[:, :3])  # as rounding leaves of seeds that agree: its square is 0
    assert not nothing.any() and (seven == 7).all()
    alone, seven = moderated(like[:, :1])
    assert alone == pytest.approx(like[:, 0].var(ddof=1)) and seven == 7
    with pytest.raises(ValueError, match="at least two seeds"):
        moderated(like[:1])
