"""Do the leaderboard's four best methods stay ahead on eight fresh seeds, and how far does each move its base?

The best of nineteen methods owe some of their lead to the seeds that chose them; fresh seeds say how much. Base,
corpus, budgets, exams and claims are the leaderboard's. Beside FLOPs stand two measures of movement: KL to the base
along right solutions, and the sum of the learning rates of all updates.
"""

from __future__ import annotations

from interlude.studies.board import CONTROL, THEN, claims
from interlude.studies.methods import CONTROLS, METHODS, alone_and_after_rl, arena, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

QUESTION = "Do the leaderboard's four best methods stay ahead of its controls on eight seeds that did not choose them?"
PREDICTION = (
    "+ RL, beyond the band: all four above NTP by 0.08 to 0.13 and above pre-training by 0.03 to 0.06, established for "
    "withdrawal and RL: a little less than on the leaderboard. Alone, pass@128 on the hard band: all four above "
    "pre-training by 0.2 or more. Alone, at the edge: RFT, RL and withdrawal above both controls, RMT open. In KL, RL "
    "moves its base further than NTP does, as where forgetting was studied."
)
RULE = (
    "The leaderboard's, with its claims: paired differences over seeds to NTP and pre-training, Student t, variances "
    "moderated, Holm over this file; margin 0.05, of KL (edge-kl) 1 nat. The four were chosen by its rank over seeds "
    "50 to 57. Seeds 100 to 107, used for nothing before; written before any run."
)
BEST = ("withdrawal", "RL", "RMT", "RFT")
SEEDS = tuple(range(100, 108))
MOVED = minus("RL", "NTP", "edge-kl", score="divergence")
CLAIMS = (*(each for method in BEST for each in claims(method)), above("RL moves further than NTP", MOVED, margin=1.0))


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, asked = scale.base(), scale.arm_exams()
    rows = {name: (CONTROLS | METHODS)[name] for name in (*CONTROL, *BEST)}
    arms = [Arm(name, recipe, budget=budget) for name, recipe, budget in alone_and_after_rl(scale, rows)]
    return Study(
        name="midtraining/confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*scale.exams(), *asked, *scale.divergence_exams(base)), base=base,
        contrasts=tuple((f"{a}{then}", f"{b}{then}") for then in THEN for a in BEST for b in CONTROL),
        seeds=SEEDS if scale.board_seeds else scale.seeds, headline=tuple(e.name for e in asked), **last_steps(scale),
    )  # fmt: skip
