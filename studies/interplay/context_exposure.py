"""How much of a second world must pre-training hold, and of what kind, before RL can carry skills over to it?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, COMPARED, EXPOSURES, RARE, exposure_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study

FIGURES = ("interplay_fig04_context_exposure", "interplay_fig17_exposure_rewards")
QUESTION = "What share of pre-training in a second world, of which kind and when, lets RL carry over skills to it?"
PREDICTION = "TO BE WRITTEN"
RULE = "TO BE WRITTEN"
PAPER = "arXiv 2512.07783, section 4, Figure 4"
SHARES = tuple(f"{100 * share:g} % arithmetic" for share in EXPOSURES)
AT = f"{100 * COMPARED:g} % arithmetic"
CLAIMS = ()


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
