"""What has a base learned: exact pass@k by number of operations, by length of the question, and at forced nouns?"""

from __future__ import annotations

from interlude.studies.exams.exact import ExactExam
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("stages_ladder",)
DRAWN_AT = ("nano", "nano-shuffled")  # the scales whose tables its figure needs
QUESTION = "Which numbers of operations does the base solve, how does pass@k fall beyond, and does it bind nouns?"
PREDICTION = (
    "Strict pass@1 is at least 0.95 over the band and falls gradually beyond it: in no seed from above 0.5 to below "
    "0.02 between neighbouring numbers of operations. At three operations, the lengths of the last stages (13 to 31 "
    "givens) make a difference of at most 0.1. In dependency order operands are not bound to nouns that are forced out "
    "of turn."
)
RULE = (
    "Band: mean exact strict pass@1 of its exams. Edge and hard: pass@1 and pass@128 by operations, seed by seed. "
    "Length: range of pass@1 over the length exams inside the range of the last stages. Forced: mean probability of "
    "the operands at places after the first."
)


def study(scale: Scale) -> Study:
    base = scale.base()
    middle = (scale.band[0] + scale.band[1] + 1) // 2
    least, most = 3 * middle + 1, scale.model.vocab.names + middle
    lengths = [
        ExactExam(f"length{n}", scale.source((middle, middle), split="held_out", length=(n, n)), scale.problems)
        for n in range(least, most + 1, 3)
    ]
    return Study(
        name="stages/ladder",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=(Arm("pre-training", base, equal=False),),
        exams=(*scale.exams(), *lengths, *scale.forced_exams()),
        seeds=scale.calibration_seeds or scale.seeds,
        base=base,
        headline=tuple(exam.name for exam in scale.exams()),
    )
