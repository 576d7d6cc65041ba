"""Does a mark at a gap do what a thought there does, on fresh seeds and on a base that binds operands to nouns?

`midtraining/marked_gaps` asked five seeds. At nano statements stand in the order of their use, so that a base need not
know which noun an operand belongs to, and can lose its place at a gap; at nano-shuffled it has to know.
"""

from __future__ import annotations

from interlude.studies.gaps import gap_recipes
from interlude.studies.methods import arena, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, minus, within

QUESTION = "In plain solutions, what do a thought, empty tags and a token that is no thought keep of what a gap costs?"
PREDICTION = (
    "At nano tags keep 0.1 of what a gap costs, at the gap only; a token that is no thought keeps as much within 0.05, "
    "and thoughts 0.02 to 0.1 more. At nano-shuffled, where operands are bound to nouns, an unmarked gap costs no more "
    "than a marked one and thoughts no less (each within 0.05), and tags elsewhere are 0.03 to 0.1 below tags."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1 of plain solutions on all operations beyond the band (OOD), "
    "Student t, variances moderated, Holm over this file; margin 0.05. At nano seeds 100 to 107 (of "
    "`midtraining/confirmation`), where no model that reads gaps in the middle was examined; of seeds 53 to 57 the "
    "claims were known. At nano-shuffled three fresh seeds (188 to 190), exploratory, after a pilot at seed 3, OOD: "
    "base 0.22, thoughts, empty tags and mark 0.09 to 0.10, unmarked 0.10, tags elsewhere 0.06, shuffled thoughts "
    "0.05, full texts 0.29."
)
SEEDS = {"nano": tuple(range(100, 108)), "nano-shuffled": (188, 189, 190)}
CLAIMS = (
    above("tags at a gap keep what it would cost", minus("empty tags", "unmarked", OOD), pool="OOD"),
    above("the tags have to stand at the gap", minus("empty tags", "tags elsewhere", OOD), pool="OOD"),
    within("a mark that is no thought keeps as much as tags", minus("mark", "empty tags", OOD), pool="OOD"),
    above("thoughts keep more than tags", minus("thoughts", "empty tags", OOD), pool="OOD"),
)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, recipes = scale.base(), gap_recipes(scale)
    arms = (Arm(name, recipes[name]) for name in ("thoughts", "empty tags", "mark", "tags elsewhere", "unmarked"))
    return Study(
        name="midtraining/gaps_confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        base=base, arms=(Arm("base", base, equal=False), *arms), exams=(*scale.exams(), scale.sampled_exam()),
        headline=("zoo-edge-sampled",), seeds=SEEDS.get(scale.name, scale.seeds),
        contrasts=(("empty tags", "unmarked"), ("thoughts", "empty tags")), **last_steps(scale),
    )  # fmt: skip
