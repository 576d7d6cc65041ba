"""What studies of mid-training methods share: the first reference, stages made of a scale's own, those that think."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from interlude.models.gpt import GPT
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward
from interlude.models.stage import Stage
from interlude.models.stages.annotate import ORACLE, Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.interleave import Interleave
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.switch import Switch
from interlude.models.stages.thinking import Judge, Thinking
from interlude.models.stages.withdraw import Withdraw
from interlude.models.thought_rl import Bins, Reasoning
from interlude.studies.exam import Exam
from interlude.studies.exams.probe import THOUGHTS, ProbeExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.scales import REPLAY_SHARE, WORLDS, Scale, blend
from interlude.synth.solution_style import Words
from interlude.synth.source import Mixture

S = TypeVar("S", bound=Scale)

# Share of the arena's texts that stop early, leaving out their last one to three steps, and of the base's own texts
# that show thoughts, where the missing steps stand in one.
STOPS, SHOWN = 0.35, 0.5
PLAIN_SHARE = 0.5  # of the rows of the base's decay: without them it unteaches solutions without thoughts
LONGEST_THOUGHT = 64  # tokens: three steps of 17, and the closing tag and the predicted token
BINS = Bins(longest=128)  # in which RMT's budget is told: seven numbers, log-spaced (one bin is empty below 128)
BUDGET = 60  # RMT's first, in tokens: about twice the mean of what texts leave out, two steps
THOUGHTS_A_PLACE = 8
SEGMENT = 24  # tokens of a step, at most
PROBED = 4  # thoughts a problem in the causal probe
# Three solutions in ten wrong (with replay a quarter of rows) and words of choice in every step: where every
# token is pivotal, weighing tokens is vacuous. Few remarks: one in four names what is not given, and costs a solution.
NOISY = Words(remarks=0.1, error_rate=0.3)
HARD_ONLY = (0.0, 0.0, 1.0)
UNEQUAL = (
    "a stage ends with the step that spends its budget, and at nano one step of rollouts costs up to 3 % of a method's"
)


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe and then these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The first reference of methods that need one: the base after next-token prediction and RL with a method's
    budget each. It is an arm of every study here, so no teacher is trained for a method's sake (arXiv 2602.03075)."""
    return scale.base() + scale.midtrain(scale.method_flops) + scale.rl(scale.method_flops)


def alike(kind: type[Stage], stage: Stage, **more) -> Stage:
    """A stage of another kind with every field of ``stage`` (data, budget, rate) and ``more``. Raises TypeError if that
    kind lacks one of them."""
    return kind(**{field.name: getattr(stage, field.name) for field in fields(stage)}, **more)


@dataclass(frozen=True)
class Arena(Scale):
    """A scale on which methods of mid-training can differ. All begin with one decayed base that knows thoughts, as a
    GPT from scratch has no format to begin with; all read one corpus at the edge, a share of whose texts stop early and
    give the answer at once; and RL and sampled exams demand the whole solution, in thoughts or outside them.

    A text that stops early breaks nothing before its end, so that next-token prediction on it teaches depth; what it
    teaches wrongly is where to stop, and what it leaves out a thought can supply.
    """

    def corpus(self) -> Mixture:
        return self.mixture(self.edge, stop_prob=STOPS, thoughts="ignored", unwrapped=True)

    def implicit(self) -> Mixture:
        """The corpus with what it leaves out in thoughts: what annotators are compared with, and an upper bound."""
        return self.mixture(self.edge, stop_prob=STOPS, thoughts="oracle", unwrapped=True)

    def within(self) -> Mixture:
        return self.mixture(self.band, thoughts="ignored", unwrapped=True)

    def full(self) -> Mixture:
        """The problems of the corpus with whole solutions."""
        return self.mixture(self.edge)

    def traces(self, share: float = SHOWN) -> Mixture:
        """Pre-training's problems, a share of whose solutions have their last steps in a thought."""
        copies = {"copies": self.copies[0], "copy_ratio": self.copies[1]}
        return self.mixture(self.band, stop_prob=share, thoughts="oracle", unwrapped=True, **copies)

    def base(self) -> Recipe:
        return self.stable() + self.formats()

    def formats(self, told: Bins | None = None) -> ColdStart:
        """The base's decay, half on texts that show thoughts: a decay on plain ones unteaches them."""
        more = {"optim": replace(self.optim, schedule="linear"), "data": self.traces(), "idle": 1.0, "told": told}
        more |= {"replay": self.pretraining(), "replay_share": PLAIN_SHARE}
        return ColdStart(flops=self.anneal_flops, batch_size=self.batch_size, **more)

    def sampled_exam(self, band: str = "edge", world: str = WORLDS[0], opened: str = "") -> SampledExam:
        exam = super().sampled_exam(band, world)
        source = replace(exam.source, thoughts="ignored", unwrapped=True)
        return replace(exam, name=exam.name + f"-{opened}" * bool(opened), source=source, opened=opened)

    def asked(self) -> tuple[Exam, ...]:
        """The sampled exams of every arm: free, with a thought opened before the answer, and on the band."""
        return self.sampled_exam(), self.sampled_exam(opened="answer"), self.sampled_exam("band")


