"""What do RMT's budget, curriculum and next-token prediction each add, on the tokens it thinks about and after RL?

In sampled exams and in RL responses may think and skip steps; exact exams ask for whole solutions. What RMT itself
claims is in the training curves: of stages that think, by tier of entropy and by role of the token, how often a
thought led to the corpus' token, what the model the stage began with expected without one, and thought length.
Problems do not repeat.

"cold start" is the model that RMT begins with; thinking and predicting at once, it is the paper's NTR (first points of
RMT's curve). "no words" is RMT whose budget only the reward knows. Noisy texts are left out.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.stages.rmt import RMT
from interlude.studies.methods import BINS, THINKERS, UNEQUAL, joined, primed, thought
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("midtraining_rmt",)
QUESTION = "At equal FLOPs, what do RMT and each of its parts add to NTP and RPT, alone and + the same RL?"
PREDICTION = (
    "The paper's shape: RMT matches more than RPT on hard tokens, both more than the untrained cold start (NTR), easy "
    "above medium above hard; without NTP it loses most, then without budget, then without curriculum; thoughts "
    "shorten with B_t. Role tells more than tier: thinking helps inferred values, not choices. On exams NTP and mixed "
    "SFT are not below RMT, before or after RL."
)
RULE = (
    "Over seeds, 95 % Student-t intervals. Exams: strict pass@1 on the common world's sampled edge exam, "
    "each pair alone and + RL: above or below zero, else not established. Thinking: share of matches in "
    "each tier over the stage's last quarter, arms paired by seed; length follows if the mean thought of "
    "that quarter is below the first's."
)
UNIFORM = (1 / 3, 1 / 3, 1 / 3)
ABLATED = {  # what is changed in RMT; its words go with its budget
    "no budget": {"budget": None, "told": None}, "no words": {"told": None},
    "no curriculum": {"early": UNIFORM, "late": UNIFORM}, "no NTP": {"ntp": 0.0},
}  # fmt: skip


def study(scale: Scale) -> Study:
    scale = primed(scale)
    base, budget, rl, asked = scale.stable(), scale.method_flops, scale.rl(scale.method_flops), scale.sampled_exams()
    methods = {"NTP": (scale.midtrain(budget),)}
    methods |= {name: THINKERS[name](scale, budget) for name in ("mixed SFT", "RPT", "RMT")}
    methods |= {name: thought(scale, budget, RMT, **({"told": BINS} | more)) for name, more in ABLATED.items()}
    methods["cold start"] = methods["RMT"][:-1]
    arms = [Arm(name, joined(base, stages), name != "cold start", budget="alone") for name, stages in methods.items()]
    arms += [replace(arm, name=f"{arm.name} + RL", recipe=arm.recipe + rl, budget="with RL") for arm in arms]
    pairs = [("RMT", other) for other in methods if other != "RMT"] + [(other, "NTP") for other in ("RPT", "mixed SFT")]
    return Study(
        name="midtraining/rmt", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=tuple(arms),
        exams=(*scale.exams(("zoo",)), *asked), seeds=scale.seeds, headline=tuple(exam.name for exam in asked),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs)), base=base, unequal=UNEQUAL,
    )  # fmt: skip
