"""Does RL learn more when it is paid for the working than when it is paid for the answer, and where?

In the field "edge" the base solves a problem in three, so that a right answer is mostly rightly worked out; in the
field "hard" it solves hardly any, and one answer in seven is right by chance. ``Reward`` says what each reward pays.
"""

from __future__ import annotations

from interlude.studies.rewards import FIELDS, LAST_STEPS, REWARDS, reward_arms, reward_pairs
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, minus, more_unsound, within

FIGURES = ("interplay_fig07_process_reward", "interplay_fig08_errors")
QUESTION = "Do rewards for the working teach more than rewards for the answer, at the edge and beyond it?"
PREDICTION = (
    "At the edge, where the base solves a problem in three, every reward teaches alike: printed and strict are within "
    "0.05 of answer in edge pass@1, against the paper. On the hard field, where almost no response is right "
    "throughout, printed (0.8 for the share of right steps, whatever the answer) beats answer by at least 0.05 in hard "
    "pass@1, and printed and dense by at least 0.1 on the easier edge; strict, which seldom pays, is below printed by "
    "at least 0.1; released, which pays nothing unless the answer is right, is within 0.05 of answer. Answers leave "
    "more right answers with wrong working than printed does on the hard field, and no more at the edge."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1, and for the working in sampled responses, Student t with "
    "variances pooled over comparisons of like scores, Holm over all comparisons of this file; margin 0.05. All "
    "rewards have one optimiser and rate (a quarter of it taught less, whatever the reward, at seed 3). Written after "
    "one pilot at seed 3, before any model was examined at seeds 40 to 47 but those of RL edge and RL beyond at seeds "
    "40 and 41, which are this study's strict arms. The random reward and its claims were added on 2026-11-28, before "
    "it ran: RL is expected to teach more than a coin does, by 0.2 at the edge and by 0.05 on hard problems."
)
PAPER = "arXiv 2512.07783, Figure 7"
CLAIMS = (
    above(
        "rewards for steps beat rewards for the answer at the edge, after RL there",
        *(minus(f"{kind}, edge", "answer, edge", "edge") for kind in ("printed", "strict")), pool="edge",
        published="+4.7 and +5.2 points over 70.7 on op 2-14", place=PAPER,
    ),
    above(
        "steps beat the answer on hard problems, after RL on them",
        minus("printed, hard", "answer, hard", "hard"), pool="hard",
        published="+4.3 points over 5.6 on op 15-20, after RL on 11-14", place=PAPER,
    ),
    above(
        "after RL on hard problems, rewards for steps keep more of the edge than one for the answer",
        *(minus(f"{kind}, hard", "answer, hard", "edge") for kind in ("printed", "dense")), pool="edge after hard",
    ),
    above(
        "on hard problems paying for right steps teaches more than paying for wholly right solutions",
        minus("printed, hard", "strict, hard", "hard"), pool="hard",
    ),
    within(
        "a reward for steps that is gated by the answer teaches hard problems as the answer alone does",
        minus("released, hard", "answer, hard", "hard"), pool="hard",
    ),
    above(
        "answers alone leave more right answers with wrong working than a reward for steps, on hard problems",
        more_unsound("answer, hard", "printed, hard", "zoo-hard-sampled"),
    ),
    within(
        "answers alone leave no more right answers with wrong working than a reward for steps, at the edge",
        more_unsound("answer, edge", "printed, edge", "zoo-edge-sampled"),
    ),
    *(
        above(
            f"RL teaches more than RL paid by a coin, {field}",
            *(minus(f"{kind}, {field}", f"random, {field}", field) for kind in ("answer", "printed")),
        )
        for field in FIELDS
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    arms, exams = reward_arms(scale, (*REWARDS, "random")), scale.exams(deeper=1)
    return Study(
        name="interplay/process_reward", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=(*exams, *(scale.sampled_exam(field) for field in FIELDS)),
        seeds=scale.finding_seeds or scale.seeds, base=arms[0].recipe, last_steps=LAST_STEPS,
        contrasts=(*((arm.name, "none") for arm in arms[1:]), *reward_pairs()),
        headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
