"""Is a method that does nothing called better or worse than next-token prediction?

Next-token prediction is written in two more ways, by stages that draw other texts of the same mixture: what
differs between the three is chance alone, and what is said of them is what the leaderboard says of nothing.
"""

from __future__ import annotations

from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.sft import SFT
from interlude.studies.board import FREE, THEN, beside
from interlude.studies.methods import LATER, Row, alone_and_after_rl, arena, last_steps
from interlude.studies.scales import REPLAY_SHARE, Scale, blend
from interlude.studies.study import Arm, Study

QUESTION = "Does a method that does nothing but draw other texts differ from next-token prediction, alone or + RL?"
PREDICTION = (
    "Neither is called better or worse anywhere. + RL, beyond the band, both equal NTP within 0.05; of the four "
    "comparisons in pass@128 on the hard band one or more is open. With the names of the three exchanged at random "
    "within each seed, something is called better or worse in at most a twentieth of such tables."
)
RULE = (
    "The leaderboard's comparisons with NTP, for each of the two: paired differences over seeds, Student t, variances "
    "moderated, Holm over this file; margin 0.05. Seeds 100 to 107 (of `midtraining/confirmation`), where neither of "
    "the two had been trained; all three read at the low rate of `midtraining/tuned_controls`. Written before it ran."
)
SEEDS, READ = tuple(range(100, 108)), "NTP, low rate"
ANEW = {"NTP as pre-training": Pretrain, "NTP as SFT": SFT}
CLAIMS = tuple(each for name in ANEW for each in beside(name, (READ,), (FREE, FREE)))


def anew(kind: type) -> Row:
    """Next-token prediction on the corpus, a fifth of it replayed, by a stage that draws from a stream of its own."""

    def row(scale, flops):
        (read,) = LATER[READ](scale, flops)
        mixed = blend((1 - REPLAY_SHARE, read.data), (REPLAY_SHARE, read.replay))
        return (kind(flops=flops, batch_size=read.batch_size, optim=read.optim, data=mixed),)

    return row


def study(scale: Scale) -> Study:
    scale = arena(scale)
    rows = {READ: LATER[READ]} | {name: anew(kind) for name, kind in ANEW.items()}
    arms = tuple(Arm(name, recipe, budget=budget) for name, recipe, budget in alone_and_after_rl(scale, rows))
    asked = scale.arm_exams()
    return Study(
        name="midtraining/same_method", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=(*scale.exams(), *asked), base=scale.base(), headline=tuple(exam.name for exam in asked),
        contrasts=tuple((f"{name}{then}", f"{READ}{then}") for then in THEN for name in ANEW),
        seeds=SEEDS if scale.board_seeds else scale.seeds, **last_steps(scale),
    )  # fmt: skip
