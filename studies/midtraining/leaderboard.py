"""Which mid-training method is best at equal compute, alone and before the same RL?

What training a reference costs is not charged: ReMiT's is the arm "NTP + RL"; the annotator of "thinking" stands for
the paper's ready-made model and has seen thoughts in the band alone. Their passes are charged. No methods but upper
bounds are "thinking SFT, oracle", which reads the generator's own thoughts, and "NTP, full texts", without gaps.

All read one corpus at the edge, whose texts skip steps; RL and sampled exams let a response skip steps and think. Who
skips all but the last step and guesses is strictly right now and then (0.09 at the edge, .18 in the band). Only mixed
SFT and thinking SFT teach to open a thought unasked; RLP, RPT and RMT open theirs. Exact exams ask for whole plain
solutions.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.stages.distil import Distil
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.remit import ReMiT
from interlude.studies.methods import ANNOTATED, FULL, THINKERS, UNEQUAL, alike, annealed, joined, primed, tuned
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("midtraining_leaderboard",)
QUESTION = "At equal measured FLOPs, what does each method add to next-token prediction, alone and + the same RL?"
# Of the second run, after a first whose cold start taught to skip steps without a thought. The rows of thinking SFT,
# its oracle and thinking are of a third, with the loss on solutions; what was predicted of them stands in
# studies/log/midtraining.md.
PREDICTION = (
    "At the edge NTP stays below .15 alone, and pre-training and RL above it by .15 or more, alone and + RL. RLP, RPT "
    "and RMT lie within .1 of RL, alone and + RL. Thinking SFT lies between NTP and its oracle, which gains less than "
    "full texts. No method but the bounds is above pre-training + RL by more than .05."
)
RULE = (
    "Differences to NTP, or NTP + RL, over seeds with 95 % Student-t intervals in strict pass@1 on the common world's "
    "sampled edge exam: better above zero, worse below, else not established. Methods are ranked by their mean + RL."
)
METHODS = {  # a method is one line: the stages after the base, given the scale and the FLOPs they may spend
    "NTP": lambda scale, flops: (scale.midtrain(flops),),
    "pre-training": lambda scale, flops: (replace(scale.anneal(), flops=flops),),
    "ReMiT": lambda scale, flops: (alike(ReMiT, scale.midtrain(flops), reference=tuned(scale)),),
    "distillation": lambda scale, flops: (alike(Distil, scale.midtrain(flops), reference=tuned(scale)),),
    "SFT": lambda scale, flops: annealed(scale, flops, scale.sft),
    "RFT": lambda scale, flops: annealed(scale, flops, scale.rft),
    "RL": lambda scale, flops: annealed(scale, flops, scale.rl),
    "ReLIFT": lambda scale, flops: annealed(scale, flops, lambda rest: alike(ReLIFT, scale.rl(rest))),
} | THINKERS | ANNOTATED | FULL  # fmt: skip


def study(scale: Scale) -> Study:
    scale = primed(scale)
    base, budget, asked, rl = scale.stable(), scale.method_flops, scale.sampled_exams(), scale.rl(scale.method_flops)
    alone = [Arm(name, joined(base, stages(scale, budget)), budget="alone") for name, stages in METHODS.items()]
    arms = [arm for a in alone for arm in (a, Arm(f"{a.name} + RL", a.recipe + rl, budget="with RL"))]
    return Study(
        name="midtraining/leaderboard", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*scale.exams(), *asked, scale.diversity_exam()), seeds=scale.seeds, base=base,
        contrasts=tuple((f"{name}{then}", f"NTP{then}") for then in ("", " + RL") for name in METHODS if name != "NTP"),
        headline=tuple(exam.name for exam in asked), unequal=UNEQUAL,
    )  # fmt: skip
