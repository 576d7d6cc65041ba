"""How should a budget be split between mid-training and RL, by measured FLOPs and by the paper's formula?"""

from __future__ import annotations

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

QUESTION = "At equal measured compute, what share should be RL after mid-training, and does the budget matter?"
PREDICTION = (
    "At both budgets 0% RL is best at the edge and at hard problems, and every mixture beats 100% RL at the edge. The "
    "paper's formula charges 100% RL at least 3 times the tokens of 0% RL for the same measured FLOPs."
)
RULE = (
    "Differences over seeds (95 % Student t), exact strict, common world, full budget. "
    "Mid + RL beats RL on hard (Fig 6) if 80% - 100% RL at hard pass@128 lies above zero; a little RL is "
    "best at the edge (section 5) if 20% RL has the highest mean edge pass@1 and 20% - 100% RL lies above zero; "
    "heavy RL is best at hard if 80% RL has the highest mean hard pass@1 and 80% - 0% RL lies above zero. Each does "
    "not hold if its interval, or that to the highest, lies below zero; needs scale if no arm compared has a mean "
    "of .0005; else not established."
)
CLAIMS = (
    above(
        "at equal compute, mid-training and RL beat RL alone on hard problems",
        minus("80% RL, full", "100% RL, full", "hard", k=128),
        published="+10.8 points on hard problems", place="arXiv 2512.07783, section 5, Figure 6",
    ),
    above(
        "a little RL after much mid-training solves more of the edge at once than RL alone or none",
        *(minus("20% RL, full", f"{n}% RL, full", "edge") for n in (100, 0)),
        published="20 % RL is best", place="arXiv 2512.07783, Figure 6",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, arms = scale.base(), []
    for name, part in (("half", 0.5), ("full", 1.0)):
        budget = part * scale.arm_flops
        for share in (0, 0.2, 0.5, 0.8, 1):  # the paper's beta
            recipe = base if share == 1 else base + scale.midtrain((1 - share) * budget)
            recipe = recipe + scale.rl(share * budget) if share else recipe
            arms.append(Arm(f"{share:.0%} RL, {name}", recipe, budget=name))
    pairs = [(arm.name, f"{pure} RL, {arm.budget}") for arm in arms for pure in ("0%", "100%")]
    return Study(
        name="interplay/mid_or_rl",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=tuple(arms),
        exams=(*scale.exams(("zoo",)), scale.sampled_exam()),
        seeds=scale.seeds,
        base=base,
        contrasts=tuple((arm, pure) for arm, pure in pairs if arm != pure and not arm.startswith("0%")),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
