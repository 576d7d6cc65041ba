"""What papers claim of their mid-training methods, what our studies predict, and what each study's rule says of both.

A method of the leaderboard is no claim of ours, nor is a pair of midtraining/rmt's exams: the study's rule calls it
better or worse than what it is compared with. The claims of each study stand in a tuple of their own, and CLAIMS joins
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from interlude.studies.claims import (
    BETTER,
    NOT_RUN,
    OPEN,
    SCALE,
    VISIBLE,
    WORSE,
    Claim,
    Evidence,
    Finding,
    Part,
    T,
    by_seed,
    signed,
    verdict,
)
from interlude.studies.results import numbers, tallies
from interlude.studies.stats import difference

THEN = {"alone": "", "+ RL": " + RL"}  # how an arm's name ends before and after the RL all have in common
CONTROL = "NTP"  # what all are compared with
BOUNDS = ("thinking SFT, oracle", "NTP, full texts")  # arms that are no methods
NEAR, LIKE, FAR = 0.05, 0.1, 0.15  # of pass@1: the leaderboard's prediction
EDGE = "zoo-edge-sampled"
GUESSED = 0.1  # strict at the edge by skipping all but the last step and guessing (.096, Exam.strict_floor at nano)


# In sampled exams responses may take the liberties of their study's corpus: think and skip steps, or choose words


def own(e: Evidence, arm: str) -> np.ndarray:
    """Strict pass@1 of every seed and problem (SP) of the sampled edge exam."""
    return e.found.solved(arm, EDGE, 1)


def own_gain(e: Evidence, arm: str, over: str) -> Part:
    return f"{arm} - {over}, sampled edge pass@1", difference(own(e, arm), own(e, over))


def unsolved(e: Evidence, floor: float = GUESSED) -> bool:
    """Whether no arm compared is above a floor in the sampled edge exam: what guessing is worth where steps may be
    skipped."""
    return max(own(e, arm).mean() for arm in e.found.arms) < floor


def ranked(arm: str, over: str) -> Callable[[Evidence], Finding]:
    """Better above zero and worse below it, as rules have it that name a pair and no claim."""

    def judge(e: Evidence) -> Finding:
        part = own_gain(e, arm, over)
        if unsolved(e):
            return Finding(SCALE, (part,), "no arm is above guessing")
        return Finding(BETTER if part[1].low > 0 else WORSE if part[1].high < 0 else OPEN, (part,))

    return judge


def asked(exams: tuple[str, ...], judge: Callable[[Evidence], Finding]) -> Callable[[Evidence], Finding]:
    """The same judge, once every arm has sat these exams with every seed."""

    def checked(e: Evidence) -> Finding:
        for arm in e.found.arms:
            for exam in exams:
                if {row["seed"] for row in e.found.rows if (row["arm"], row["exam"]) == (arm, exam)} < {*e.found.seeds}:
                    return Finding(OPEN, note=f"{arm!r} has not sat {exam} with every seed yet")
        return judge(e)

    return checked


def own_above(*pairs: tuple[str, str]) -> Callable[[Evidence], Finding]:
    """Every first arm of a pair lies above its second in sampled edge pass@1."""

    def judge(e: Evidence) -> Finding:
        parts = [own_gain(e, arm, over) for arm, over in pairs]
        return Finding(SCALE, tuple(parts), "no arm is above guessing") if unsolved(e) else signed(parts)

    return asked((EDGE,), judge)


def both(pairs: tuple[tuple[str, str], ...], end: str) -> tuple[tuple[str, str], ...]:
    """The same pairs before or after the RL that all have in common."""
    return tuple((arm + end, over + end) for arm, over in pairs)


def among(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(arm for pair in pairs for arm in pair))


def within(least: float, most: float, *pairs: tuple[str, str]) -> Callable[[Evidence], Finding]:
    """Every first arm of a pair is at least so much and at most so much above its second in sampled edge pass@1."""

    def judge(e: Evidence) -> Finding:
        parts = tuple(own_gain(e, arm, over) for arm, over in pairs)
        if unsolved(e):
            return Finding(SCALE, parts, "no arm is above guessing")
        holds = all(least <= g.low and g.high <= most for _, g in parts)
        return Finding(verdict(holds, any(g.high < least or g.low > most for _, g in parts)), parts)

    return asked((EDGE,), judge)


def stays_low(e: Evidence) -> Finding:
    """A level and no comparison, so no floor: an arm that solves nothing is below FAR too."""
    own_SP = own(e, CONTROL)
    level = difference(own_SP, 0 * own_SP)
    return Finding(verdict(level.high < FAR, level.low >= FAR), ((f"{CONTROL}, sampled edge pass@1", level),))


def none_above(e: Evidence) -> Finding:
    made = within(-np.inf, NEAR, *BESIDE)(e)
    highest = max(made.parts, key=lambda part: part[1].mean)
    return replace(made, parts=(highest,), note=made.note or "the highest of all")


KD = "a baseline of ReMiT, below it; its numbers not seen (methods.md 1.3)"
OURS = "a control, not in a paper"
PUBLISHED = {  # for each method its paper's numbers, alone and after RL
    "pre-training": (OURS, OURS),
    "ReMiT": (
        "+5.21, +1.84, +1.78 % over three model families (methods.md 1.3)", "more than 2 % kept (methods.md 1.3)",
    ),
    "distillation": (KD, KD),
    "SFT": (OURS, OURS),
    "RFT": (OURS, OURS),
    "RL": (OURS, OURS),
    "ReLIFT": ("not in the paper, which compares it with RL", "not in the paper"),
    "mixed SFT": (
        "lowest before RL of those compared (related.md 1.5)", "highest after RL of those compared (related.md 1.5)",
    ),
    "RLP": (
        "+17 % over as much continued pre-training, 43.36, baseline 35.60, at equal FLOPs (related.md 1.1)",
        "+7 % relative (related.md 1.1)",
    ),
    "RPT": ("35.85, baseline 31.13, next tokens right (methods.md 2.4)", "48.50, baseline 51.00 (methods.md 2.4)"),
    "RMT": (
        "46.87, baseline 31.13, and 59.12, baseline 35.84, next tokens right (methods.md 2.4)",
        "54.67, baseline 51.00, and 64.33, baseline 54.17 (methods.md 2.4)",
    ),
    BOUNDS[0]: ("no method: the generator's own thoughts, an upper bound", "no method: an upper bound"),
    BOUNDS[1]: ("no method: the corpus without gaps, an upper bound", "no method: an upper bound"),
    "thinking SFT": (".2221, SFT(raw) .0999 (methods.md 4.4)", ".3480, SFT(raw) .1645 (methods.md 4.4)"),
    "thinking": (".3348, SFT(raw) .0999 (methods.md 4.4)", ".3785, SFT(raw) .1645 (methods.md 4.4)"),
}  # fmt: skip
PLAIN, TOKEN_THINKERS = ("pre-training", "RL"), ("RLP", "RPT", "RMT")
FAR_ABOVE = tuple((arm + end, CONTROL + end) for end in THEN.values() for arm in PLAIN)
LIKE_RL = tuple((arm + end, "RL" + end) for end in THEN.values() for arm in TOKEN_THINKERS)
LADDER = (("thinking SFT", CONTROL), (BOUNDS[0], "thinking SFT"), BOUNDS[::-1])
BESIDE = tuple(
    (f"{arm} + RL", "pre-training + RL") for arm in (CONTROL, *PUBLISHED) if arm not in ("pre-training", *BOUNDS)
)
BASELINES = {  # what two papers compare themselves with, and their numbers
    ("ReLIFT", "RL"): "+5.2 and +6.7 points over RL alone (related.md 2.1)",
    ("RLP", "pre-training"): "43.36, as much continued pre-training at equal FLOPs 35.60 (related.md 1.1)",
}
LEADERBOARD = (
    *(
        Claim(
            f"{name}, {then}",
            f"{name} against next-token prediction" + ", both followed by the same RL" * (then != "alone") + ".",
            published, "midtraining/leaderboard", (name + THEN[then], CONTROL + THEN[then]),
            ranked(name + THEN[then], CONTROL + THEN[then]),
        )
        for name, both in PUBLISHED.items()
        for then, published in zip(THEN, both, strict=True)
    ),
    *(
        Claim(
            f"{arm} over {over}", f"{arm} beats {over}, which its paper compares it with.",
            published, "midtraining/leaderboard", (arm, over), own_above((arm, over)),
            f"{T} of sampled edge pass@1, {arm} - {over}: holds above 0, not below.",
        )
        for (arm, over), published in BASELINES.items()
    ),
    Claim(
        "board, NTP", "Next-token prediction alone stays below .15 at the edge.",
        "our prediction", "midtraining/leaderboard", (CONTROL,), asked((EDGE,), stays_low),
        f"{T} of NTP in sampled edge pass@1: holds if below .15, not if at or above it.",
    ),
    Claim(
        "board, pre-training and RL", "Pre-training and RL are above next-token prediction by .15 or more, also + RL.",
        "our prediction", "midtraining/leaderboard", among(FAR_ABOVE), within(FAR, np.inf, *FAR_ABOVE),
        f"{T} of sampled edge pass@1, pre-training and RL - NTP, alone and + RL: holds if all four begin at .15 or "
        "above, not if one ends below.",
    ),
    Claim(
        "board, thinking before tokens", "RLP, RPT and RMT lie within .1 of RL, alone and + RL.",
        "our prediction", "midtraining/leaderboard", among(LIKE_RL), within(-LIKE, LIKE, *LIKE_RL),
        f"{T} of sampled edge pass@1, each - RL, alone and + RL: holds if all six lie within .1 of 0, not if one lies "
        "beyond.",
    ),
    Claim(
        "board, thinking SFT", "Thinking SFT lies between next-token prediction and its oracle, that below full texts.",
        "our prediction", "midtraining/leaderboard", among(LADDER), own_above(*LADDER),
        f"{T} of sampled edge pass@1, alone, thinking SFT - NTP, its oracle - it, full texts - its oracle (as both "
        "gain over NTP): holds if all three lie above 0, not if one lies below.",
    ),
    Claim(
        "board, none above pre-training", "After RL no method is above pre-training by more than .05.",
        "our prediction", "midtraining/leaderboard", among(BESIDE), asked((EDGE,), none_above),
        f"{T} of sampled edge pass@1, every method + RL (bounds are none) - pre-training + RL: holds if all end at "
        ".05 or below, not if one begins above.",
    ),
)  # fmt: skip


# midtraining/remit, where no step may be skipped and no solution is guessed


def above(*pairs: tuple[str, str]) -> Callable[[Evidence], Finding]:
    """Every first arm of a pair lies above its second in sampled edge pass@1."""

    def judge(e: Evidence) -> Finding:
        return solved(e, [own_gain(e, arm, over) for arm, over in pairs])

    return asked((EDGE,), judge)


def solved(e: Evidence, parts: list[Part], beside: tuple[Part, ...] = ()) -> Finding:
    """What the signs of the parts say, where any arm solves anything. beside: what is told and does not decide."""
    found = Finding(SCALE, tuple(parts), "no arm solves any") if unsolved(e, VISIBLE) else signed(parts)
    return replace(found, parts=(*found.parts, *beside))


def shape(e: Evidence) -> Finding:
    alone, after = (own(e, f"ReMiT{end}") - own(e, f"NTP{end}") for end in THEN.values())
    kept = ("ReMiT + RL - NTP + RL, sampled edge pass@1", difference(after, 0 * after))
    return solved(e, [("(ReMiT - NTP) alone - + RL, sampled edge pass@1", difference(alone, after)), kept])


def rounds(e: Evidence) -> Finding:
    ntp, first, second = (own(e, arm) for arm in ("NTP", "ReMiT", "ReMiT twice"))
    less = ("(ReMiT - NTP) - (ReMiT twice - ReMiT), sampled edge pass@1", difference(first - ntp, second - first))
    return solved(e, [less, own_gain(e, "ReMiT", "NTP")], (own_gain(e, "ReMiT twice", "ReMiT"),))


REMIT = (
    Claim(
        "ReMiT gains", "Weighing tokens by a model tuned by RL improves mid-training.",
        "+5.21, +1.84, +1.78 % over three model families (methods.md 1.3)",
        "midtraining/remit", ("ReMiT", "NTP"), above(("ReMiT", "NTP")),
    ),
    Claim(
        "ReMiT gains + RL", "The same RL afterwards keeps a gain.",
        "more than 2 % kept after post-training (methods.md 1.3)",
        "midtraining/remit", ("ReMiT + RL", "NTP + RL"), above(("ReMiT + RL", "NTP + RL")),
    ),
    *(
        Claim(
            f"ReMiT, weights{end}",
            f"The gain{end} is the weights': shuffled within each sequence they do not have it.",
            "not in the paper; asked for by its reviewers (methods.md 1.5)",
            "midtraining/remit", tuple(arm + end for arm in ("ReMiT", "NTP", "shuffled weights")),
            above(("ReMiT" + end, "NTP" + end), ("ReMiT" + end, "shuffled weights" + end)),
        )
        for end in THEN.values()
    ),
    Claim(
        "ReMiT, reference", "It is worth its reference: as much compute on longer RL does less.",
        "not in the paper; asked for by its reviewers (methods.md 1.5)",
        "midtraining/remit", ("ReMiT + RL", "longer RL"), above(("ReMiT + RL", "longer RL")),
    ),
    Claim(
        "ReMiT, shape", "The gain is larger before RL than after it, and after it still above zero.",
        "+2.9 % on average, of which more than 2 % is kept (methods.md 1.3)",
        "midtraining/remit", ("ReMiT", "NTP", "ReMiT + RL", "NTP + RL"), asked((EDGE,), shape),
    ),
    Claim(
        "ReMiT, flywheel", "A second round, its reference made by the first, adds less than the first, which gains.",
        "it helps further, with diminishing returns (Fig 7; methods.md 1.3)",
        "midtraining/remit", ("ReMiT", "NTP", "ReMiT twice"), asked((EDGE,), rounds),
    ),
    Claim(
        "ReMiT, tokens",
        "At equal tokens, reference passes not counted, it beats next-token prediction: the paper's comparison.",
        "OLMo-1B reaches the baseline in a sixth of the tokens (Fig 1a; methods.md 1.3)",
        "midtraining/remit", ("ReMiT", "NTP, tokens of ReMiT"), above(("ReMiT", "NTP, tokens of ReMiT")),
        f"{T} of ReMiT - NTP at ReMiT's tokens in sampled edge pass@1: above 0.",
    ),
    Claim(
        "ReMiT, none wrong", "Reading no wrong solutions does more than weighing their tokens less.",
        "our prediction", "midtraining/remit", ("NTP, none wrong", "ReMiT"), above(("NTP, none wrong", "ReMiT")),
        f"{T} of NTP, none wrong - ReMiT in sampled edge pass@1: above 0.",
    ),
    *(
        Claim(
            f"ReMiT, {name}", f"It does more than {name} does.", "below ReMiT, numbers not seen (methods.md 1.3)",
            "midtraining/remit", ("ReMiT", name), above(("ReMiT", name)),
            f"{T} of ReMiT - {name} in sampled edge pass@1: above 0.",
        )
        for name in ("SFT-guided", "top-k", "distillation")
    ),
)  # fmt: skip


# midtraining/selfgen


def reaches(*pairs: tuple[str, str], k: int = 64) -> Callable[[Evidence], Finding]:
    """Every first arm of a pair lies above its second in strict pass@k of the sampled edge exam. The paper counts
    answers, but of 64 guesses modulo 7 one is nearly always right (1 - (6/7)^64 = .9999)."""

    def judge(e: Evidence) -> Finding:
        scored = {arm: e.found.solved(arm, EDGE, k) for pair in pairs for arm in pair}
        parts = tuple((f"{a} - {b}, sampled edge pass@{k}", difference(scored[a], scored[b])) for a, b in pairs)
        if max(each.mean() for each in scored.values()) < VISIBLE:
            return Finding(SCALE, parts, "no arm solves any")
        return signed(list(parts))

    return judge


def compares(name: str, says: str, published: str, *pairs: tuple[str, str], k: int = 64, rule: str = "") -> Claim:
    arms = tuple(dict.fromkeys(arm for pair in pairs for arm in pair))
    return Claim(name, says, published, "midtraining/selfgen", arms, reaches(*pairs, k=k), rule)


OWN = "approaches 8 + RL"
SELFGEN = (
    compares(
        "own solutions, RL",
        "RL reaches further after mid-training on own solutions by eight approaches than without any.",
        "48.09, baseline 44.21, n = 16, pass@64 (methods.md 3.4)", (OWN, "no mid-training + RL"),
    ),
    compares(
        "own solutions, STaR", "It reaches further than after STaR, with one solution of each question.",
        "48.09, STaR 45.69, n = 16, pass@64 (methods.md 3.4)", (OWN, "STaR + RL"),
    ),
    compares(
        "own solutions, diversity", "It reaches further than after as many own solutions that no approach tells apart.",
        "missing in the paper (methods.md 3.6)", (OWN, "rejection 8 + RL"),
    ),
    compares(
        "own solutions, n", "At equal instances more approaches are better: eight above four above one.",
        "16 of 463 questions beat 1 of 7,408 by 7 % relative (methods.md 3.4)",
        (OWN, "approaches 4 + RL"), ("approaches 4 + RL", "approaches 1 + RL"),
        rule=f"{T} after RL, sampled edge exam, strict pass@64, 8 - 4 and 4 - 1: both above 0.",
    ),
    compares(
        "own solutions, wrong", "Mid-training on as many wrong ones leaves RL below RL without mid-training.",
        "below RL alone, worse as n rises (methods.md 3.4)", ("no mid-training + RL", "incorrect 1 + RL"),
        rule=f"{T} after RL, sampled edge exam, strict pass@64, RL alone - incorrect 1: above 0.",
    ),
    compares(
        "own solutions, distillation", "It reaches further than after as many solutions of a larger, tuned model.",
        "distillation worse after RL, no number seen (methods.md 3.4)", (OWN, "distillation 8 + RL"),
    ),
    compares(
        "own solutions, before RL", "Before RL, at the first attempt, STaR is ahead.",
        "STaR above at pass@1; at pass@64 48.17, STaR 46.32, n = 64 (methods.md 3.4)", ("STaR", "approaches 8"), k=1,
        rule=f"{T} before RL, sampled edge exam, strict pass@1, STaR - approaches 8: above 0.",
    ),
    compares(
        "own solutions, RL narrows",
        "RL without mid-training ends below what it began with, RL after own solutions above that.",
        "44.21, zero-shot 46.30, 48.09, n = 16, pass@64 (methods.md 3.4)",
        ("no mid-training", "no mid-training + RL"), (OWN, "no mid-training"),
        rule=f"{T}, sampled edge exam, strict pass@64, no mid-training - the same + RL and approaches 8 + RL - "
        "no mid-training: both above 0.",
    ),
)  # fmt: skip


# Training curves of stages that think, and sampled exams in which responses may think

TIERS = ("easy", "medium", "hard")
Compared = tuple[str, np.ndarray, np.ndarray]  # what, and for each seed the number and the one it is compared with


def last_quarter(share: float) -> bool:
    """Whether a point that ends at this share of its stage is of the stage's last quarter."""
    return share > 0.75


