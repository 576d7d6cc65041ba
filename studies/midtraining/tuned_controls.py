"""Do the leaderboard's best methods stay ahead of controls whose learning rate was tuned as well?

On the leaderboard both controls read at the rate of pre-training; RL's rate was chosen by pilots on an earlier base.
Here they also read at a tenth of it, chosen by pilots at seeds 3 and 4 for what it leaves after RL, from more rates
than were tried for any method.
"""

from __future__ import annotations

from interlude.studies.board import FREE, OPENED, OPENS, RANKED, THEN, beside
from interlude.studies.methods import CONTROLS, LATER, METHODS, alone_and_after_rl, arena, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus

FIGURES = ("midtraining_tuned_controls",)
QUESTION = "Are the leaderboard's four best methods ahead of controls that read at a rate chosen by pilots?"
PREDICTION = (
    "+ RL, beyond the band, each control gains 0.05 to 0.15 by its low rate, established; over both low-rate controls "
    "withdrawal is ahead by 0.03 to 0.07, RL, RMT and RFT by 0.0 to 0.05, none of it established. Pilots did not look "
    "at controls alone: at the low rate NTP moves less, and solves less of the edge."
)
RULE = (
    "The leaderboard's comparisons, to both controls at the low rate, and each control to itself at the leaderboard's: "
    "paired differences over seeds, Student t, variances moderated, Holm over this file; margin 0.05. Seeds 100 to 107 "
    "(`midtraining/confirmation`), where methods and controls at the leaderboard's rate were known, and no control at "
    "another rate had been trained. At seeds 3 and 4 0.03, 0.1, 0.3, 1 and 3 times the leaderboard's rate were tried. "
    "Written before any of it ran."
)
SEEDS = tuple(range(100, 108))
BEST, OLD = ("withdrawal", "RL", "RMT", "RFT"), ("NTP", "pre-training")
TUNED = tuple(f"{name}, low rate" for name in OLD)
CLAIMS = (
    *(each for name in BEST for each in beside(name, TUNED, (OPENED if name in OPENS else FREE, FREE))),
    *(
        above(f"{new} > {old}: {RANKED}", minus(f"{new} + RL", f"{old} + RL", OOD), pool="OOD")
        for new, old in zip(TUNED, OLD, strict=True)
    ),
)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    rows = {name: (CONTROLS | METHODS | LATER)[name] for name in (*TUNED, *OLD, *BEST)}
    arms = tuple(Arm(name, recipe, budget=budget) for name, recipe, budget in alone_and_after_rl(scale, rows))
    asked = scale.arm_exams()
    return Study(
        name="midtraining/tuned_controls", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=(*scale.exams(), *asked), base=scale.base(), headline=tuple(exam.name for exam in asked),
        contrasts=tuple((f"{name}{then}", f"{over}{then}") for then in THEN for name in BEST for over in TUNED),
        seeds=SEEDS if scale.board_seeds else scale.seeds, **last_steps(scale),
    )  # fmt: skip
