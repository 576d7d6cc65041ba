"""Do SFT on a corpus with annotated thoughts, and RL on own thoughts, beat next-token prediction on the raw corpus?

Base, corpus and exams are the arena's (``studies.methods.Arena``). All arms but pre-training learn from one corpus,
some of whose texts stop early. Annotating it is charged; training the annotator is not, as it stands for the paper's
off-the-shelf model (arXiv 2601.21343). "NTP" trains on the raw corpus, "RL alone" on the raw corpus for half of its
budget. Losses are on solutions, as in our pre-training; three arms have the paper's loss on all tokens. Then comes RL,
whose responses may contain thoughts and must contain every step. The probe measures how much the probability of a
segment after a skipped step depends on the thought before it.
"""

from __future__ import annotations

from interlude.studies.methods import arena, joined, last_steps, probes, thoughts_varied
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("midtraining_thinking", "midtraining_thinking_curves")
QUESTION = "At equal FLOPs (annotation included), what do thoughts and RL on thoughts add to NTP, alone and + RL?"
PREDICTION = (
    "The paper's shape at the edge, alone and + RL: NTP < thinking SFT < thinking; more RL on thoughts adds, RL alone "
    "loses, contents not its own equal NTP, bad judges cost. A segment is likelier after the own thought than others."
)
RULE = (
    "Differences in strict pass@1 on zoo-edge-sampled, 95 % Student t over seeds. Found where thinking SFT - NTP and "
    "thinking - thinking SFT are above 0, alone and + RL apart, refuted where one is below. Content counts if empty "
    "and shuffled - thinking SFT are below, RL on thoughts if thinking + RL - longer RL is above. An arm's thoughts "
    "matter where, after a skipped step, the next segment's log-probability after own - each other thought is above 0, "
    "and do not where one is below."
)


def study(scale: Scale) -> Study:
    scale = arena(scale)
    base, flops, asked, rl = scale.base(), scale.method_flops, scale.arm_exams(), scale.rl(scale.method_flops)
    methods = thoughts_varied(scale, flops)
    imitated = methods["thinking"][0]
    arms = [Arm(name, joined(base, stages), budget="alone") for name, stages in methods.items()]
    arms += [Arm(f"{a.name} + RL", a.recipe + rl, budget="with RL") for a in arms]
    over = {name: name.partition(",")[0] if "," in name else "NTP" for name in methods} | {"thinking": "thinking SFT"}
    pairs = [*((a, b) for a, b in over.items() if a != "NTP"), ("thinking SFT, all tokens", "NTP, all tokens")]
    return Study(
        name="midtraining/thinking", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(*arms, Arm("longer RL", base + imitated + scale.rl(2 * flops - imitated.flops), budget="with RL")),
        seeds=scale.seeds, exams=(*scale.exams(), *asked, *probes(scale)), headline=(asked[0].name,),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs), ("thinking + RL", "longer RL")),
        **last_steps(scale),
    )  # fmt: skip
