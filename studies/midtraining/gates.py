"""Is there room on the leaderboard, so that methods of mid-training can differ there, alone and after RL?

Asked on tuning seeds before any seed of the leaderboard is run: a board on which next-token prediction (NTP) teaches
nothing, or already solves what can be solved, cannot tell methods apart whatever they do. "NTP, full texts" reads the
same problems with whole solutions: what a method could reach that repairs the corpus perfectly.
"""

from __future__ import annotations

from interlude.studies.methods import BOUNDS, CONTROLS, METHODS, alone_and_after_rl, arena, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus

QUESTION = "Does NTP gain on the leaderboard's corpus, and does it leave room above, alone and after RL?"
PREDICTION = (
    "By pilots at seed 3: NTP is 0.25 above the base at the edge, full texts 0.4 above NTP, and 0.2 after RL over all "
    "operations beyond the band."
)
RULE = (
    "A gate is met where the difference is 0.15 or more at every seed. Seeds are for tuning: nothing here is a result "
    "about a method."
)
ROOM = "NTP, full texts"
SEEDS = (3, 4)  # for tuning
CLAIMS = (
    above("NTP on the corpus is above the base at the edge", minus("NTP", "base", "edge")),
    above("it leaves room below whole texts at the edge", minus(ROOM, "NTP", "edge")),
    above("and beyond the band after RL", minus(f"{ROOM} + RL", "NTP + RL", OOD)),
)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, rows, asked = scale.base(), CONTROLS | METHODS | BOUNDS, scale.arm_exams()
    names = ("NTP", ROOM, "pre-training", "thinking SFT", "RL")
    arms = alone_and_after_rl(scale, {name: rows[name] for name in names})
    return Study(
        name="midtraining/gates", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(*(Arm(name, recipe, budget=budget) for name, recipe, budget in arms), Arm("base", base, equal=False)),
        exams=(*scale.exams(), *asked), seeds=SEEDS if scale.board_seeds else scale.seeds, base=base,
        contrasts=tuple((f"{name}{then}", f"NTP{then}") for then in ("", " + RL") for name in names if name != "NTP"),
        **last_steps(scale), headline=tuple(exam.name for exam in asked),
    )  # fmt: skip
