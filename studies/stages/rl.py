"""Does RL learn at all: are problems beyond the band likelier to be solved after it, at once and in 128 tries?

"RL" is the arm of `stages/quickstart`; "RL twice" is followed by as much again. Question, prediction and rule were
written for an earlier base, on which five fresh seeds decided it (studies/log/base.md). On the present base it has not
been run and would be no test of a prediction: of the five seeds after those of its scale (38 to 42 at nano) 40 to 42
are known from `interplay/edge`.
"""

from __future__ import annotations

from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

QUESTION = "Does RL raise pass@1 and pass@128 of its base at the edge, and does twice as much RL raise them further?"
PREDICTION = (
    "Of an earlier base: pass@1 rises by 0.2 to 0.4 after RL and more after RL twice; pass@128 by 0.1 to 0.3, and "
    "hardly more after RL twice. The band loses less than 0.03 pass@1; pass@128 stays below 0.001 on the hard band. "
    "The last is known not to be so on the present base (interplay/edge)."
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
