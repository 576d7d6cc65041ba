"""How does what RL adds at the edge depend on how many of the hardest problems pre-training held?"""

from __future__ import annotations

from interlude.studies.mixtures import COMMON, harder, with_rl
from interlude.studies.scales import Scale
from interlude.studies.study import Study

SHARES = (0.001, 0.05, 0.2, 0.333, 0.5)  # arXiv 2512.07783, appendix A.7
FIGURES = ("interplay_fig15_pretraining_difficulty", "interplay_fig16_difficulty_rewards")
QUESTION = (
    "How does the gain of the same RL at the edge depend on the share of the band's top operations in pre-training?"
)
PREDICTION = (
    "The gain in pass@128 at the edge is below 0.05 at 0.1 %, where the base cannot reach the edge, largest at 20 or "
    "33.3 %, and smaller at 50 %, where the base is nearer its ceiling. The gain in pass@1 is largest at 50 %."
)
RULE = (
    "Gain at a share: exact pass@128 over the edge exams of the arm with RL minus that of the arm without, paired by "
    "seed and problem. The paper's text (the gain shrinks with coverage and is largest at 20 %) holds if the mean gain "
    "is largest at 20 % and is smaller at 50 % than at 5 %; its table (largest at a third or more) holds if it is "
    "largest at 33.3 or 50 %."
)


def study(scale: Scale) -> Study:
    stage = scale.rl(scale.arm_flops)
    pairs = [with_rl(f"{100 * share:g} %", *harder(scale, share), stage) for share in SHARES]
    return Study(
        name="interplay/pretraining_difficulty",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=tuple(arm for pair in pairs for arm in pair),
        exams=scale.exams((COMMON,)),
        seeds=scale.seeds,
        base=pairs[0][0].base,
        contrasts=tuple((tuned.name, plain.name) for plain, tuned in pairs),
        headline=tuple(exam.name for exam in scale.exams((COMMON,))),
    )
