"""How far beyond the depth that it was trained on does each kind of training carry a model, at equal compute?"""

from __future__ import annotations

from dataclasses import replace

from interlude.models.rollouts import Reward
from interlude.studies.scales import Scale
from interlude.studies.study import Arm, Study

QUESTION = "At equal FLOPs, how many operations beyond its training data does each kind of training carry a base?"


PREDICTION = ""
RULE = ""
FAR = "zoo-ops9"


def study(scale: Scale) -> Study:
    base, flops = scale.base(), scale.arm_flops
    rl, gold = scale.rl(flops), scale.midtrain(flops)
    plain = replace(gold, replay=scale.mixture(scale.band))
    stages = {
        "RL": (rl,),
        "RL, other rollouts": (replace(rl, rollout_seed=1),),
        "RL, random reward": (replace(rl, reward=Reward("random")),),
        "mid-training, copies replayed": (gold,),
        "mid-training, plain replay": (plain,),
        "SFT": (scale.sft(flops),),
        "RFT": (scale.rft(flops),),
        "mid-training + RL": (replace(plain, flops=0.3 * flops), replace(rl, flops=0.7 * flops)),
        "more pre-training": (replace(scale.anneal(), flops=flops),),
    }
    arms = [Arm(name, replace(base, stages=base.stages + more)) for name, more in stages.items()]
    return Study(
        name="interplay/depth_carried",
        scale=scale.name,
        question=QUESTION,
        prediction=PREDICTION,
        rule=RULE,
        arms=(Arm("base", base, equal=False), *arms, Arm("RL, 4 x", base + replace(rl, flops=4 * flops), equal=False)),
        exams=(*scale.exams(), scale.sampled_exam()),
        seeds=scale.seeds,
        base=base,
        contrasts=tuple((name, "base") for name in stages) + tuple((name, "RL") for name in list(stages)[1:]),
        headline=tuple(exam.name for exam in scale.exams()),
    )
