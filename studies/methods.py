"""What studies of mid-training methods share: the first reference, and stages made of a scale's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from models.stages import Stage
from models.stages.annotate import ORACLE, Annotate
from models.stages.thinking import Thinking
from studies.exam import Exam
from studies.run import Recipe
from studies.scales import REPLAY_SHARE, Scale
from synth.problem import Mixture


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe and then these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The first reference of methods that need one: the base after next-token prediction and RL with half of an arm's
    budget each. It is an arm of every study here, so no teacher is trained for a method's sake (methods.md 1.2)."""
    return scale.base() + scale.midtrain(scale.arm_flops / 2) + scale.rl(scale.arm_flops / 2)


def alike(kind: type[Stage], stage: Stage, **more) -> Stage:
    """A stage of another kind with every field of ``stage`` (data, budget, rate) and ``more``. Raises TypeError if that
    kind lacks one of them."""
    return kind(**{field.name: getattr(stage, field.name) for field in fields(stage)}, **more)


def annealed(scale: Scale, flops: float, stage: Callable[[float], Stage]) -> tuple[Stage, Stage]:
    """A stage that must follow the end of pre-training, which takes the same share of any budget as of an arm's."""
    anneal = replace(scale.anneal(), flops=flops * scale.anneal_flops / scale.arm_flops)
    return anneal, stage(flops - anneal.flops)


ELIDED = 0.5  # the probability that a corpus solution leaves a step out, where a method needs something to think about


def tagged(scale: Scale) -> Scale:
    """The same scale with the tags of thoughts in the model's vocabulary, so that arms that think share the others' base
    (methods.md 7, note 3)."""
    return replace(scale, model=replace(scale.model, vocab=replace(scale.model.vocab, thoughts=True)))


def implicit(scale: Scale) -> Mixture:
    """Problems of the edge whose solutions leave steps out (methods.md 4.7, raw corpus)."""
    return scale.mixed(scale.edge, elided=ELIDED, thoughts="oracle")


def annotated(scale: Scale, flops: float, annotator: Recipe | str) -> Annotate:
    """Mid-training on the implicit corpus with an annotator's thoughts, and the replay that next-token prediction has."""
    plain = scale.midtrain(flops)
    return Annotate(
        flops=flops, rows=plain.rows, optim=plain.optim, data=implicit(scale), replay=plain.replay,
        replay_share=REPLAY_SHARE, annotator=annotator, max_thought=scale.max_new,
    )  # fmt: skip


def annotator(scale: Scale) -> Recipe:
    """The learned annotator: the base after half an arm's budget of the generator's own thoughts. It is an arm itself."""
    return scale.base() + annotated(scale, scale.arm_flops / 2, ORACLE)


def thinking(scale: Scale, flops: float) -> tuple[Stage, Stage]:
    """Half a budget of imitating annotated chunks, half of RL on thoughts before segments of the corpus' other half."""
    plain, learned = scale.rl(flops / 2), annotator(scale)
    more = {"data": implicit(scale), "annotator": learned, "max_new": scale.max_new}
    rl = Thinking(flops=flops / 2, rows=plain.rows, group=plain.group, optim=plain.optim, **more)
    return annotated(scale, flops / 2, learned), rl


def told_exam(scale: Scale) -> Exam:
    """The sampled exam of the edge in which responses may think and leave steps out: each arm answers in its own way."""
    exam = scale.sampled_exam()
    free = replace(exam.source, elided=ELIDED, thoughts="ignored")
    return replace(exam, name="zoo-edge-told", source=free)
