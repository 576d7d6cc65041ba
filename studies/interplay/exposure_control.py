"""Is it RL that carries a skill over to a rarely seen world, or would the same RL paid by a coin do as well?

`interplay/context_exposure` claimed what RL itself adds after its table had been read, and had no control for being
trained at all. Here the exposures at which RL has something to carry are trained again, on fresh seeds.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.rollouts import Reward
from interlude.studies.mixtures import COMMON, RARE, exposed, exposure_data, rl, with_rl
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus, within

QUESTION = "Does RL add to a rarely seen world more than RL paid by a coin, and still more after more exposure?"
PREDICTION = (
    "After 1 % RL lifts the second world's edge by 0.35 to 0.6 in pass@128, and its operations beyond the band by 0.1 "
    "to 0.25 at once; the coin's RL changes the first by less than 0.15 and does not raise the second. After 2 and 4 % "
    "models solve more there before RL, and after it 4 % is 0.05 to 0.2 above 1 % at once."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k in the second world (school), Student t with variances "
    "moderated over comparisons of one score, Holm over all comparisons of this file; margin 0.05. Seeds 160 to 167, "
    "used for nothing before. Written with context_exposure (seeds 40 to 47) known, before any of these runs."
)
SHARES = (0.01, 0.02, 0.04)
SEEDS = tuple(range(160, 168))
FIRST, COIN = "1 % arithmetic", "1 % arithmetic + RL paid by a coin"
CLAIMS = (
    above(
        "RL lifts the edge of the second world within 128 attempts, more than RL paid by a coin",
        *(minus(f"{FIRST} + RL", over, "edge", k=128, world=RARE) for over in (FIRST, COIN)), pool="pass@128",
    ),
    above(
        "RL lifts at once what lies beyond the band there, more than RL paid by a coin",
        *(minus(f"{FIRST} + RL", over, OOD, world=RARE) for over in (FIRST, COIN)), pool="pass@1",
    ),
    within("RL paid by a coin does nothing there", minus(COIN, FIRST, OOD, world=RARE), pool="pass@1"),
    above(
        "four times the exposure leaves a model that RL trained better there",
        minus("4 % arithmetic + RL", f"{FIRST} + RL", OOD, world=RARE), pool="pass@1",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    arms, stage = [], rl(scale, 0.5)
    for share in SHARES:
        base, anneal = exposed(scale, share, exposure_data(scale, "arithmetic"))
        arms += with_rl(f"{100 * share:g} % arithmetic", base, anneal, stage)
    first = arms[0].recipe
    arms.append(Arm(COIN, first + replace(stage, reward=Reward("random")), base=first))
    exams = scale.exams((COMMON, RARE))
    return Study(
        name="interplay/exposure_control", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=exams, seeds=SEEDS if scale.finding_seeds else scale.seeds, base=first,
        contrasts=(*((f"{100 * s:g} % arithmetic + RL", f"{100 * s:g} % arithmetic") for s in SHARES), (COIN, FIRST)),
        headline=tuple(exam.name for exam in exams if exam.name.startswith(RARE)),
    )  # fmt: skip