def arena(scale: Scale) -> Arena:
    """The same scale as an ``Arena``, with the tags of thoughts among its model's tokens; a method may spend what
    an arm of other studies does, and the RL after it the same (with more, RL repairs whatever came before it)."""
    if isinstance(scale, Arena):
        return scale
    return recast(Arena, replace(scale, method_flops=scale.arm_flops), thoughts=True)


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
    """The same scale as a ``Worded`` one, with the words of one's choice among its model's tokens and the arena's
    budgets."""
    return recast(Worded, replace(scale, method_flops=scale.arm_flops), words=True)


def recast(kind: type[S], scale: Scale, **more: bool) -> S:
    """A scale of another kind with every field of ``scale``, and more tokens in its model's vocabulary.

    Raises ValueError where the model has a tokenizer of its own.
    """
    if not isinstance(scale.model, GPT):
        what = "whose model has a tokenizer of its own"
        raise ValueError(f"scale {scale.name}, {what}, cannot be made {kind.__name__}: this study is not for it")
    held = {field.name: getattr(scale, field.name) for field in fields(scale)}
    return kind(**held | {"model": replace(scale.model, vocab=replace(scale.model.vocab, **more))})


def thought(scale: Arena, flops: float, kind: type[Reasoning], **more) -> tuple[Stage, ...]:
    """A stage that thinks before tokens of the corpus, those that can be inferred unless ``more`` says otherwise, at
    three times RL's rate (with RL's, it has hardly moved at the end of a method's budget)."""
    rl = scale.rl(flops)
    optim = replace(rl.optim, matrix_lr=3 * rl.optim.matrix_lr, other_lr=3 * rl.optim.other_lr)
    own = {"flops": flops, "batch_size": rl.batch_size, "num_samples": THOUGHTS_A_PLACE, "optim": optim}
    own |= {"max_new_tokens": LONGEST_THOUGHT, "places": "inferable"}
    return (kind(data=scale.corpus(), **own | more),)


def rmt(scale: Arena, flops: float, **more) -> tuple[Stage, ...]:
    """RMT with a budget that only its reward knows, as its base has been told no lengths."""
    return thought(scale, flops, RMT, **{"budget": BUDGET} | more)


def rpt(scale: Arena, flops: float, **more) -> tuple[Stage, ...]:
    """RPT: the match is all that is paid, and nothing is read."""
    return thought(scale, flops, RMT, budget=None, early=HARD_ONLY, late=HARD_ONLY, ntp=0.0, **more)


def mixed_sft(scale: Arena, flops: float) -> tuple[Stage, ...]:
    """The control without which no method that thinks should be reported: one stage on the corpus and, as often, on
    solutions that think (arXiv 2608.23256)."""
    return (replace(scale.midtrain(flops), data=blend((0.5, scale.corpus()), (0.5, scale.traces()))),)


def annotated(scale: Arena, flops: float, annotator: Recipe | str) -> Annotate:
    """Mid-training on the corpus with an annotator's thoughts, the likeliest ones, and the replay that next-token
    prediction has. The loss is on solutions, as next-token prediction's and all pre-training's here."""
    plain = scale.midtrain(flops)
    return Annotate(
        flops=flops, batch_size=plain.batch_size, optim=plain.optim, data=scale.implicit(), replay=plain.replay,
        replay_share=REPLAY_SHARE, annotator=annotator, temperature=0.0, max_thought=LONGEST_THOUGHT,
        targets="solution",
    )  # fmt: skip


def annotator(scale: Arena) -> Recipe:
    """The learned annotator: the base after an arm's budget of texts that stop early with what they leave out in a
    thought, of the band and, on problems of its own, of the edge. It stands for the paper's ready-made and far larger
    model, which can write what a text leaves out; its training is not charged. (One that had seen thoughts in the band
    alone wrote 0.13 of the edge's rightly.)"""
    seen = blend((0.5, scale.implicit()), (0.5, scale.traces(STOPS)))
    return scale.base() + replace(scale.midtrain(scale.arm_flops), data=seen)


def thought_rl(scale: Arena, flops: float, **more) -> Thinking:
    """RL on thoughts before segments of the corpus, where the learned annotator would think, with as much of the band
    replayed as other RL has."""
    plain = scale.rl(flops)
    own = {"batch_size": plain.batch_size, "num_samples": plain.num_samples, "optim": plain.optim}
    data = blend((1 - REPLAY_SHARE, scale.implicit()), (REPLAY_SHARE, scale.traces(STOPS)))
    room = LONGEST_THOUGHT + SEGMENT
    return Thinking(flops=flops, data=data, annotator=annotator(scale), max_new_tokens=room, **own, **more)


