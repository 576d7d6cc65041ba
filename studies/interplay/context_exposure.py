"""How much of a second world must pre-training hold, and of what kind, before RL can carry skills over to it?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, COMPARED, RARE, exposure_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, minus, within

FIGURES = ("interplay_fig04_context_exposure", "interplay_fig17_exposure_rewards")
QUESTION = "How much pre-training data from a second world, of which kind and when, lets RL transfer skills to it?"
PREDICTION = (
    "Without the second world, or with 0.1 % of it, nothing is solved there before or after RL; 0.3 % is the open "
    "case. After 1 % the base solves half of its band there at once, and RL of both worlds raises the edge there by "
    "at least 0.3 in pass@1, of which RL of the first world alone brings less than half. The same rows after "
    "pre-training do nothing, and copies alone do less than arithmetic by at least 0.2 on the band. The first "
    "world's edge is as it was."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k in the second world (school), Student t with variances "
    "pooled over comparisons of like scores, Holm over all comparisons of this file; margin 0.05. Measured FLOPs of "
    "RL are equal; bases have seen equal numbers of rows, except that late exposure adds a stage. Written after "
    "pilots at seed 3 (0, 0.1 and 1 %), before any model of a second world was examined at seeds 40 to 47. The three "
    "claims that RL itself adds at 128 attempts were added on 2026-11-28, after the table had been read."
)
PAPER = "arXiv 2512.07783, Figure 4"
AT = f"{100 * COMPARED:g} % arithmetic"
ALONE = f"{AT} + RL in the first world"
CLAIMS = (
    above(
        "after 1 % of a second world a model that RL trained solves it, after none it does not",
        *(minus(f"{AT} + RL", "0 % + RL", on, k=128, world=RARE) for on in ("ID", "edge")), pool="pass@128",
        published="up to +60 points of pass@128 from 1 %", place=PAPER,
    ),
    within(
        "after 0.1 % it solves no more than after none",
        minus("0.1 % arithmetic + RL", "0 % + RL", "ID", k=128, world=RARE), pool="pass@128",
        published="0 % and 0.1 % fail", place=PAPER,
    ),
    above(
        "after 0.3 % it solves more than after none",
        minus("0.3 % arithmetic + RL", "0 % + RL", "ID", k=128, world=RARE), pool="pass@128",
    ),
    above(
        "RL itself lifts the edge of the second world within 128 attempts, after 1 %",
        minus(f"{AT} + RL", AT, "edge", k=128, world=RARE), pool="pass@128",
    ),
    above(
        "so does RL in the first world alone", minus(ALONE, AT, "edge", k=128, world=RARE), pool="pass@128"
    ),
    above(
        "RL itself lifts the band of the second world within 128 attempts, after 0.3 %",
        minus("0.3 % arithmetic + RL", "0.3 % arithmetic", "ID", k=128, world=RARE), pool="pass@128",
    ),
    above(
        "RL lifts what exposure began: the edge of the second world at once",
        minus(f"{AT} + RL", AT, "edge", world=RARE), pool="edge",
    ),
    above(
        "RL in the first world alone lifts the edge of the second too",
        minus(ALONE, AT, "edge", world=RARE), pool="edge",
    ),
    above(
        "RL in both worlds lifts it more than RL in the first alone",
        minus(f"{AT} + RL", ALONE, "edge", world=RARE), pool="edge",
    ),
    above(
        "the same rows during pre-training do more than after it, before and after RL",
        *(minus(f"{AT}{then}", f"{AT}, late{then}", "ID", world=RARE) for then in ("", " + RL")), pool="band",
    ),
    above(
        "arithmetic in the second world does more than copies alone, before and after RL",
        *(minus(f"{AT}{then}", f"{100 * COMPARED:g} % copies{then}", "ID", world=RARE) for then in ("", " + RL")),
        pool="band",
    ),
    within(
        "exposure to a second world leaves the edge of the first as it was, after RL",
        minus(f"{AT} + RL", "0 % + RL", "edge"),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    arms, exams = exposure_arms(scale), scale.exams((COMMON, RARE))
    tuned = [arm.name for arm in arms if "RL" in arm.name]
    return Study(
        name="interplay/context_exposure", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=exams, seeds=scale.finding_seeds or scale.seeds, base=arms[0].base,
        contrasts=tuple(
            (arm, over) for arm in tuned for over in (arm.partition(" + RL")[0], "0 % + RL") if arm != over
        ),
        headline=tuple(exam.name for exam in exams if exam.name.startswith(RARE)),
    )  # fmt: skip
