"""What studies of mid-training methods share: the first reference, stages made of a scale's own, those that think."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from interlude.models.recipe import Recipe
from interlude.models.stage import Stage
from interlude.models.stages.annotate import ORACLE, Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.thinking import Judge, Thinking
from interlude.models.thought_rl import Bins, Reasoning
from interlude.studies.exam import Exam
from interlude.studies.exams.probe import THOUGHTS, ProbeExam
from interlude.studies.scales import REPLAY_SHARE, WORLDS, Scale, blend
from interlude.synth.solution_style import Words
from interlude.synth.source import Mixture

S = TypeVar("S", bound=Scale)

# Probability of each step but the last to be skipped: at the edge, where two texts in five then skip one or more
# (at 0.5, RL after next-token prediction solved nothing there), and in the solutions that show thoughts.
ELIDED, TRACED = 0.1, 0.5
# Of the rows of the cold start: without them it unteaches solutions without thoughts.
PLAIN_SHARE = 0.5
ANNEAL_SHARE = 0.4  # of a budget, for the decay of a base that was left at a constant rate
LONGEST_THOUGHT = 154  # tokens: 2048 / 800 (arXiv 2509.24375) of RMT's first budget of 60
BINS = Bins(longest=LONGEST_THOUGHT)  # in which RMT's budget is stated: seven numbers, log-spaced
PROBED = 4  # thoughts a problem in the causal probe
# Three solutions in ten wrong (with replay a quarter of rows) and words of choice in every step: where every
# token is pivotal, weighing tokens is vacuous. Few remarks: one in four names what is not given, and costs a solution.
NOISY = Words(remarks=0.1, error_rate=0.3)
HARD_ONLY = (0.0, 0.0, 1.0)
UNEQUAL = (
    "a stage ends with the step that spends its budget, and at nano one step of rollouts costs up to 8 % of a method's"
)


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe and then these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The first reference of methods that need one: the base after next-token prediction and RL with a method's
    budget each. It is an arm of every study here, so no teacher is trained for a method's sake (arXiv 2602.03075)."""
    return scale.stable() + scale.midtrain(scale.method_flops) + scale.rl(scale.method_flops)


def alike(kind: type[Stage], stage: Stage, **more) -> Stage:
    """A stage of another kind with every field of ``stage`` (data, budget, rate) and ``more``. Raises TypeError if that
    kind lacks one of them."""
    return kind(**{field.name: getattr(stage, field.name) for field in fields(stage)}, **more)


def annealed(scale: Scale, flops: float, stage: Callable[[float], Stage]) -> tuple[Stage, Stage]:
    """A stage that must follow the end of pre-training, which takes the same share of any budget."""
    anneal = replace(scale.anneal(), flops=ANNEAL_SHARE * flops)
    return anneal, stage(flops - anneal.flops)


@dataclass(frozen=True)
class Primed(Scale):
    """A scale on which methods that think can be compared with those that do not: all read the same corpus at the edge,
    whose texts skip steps, as a text in full leaves thoughts nothing to infer; what RL
    and sampled exams judge may skip steps and think; and all start from one base that has been shown thoughts, at
    depths it knows, since a GPT from scratch has no format to begin with."""

    def corpus(self) -> Mixture:
        return self.mixture(self.edge, skip_prob=ELIDED, thoughts="ignored")

    def traces(self, skip_prob: float = TRACED) -> Mixture:
        """Problems of the band whose skipped steps stand in thoughts."""
        return self.mixture((max(2, self.band[0]), self.band[1]), skip_prob=skip_prob, thoughts="oracle")

    def stable(self) -> Recipe:
        stable = replace(self.optim, schedule="constant")
        return super().stable() + replace(self.decay(1.0), flops=None, steps=self.cold_steps, optim=stable)

    def decay(self, flops: float) -> ColdStart:
        """Solutions that think while the rate decays to its floor, in the share of a budget that ``annealed`` takes: a
        decay on plain solutions unteaches thinking (of thoughts 1.00 were closed before, 0.00 after)."""
        more = {"optim": replace(self.optim, schedule="linear"), "data": self.traces(), "idle": 1.0}
        more |= {"replay": self.pretraining(), "replay_share": PLAIN_SHARE}
        return ColdStart(flops=ANNEAL_SHARE * flops, batch_size=self.batch_size, **more)

    def sampled_exam(self, band: str = "edge", world: str = WORLDS[0]) -> Exam:
        exam = super().sampled_exam(band, world)
        return replace(exam, source=replace(exam.source, skip_prob=ELIDED, thoughts="ignored"))


