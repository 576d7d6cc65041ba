"""How far does each mid-training method move its base, at equal FLOPs?

FLOPs say what a method costs, not how much it changes a model: a step of reading is cheap and a step of RL dear. Two
measures say more: the mean KL divergence from the base along right solutions, and the sum of all learning rates.
"""

from __future__ import annotations

from interlude.studies.methods import CONTROLS, METHODS, arena, joined, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "At equal FLOPs, how far does each method of the leaderboard move the base that it begins with?"
PREDICTION = (
    "At the edge those paid for whole solutions (RL, withdrawal, interleaving, ReLIFT) move further than next-token "
    "prediction, and RMT, RPT and RLP, which train on single tokens, less; in the band all move by less than at the "
    "edge. Methods that move further do not rank higher."
)
RULE = (
    "KL in nats a solution, base to arm, along right solutions of the band and of the edge, means and ranges over "
    "three seeds: a description, without claims. Seeds 100 to 102, where NTP, pre-training and the four best were "
    "known (`midtraining/confirmation`)."
)
SEEDS = (100, 101, 102)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, asked = scale.base(), scale.arm_exams()
    methods = {name: joined(base, row(scale, scale.method_flops)) for name, row in (CONTROLS | METHODS).items()}
    return Study(
        name="midtraining/movement", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(Arm("base", base, equal=False), *(Arm(name, recipe) for name, recipe in methods.items())),
        exams=(*scale.exams(), *asked, *scale.divergence_exams(base)), headline=tuple(exam.name for exam in asked),
        contrasts=tuple((name, "NTP") for name in methods if name != "NTP"),
        seeds=SEEDS if scale.board_seeds else scale.seeds, **last_steps(scale),
    )  # fmt: skip
