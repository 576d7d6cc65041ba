"""Do RMT's budget, curriculum and next-token prediction add to the tokens it gets right, on eight more seeds?

Three seeds left every one of RMT's claims about its parts open (``midtraining/rmt``), with no gain in sight. Base,
corpus, exams and arms are that study's.
"""

from __future__ import annotations

from interlude.studies.methods import METHODS, RMT_PARTS, arena, joined, last_steps, rmt
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, Claim, above, minus

QUESTION = "At equal FLOPs, what do RMT's parts add at the tokens that a thought can infer, and what after RL?"
PREDICTION = (
    "Nothing: with a thought RMT, RPT and RMT without budget or curriculum get the same share of inferable tokens "
    "right to within 0.05 (0.9), without next-token prediction it is 0.01 to 0.04 higher. After RL RMT and RPT are "
    "level."
)
RULE = (
    "Paired differences over seeds: of inferable next tokens in the mean probability after a thought, + RL in exact "
    "strict pass@1 on all operations beyond the band (OOD); Student t, variances moderated, Holm over this file; "
    "margin 0.05. Seeds 100 to 107, where RMT was known on solutions alone (`midtraining/confirmation`), its other "
    "arms not at all. Written before any of these runs."
)
SEEDS = tuple(range(100, 108))
PAPER = "arXiv 2509.24375"
INFERABLE = "zoo-edge-match-inferable"
PARTS = ("no budget", "no curriculum", "no NTP")


def adds(name: str, over: str, published: str) -> Claim:
    """The claim that RMT gets more inferable tokens right than this arm."""
    return above(
        name, minus("RMT", over, INFERABLE, score="match"), pool="inferable",
        published=f"46.9 against {published} % of next tokens", place=f"{PAPER}, main table, mean of three tiers",
    )  # fmt: skip


CLAIMS = (
    adds("RMT matches more than RPT", "RPT", "35.9"),
    adds("the budget adds", "no budget", "40.2"),
    adds("the curriculum adds", "no curriculum", "43.2"),
    adds("next-token prediction adds", "no NTP", "33.8"),
    above(
        "RMT prepares for RL better than RPT", minus("RMT + RL", "RPT + RL", OOD),
        published="54.7 against 48.5 %", place=f"{PAPER}, after RL on Skywork's mathematics",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, budget, rl, asked = scale.base(), scale.method_flops, scale.rl(scale.method_flops), scale.arm_exams()
    methods = {name: METHODS[name](scale, budget) for name in ("RMT", "RPT")}
    methods |= {name: rmt(scale, budget, **RMT_PARTS[name]) for name in PARTS}
    arms = [Arm(name, joined(base, stages), budget="alone") for name, stages in methods.items()]
    arms += [Arm(f"{arm.name} + RL", arm.recipe + rl, budget="with RL") for arm in arms[:2]]
    return Study(
        name="midtraining/rmt_confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=(Arm("base", base, equal=False), *arms), exams=(*scale.exams(), *asked, *scale.match_exams()), base=base,
        contrasts=(*(("RMT", name) for name in methods if name != "RMT"), ("RMT + RL", "RPT + RL")),
        seeds=SEEDS if scale.board_seeds else scale.seeds, headline=tuple(e.name for e in asked), **last_steps(scale),
    )  # fmt: skip