def primed(scale: Scale) -> Primed:
    """The same scale as a ``Primed`` one, with the tags of thoughts among its model's tokens."""
    return recast(Primed, scale, thoughts=True)


@dataclass(frozen=True)
class Worded(Scale):
    """A scale whose mid-training texts are as a corpus is: steps open and conclude with words of one's choice, remarks
    help no one, and a share of the solutions ends wrong, having concluded with one word throughout. Otherwise every
    token is pivotal, and weighing tokens is vacuous. The base has read such words in the band, longer
    than it takes to learn them; RL and exams allow them; the solutions that SFT and the bound read are all right."""

    def corpus(self) -> Mixture:
        return self.mixture(self.edge, words=replace(NOISY, error_rate=0.0))

    def within(self) -> Mixture:
        return self.mixture(self.band, words=replace(NOISY, error_rate=0.0))

    def pretraining(self) -> Mixture:
        plain = super().pretraining()
        return Mixture(tuple((share, replace(s, words=replace(NOISY, error_rate=0.0))) for share, s in plain.parts))

    def stable(self) -> Recipe:
        stable = replace(self.optim, schedule="constant")
        return super().stable() + Pretrain(
            steps=self.cold_steps, batch_size=self.batch_size, optim=stable, data=self.pretraining()
        )

    def midtrain(self, flops: float) -> Midtrain:
        return replace(super().midtrain(flops), data=self.mixture(self.edge, words=NOISY))

    def sampled_exam(self, band: str = "edge", world: str = WORLDS[0]) -> Exam:
        exam = super().sampled_exam(band, world)
        return replace(exam, source=replace(exam.source, words=replace(NOISY, error_rate=0.0)))


def worded(scale: Scale) -> Worded:
    """The same scale as a ``Worded`` one, with the words of one's choice among its model's tokens."""
    return recast(Worded, scale, words=True)


def recast(kind: type[S], scale: Scale, **more: bool) -> S:
    """A scale of another kind with every field of ``scale``, and more tokens in its model's vocabulary."""
    held = {field.name: getattr(scale, field.name) for field in fields(scale)}
    return kind(**held | {"model": replace(scale.model, vocab=replace(scale.model.vocab, **more))})


def thought(scale: Primed, flops: float, kind: type[Reasoning], **more) -> tuple[Stage, ...]:
    """A stage that thinks, with prompts, groups and rate of RL, after a decay on solutions that think. A stage that is
    told its budget (``told`` in ``more``) has a decay that tells lengths."""
    cold = replace(scale.decay(flops), told=more.get("told"))
    rl = scale.rl(flops - cold.flops)
    own = {
        "flops": rl.flops,
        "batch_size": rl.batch_size,
        "num_samples": rl.num_samples,
        "optim": rl.optim,
        "max_new_tokens": LONGEST_THOUGHT,
    }
    return cold, kind(data=rl.data, **own, **more)


def mixed_sft(scale: Primed, flops: float) -> tuple[Stage, ...]:
    """The control without which none of them should be reported (arXiv 2608.23256): one stage on the corpus and, as
    often, on solutions that think."""
    return (replace(scale.midtrain(flops), data=blend((0.5, scale.corpus()), (0.5, scale.traces()))),)


def implicit(scale: Primed) -> Mixture:
    """The corpus, as annotators read it: with the steps that it leaves out."""
    return scale.mixture(scale.edge, skip_prob=ELIDED, thoughts="oracle")


