"""Does RL extend most at the edge of what a base can do, on sixteen seeds that did not suggest it?

`interplay/edge` found, over eight seeds, what arXiv 2512.07783 says of easier and of harder problems, and could not
establish it after correction. Here the arms that decide it are trained again. Its bases solve from none to a fifth of
the hard band at once, so that "beyond" is a matter of the base and not of the number of operations: "RL far" is given
the hard band's last operation alone, of which a base solves one in hundreds, and a figure has every model at its place.
"""

from __future__ import annotations

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, within

FIGURES = ("interplay_competence",)
QUESTION = "Does RL extend pass@128 more at the edge than on easier and on harder problems, and more than by a coin?"
PREDICTION = (
    "In edge pass@128 RL edge is above its base and RL inside by 0.2 to 0.3, above RL beyond by 0.1 to 0.2, above RL "
    "paid by a coin by 0.25 or more: all established. On the hard band it is above its base and the coin by 0.25 or "
    "more, and, against the paper, not above RL beyond, whose mean is 0.05 to 0.2 higher, with the seeds far apart: "
    "open, or the opposite sign; above RL far by 0.1 or more. RL uniform, which need not know where the edge is, is "
    "within 0.05 of RL edge there, and above it on the hard band by 0.1 to 0.2. RL inside stays open. Over all models, "
    "what RL adds in pass@128 to the problems it was given is 0.3 or more in the mean where the base solves 0.02 to "
    "0.3 of them at once, and under 0.15 where it solves less than 0.002, or more than 0.9."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t with variances moderated over comparisons on one "
    "band, Holm over all comparisons of this file; margin 0.05, in the band 0.02. The claims of interplay/edge that "
    "seeds 40 to 47 left open or suggested. Sixteen seeds (110 to 125), used for nothing before: differences there had "
    "a standard deviation of 0.2 to 0.25, of which sixteen find 0.2. Written before any run. Means by what the base "
    "solved are a description, without a verdict, over models of all arms but RL uniform and the coin's."
)
SEEDS = tuple(range(110, 126))
PAPER = "arXiv 2512.07783, Figure 3"
COIN = "RL edge, random"
CLAIMS = (
    above(
        "RL on edge problems extends pass@128 there, more than RL on easier or harder ones",
        *(minus("RL edge", over, "edge", k=128) for over in ("none", "RL inside", "RL beyond")), pool="edge",
        published="+42 points after RL on op 11-14", place=PAPER,
    ),
    above(
        "it also extends pass@128 on harder problems, more than RL on those",
        *(minus("RL edge", over, "hard", k=128) for over in ("none", "RL beyond", "RL far")), pool="hard",
        published="23 % of op 15-20, ~0 after RL on 17-20", place=PAPER,
    ),
    within(
        "RL inside the band does not change pass@128 at the edge",
        minus("RL inside", "none", "edge", k=128), pool="edge", published="no gain", place=PAPER,
    ),
    within(
        "RL on edge problems does not change pass@128 in the band", minus("RL edge", "none", "ID", k=128), margin=0.02,
        published="never above the base", place=PAPER,
    ),
    *(
        above(
            f"RL on edge problems extends pass@128 more than the same RL paid by a coin, {band}",
            minus("RL edge", COIN, band, k=128), pool=band,
        )
        for band in ("edge", "hard")
    ),
    within("RL on all problems extends as much at the edge", minus("RL uniform", "RL edge", "edge", k=128)),
    above(
        "RL on all problems extends more on the hard band", minus("RL uniform", "RL edge", "hard", k=128), pool="hard"
    ),
    above(
        "RL on edge problems solves hard problems that its base would not solve in a million samples",
        minus("RL edge", "none", "hard", k=10**6),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    none, bands, rest = scale.base(), scale.bands, scale.arm_flops
    far = scale.hard[1] + (scale.hard[0] == scale.hard[1])  # not "beyond" again where that is a single depth
    given = {name: bands[name] for name in ("inside", "edge", "beyond", "uniform")} | {"far": (far, far)}
    arms = {f"RL {name}": none + scale.rl(rest, data=scale.mixture(ops)) for name, ops in given.items()}
    arms[COIN] = none + scale.rl(rest, Reward("random"))
    return Study(
        name="interplay/edge_confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("none", none, equal=False), *(Arm(name, recipe) for name, recipe in arms.items())),
        exams=scale.exams(deeper=1), seeds=SEEDS if scale.finding_seeds else scale.seeds, base=none,
        contrasts=(*((arm, "none") for arm in arms), *(("RL edge", arm) for arm in arms if arm != "RL edge")),
        headline=tuple(exam.name for exam in scale.exams(deeper=1)),
    )  # fmt: skip
