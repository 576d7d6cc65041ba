"""Where a text leaves steps out, does a mark at the gap do what a thought with the missing steps does?

The base and the problems are the arena's (``studies.methods.Arena``), but here a step in seven is left out anywhere
before the last, where the next step follows as if nothing was missing. Arms read the same texts with the missing steps
in a thought, with the thought's tokens shuffled, with its tags alone, with one token that is no thought, with tags
elsewhere, or with nothing. "full" reads complete texts.
"""

from __future__ import annotations

from interlude.studies.gaps import gap_recipes
from interlude.studies.methods import arena, explored, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, below, minus, within

FIGURES = ("midtraining_marked_gaps",)
QUESTION = "On texts with gaps, does a mark at the gap keep what the gap would cost, as a thought does?"
PREDICTION = (
    "Over 5 to 11 operations complete plain solutions are 0.1 or more rarer after unmarked gaps than after empty tags "
    "at them; thoughts gain less than 0.05 over empty tags; a token that is no thought does half or more of what tags "
    "do; tags elsewhere do nothing, shuffled thoughts harm as no mark does. Sampled, thoughts are 0.3 above empty tags."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1 of plain solutions on all operations beyond the band (OOD), "
    "and in strict pass@1 on the sampled edge exam; Student t, variances of OOD moderated, Holm over this file; margin "
    "0.05. Five seeds (53 to 57), exploratory; no model that read gaps in the middle was examined there before. One "
    "pilot at seed 3, OOD: base 0.42, full 0.77, thoughts 0.26, empty tags 0.27, mark 0.23, unmarked 0.12, tags "
    "elsewhere 0.08, shuffled 0.07; sampled: 0.24, 0.97, 0.64, 0.25, 0.21, 0.11, 0.10, 0.05."
)
FREE = "zoo-edge-sampled"
CLAIMS = (
    above("tags at a gap keep what it would cost", minus("empty tags", "unmarked", OOD), pool="OOD"),
    within("they do for plain solutions what thoughts do", minus("thoughts", "empty tags", OOD), pool="OOD"),
    above("a mark that is no thought keeps some of it too", minus("mark", "unmarked", OOD), pool="OOD"),
    above("the tags have to stand at the gap", minus("empty tags", "tags elsewhere", OOD), pool="OOD"),
    above("shuffled thoughts are worse than none", minus("empty tags", "shuffled", OOD), pool="OOD"),
    below("gaps cost, even with what is missing in thoughts", minus("thoughts", "full", OOD), pool="OOD"),
    above("where a response may think, what is in a thought matters", minus("thoughts", "empty tags", FREE)),
)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, recipes = scale.base(), gap_recipes(scale)
    arms = (Arm(name, recipe) for name, recipe in recipes.items())
    return Study(
        name="midtraining/marked_gaps", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        base=base, arms=(Arm("base", base, equal=False), *arms),
        exams=(*scale.exams(), scale.sampled_exam()), headline=(FREE,), seeds=explored(scale, 5),
        contrasts=tuple((name, "unmarked") for name in recipes if name != "unmarked"), **last_steps(scale),
    )  # fmt: skip
