"""Does RL extend what samples reach when it is paid for every legal order of steps, and given four times the compute?

The base, problems and exams of `interplay/planning`, where RL sharpened, with the two objections to it met: its reward,
strict, paid for one of several legal orders of steps, and its budget was about fifty updates.
"""

from __future__ import annotations

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, below, minus, within

SCALE = "nano-shuffled"
FIGURES = ("interplay_planning_budget",)
QUESTION = "Paid for any legal order of steps, and for four times as long, does RL extend what samples reach?"
PREDICTION = (
    "RL at four times the budget raises pass@1 in any order by 0.1 to 0.25 at the edge and on the hard band, 0.05 of "
    "it after the first quarter, and on the hard band leaves pass@128 in any order within 0.05 of the base's: it "
    "sharpens still. On chains, where only one order is legal, hard pass@128 rises by 0.05. Gold at a low rate (SFT) "
    "reaches more hard problems within 128 samples on a quarter of RL's compute. Paid for one order only (strict), RL "
    "solves as much at once, to within 0.05, and reaches less in any order within 128 samples, by 0.02 to 0.04."
)
RULE = (
    "Paired differences over seeds in exact pass@k, in any order of steps or on chains, Student t, Holm over all "
    "comparisons of this file; margin 0.05. Five seeds, exploratory. Written after one pilot at seed 3 (x4 - base in "
    "any order, edge and hard: pass@1 +0.20 and +0.21, pass@128 0.00 and +0.01; chains: hard pass@128 +0.04; strict x4 "
    "- x4, any order: pass@1 -0.03 and -0.01, pass@128 -0.02 and -0.03). At seeds 60 to 64 the base, strict at the "
    "single budget and SFT were known from `interplay/planning`; no model trained by the other reward or for longer "
    "was examined there before."
)
PAPER = "arXiv 2512.07783, Figure 3"
EDGE, HARD, CHAINS = "zoo-edge-any-order", "zoo-hard-any-order", "zoo-hard-chains"
BOTH = (EDGE, HARD)
CLAIMS = (
    above("RL at four times the budget solves more at once", *(minus("RL x4", "base", exam) for exam in BOTH)),
    above("most of the budget still adds", *(minus("RL x4", "RL x1", exam) for exam in BOTH)),
    above(
        "RL on edge problems extends pass@128 on harder problems",
        *(minus("RL x4", "base", exam, k=128) for exam in (HARD, CHAINS)),
        published="op 15-20: to 23 % from near 0", place=PAPER,
    ),
    within("in any order it reaches as much within 128 samples", *(minus("RL x4", "base", e, k=128) for e in BOTH)),
    above("SFT reaches more hard problems on a quarter of the compute", minus("SFT x1", "RL x4", HARD, k=128)),
    within("paid for one order, RL solves as much at once", *(minus("RL, strict, x4", "RL x4", exam) for exam in BOTH)),
    below(
        "paid for one order, RL reaches less within 128 samples",
        *(minus("RL, strict, x4", "RL x4", exam, k=128) for exam in BOTH),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, flops = scale.base(), scale.arm_flops
    arms = {"SFT x1": base + scale.sft(flops), "RL, strict, x1": base + scale.rl(flops)}
    arms["RL, strict, x4"] = arms["RL, strict, x1"] + scale.rl(3 * flops)
    any_order = scale.rl(flops, Reward("any_order"))
    arms["RL x1"] = base + any_order
    arms["RL x2"] = arms["RL x1"] + any_order
    arms["RL x4"] = arms["RL x2"] + scale.rl(2 * flops, any_order.reward)
    return Study(
        name="interplay/planning_budget", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *(Arm(name, recipe, equal=False) for name, recipe in arms.items())),
        exams=(*scale.exams(), *scale.chain_exams(), *scale.any_order_exams()), seeds=scale.seeds[:5], base=base,
        unequal="how much RL there is is the question; SFT has a quarter of the most",
        contrasts=tuple((name, "base") for name in arms), headline=tuple(exam.name for exam in scale.exams()),
    )  # fmt: skip
