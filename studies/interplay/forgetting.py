"""Does RL forget less than SFT for the same gain at the edge, and does KL to the base tell how much is lost?"""

from __future__ import annotations

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("interplay_forgetting",)
QUESTION = "For an equal gain at the edge, how much of the band do SFT and RL lose, and does KL to the base predict it?"
PREDICTION = (
    "At the edge gain that RL 4 reaches, SFT has lost at least .03 more band pass@1 than RL. Over all eight arms, KL "
    "to the base on edge problems (edge-kl) and the loss of band pass@1 have a rank correlation of at least .7."
)
RULE = (
    "For each seed: gain g = edge pass@1 of RL 4 minus none; the band pass@1 that SFT has lost at gain g, interpolated "
    "linearly along none, SFT 1 to 4 (its last where it never reaches g), minus what RL 4 has lost. RL forgets less if "
    "the 95 % Student-t interval over seeds lies above zero, more if below, else not established. KL predicts "
    "forgetting if Spearman's correlation of mean edge-kl and mean loss over the eight arms is at least .7, does not "
    "if below .3."
)


def study(scale: Scale) -> Study:
    none, rest = scale.base(), scale.arm_flops
    arms = [Arm("none", none, equal=False)]
    # Gold solutions teach the edge several times as fast as RL: half the compute keeps the gains alike.
    for name, stage in (("SFT", scale.sft(rest / 8)), ("RL", scale.rl(rest / 4))):
        recipe = none
        for nth in range(1, 5):
            recipe += stage
            arms.append(Arm(f"{name} {nth}", recipe, equal=False))
    return Study(
        name="interplay/forgetting",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=tuple(arms),
        exams=(*scale.exams(("zoo",)), scale.sampled_exam(), *scale.divergence_exams(none)),
        seeds=scale.seeds,
        base=none,
        unequal="arms are matched by what they gain at the edge, not by compute",
        contrasts=tuple((arm.name, "none") for arm in arms[1:]),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
