"""At which learning rate does each method of the leaderboard leave most after RL?

Rows of a board are comparable when as much was tried for each: here three rates for every one, at the seeds for
tuning. Methods that read at the rate of pre-training also read at 0.3 and 0.1 of it, all others train at 0.3, 1 and
3 times their own rates. Those that learn from a reference have the low-rate control + RL for it.
"""

from __future__ import annotations

from dataclasses import fields, replace

from interlude.models.stage import Stage
from interlude.studies.methods import BOUNDS, CONTROLS, LATER, METHODS, Arena, arena, joined, last_steps, slowed
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "Of three learning rates for each method, which leaves most beyond the band after the same RL?"
PREDICTION = (
    "Those that read at the rate of pre-training leave most at a third or a tenth of it, 0.05 to 0.15 more than at all "
    "of it; of the others none gains 0.05 by a third of its rates, or by three times them."
)
RULE = (
    "A row's rate is the one with the highest exact pass@1 on all operations beyond the band (OOD) after RL, mean over "
    "seeds 3 and 4. Seeds are for tuning: nothing here is a result about a method."
)
SEEDS = (3, 4)
READ = ("NTP", "pre-training", "mixed SFT", "thinking SFT", "ReMiT", "distillation", "switch", "RA3", *BOUNDS)
ROWS = {name: row for name, row in (CONTROLS | METHODS | BOUNDS).items() if name != "random reward"}


def shares(name: str) -> tuple[float, ...]:
    """What a row's learning rates are multiplied by."""
    return (1.0, 0.3, 0.1) if name in READ else (3.0, 1.0, 0.3)


def tuned_reference(scale: Arena, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, with the low-rate control + RL for the reference of those that have one."""
    flops = scale.method_flops
    reference = joined(scale.base(), LATER["NTP, low rate"](scale, flops)) + scale.rl(flops)
    has = [any(field.name == "reference" for field in fields(stage)) for stage in stages]
    return tuple(replace(s, reference=reference) if one else s for s, one in zip(stages, has, strict=True))


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, arms = scale.base(), scale.method_flops, []
    for name, row in ROWS.items():
        for share in shares(name):
            whole = joined(base, tuned_reference(scale, slowed(row, share)(scale, flops)))
            arms.append(Arm(f"{name} x{share:g} + RL", whole + scale.rl(flops)))
    return Study(
        name="midtraining/rates", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=scale.exams(), base=base, seeds=SEEDS if scale.board_seeds else scale.seeds,
        **last_steps(scale),
    )  # fmt: skip
