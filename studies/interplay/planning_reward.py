"""Does RL learn more when it is paid for the working than for the answer, where steps have to be chosen?

The rewards of `interplay/process_reward` on a base that finds the next of shuffled statements in part (nano-shuffled),
where seeds differ far less than at nano. Judged on chains, which have one legal order of steps: of other problems
strict accepts one of several, which would count against a reward that pays for any of them.
"""

from __future__ import annotations

from interlude.studies.rewards import FIELDS, LAST_STEPS, reward_arms, reward_pairs
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import above, minus, more_unsound

SCALE = "nano-shuffled"
FIGURES = ("interplay_planning_reward",)
QUESTION = "Where steps have to be chosen, do rewards for the working teach more than rewards for the answer?"
PREDICTION = (
    "At the edge, as the paper says, printed and strict beat answer, by 0.02 to 0.08; on hard problems printed beats "
    "answer by 0.01 to 0.03, and strict, against the paper's worry that it seldom pays, beats printed by 0.04 or more. "
    "After hard problems printed and dense are better at the edge than answer, by 0.03 or more. Released, which pays "
    "nothing unless the answer is right, is within 0.05 of answer. Answers alone leave more right answers with wrong "
    "working at the edge."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1 on chains, and for the working in sampled responses to all "
    "problems, Student t, Holm over all comparisons of this file; margin 0.05. All rewards have one optimiser and "
    "rate. Written after the table of nano and one pilot each at seeds 3 and 4 (released not run), before any reward "
    "but strict was run at seeds 60 to 67, and before a model of theirs was examined on chains. "
    "Dense and released, with a claim each, were declared too and not run, for lack of time."
)
REWARDS = ("answer", "printed", "strict")
PAPER = "arXiv 2512.07783, Figure 7"
EDGE, HARD = "zoo-edge-chains", "zoo-hard-chains"
CLAIMS = (
    above(
        "rewards for steps beat rewards for the answer at the edge, after RL there",
        *(minus(f"{kind}, edge", "answer, edge", EDGE) for kind in ("printed", "strict")),
        published="+4.7 and +5.2 points over 70.7 on op 2-14", place=PAPER,
    ),
    above(
        "steps beat the answer on hard problems, after RL on them",
        minus("printed, hard", "answer, hard", HARD),
        published="+4.3 points over 5.6 on op 15-20, after RL on 11-14", place=PAPER,
    ),
    above(
        "after RL on hard problems, rewards for steps are better at the edge than one for the answer",
        minus("printed, hard", "answer, hard", EDGE),
    ),
    above(
        "on hard problems paying for whole solutions beats paying for steps",
        minus("strict, hard", "printed, hard", HARD),
    ),
    above(
        "answers alone leave more right answers with wrong working than a reward for steps, at the edge",
        more_unsound("answer, edge", "printed, edge", "zoo-edge-sampled"),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    arms, exams = reward_arms(scale, REWARDS), scale.exams()
    return Study(
        name="interplay/planning_reward", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=arms, exams=(*exams, *scale.chain_exams(), *(scale.sampled_exam(field) for field in FIELDS)),
        seeds=scale.seeds, base=arms[0].recipe, last_steps=LAST_STEPS,
        contrasts=(*((arm.name, "none") for arm in arms[1:]), *reward_pairs(REWARDS)),
        headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
