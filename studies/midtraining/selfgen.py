"""Does mid-training on a model's own solutions by several approaches make RL gain more than as many alike ones do?

Its base differs from other studies', and is decayed before any arm begins, so that none spends its budget on a decay:
TAGGED of all rows hold solutions by approaches below the band's top, asked for by tags. The model generates at the
two deepest of these operations, as at nano it tells no approach one operation deeper than it was shown. Replay shows
no approach, so none is taught but by what the model wrote. RL is at the edge, with the paper's objective, GRPO
without KL, and its reward, the answer (arXiv 2605.08472). What training the larger model of "distillation 8" cost is
not charged, as it stands for the paper's ready-made one; its sampling is.
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
QUESTION = "At equal FLOPs and instances, do own solutions by n approaches serve RL better than n without approaches?"
# What is said of distillation was added when all other arms were known, before any of its own.
PREDICTION = "Edge pass@64 after RL: approaches above rejection, distilled; 8 > 4 > 1; wrong below RL; before RL none."
RULE = "Paired difference after RL, sampled edge exam, strict pass@64, 95 % Student t over seeds: excludes zero."
# One wrong solution a question: no question has a wrong one by each of eight approaches.
# Without replay, solutions of two and three operations unteach all deeper ones.
TAGGED, REPLAY, WRONG = 0.25, 0.8, {"traces": "incorrect", "n": 1, "attempts": 256}
NAMES = ("levels", "plan", "running", "commuted", "symbolic", "table", "grouped", PLAIN)


def study(scale: Scale) -> Study:
    scale, base, anneal, examples = approached(scale, NAMES, TAGGED)
    # Approaches are longer, hence the room; questions have one of the two deepest operations of the tags.
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
