"""When does RL extend what a base can do: on which problems, and do SFT or RFT on the same data do as well?"""

from __future__ import annotations

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, more_on, within

QUESTION = "At equal compute, which training problems let RL extend pass@128, and do SFT and RFT do as well?"
PREDICTION = (
    "RL edge raises edge pass@128 by at least .1; RL inside and RL beyond raise it by less than half as much; no arm "
    "raises band pass@128 by more than .02. SFT edge is at least as good as RL edge at edge pass@128 and loses more "
    "band pass@1. Of the problems RL edge newly solves, at least 90 % had p > 1e-4 before and at most 1 % had p < "
    "1e-6."
)
RULE = (
    "Differences over seeds with 95 % Student-t intervals, exact strict scores in the common world. Finding 1 (RL "
    "extends pass@128 only where there is headroom and edge data) holds if RL edge - none at edge pass@128 lies above "
    "zero, RL edge - RL inside and RL edge - RL beyond there do too, and every RL arm - none at band pass@128 lies "
    "below +.02; it does not hold if one of these lies wholly on the other side; else not established. A1: of the "
    "problems with p < .5 under none and p >= .5 under RL edge, over band, edge and hard, shares with p < 1/128, < "
    "1e-4, < 1e-6 under none: RL lifts if the second is at most .1, creates if the third is at least .1, else both."
)
PAPER = "arXiv 2512.07783"
CLAIMS = (
    above(
        "RL extends pass@128 at the edge where its problems lie there, and more than RL on easier or harder ones",
        *(minus("RL edge", over, "edge", k=128) for over in ("none", "RL inside", "RL beyond")),
        published="edge pass@128 +42 points after RL on op 11-14", place=f"{PAPER}, section 3, Figure 3",
    ),
    above(
        "RL at the edge gains more there than inside the band, in pass@128",
        more_on("edge", "ID", "RL edge", "none", k=128),
        published="in the band pass@128 never rises above the base", place=f"{PAPER}, Figure 3",
    ),
    within(
        "RL leaves pass@128 inside the band as it was", minus("RL edge", "none", "ID", k=128), margin=0.02,
        published="99.3 to 98.2 for the released model", place=f"{PAPER}, Figure 3",
    ),
    *(
        above(f"RL extends pass@128 at the edge further than {other}", minus("RL edge", f"{other} edge", "edge", k=128))
        for other in ("SFT", "RFT")
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    none, bands, rest = scale.base(), scale.bands, scale.arm_flops
    arms = {f"RL {name}": none + scale.rl(rest, data=scale.mixture(ops)) for name, ops in bands.items()}
    arms["RL curriculum"] = none
    for name in ("boundary", "edge", "beyond"):
        arms["RL curriculum"] += scale.rl(rest / 3, data=scale.mixture(bands[name]))
    arms |= {"SFT edge": none + scale.sft(rest), "RFT edge": none + scale.rft(rest)}
    return Study(
        name="interplay/edge",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=(Arm("none", none, equal=False), *(Arm(name, recipe) for name, recipe in arms.items())),
        exams=(*scale.exams(("zoo",)), scale.sampled_exam()),
        seeds=scale.seeds,
        base=none,
        contrasts=(*((arm, "none") for arm in arms), *(("RL edge", arm) for arm in arms if arm != "RL edge")),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
