"""At which learning rate does each kind of method on the leaderboard solve most, alone and after RL?

Rows of a board are comparable when as much was tried for each. Here every row has three or four rates at the seeds for
tuning, and rows whose rates mean the same share a choice: two seeds can tell rates of a family apart, hardly of a row.
Methods that learn from a reference have the low-rate control + RL for it; in "thinking" the half that reads is varied.
"""

from __future__ import annotations

from itertools import product

from interlude.studies import methods
from interlude.studies.methods import arena, at_share, joined, last_steps, referring
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "Of several learning rates for each kind of method, which is best alone, and which after the same RL?"
PREDICTION = (
    "After RL, reading is best at 0.1 or 0.03 of pre-training's rate, by 0.05 or more over all of it; alone at 1 or "
    "0.3. No other family gains 0.03 by another rate than it has. Full texts at their best rate are 0.05 above "
    "next-token prediction at its own, after RL."
)
RULE = (
    "A family has the share with the highest mean over its rows (bounds left out) and seeds: + RL by exact pass@1 on "
    "all operations beyond the band (OOD), alone by sampled pass@1 at the edge (with a thought opened for rows whose "
    "thoughts are). Within 0.01 of the best the leaderboard's own rate is kept. Seeds 3 and 4 are for tuning (NTP, "
    "pre-training, withdrawal, RFT and thinking SFT were piloted there): nothing here is a result about a method."
)
SEEDS = (3, 4)
FOUR, THREE = (1.0, 0.3, 0.1, 0.03), (3.0, 1.0, 0.3)
# What the rates of a family's rows are multiplied by.
SHARES = {"reading": FOUR, "imitation": (*THREE, 0.1), "RL": THREE, "thoughts": THREE}


def study(scale: Scale) -> Study:
    scale, rows = arena(scale), methods.CONTROLS | methods.METHODS | methods.BOUNDS
    base, flops, exact, sampled, arms = scale.base(), scale.method_flops, scale.exams(), scale.arm_exams()[:2], []
    reference = joined(base, methods.LATER["NTP, low rate"](scale, flops)) + scale.rl(flops)
    for family, names in methods.FAMILIES.items():
        varied = scale.optim.matrix_lr if family == "reading" else None
        for name, share in product(names, SHARES[family]):
            own = referring(rows[name](scale, flops), reference)
            whole = joined(base, at_share(own, share, of=varied))
            arms.append(Arm(f"{name} x{share:g}", whole, exams=sampled, budget="alone"))
            arms.append(Arm(f"{name} x{share:g} + RL", whole + scale.rl(flops), exams=exact, budget="with RL"))
    return Study(
        name="midtraining/rates", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*exact, *sampled), base=base, seeds=SEEDS if scale.board_seeds else scale.seeds,
        headline=(sampled[0].name,), **last_steps(scale),
    )  # fmt: skip
