"""What share of RL must be in a world that pre-training hardly held?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, RARE, exposed, exposure_data, rl, with_rl
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

SHARES = (0.0, 0.01, 0.1, 0.5, 1.0)
FIGURES = ("interplay_fig12_rl_share_all", "interplay_fig13_rl_share_low", "interplay_fig14_rl_share_rewards")
QUESTION = "After pre-training with very little data from a second world, what share of RL has to be in that world?"
PREDICTION = (
    "After 1 % of low ops, 10 % of RL raises the second world's band by at least 0.1 pass@128 over RL without it, "
    "1 % of RL does not, and 50 % raises it further. After 0.1 % of all ops no share raises it by 0.1, as the base "
    "writes no solution there that could be rewarded. RL wholly in the second world costs the first less than "
    "0.05 pass@1 over its band. After 10 % of low ops, where the base solves most (context_exposure), 10 % of RL there "
    "raises the band's pass@1 by at least 0.05 over RL without it, 1 % does not, 50 % adds less than 0.05 to 10 %."
)
RULE = (
    "Gain: exact pass@128 on the second world's band (ID, school) of an arm minus that of the arm with 0 % in RL "
    "after the same pre-training; established if its 95 % Student-t interval lies above zero. The paper's claim "
    "(+.76 at 10 %) holds in kind if the gain at 10 % after 1 % of low ops is established and at least 0.1 "
    "and that at 1 % is below 0.1. After 10 % of low ops the same is asked of pass@1, with 0.05 for 0.1."
)


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
        arms=tuple(arms), exams=scale.exams((COMMON, RARE)), seeds=scale.seeds, base=arms[0].base,
        contrasts=tuple(contrasts), headline=tuple(exam.name for exam in scale.exams((RARE,))),
    )  # fmt: skip
