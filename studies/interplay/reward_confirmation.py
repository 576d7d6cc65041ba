"""Where answers can be guessed, do rewards for steps teach hard problems that rewards for the answer do not?

`interplay/reward_guessing` found it over eight seeds, and could not establish it beside nine other comparisons. The
arms that decide it are trained again on sixteen.
"""

from __future__ import annotations

from interlude.studies.rewards import LAST_STEPS, decayed_arms
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, below, minus

SCALE = "nano-guessable"
QUESTION = "Where a right answer is often a guess, do rewards for steps beat rewards for answers on hard problems?"
PREDICTION = (
    "On the hard band steps (printed) are above the answer, at either rate, and above a coin by 0.08 to 0.15 in pass@1 "
    "and by 0.2 to 0.35 in pass@128: established. They cost 0.1 to 0.2 of the band."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t with variances moderated over comparisons of one "
    "score, Holm over all comparisons of this file; margin 0.05. Arms and rates are those of interplay/reward_guessing "
    "at nano-guessable, searched at seeds 3 and 4, where differences on the hard band had a standard deviation of "
    "0.11 in pass@1 and 0.22 in pass@128. Seeds 138 to 153, used for nothing before. Written before any run."
)
SEEDS = tuple(range(138, 154))
ARMS = {"answer": 0.5, "answer, fast": 2.0, "printed": 2.0, "random": 2.0}  # their rates, in multiples of the scale's
OVER = ("answer", "answer, fast", "random")
CLAIMS = (
    above(
        "steps beat the answer on hard problems, after RL on them",
        *(minus("printed", over, "hard") for over in OVER), pool="pass@1",
        published="+4.3 points over 5.6 on op 15-20, after RL on 11-14", place="arXiv 2512.07783, Figure 7",
    ),
    above(
        "they do within 128 attempts, too", *(minus("printed", over, "hard", k=128) for over in OVER), pool="pass@128"
    ),
    below("RL for steps on hard problems unlearns part of the band", minus("printed", "none", "ID")),
)  # fmt: skip


def study(scale: Scale) -> Study:
    exams, arms = scale.exams(deeper=1), decayed_arms(scale, ARMS)
    return Study(
        name="interplay/reward_confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=(*exams, scale.sampled_exam(), scale.sampled_exam("hard")), base=arms[0].recipe,
        seeds=SEEDS if scale.name == SCALE else scale.seeds, last_steps=LAST_STEPS,
        headline=tuple(exam.name for exam in exams),
        contrasts=(*((name, "none") for name in ARMS), *(("printed", name) for name in OVER)),
    )  # fmt: skip
