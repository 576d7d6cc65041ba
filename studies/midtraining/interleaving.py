"""Does mid-training that alternates RL and reading end below reading alone, on eight seeds that did not suggest it?

On the leaderboard interleaving was the one method with a reward that looked worse than next-token prediction on the
same texts, which its many comparisons left open. Here it is the only comparison, with reading at the leaderboard's
rate; interleaving reads at 0.3 of it.
"""

from __future__ import annotations

from interlude.studies.methods import CONTROLS, METHODS, arena, joined, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import below, minus

QUESTION = "At equal FLOPs, does alternating RL with reading the corpus do worse than reading it, before any other RL?"
PREDICTION = "Yes, by 0.05 to 0.15 in sampled strict pass@1 at the edge (leaderboard: 0.11, 0.03 to 0.18)."
RULE = (
    "The paired difference over seeds in strict pass@1 on the sampled edge exam, Student t, one comparison; margin "
    "0.05. Seeds 100 to 107, where NTP and the base were known (`midtraining/confirmation`) and interleaving was not."
    " Written before it ran."
)
SEEDS = tuple(range(100, 108))
CLAIMS = (
    below("interleaving is worse than next-token prediction", minus("interleaving", "NTP", "zoo-edge-sampled")),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, rows, asked = scale.base(), CONTROLS | METHODS, scale.arm_exams()
    arms = (Arm(name, joined(base, rows[name](scale, scale.method_flops))) for name in ("NTP", "interleaving"))
    return Study(
        name="midtraining/interleaving", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *arms), exams=(*scale.exams(), *asked), base=base,
        contrasts=(("interleaving", "NTP"), ("NTP", "base")), seeds=SEEDS if scale.board_seeds else scale.seeds,
        headline=tuple(exam.name for exam in asked), **last_steps(scale),
    )  # fmt: skip
