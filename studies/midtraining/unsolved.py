"""Does withdrawal do better on problems that its base does not solve than on those whose text it would not write?

Withdrawal is RL on unsolved problems. On the leaderboard a problem counts as unsolved if the base gives its corpus text
next to no probability; a third of these texts stop early, so that problems which the base solves are taken too. Here it
is asked of the whole solution (``Withdraw.judged``). Pre-training, the control, reads at the leaderboard's rate; at a
tenth of it no lead is seen (`midtraining/tuned_controls`).
"""

from __future__ import annotations

from interlude.studies.board import RANKED
from interlude.studies.methods import CONTROLS, LATER, METHODS, alone_and_after_rl, arena, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus, within

QUESTION = (
    "Does it matter to withdrawal, alone and after RL, that its problems are those which the base does not solve?"
)
PREDICTION = (
    "It matters little: after RL withdrawal of unsolved problems is within 0.05 of the leaderboard's, beyond the band, "
    "and above as much pre-training by 0.05 to 0.1; alone, at the edge, within 0.05 too."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1, after RL on all operations beyond the band, alone at the "
    "edge; Student t, Holm over this file; margin 0.05. Seeds 100 to 107, at which pre-training and the leaderboard's "
    "withdrawal were known (`midtraining/confirmation`), the arm that is new here not. Written before it ran."
)
OLD, NEW = "withdrawal", "withdrawal, unsolved"
SEEDS = tuple(range(100, 108))
CLAIMS = (
    within(f"after RL it does not matter: {RANKED}", minus(f"{NEW} + RL", f"{OLD} + RL", OOD)),
    within("alone it does not matter at the edge", minus(NEW, OLD, "edge")),
    above(
        "withdrawal of unsolved problems beats more pre-training, after RL",
        minus(f"{NEW} + RL", "pre-training + RL", OOD),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    rows = {name: (CONTROLS | METHODS | LATER)[name] for name in ("pre-training", OLD, NEW)}
    arms = [Arm(name, recipe, budget=budget) for name, recipe, budget in alone_and_after_rl(scale, rows)]
    pairs = [(NEW, OLD), (NEW, "pre-training"), (OLD, "pre-training")]
    return Study(
        name="midtraining/unsolved", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*scale.exams(), *scale.arm_exams()), base=scale.base(),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs)),
        seeds=SEEDS if scale.board_seeds else scale.seeds, headline=tuple(e.name for e in scale.arm_exams()),
        **last_steps(scale),
    )  # fmt: skip