def first_quarter(share: float) -> bool:
    return share <= 0.25


def untrained(share: float) -> bool:
    """The stage's first tenth: "the first points" that stand for a model that thinks and is not yet trained to."""
    return share <= 0.1


def thought_points(e: Evidence, arm: str, seed: int) -> list[dict]:
    """The points of an arm's stage that thinks, in order."""
    own = [row for row in e.curves if (row["arm"], row["seed"]) == (arm, seed) and np.isfinite(row["thought_tokens"])]
    return sorted(own, key=lambda row: row["step"])


def matches(
    e: Evidence, arm: str, kind: str, during: Callable[[float], bool] = last_quarter, column: str = "matched"
) -> np.ndarray:
    """For each seed (S) the share of an arm's thoughts before tokens of a tier or role after which the token was right;
    NaN where there were none. column: "foreseen" for the share expected of the stage's start without a thought."""
    found = []
    for seed in e.found.seeds:
        part = [row for row in thought_points(e, arm, seed) if during(row["share"])]
        drawn, right = (sum(tallies(row[name]).get(kind, 0.0) for row in part) for name in ("drawn", column))
        found.append(right / drawn if drawn else np.nan)
    return np.array(found)


def level(e: Evidence, arm: str, column: str, during: Callable[[float], bool]) -> np.ndarray:
    """For each seed (S) the mean of a column over the steps of a part of an arm's stage that thinks; NaN for none."""
    found = []
    for seed in e.found.seeds:
        rows = thought_points(e, arm, seed)
        steps = np.diff([row["step"] for row in rows], prepend=0)
        part = [(row[column], n) for row, n in zip(rows, steps, strict=True) if during(row["share"])]
        found.append(np.average([x for x, _ in part], weights=[n for _, n in part]) if part else np.nan)
    return np.array(found)


