"""What the Interplay paper claims, what was measured about it here, and what each study's own rule says of the two.

Added to the rules after tables were read: a claim that no arm could have failed is not established where the base
stands at the ceiling (interplay/edge), and needs scale where RL was hardly ever paid (interplay/context_rl_share).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from interlude.studies.claims import (
    AFTER,
    COMMON,
    CONFOUNDED,
    FAILS,
    HOLDS,
    NOT_RUN,
    OPEN,
    SCALE,
    VISIBLE,
    Claim,
    Evidence,
    Finding,
    Part,
    T,
    by_seed,
    sign,
    signed,
    verdict,
)
from interlude.studies.results import fault_counts, numbers
from interlude.studies.stats import Estimate, difference, spearman
from interlude.synth.verify import MISSING, OPERAND

UNLIKELY = (1 / 128, 1e-4, 1e-6)  # probabilities before, of problems newly solved
RARE = "school"  # with COMMON the paper's worlds, B and A
RL_ARMS = tuple(f"RL {name}" for name in ("inside", "boundary", "edge", "beyond", "uniform", "curriculum"))
SHARES = (0, 20, 50, 80, 100)  # per cent of a budget spent on RL
NEXT_TO_NO_REWARD = 0.01  # a response in a hundred
RL_SHARES = (0, 1, 10, 50, 100)  # per cent of RL in the second world
KINDS, EXPOSURES = ("names", "copies", "arithmetic"), ("0.1 %", "1 %", "10 %")
HARD_SHARES = ("0.1 %", "5 %", "20 %", "33.3 %", "50 %")


# interplay/ladder


def opens(e: Evidence) -> Finding:
    gain = e.gain("x2", "x0", "edge", 128)
    x1 = [e.scores("x1", band, k).mean() for band, k in (("ID", 1), ("edge", 128), ("hard", 128))]
    calibrated = x1[0] >= 0.9 and 0.2 <= x1[1] <= 0.8 and x1[2] <= 0.1
    said = (
        f"x1: ID pass@1 {x1[0]:.3f}, edge and hard pass@128 {x1[1]:.3f} and {x1[2]:.3f}: "
        + "not " * (not calibrated)
        + "calibrated"
    )
    return Finding(verdict(gain.low > 0, gain.high < 0.2), (("x2 - x0, edge pass@128", gain),), said)


# interplay/edge


def band_kept(e: Evidence) -> tuple[Part, bool, bool]:
    """The RL arm that gains most in ID pass@128, whether every arm stays below +.02, and whether one lies above."""
    gains = [(f"{arm} - none, ID pass@128", e.gain(arm, "none", "ID", 128)) for arm in RL_ARMS]
    below, above = all(g.high < 0.02 for _, g in gains), any(g.low > 0.02 for _, g in gains)
    return max(gains, key=lambda part: part[1].mean), below, above


def extends(e: Evidence) -> Finding:
    parts = [
        (f"RL edge - {over}, edge pass@128", e.gain("RL edge", over, "edge", 128))
        for over in ("none", "RL inside", "RL beyond")
    ]
    most, below, above = band_kept(e)
    holds, fails = sign(parts) == HOLDS and below, sign(parts) == FAILS or above
    return Finding(verdict(holds, fails), (*parts, most), "of the RL arms, the one with the largest ID gain is shown")


def keeps_band(e: Evidence) -> Finding:
    most, below, above = band_kept(e)
    room = 1 - float(e.scores("none", "ID", 128).mean())
    if room < 0.02 and not above:  # no arm could have failed
        return Finding(OPEN, (most,), f"the RL arm with the largest gain; the base leaves {room:.4f} to gain")
    return Finding(verdict(below, above), (most,), "the RL arm with the largest gain")


def needs_edge_data(e: Evidence) -> Finding:
    more = ("RL edge - RL beyond, edge pass@128", e.gain("RL edge", "RL beyond", "edge", 128))
    beyond = ("RL beyond - none, edge pass@128", e.gain("RL beyond", "none", "edge", 128))
    return Finding(sign([more]), (more, beyond))


def risen(e: Evidence, arm: str) -> Part:
    """By how much the mean reward of the second half of an arm's compute exceeds that of the first."""
    rows, seeds = [row for row in e.curves if row["arm"] == arm], e.found.seeds
    halves = [
        [np.mean([r["reward"] for r in rows if r["seed"] == seed and (r["share"] > 0.5) == late]) for seed in seeds]
        for late in (True, False)
    ]
    return f"{arm}, reward, second half - first", by_seed(*halves, problems=0)


