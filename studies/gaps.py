"""The arms of the studies of texts with gaps: what stands where a text leaves steps out."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.recipe import Recipe
from interlude.models.stages.annotate import ORACLE
from interlude.studies.methods import Arena, annotated

GAPS = 0.15  # share of the steps before the last that a text leaves out
CONTENT = {
    "thoughts": "own", "shuffled": "shuffled", "empty tags": "empty", "mark": "mark", "tags elsewhere": "elsewhere",
    "unmarked": "nothing",
}  # fmt: skip


def gap_recipes(scale: Arena) -> dict[str, Recipe]:
    """Half of a method's budget on complete texts of the edge ("full"), or on texts that leave out a step in seven,
    with the missing steps in a thought, the thought's tokens shuffled, its tags alone, one token that is no thought,
    tags elsewhere, or nothing."""
    base, flops = scale.base(), scale.method_flops / 2
    gapped = scale.mixture(scale.edge, skip_prob=GAPS, thoughts="oracle", unwrapped=True)
    reading = replace(annotated(scale, flops, ORACLE), data=gapped)
    stages = {"full": replace(scale.midtrain(flops), data=scale.full())}
    stages |= {name: replace(reading, content=content) for name, content in CONTENT.items()}
    return {name: base + stage for name, stage in stages.items()}
