"""Does RL learn at all: are problems beyond the band likelier to be solved after it, at once and in 128 tries?

"RL" is the arm of `stages/quickstart`; "RL twice" is followed by as much again and still fits ten minutes of two cores.
Bases differ so much at the edge that three seeds decided nothing (pass@128 +0.20, -0.33 to +0.73). So this study has
five seeds, after those of its scale, on which nothing had been run when it was written.
"""

from __future__ import annotations

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

QUESTION = "Does RL raise pass@1 and pass@128 of its base at the edge, and does twice as much RL raise them further?"
PREDICTION = (
    "Pass@1 rises by .2 to .4 after RL and more after RL twice; pass@128 by .1 to .3, and hardly more after RL twice. "
    "The band loses less than .03 pass@1; pass@128 stays below .001 on the hard band."
)
RULE = (
    "RL learns if RL twice - pre-training lies above zero in exact strict pass@1 and in pass@128 on the common world's "
    "edge exams (95 % Student t over five seeds, all of them whatever comes), does not if one lies below, else not "
    "established. The same for RL - pre-training; more RL adds where RL twice - RL lies above zero."
)
CLAIMS = (
    above(
        "RL raises what its base solves at the edge, at once and within 128 attempts",
        minus("RL twice", "pre-training", "edge"), minus("RL twice", "pre-training", "edge", k=128),
    ),
    above("as much RL again adds to it", minus("RL twice", "RL", "edge"), minus("RL twice", "RL", "edge", k=128)),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base = scale.base()
    rl = scale.rl(scale.arm_flops)
    fresh = range(max(scale.seeds) + 1, max(scale.seeds) + 6)
    return Study(
        name="stages/rl",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=tuple(
            Arm(name, recipe, equal=False)
            for name, recipe in {"pre-training": base, "RL": base + rl, "RL twice": base + rl + rl}.items()
        ),
        exams=(*scale.exams(("zoo",)), scale.sampled_exam("band"), scale.sampled_exam()),
        seeds=tuple(fresh),
        base=base,
        contrasts=(("RL", "pre-training"), ("RL twice", "pre-training"), ("RL twice", "RL")),
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
        unequal="it asks what RL adds to its own start, and what more of it adds",
    )