def rewarded(judge: Callable[[Evidence], Finding]) -> Callable[[Evidence], Finding]:
    """The judge, once there are training curves of every arm and seed."""

    def judged(e: Evidence) -> Finding:
        there = {(row["arm"], row["seed"]) for row in e.curves}
        if not there >= {(arm, seed) for arm in e.found.arms for seed in e.found.seeds}:
            return Finding(NOT_RUN, note="no training curves yet")
        return judge(e)

    return judged


def no_reward(e: Evidence) -> Finding:
    part = risen(e, "RL beyond")
    return Finding(verdict(part[1].high < 0.02, part[1].low > 0.02), (part,))


def reward_rises(e: Evidence) -> Finding:
    return signed([risen(e, "RL edge")])


def reward_after_exposure(e: Evidence) -> Finding:
    least, *more = (risen(e, f"{share} copies + RL") for share in EXPOSURES)
    holds = least[1].high < 0.02 and all(part[1].low > 0 for part in more)
    fails = least[1].low > 0.02 or any(part[1].high < 0 for part in more)
    return Finding(verdict(holds, fails), (least, *more))


def seen(band: str, k: int, *pairs: tuple[str, str], world: str = COMMON) -> Callable[[Evidence], Finding]:
    """The first of each pair above the second in pass@k, where any of them solves anything."""

    def judge(e: Evidence) -> Finding:
        parts = [(f"{arm} - {over}, {world} {band} pass@{k}", e.gain(arm, over, band, k, world)) for arm, over in pairs]
        if max(e.scores(arm, band, k, world).mean() for pair in pairs for arm in pair) < VISIBLE:
            return Finding(SCALE, tuple(parts), "none of these arms solves any")
        return signed(parts)

    return judge


def lifts_most(e: Evidence) -> Finding:
    own = e.logp("RL edge", "hard")
    others = ("RL inside", "RL boundary", "RL beyond")
    return signed([(f"RL edge - {arm}, nats a hard problem", difference(own, e.logp(arm, "hard"))) for arm in others])


def rl_beats(other: str) -> Callable[[Evidence], Finding]:
    def judge(e: Evidence) -> Finding:
        decides = (f"RL edge - {other}, edge pass@128", e.gain("RL edge", other, "edge", 128))
        return Finding(sign([decides]), (decides, (f"RL edge - {other}, ID pass@1", e.gain("RL edge", other, "ID", 1))))

    return judge


def lifts(e: Evidence) -> Finding:
    """The shares of newly solved problems that were improbable before: the rule takes all seeds together, the intervals
    take a seed's share as one observation, as its problems share one model."""
    after_SP, before_SP = (np.concatenate([e.logp(arm, b) for b in e.bands], axis=1) for arm in ("RL edge", "none"))
    new_SP = (after_SP >= math.log(0.5)) & (before_SP < math.log(0.5))
    solved_S = new_SP.sum(1)
    if not solved_S.all():
        return Finding(OPEN, note="in some seed RL edge solves nothing that was not solved before")
    hits_PS = [(new_SP & (before_SP < math.log(p))).sum(1) for p in UNLIKELY]
    parts = tuple(
        (
            f"newly solved with p < {p:.2g} before, mean of seeds",
            by_seed(hits_S / solved_S, 0 * hits_S, int(solved_S.sum())),
        )
        for p, hits_S in zip(UNLIKELY, hits_PS, strict=True)
    )
    shares = [hits_S.sum() / solved_S.sum() for hits_S in hits_PS]
    found = verdict(shares[1] <= 0.1, shares[2] >= 0.1)
    rarest = ", ".join(f"{hit} of {solved}" for hit, solved in zip(hits_PS[2], solved_S, strict=True))
    said = {HOLDS: "lifts", FAILS: "creates", OPEN: "both"}[found]
    return Finding(found, parts, f"{said}; below {UNLIKELY[2]:.0e} by seed: {rarest}")


# interplay/context_exposure, context_rl_share, topology, pretraining_difficulty


def exposure_needed(e: Evidence) -> Finding:
    gains = {
        kind: [e.gain(f"{share} {kind} + RL", "0 % + RL", "ID", 128, RARE) for share in EXPOSURES]
        for kind in ("copies", "names")
    }
    least = {
        kind: next((n for n, g in enumerate(row) if g.mean >= 0.1 and g.low > 0), len(row))
        for kind, row in gains.items()
    }
    suffices = {kind: n <= EXPOSURES.index("1 %") for kind, n in least.items()}
    never = all(g.high < 0.1 for g in gains["copies"][:2])
    parts = [
        (f"{share} {kind} over 0 %, {RARE} ID pass@128", g)
        for kind, row in gains.items()
        for share, g in zip(EXPOSURES, row, strict=True)
    ]
    found = CONFOUNDED if suffices["copies"] and suffices["names"] else verdict(suffices["copies"], never)
    said = "; ".join(f"{kind} suffice from {(*EXPOSURES, 'more than 10 %')[n]}" for kind, n in least.items())
    return Finding(found, tuple(parts), said)