def thinks(compared: Callable[[Evidence], list[Compared]]) -> Callable[[Evidence], Finding]:
    """Every first number lies above its second over seeds, each seed's paired with its own."""

    def judge(e: Evidence) -> Finding:
        if not any(np.isfinite(row["thought_tokens"]) for row in e.curves):
            return Finding(NOT_RUN, note="no training curves of thoughts yet")
        pairs = compared(e)
        lacking = [what for what, a_S, b_S in pairs if np.isnan(a_S - b_S).any()]
        if lacking:
            return Finding(OPEN, note=f"in some seed there is nothing yet to tell {lacking[0]}")
        return signed([(what, by_seed(a_S, b_S, 0)) for what, a_S, b_S in pairs])

    return judge


# midtraining/rmt


def tiers(e: Evidence, arm: str, over: str) -> list[Compared]:
    return [
        (f"{arm} - {over}, matches at {tier} tokens", matches(e, arm, tier), matches(e, over, tier)) for tier in TIERS
    ]


def hard_tier(e: Evidence) -> list[Compared]:
    """RPT thinks before hard tokens only, so no other tier can be compared."""
    return tiers(e, "RMT", "RPT")[TIERS.index("hard") :]


def over_untrained(e: Evidence) -> list[Compared]:
    """Both against NTR, which the study takes from the first points of RMT's curve: each in every tier it thinks in."""
    thought = [("RMT", tier) for tier in TIERS] + [("RPT", "hard")]
    return [
        (f"{arm} - untrained, matches at {tier} tokens", matches(e, arm, tier), matches(e, "RMT", tier, untrained))
        for arm, tier in thought
    ]


