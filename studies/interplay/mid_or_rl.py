"""How should a budget be split between mid-training and RL, by measured FLOPs and by the paper's formula?"""

from __future__ import annotations

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

FIGURES = ("interplay_fig06_mid_or_rl", "interplay_fig18_budgets")
QUESTION = "At equal measured compute, what share should be RL after mid-training, and does the budget matter?"
PREDICTION = (
    "At the edge gold solutions are quicker than RL: at both budgets 20 % RL is above 100 % RL in pass@1, by more at "
    "the half budget, and within 0.05 of 0 % RL. On the hard band the pilots disagree about every split, so that 80 % "
    "RL is above 0 % in pass@1 or above 100 % in pass@128, as published, is not expected to be established."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t with variances pooled over comparisons of like "
    "scores, Holm over all comparisons of this file; margin 0.05. All arms begin with a base that has decayed, so that "
    "none pays for a decay of its own. Written after depth_carried (seeds 30 to 37), before any model was examined at "
    "seeds 40 to 47. The random reward was added on 2026-11-28, before it ran: RL alone above it by 0.2 or more."
)
PAPER = "arXiv 2512.07783"
RANDOM = "100% RL, full, random reward"
BUDGETS = {"half": 0.5, "full": 1.0}
CLAIMS = (
    *(
        claim
        for budget in BUDGETS
        for claim in (
            above(
                f"at equal compute, mid-training and RL beat RL alone on hard problems, {budget} budget",
                minus(f"80% RL, {budget}", f"100% RL, {budget}", "hard", k=128), pool="hard pass@128",
                published="+10.8 points on hard problems", place=f"{PAPER}, Figure 6",
            ),
            above(
                f"a little RL after gold beats RL alone at the edge, {budget} budget",
                minus(f"20% RL, {budget}", f"100% RL, {budget}", "edge"), pool="edge",
                published="20 % RL is best", place=f"{PAPER}, Figure 6",
            ),
            above(
                f"a little RL after gold beats none at the edge, {budget} budget",
                minus(f"20% RL, {budget}", f"0% RL, {budget}", "edge"), pool="edge",
                published="20 % RL is best", place=f"{PAPER}, Figure 6",
            ),
            above(
                f"much RL after a little gold beats none on hard problems, {budget} budget",
                minus(f"80% RL, {budget}", f"0% RL, {budget}", "hard"), pool="hard",
                published="80 % RL is best", place=f"{PAPER}, Figure 6",
            ),
        )
    ),
    above("RL alone is better at the edge than as much RL paid by a coin", minus("100% RL, full", RANDOM, "edge")),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, arms = scale.base(), []
    for name, part in BUDGETS.items():
        budget = part * scale.arm_flops
        for share in (0, 0.2, 0.5, 0.8, 1):  # the paper's beta
            recipe = base if share == 1 else base + scale.midtrain((1 - share) * budget)
            recipe = recipe + scale.rl(share * budget) if share else recipe
            arms.append(Arm(f"{share:.0%} RL, {name}", recipe, budget=name))
    arms.append(Arm(RANDOM, base + scale.rl(scale.arm_flops, Reward("random")), budget="full"))
    pairs = [(arm.name, f"{pure} RL, {arm.budget}") for arm in arms for pure in ("0%", "100%")]
    return Study(
        name="interplay/mid_or_rl", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        last_steps="a stage ends with the step that spends its budget: up to 8 % at the half, 3 % at the full one",
        arms=tuple(arms), exams=(*scale.exams(deeper=1), scale.sampled_exam()),
        seeds=scale.finding_seeds or scale.seeds, base=base,
        contrasts=tuple((arm, pure) for arm, pure in pairs if arm != pure and not arm.startswith("0%")),
        headline=tuple(exam.name for exam in scale.exams(deeper=1)),
    )  # fmt: skip
