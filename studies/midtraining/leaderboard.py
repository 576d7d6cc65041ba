"""Which mid-training method is best at equal compute, alone and before the same RL?

All begin with one decayed base that knows thoughts, and read one corpus at the edge, a share of whose texts stop early
(``studies.methods.Arena``); RL and sampled exams demand the whole solution, in thoughts or outside them. What training
a reference costs is not charged: ReMiT's and distillation's is the arm "NTP + RL"; the annotator of "thinking" stands
for the paper's ready-made model and was shown what texts leave out. Their passes are charged. Bounds read whole
texts, or the generator's own thoughts, which no method has.

Muon's updates are equally large whatever advantages are: RL has one update a batch and no KL; "RL, AdamW" has
its papers' four and 0.001. Its rate and those of methods that think were lowered by pilots (seeds 3, 4) after
seeds 50 and 51 had been seen.
"""

from __future__ import annotations

from interlude.studies.board import THEN, claims
from interlude.studies.methods import BOUNDS, CONTROLS, METHODS, Row, alone_and_after_rl, arena, last_steps
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

FIGURES = ("midtraining_leaderboard",)
QUESTION = "At equal measured FLOPs, what does each method add to next-token prediction, alone and + the same RL?"
PREDICTION = (
    "Alone, at the edge: NTP is 0.15 above the base and 0.3 below full texts or more; thinking SFT, thinking, ReMiT, "
    "distillation, switch and RL are above NTP; RMT, RLP and RPT, which read little or nothing, are below. + RL, "
    "beyond the band: thinking SFT, thinking, RL and RMT are above NTP and pre-training by 0.05 or more, and below "
    "full texts; the random reward equals pre-training. RA3, added later, is above NTP alone and + RL."
)
RULE = (
    "Paired differences to NTP and pre-training. Alone: pass@1 on the sampled edge exam, free, but for RLP, RPT and "
    "RMT, which open thoughts for the model, with one opened before the answer; and exact pass@128 on the hard band. + "
    "RL: exact pass@1 on all operations beyond the band (OOD); and pass@128 on the hard band. Student t over seeds, "
    "variances pooled by score, Holm over all of this file; margin 0.05. Rank: pass@1 + RL. Written after pilots of "
    "seven methods at seed 3, before any model of this base was examined at seeds 50 to 57."
)
ROWS: dict[str, Row] = CONTROLS | METHODS | BOUNDS
CLAIMS = tuple(each for name in (*METHODS, "random reward") for each in claims(name))


def study(scale: Scale, rows: dict[str, Row] = ROWS) -> Study:
    scale = arena(scale)
    base, flops, asked = scale.base(), scale.method_flops, scale.arm_exams()
    arms = [Arm(name, recipe, budget=budget) for name, recipe, budget in alone_and_after_rl(scale, rows)]
    shorter = base + scale.midtrain(0.75 * flops)  # the reference's passes cost ReMiT a third more than NTP
    plain = {"NTP, tokens of ReMiT": shorter, "NTP, tokens of ReMiT + RL": shorter + scale.rl(flops), "base": base}
    arms += [Arm(name, recipe, equal=False) for name, recipe in plain.items()]
    return Study(
        name="midtraining/leaderboard", scale=scale.name, question=QUESTION, prediction=PREDICTION, rule=RULE,
        arms=tuple(arms), exams=(*scale.exams(), *asked), base=base,
        contrasts=tuple((f"{a}{then}", f"NTP{then}") for then in THEN for a in rows if a != "NTP"),
        seeds=scale.board_seeds or scale.seeds, headline=tuple(e.name for e in asked), **last_steps(scale),
    )  # fmt: skip
