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
from interlude.studies.methods import explored
from interlude.studies.own_solutions import NAMES, own_solution_recipes
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, below, minus
from interlude.synth.approaches import PLAIN

FIGURES = ("midtraining_selfgen",)
QUESTION = "At equal FLOPs and data size, do own solutions by n approaches help later RL more than n plain ones?"
PREDICTION = (
    "Edge pass@64 after RL: eight approaches above eight rejection samples of one and above distillation; 8 > 4 > 1; "
    "wrong solutions below no mid-training; before RL STaR is ahead at pass@1."
)
RULE = (
    "Paired differences over seeds in strict pass@64 on the sampled edge exam, Student t, variances pooled, Holm over "
    "this file; margin 0.05. Three seeds (55 to 57), exploratory; no model of this base was examined there before."
)
EDGE, N8 = "zoo-edge-sampled", "approaches 8 + RL"
PAPER = "arXiv 2605.08472, Llama-3.2-3B-Instruct, n = 16, pass@64, six benchmarks"
CLAIMS = (
    above(
        "own solutions by many approaches beat no mid-training, after RL",
        minus(N8, "no mid-training + RL", EDGE, k=64), pool="after RL", published="48.1 against 44.2", place=PAPER,
    ),
    above(
        "they beat STaR, after RL",
        minus(N8, "STaR + RL", EDGE, k=64), pool="after RL", published="48.1 against 45.7", place=PAPER,
    ),
    above("they beat as many by no approach, after RL", minus(N8, "rejection 8 + RL", EDGE, k=64), pool="after RL"),
    above("eight approaches beat one, after RL", minus(N8, "approaches 1 + RL", EDGE, k=64), pool="after RL"),
    above(
        "own solutions beat a larger model's, after RL", minus(N8, "distillation 8 + RL", EDGE, k=64), pool="after RL",
        published="the distilled model is worse after RL", place=PAPER,
    ),
    below(
        "wrong solutions are worse than no mid-training, after RL",
        minus("incorrect 1 + RL", "no mid-training + RL", EDGE, k=64), pool="after RL",
        published="below RL alone, more so with more", place=PAPER,
    ),
    below(
        "RL without mid-training lowers pass@64", minus("no mid-training + RL", "no mid-training", EDGE, k=64),
        published="44.2 against 46.3", place=PAPER,
    ),
    above(
        "before RL STaR is ahead at the first attempt", minus("STaR", "approaches 8", EDGE), pool="alone",
        published="STaR above by approaches at pass@1", place=PAPER,
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale, base, recipes = own_solution_recipes(scale)
    half, room = scale.arm_flops / 2, 2 * scale.max_new_tokens
    rl = replace(scale.rl(half, Reward("answer"), replace(GRPO, kl=0.0)), max_new_tokens=room)
    asked = (replace(scale.sampled_exam(), samples=64), scale.sampled_exam("band"), scale.diversity_exam())
    exams = tuple(replace(exam, max_new_tokens=room, source=replace(exam.source, approach=PLAIN)) for exam in asked)
    return Study(
        name="midtraining/selfgen", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=tuple(Arm(a + e, r + rl if e else r, budget=e) for e in ("", " + RL") for a, r in recipes.items()),
        exams=(*exams, scale.modes_exam(NAMES)), headline=(exams[0].name,), seeds=explored(scale),
        contrasts=tuple(("approaches 8 + RL", f"{other} + RL") for other in recipes if other != "approaches 8"),
    )  # fmt: skip
