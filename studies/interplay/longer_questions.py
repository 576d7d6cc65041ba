"""Is it depth that ends what RL carries over, or that exams of the deepest problems have longer questions?

An exam of 11 operations has three givens more than nano's pre-training and its RL at the edge have had at most. Here
models of `interplay/edge_confirmation` are given the same numbers of operations in questions of both lengths. "RL
beyond" is the exception: its problems have the greater length.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.rollouts import Reward
from interlude.studies.exams.exact import ExactExam
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import Claim, Comparison, Score, above, minus

QUESTION = "Beyond the edge, what do three more givens than any question had cost, and what one operation more?"
PREDICTION = (
    "At 10 operations three more givens cost RL edge 0.2 to 0.35. At 11, of questions as long as those that were read, "
    "it solves 0.2 to 0.4, where the longer ones leave it 0.05 to 0.15, and there it is above its base and the coin in "
    "pass@1 and pass@128; RL uniform, one operation beyond its own data, is above RL edge by 0.05 to 0.25."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t with variances moderated over comparisons of one "
    "score, Holm over all comparisons of this file; margin 0.05. Seeds 110 to 125, whose models are those of "
    "edge_confirmation. A look at eight (110 to 114, 116 to 118) suggested the question: RL edge had 0.65 of 10 "
    "operations in 31 givens and 0.37 in 34. Questions of 11 in 31 givens had not been asked of any model."
)
SEEDS = tuple(range(110, 126))
AS_READ, LONGER, MORE = "zoo-ops{}-as-read", "zoo-ops{}-longer", 3  # givens: as one operation more takes


def costs(arm: str, ops: int) -> Comparison:
    """What an arm loses by longer questions of one number of operations."""
    terms = ((1.0, arm, Score(AS_READ.format(ops))), (-1.0, arm, Score(LONGER.format(ops))))
    return Comparison(terms, name=f"{arm}, {ops} operations, as read - longer")


CLAIMS = (
    *(
        Claim(f"longer questions cost RL at {ops} operations", (costs("RL edge", ops),), pool="length")
        for ops in (10, 11)
    ),
    *(
        above(
            f"two operations beyond its data RL solves more than base and coin, {said}",
            *(minus("RL edge", over, AS_READ.format(11), k=k) for over in ("none", "RL edge, random")),
            pool=f"pass@{k}",
        )
        for said, k in (("at once", 1), ("within 128 attempts", 128))
    ),
    above(
        "RL on all problems solves more there than RL on the edge",
        minus("RL uniform", "RL edge", AS_READ.format(11)), pool="pass@1",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    none, flops, longest = scale.base(), scale.arm_flops, scale.length[1]
    given = {name: scale.mixture(scale.bands[name]) for name in ("edge", "uniform", "beyond")}
    arms = {f"RL {name}": none + scale.rl(flops, data=data) for name, data in given.items()}
    arms["RL edge, random"] = none + scale.rl(flops, Reward("random"))
    exams = [
        ExactExam(name.format(n), replace(scale.examined((n, n)), length=(givens, givens)), scale.problems)
        for n in range(scale.edge[0], scale.hard[1] + 1)
        for name, givens in ((AS_READ, longest), (LONGER, longest + MORE))
    ]
    return Study(
        name="interplay/longer_questions", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("none", none, equal=False), *(Arm(name, recipe) for name, recipe in arms.items())), base=none,
        exams=tuple(exams), seeds=SEEDS if scale.finding_seeds else scale.seeds,
        contrasts=tuple((arm, "none") for arm in arms), headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