def annotated(scale: Primed, flops: float, annotator: Recipe | str) -> Annotate:
    """Mid-training on the implicit corpus with an annotator's thoughts, the likeliest ones, and the replay
    that next-token prediction has. The loss is on solutions, as next-token prediction's and all pre-training's here:
    on all tokens, as in the paper, a base that was never asked for questions loses its band."""
    plain = scale.midtrain(flops)
    return Annotate(
        flops=flops, batch_size=plain.batch_size, optim=plain.optim, data=implicit(scale), replay=plain.replay,
        replay_share=REPLAY_SHARE, annotator=annotator, temperature=0.0, max_thought=scale.max_new_tokens,
        targets="solution",
    )  # fmt: skip


def annotator(scale: Primed) -> Recipe:
    """The learned annotator: the base after a whole arm's budget of solutions that think at depths it knows and skip as
    often as the corpus does, so that no one shows it what the corpus leaves out. It stands for the paper's ready-made
    and far larger model; its training is not charged."""
    return scale.stable() + replace(scale.midtrain(scale.arm_flops), data=scale.traces(ELIDED))


def thought_rl(scale: Primed, flops: float, **more) -> Thinking:
    """RL on thoughts before segments of the implicit corpus, where the learned annotator would think."""
    plain = scale.rl(flops)
    own = {
        "batch_size": plain.batch_size,
        "num_samples": plain.num_samples,
        "optim": plain.optim,
        "max_new_tokens": scale.max_new_tokens,
    }
    return Thinking(flops=flops, data=implicit(scale), annotator=annotator(scale), **own, **more)


def thinking(scale: Primed, flops: float, share: float = 0.5, targets: str = "solution", **more) -> tuple[Stage, Stage]:
    """A budget of which this share is RL on thoughts before segments of one half of the corpus; what comes before it
    imitates annotated chunks of the other half, or all their tokens."""
    imitated = replace(annotated(scale, (1 - share) * flops, annotator(scale)), targets=targets)
    return imitated, thought_rl(scale, share * flops, **more)


REWEIGHED = {  # ReMiT's controls that differ from it in a token's weight alone
    "shuffled weights": {"weights": "shuffled"},
    "top-k": {"weights": "topk", "renormalise": True},
    "renormalised": {"renormalise": True},
}
VARIED = {  # how else "thinking" is run: the share of a budget on RL, half otherwise, who judges, the paper's loss
    "1/4 RL": {"share": 0.25},
    "3/4 RL": {"share": 0.75},
    "judge of values": {"judge": Judge("value")},
    "noisy judge": {"judge": Judge(noise=0.1)},
    "all tokens": {"targets": "all"},
}


def probes(scale: Primed) -> tuple[Exam, ...]:
    """What follows a thought in which stands the model's own, none, its own tokens shuffled, or another problem's."""
    asked = scale.sampled_exam()
    more = {"samples": PROBED, "max_new_tokens": asked.max_new_tokens}
    return tuple(ProbeExam(f"thought-{t}", asked.source, asked.problems, thought=t, **more) for t in THOUGHTS)


THINKERS = {
    "mixed SFT": mixed_sft,
    "RLP": lambda scale, flops: thought(scale, flops, RLP),
    "RPT": lambda scale, flops: thought(scale, flops, RMT, budget=None, early=HARD_ONLY, late=HARD_ONLY, ntp=0.0),
    "RMT": lambda scale, flops: thought(scale, flops, RMT, told=BINS),
}
FULL = {
    "NTP, full texts": lambda scale, flops: (replace(scale.midtrain(flops), data=scale.mixture(scale.edge)),)
}  # a bound
ANNOTATED = {
    "thinking SFT, oracle": lambda scale, flops: (annotated(scale, flops, ORACLE),),
    "thinking SFT": lambda scale, flops: (annotated(scale, flops, annotator(scale)),),
    "thinking": thinking,
}
