"""What do RMT's budget, curriculum and next-token prediction each add, on the tokens it thinks about and after RL?

Base, corpus and exams are ``studies.methods.Arena``'s. RMT (arXiv 2509.24375) is judged by the share of held-out next
tokens that are right after a thought; so are its claims here (``studies.exams.match``), NTP's without one. The paper
averages three tiers of uncertain tokens. Here only what a text leaves to be inferred is uncertain, so its claims stand
at such places, where RMT thinks in training; at "any" place thoughts can only cost.

The untrained base is the paper's NTR, "RMT, entropy" uses its filter, "words" states the budget in the prompt. "RMT" is
the board's, with the paper's shrink and shared runs; as its budget so ends at 12 tokens, where deriving what a text
leaves out takes 19 to 57, "long budget", which ends at 36, tells what that costs.
"""

from __future__ import annotations

from interlude.studies.methods import BINS, CONTROLS, METHODS, RMT_PARTS, arena, explored, joined, last_steps, rmt
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import OOD, above, below, minus, rather

FIGURES = ("midtraining_rmt",)
QUESTION = "At equal FLOPs, what do RMT and each of its parts add to NTP and RPT, alone and + the same RL?"
PREDICTION = (
    "Next tokens, where a text leaves steps out: RMT with a thought 0.9 and NTP without 0.2, RPT 0.03 above RMT, whose "
    "budget punishes needed thoughts; a long one mends half of that; without NTP or curriculum no loss that three "
    "seeds see. So three of the paper's four gains are not seen. At any place all have 0.99 without a thought and lose "
    "0.1 by one. After RL, by the board: RMT level with RPT, both above NTP."
)
RULE = (
    "Paired differences over seeds: of next tokens in the mean probability after a thought (NTP: without), + RL in "
    "exact strict pass@1 on all operations beyond the band (OOD); Student t, variances pooled where claims say so, "
    "Holm over this file; margin 0.05, larger than some published gains. Three seeds of the board (55 to 57), "
    "exploratory: all arms but the parts of RMT and words were known there, on solutions. The match exams were not, "
    "but for a look before this was written: NTP, RPT, RMT and the base of seed 55, on at most 100 problems."
)
ANY, INFERABLE = "zoo-edge-match-any", "zoo-edge-match-inferable"
PAPER = "arXiv 2509.24375"
AFTER = ("base", "NTP", "pre-training", "mixed SFT", "RPT", "RMT", "RMT, entropy")  # arms with RL after them
TABLE = f"{PAPER}, main table, mean of three tiers"
CLAIMS = (
    above(
        "RMT matches more than RPT", minus("RMT", "RPT", INFERABLE, score="match"), pool="inferable",
        published="46.9 against 35.9 % of next tokens", place=TABLE,
    ),
    above(
        "the budget adds", minus("RMT", "no budget", INFERABLE, score="match"), pool="inferable",
        published="46.9 against 40.2 % of next tokens", place=TABLE,
    ),
    above(
        "the curriculum adds", minus("RMT", "no curriculum", INFERABLE, score="match"), pool="inferable",
        published="46.9 against 43.2 % of next tokens", place=TABLE,
    ),
    above(
        "next-token prediction adds", minus("RMT", "no NTP", INFERABLE, score="match"),
        published="46.9 against 33.8 % of next tokens", place=TABLE,
    ),
    above(
        "RMT with a thought beats NTP without", rather("RMT", "match", "plain", INFERABLE, of="NTP"),
        published="46.9 against 31.1 % of next tokens", place=TABLE,
    ),
    above("a budget with room adds", minus("long budget", "RMT", INFERABLE, score="match"), pool="inferable"),
    above("the sum of next-token prediction adds to its mean", minus("RMT", "mean of NTP", INFERABLE, score="match")),
    below("at any place a thought costs", rather("RMT", "match", "plain", ANY)),
    above(
        "RMT before RL beats as much RL", minus("RMT + RL", "longer RL", OOD), pool="after RL",
        published="54.7 against 51.0 %, for RL of less compute", place=f"{PAPER}, after RL on Skywork's mathematics",
    ),
    above("RMT prepares for RL better than NTP", minus("RMT + RL", "NTP + RL", OOD), pool="after RL"),
    above(
        "RMT prepares for RL better than RPT", minus("RMT + RL", "RPT + RL", OOD),
        published="54.7 against 48.5 %", place=f"{PAPER}, after RL on Skywork's mathematics",
    ),
    above(
        "mixed SFT at equal compute is better after RL", minus("mixed SFT + RL", "RMT + RL", OOD), pool="after RL",
        published="mixed SFT beats next-token reasoning", place="arXiv 2608.23256",
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, budget, rl, asked = scale.base(), scale.method_flops, scale.rl(scale.method_flops), scale.arm_exams()
    methods = {name: (CONTROLS | METHODS)[name](scale, budget) for name in AFTER[1:]}
    methods |= {name: rmt(scale, budget, **more) for name, more in RMT_PARTS.items()}
    arms = [Arm(name, joined(base, stages), budget="alone") for name, stages in methods.items()]
    told, lengths = scale.stable() + scale.formats(BINS), rmt(scale, budget, told=BINS)
    arms += [Arm("base", base, equal=False), Arm("words", joined(told, lengths), base=told, budget="alone")]
    pairs = [("RMT", arm.name) for arm in arms if arm.name != "RMT"]
    pairs += [(other, over) for other in ("RPT", "mixed SFT", "RMT, entropy") for over in ("NTP", "pre-training")]
    arms += [Arm(f"{a.name} + RL", a.recipe + rl, a.equal, budget="with RL") for a in arms if a.name in AFTER]
    return Study(
        name="midtraining/rmt", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(*arms, Arm("longer RL", base + rl + rl, budget="with RL")), seeds=explored(scale),
        exams=(*scale.exams(), *asked, *scale.match_exams()), headline=tuple(exam.name for exam in asked),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs if b in AFTER)), **last_steps(scale),
    )  # fmt: skip