def tenth_needed(base: str, k: int, least: float) -> Callable[[Evidence], Finding]:
    """A tenth of RL in the second world is worth ``least`` of its ID pass@k after this base, and 1 % is not."""

    def judge(e: Evidence) -> Finding:
        gains = {share: e.gain(f"{base}, RL {share} %", f"{base}, RL 0 %", "ID", k, RARE) for share in (1, 10)}
        holds = gains[10].low > 0 and gains[10].mean >= least and gains[1].mean < least
        fails = gains[10].high < least or gains[1].low >= least
        found = tuple((f"RL {n} % - RL 0 %, {RARE} ID pass@{k}", g) for n, g in gains.items())
        return Finding(verdict(holds, fails), found)

    return judge


def diminishes(e: Evidence) -> Finding:
    none_SP, tenth_SP, half_SP = (e.scores(f"1 % low, RL {n} %", "ID", 128, RARE) for n in (0, 10, 50))
    first, then = tenth_SP - none_SP, half_SP - tenth_SP
    return signed([(f"the step to 10 % - that to 50 %, {RARE} ID pass@128", difference(first, then))])


def keeps_world(base: str, k: int) -> Callable[[Evidence], Finding]:
    """All of RL in the second world costs the first less than .05; where it earns next to nothing there, it never
    took place, and no arm could have failed."""

    def judge(e: Evidence) -> Finding:
        told, alone = f"{base}, RL 100 %", f"{base}, RL 0 %"
        gain = e.gain(told, alone, "ID", k)
        parts = ((f"RL 100 % - RL 0 %, {COMMON} ID pass@{k}", gain),)
        earned = np.mean([row["reward"] for row in e.curves if row["arm"] == told])
        if earned < NEXT_TO_NO_REWARD:
            return Finding(SCALE, parts, f"mean reward {earned:.4f}: RL there hardly took place")
        return Finding(verdict(gain.low > -0.05, gain.high < -0.05), parts)

    return rewarded(judge)


def replicates(e: Evidence) -> Finding:
    (arm,), exams = e.found.arms, e.found.within(e.bands["edge"], RARE)
    like_SP = np.concatenate([e.found.similarity(arm, exam) for exam in exams], axis=1)
    solved_SP = e.scores(arm, "edge", 1, RARE)
    if solved_SP.mean() < VISIBLE:
        return Finding(SCALE, note="hardly anything is solved there")
    solved_S = (solved_SP * like_SP).sum(1) / solved_SP.sum(1)
    gap = by_seed(solved_S, like_SP.mean(1), like_SP.shape[1])
    return Finding(
        verdict(gap.mean >= 0.02 and gap.low > 0, gap.high < 0.02),
        ((f"similarity of solved - of all, {RARE} edge", gap),),
    )


def coverage(e: Evidence, band: str = "edge") -> dict[str, Estimate]:
    """The gain of RL over no RL in pass@128 on a band, for every share of hard problems in pre-training."""
    return {share: e.gain(f"{share} + RL", share, band, 128) for share in HARD_SHARES}


def largest(gains: dict[str, Estimate]) -> str:
    return max(gains, key=lambda name: gains[name].mean)


def coverage_text(e: Evidence) -> Finding:
    gains = coverage(e)
    holds = largest(gains) == "20 %" and gains["50 %"].mean < gains["5 %"].mean
    return Finding(
        verdict(holds, not holds), tuple((f"{share} hard: RL - none, edge pass@128", g) for share, g in gains.items())
    )


def coverage_table(e: Evidence) -> Finding:
    gains = coverage(e)
    holds = largest(gains) in ("33.3 %", "50 %")
    return Finding(
        verdict(holds, not holds),
        ((f"{largest(gains)} hard: RL - none, edge pass@128", gains[largest(gains)]),),
        "the largest gain",
    )


def coverage_hard(e: Evidence) -> Finding:
    gains = coverage(e, "hard")
    parts = ((f"{largest(gains)} hard: RL - none, hard pass@128", gains[largest(gains)]),)
    if max(e.scores(arm, "hard", 128).mean() for arm in e.found.arms) < VISIBLE:
        return Finding(SCALE, parts, "no arm solves any")
    return Finding(verdict(largest(gains) == "50 %", largest(gains) != "50 %"), parts, "the largest gain")


