"""Does RL forget less than SFT for the same gain at the edge, and does KL to the base tell how much is lost?

Nothing of the band is replayed, unlike in other studies, where a fifth of the problems are of the band so that none of
it is lost.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, below, minus

FIGURES = ("interplay_forgetting",)
QUESTION = "For an equal gain at the edge, how much of the band do SFT and RL lose, and does KL to the base predict it?"
PREDICTION = (
    "Without replay both forget. Where their gains at the edge are alike, after half of the FLOPs, SFT has lost at "
    "least 0.05 more of the band than RL (RL's razor, arXiv 2509.04259), and has moved further from the base. Over all "
    "eight arms KL to the base on edge problems (edge-kl) and the loss of band pass@1 have a rank correlation of at "
    "least 0.7."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1 and in edge-kl (nats), Student t, Holm over all comparisons "
    "of this file; margin 0.05. KL predicts forgetting if Spearman's correlation of mean edge-kl and mean loss over "
    "the eight arms is at least 0.7, does not if below 0.3. Five seeds, exploratory. Written before any model was "
    "examined at seeds 90 to 94."
)
CLAIMS = (
    above("RL keeps more of the band than SFT does", minus("RL 4", "SFT 4", "ID")),
    below("RL moves less from its base", minus("RL 4", "SFT 4", "edge-kl", score="divergence")),
    below("SFT forgets", minus("SFT 4", "none", "ID")),
    below("RL forgets", minus("RL 4", "none", "ID")),
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
    return Study(
        name="interplay/forgetting", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms),
        exams=(*scale.exams(("zoo",)), scale.sampled_exam(), *scale.divergence_exams(none)),
        seeds=scale.exploratory_seeds or scale.seeds,
        base=none,
        unequal="arms are matched by what they gain at the edge, not by compute",
        contrasts=tuple((arm.name, "none") for arm in arms[1:]),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )  # fmt: skip
