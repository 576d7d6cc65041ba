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

from interlude.studies.methods import BINS, CONTROLS, METHODS, RMT_PARTS, arena, explored, joined, last_steps, rmt
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus

FIGURES = ("midtraining_rmt",)
QUESTION = "At equal FLOPs, what do RMT and each of its parts add to NTP and RPT, alone and + the same RL?"
PREDICTION = (
    "The paper's shape in training: RMT matches more than RPT on hard tokens, both more than the untrained base (NTR), "
    "easy above medium above hard; thoughts shorten with B_t. Role tells more than tier: thinking helps inferred "
    "values, not choices. On exams, by the board: RMT is above RPT alone and equal to it after RL, where both are "
    "above NTP; without NTP it loses most, without budget or curriculum little that three seeds can see."
)
RULE = (
    "Paired differences over seeds in strict pass@1, alone on the sampled edge exam with a thought opened, + RL "
    "exactly on all operations beyond the band (OOD); Student t, variances pooled where claims say so, Holm over this "
    "file; margin 0.05, larger than some published gains. Three seeds of the board (55 to 57), exploratory: all arms "
    "but the parts of RMT and words were known there. Beside the claims: share of matches in each tier over the "
    "stage's last quarter; length follows the budget if the mean thought of that quarter is below the first's."
)
OPENED = "zoo-edge-sampled-answer"
PAPER = "arXiv 2509.24375"
CLAIMS = (
    above(
        "RMT teaches more than RPT", minus("RMT", "RPT", OPENED),
        published="46.9 against 35.9 % of next tokens (ours: solutions)", place=f"{PAPER}, main table",
    ),
    above(
        "the budget adds", minus("RMT", "no budget", OPENED), pool="alone",
        published="46.9 against 40.2 % of next tokens (ours: solutions)", place=f"{PAPER}, main table",
    ),
    above(
        "the curriculum adds", minus("RMT", "no curriculum", OPENED), pool="alone",
        published="46.9 against 43.2 % of next tokens (ours: solutions)", place=f"{PAPER}, main table",
    ),
    above(
        "next-token prediction adds", minus("RMT", "no NTP", OPENED),
        published="46.9 against 33.8 % of next tokens (ours: solutions)", place=f"{PAPER}, main table",
    ),
    above("its sum adds to its mean", minus("RMT", "mean of NTP", OPENED), pool="alone"),
    above(
        "RMT before RL beats as much RL", minus("RMT + RL", "longer RL", OOD), pool="after RL",
        published="54.7 against 51.0 %, for RL of less compute", place=f"{PAPER}, after RL on Skywork's mathematics",
    ),
    above("RMT prepares for RL better than NTP", minus("RMT + RL", "NTP + RL", OOD), pool="after RL"),
    above(
        "RMT prepares for RL better than RPT", minus("RMT + RL", "RPT + RL", OOD),
        published="54.7 against 48.5 %", place=f"{PAPER}, after RL on Skywork's mathematics",
    ),
    above(
        "mixed SFT at equal compute is better after RL", minus("mixed SFT + RL", "RMT + RL", OOD), pool="after RL",
        published="mixed SFT beats next-token reasoning", place="arXiv 2608.23256",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, budget, rl, asked = scale.base(), scale.method_flops, scale.rl(scale.method_flops), scale.arm_exams()
    rows, shared = CONTROLS | METHODS, ("NTP", "pre-training", "mixed SFT", "RPT", "RMT", "RMT, entropy")
    methods = {name: rows[name](scale, budget) for name in shared}
    methods |= {name: rmt(scale, budget, **more) for name, more in RMT_PARTS.items()}
    arms = [Arm(name, joined(base, stages), budget="alone") for name, stages in methods.items()]
    told, lengths = scale.stable() + scale.formats(BINS), rmt(scale, budget, told=BINS)
    arms += [Arm("base", base, equal=False), Arm("words", joined(told, lengths), base=told, budget="alone")]
    arms += [replace(arm, name=f"{arm.name} + RL", recipe=arm.recipe + rl, budget="with RL") for arm in arms]
    pairs = [("RMT", arm.name) for arm in arms if "RL" not in arm.name and arm.name != "RMT"]
    pairs += [(other, over) for other in ("RPT", "mixed SFT", "RMT, entropy") for over in ("NTP", "pre-training")]
    return Study(
        name="midtraining/rmt", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(*arms, Arm("longer RL", base + rl + rl, budget="with RL")), exams=(*scale.exams(), *asked),
        seeds=explored(scale), headline=tuple(exam.name for exam in asked), **last_steps(scale),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs)),
    )  # fmt: skip
