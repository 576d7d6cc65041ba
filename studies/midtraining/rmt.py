"""What do RMT's budget, curriculum and next-token prediction each add, on the tokens it thinks about and after RL?

Base, corpus and exams are the arena's (``studies.methods.Arena``). RMT's own claims (arXiv 2509.24375) are about
quantities in the training curves, by entropy tier and by token role: how often a prediction after a thought matches the
corpus, how probable a match is for the stage's initial model without a thought, and thought length. Problems do not
repeat.

The untrained base, which thinks and then predicts, is the paper's NTR (the first points of RMT's curve). RMT thinks
where the corpus skips the steps that a token follows from. "RMT, entropy" uses the paper's filter, the fifth of tokens
with the highest entropy; the study asks whether this filter selects irreducible tokens. Only "words" states the budget
in the prompt; its base has learned to read lengths there.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.methods import BINS, CONTROLS, METHODS, arena, joined, last_steps, rmt
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("midtraining_rmt",)
QUESTION = "At equal FLOPs, what do RMT and each of its parts add to NTP and RPT, alone and + the same RL?"
PREDICTION = (
    "The paper's shape: RMT matches more than RPT on hard tokens, both more than the untrained base (NTR), easy above "
    "medium above hard; without NTP it loses most, then without budget, then without curriculum; thoughts shorten with "
    "B_t. Role tells more than tier: thinking helps inferred values, not choices. On exams NTP and mixed SFT are not "
    "below RMT, before or after RL."
)
RULE = (
    "Over seeds, 95 % Student-t intervals. Exams: strict pass@1 on zoo-edge-sampled-answer, each pair alone and + RL: "
    "above or below zero, else not established. Thinking: share of matches in each tier over the stage's last quarter, "
    "arms paired by seed; length follows if the mean thought of that quarter is below the first's."
)
UNIFORM = (1 / 3, 1 / 3, 1 / 3)
# Ablations: the fields of RMT that change.
ABLATED = {"no budget": {"budget": None}, "no curriculum": {"early": UNIFORM, "late": UNIFORM}}
ABLATED |= {"no NTP": {"ntp": 0.0}, "mean of NTP": {"ntp_aggregate": "mean"}}


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, budget, rl, asked = scale.base(), scale.method_flops, scale.rl(scale.method_flops), scale.arm_exams()
    rows, shared = CONTROLS | METHODS, ("NTP", "pre-training", "mixed SFT", "RPT", "RMT", "RMT, entropy")
    methods = {name: rows[name](scale, budget) for name in shared}
    methods |= {name: rmt(scale, budget, **more) for name, more in ABLATED.items()}
    arms = [Arm(name, joined(base, stages), budget="alone") for name, stages in methods.items()]
    told = scale.stable() + scale.formats(BINS)
    words = Arm("words", joined(told, rmt(scale, budget, told=BINS)), base=told, budget="alone")
    arms += [Arm("base", base, equal=False), words]
    arms += [replace(arm, name=f"{arm.name} + RL", recipe=arm.recipe + rl, budget="with RL") for arm in arms]
    pairs = [("RMT", arm.name) for arm in arms if "RL" not in arm.name and arm.name != "RMT"]
    pairs += [(other, over) for other in ("RPT", "mixed SFT", "RMT, entropy") for over in ("NTP", "pre-training")]
    return Study(
        name="midtraining/rmt", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, arms=tuple(arms),
        exams=(*scale.exams(), *asked), seeds=scale.seeds, headline=tuple(exam.name for exam in asked),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs)), base=base, **last_steps(scale),
    )  # fmt: skip