# interplay/mid_or_rl


def split(share: int, budget: str = "full") -> str:
    return f"{share}% RL, {budget}"


def splits(budget: str = "full") -> tuple[str, ...]:
    return tuple(split(share, budget) for share in SHARES)


def best(e: Evidence, arm: str, over: str, band: str, k: int, budget: str = "full") -> tuple[str, Part]:
    """Whether ``arm`` has the highest mean of its budget's arms and exceeds ``over``, with that difference."""
    gain = e.gain(arm, over, band, k)
    means = {each: float(e.scores(each, band, k).mean()) for each in splits(budget)}
    if max(means.values()) < VISIBLE:
        return SCALE, (f"{arm} - {over}, {band} pass@{k}", gain)
    highest = max(means, key=means.get)
    beaten = highest != arm and e.gain(arm, highest, band, k).high < 0
    found = verdict(highest == arm and gain.low > 0, beaten or gain.high < 0)
    return found, (f"{arm} - {over}, {band} pass@{k}; highest: {highest}", gain)


def light_best(e: Evidence) -> Finding:
    found, part = best(e, split(20), split(100), "edge", 1)
    # The rule asks for the highest mean alone; whether it is highest by more than chance is shown beside it.
    return Finding(found, (part, (f"{split(20)} - {split(0)}", e.gain(split(20), split(0), "edge", 1))))


def heavy_best(e: Evidence) -> Finding:
    found, part = best(e, split(80), split(0), "hard", 1)
    return Finding(found, (part,), "no arm solves any" if found == SCALE else "")


def always(arm: int, over: int, band: str) -> Callable[[Evidence], Finding]:
    """Whether a split is ``best`` at the first attempt at either budget."""

    def judge(e: Evidence) -> Finding:
        found = [best(e, split(arm, each), split(over, each), band, 1, each) for each in ("half", "full")]
        verdicts = [each for each, _ in found]
        if set(verdicts) == {SCALE}:
            return Finding(SCALE, tuple(part for _, part in found), "no arm solves any")
        return Finding(verdict(set(verdicts) == {HOLDS}, FAILS in verdicts), tuple(part for _, part in found))

    return judge


def all_rl_best(e: Evidence) -> Finding:
    found, part = best(e, split(100), split(80), "hard", 128)
    return Finding(found, (part,), "no arm solves any" if found == SCALE else "")


# interplay/process_reward


def rewards(p: int, *kinds: str) -> tuple[str, ...]:
    return tuple(f"{kind} mod {p}" for kind in kinds)


def gains_by_working(p: int) -> Callable[[Evidence], Finding]:
    def judge(e: Evidence) -> Finding:
        return signed(
            [
                (f"{kind} - answer mod {p}, edge pass@1", e.gain(f"{kind} mod {p}", f"answer mod {p}", "edge", 1))
                for kind in ("printed", "strict")
            ]
        )

    return judge


def same_at_128(e: Evidence) -> Finding:
    """The band and the edge together, as the paper pools them."""
    solved = {
        arm: np.concatenate([e.scores(arm, band, 128) for band in ("ID", "edge")], axis=1)
        for arm in rewards(7, "answer", "printed", "strict")
    }
    answer, *others = solved
    gains = [(f"{arm} - {answer}, ID and edge pass@128", difference(solved[arm], solved[answer])) for arm in others]
    inside = all(-0.02 < g.low and g.high < 0.02 for _, g in gains)
    return Finding(verdict(inside, any(g.high < -0.02 or g.low > 0.02 for _, g in gains)), tuple(gains))


def reasons(e: Evidence) -> Finding:
    gaps_SP = {p: e.scores(f"strict mod {p}", "edge", 1) - e.scores(f"answer mod {p}", "edge", 1) for p in (3, 11)}
    shrinks, kept = difference(gaps_SP[3], gaps_SP[11]), e.gain("strict mod 11", "answer mod 11", "edge", 1)
    found = HOLDS if kept.low > 0 else CONFOUNDED if shrinks.low > 0 else OPEN
    parts = ("strict - answer mod 11, edge pass@1", kept), ("the same mod 3, minus it", shrinks)
    return Finding(found, parts, {HOLDS: "about reasoning", CONFOUNDED: "about guessable answers", OPEN: ""}[found])