def descending(e: Evidence) -> list[Compared]:
    return [
        (f"RMT, matches at {tier} tokens - {harder}", matches(e, "RMT", tier), matches(e, "RMT", harder))
        for tier, harder in pairwise(TIERS)
    ]


def helped(e: Evidence, kind: str) -> np.ndarray:
    """For each seed (S) what RMT's thoughts add at tokens of a tier or role to what is right without them."""
    return matches(e, "RMT", kind) - matches(e, "RMT", kind, last_quarter, "foreseen")


def over_foreseen(e: Evidence) -> list[Compared]:
    gains = {tier: helped(e, tier) for tier in TIERS}
    return [(f"RMT, matches - foreseen at {tier} tokens", gain_S, 0 * gain_S) for tier, gain_S in gains.items()]


def losses(e: Evidence) -> list[Compared]:
    """The order of what each part is worth is read off the mean of the three tiers, as only there the paper has it: at
    its easy tokens the arm without curriculum is below that without budget."""
    order = ("RMT", "no curriculum", "no budget", "no NTP")
    mean = {arm: np.mean([matches(e, arm, tier) for tier in TIERS], axis=0) for arm in order}
    return [(f"{a} - {b}, matches, mean of tiers", mean[a], mean[b]) for a, b in pairwise(order)]


