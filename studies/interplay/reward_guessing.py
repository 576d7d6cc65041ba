"""Does RL that is paid for answers unlearn the working, where answers can be guessed and the working is not known yet?

RL is given problems of which the base works out next to none. At nano a guess is right in one of seven, at
nano-guessable (modulo 3) in three of eight; in the data of arXiv 2512.07783 in a quarter. Reasons to doubt the studies
of rewards that found no difference are met: no rate of theirs was searched, none decayed, and their bases knew more.
"""

from __future__ import annotations

from interlude.studies.rewards import LAST_STEPS, decayed_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, below, minus, more_unsound

SCALE = "nano-guessable"
FIGURES = ("interplay_reward_guessing",)
DRAWN_AT = ("nano", "nano-guessable")  # the scales whose tables its figure needs
QUESTION = "Where a base solves next to nothing, what does RL paid for guessable answers teach, and for right steps?"
PREDICTION = (
    "At nano-guessable RL for answers falls below its base at the edge, by 0.05 to 0.3 at the low rate and by 0.2 to "
    "0.5 at the high one, and leaves more right answers with wrong working; RL for steps (printed) is above its base "
    "there by 0.05 to 0.25, above the coin, and above RL for answers by 0.2 to 0.5, on the hard band by 0.05 to 0.2. "
    "At nano, where a guess is worth a third of that, RL for answers does not fall below its base, and RL for steps is "
    "above it by 0.0 to 0.05 only: open at five seeds."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1, and for the working in sampled responses, Student t with "
    "variances moderated over comparisons on one band, Holm over all comparisons of this file; margin 0.05. Rates "
    "decay and were searched at nano-guessable, for each reward 0.5, 1 and 2 of the scale's, at seeds 3 and 4: edge "
    "pass@1 of the base 0.56 and 0.43, answer 0.39, 0.06, 0.01 and 0.27, 0.08, 0.15, printed 0.65, 0.69, 0.71 and "
    "0.54, 0.61, 0.67. Each reward has its best, answer ('fast') also that of printed, which is the coin's too; at "
    "nano, by seed 3, answer has 1. Seeds 130 to 137 are used for nothing else; of 110 to 114, at nano (exploratory), "
    "other arms were trained before. Written before any of these runs."
)
SEEDS = {"nano-guessable": tuple(range(130, 138)), "nano": tuple(range(110, 115))}
# Of every arm, named by its reward, the rate in multiples of the scale's; "answer" has its own best, low at guesses.
ARMS = {"answer": 1.0, "answer, fast": 2.0, "printed": 2.0, "random": 2.0}
SLOW = {"nano-guessable": {"answer": 0.5}}
BOTH = ("answer", "answer, fast")
PAPER = "arXiv 2512.07783, Figure 7"
CLAIMS = (
    above(
        "steps beat the answer on hard problems, after RL on them",
        *(minus("printed", over, "hard") for over in BOTH), pool="hard",
        published="+4.3 points over 5.6 on op 15-20, after RL on 11-14", place=PAPER,
    ),
    above("steps beat the answer on easier problems", *(minus("printed", a, "edge") for a in BOTH), pool="edge"),
    below("RL for the answer unlearns easier problems", *(minus(a, "none", "edge") for a in BOTH), pool="edge"),
    above("RL for steps teaches easier problems", minus("printed", "none", "edge"), pool="edge"),
    above("RL for steps teaches more than RL paid by a coin", minus("printed", "random", "edge"), pool="edge"),
    above(
        "answers alone leave more right answers with wrong working than a reward for steps",
        *(more_unsound(a, "printed", "zoo-edge-sampled") for a in BOTH),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    exams, rates = scale.exams(deeper=1), ARMS | SLOW.get(scale.name, {})
    arms = decayed_arms(scale, rates)
    return Study(
        name="interplay/reward_guessing", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=(*exams, scale.sampled_exam(), scale.sampled_exam("hard")), base=arms[0].recipe,
        seeds=SEEDS.get(scale.name, scale.seeds), last_steps=LAST_STEPS, headline=tuple(exam.name for exam in exams),
        contrasts=(*((name, "none") for name in ARMS), *(("printed", name) for name in ARMS if name != "printed")),
    )  # fmt: skip
