"""Does RL of three hundred steps carry further beyond its data than RL of forty, and than as much reading of gold?

In `interplay/depth_carried` RL had 32 to 52 steps and had not finished. Here RL and reading at a low rate (SFT) are
given the same budget, and five times as much.
"""

from __future__ import annotations

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, within

QUESTION = "How far does training at the edge carry with five times the budget, RL against gold solutions?"
PREDICTION = (
    "Five times the RL solves 0.05 to 0.2 more of the hard band at once and 0.05 to 0.15 more in 128 attempts, most "
    "of it at 10 operations; at 12 no arm solves more than 0.02. Five times the SFT solves no more there than SFT "
    "(within 0.05), so that RL is then above SFT, by 0.05 to 0.15, where at the small budget it is below. A coin's RL "
    "of this length destroys its base: the edge under 0.2."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t with variances moderated over comparisons of one "
    "score, Holm over all comparisons of this file; margin 0.05. Seeds 170 to 177, used for nothing before. Written "
    "before any run, with depth_carried and edge_confirmation (RL of 4 TFLOP) known, without a pilot of longer RL."
)
SEEDS = tuple(range(170, 178))
CLAIMS = (
    above("five times the RL solves more hard problems at once", minus("RL x5", "RL", "hard"), pool="pass@1"),
    above("it does so within 128 attempts", minus("RL x5", "RL", "hard", k=128), pool="pass@128"),
    within("five times the SFT solves no more of them", minus("SFT x5", "SFT", "hard"), pool="pass@1"),
    *(
        above(
            f"at five times the budget RL carries further than SFT, {said}",
            minus("RL x5", "SFT x5", "hard", k=k), pool=f"pass@{k}",
        )
        for said, k in (("at once", 1), ("within 128 attempts", 128))
    ),
    above(
        "it is RL's reward that does it: above the base and a coin",
        *(minus("RL x5", over, "hard") for over in ("base", "RL, random reward, x5")), pool="pass@1",
    ),
    within("at the edge RL has caught up with SFT", minus("RL x5", "SFT x5", "edge"), pool="edge"),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, flops = scale.base(), scale.arm_flops
    coin = Reward("random")
    arms = {
        "RL": scale.rl(flops), "RL x5": scale.rl(5 * flops), "SFT": scale.sft(flops), "SFT x5": scale.sft(5 * flops),
        "RL, random reward, x5": scale.rl(5 * flops, coin),
    }  # fmt: skip
    return Study(
        name="interplay/rl_steps", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(
            Arm("base", base, equal=False),
            *(Arm(name, base + stage, budget="x5" if "x5" in name else "x1") for name, stage in arms.items()),
        ),
        exams=scale.exams(deeper=1), seeds=SEEDS if scale.finding_seeds else scale.seeds,
        contrasts=(*((name, "base") for name in arms), ("RL x5", "RL"), ("SFT x5", "SFT"), ("RL x5", "SFT x5")),
        headline=tuple(exam.name for exam in scale.exams(deeper=1)),
    )  # fmt: skip