def tokens(e: Evidence, arm: str, during: Callable[[float], bool]) -> np.ndarray:
    return level(e, arm, "thought_tokens", during)


def shortens(e: Evidence) -> list[Compared]:
    ends = (tokens(e, "RMT", part) for part in (first_quarter, last_quarter))
    return [("RMT, tokens of a thought, first quarter - last", *ends)]


def by_budget(e: Evidence) -> list[Compared]:
    told, free = (tokens(e, arm, first_quarter) - tokens(e, arm, last_quarter) for arm in ("RMT", "no budget"))
    return [("RMT - no budget, tokens that a thought gets shorter", told, free)]


def shorter(e: Evidence) -> list[Compared]:
    return [("RPT - RMT, tokens of a thought", *(tokens(e, arm, last_quarter) for arm in ("RPT", "RMT")))]


def purposes(e: Evidence) -> list[Compared]:
    value_S, choice_S = helped(e, "inferred"), helped(e, "planning")
    return [
        ("RMT, matches - foreseen at inferred values", value_S, 0 * value_S),
        ("RMT, the same - that at choices of a step", value_S, choice_S),
    ]


def role_over_tier(e: Evidence) -> list[Compared]:
    """Of roles the two that the prediction names; of tiers in every seed the two furthest apart, so that noise speaks
    for tiers."""
    apart_S = np.ptp([helped(e, tier) for tier in TIERS], axis=0)
    gap_S = helped(e, "inferred") - helped(e, "planning")
    return [("RMT, matches - foreseen, inferred values - choices, minus widest gap of tiers", gap_S, apart_S)]


