"""Statistics against slow oracles: enumeration, exact fractions and simulated studies."""

from fractions import Fraction
from itertools import combinations
from math import comb, isnan
from time import process_time

import numpy as np
import pytest
import scipy.stats

from interlude.studies.stats import (
    Estimate,
    exact_pass_at_k,
    holm,
    interval,
    paired,
    pass_at_k,
    resampled_means,
    variance_shares,
)


def test_pass_at_k_is_the_share_of_subsets_that_hold_a_success():
    """Kills: 1-(1-c/n)^k; an off-by-one in the product; forgetting that n-c < k means certainty."""
    cases = [(n, c, k) for n in range(1, 8) for c in range(n + 1) for k in range(1, n + 1)]
    for n, c, k in cases:
        subsets = list(combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), rel=1e-12, abs=0)
    n, c = np.array([[5], [7]]), np.array([0, 1, 5])
    assert pass_at_k(n, c, 2).shape == (2, 3)
    assert pass_at_k(7, 1, 2) == pass_at_k(n, c, 2)[1, 1]


def test_pass_at_k_keeps_its_digits_for_many_samples():
    """Kills: a ratio of binomials in floats (overflows) and 1 - exp instead of expm1."""
    for n, c, k in ((1000, 1, 1), (1000, 3, 128), (4096, 2000, 64), (100_000, 1, 7)):
        exact = 1 - Fraction(comb(n - c, k), comb(n, k))
        assert pass_at_k(n, c, k) == pytest.approx(float(exact), rel=1e-10, abs=0)


@pytest.mark.parametrize(
    "n, c, k", [(4, 1, 5), ([8, 4], [0, 0], 5), (4, 5, 1), (4, -1, 1), (4, 1, 0), (4.0, 1, 1), (4, 1.0, 1), (4, 1, 1.0)]
)
def test_pass_at_k_refuses(n, c, k):
    """Kills: clamping k to n, and counts that are rates."""
    with pytest.raises(ValueError, match="^[nck] must"):
        pass_at_k(n, c, k)


def test_exact_pass_at_k_is_stable():
    """Kills: 1-(1-p)**k, which is 0 below 1e-16; k joined after p underflowed; NaN at p = 1; a jump at the switch."""
    for p in (0.9, 0.5, 1e-3, 1e-9, 1e-15):
        for k in (1, 3, 128):
            exact = float(1 - (1 - Fraction(p)) ** k)
            assert exact_pass_at_k(np.log(p), k) == pytest.approx(exact, rel=1e-12, abs=0)
    tiny = np.log(1e-300)
    assert exact_pass_at_k(tiny, 10**9) == pytest.approx(1e-291, rel=1e-11, abs=0)
    assert exact_pass_at_k(-760.0, 10**9) == pytest.approx(np.exp(-760 + 9 * np.log(10)), rel=1e-8, abs=0)
    assert exact_pass_at_k(np.log(1e-9), 10**9) == pytest.approx(-np.expm1(-1.0), rel=1e-8)
    around = exact_pass_at_k(np.array([-40 - 1e-12, -40 + 1e-12]), 10**9)
    assert around[0] == pytest.approx(around[1], rel=1e-11, abs=0)
    assert exact_pass_at_k(0.0, 5) == 1 and exact_pass_at_k(-np.inf, 5) == 0
    assert np.all(np.diff(exact_pass_at_k(-20.0, 10 ** np.arange(10))) > 0)
    for logp, k in ((0.1, 1), (np.nan, 1), (-1.0, 0), (-1.0, 1.5)):
        with pytest.raises(ValueError, match="must"):
            exact_pass_at_k(logp, k)


def test_the_bootstrap_equals_the_enumeration_of_all_resamples():
    """Kills: problems drawn anew for each seed; seeds or problems left unsampled; a wrong divisor."""
    values_SP = np.array([[0.0, 1.0, 5.0], [2.0, 2.0, 11.0]])
    every = [
        values_SP[np.ix_((s, t), (p, q, r))].mean()
        for s in range(2) for t in range(2) for p in range(3) for q in range(3) for r in range(3)
    ]  # fmt: skip
    means_R = resampled_means(values_SP, 40_000, ("enumerate",))
    values, counts = np.unique(np.round(means_R, 9), return_counts=True)
    expected, weights = np.unique(np.round(every, 9), return_counts=True)
    assert np.array_equal(values, expected)
    assert np.abs(counts / 40_000 - weights / len(every)).max() < 0.012


