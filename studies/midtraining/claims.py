"""What papers claim of their mid-training methods, what our studies predict, and what each study's own rule says of the two.

A method of the leaderboard is no claim of ours: the study's rule calls it better or worse than next-token prediction. The
claims of each study stand in a tuple of their own, and CLAIMS joins them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studies.claims import (
    BETTER, OPEN, SCALE, VISIBLE, WORSE, Claim, Evidence, Finding, Part, T, by_seed, signed, verdict,
)  # fmt: skip
from studies.stats import difference

THEN = {"alone": "", "+ RL": " + RL"}  # how an arm's name ends before and after the RL all have in common
CONTROL = "NTP"  # what all are compared with
BOUNDS = ("thinking SFT, oracle", "NTP, full texts")  # arms that are no methods
NEAR, FAR = 0.05, 0.1  # of pass@1: the leaderboard's prediction
BELOW = ("pre-training", "RL", "RLP", "RPT")  # NTP by FAR, it predicts
EDGE = "zoo-edge-sampled"
GUESSED = 0.1  # strict at the edge by skipping all but the last step and guessing (.096, Exam.strict_floor at nano)


def edge_gain(e: Evidence, arm: str, over: str) -> Part:
    return f"{arm} - {over}, edge pass@1", e.gain(arm, over, "edge", 1)


def invisible(e: Evidence) -> bool:
    """Whether no arm compared solves any of the edge at the first attempt."""
    return max(e.scores(arm, "edge", 1).mean() for arm in e.found.arms) < VISIBLE


def above(*pairs: tuple[str, str]) -> Callable[[Evidence], Finding]:
    """Every first arm of a pair lies above its second in edge pass@1."""

    def judge(e: Evidence) -> Finding:
        parts = [edge_gain(e, arm, over) for arm, over in pairs]
        return Finding(SCALE, tuple(parts), "no arm solves any") if invisible(e) else signed(parts)

    return judge


# midtraining/leaderboard: in its sampled exams responses may think and skip steps, as its corpus does


def own(e: Evidence, arm: str) -> np.ndarray:
    """Strict pass@1 of every seed and problem (SP) of the sampled edge exam."""
    return e.found.solved(arm, EDGE, 1)


def own_gain(e: Evidence, arm: str, over: str) -> Part:
    return f"{arm} - {over}, sampled edge pass@1", difference(own(e, arm), own(e, over))


def unsolved(e: Evidence) -> bool:
    """Whether no arm compared is above what guessing is worth in the sampled edge exam, in which steps may be skipped."""
    return max(own(e, arm).mean() for arm in e.found.arms) < GUESSED


def ranked(name: str, then: str) -> Callable[[Evidence], Finding]:
    """Better above zero and worse below it, as the study's rule has it."""
    arm, over = name + THEN[then], CONTROL + THEN[then]

    def judge(e: Evidence) -> Finding:
        part = own_gain(e, arm, over)
        if unsolved(e):
            return Finding(SCALE, (part,), "no arm is above guessing")
        return Finding(BETTER if part[1].low > 0 else WORSE if part[1].high < 0 else OPEN, (part,))

    return judge


def none_far_above(e: Evidence) -> Finding:
    parts = [own_gain(e, arm, CONTROL) for arm in e.found.arms if arm != CONTROL]
    found = verdict(all(g.high < NEAR for _, g in parts), any(g.low > NEAR for _, g in parts))
    return Finding(SCALE if unsolved(e) else found, (max(parts, key=lambda part: part[1].mean),), "the highest of all")


def near(e: Evidence) -> Finding:
    part = own_gain(e, "mixed SFT", CONTROL)
    found = verdict(-NEAR < part[1].low and part[1].high < NEAR, part[1].low > NEAR or part[1].high < -NEAR)
    return Finding(SCALE if unsolved(e) else found, (part,))


def far_below(e: Evidence) -> Finding:
    parts = tuple(own_gain(e, arm, CONTROL) for arm in BELOW)
    found = verdict(all(g.high < -FAR for _, g in parts), any(g.low > -FAR for _, g in parts))
    return Finding(SCALE if unsolved(e) else found, parts)


