"""Is a thought harmless where there is nothing to think about, on the base of all methods of the leaderboard?

If a base has seen thoughts only where steps were missing, any thought elsewhere costs, and methods that think before
any token cannot win. This gate was looked at in pilots; here it is a table, with what methods make of it.
"""

from __future__ import annotations

from interlude.studies.methods import CONTROLS, METHODS, arena, joined, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import below, rather, within

QUESTION = "Does an empty thought leave the next token of the corpus as probable as it was?"
PREDICTION = (
    "For the base yes, to within 0.05 (0.96 to 0.99 after it, 0.99 without, by two pilots), and for RMT and RMT by "
    "entropy; next-token prediction, which reads no thoughts, unlearns it and loses 0.2 or more."
)
RULE = (
    "Paired differences over seeds in the mean probability of one token of each text, drawn uniformly from its "
    "solution, with an empty thought before it and without; Student t, Holm over this file; margin 0.05. Seeds 100 to"
    " 107, whose models were known by other exams (`midtraining/confirmation`). Written before this exam was taken."
)
SEEDS = tuple(range(100, 108))
EXAM = "zoo-edge-empty"
ARMS = ("NTP", "RMT", "RMT, entropy")
CLAIMS = (
    within("an empty thought is harmless to the base", rather("base", "empty_thought", "no_thought", EXAM)),
    within(
        "it stays so for methods that think",
        *(rather(arm, "empty_thought", "no_thought", EXAM) for arm in ("RMT", "RMT, entropy")),
    ),
    below("next-token prediction unlearns it", rather("NTP", "empty_thought", "no_thought", EXAM)),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, rows = scale.base(), CONTROLS | METHODS
    arms = (Arm(name, joined(base, rows[name](scale, scale.method_flops))) for name in ARMS)
    return Study(
        name="midtraining/empty_thoughts", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *arms), exams=(scale.empty_exam(),), base=base, headline=(EXAM,),
        contrasts=tuple((name, "base") for name in ARMS), seeds=SEEDS if scale.board_seeds else scale.seeds,
        **last_steps(scale),
    )  # fmt: skip
