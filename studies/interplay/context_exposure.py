"""How much of a second world must pre-training hold, and of what kind, before RL can carry skills over to it?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, EXPOSURES, KINDS, RARE, exposure_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, minus, within

FIGURES = ("interplay_fig04_context_exposure", "interplay_fig17_exposure_rewards")
QUESTION = "What share of pre-training in a second world, and of which kind, lets RL carry over skills to it?"
PREDICTION = (
    "Names only never suffice, not even at 10 %: no solution there writes a name, so RL has nothing to reward. Copy "
    "chains suffice at 10 % and not at 1 %, arithmetic at low ops at 1 % and not at 0.1 %. Nothing suffices at 0.1 %. "
    "In the first world no arm with RL differs from 0 % + RL by more than 0.05 pass@1 over the band."
)
RULE = (
    "A kind suffices from the least exposure whose arm with RL exceeds 0 % + RL in exact pass@128 on the second "
    "world's band (ID, school) by at least 0.1 with the 95 % Student-t interval above zero. The paper's claim (copy "
    "chains suffice from 1 %) holds if that is 1 % or less for copies, and is confounded if it is also that for names."
)
PAPER = "arXiv 2512.07783, section 4, Figure 4"
CLAIMS = (
    above(
        "after 1 % of a second world as copy chains, RL carries skills over to it",
        minus("1 % copies + RL", "0 % + RL", "ID", k=128, world=RARE),
        published="up to +60 points of pass@128", place=PAPER,
    ),
    within(
        "after 0.1 % as copy chains it does not", minus("0.1 % copies + RL", "0 % + RL", "ID", k=128, world=RARE),
        published="0 % and 0.1 % fail", place=PAPER,
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    arms = exposure_arms(scale)
    seeded = [f"{100 * share:g} % {kind}" for kind in KINDS for share in EXPOSURES]
    return Study(
        name="interplay/context_exposure",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=arms,
        exams=scale.exams((COMMON, RARE)),
        seeds=scale.seeds,
        base=arms[0].base,
        contrasts=tuple(pair for name in seeded for pair in ((f"{name} + RL", "0 % + RL"), (f"{name} + RL", name))),
        headline=tuple(exam.name for exam in scale.exams((RARE,))),
    )