def narrows(e: Evidence) -> Finding:
    """Of every seed half the mean size of the methods' differences to the control, minus that after RL."""

    def apart_S(then: str) -> np.ndarray:
        own_S = own(e, CONTROL + THEN[then]).mean(1)
        names = [name for name in PUBLISHED if name not in BOUNDS]
        return np.mean([np.abs(own(e, name + THEN[then]).mean(1) - own_S) for name in names], axis=0)

    gap = by_seed(apart_S("alone") / 2, apart_S("+ RL"), own(e, CONTROL).shape[1])
    part = ("mean size of differences to NTP in sampled edge pass@1, half of alone - + RL", gap)
    return Finding(SCALE, (part,)) if unsolved(e) else signed([part])


KD = "a baseline of ReMiT, below it; its numbers not seen (methods.md 1.3)"
OURS = "a control, not in a paper"
PUBLISHED = {  # for each method its paper's numbers, alone and after RL
    "pre-training": (OURS, OURS),
    "ReMiT": ("+5.21, +1.84, +1.78 % over three model families (methods.md 1.3)", "more than 2 % kept (methods.md 1.3)"),
    "distillation": (KD, KD),
    "SFT": (OURS, OURS),
    "RFT": (OURS, OURS),
    "RL": (OURS, OURS),
    "ReLIFT": ("+5.2 and +6.7 points over RL alone (related.md 2.1)", "not in the paper"),
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
LEADERBOARD = (
    *(
        Claim(
            f"{name}, {then}",
            f"{name} against next-token prediction" + ", both followed by the same RL" * (then != "alone") + ".",
            published, "midtraining/leaderboard", (name + THEN[then], CONTROL + THEN[then]), ranked(name, then),
        )
        for name, both in PUBLISHED.items()
        for then, published in zip(THEN, both, strict=True)
    ),
    Claim(
        "board, nobody far above", "No method is above next-token prediction alone by more than .05 of edge pass@1.",
        "our prediction", "midtraining/leaderboard", (CONTROL, *(name for name in PUBLISHED if name not in BOUNDS)), none_far_above,
        f"{T}, every method (bounds are none) - NTP in sampled edge pass@1: holds if all end below .05, not if one begins above.",
    ),
    Claim(
        "board, mixed SFT near", "Mixed SFT is within .05 of next-token prediction at the edge.",
        "our prediction", "midtraining/leaderboard", (CONTROL, "mixed SFT"), near,
        f"{T} of mixed SFT - NTP in sampled edge pass@1: holds if within .05 of 0, not if beyond.",
    ),
    Claim(
        "board, far below", "Pre-training, RL, RLP and RPT alone are below next-token prediction by more than .1.",
        "our prediction", "midtraining/leaderboard", (CONTROL, *BELOW), far_below,
        f"{T}, each - NTP in sampled edge pass@1: holds if all end below -.1, not if one begins above.",
    ),
    Claim(
        "board, RL narrows", "RL halves the differences between methods.",
        "our prediction", "midtraining/leaderboard",
        tuple(name + end for name in (CONTROL, *PUBLISHED) if name not in BOUNDS for end in THEN.values()), narrows,
        f"{T} of half the methods' mean absolute difference to NTP in sampled edge pass@1, minus that after RL: above 0.",
    ),
)  # fmt: skip


# midtraining/remit


def shape(e: Evidence) -> Finding:
    alone, after = (e.scores(f"ReMiT{end}", "edge", 1) - e.scores(f"NTP{end}", "edge", 1) for end in THEN.values())
    parts = [
        ("(ReMiT - NTP) alone - + RL, edge pass@1", difference(alone, after)),
        ("ReMiT + RL - NTP + RL, edge pass@1", difference(after, 0 * after)),
    ]
    return Finding(SCALE, tuple(parts), "no arm solves any") if invisible(e) else signed(parts)


def rounds(e: Evidence) -> Finding:
    ntp, first, second = (e.scores(arm, "edge", 1) for arm in ("NTP", "ReMiT", "ReMiT twice"))
    decides = ("(ReMiT - NTP) - (ReMiT twice - ReMiT), edge pass@1", difference(first - ntp, second - first))
    found = SCALE if invisible(e) else signed([decides]).verdict
    return Finding(found, (decides, edge_gain(e, "ReMiT twice", "ReMiT")))


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
            f"ReMiT, weights{end}", f"The gain{end} is the weights': shuffled within each sequence they do not have it.",
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
        "midtraining/remit", ("ReMiT", "NTP", "ReMiT + RL", "NTP + RL"), shape,
    ),
    Claim(
        "ReMiT, flywheel", "A second round, its reference made by the first, adds less than the first.",
        "it helps further, with diminishing returns (Fig 7; methods.md 1.3)",
        "midtraining/remit", ("ReMiT", "NTP", "ReMiT twice"), rounds,
    ),
    Claim(
        "ReMiT, tokens", "At equal tokens, reference passes not counted, it beats next-token prediction: the paper's comparison.",
        "OLMo-1B reaches the baseline in a sixth of the tokens (Fig 1a; methods.md 1.3)",
        "midtraining/remit", ("ReMiT", "NTP, tokens of ReMiT"), above(("ReMiT", "NTP, tokens of ReMiT")),
        f"{T} of ReMiT - NTP at ReMiT's tokens in edge pass@1: above 0.",
    ),
    Claim(
        "ReMiT, step size", "Renormalised, so that weights move no loss but between tokens, it still gains.",
        "not in the paper (methods.md 1.1)",
        "midtraining/remit", ("renormalised", "NTP"), above(("renormalised", "NTP")),
        f"{T} of renormalised - NTP in edge pass@1: above 0.",
    ),
    *(
        Claim(
            f"ReMiT, {name}", f"It does more than {name} does.", "below ReMiT, numbers not seen (methods.md 1.3)",
            "midtraining/remit", ("ReMiT", name), above(("ReMiT", name)),
            f"{T} of ReMiT - {name} in edge pass@1: above 0.",
        )
        for name in ("SFT-guided", "top-k", "distillation")
    ),
)  # fmt: skip


