"""Are a model's most uncertain tokens those that thinking could infer, and does thinking pay there?

RMT and RPT think before the fifth of tokens with the highest entropy under the model that they begin with. Where a text
stops early, the token that thinking can supply is its answer. Beside the claims stand, from RMT's training curves, at
which kinds of token each arm thought, and how often it was right with a thought and without.
"""

from __future__ import annotations

from interlude.studies.methods import CONTROLS, METHODS, arena, joined, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, rather, within

FIGURES = ("midtraining_places",)
QUESTION = "Does entropy, or loss, point at what thinking could infer, before and after reading the corpus?"
PREDICTION = (
    "A base that has not read such texts is sure of the missing answer and wrong: by entropy inferable tokens lie at "
    "0.7 of their text (half of which is format, surer still) and no more often than chance in the top fifth, by loss "
    "at 0.95. Having read them (NTP), it is unsure, entropy ranks them above 0.95, and they are as improbable as "
    "before. RMT with the paper's filter thinks at less than one inferable token in a hundred places, and its thoughts "
    "gain nothing anywhere; RMT at inferable tokens gains 0.5 or more there."
)
RULE = (
    "Paired differences over seeds in means over problems, Student t, Holm over this file; margin 0.05. Fresh seeds, "
    "as this was found at the board's (50 to 57, where these arms were known). Three were declared (58 to 60) and left "
    "two of three claims open, with every sign as predicted; five more (61 to 65) were added then, and no others. "
    "Gains by kind of token: last quarter of RMT's stage, with a thought - the base's without."
)
EXAM = "zoo-edge-uncertainty"
SEEDS = tuple(range(58, 66))
CLAIMS = (
    above("loss points at inferable tokens where entropy does not", rather("base", "loss_rank", "entropy_rank", EXAM)),
    above("having read the corpus, entropy points at them", minus("NTP", "base", EXAM, score="entropy_rank")),
    within("reading alone makes them no more probable", minus("NTP", "base", EXAM, score="inferred_prob")),
)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, rows = scale.base(), CONTROLS | METHODS
    methods = {name: joined(base, rows[name](scale, scale.method_flops)) for name in ("NTP", "RMT", "RMT, entropy")}
    return Study(
        name="midtraining/places", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *(Arm(name, recipe) for name, recipe in methods.items())), base=base,
        exams=(scale.uncertainty_exam(), *scale.arm_exams()), seeds=SEEDS if scale.board_seeds else scale.seeds,
        contrasts=tuple((name, "base") for name in methods), headline=(scale.sampled_exam().name,), **last_steps(scale),
    )  # fmt: skip
