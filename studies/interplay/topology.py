"""Are the graphs that a model solves in the second world copies of those it was trained on in the first?"""

from __future__ import annotations

from interlude.studies.exams.exact import ExactExam
from interlude.studies.mixtures import COMMON, RARE, exposure_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study

GOLD = 200  # training graphs of the first world for each number of operations
FIGURES = ("interplay_fig05_topology",)
QUESTION = "How similar are the graphs of correct solutions in the second world to training graphs of the first?"
PREDICTION = (
    "Similarity falls with operations, for all problems as for the solved ones: over the band 1, less at the edge and "
    "in the hard band. At the edge the problems solved are hardly nearer to training than all problems are: by less "
    "than 0.02 in every arm. What the paper reports is then a property of its problems, not of what a model solves."
)
RULE = (
    "Similarity: cosine of Weisfeiler-Lehman subtree counts (3 rounds) to the nearest of 200 gold graphs of the same "
    "number of operations. Solved problems are weighted by exact pass@1. Replication beyond the problems' own "
    "similarity is found if their mean exceeds that of all problems at the edge by at least 0.02 with the 95 % "
    "interval above zero, in 10 % arithmetic + RL."
)


def study(scale: Scale) -> Study:
    arms, exams = exposure_arms(scale), scale.exams((RARE,))
    gold = [ExactExam(f"gold-ops{n}", scale.source((n, n), COMMON), GOLD) for n in range(1, scale.hard[1] + 1)]
    return Study(
        name="interplay/topology", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=exams, seeds=(scale.finding_seeds or scale.seeds)[:5], base=arms[0].base, gold=tuple(gold),
        headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
