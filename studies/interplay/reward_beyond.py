"""Does RL that is paid for the answer alone carry further beyond its data than RL that is paid for whole solutions?

In `interplay/process_reward` RL for answers learned less of the edge, where both were trained, and was seen to solve
more of the hard band. That was a look at a table of eight seeds; here it is asked of twenty-four others, also in
questions that are no longer than those that were read.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.rollouts import Reward
from interlude.studies.exams.exact import ExactExam
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, below, minus

QUESTION = (
    "After RL at the edge, which reward leaves more of the hard band solved: for answers, or for whole solutions?"
)
PREDICTION = (
    "The look is confirmed and shrinks: answers are above whole solutions on the hard band by 0.02 to 0.06 at once and "
    "by 0.05 to 0.1 within 128 attempts, as much in questions of the length that was read, and below them at the edge "
    "by 0.05 to 0.15."
)
RULE = (
    "Paired differences over seeds in exact strict pass@k, Student t with variances moderated over comparisons of one "
    "score, Holm over all comparisons of this file; margin 0.05. Seeds 110 to 125 and 170 to 177, all those named "
    "since the look at which RL at the edge was paid for whole solutions (`interplay/edge_confirmation`, "
    "`interplay/rl_steps`): what that arm and its base solve there was known. None paid for answers at the edge had "
    "run at any. The look: +0.07 (0.01 to 0.14) in hard pass@1, +0.12 (0.03 to 0.21) in pass@128, -0.10 at the edge. "
    "At nano-shuffled, where steps have to be chosen, it has the opposite sign (`interplay/planning_reward`), as in "
    "Figure 7 of arXiv 2512.07783 (4.1 points)."
)
SEEDS = (*range(110, 126), *range(170, 178))
ANSWER, STRICT, AS_READ = "answer", "strict", "zoo-hard-as-read"  # in questions as long as those that were read
CLAIMS = (
    above("RL for answers carries further, at once", minus(ANSWER, STRICT, "hard"), pool="pass@1"),
    above(
        "RL for answers carries further, within 128 attempts", minus(ANSWER, STRICT, "hard", k=128), pool="pass@128"
    ),
    above("in shorter questions, too, at once", minus(ANSWER, STRICT, AS_READ), pool="pass@1"),
    above("in shorter questions, too, within 128 attempts", minus(ANSWER, STRICT, AS_READ, k=128), pool="pass@128"),
    below("it solves less of the edge, on which both were trained", minus(ANSWER, STRICT, "edge"), pool="pass@1"),
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, flops, longest = scale.base(), scale.arm_flops, scale.length[1]
    as_read = ExactExam(AS_READ, replace(scale.examined(scale.hard), length=(longest, longest)), scale.problems)
    exams = (*scale.exams(), as_read)
    return Study(
        name="interplay/reward_beyond", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(
            Arm("none", base, equal=False), Arm(STRICT, base + scale.rl(flops)),
            Arm(ANSWER, base + scale.rl(flops, Reward("answer"))),
        ),
        exams=(*exams, scale.sampled_exam("hard")), base=base, seeds=SEEDS if scale.finding_seeds else scale.seeds,
        contrasts=((ANSWER, STRICT), (STRICT, "none")), headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