def simulated_coverage(name, seeds, problems, seed_spread, problem_spread, noise, studies=300):
    draws = np.random.default_rng(7)
    covered = 0
    for study in range(studies):
        values_SP = (
            seed_spread * draws.standard_normal((seeds, 1))
            + problem_spread * draws.standard_normal((1, problems))
            + noise * draws.standard_normal((seeds, problems))
        )
        found = interval(values_SP, 400, path=(name, study))
        covered += found.low <= 0 <= found.high
    return covered / studies


def test_coverage_is_nominal_where_problems_dominate():
    """Kills: problems drawn anew for each seed (covers 70 %); an interval at another level; a missing tail."""
    assert 0.90 <= simulated_coverage("problems", 3, 60, 0.02, 1.0, 0.1) <= 0.985
    assert 0.90 <= simulated_coverage("one seed", 1, 60, 0.0, 1.0, 0.1) <= 0.985


def test_coverage_with_few_seeds_is_what_the_docstring_says():
    """Kills: seeds not resampled (covers nearly nothing). 3 seeds cover 75 %, 20 cover 93 %: a limit, not hidden."""
    assert 0.66 <= simulated_coverage("few", 3, 20, 1.0, 0.05, 0.05) <= 0.83
    assert 0.88 <= simulated_coverage("many", 20, 20, 1.0, 0.05, 0.05) <= 0.97


def test_no_effect_is_rarely_called_one():
    """Kills: an interval around the wrong centre or too narrow. A/A at 8 seeds, problems shared by both arms."""
    draws, false = np.random.default_rng(11), {0.0: 0, 1.0: 0}
    for spread in false:
        for study in range(200):
            shared_P = draws.standard_normal(40)
            a_SP, b_SP = (
                shared_P + spread * draws.standard_normal((8, 1)) + 0.5 * draws.standard_normal((8, 40)) for _ in "ab"
            )
            found = paired(a_SP, b_SP, 400, path=("aa", study))
            false[spread] += not found.low <= 0 <= found.high
    assert false[0.0] / 200 <= 0.03  # noise alone: conservative
    assert 0.05 <= false[1.0] / 200 <= 0.20  # seeds dominate: 12 % at 8 seeds, as for the coverage


def test_pairing_cancels_what_is_shared():
    """Kills: resampling the two arms apart."""
    draws = np.random.default_rng(3)
    shared_SP = draws.standard_normal((4, 1)) + draws.standard_normal((4, 50))
    a_SP, b_SP = (shared_SP + 0.1 * draws.standard_normal((4, 50)) for _ in "ab")
    together = paired(a_SP, b_SP)
    apart_R = resampled_means(a_SP, 2000, ("a",)) - resampled_means(b_SP, 2000, ("b",))
    low, high = np.quantile(apart_R, [0.025, 0.975])
    assert together.high - together.low < 0.25 * (high - low)
    assert together.mean == pytest.approx((a_SP - b_SP).mean())


def test_an_estimate_says_what_stands_behind_it_and_depends_on_its_path_alone():
    """Kills: ambient randomness; a path that is ignored; seeds=1 hidden."""
    values_SP = np.random.default_rng(0).random((1, 30))
    found = interval(values_SP, path=("study", 1))
    assert found == interval(values_SP, path=("study", 1)) != interval(values_SP, path=("study", 2))
    assert (found.seeds, found.problems, found.mean) == (1, 30, values_SP.mean())
    assert found.low < found.mean < found.high
    assert interval([[0.5, 0.5]] * 3) == Estimate(0.5, 0.5, 0.5, 3, 2)


def test_blocks_do_not_change_the_law(monkeypatch):
    """Kills: the same draws in every block; a lost remainder."""
    values_SP = np.random.default_rng(0).random((3, 10))
    monkeypatch.setattr("interlude.studies.stats.BLOCK", 13 * 7)
    means_R = resampled_means(values_SP, 100, ("blocks",))
    assert means_R.shape == (100,) and len(np.unique(means_R)) > 95


