"""Does RL learn more when it is paid for the working than when it is paid for the answer, and where?

In the field "edge" the base solves a problem in three, so that a right answer is mostly rightly worked out; in the
field "hard" it solves hardly any, and one answer in seven is right by chance. ``Reward`` says what each reward pays.
"""

from __future__ import annotations

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus, more_unsound, within

FIGURES = ("interplay_fig07_process_reward", "interplay_fig08_errors")
QUESTION = "Do rewards for the working teach more than rewards for the answer, at the edge and beyond it?"
PREDICTION = (
    "At the edge, where the base solves a problem in three, every reward teaches alike: printed and strict are within "
    "0.05 of answer in edge pass@1, against the paper. On the hard field, where almost no response is right "
    "throughout, printed (0.8 for the share of right steps, whatever the answer) beats answer by at least 0.05 in hard "
    "pass@1, and printed and dense by at least 0.1 on the easier edge; strict, which seldom pays, is below printed by "
    "at least 0.1; released, which pays nothing unless the answer is right, is within 0.05 of answer. Answers leave "
    "more right answers with wrong working than printed does on the hard field, and no more at the edge. "
    "At nano-shuffled, where the base lacks planning and seeds differ less: as the paper says, printed and strict beat "
    "answer at the edge, by 0.02 to 0.05, and printed beats answer on the hard field by 0.01 to 0.02; printed and "
    "dense keep more of the edge after hard problems; strict is above printed; released is as answer."
)
RULE = (
    "Paired differences over seeds in exact strict pass@1, and for the working in sampled responses, Student t with "
    "variances pooled over comparisons of like scores, Holm over all comparisons of this file; margin 0.05. All "
    "rewards have one optimiser and rate (a quarter of it taught less, whatever the reward, at seed 3). Written after "
    "one pilot at seed 3, before any model was examined at seeds 40 to 47 but those of RL edge and RL beyond at seeds "
    "40 and 41, which are this study's strict arms. For nano-shuffled written after the table of nano and pilots at "
    "seeds 3 and 4 there, before any reward but strict was run at seeds 60 to 67."
)
PAPER = "arXiv 2512.07783, section 6, Figure 7"
REWARDS = ("answer", "printed", "released", "strict", "dense")  # the second and third weigh the outcome by 0.2
FIELDS = ("edge", "hard")


CLAIMS = (
    above(
        "rewards for steps beat rewards for the answer at the edge, after RL there",
        *(minus(f"{kind}, edge", "answer, edge", "edge") for kind in ("printed", "strict")), pool="edge",
        published="+4.7 and +5.2 points of pass@1 over 70.7", place=PAPER,
    ),
    above(
        "a reward for steps beats one for the answer on hard problems, after RL on them",
        minus("printed, hard", "answer, hard", "hard"), pool="hard",
        published="+4.3 points of pass@1 over 5.6", place=PAPER,
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
)  # fmt: skip


def study(scale: Scale) -> Study:
    base, exams, flops = scale.base(), scale.exams(deeper=1), scale.arm_flops
    data = {"edge": scale.corpus(), "hard": scale.mixture(scale.hard)}
    rl = {f"{kind}, {field}": scale.rl(flops, Reward(kind), data=data[field]) for field in FIELDS for kind in REWARDS}
    pairs = [(f"{kind}, {field}", f"answer, {field}") for field in FIELDS for kind in REWARDS if kind != "answer"]
    return Study(
        name="interplay/process_reward", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("none", base, equal=False), *(Arm(name, base + stage) for name, stage in rl.items())),
        exams=(*exams, *(scale.sampled_exam(field) for field in FIELDS)),
        seeds=scale.finding_seeds or scale.seeds, base=base,
        last_steps="a stage ends with the step that spends its budget, and long responses make a step dear: up to 6 %",
        contrasts=(*((name, "none") for name in rl), *pairs), headline=tuple(exam.name for exam in exams),
    )  # fmt: skip