# midtraining/selfgen


def answers(*pairs: tuple[str, str], k: int = 64) -> Callable[[Evidence], Finding]:
    """Every first arm of a pair lies above its second in right answers to the sampled edge exam. Answers can be guessed,
    so no floor of visibility applies."""

    def judge(e: Evidence) -> Finding:
        scored = {arm: e.found.solved(arm, EDGE, k, "answer") for pair in pairs for arm in pair}
        return signed([(f"{a} - {b}, edge answer pass@{k}", difference(scored[a], scored[b])) for a, b in pairs])

    return judge


def compares(name: str, says: str, published: str, *pairs: tuple[str, str], k: int = 64, rule: str = "") -> Claim:
    arms = tuple(dict.fromkeys(arm for pair in pairs for arm in pair))
    return Claim(name, says, published, "midtraining/selfgen", arms, answers(*pairs, k=k), rule)


OWN = "approaches 8 + RL"
SELFGEN = (
    compares(
        "own solutions, RL", "RL reaches further after mid-training on own solutions by eight approaches than without any.",
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
        rule=f"{T} after RL, sampled edge exam, answer pass@64, 8 - 4 and 4 - 1: both above 0.",
    ),
    compares(
        "own solutions, wrong", "Mid-training on as many wrong ones leaves RL below RL without mid-training.",
        "below RL alone, worse as n rises (methods.md 3.4)", ("no mid-training + RL", "incorrect 8 + RL"),
        rule=f"{T} after RL, sampled edge exam, answer pass@64, RL alone - incorrect 8: above 0.",
    ),
    compares(
        "own solutions, before RL", "Before RL, at the first attempt, STaR is ahead.",
        "STaR above at pass@1; at pass@64 48.17, STaR 46.32, n = 64 (methods.md 3.4)", ("STaR", "approaches 8"), k=1,
        rule=f"{T} before RL, sampled edge exam, answer pass@1, STaR - approaches 8: above 0.",
    ),
)  # fmt: skip

CLAIMS = LEADERBOARD + REMIT + SELFGEN
