"""Bases whose pre-training mixes worlds and difficulties in other shares than a scale's own,
and the RL that follows them."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.recipe import Recipe
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.studies.scales import WORLDS, Scale, blend
from interlude.studies.study import Arm
from interlude.synth.source import Mixture, Source

COMMON, RARE = WORLDS[:2]  # the paper's A and B
EXPOSURES = (0.001, 0.01, 0.1)  # shares of B in the later stages of pre-training (arXiv 2512.07783, section 4)
KINDS = ("names", "copies", "arithmetic")  # what B's problems there can teach: its nouns, and to copy, and to compute


def only(mixture: Mixture, world: str) -> Mixture:
    """The part of a mixture that is told in ``world``, in its own proportions. Raises ValueError if there is none."""
    kept = [(weight, source) for weight, source in mixture.parts if source.world == world]
    if not kept:
        raise ValueError(f"Mixture.parts holds no source told in {world!r}")
    total = sum(weight for weight, _ in kept)
    return Mixture(tuple((weight / total, source) for weight, source in kept))


def pretrained(scale: Scale, early: Mixture, late: Mixture) -> tuple[Recipe, Pretrain]:
    """The scale's base and anneal on other data: ``early`` in the base's first stages, ``late`` in its last and in the
    anneal. Bases of equal ``early`` share those stages."""
    base = scale.stable()
    stages = (*(replace(stage, data=early) for stage in base.stages[:-1]), replace(base.stages[-1], data=late))
    return replace(base, stages=stages), replace(scale.anneal(), data=late)


def exposed(scale: Scale, share: float, rare: Mixture) -> tuple[Recipe, Pretrain]:
    """Pre-training in the common world alone, but for ``share`` of its later rows, which are drawn from ``rare``."""
    late = blend((1 - share, only(scale.pretraining(), COMMON)), (share, rare))
    return pretrained(scale, only(scale.stable().stages[0].data, COMMON), late)


def seeds(scale: Scale, kind: str) -> Mixture:
    """Problems of the rare world as long as the others: names only, or one or two steps of copying or of arithmetic."""
    longest = min(scale.length[1], scale.model.vocab.names - 1)  # a question of nothing but givens has a name for each
    source = {
        "names": scale.source((0, 0), RARE, copies=(0, 0), length=(min(scale.length[0], longest), longest)),
        "copies": scale.source((0, 0), RARE, copies=(1, 2), length=(min(scale.length[0], longest), longest)),
        "arithmetic": scale.source((1, 2), RARE),
    }[kind]
    return Mixture(((1.0, source),))


def harder(scale: Scale, share: float) -> tuple[Recipe, Pretrain]:
    """Pre-training in which ``share`` of the later rows have the band's top number of operations and the others fewer.
    The early rows never have it, so that the share is what it says."""
    low, top = scale.band
    early = Mixture(tuple((weight, replace(each, ops=(low, top - 1))) for weight, each in scale.short().parts))
    whole = scale.pretraining().parts[0][1]
    late = Mixture(((1 - share, replace(whole, ops=(low, top - 1))), (share, replace(whole, ops=(top, top)))))
    return pretrained(scale, early, late)


def rl(scale: Scale, share: float) -> RL:
    """RL on the band and the edge, ``share`` of it in the rare world,
    with an arm's budget."""
    ops = scale.band[0], scale.edge[1]
    worlds = ((1 - share, COMMON), (share, RARE))
    data = Mixture(tuple((weight, scale.source(ops, world)) for weight, world in worlds if weight))
    return replace(scale.rl(scale.arm_flops), data=data)


def exposure_arms(scale: Scale) -> tuple[Arm, ...]:
    """Every kind of seed at every exposure, and none;
    each without RL and with RL of half common, half rare problems."""
    bases = [("0 %", exposed(scale, 0.0, seeds(scale, "names")))]
    bases += [
        (f"{100 * share:g} % {kind}", exposed(scale, share, seeds(scale, kind)))
        for kind in KINDS
        for share in EXPOSURES
    ]
    return tuple(arm for name, (base, anneal) in bases for arm in with_rl(name, base, anneal, rl(scale, 0.5)))


def with_rl(name: str, base: Recipe, anneal: Pretrain, stage: RL) -> tuple[Arm, Arm]:
    """An annealed base, and the same after RL."""
    return Arm(name, base + anneal, equal=False, base=base), Arm(f"{name} + RL", base + anneal + stage, base=base)


def approached(scale: Scale, names: tuple[str, ...], share: float) -> tuple[Scale, Recipe, Pretrain, Source]:
    """Pre-training in which ``share`` of all rows are told by approaches and show their tags, with fewer operations
    than the band's top: the scale that reads tags, its base, its anneal, and such rows without tags."""
    scale = replace(scale, model=replace(scale.model, vocab=replace(scale.model.vocab, approaches=True)))
    ops = (scale.band[0], max(scale.band[0], scale.band[1] - 1))
    shown = scale.mixture(ops, approach=names, tagged=True)
    early, late = (
        blend((1 - share, data), (share, shown)) for data in (scale.stable().stages[0].data, scale.pretraining())
    )
    return scale, *pretrained(scale, early, late), replace(shown.parts[0][1], tagged=False)


def teacher(scale: Scale, names: tuple[str, ...], share: float) -> Recipe:
    """A larger model that RL has tuned, which stands for the one that arXiv 2605.08472 distils from: twice the layers,
    pre-training as of ``approached`` with its whole decay, of as many tokens, and the scale's own RL at the edge with
    an arm's whole budget. What imitates it may have less of a decay and another RL."""
    deep = replace(scale, model=replace(scale.model, layers=2 * scale.model.layers))
    deep, base, anneal, _ = approached(deep, names, share)
    return base + replace(anneal, flops=2 * anneal.flops) + deep.rl(deep.arm_flops)
