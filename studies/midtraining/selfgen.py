"""Does RL gain more after mid-training on own solutions by several approaches than on as many by one approach?

The base is not that of other studies. Its learning rate decays before any arm starts, so that no arm spends budget on
the decay. A share TAGGED of its rows are solutions by approaches that a tag requests, with fewer operations than the
top of the band. The model generates at the two largest of these numbers of operations: at nano it follows no approach
at one operation more than it was trained on. Replay contains no approaches, so the arms learn them only from generated
solutions. RL is at the edge, with the paper's objective (GRPO without KL) and reward (the answer; arXiv 2605.08472).
"distillation 8" samples from a larger model; the sampling is charged, but not its training, as it stands for the
paper's off-the-shelf model.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.policy_gradient import GRPO
from interlude.models.rollouts import Reward
from interlude.models.stages.selfgen import SelfGen
from interlude.studies.methods import alike
from interlude.studies.mixtures import approached, teacher
from interlude.studies.scales import Scale, blend
from interlude.studies.study import Arm, Study
from interlude.synth.approaches import PLAIN

FIGURES = ("midtraining_selfgen",)
QUESTION = "At equal FLOPs and data size, do own solutions by n approaches help later RL more than n plain ones?"
# The prediction for distillation was added after the results of all other arms, but before any of its own.
PREDICTION = "Edge pass@64 after RL: approaches above rejection, distilled; 8 > 4 > 1; wrong below RL; before RL none."
RULE = "Paired difference after RL, sampled edge exam, strict pass@64, 95 % Student t over seeds: excludes zero."
# WRONG: one wrong solution per question, as no question has a wrong one by each of eight approaches.
# REPLAY: without it, training on two and three operations makes the model forget all deeper problems.
TAGGED, REPLAY, WRONG = 0.25, 0.8, {"traces": "incorrect", "n": 1, "attempts": 256}
NAMES = ("levels", "plan", "running", "commuted", "symbolic", "table", "grouped", PLAIN)


def study(scale: Scale) -> Study:
    scale, base, anneal, examples = approached(scale, NAMES, TAGGED)
    # Solutions by approaches are longer, hence twice the tokens. Questions have the two largest numbers of operations.
    half, room, old = scale.arm_flops / 2, 2 * scale.max_new_tokens, scale.pretraining()
    inside, base = (max(examples.ops[0], examples.ops[1] - 1), examples.ops[1]), base + anneal
    sft = replace(scale.sft(half), data=scale.mixture(inside))
    gold, told = (blend((1 - REPLAY, scale.mixture(inside, **how)), (REPLAY, old)) for how in ({}, {"approach": NAMES}))
    own = {"replay": old, "replay_share": REPLAY, "instances": 12 * scale.batch_size, "max_new_tokens": room}
    own = alike(SelfGen, sft, approaches=NAMES, examples=examples, **own)
    arms = {"gold": replace(sft, data=gold), "gold by approaches": replace(sft, data=told)}
    arms |= {f"approaches {n}": replace(own, n=n) for n in (8, 4, 2, 1)}
    arms |= {f"rejection {n}": replace(own, source="rejection", examples=None, n=n) for n in (8, 1)}
    arms |= {"STaR": replace(own, source="star", examples=None, n=1), "incorrect 1": replace(own, **WRONG)}
    arms["distillation 8"] = replace(own, source="distil", examples=None, n=8, reference=teacher(scale, NAMES, TAGGED))
    recipes = {"no mid-training": base + replace(anneal, flops=half), **{a: base + s for a, s in arms.items()}}
    rl = replace(scale.rl(half, Reward("answer"), replace(GRPO, kl=0.0)), max_new_tokens=room)
    asked = (replace(scale.sampled_exam(), samples=64), scale.sampled_exam("band"), scale.diversity_exam())
    exams = tuple(replace(exam, max_new_tokens=room, source=replace(exam.source, approach=PLAIN)) for exam in asked)
    return Study(
        name="midtraining/selfgen", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=tuple(Arm(a + e, r + rl if e else r, budget=e) for e in ("", " + RL") for a, r in recipes.items()),
        exams=(*exams, scale.modes_exam(NAMES)), headline=(exams[0].name,), seeds=scale.seeds,
        contrasts=tuple(("approaches 8 + RL", f"{other} + RL") for other in recipes if other != "approaches 8"),
    )  # fmt: skip
