"""The recipes of the study of self-generated solutions: a base that knows approaches, and what it may be trained on."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.recipe import Recipe
from interlude.models.stages.selfgen import SelfGen
from interlude.studies.methods import alike
from interlude.studies.mixtures import approached
from interlude.studies.scales import REPLAY_SHARE, Scale, blend
from interlude.synth.approaches import PLAIN

# SPENT: on a stage of an arm, as a share of the scale's arm. TAGGED: share of the base's rows that follow approaches;
# at 0.8 the base solves nothing of the edge. MOST_COPIES: in a pre-training problem; with 14 the base solves most of
# the edge at once and pass@64 has no room, with 6 it falls from 0.8 to nothing within two operations.
# SAMPLES: half of SelfGen's default, or sampling takes most of an arm. WRONG: one wrong solution per question, as few
# have a wrong one by each approach.
SPENT, TAGGED, MOST_COPIES, SAMPLES, WRONG = 0.75, 0.5, 8, 4, {"traces": "incorrect", "n": 1, "attempts": 256}
# What a base of this size follows beyond the band when each is a tenth of its rows. Of "levels" and "grouped", which
# reorder steps, and of "restate", "running" and "symbolic" it writes the lines, but few that keep what they promise.
NAMES = ("plan", "commuted", "table", "countdown", PLAIN)


def knowing(scale: Scale) -> Scale:
    """The scale with fewer copies in pre-training, and about twice its steps, half of which tell approaches."""
    (low, most), ratio = scale.copies
    (short_low, short_most), short_ratio = scale.short_copies
    return replace(
        scale,
        short_steps=3 * scale.short_steps // 2,
        long_steps=2 * scale.long_steps,
        copies=((low, min(most, MOST_COPIES)), ratio),
        short_copies=((short_low, min(short_most, MOST_COPIES)), short_ratio),
    )


def own_solution_recipes(scale: Scale, flops: float, ops: tuple[int, int]) -> tuple[Scale, Recipe, dict[str, Recipe]]:
    """The scale that reads tags of approaches, its decayed base, and each arm's recipe before RL: the base alone ("no
    mid-training"), or ``flops`` of gold solutions, the model's own by n approaches, its own by none ("rejection"),
    STaR's, wrong ones, or a stronger model's ("distillation"), of questions with ``ops`` operations."""
    scale, base, anneal = approached(knowing(scale), NAMES, TAGGED)
    base, old, pool = base + anneal, scale.pretraining(), scale.mixture(ops)
    sft = replace(scale.sft(flops), data=pool)
    gold = replace(sft, data=blend((1 - REPLAY_SHARE, pool), (REPLAY_SHARE, old)))
    # Solutions by approaches are longer, hence twice the tokens.
    own = {"replay": old, "replay_share": REPLAY_SHARE, "instances": 32 * scale.batch_size, "samples": SAMPLES}
    own |= {"approaches": NAMES, "n": 4, "max_new_tokens": 2 * scale.max_new_tokens}
    plain = alike(SelfGen, sft, source="rejection", **own)
    told = replace(plain, source="approaches", examples=scale.source(scale.band, approach=NAMES))
    arms = {"gold": gold, "approaches 4": told, "approaches 1": replace(told, n=1), "rejection 4": plain}
    arms |= {"STaR": replace(plain, source="star", n=1), "incorrect 1": replace(told, **WRONG)}
    # Stronger by gold solutions at the edge, which no arm reads: a larger one would cost as much as all arms together.
    arms["distillation 4"] = replace(plain, source="distil", reference=base + scale.sft(flops))
    return scale, base, {"no mid-training": base} | {name: base + stage for name, stage in arms.items()}


def between(scale: Scale) -> tuple[int, int]:
    """The last number of operations below the edge and the first of it: the base is right there, but not always."""
    return max(1, scale.edge[0] - 1), scale.edge[0]
