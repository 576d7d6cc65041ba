"""Do token weights from an RL-tuned model improve mid-training, does RL keep the gain, and does a second round add?

Mid-training is on a noisy corpus (``Worded``): freely chosen words, useless remarks, and one step in ten with a wrong
number, which later steps use. The upper bound trains on correct solutions only. The cost of training the reference is
not charged to the arms that use it, as it exists before them: it is the arm "NTP + RL". "longer RL" spends as much as
ReMiT + RL and its reference together. Loss and weights are on solutions, as in all our pre-training; in the paper
(arXiv 2602.03075) they are on all tokens.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.stages.distil import Distil
from interlude.models.stages.remit import ReMiT
from interlude.studies.methods import REWEIGHED, alike, explored, last_steps, tuned, worded
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

FIGURES = ("midtraining_remit",)
QUESTION = "At equal FLOPs (reference passes included), what does ReMiT add to NTP, before and after RL?"
PREDICTION = (
    "The paper's shape: ReMiT - NTP at the edge is above zero before RL, less so after it, and a second round adds "
    "less. Shuffled weights add nothing; SFT-guided, top-k and distillation less; none wrong more."
)
RULE = (
    "Paired differences over seeds in strict pass@1 on the sampled edge exam, Student t, variances pooled alone and + "
    "RL, Holm over this file; margin 0.05. Three seeds (55 to 57), exploratory, at which this base was not examined."
)
EDGE = "zoo-edge-sampled"
PAPER = "arXiv 2602.03075"
CLAIMS = (
    above(
        "ReMiT beats NTP at equal compute", minus("ReMiT", "NTP", EDGE), pool="alone",
        published="+5.2, +1.8 and +1.8 %, three models, ten benchmarks", place=PAPER,
    ),
    above(
        "the gain is left after RL", minus("ReMiT + RL", "NTP + RL", EDGE), pool="after RL",
        published="more than 2 %", place=PAPER,
    ),
    above(
        "a second round adds", minus("ReMiT twice", "ReMiT", EDGE), pool="alone",
        published="it adds, less than the first", place=f"{PAPER}, Figure 7",
    ),
    *(
        above(f"ReMiT beats {other}", minus("ReMiT", other, EDGE), pool="alone")
        for other in ("NTP, tokens of ReMiT", "shuffled weights", "distillation", "SFT-guided", "top-k")
    ),
    above("there is room: a corpus without wrong solutions", minus("NTP, none wrong", "NTP", EDGE), pool="alone"),
    above("there is room after RL too", minus("NTP, none wrong + RL", "NTP + RL", EDGE), pool="after RL"),
    above("its reference is worth its RL", minus("ReMiT + RL", "longer RL", EDGE), pool="after RL"),
)  # fmt: skip


def study(scale: Scale) -> Study:
    scale = worded(scale)
    base, ntp, first, exams = scale.base(), scale.midtrain(scale.method_flops), tuned(scale), scale.sampled_exams()
    plain, rl, remit = first.parent, first.stages[-1], base + alike(ReMiT, ntp, reference=first)
    methods = {"NTP": plain, "NTP, none wrong": base + replace(ntp, data=scale.corpus())} | {
        "NTP, tokens of ReMiT": base + scale.midtrain(ntp.flops * 3 / 4),  # a reference pass is a third of training
        "ReMiT": remit,
        "ReMiT twice": base + alike(ReMiT, ntp, reference=remit + rl),
        "SFT-guided": base + alike(ReMiT, ntp, reference=plain + scale.sft(ntp.flops)),
        "distillation": base + alike(Distil, ntp, reference=first),
    }
    methods |= {name: base + alike(ReMiT, ntp, reference=first, **more) for name, more in REWEIGHED.items()}
    arms = [Arm(name, recipe, "tokens" not in name, budget="alone") for name, recipe in methods.items()]
    arms += [Arm(f"{arm.name} + RL", arm.recipe + rl, arm.equal, budget="with RL") for arm in arms]
    pairs = [*((name, "NTP") for name in [*methods][1:]), ("ReMiT", "shuffled weights"), ("ReMiT twice", "ReMiT")]
    return Study(
        name="midtraining/remit", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE, base=base,
        arms=(*arms, Arm("longer RL", first + scale.rl(2 * scale.method_flops), equal=False)), seeds=explored(scale),
        exams=exams, headline=(exams[0].name,), **last_steps(scale),
        contrasts=(*pairs, *((f"{a} + RL", f"{b} + RL") for a, b in pairs), ("ReMiT + RL", "longer RL")),
    )  # fmt: skip
