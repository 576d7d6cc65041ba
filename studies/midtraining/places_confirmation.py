"""Do models' most uncertain tokens become those that thinking can infer, once they have read the corpus?

``midtraining/places`` found so over eight seeds; eight more decide again, with what follows from it. RMT's thoughts are
judged here by held-out next tokens (``studies.exams.match``), at places that a thought can infer and at any. And where
reading makes entropy a good guide, RMT by entropy should do better after reading, if its filter is narrow enough: one
token in two hundred, not the paper's one in five, as one in five hundred is inferable.
"""

from __future__ import annotations

from interlude.studies.methods import CONTROLS, METHODS, arena, joined, last_steps, mixed_sft, rmt
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, below, minus, rather, within

FIGURES = ("midtraining_filters",)
QUESTION = "Does entropy point at what thinking can infer once a model has read the corpus, and does RMT profit?"
PREDICTION = (
    "As before: base, rank by loss - by entropy +0.3 to +0.5; NTP - base, rank by entropy +0.3 to +0.55, probability "
    "within 0.02. With a thought RMT at inferable tokens is right 0.9 of the time there, by entropy 0.4 to 0.7 less; "
    "at any place thoughts of RMT by entropy gain nothing, or cost. After reading, the narrow filter is 0.1 to 0.3 "
    "above the wide one at inferable tokens (it draws them in a fifth of cases, the wide one in a fiftieth), and 0.2 "
    "to 0.5 above itself without reading."
)
RULE = (
    "Paired differences over seeds in means over problems: ranks and probabilities, and the mean probability of the "
    "next token after a thought (match) or without one (plain); Student t, Holm over this file; margin 0.05. Seeds "
    "100 to 107, where NTP and RMT were known on solutions alone (`midtraining/confirmation`). Reading is mixed SFT, "
    "which keeps thoughts, for a quarter of the budget. Written after pilots of the last two claims at seed 3 (narrow"
    " 0.64, wide 0.46, narrow without reading 0.24), before any of these runs."
)
NARROW, READ = 0.005, 0.25  # shares: of tokens that RMT's filter takes, of the budget that reading takes
SEEDS = tuple(range(100, 108))
UNSURE, INFERABLE, ANY = (f"zoo-edge-{exam}" for exam in ("uncertainty", "match-inferable", "match-any"))
CLAIMS = (
    above("loss points at inferable tokens, entropy does not", rather("base", "loss_rank", "entropy_rank", UNSURE)),
    above("having read the corpus, entropy points at them", minus("NTP", "base", UNSURE, score="entropy_rank")),
    within("reading alone makes them no more probable", minus("NTP", "base", UNSURE, score="inferred_prob")),
    above("a thought pays at inferable tokens where RMT is told of them", rather("RMT", "match", "plain", INFERABLE)),
    above("RMT gets more of them right than RMT by entropy", minus("RMT", "RMT, entropy", INFERABLE, score="match")),
    below("elsewhere a thought costs", rather("RMT, entropy", "match", "plain", ANY)),
    above(
        "a model that has read learns more by a narrow filter than by the paper's",
        minus("read, narrow", "read, wide", INFERABLE, score="match"), pool="filters",
    ),
    above(
        "the narrow filter does better after reading", minus("read, narrow", "narrow", INFERABLE, score="match"),
        pool="filters",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, rows, asked = scale.base(), scale.method_flops, CONTROLS | METHODS, scale.arm_exams()
    methods = {name: rows[name](scale, flops) for name in ("NTP", "RMT", "RMT, entropy")}
    read, rest = mixed_sft(scale, READ * flops), (1 - READ) * flops
    methods["read, wide"] = read + rmt(scale, rest, places="any")
    methods["read, narrow"] = read + rmt(scale, rest, places="any", pool=NARROW)
    methods["narrow"] = rmt(scale, flops, places="any", pool=NARROW)
    arms = (Arm(name, joined(base, stages)) for name, stages in methods.items())
    return Study(
        name="midtraining/places_confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *arms), exams=(scale.uncertainty_exam(), *scale.match_exams(), *asked),
        base=base, contrasts=tuple((name, "base") for name in methods), headline=(scale.sampled_exam().name,),
        seeds=SEEDS if scale.board_seeds else scale.seeds, **last_steps(scale),
    )  # fmt: skip