SEEN_RMT = "not in the notes on the paper (methods.md 2.4)"
EXAMINED = {  # for each pair of the study its paper's numbers, alone and after RL
    ("RMT", "NTP"): (SEEN_RMT, SEEN_RMT),
    ("RMT", "mixed SFT"): (OURS, "mixed SFT is above RPT after RL, in a survey (methods.md 2.7)"),
    ("RMT", "RPT"): ("24.08, RPT 23.17 (methods.md 2.4)", "54.67, RPT 48.50 (methods.md 2.4)"),
    ("RMT", "no budget"): (SEEN_RMT, SEEN_RMT),
    ("RMT", "no words"): (OURS, OURS),
    ("RMT", "no curriculum"): (SEEN_RMT, SEEN_RMT),
    ("RMT", "no NTP"): (SEEN_RMT, SEEN_RMT),
    ("RMT", "cold start"): (
        "24.08, base 23.00, and 25.17, base 12.84 (methods.md 2.4)",
        "54.67, base 51.00, and 64.33, base 54.17 (methods.md 2.4)",
    ),
    ("RPT", "NTP"): (SEEN_RMT, SEEN_RMT),
    ("mixed SFT", "NTP"): (OURS, OURS),
}
SPARED = tuple((arm + end, "RMT" + end) for end in THEN.values() for arm in ("NTP", "mixed SFT"))


def pondered(
    name: str, says: str, published: str, arms: tuple[str, ...], compared: Callable[[Evidence], list[Compared]],
    rule: str = "",
) -> Claim:  # fmt: skip
    return Claim(f"RMT, {name}", says, published, "midtraining/rmt", arms, thinks(compared), rule)


