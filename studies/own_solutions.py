"""The recipes of the study of self-generated solutions: a base that knows approaches, and what it may be trained on."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.recipe import Recipe
from interlude.models.stages.selfgen import SelfGen
from interlude.studies.methods import alike
from interlude.studies.mixtures import approached, teacher
from interlude.studies.scales import Scale, blend
from interlude.synth.approaches import PLAIN

# TAGGED: share of the base's rows that follow approaches. REPLAY: without it, training on two and three operations
# makes the model forget all deeper problems. WRONG: one wrong solution per question, as no question has a wrong one by
# each of eight approaches.
TAGGED, REPLAY, WRONG = 0.25, 0.8, {"traces": "incorrect", "n": 1, "attempts": 256}
NAMES = ("levels", "plan", "running", "commuted", "symbolic", "table", "grouped", PLAIN)


def own_solution_recipes(scale: Scale) -> tuple[Scale, Recipe, dict[str, Recipe]]:
    """The scale that reads tags of approaches, its decayed base, and each arm's recipe before RL, at half of an arm's
    budget: gold solutions (also by approaches), the model's own by n approaches, its own by none ("rejection"), STaR's,
    wrong ones, and a larger model's ("distillation").
    """
    scale, base, anneal, examples = approached(scale, NAMES, TAGGED)
    # Solutions by approaches are longer, hence twice the tokens. Questions have the two largest numbers of operations.
    half, room, old = scale.arm_flops / 2, 2 * scale.max_new_tokens, scale.pretraining()
    inside, base = (max(examples.ops[0], examples.ops[1] - 1), examples.ops[1]), base + anneal
    sft = replace(scale.sft(half), data=scale.mixture(inside))
    gold, told = (blend((1 - REPLAY, scale.mixture(inside, **how)), (REPLAY, old)) for how in ({}, {"approach": NAMES}))
    own = {"replay": old, "replay_share": REPLAY, "instances": 12 * scale.batch_size, "max_new_tokens": room}
    own = alike(SelfGen, sft, approaches=NAMES, examples=examples, **own)
    arms = {"gold": replace(sft, data=gold), "gold by approaches": replace(sft, data=told)}
    arms |= {f"approaches {n}": replace(own, n=n) for n in (8, 4, 2, 1)}
    arms |= {f"rejection {n}": replace(own, source="rejection", examples=None, n=n) for n in (8, 1)}
    arms |= {"STaR": replace(own, source="star", examples=None, n=1), "incorrect 1": replace(own, **WRONG)}
    arms["distillation 8"] = replace(own, source="distil", examples=None, n=8, reference=teacher(scale, NAMES, TAGGED))
    more = {"no mid-training": base + replace(anneal, flops=half)}
    return scale, base, more | {name: base + stage for name, stage in arms.items()}
