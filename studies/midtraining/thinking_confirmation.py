"""Where imitation leaves room, does RL on thoughts add to it, alone and before the same RL?

In `midtraining/thinking` imitation alone solves 0.96 of the edge, and any arm nearly all of it after RL. Here three of
its arms, "thinking" with a quarter of the budget on RL, are asked problems of one operation more than the corpus has,
in questions as long as those that were read.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.methods import arena, joined, last_steps, thoughts_varied
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

QUESTION = "One operation beyond the corpus, what do thoughts and RL on thoughts add to NTP, alone and after RL?"
PREDICTION = (
    "Alone imitation is above NTP by 0.3 to 0.5, and RL on thoughts takes 0.1 or adds nothing. After RL nothing "
    "is established: imitation is within 0.1 of NTP, thinking within 0.1 of imitation, and below as much RL."
)
RULE = (
    "Paired differences over seeds in strict pass@1 on the sampled exam of the hard band's first number of operations, "
    "in which a response may think, alone and after RL; Student t, variances moderated over comparisons of one kind, "
    "Holm over this file; margin 0.05. Seeds 100 to 107, where NTP was known at half of the budget "
    "(`midtraining/confirmation`), thinking not. Budget, RL's share and exam were chosen at seed 3, where thinking "
    "read the corpus' texts: alone NTP 0.23, imitation 0.69, thinking 0.60; after RL 0.89, 0.84, 0.79, longer RL 0.88. "
    "Here it reads texts that all stop early, as in midtraining/thinking: mended while the first four seeds ran, none "
    "of whose results had been looked at."
)
SEEDS = tuple(range(100, 108))
DEEPER, PAPER = "zoo-deeper-sampled", "arXiv 2601.21343, Llama-3-8B, mean of five"
CLAIMS = (
    above(
        "imitating annotated thoughts beats the raw corpus", minus("thinking SFT", "NTP", DEEPER), pool="alone",
        published="0.222 against 0.100", place=PAPER,
    ),
    above(
        "RL on thoughts adds to imitating them", minus("thinking", "thinking SFT", DEEPER), pool="alone",
        published="0.335 against 0.222", place=PAPER,
    ),
    above(
        "imitating annotated thoughts beats the raw corpus after RL", minus("thinking SFT + RL", "NTP + RL", DEEPER),
        pool="after RL", published="0.348 against 0.165", place=f"{PAPER}, after RL",
    ),
    above(
        "RL on thoughts adds after RL", minus("thinking + RL", "thinking SFT + RL", DEEPER), pool="after RL",
        published="0.379 against 0.348, at less compute", place=f"{PAPER}, after RL",
    ),
    above("it adds more than as much RL", minus("thinking + RL", "longer RL", DEEPER), pool="after RL"),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, deeper = scale.base(), 2 * scale.method_flops, (scale.hard[0], scale.hard[0])
    varied = thoughts_varied(scale, flops)
    stages = {name: varied[name] for name in ("NTP", "thinking SFT")} | {"thinking": varied["thinking, 1/4 RL"]}
    alone = [Arm(name, joined(base, made), budget="alone") for name, made in stages.items()]
    after = [Arm(f"{a.name} + RL", a.recipe + scale.rl(scale.method_flops), budget="with RL") for a in alone]
    longer = base + stages["thinking"][0] + scale.rl(scale.method_flops + 0.25 * flops)
    source = replace(scale.examined(deeper), thoughts="ignored", unwrapped=True)
    exams = (replace(scale.sampled_exam(), name=DEEPER, source=source), *scale.arm_exams(), *scale.exams())
    return Study(
        name="midtraining/thinking_confirmation", scale=scale.name, question=QUESTION, prediction=PREDICTION,
        rule=RULE, base=base, arms=(*alone, *after, Arm("longer RL", longer, budget="with RL")), exams=exams,
        headline=(DEEPER,), seeds=SEEDS if scale.board_seeds else scale.seeds,
        contrasts=(*((c.name, "NTP") for c in alone[1:]), ("thinking", "thinking SFT"), ("thinking + RL", "longer RL")),
        **last_steps(scale),
    )  # fmt: skip
