"""What studies of mid-training methods share: the first reference, stages made of a scale's own, those that think."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from models.reasoning import Reasoning
from models.stages import Stage
from models.stages.annotate import ORACLE, Annotate
from models.stages.coldstart import ColdStart
from models.stages.midtrain import Midtrain
from models.stages.rl import RL
from models.stages.rlp import RLP
from models.stages.rmt import RMT
from models.stages.thinking import Thinking
from studies.exam import Exam
from studies.probe import THOUGHTS
from studies.run import Recipe
from studies.scales import REPLAY_SHARE, Scale
from synth.problem import Mixture

COLD_SHARE = 0.1  # of a budget, for the cold start: short (methods.md 2.6 gives no length)
ELIDED = 0.5  # probability that a text of the corpus of methods that think skips a step
LONGEST_THOUGHT = 154  # tokens: 2048 / 800 of RMT's first budget of 60 (methods.md 2.7)
PROBED = 4  # thoughts a problem in the causal probe
HARD_ONLY = (0.0, 0.0, 1.0)


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe and then these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The first reference of methods that need one: the base after next-token prediction and RL with a method's
    budget each. It is an arm of every study here, so no teacher is trained for a method's sake (methods.md 1.2)."""
    return scale.base() + scale.midtrain(scale.method_flops) + scale.rl(scale.method_flops)


def alike(kind: type[Stage], stage: Stage, **more) -> Stage:
    """A stage of another kind with every field of ``stage`` (data, budget, rate) and ``more``. Raises TypeError if that
    kind lacks one of them."""
    return kind(**{field.name: getattr(stage, field.name) for field in fields(stage)}, **more)


def annealed(scale: Scale, flops: float, stage: Callable[[float], Stage]) -> tuple[Stage, Stage]:
    """A stage that must follow the end of pre-training, which takes the same share of any budget as of an arm's."""
    anneal = replace(scale.anneal(), flops=flops * scale.anneal_flops / scale.arm_flops)
    return anneal, stage(flops - anneal.flops)


# Methods that think before they predict. Their corpus skips steps; each has the same corpus and the same cold start.


def tagged(scale: Scale) -> Scale:
    """The same scale with the tags of thoughts among its model's tokens."""
    return replace(scale, model=replace(scale.model, vocab=replace(scale.model.vocab, thoughts=True)))


def gaps(scale: Scale) -> Mixture:
    """Problems at the edge whose solutions skip steps: the texts that thinking may help to predict."""
    return scale.mixed(scale.edge, elided=ELIDED)


def coldstart(scale: Scale, flops: float) -> ColdStart:
    """Short imitation of thoughts at depths that the base has been trained on."""
    data = scale.mixed((max(2, scale.band[0]), scale.band[1]), elided=ELIDED, thoughts="oracle")
    return ColdStart(flops=COLD_SHARE * flops, rows=scale.rows, optim=scale.sft_optim, data=data)


def thought(scale: Scale, flops: float, kind: type[Reasoning], **more) -> tuple[Stage, ...]:
    """The end of pre-training, the cold start and a stage that thinks, with prompts, groups and rate of RL."""
    anneal, cold = annealed(scale, flops, lambda rest: coldstart(scale, flops))
    rl = scale.rl(flops - anneal.flops - cold.flops)
    own = {"flops": rl.flops, "rows": rl.rows, "group": rl.group, "optim": rl.optim, "max_new": LONGEST_THOUGHT}
    return anneal, cold, kind(data=scale.replayed(gaps(scale)), **own, **more)


def mixed_sft(scale: Scale, flops: float) -> tuple[Stage, ...]:
    """The control without which none of them should be reported (related.md 1.5): the cold start, and next-token
    prediction on the same texts with skipped steps and full ones replayed."""
    cold = coldstart(scale, flops)
    return cold, replace(scale.midtrain(flops - cold.flops), data=gaps(scale))


def implicit(scale: Scale) -> Mixture:
    """Problems of the edge whose solutions leave steps out (methods.md 4.7, raw corpus)."""
    return scale.mixed(scale.edge, elided=ELIDED, thoughts="oracle")


def raw(scale: Scale, flops: float) -> Midtrain:
    """The control of all that is annotated: next-token prediction on such a corpus as it is, without thoughts."""
    return replace(scale.midtrain(flops), data=gaps(scale))


def annotated(scale: Scale, flops: float, annotator: Recipe | str) -> Annotate:
    """Mid-training on the implicit corpus with an annotator's thoughts, and the replay that next-token prediction has."""
    plain = scale.midtrain(flops)
    return Annotate(
        flops=flops, rows=plain.rows, optim=plain.optim, data=implicit(scale), replay=plain.replay,
        replay_share=REPLAY_SHARE, annotator=annotator, max_thought=scale.max_new,
    )  # fmt: skip


def annotator(scale: Scale) -> Recipe:
    """The learned annotator: the base after a method's budget of the generator's own thoughts. It is an arm itself."""
    return scale.base() + annotated(scale, scale.method_flops, ORACLE)


def thought_rl(scale: Scale, flops: float, **more) -> Thinking:
    """RL on thoughts before segments of the implicit corpus, where the learned annotator would think."""
    plain = scale.rl(flops)
    own = {"rows": plain.rows, "group": plain.group, "optim": plain.optim, "max_new": scale.max_new}
    return Thinking(flops=flops, data=implicit(scale), annotator=annotator(scale), **own, **more)


def thinking(scale: Scale, flops: float, share: float = 0.5, **more) -> tuple[Stage, Stage]:
    """A budget of which this share is RL on thoughts before segments of one half of the corpus; what comes before it
    imitates annotated chunks of the other half."""
    return annotated(scale, (1 - share) * flops, annotator(scale)), thought_rl(scale, share * flops, **more)


def told_exam(scale: Scale) -> Exam:
    """The sampled exam of the edge in which responses may think and leave steps out: each arm answers in its own way."""
    exam = scale.sampled_exam()
    free = replace(exam.source, elided=ELIDED, thoughts="ignored")
    return replace(exam, name="zoo-edge-told", source=free)


def told_rl(scale: Scale, flops: float) -> RL:
    """RL from question to thought and answer (methods.md 4.1): a scale's own, on problems of the edge whose responses may
    think and leave steps out, as in ``told_exam``."""
    return scale.rl(flops, data=scale.mixed(scale.edge, elided=ELIDED, thoughts="ignored"))


def probes(scale: Scale) -> tuple[Exam, ...]:
    """What follows a thought in which stands the model's own, none, its own tokens shuffled, or another problem's."""
    told = told_exam(scale)
    return tuple(replace(told, name=f"thought-{t}", kind="probe", samples=PROBED, thought=t) for t in THOUGHTS)


THINKERS = {
    "mixed SFT": mixed_sft,
    "RLP": lambda scale, flops: thought(scale, flops, RLP),
    "RPT": lambda scale, flops: thought(scale, flops, RMT, budget=None, early=HARD_ONLY, late=HARD_ONLY, ntp=0.0),
    "RMT": lambda scale, flops: thought(scale, flops, RMT),
}
ANNOTATED = {
    "thinking SFT, oracle": lambda scale, flops: (annotated(scale, flops, ORACLE),),
    "thinking SFT": lambda scale, flops: (annotated(scale, flops, annotator(scale)),),
    "thinking": thinking,
}
