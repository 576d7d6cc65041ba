"""The training curves of a finished run, read from the logs of its stages: rewards, lengths, and weights of tokens."""

from __future__ import annotations

import math

import numpy as np

from interlude.models.files import read_jsonl
from interlude.models.recipe import Recipe
from interlude.studies import results

WEIGHT = "weight"  # what a stage that weighs tokens calls their mean weight in its log; by role, "weight_<role>"
POINTS = 40  # of one stage's training curve at most
AVERAGED = tuple(column.name for column in results.CURVE_COLUMNS if column.type is float and column.name != "share")


def curves(arm: str, seed: int, recipe: Recipe) -> list[dict]:
    """Rows of the training curves of a finished run, for every stage that samples or weighs; see
    ``results.CURVE_COLUMNS``."""
    found, about = [], {"arm": arm, "seed": seed, "key": recipe.key[:16]}
    while recipe.stages:
        found.append([about | point for point in curve(recipe)])
        recipe = recipe.parent
    return [point for stage in reversed(found) for point in stage]


def curve(recipe: Recipe) -> list[dict]:
    """At most POINTS rows for the last stage of ``recipe``, each the mean of an equal run of steps; none of steps that
    neither have rewards nor weigh tokens, as some or all of a stage's."""
    lines = read_jsonl(recipe.folder / "log.jsonl")
    lines = [line | {"reward": line["thought_reward"]} if "thought_reward" in line else line for line in lines]
    parts = [[lines[i] for i in steps] for steps in np.array_split(range(len(lines)), min(POINTS, len(lines)))]
    return [
        {
            "stage": len(recipe.stages) - 1,
            "step": part[-1]["step"],
            "share": float(part[-1]["flops"] / lines[-1]["flops"]),
            **{name: mean(part, name) for name in AVERAGED},
            "drawn": tally(part, "drawn"),
            "matched": tally(part, "drawn", "match"),
            "foreseen": tally(part, "drawn", "plain"),
            "weights": role_weights(part),
        }
        for part in parts
        if any(line.keys() & {"reward", WEIGHT} for line in part)
    ]


def mean(lines: list[dict], name: str) -> float:
    """The mean of a number over the log lines that have it; NaN where none has."""
    found = [line[name] for line in lines if name in line]
    return float(np.mean(found)) if found else math.nan


def tally(lines: list[dict], *names: str) -> str:
    """For each kind of place that some lines drew, the sum of the product of the named numbers, as kind:sum."""
    kinds = sorted({name.removeprefix("drawn_") for line in lines for name in line if name.startswith("drawn_")})
    sums = {
        kind: sum(math.prod(line[f"{name}_{kind}"] for name in names) for line in lines if f"drawn_{kind}" in line)
        for kind in kinds
    }
    return " ".join(f"{kind}:{total:.2f}" for kind, total in sums.items())


def role_weights(lines: list[dict]) -> str:
    """The mean weight of each role's tokens over some lines of a log, of those lines that saw the role."""
    names = dict.fromkeys(name for line in lines for name in line if name.startswith(f"{WEIGHT}_"))
    means = {name: np.mean([line[name] for line in lines if name in line]) for name in names}
    return " ".join(f"{name.removeprefix(f'{WEIGHT}_')}:{mean:.6f}" for name, mean in means.items())
