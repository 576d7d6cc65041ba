"""Do SFT on a corpus with annotated thoughts, and RL on own thoughts, beat next-token prediction on the raw corpus?

Base, corpus and exams are the arena's (``studies.methods.Arena``). All arms but pre-training imitate one corpus, some
of whose texts stop early, or think about texts of its kind that all do, half of them in the band; for twice the board's
budget, so that RL on thoughts has some forty steps. Annotating is charged; training the annotator is not, as it stands
for the paper's off-the-shelf model (arXiv 2601.21343). "NTP" trains on the raw corpus, "RL alone" imitates nothing.
Losses are on solutions, as in our pre-training (the paper's is on all tokens). Then comes RL, whose responses may
contain thoughts and must contain every step. The probe measures how much the probability of a segment after a skipped
step depends on the thought before it.
"""

from __future__ import annotations

from interlude.studies.methods import arena, explored, joined, last_steps, probes, thoughts_varied
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

FIGURES = ("midtraining_thinking", "midtraining_thinking_curves")
QUESTION = "At equal FLOPs (annotation included), what do thoughts and RL on thoughts add to NTP, alone and + RL?"
PREDICTION = (
    "Alone at the edge NTP is 0.3 below thinking SFT, and RL on thoughts adds 0.05 to imitation where it has half of "
    "the budget, not where it has three quarters. After RL thinking SFT is above NTP by 0.1, thinking no better, and "
    "not above as much RL after imitation (longer RL). Contents not its own equal NTP or fall below, bad judges cost,"
    " RL alone loses. A segment is likelier after the own thought than after others."
)
RULE = (
    "Paired differences over seeds in strict pass@1 on the sampled edge exam, in which a response may think, alone "
    "and + RL (exact exams count plain solutions only); contents of thoughts by the answer, as strict demands the "
    "steps that thoughts hold. Student t, variances moderated where claims say so, Holm over this file; margin 0.05. "
    "Three seeds of the board (55 to 57), exploratory: arms without RL on thoughts were known there at half the "
    "budget. One pilot at seed 3: NTP 0.56, thinking SFT 0.89, thinking 0.92, 3/4 RL 0.82. Gates met there: the judge"
    " accepts 0.73 at first, 0.15 to 0.42 of groups without variance (of the corpus's own texts 0.61 to 0.66)."
)
FREE = "zoo-edge-sampled"
AFTER = ("pre-training", "NTP", "thinking SFT", "thinking SFT, oracle", "thinking")  # arms with RL after them
PAPER = "arXiv 2601.21343, Llama-3-8B, mean of five"
CLAIMS = (
    above(
        "imitating annotated thoughts beats the raw corpus", minus("thinking SFT", "NTP", FREE), pool="alone",
        published="0.222 against 0.100", place=PAPER,
    ),
    above(
        "RL on thoughts adds to imitating them", minus("thinking", "thinking SFT", FREE), pool="alone",
        published="0.335 against 0.222", place=PAPER,
    ),
    above(
        "imitating annotated thoughts beats the raw corpus after RL", minus("thinking SFT + RL", "NTP + RL", FREE),
        pool="after RL", published="0.348 against 0.165", place=f"{PAPER}, after RL",
    ),
    above(
        "RL on thoughts adds after RL", minus("thinking + RL", "thinking SFT + RL", FREE),
        pool="after RL", published="0.379 against 0.348, at less compute", place=f"{PAPER}, after RL",
    ),
    above("it adds more than as much RL", minus("thinking + RL", "longer RL", FREE), pool="after RL"),
    above(
        "what is in a thought matters to the answer",
        *(minus("thinking SFT", f"thinking SFT, {other}", FREE, score="answer") for other in ("empty", "shuffled")),
    ),
    above("more of the budget on RL is better", minus("thinking, 3/4 RL", "thinking, 1/4 RL", FREE)),
    above("imitation has to come first", minus("thinking", "thinking, RL alone", FREE)),
    above(
        "a judge's faults cost",
        *(minus("thinking", f"thinking, {judge}", FREE) for judge in ("judge of values", "noisy judge")),
    ),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, asked, rl = scale.base(), scale.method_flops, scale.arm_exams(), scale.rl(scale.method_flops)
    methods = thoughts_varied(scale, 2 * flops)
    imitated = base + methods["thinking"][0]
    arms = [Arm(name, joined(base, stages), budget="alone") for name, stages in methods.items()]
    arms += [Arm(f"{a.name} + RL", a.recipe + rl, budget="with RL") for a in arms if a.name in AFTER]
    over = {name: name.partition(",")[0] if "," in name else "NTP" for name in methods} | {"thinking": "thinking SFT"}
    pairs = [(a, b) for a, b in over.items() if a != "NTP"]
    later = [(f"{a} + RL", f"{b} + RL") for a, b in pairs if {a, b} <= {*AFTER}]
    return Study(
        name="midtraining/thinking", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(*arms, Arm("longer RL", imitated + scale.rl(2 * flops), budget="with RL")), seeds=explored(scale),
        exams=(*scale.exams(), *asked, *probes(scale)), headline=(asked[0].name,),
        contrasts=(*pairs, *later, ("thinking + RL", "longer RL")), **last_steps(scale),
    )  # fmt: skip