RMT = (
    pondered(
        "hard tokens", "It predicts hard tokens better than RPT does.", "34.14, RPT 23.03 (methods.md 2.4)",
        ("RMT", "RPT"), hard_tier,
    ),
    pondered(
        "untrained", "It and RPT predict tokens better than a model that thinks and is not trained to (NTR).",
        "62.50, 43.96, 34.14, RPT 23.03 at hard ones; NTR 4.76, 2.43, 2.09 (methods.md 2.4)",
        ("RMT", "RPT"), over_untrained,
    ),
    pondered(
        "tiers", "It predicts easy tokens better than medium ones, and those better than hard ones.",
        "62.50, 43.96, 34.14 (methods.md 2.4)", ("RMT",), descending,
    ),
    pondered(
        "thought or none", "In every tier it is right more often than a prediction without a thought.",
        "62.50, 43.96, 34.14; NTP 42.04, 31.71, 19.64 (methods.md 2.4)", ("RMT",), over_foreseen,
        f"{T} of RMT's matches - those foreseen by its start, a share of all, last quarter: above 0 in each tier.",
    ),
    *(
        pondered(
            arm, f"It predicts tokens of every tier better than with {arm}.", published, ("RMT", arm),
            lambda e, arm=arm: tiers(e, "RMT", arm),
        )
        for arm, published in (
            ("no budget", "62.50, 43.96, 34.14; 60.35, 32.79, 27.59 without budget (methods.md 2.4)"),
            ("no words", OURS),
            ("no curriculum", "62.50, 43.96, 34.14; 59.32, 42.66, 27.68 without curriculum (methods.md 2.4)"),
            ("no NTP", "62.50, 43.96, 34.14; 40.00, 34.26, 27.27 without NTP (methods.md 2.4)"),
        )
    ),
    pondered(
        "what it loses", "Without NTP it loses most, then without budget, then without curriculum.",
        "46.87; 33.84, 40.24, 43.22, means of tiers (methods.md 2.4)",
        ("RMT", "no curriculum", "no budget", "no NTP"), losses,
        f"{T} of matches, last quarter, mean of tiers: RMT - no curriculum, that - no budget, that - no NTP: above 0.",
    ),
    pondered(
        "length", "The length of thoughts follows the budget.",
        "188 and 186 tokens in the end, budget 800 to 160 (methods.md 2.3, 2.4)", ("RMT",), shortens,
    ),
    pondered(
        "length by budget", "Without a budget thoughts do not get as much shorter.", OURS,
        ("RMT", "no budget"), by_budget,
        f"{T} of tokens of a thought, first quarter - last, of RMT - that of no budget: above 0.",
    ),
    pondered(
        "length and RPT", "Its thoughts are shorter than RPT's.", "188 tokens, RPT 872 (methods.md 2.4)",
        ("RMT", "RPT"), shorter, f"{T} of tokens of a thought, last quarter, RPT - RMT: above 0.",
    ),
    pondered(
        "roles", "Thinking helps where a value is to be inferred, and not where a step is to be chosen.",
        "not in the paper; a reviewer asks whether entropy is difficulty (methods.md 2.7)", ("RMT",), purposes,
        f"{T} of RMT's matches - foreseen, last quarter: at inferred values above 0, and above that at choices.",
    ),
    pondered(
        "role or tier", "A token's role tells more than its tier about what a thought is worth.",
        "not in the paper; a reviewer asks whether entropy is difficulty (methods.md 2.7)", ("RMT",), role_over_tier,
        f"{T} of RMT's matches - foreseen, last quarter, inferred values - choices, minus the widest gap of tiers: "
        "above 0.",
    ),
    Claim(
        "RMT, exams", "On exams NTP and mixed SFT are not below it, before or after RL.",
        "our prediction", "midtraining/rmt", among(SPARED), own_above(*SPARED),
        f"{T} of sampled edge pass@1, NTP and mixed SFT - RMT, alone and + RL: holds if all lie above 0 (one that "
        "spans it establishes nothing), not if one lies below.",
    ),
    *(
        Claim(
            f"{arm} - {over} ({then})",
            f"{arm} against {over}" + ", both followed by the same RL" * (then != "alone") + ".",
            published, "midtraining/rmt", (arm + end, over + end), asked((EDGE,), ranked(arm + end, over + end)),
        )
        for (arm, over), stated in EXAMINED.items()
        for (then, end), published in zip(THEN.items(), stated, strict=True)
    ),
)  # fmt: skip


# midtraining/thinking

OTHERS = ("empty", "shuffled", "other")  # thoughts that are not the model's own
STEPS = (("thinking SFT", "NTP"), ("thinking", "thinking SFT"))
CONTENTS = ("thinking SFT, empty", "thinking SFT, shuffled")
MORE = (("thinking", "thinking, 1/4 RL"), ("thinking, 3/4 RL", "thinking"))
JUDGES = ("thinking, judge of values", "thinking, noisy judge")
ALONE = "thinking, RL alone"
GROWING = ("reward", "thought_tokens")  # of the training curve
PROBED = (
    "pre-training",
    "NTP",
    "NTP, all tokens",
    "thinking SFT",
    "thinking SFT, all tokens",
    *CONTENTS,
    "thinking SFT, oracle",
    *among(MORE),
    ALONE,
    *JUDGES,
    "thinking, all tokens",
)


def after_thought(e: Evidence, arm: str, thought: str) -> np.ndarray:
    """Log-probability, in nats, of the corpus' next segment after a thought, for every seed and problem (SP)."""
    return np.array([numbers(row["logp"]) for row in e.found.of(arm, f"thought-{thought}")])


def matter(arm: str) -> Callable[[Evidence], Finding]:
    """The own thought against each other one. No floor: a log-probability tells arms apart however few they solve."""

    def judge(e: Evidence) -> Finding:
        own_SP = after_thought(e, arm, "own")
        others = {thought: after_thought(e, arm, thought) for thought in OTHERS}
        return signed([(f"own - {name}, nats a segment", difference(own_SP, each)) for name, each in others.items()])

    return asked(tuple(f"thought-{thought}" for thought in ("own", *OTHERS)), judge)