def fewer_faults(e: Evidence) -> Finding:
    parts, (strict, answer) = [], rewards(7, "strict", "answer")
    exam = next(row["exam"] for row in e.found.rows if row["kind"] == "sampled")
    for kind in (OPERAND, MISSING):
        shares = [fault_shares(e.found.of(arm, exam), kind) for arm in (strict, answer)]
        parts.append(
            (
                f"{strict} - {answer}, responses with fault {kind}",
                by_seed(*shares, problems=e.found.of(strict, exam)[0]["problems"]),
            )
        )
    return Finding(verdict(all(g.high < 0 for _, g in parts), any(g.low > 0 for _, g in parts)), tuple(parts))


def fault_shares(rows: list[dict], kind: str) -> list[float]:
    """The share of each seed's responses with at least one fault of a kind."""
    return [fault_counts(row["faults"]).get(kind, 0) / (row["problems"] * row["samples"]) for row in rows]


# interplay/forgetting


def path_means(e: Evidence, method: str, band: str) -> np.ndarray:
    """Mean pass@1 of every seed (axis 1) after none, 1, 2, 3 and 4 stages of a method (axis 0)."""
    return np.array([e.scores(arm, band, 1).mean(1) for arm in ("none", *(f"{method} {n}" for n in range(1, 5)))])


def lost_at(gains_N, losses_N, wanted: float) -> float:
    """The loss where a path of gains first reaches ``wanted``, linear between points; the last where it never does."""
    for n, gain in enumerate(gains_N):
        if gain >= wanted:
            if n == 0:
                return float(losses_N[0])
            part = (wanted - gains_N[n - 1]) / (gain - gains_N[n - 1])
            return float(losses_N[n - 1] + part * (losses_N[n] - losses_N[n - 1]))
    return float(losses_N[-1])


def forgets_less(e: Evidence) -> Finding:
    edge, band = ({m: path_means(e, m, b) for m in ("SFT", "RL")} for b in ("edge", "ID"))
    gains, losses = ({m: way * (each[m] - each[m][0]) for m in each} for way, each in ((1, edge), (-1, band)))
    wanted = gains["RL"][-1]
    sft_S = [lost_at(gains["SFT"][:, s], losses["SFT"][:, s], wanted[s]) for s in range(len(wanted))]
    gap = by_seed(sft_S, losses["RL"][-1], e.scores("none", "ID", 1).shape[1])
    return signed([("SFT - RL in ID pass@1 lost at the edge gain of RL 4", gap)])


def divergence_tells(e: Evidence) -> Finding:
    arms = [arm for arm in e.found.arms if arm != "none"]
    moved = [float(np.mean([numbers(row["divergence"]) for row in e.found.of(arm, "edge-kl")])) for arm in arms]
    lost = [float((e.scores("none", "ID", 1) - e.scores(arm, "ID", 1)).mean()) for arm in arms]
    if np.ptp(moved) == 0 or np.ptp(lost) == 0:
        return Finding(OPEN, note="all arms moved, or lost, equally much")
    rank = spearman(moved, lost)
    estimate = Estimate(rank, math.nan, math.nan, len(e.found.seeds), len(arms))
    losses = [e.gain("none", arm, "ID", 1) for arm in arms]
    found = any(each.low > 0 for each in losses)
    return Finding(
        verdict(rank >= 0.7, rank < 0.3),
        (("Spearman's correlation over the eight arms, which has no interval", estimate),),
        "" if found else "no arm's loss excludes zero, so there is little to tell",
    )


# The claims

PATHS = ("none", *(f"{method} {n}" for method in ("SFT", "RL") for n in range(1, 5)))
EXPOSED = ("0 % + RL", *(f"{share} {kind} + RL" for kind in ("names", "copies") for share in EXPOSURES))

