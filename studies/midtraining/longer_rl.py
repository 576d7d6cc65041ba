"""Does what a method adds to mid-training outlast three times the RL?

On the leaderboard RL has 21 to 80 steps, fewest after methods that leave long or wrong responses. Here the method that
stayed ahead on fresh seeds, and both controls, go on to three times the RL of the leaderboard. The controls read at the
leaderboard's rate (`midtraining/tuned_controls` has others).
"""

from __future__ import annotations

from interlude.studies.methods import CONTROLS, METHODS, arena, joined, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus

QUESTION = "Is withdrawal still ahead of reading and of more pre-training after three times the leaderboard's RL?"
PREDICTION = (
    "Beyond the band withdrawal is still above pre-training, by 0.03 to 0.08, and above next-token prediction, by 0.03 "
    "to 0.1; in pass@128 on the hard band nothing differs by 0.1. More RL lifts each by 0.03 to 0.15, the last most."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1 on all operations beyond the band (OOD), and in pass@128 on "
    "the hard band; Student t, variances moderated over comparisons of one score, Holm over this file; margin 0.05. "
    "Seeds 100 to 107, where a third of the RL was known (`midtraining/confirmation`). Written before it ran."
)
ROWS = ("pre-training", "NTP", "withdrawal")
SEEDS = tuple(range(100, 108))
CLAIMS = (
    *(
        above(
            f"after three times the RL withdrawal is above {over}",
            minus("withdrawal + 3 RL", f"{over} + 3 RL", OOD), pool="OOD",
        )
        for over in ("pre-training", "NTP")
    ),
    *(
        above(
            f"it is in pass@128 on the hard band, too, above {over}",
            minus("withdrawal + 3 RL", f"{over} + 3 RL", "hard", k=128), pool="hard",
        )
        for over in ("pre-training", "NTP")
    ),
    *(
        above(f"three times the RL is better than once, after {name}", minus(f"{name} + 3 RL", f"{name} + RL", OOD))
        for name in ROWS
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, rows, asked = scale.base(), scale.method_flops, CONTROLS | METHODS, scale.arm_exams()
    arms = []
    for name in ROWS:
        once = joined(base, rows[name](scale, flops)) + scale.rl(flops)
        arms += [
            Arm(f"{name} + RL", once, budget="RL"),
            Arm(f"{name} + 3 RL", once + scale.rl(2 * flops), budget="3 RL"),
        ]
    return Study(
        name="midtraining/longer_rl", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*scale.exams(), *asked), base=base, headline=tuple(exam.name for exam in asked),
        contrasts=tuple((f"withdrawal{then}", f"{over}{then}") for then in (" + RL", " + 3 RL") for over in ROWS[:2]),
        seeds=SEEDS if scale.board_seeds else scale.seeds, **last_steps(scale),
    )  # fmt: skip