def like_control(end: str) -> Callable[[Evidence], Finding]:
    """Each content within NEAR of the control: the study gives no margin, so it is the leaderboard's."""
    return within(-NEAR, NEAR, *((arm + end, CONTROL + end) for arm in CONTENTS))


def growth(e: Evidence) -> list[Compared]:
    ends = {name: [level(e, "thinking", name, part) for part in (last_quarter, first_quarter)] for name in GROWING}
    return [(f"thinking, {name}, last quarter - first", *both_S) for name, both_S in ends.items()]


def twice(
    name: str, says: str, published: tuple[str, str], pairs: tuple[tuple[str, str], ...], rule: str = ""
) -> tuple[Claim, ...]:
    """A claim about pairs of arms alone, and the same about them after RL, each judged by itself."""
    return tuple(
        Claim(
            f"thoughts, {name}{end}", says, stated, "midtraining/thinking", among(both(pairs, end)),
            own_above(*both(pairs, end)), rule and f"{T} of sampled edge pass@1, alone and + RL apart, {rule}",
        )
        for end, stated in zip(THEN.values(), published, strict=True)
    )  # fmt: skip


MISSING = "a control missing in the paper (methods.md 4.6)"
THINKING = (
    *twice(
        "ladder", "Imitated thoughts beat the raw corpus, and RL on thoughts adds to them.",
        (".0999, .2221, .3348 (methods.md 4.4)", ".1645, .3480, .3785 (methods.md 4.4)"), STEPS,
    ),
    *twice(
        "content", "What stands in imitated thoughts counts: neither none nor shuffled ones do as well.",
        (MISSING, MISSING), tuple(("thinking SFT", other) for other in CONTENTS),
    ),
    Claim(
        "thoughts, RL on them", "RL on thoughts before the common RL does more than making that RL as much longer.",
        MISSING, "midtraining/thinking", ("thinking + RL", "longer RL"), own_above(("thinking + RL", "longer RL")),
    ),
    *twice(
        "more RL", "The larger the share of RL on thoughts, the better: 3/4 above 1/2 above 1/4.",
        ("not in the paper (methods.md 4.4)", ".3663, .3693, .3569, .3785 for 1k, 2k, 3k, 5k steps (methods.md 4.4)"),
        MORE, "thinking - 1/4 RL and 3/4 RL - thinking: both above 0.",
    ),
    *twice(
        "loss", "Imitated thoughts beat the raw corpus also where both have their loss on all tokens.", (OURS, OURS),
        (("thinking SFT, all tokens", "NTP, all tokens"),), "thinking SFT, all tokens - NTP, all tokens: above 0.",
    ),
    *twice(
        "loss, ladder", "RL on thoughts adds to imitated ones also where imitation has its loss on all tokens.",
        (".2221, .3348 (methods.md 4.4)", ".3480, .3785 (methods.md 4.4)"),
        (("thinking, all tokens", "thinking SFT, all tokens"),),
        "thinking, all tokens - thinking SFT, all tokens: above 0.",
    ),
    *twice(
        "RL alone", "RL on thoughts after a raw corpus, without imitating any before it, loses.",
        (MISSING, MISSING), (("thinking", ALONE),), "thinking - RL alone: above 0.",
    ),
    *twice(
        "judges", "A judge of values only, and one that errs, cost.", (OURS, OURS),
        tuple(("thinking", judge) for judge in JUDGES), "thinking - each of the two: both above 0.",
    ),
    *(
        Claim(
            f"thoughts, others equal NTP{end}", "Thoughts that are empty or shuffled are worth what the raw corpus is.",
            "our prediction", "midtraining/thinking", (CONTROL + end, *(arm + end for arm in CONTENTS)),
            like_control(end),
            f"{T} of sampled edge pass@1, empty and shuffled - NTP, alone and + RL apart: holds if both within .05 of "
            "0, not if one beyond.",
        )
        for end in THEN.values()
    ),
    Claim(
        "thoughts, growth", "In RL on thoughts, thoughts grow with the reward.",
        "reward .005 to .11, thoughts 70 to 700 tokens (Fig 11; methods.md 4.4)",
        "midtraining/thinking", ("thinking",), thinks(growth),
        f"{T} of reward and of tokens of a thought, last quarter of RL on thoughts - first: both above 0.",
    ),
    *(
        Claim(
            f"thoughts matter, {arm}", "The corpus' next segment is likelier after the own thought than after others.",
            "a probe that the paper lacks (methods.md 4.5)", "midtraining/thinking", (arm,), matter(arm),
            "As the study says; to ask after skipped steps only was decided after a first probe (studies/LOG.md).",
        )
        for arm in (*(name + end for end in THEN.values() for name in PROBED), "longer RL")
    ),
)  # fmt: skip

CLAIMS = LEADERBOARD + REMIT + SELFGEN + RMT + THINKING