CLAIMS = (
    Claim(
        "E0", "Longer pre-training opens the edge: problems just beyond the band come within reach.",
        "edge up to about .45 and op 14 at most .15 in pass@128 after 20k steps (Fig 9)",
        "interplay/ladder", ("x0", "x1", "x2"), opens,
    ),
    Claim(
        "finding 1", "RL extends pass@128 only where the base has headroom and the data lie at its edge.",
        "RL op 11-14: edge pass@128 +42 pp; ID pass@128 never above the base (section 3, Fig 3)",
        "interplay/edge", ("none", *RL_ARMS), extends,
    ),
    Claim(
        "E1, ID", "Within the band RL never raises pass@128 above the base.",
        "never, in any arm; 99.3 to 98.2 for the released model (Fig 3, ID)",
        "interplay/edge", ("none", *RL_ARMS), keeps_band,
    ),
    Claim(
        "E1, beyond", "RL on problems beyond the base's reach does not extend it as RL at the edge does.",
        "RL op 17-20: about 0 on hard, where RL op 11-14 has about 23 % (Fig 3)",
        "interplay/edge", ("none", "RL edge", "RL beyond"), needs_edge_data,
    ),
    Claim(
        "E2", "RL at the edge raises the probability of hard solutions more than RL on any other band.",
        "op 11-14 gives the largest reduction of NLL on op 15-20 (Fig 10)",
        "interplay/edge", ("RL inside", "RL boundary", "RL edge", "RL beyond"), lifts_most,
        f"{T} of mean log-probability of hard solutions, RL edge minus RL inside, boundary and beyond: all above 0.",
    ),
    Claim(
        "E1, hard", "RL at the edge reaches problems deeper than any it was trained on.",
        "hard pass@128 about 0 to about 23 % after RL op 11-14 (Fig 3)",
        "interplay/edge", ("none", "RL edge"), seen("hard", 128, ("RL edge", "none")),
        f"{AFTER}{T} of RL edge minus none in hard pass@128: above zero.",
    ),
    Claim(
        "E3", "Rewards of RL on problems beyond the base's reach do not rise.",
        "op 17-20 flat at 0; op 11-14 from .2 to .5 (Fig 11)",
        "interplay/edge", ("RL beyond",), rewarded(no_reward),
        f"{T} of mean reward (a fifth of problems replayed) in the second half of compute minus the first: below +.02.",
    ),
    Claim(
        "E3, edge", "Rewards of RL at the edge rise.",
        "op 11-14 from .2 to .5 (Fig 11)",
        "interplay/edge", ("RL edge",), rewarded(reward_rises),
        f"{AFTER}{T} of mean reward (a fifth of problems replayed) in the second half of compute minus the first: "
        "above zero.",
    ),
    Claim(
        "control, SFT", "RL, and not any training on edge problems, is what extends pass@128 at the edge.",
        "not in the paper; gold SFT 92.0, released RL 84.0 at edge pass@128 (related.md 0.4)",
        "interplay/edge", ("RL edge", "SFT edge"), rl_beats("SFT edge"),
        f"{T} of RL edge minus SFT edge in edge pass@128 at equal FLOPs: holds above zero, does not below.",
    ),
    Claim(
        "control, RFT", "RL extends pass@128 at the edge further than imitating one's own correct samples does.",
        "not in the paper",
        "interplay/edge", ("RL edge", "RFT edge"), rl_beats("RFT edge"),
        f"{T} of RL edge minus RFT edge in edge pass@128 at equal FLOPs: holds above zero, does not below.",
    ),
    Claim(
        "A1", "What RL newly solves, the base already solved now and then: RL lifts and does not create.",
        "open (related.md A1)",
        "interplay/edge", ("none", "RL edge"), lifts,
    ),
    Claim(
        "finding 2",
        "RL carries skills over to a second world once pre-training held about 1 % of it, as copy chains at least.",
        "0 % and .1 % fail, 1 % reaches op 20, up to +60 pp pass@128 (section 4, Fig 4)",
        "interplay/context_exposure", EXPOSED, exposure_needed,
    ),
    Claim(
        "E5", "What is solved in the second world is nearer to training graphs of the first than its problems are.",
        "low op replicate, high op are less similar; .2 to 1, measure not defined (Fig 5)",
        "interplay/topology", ("10 % arithmetic + RL",), replicates,
    ),
    Claim(
        "E6", "With copy chains of the second world, rewards rise in RL after 1 % and 10 % and stay flat after .1 %.",
        ".1 %: .32 to .42, then flat; 1 %: .35 to .6; 10 %: .35 to .7 (Fig 17)",
        "interplay/context_exposure", tuple(f"{share} copies + RL" for share in EXPOSURES),
        rewarded(reward_after_exposure),
        f"{AFTER}{T} of mean reward in the second half of compute minus the first: above zero after 1 and 10 %, below "
        "+.02 after .1 %.",
    ),
    Claim(
        "E7",
        "With .1 % of the second world at all operations, RL in the first world alone already helps in the second.",
        "even 0 % of it in RL transfers substantially (Fig 12)",
        "interplay/context_rl_share", ("0.1 % all", "0.1 % all, RL 0 %"),
        seen("ID", 128, ("0.1 % all, RL 0 %", "0.1 % all"), world=RARE),
        f"{T} of the arm with 0 % in RL minus that without RL in the second world's ID pass@128: above zero.",
    ),
    Claim(
        "E7, monotone", "With .1 % of the second world, the more RL is in it, the better it goes there.",
        "monotone in 0, 2, 10, 50, 100 %, about .35 to .90 (Fig 12)",
        "interplay/context_rl_share", tuple(f"0.1 % all, RL {n} %" for n in RL_SHARES),
        seen("ID", 128, *((f"0.1 % all, RL {b} %", f"0.1 % all, RL {a} %") for a, b in pairwise(RL_SHARES)),
             world=RARE),
        f"{AFTER}{T} of each share minus the next smaller one in the second world's ID pass@128: all above zero.",
    ),
    Claim(
        "E8", "After 1 % of low operations, RL needs about a tenth in the second world.",
        "0 to 1 %: almost nothing; 10 %: +76 pp pass@128 (Fig 13)",
        "interplay/context_rl_share", tuple(f"1 % low, RL {n} %" for n in (0, 1, 10)),
        tenth_needed("1 % low", 128, 0.1),
    ),
    Claim(
        "E8, 10 % low", "After 10 % of low operations, which the base can use, so does a tenth of RL and not 1 %.",
        "not in the paper, whose 1 % is a base that can (Fig 13)",
        "interplay/context_rl_share", tuple(f"10 % low, RL {n} %" for n in (0, 1, 10)),
        tenth_needed("10 % low", 1, 0.05),
        f"Written before these arms ran, committed with them: {T} of RL 10 % minus RL 0 % in the second world's ID "
        "pass@1: holds above zero if the mean is .05 or more and that of RL 1 % below .05, does not if wholly below "
        ".05.",
    ),
    Claim(
        "E8, diminishing", "After 1 % of low operations, half of RL adds less to a tenth than a tenth to none.",
        "50 and 100 % diminishing (Fig 13)",
        "interplay/context_rl_share", tuple(f"1 % low, RL {n} %" for n in (0, 10, 50)), diminishes,
        f"{AFTER}{T} of the step from 0 to 10 % minus that from 10 to 50 % in the second world's ID pass@128: above "
        "zero.",
    ),
    Claim(
        "E8, first world", "RL wholly in the second world leaves the first as it was.",
        "stable even with 100 % (Fig 13)",
        "interplay/context_rl_share", ("1 % low, RL 0 %", "1 % low, RL 100 %"),
        keeps_world("1 % low", 128),
        f"{T} of RL 100 % minus RL 0 % in the first world's ID pass@128: holds above -.05, does not below.",
    ),
    Claim(
        "E8, first world, 10 %", "After 10 % of low operations too.", "not in the paper",
        "interplay/context_rl_share", ("10 % low, RL 0 %", "10 % low, RL 100 %"), keeps_world("10 % low", 1),
        f"{AFTER}{T} of RL 100 % minus RL 0 % in the first world's ID pass@1: holds above -.05, does not below.",
    ),
    Claim(
        "E9, text",
        "The gain of RL shrinks as pre-training covers more hard problems, and is largest at 20 % (the paper's text).",
        "its own table: +29.0 +29.2 +16.6 +45.3 +42.0 pp at op 11-14, smallest at 20 % (Fig 15)",
        "interplay/pretraining_difficulty", tuple(f"{share}{more}" for share in HARD_SHARES for more in ("", " + RL")),
        coverage_text,
    ),
    Claim(
        "E9, table", "The gain of RL is largest where a third or more of pre-training was hard (the paper's numbers).",
        "+45.3 pp at 33.3 %, +42.0 at 50 %, op 11-14 (Fig 15)",
        "interplay/pretraining_difficulty", tuple(f"{share}{more}" for share in HARD_SHARES for more in ("", " + RL")),
        coverage_table,
    ),
    Claim(
        "E9, hard", "The gain of RL beyond the edge is largest where half of pre-training was hard.",
        "+5.9 +10.4 +22.1 +18.0 +25.8 pp at op 15-20 (Fig 15)",
        "interplay/pretraining_difficulty", tuple(f"{share}{more}" for share in HARD_SHARES for more in ("", " + RL")),
        coverage_hard,
        f"{AFTER}the largest mean gain of RL over no RL in hard pass@128 is that at 50 %.",
    ),
    Claim(
        "finding 3", "At equal compute, mid-training and RL beat RL alone on hard problems.",
        "+10.8 pp on hard (section 5, Fig 6)",
        "interplay/mid_or_rl", (split(80), split(100)), seen("hard", 128, (split(80), split(100))),
    ),
    Claim(
        "E10, edge", "A little RL after much mid-training is best at the edge, at the first attempt.",
        "edge pass@1 50 to 60, Light (20 % RL) best (Fig 6)",
        "interplay/mid_or_rl", splits(), light_best,
    ),
    Claim(
        "E10, hard", "Much RL after a little mid-training is best on hard problems.",
        "hard pass@1 0 to 25, Heavy (80 % RL) best (Fig 6)",
        "interplay/mid_or_rl", splits(), heavy_best,
    ),
    Claim(
        "E11", "A little RL is best at the edge at every budget.",
        "Light best at edge pass@1 at all of 1.0 to 20.0B tokens; spread of arms 2 to 6 pp (Fig 18)",
        "interplay/mid_or_rl", (*splits("half"), *splits()), always(20, 100, "edge"),
        "At both budgets 20% RL has the highest mean edge pass@1 and 20% - 100% RL lies above zero.",
    ),
    Claim(
        "E11, hard", "Much RL after a little mid-training is best on hard problems at every budget.",
        "Heavy best at hard pass@1 at all of 1.0 to 20.0B tokens, 2 to 10 % (Fig 18)",
        "interplay/mid_or_rl", (*splits("half"), *splits()), always(80, 0, "hard"),
        f"{AFTER}at both budgets 80% RL has the highest mean hard pass@1 and 80% - 0% RL lies above zero.",
    ),
    Claim(
        "E11, all RL", "At the larger budgets nothing but RL is best on hard problems within 128 attempts.",
        "Full-RL best at hard pass@128 from 8.4B tokens on, Heavy below (Fig 18)",
        "interplay/mid_or_rl", splits(), all_rl_best,
        f"{AFTER}at the larger budget 100% RL has the highest mean hard pass@128 and 100% - 80% RL lies above zero.",
    ),
    *(
        Claim(
            f"finding 4, mod {p}",
            f"Rewards for the working beat rewards for the answer modulo {p}, where a right guess is {likely}.",
            "+4.7 (.2 outcome) and +5.2 pp (strict) over 70.7, op 2-14 pass@1; half the answers lie in 1 to 4 (Fig 7)",
            "interplay/process_reward", rewards(p, "answer", "printed", "strict"), gains_by_working(p),
        )
        for p, likely in ((3, "likely"), (7, "less likely"), (11, "least likely"))
    ),
    Claim(
        "finding 4, why", "The gain of rewarding the working is about reasoning, and not about guessable answers.",
        "answer-only reward can be had by guessing 25 to 27 % (section 6; interplay.md, point 2)",
        "interplay/process_reward", (*rewards(3, "answer", "strict"), *rewards(11, "answer", "strict")), reasons,
    ),
    Claim(
        "E12, hard", "Rewards for the working beat rewards for the answer beyond the edge too.",
        "+4.3 (.2 outcome) and +4.1 pp (strict) over 5.6, op 15-20 pass@1 (Fig 7)",
        "interplay/process_reward", rewards(7, "answer", "printed", "strict"),
        seen("hard", 1, *((arm, "answer mod 7") for arm in rewards(7, "printed", "strict"))),
        f"{AFTER}{T} of printed and strict minus answer mod 7 in hard pass@1: both above zero.",
    ),
    Claim(
        "E12, 128", "Within 128 attempts the reward does not matter up to the edge.",
        "-.0 (.2 outcome) and +.3 pp (strict) over 94.7, op 2-14 pass@128 (Fig 7)",
        "interplay/process_reward", rewards(7, "answer", "printed", "strict"), same_at_128,
        f"{AFTER}{T} of printed and strict minus answer mod 7 in pass@128 of band and edge together: holds if both lie "
        "within .02 of zero, does not if one lies beyond.",
    ),
    Claim(
        "E13", "Rewarding the working makes wrong operands and missing steps rarer than rewarding the answer does.",
        "op 11-14: dependency mismatch 75 to 40, missing 15 to few, base to process reward (Fig 8)",
        "interplay/process_reward", rewards(7, "answer", "strict"), fewer_faults,
        f"{T} of strict - answer mod 7 in the shares of edge responses with operand and missing faults: both below 0.",
    ),
    Claim(
        "A3", "RL forgets less of the band than SFT does for the same gain at the edge.",
        "open (related.md A3); ID pass@1 72.4 after SFT, 82.6 after RL, edge 51.6 and 50.6 (related.md 0.4)",
        "interplay/forgetting", PATHS, forgets_less,
    ),
    Claim(
        "A3, KL", "KL to the base on the new problems tells how much is forgotten.",
        "open (related.md A3, after RL's Razor)",
        "interplay/forgetting", PATHS, divergence_tells,
    ),
)  # fmt: skip
