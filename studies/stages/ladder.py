"""What has a base learned: exact pass@k by number of operations at fixed length, and by length at fixed operations?"""

from __future__ import annotations

from interlude.studies.exams.exact import ExactExam
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "Where is the base's band, where its edge, and does question length alone change what it can do?"
PREDICTION = (
    "Strict pass@1 is at least 0.9 over the band; pass@128 lies between 0.2 and 0.8 just beyond it and is near 0 "
    "after. At three operations, the lengths of the last stages (13 to 25 givens) make a difference of at most 0.1."
)
RULE = (
    "Band: mean exact strict pass@1 of the band's exams. Edge and hard: pass@128 by operations. Length: range of "
    "pass@1 over the length exams inside the range of the last stages."
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
        exams=(*scale.exams(("zoo",)), *lengths),
        seeds=scale.seeds,
        base=base,
        headline=tuple(exam.name for exam in scale.exams(("zoo",))),
    )
