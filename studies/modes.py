"""Among which approaches a model divides its probability, exactly: what each beginning that belongs to one has."""

from __future__ import annotations

import numpy as np

from interlude.models.lm import LM
from interlude.studies.probe import forced
from interlude.synth.approaches import asking
from interlude.synth.problem import Problem

VERSION = 1  # raise it when the numbers of any model change: it enters the key of every exam of this kind


def log_masses(lm: LM, problems: list[Problem], names: tuple[str, ...], temperature: float) -> list[dict[str, float]]:
    """For each problem, and each approach of ``names``, the log of its mode mass: the exact probability that a sample
    after the plain question begins as this approach's solution does, up to where no other approach's goes along
    (methods.md 3.5, F8: at the branch points of right solutions). So the masses of a problem sum to 1 at most.
    Approaches whose solutions are the same are one mode, which stands under the first of their names.

    Raises ValueError for problems whose steps may be skipped or reworded.
    """
    told = [beginnings({n: lm.encode(asking(p, n, tagged=False).solution) for n in names}) for p in problems]
    prompts = [lm.encode_prompt(asking(p, names[0], tagged=False).question) for p in problems]
    places = [(row, name) for row, each in enumerate(told) for name in each]
    logps = forced(lm, [prompts[row] for row, _ in places], [told[row][name] for row, name in places], temperature)
    found: list[dict[str, float]] = [{} for _ in problems]
    for (row, name), logp in zip(places, logps, strict=True):
        found[row][name] = logp
    return found


def beginnings(solutions: dict[str, list[int]]) -> dict[str, list[int]]:
    """Of each solution the shortest beginning that no different one has; of equal ones only the first is kept."""
    kept: dict[str, list[int]] = {}
    for name, ids in solutions.items():
        if ids not in kept.values():
            kept[name] = ids
    return {
        name: ids[: 1 + max((together(ids, other) for other in kept.values() if other != ids), default=0)]
        for name, ids in kept.items()
    }


def together(a: list[int], b: list[int]) -> int:
    """How many tokens two texts share from the start."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def effective(log_masses_of_one: dict[str, float]) -> float:
    """How many modes as likely as each other would be as uncertain: exp of the entropy of the shares of one problem's
    masses, from 1 to their number."""
    logp = np.array([*log_masses_of_one.values()])
    share = np.exp(logp - logp.max())
    share /= share.sum()
    return float(np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()))