@pytest.mark.parametrize(
    "values_SP",
    [[[1, 2], [1]], [1.0, 2.0], [], [[]], [[float("nan"), 1.0]], [[float("inf"), 1.0]], np.zeros((2, 2, 2))],
)
def test_tables_of_another_shape_are_refused(values_SP):
    """Kills: broadcasting or padding different problem counts; NaN that spreads into every mean."""
    with pytest.raises(ValueError, match="^values_SP must"):
        interval(values_SP)


def test_arguments_are_refused():
    """Kills: broadcasting one arm's single seed over the other's; levels in per cent."""
    good = np.zeros((2, 3))
    with pytest.raises(ValueError, match="same seeds and problems"):
        paired(good, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="level must"):
        interval(good, level=95)
    with pytest.raises(ValueError, match="resamples must"):
        interval(good, resamples=0)
    with pytest.raises(ValueError, match="path must"):
        interval(good, path=())


def test_two_thousand_resamples_of_an_exam_take_no_time():
    """Kills: a Python loop over resamples (0.2 s and more; the goal is 0.05 s), in processor time."""
    values_SP = np.random.default_rng(0).random((3, 500))
    interval(values_SP)
    times = []
    for _ in range(3):
        began = process_time()
        interval(values_SP)
        times.append(process_time() - began)
    assert min(times) < 0.05


def test_holm_by_hand():
    """Kills: Bonferroni, a missing running maximum, results in sorted order."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.03]) == pytest.approx([0.03])
    for wrong in ([], [1.1], [float("nan")], [[0.1]]):
        with pytest.raises(ValueError, match="p_values must"):
            holm(wrong)


def test_over_seeds_is_the_t_interval():
    """Kills: dividing by S instead of S - 1, normal quantiles, problems taken for repetitions."""
    from scipy.stats import ttest_rel

    from interlude.studies.stats import over_seeds

    rng = np.random.default_rng(3)
    a, b = rng.random((4, 50)), rng.random((4, 50))
    found = over_seeds(a, b)
    known = ttest_rel(a.mean(1), b.mean(1)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert (found.seeds, found.problems) == (4, 50)
    with pytest.raises(ValueError, match="two seeds"):
        over_seeds(a[:1], b[:1])


def test_difference_is_students_unless_there_is_one_seed():
    """Kills: the bootstrap of a few seeds, and an interval made of a single number."""
    from interlude.studies.stats import difference, over_seeds, paired

    a, b = np.array([[0.5, 0.7], [0.9, 0.4]]), np.array([[0.1, 0.2], [0.3, 0.3]])
    assert difference(a, b) == over_seeds(a, b)
    assert difference(a[:1], b[:1], path=("x",)) == paired(a[:1], b[:1], path=("x",))
    alone = difference(a[:1, :1], b[:1, :1])
    assert alone.mean == 0.4 and np.isnan([alone.low, alone.high]).all() and (alone.seeds, alone.problems) == (1, 1)


# Minimal detectable differences at 80 % power, two-sided 5 %, by standard deviation and number of seeds.
DETECTABLE = {
    0.05: {5: 0.08, 8: 0.06, 16: 0.04},
    0.08: {5: 0.14, 8: 0.09, 16: 0.06},
    0.10: {5: 0.17, 8: 0.12, 16: 0.08},
    0.15: {5: 0.25, 8: 0.17, 16: 0.11},
}


@pytest.mark.parametrize("sd", DETECTABLE)
def test_power_is_that_of_the_noncentral_t(sd):
    """Kills: a normal quantile for t's; one side; a standard error without its root."""
    from interlude.studies.stats import power_of, seeds_needed

    for n, effect in DETECTABLE[sd].items():
        assert abs(power_of(n, sd, effect) - 0.8) < 0.06  # the differences are rounded to two decimals
        needed = seeds_needed(sd, effect)
        assert abs(needed - n) <= 1 and power_of(needed, sd, effect) >= 0.8 > power_of(needed - 1, sd, effect)


