"""When does RL extend what a base can do: on which problems, and do SFT or RFT on the same data do as well?"""

from __future__ import annotations

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, within

FIGURES = (
    "interplay_fig03_edge", "interplay_base_probability", "interplay_competence", "interplay_fig10_heatmap",
    "interplay_fig11_curves",
)  # fmt: skip
QUESTION = "At equal compute, which training problems let RL extend pass@128, and do SFT and RFT do as well?"
PREDICTION = (
    "On the edge RL edge raises pass@128 by at least 0.2 over its base and by at least 0.1 over RL inside, whose "
    "problems the base solves already. RL beyond is the open case: in the paper it gains nothing, here its base solves "
    "0.04. On the hard band, which RL edge never saw, it raises pass@128 by at least 0.25. No arm moves pass@128 in "
    "the band by 0.02. SFT on the same problems is within 0.05 of RL in edge pass@128, RFT below it by less than 0.05. "
    "What RL newly solves on the hard band was in reach: pass@1,000,000 of RL edge is above its base's by less than "
    "0.05."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t, Holm over all comparisons of this file; margin "
    "0.05, in the band 0.02. Without a verdict stand beside them the problems that RL newly solves (p < 0.5 before, "
    "0.5 or more after) by how likely they were before. Written after depth_carried (seeds 30 to 37), before any model "
    "was examined at seeds 40 to 47. The random reward and its claim were added on 2026-11-28, before it ran: RL is "
    "expected to extend pass@128 more, at the edge and beyond."
)
PAPER = "arXiv 2512.07783"
CLAIMS = (
    above(
        "RL on edge problems extends pass@128 there, more than RL on easier or harder ones",
        *(minus("RL edge", over, "edge", k=128) for over in ("none", "RL inside", "RL beyond")),
        published="+42 points after RL on op 11-14", place=f"{PAPER}, Figure 3",
    ),
    above(
        "it also extends pass@128 on harder problems, more than RL on those",
        *(minus("RL edge", over, "hard", k=128) for over in ("none", "RL beyond")),
        published="23 % of op 15-20, ~0 after RL on 17-20", place=f"{PAPER}, Figure 3",
    ),
    within(
        "RL inside the band does not change pass@128 at the edge",
        minus("RL inside", "none", "edge", k=128), published="no gain", place=f"{PAPER}, Figure 3",
    ),
    within(
        "RL on edge problems does not change pass@128 in the band", minus("RL edge", "none", "ID", k=128), margin=0.02,
        published="never above the base", place=f"{PAPER}, Figure 3",
    ),
    *(
        above(f"RL extends pass@128 at the edge more than {other}", minus("RL edge", f"{other} edge", "edge", k=128))
        for other in ("SFT", "RFT")
    ),
    above(
        "RL on edge problems extends pass@128 more than the same RL paid by a coin",
        *(minus("RL edge", "RL edge, random", band, k=128) for band in ("edge", "hard")),
    ),
    above(
        "RL on edge problems solves hard problems that its base would not solve in a million samples",
        minus("RL edge", "none", "hard", k=10**6),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    none, bands, rest = scale.base(), scale.bands, scale.arm_flops
    arms = {f"RL {name}": none + scale.rl(rest, data=scale.mixture(ops)) for name, ops in bands.items()}
    arms["RL curriculum"] = none
    for name in ("boundary", "edge", "beyond"):
        arms["RL curriculum"] += scale.rl(rest / 3, data=scale.mixture(bands[name]))
    arms["RL edge, random"] = none + scale.rl(rest, Reward("random"))
    arms |= {"SFT edge": none + scale.sft(rest), "RFT edge": none + scale.rft(rest)}
    return Study(
        name="interplay/edge", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("none", none, equal=False), *(Arm(name, recipe) for name, recipe in arms.items())),
        exams=(*scale.exams(deeper=1), scale.sampled_exam()), seeds=scale.finding_seeds or scale.seeds, base=none,
        contrasts=(*((arm, "none") for arm in arms), *(("RL edge", arm) for arm in arms if arm != "RL edge")),
        headline=tuple(exam.name for exam in scale.exams(deeper=1)),
    )  # fmt: skip
