"""Does RL forget less than SFT for the same gain at the edge, and does KL to the base tell how much is lost?

Nothing of the band is replayed, unlike in other studies, where a fifth of the problems are of the band so that none of
it is lost. What may be forgotten is the band as it is asked everywhere, and as pre-training read it, with copies.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.exams.exact import ExactExam
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, below, minus

FIGURES = ("interplay_forgetting",)
QUESTION = "For an equal gain at the edge, how much of the band do SFT and RL lose, and does KL to the base predict it?"
PREDICTION = (
    "At nano training on deeper problems of the same kind forgets nothing: after all of their training SFT and RL are "
    "within 0.05 of the base in the band and on problems as pre-training read them, and of each other. SFT may lose on "
    "the way what it has again at the end. RL, whose own solutions it learns from, is expected to stay nearer to the "
    "base (RL's razor, arXiv 2509.04259); the pilot, where it moved further, says the opposite."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1 and in edge-kl (nats), Student t, Holm over all comparisons "
    "of this file; margin 0.05. KL predicts forgetting if Spearman's correlation of mean edge-kl and mean loss over "
    "the eight arms is at least 0.7, does not if below 0.3. Five seeds, exploratory. Written after one pilot at seed 3 "
    "(band: SFT +0.005, RL 0.000; edge-kl: RL - SFT +1.2), before any model was examined at seeds 90 to 94. Before the "
    "pilot both were predicted to forget, and SFT more. Sums alone as training data forgot nothing either."
)
READ = "zoo-band-read"
CLAIMS = (
    above("RL keeps more of the band than SFT does", minus("RL 4", "SFT 4", "ID")),
    below("RL moves less from its base", minus("RL 4", "SFT 4", "edge-kl", score="divergence"), margin=1.0),
    below("SFT forgets", *(minus("SFT 4", "none", exam) for exam in ("ID", READ))),
    below("RL forgets", *(minus("RL 4", "none", exam) for exam in ("ID", READ))),
    below("SFT forgets on the way", minus("SFT 1", "none", READ)),
)


def study(scale: Scale) -> Study:
    none, rest = scale.base(), scale.arm_flops
    arms = [Arm("none", none, equal=False)]
    # Gold solutions teach the edge several times as fast as RL: half the compute keeps the gains alike.
    for name, stage in (("SFT", scale.sft(rest / 8)), ("RL", scale.rl(rest / 4))):
        recipe = none
        for nth in range(1, 5):
            recipe += replace(stage, data=scale.corpus())
            arms.append(Arm(f"{name} {nth}", recipe, equal=False))
    read = replace(scale.examined(scale.band), copies=scale.copies[0], copy_ratio=scale.copies[1])
    exams = scale.exams(("zoo",))
    return Study(
        name="interplay/forgetting", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*exams, ExactExam(READ, read, scale.problems), *scale.divergence_exams(none)),
        seeds=scale.exploratory_seeds or scale.seeds, base=none,
        unequal="arms are matched by what they gain at the edge, not by compute",
        contrasts=tuple((arm.name, "none") for arm in arms[1:]), headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