def thinking(scale: Arena, flops: float, share: float = 0.5, targets: str = "solution", **more) -> tuple[Stage, Stage]:
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


def probes(scale: Arena) -> tuple[Exam, ...]:
    """What follows a thought in which stands the model's own, none, its own tokens shuffled, or another problem's."""
    asked = scale.sampled_exam()
    source = replace(asked.source, stop_prob=1.0)
    more = {"samples": PROBED, "max_new_tokens": LONGEST_THOUGHT + SEGMENT}
    return tuple(ProbeExam(f"thought-{t}", source, asked.problems, thought=t, **more) for t in THOUGHTS)


def adamw(stage: Stage) -> Stage:
    """The same RL with the optimiser and the settings of its papers (arXiv 2402.03300, 2503.14476): AdamW, under which
    the size of advantages counts, as Muon makes every update of a matrix equally large; four updates a batch and a KL
    to the stage's beginning of weight 0.001. The rate is ours, as a small model's is larger."""
    optim = replace(stage.optim, kind="adamw", other_lr=ADAMW_RATE)
    return replace(
        stage,
        optim=optim,
        updates_per_batch=math.gcd(4, stage.batch_size),
        objective=replace(stage.objective, kl=0.001),
    )


def interleaved(scale: Arena, flops: float) -> tuple[Stage, ...]:
    """RL and next-token prediction on the corpus by turns, at the rate of imitation in SFT."""
    rl = replace(scale.rl(flops), optim=scale.sft_optim)
    text = {"text": scale.corpus(), "replay": scale.pretraining(), "replay_share": REPLAY_SHARE}
    return (alike(Interleave, rl, **text),)


ADAMW_RATE = 3e-4
Row = Callable[[Arena, float], tuple[Stage, ...]]  # a method: its stages after the base, of so many FLOPs in all
CONTROLS: dict[str, Row] = {
    "NTP": lambda scale, flops: (scale.midtrain(flops),),
    "pre-training": lambda scale, flops: (replace(scale.anneal(), flops=flops),),
    "random reward": lambda scale, flops: (scale.rl(flops, Reward("random")),),
}
BOUNDS: dict[str, Row] = {  # what no method has: whole texts, or the generator's own thoughts
    "NTP, full texts": lambda scale, flops: (replace(scale.midtrain(flops), data=scale.full()),),
    "thinking SFT, oracle": lambda scale, flops: (annotated(scale, flops, ORACLE),),
}
METHODS: dict[str, Row] = {
    "ReMiT": lambda scale, flops: (alike(ReMiT, scale.midtrain(flops), reference=tuned(scale)),),
    "distillation": lambda scale, flops: (alike(Distil, scale.midtrain(flops), reference=tuned(scale)),),
    "SFT": lambda scale, flops: (scale.sft(flops),),
    "RFT": lambda scale, flops: (scale.rft(flops),),
    "RL": lambda scale, flops: (scale.rl(flops),),
    "RL, AdamW": lambda scale, flops: (adamw(scale.rl(flops)),),
    "ReLIFT": lambda scale, flops: (alike(ReLIFT, scale.rl(flops)),),
    "mixed SFT": mixed_sft,
    "RLP": lambda scale, flops: thought(scale, flops, RLP),
    "RPT": rpt,
    "RMT": rmt,
    "RMT, entropy": lambda scale, flops: rmt(scale, flops, places="any"),
    "thinking SFT": lambda scale, flops: (annotated(scale, flops, annotator(scale)),),
    "thinking": thinking,
    "switch": lambda scale, flops: (alike(Switch, scale.midtrain(flops), reference=tuned(scale)),),
    "RLPT": lambda scale, flops: (replace(thought_rl(scale, flops), annotator="any"),),
    "interleaving": interleaved,
    "withdrawal": lambda scale, flops: (alike(Withdraw, replace(scale.rl(flops), data=scale.corpus())),),
}


def thoughts_varied(scale: Arena, flops: float) -> dict[str, tuple[Stage, ...]]:
    """The arms of the study of thoughts: who thinks, what a thought holds, who judges, which tokens have a loss."""
    rows = METHODS | BOUNDS
    made = {name: rows[name](scale, flops) for name in ("thinking SFT, oracle", "thinking SFT", "thinking")}
    raw, sft = scale.midtrain(flops), made["thinking SFT"][0]
    made |= {"pre-training": (replace(scale.anneal(), flops=flops),), "NTP": (raw,)}
    made |= {"NTP, all tokens": (replace(raw, targets="all"),)}
    made |= {"thinking SFT, all tokens": (replace(sft, targets="all"),)}
    made |= {f"thinking SFT, {content}": (replace(sft, content=content),) for content in ("shuffled", "empty")}
    made |= {f"thinking, {name}": thinking(scale, flops, **more) for name, more in VARIED.items()}
    return made | {"thinking, RL alone": (scale.midtrain(flops / 2), thought_rl(scale, flops / 2))}