def test_power_against_simulated_tests():
    """Kills: the upper tail alone where the lower counts too; degrees of freedom off by one."""
    from scipy.stats import ttest_1samp

    from interlude.studies.stats import power_of

    draws = np.random.default_rng(5).normal(0.5, 1.0, (20_000, 6))
    assert power_of(6, 1.0, 0.5) == pytest.approx((ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean(), abs=0.01)
    assert power_of(6, 1.0, 1e-9) == pytest.approx(0.05, abs=1e-6)


def test_seeds_needed_at_the_ends():
    """Kills: a loop without end; no seeds for no spread; a count that shrinks as the spread grows."""
    from interlude.studies.stats import seeds_needed

    assert seeds_needed(0.0, 0.05) == seeds_needed(1e-9, 0.05) == 2
    found = [seeds_needed(sd, 0.05) for sd in (0.02, 0.05, 0.1, 0.3, 0.7, 1.0)]
    assert found == sorted(found) and found[-1] == 3140  # (1.96 + 0.84)^2 * 400, rounded up
    for sd, effect in ((-1.0, 0.1), (0.1, 0.0), (float("nan"), 0.1)):
        with pytest.raises(ValueError, match="sd must be"):
            seeds_needed(sd, effect)


def test_sums_of_means_share_their_seeds_and_not_their_problems():
    """Kills: seeds drawn anew for each table; one draw of problems for all; a sum weighed by problems."""
    from interlude.studies.stats import resampled_sums

    shift = np.array([[0.0], [1.0], [2.0]])
    a, b = shift + np.zeros((3, 4)), -shift + np.zeros((3, 7))
    assert resampled_sums([a, b], 200, ("x",)) == pytest.approx(np.zeros(200))  # seeds cancel
    assert resampled_sums([a], 50, ("x",)).tolist() == resampled_means(a, 50, ("x",)).tolist()
    rng = np.random.default_rng(1)
    one, two = rng.random((3, 4)), rng.random((3, 4))
    spread = resampled_sums([one[:1], -one[:1]], 4000, ("y",)).std()  # one seed, the same problems drawn twice
    assert spread == pytest.approx(resampled_means(one[:1], 4000, ("y",)).std() * 2**0.5, rel=0.1)
    with pytest.raises(ValueError, match="same seeds"):
        resampled_sums([one, two[:2]], 10, ("z",))


def test_variance_is_shared_out():
    # Mutants: rows and columns exchanged; sums of squares for mean squares; a component not divided by the other axis;
    # degrees of freedom of the F test; negative components kept.
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 3))
    found = variance_shares(table)
    # By hand, cell by cell.
    cells = [(r, c) for r in range(5) for c in range(3)]
    mean = sum(table[cell] for cell in cells) / 15
    row = [sum(table[r, c] for c in range(3)) / 3 for r in range(5)]
    column = [sum(table[r, c] for r in range(5)) / 5 for c in range(3)]
    rest = sum((table[r, c] - row[r] - column[c] + mean) ** 2 for r, c in cells) / 8
    rows = sum((each - mean) ** 2 for each in row) * 3 / 4
    columns = sum((each - mean) ** 2 for each in column) * 5 / 2
    parts = [max(0, (rows - rest) / 3), max(0, (columns - rest) / 5), rest]
    assert [share for share, _ in found.values()] == pytest.approx([part / sum(parts) for part in parts])
    assert found["rows"][1] == pytest.approx(scipy.stats.f(4, 8).sf(rows / rest))
    assert found["columns"][1] == pytest.approx(scipy.stats.f(2, 8).sf(columns / rest))
    # A part that is there is found, and the names are those of the axes.
    strong = table + 10 * np.arange(5)[:, None]
    assert variance_shares(strong)["rows"][0] > 0.98 < variance_shares(strong.T)["columns"][0]
    assert isnan(variance_shares(strong)["rest"][1])
    assert [share for share, _ in variance_shares([[0, 1], [1, 0]]).values()] == [0, 0, 1]
    # Over many tables whose true parts are 1, 2 and 3, the mean of unclipped components is right.
    shares = np.array(
        [
            [share for share, _ in variance_shares(made).values()]
            for made in (
                rng.normal(size=(30, 1)) + 2**0.5 * rng.normal(size=(1, 30)) + 3**0.5 * rng.normal(size=(30, 30))
                for _ in range(100)
            )
        ]
    )
    assert shares.mean(0) == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=0.03)
    for wrong in (np.zeros(4), np.zeros((1, 4)), np.zeros((4, 1))):
        with pytest.raises(ValueError, match="two rows and two columns"):
            variance_shares(wrong)
