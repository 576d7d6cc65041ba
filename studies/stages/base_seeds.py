"""How much of the difference between bases is their initial weights, and how much the problems that they were shown?

Every arm is a base whose problems are drawn from a seed of its own, whatever the seed of its weights; the seeds of the
study are those of the weights. All weights meet all problems, so that the variance of a score has three parts: weights,
problems, and what neither explains alone (``stats.variance_shares``).
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

SEEDS = (80, 81, 82, 83)
QUESTION = "How much of the variance between bases comes from initial weights, and how much from problems?"
PREDICTION = (
    "Neither: at 8 and 9 operations more than half of the variance is that of single runs, which neither the weights "
    "nor the problems explain alone; so fixing either would make seeds differ hardly less."
)
RULE = (
    "Exact strict pass@1 of each base at the edge; shares of variance by the two-way random-effects model without "
    "repetition, F tests at 5 %. Exploratory: four weights by four problems, and nothing is claimed of a paper."
)


def study(scale: Scale) -> Study:
    base = scale.base()
    arms = tuple(Arm(f"problems {seed}", replace(base, data_seed=seed), equal=False) for seed in SEEDS)
    return Study(
        name="stages/base_seeds", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=arms,
        exams=scale.exams(), seeds=SEEDS, base=replace(base, stages=()),
        headline=tuple(exam.name for exam in scale.exams()),
    )  # fmt: skip
