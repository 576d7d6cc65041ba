"""What share of RL must be in a world that pre-training hardly held?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, RARE, exposed, exposure_data, rl, with_rl
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, within

SHARES = (0.0, 0.01, 0.1, 0.5, 1.0)
FIGURES = ("interplay_fig12_rl_share_all", "interplay_fig13_rl_share_low", "interplay_fig14_rl_share_rewards")
QUESTION = "After pre-training with very little data from a second world, what share of RL has to be in that world?"
PREDICTION = (
    "After 1 % of low ops a tenth of RL in the second world raises its edge by 0.05 or more in pass@128 over RL "
    "without it, which itself carries far (pass@128 0.8), and by 0.1 or more in pass@1; half raises pass@1 by 0.05 "
    "more; a hundredth does nothing that can be seen. RL wholly in the second world costs the first less than 0.05 "
    "over its band. After 0.1 % of all ops nothing is solved there, whatever the share."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, Holm over all comparisons of this file; margin "
    "0.05. Five seeds, exploratory. Written with context_exposure (seeds 40 to 47) known and after one pilot at seed 3 "
    "(a tenth - none: pass@128 +0.11, pass@1 +0.16; half - a tenth: -0.01, +0.09; a hundredth - none: +0.03, +0.01), "
    "before any model was examined at seeds 90 to 94."
)
PAPER = "arXiv 2512.07783, appendix A.6"
NONE, TENTH, HALF = (f"1 % low, RL {share} %" for share in (0, 10, 50))
CLAIMS = (
    above(
        "a tenth of RL in the second world lifts its edge", minus(TENTH, NONE, "edge", k=128, world=RARE),
        published="+76 points of pass@128 at 10 %", place=PAPER,
    ),
    above("it solves more there at once", minus(TENTH, NONE, "edge", world=RARE)),
    above("half solves still more", minus(HALF, TENTH, "edge", world=RARE)),
    within("a hundredth does nothing", minus("1 % low, RL 1 %", NONE, "edge", world=RARE)),
    within(
        "after 0.1 % of the second world in pre-training no share of RL lifts its edge",
        *(minus(f"0.1 % all, RL {share} %", "0.1 % all", "edge", k=128, world=RARE) for share in (10, 50, 100)),
    ),
    within("RL wholly in the second world leaves the band of the first", minus("1 % low, RL 100 %", NONE, "ID")),
)  # fmt: skip


def study(scale: Scale) -> Study:
    bases = {
        "0.1 % all": exposed(scale, 0.001, scale.mixture(scale.band, world=RARE)),
        "1 % low": exposed(scale, 0.01, exposure_data(scale, "arithmetic")),
        "10 % low": exposed(scale, 0.1, exposure_data(scale, "arithmetic")),
    }
    arms, contrasts = [], []
    for name, (base, anneal) in bases.items():
        tuned = [with_rl(name, base, anneal, rl(scale, share))[1] for share in SHARES]
        named = [f"{name}, RL {100 * share:g} %" for share in SHARES]
        arms += [with_rl(name, base, anneal, rl(scale, 0.0))[0]]
        arms += [Arm(each, arm.recipe, base=arm.base) for each, arm in zip(named, tuned, strict=True)]
        contrasts += [(named[0], name), *((each, named[0]) for each in named[1:])]
    return Study(
        name="interplay/context_rl_share", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=scale.exams((COMMON, RARE)), base=arms[0].base,
        seeds=scale.exploratory_seeds or scale.seeds, contrasts=tuple(contrasts),
        headline=tuple(exam.name for exam in scale.exams((RARE,))),
    )  # fmt: skip
