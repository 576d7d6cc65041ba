"""How does what RL adds at the edge depend on how many of the hardest problems pre-training held?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, harder, with_rl
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, gained_more, minus, within

SHARES = (0.001, 0.05, 0.2, 0.333, 0.5)  # arXiv 2512.07783, appendix A.7
FIGURES = ("interplay_fig15_pretraining_difficulty", "interplay_fig16_difficulty_rewards")
QUESTION = (
    "How does the gain of the same RL at the edge depend on the share of the band's top operations in pre-training?"
)
PREDICTION = (
    "Bases differ between shares as much as between seeds: the edge does open with the share, by 0.2 in pass@128 from "
    "0.1 to 50 %, yet not by every step. RL takes every base near the ceiling of edge pass@128, so that its gain there "
    "is what the base had missed, largest at 0.1 % and not at 20 %. On the hard band, where there is no ceiling, RL "
    "gains more at 50 % than at 0.1 %. After RL a fifth is as good as half at the edge, to within 0.05."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, Holm over all comparisons of this file; margin "
    "0.05. A gain is an arm with RL minus the same without. Five seeds, exploratory. Written after one pilot at seed 3 "
    "(gain of edge pass@128 from 0.1 to 50 %: 0.53, 0.08, 0.11, 0.05, 0.31; of hard pass@128: 0.37, 0.10, 0.34, 0.37, "
    "0.81), before any model was examined at seeds 90 to 94. Before the pilot the gain was predicted largest at 20 %."
)
PAPER = "arXiv 2512.07783, appendix A.7"
CLAIMS = (
    above("more of the hardest problems open the edge", minus("50 %", "0.1 %", "edge", k=128)),
    above(
        "RL gains most at a medium share",
        *(gained_more(("20 % + RL", "20 %"), (f"{other} + RL", other), "edge", k=128) for other in ("0.1 %", "50 %")),
        published="most at 20 % (text), least (Figure 15)", place=PAPER,
    ),
    above(
        "RL gains more on harder problems, the larger it is",
        gained_more(("50 % + RL", "50 %"), ("0.1 % + RL", "0.1 %"), "hard", k=128),
        published="op 15-20: +26 points at 50 %, +6 at 0.1 %", place=PAPER,
    ),
    within("after RL a fifth is as good as half", minus("20 % + RL", "50 % + RL", "edge")),
)  # fmt: skip


def study(scale: Scale) -> Study:
    stage = scale.rl(scale.arm_flops)
    pairs = [with_rl(f"{100 * share:g} %", *harder(scale, share), stage) for share in SHARES]
    return Study(
        name="interplay/pretraining_difficulty",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=tuple(arm for pair in pairs for arm in pair),
        exams=scale.exams((COMMON,)),
        seeds=scale.exploratory_seeds or scale.seeds,
        base=pairs[0][0].base,
        contrasts=tuple((tuned.name, plain.name) for plain, tuned in pairs),
        headline=tuple(exam.name for exam in scale.exams((COMMON,))),
    )
