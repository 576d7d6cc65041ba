"""Bases whose pre-training mixes worlds and difficulties in other shares than a scale's own, and the RL that follows
them."""

from __future__ import annotations

from dataclasses import replace

from interlude.models.recipe import Recipe
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.studies.scales import WORLDS, Scale, blend
from interlude.studies.study import Arm
from interlude.synth.source import Mixture

COMMON, RARE = WORLDS[:2]  # the paper's A and B
EXPOSURES = (0.001, 0.003, 0.01, 0.1)  # shares of B in the later rows of pre-training; the paper has 0.1, 1 and 10 %
COMPARED = 0.01  # the share at which kinds and times of exposure are compared
KINDS = ("arithmetic", "copies")  # what B's problems there can teach: to compute and to copy, or to copy alone


def only(mixture: Mixture, world: str) -> Mixture:
    """The part of a mixture that is set in ``world``, in its own proportions. Raises ValueError if there is none."""
    kept = [(weight, source) for weight, source in mixture.parts if source.world == world]
    if not kept:
        raise ValueError(f"Mixture.parts holds no source in {world!r}")
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


def exposure_data(scale: Scale, kind: str) -> Mixture:
    """Problems of the rare world, as long as the others and with as many copies: of one or two operations
    ("arithmetic", as the paper's are), or of copies alone ("copies")."""
    (_, most), ratio = scale.copies
    if kind == "arithmetic":
        return scale.mixture((1, 2), world=RARE, copies=(0, most), copy_ratio=ratio)
    longest = min(scale.length[1], scale.model.vocab.names - 1)  # a question of nothing but givens has a name for each
    length = (min(scale.length[0], longest), longest)
    copies = (1, max(1, min(most, length[0] - 6)))  # as many as the shortest question has room for
    return scale.mixture((0, 0), world=RARE, copies=copies, copy_ratio=ratio, length=length)


def late_exposure(scale: Scale, share: float) -> Pretrain:
    """After pre-training, while the rate decays again: as many rows of the rare world as ``share`` of pre-training's
    later rows are, half of the stage's rows. The decay that ends pre-training is about as long as its long stage."""
    later = 2 * scale.long_steps
    steps = max(1, round(2 * share * later))
    rare = exposure_data(scale, "arithmetic")
    return replace(scale.anneal(), flops=None, steps=steps, data=blend((0.5, scale.pretraining()), (0.5, rare)))


def harder(scale: Scale, share: float) -> tuple[Recipe, Pretrain]:
    """Pre-training in which ``share`` of the later rows have the band's top number of operations and the others fewer.
    The early rows never have it, so that the share is what it says."""
    low, top = scale.band
    early = Mixture(tuple((weight, replace(each, ops=(low, top - 1))) for weight, each in scale.short().parts))
    whole = scale.pretraining().parts[0][1]
    late = Mixture(((1 - share, replace(whole, ops=(low, top - 1))), (share, replace(whole, ops=(top, top)))))
    return pretrained(scale, early, late)


def rl(scale: Scale, share: float) -> RL:
    """RL on the band and the edge, ``share`` of it in the rare world, with an arm's budget."""
    ops = scale.band[0], scale.edge[1]
    worlds = ((1 - share, COMMON), (share, RARE))
    data = Mixture(tuple((weight, scale.source(ops, world)) for weight, world in worlds if weight))
    return replace(scale.rl(scale.arm_flops), data=data)


def exposure_arms(scale: Scale) -> tuple[Arm, ...]:
    """None of the rare world, arithmetic at every exposure, and at ``COMPARED`` copies instead and the same rows late;
    each without RL and with RL of half common, half rare problems, and at ``COMPARED`` with RL of common ones alone."""
    bases = {"0 %": exposed(scale, 0.0, exposure_data(scale, "arithmetic"))}
    bases |= {
        f"{100 * share:g} % arithmetic": exposed(scale, share, exposure_data(scale, "arithmetic"))
        for share in EXPOSURES
    }
    at = f"{100 * COMPARED:g} %"
    bases[f"{at} copies"] = exposed(scale, COMPARED, exposure_data(scale, "copies"))
    whole, anneal = bases["0 %"]
    bases[f"{at} arithmetic, late"] = whole + anneal, late_exposure(scale, COMPARED)
    arms = [arm for name, (base, last) in bases.items() for arm in with_rl(name, base, last, rl(scale, 0.5))]
    base, last = bases[f"{at} arithmetic"]
    alone = Arm(f"{at} arithmetic + RL in the first world", base + last + rl(scale, 0.0), base=base + last)
    return (*arms, alone)


def with_rl(name: str, base: Recipe, anneal: Pretrain, stage: RL) -> tuple[Arm, Arm]:
    """An annealed base, and the same after RL."""
    whole = base + anneal
    return Arm(name, whole, equal=False, base=whole), Arm(f"{name} + RL", whole + stage, base=whole)


def approached(scale: Scale, names: tuple[str, ...], share: float) -> tuple[Scale, Recipe, Pretrain]:
    """Pre-training in which ``share`` of all rows, in every stage, follow approaches and show their tags: the scale
    that reads tags, its base and its anneal. Problems are as in the other rows, with as many copies, which is
    how an approach came to carry to more operations than it was shown at."""
    scale = replace(scale, model=replace(scale.model, vocab=replace(scale.model.vocab, approaches=True)))

    def told(data: Mixture) -> Mixture:
        shown = ((weight, replace(each, approach=names, tagged=True)) for weight, each in data.parts)
        return blend((1 - share, data), (share, Mixture(tuple(shown))))

    return scale, *pretrained(scale, told(scale.short()), told(scale.pretraining()))
