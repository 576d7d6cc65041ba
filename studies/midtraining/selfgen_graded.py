"""Do own solutions by several approaches help later RL, where every base is right on some questions and not on others?

In `midtraining/selfgen` questions have 8 and 9 operations, of which a base can solve next to nothing, so that there is
nothing of its own to learn from. Here corpus, RL and exam have 6 to 10. RL is paid for what the exam asks, a solution
that is right throughout: paid for the answer, as in the paper, it unlearns the working at this size.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.policy_gradient import GRPO
from interlude.studies.methods import last_steps
from interlude.studies.own_solutions import SPENT, own_solution_recipes
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus
from interlude.synth.approaches import PLAIN

QUESTION = "Do own solutions by four approaches help later RL more than four plain ones, than one, or than none?"
PREDICTION = (
    "After RL, in 64 attempts: four approaches are within 0.1 of no mid-training, 0.05 to 0.15 above one approach and "
    "as much below four plain solutions (rejection), and below longer RL; rejection is above no mid-training by 0.1."
)
RULE = (
    "Paired differences over seeds in strict pass@64 on the sampled exam of 6 to 10 operations, Student t, variances "
    "moderated, Holm over this file; margin 0.05. Eight seeds (180 to 187), used for nothing before. Declared after a "
    "pilot at seed 3 (pass@1, pass@64; after RL: none 0.53, 0.68; 0.53, 0.80; four approaches 0.42, 0.64; 0.58, 0.78; "
    "one 0.08, 0.46; 0.49, 0.66; rejection 0.59, 0.72; 0.69, 0.94; STaR 0.52, 0.70; 0.60, 0.86), and one from 5 to 9 "
    "operations with a reward for answers, where all that had read own solutions lost a fifth to two fifths."
)
SEEDS = tuple(range(180, 188))
GRADED, N4, NONE = "zoo-graded-sampled", "approaches 4 + RL", "no mid-training + RL"
ROWS = ("no mid-training", "approaches 4", "approaches 1", "rejection 4", "STaR")
PAPER = "arXiv 2605.08472, Llama-3.2-3B-Instruct, n = 16, pass@64, six benchmarks"


CLAIMS = tuple(
    above(
        name, minus(arm, over, GRADED, k=64), pool="after RL", **({"published": said, "place": PAPER} if said else {})
    )
    for name, arm, over, said in (
        ("four approaches beat no mid-training, after RL", N4, NONE, "48.1 against 44.2"),
        ("they beat STaR, after RL", N4, "STaR + RL", "48.1 against 45.7"),
        ("they beat as many by no approach, after RL", N4, "rejection 4 + RL", ""),
        ("four approaches beat one, after RL", N4, "approaches 1 + RL", ""),
        ("they beat as much compute on RL", N4, "longer RL", ""),
        ("own solutions by no approach beat no mid-training, after RL", "rejection 4 + RL", NONE, ""),
    )
)


def study(scale: Scale) -> Study:
    flops, room, ops = SPENT * scale.arm_flops, 2 * scale.max_new_tokens, (max(1, scale.edge[0] - 2), scale.hard[0])
    scale, base, recipes = own_solution_recipes(scale, flops, ops)
    rl = replace(scale.rl(flops, objective=replace(GRPO, kl=0.0), data=scale.mixture(ops)), max_new_tokens=room)
    asked = replace(scale.examined(ops), approach=PLAIN)
    exam = replace(scale.sampled_exam(), name=GRADED, source=asked, samples=64, max_new_tokens=room)
    alone = [Arm(name, recipes[name], equal=recipes[name] != base) for name in ROWS]
    after = [Arm(f"{arm.name} + RL", arm.recipe + rl, equal=arm.equal, budget="with RL") for arm in alone]
    longer = Arm("longer RL", base + replace(rl, flops=2 * flops), budget="with RL")
    return Study(
        name="midtraining/selfgen_graded", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        base=base, arms=(*alone, *after, longer), exams=(exam, *scale.exams()), headline=(GRADED,),
        seeds=SEEDS if scale.board_seeds else scale.seeds,
        contrasts=tuple((N4, arm.name) for arm in (*after, longer) if arm.name != N4), **last_steps(scale),
    )  # fmt: skip
