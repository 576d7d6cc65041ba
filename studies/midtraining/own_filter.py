"""Does RMT find what thinking can infer if it asks the model as it is, and not the one it began with?

RMT thinks before tokens of high entropy under its initial model. By ``midtraining/places`` that model is sure of the
tokens that thinking could infer, until it has read the corpus; and RMT reads the corpus while it thinks. Here the
entropy is the learner's own (``RMT.ranked_by``), at the same cost.
"""

from __future__ import annotations

from interlude.studies.methods import METHODS, arena, joined, last_steps, rmt
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

QUESTION = "Does RMT by entropy learn more where thinking pays, if tokens are ranked by the model as it is?"
PREDICTION = (
    "At inferable tokens, after a thought, it is right 0.1 to 0.3 more often than RMT by its initial model's entropy, "
    "and still less often than RMT that is told the tokens; at the edge it solves 0.0 to 0.15 more, with a thought "
    "opened for it."
)
RULE = (
    "Paired differences over seeds: of inferable next tokens in the mean probability after a thought, at the edge in "
    "strict pass@1 of the sampled exam that opens a thought before the answer; Student t, Holm over this file; margin"
    " 0.05. Seeds 100 to 107, where both other arms were known (`midtraining/confirmation`, "
    "`midtraining/places_confirmation`). Written after one pilot at seed 3 (inferable 0.70 against 0.41, edge 0.55 "
    "against 0.49; of a filter forty times as narrow 0.34 and 0.64), before this arm ran there."
)
SEEDS = tuple(range(100, 108))
INFERABLE, OPENED = "zoo-edge-match-inferable", "zoo-edge-sampled-answer"
OWN, START, TOLD = "RMT, own entropy", "RMT, entropy", "RMT"
CLAIMS = (
    above("ranking by the model as it is finds what thinking can infer", minus(OWN, START, INFERABLE, score="match")),
    above("so it solves more of the edge", minus(OWN, START, OPENED)),
    above("being told the tokens is better still", minus(TOLD, OWN, INFERABLE, score="match")),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, asked = scale.base(), scale.method_flops, scale.arm_exams()
    methods = {name: METHODS[name](scale, flops) for name in (TOLD, START)}
    methods[OWN] = rmt(scale, flops, places="any", ranked_by="learner")
    arms = (Arm(name, joined(base, stages)) for name, stages in methods.items())
    return Study(
        name="midtraining/own_filter", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *arms), exams=(*scale.match_exams(), *asked), base=base,
        contrasts=((OWN, START), (TOLD, OWN)), headline=tuple(exam.name for exam in asked),
        seeds=SEEDS if scale.board_seeds else scale.seeds, **last_steps(scale),
    )  # fmt: skip
