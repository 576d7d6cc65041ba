"""Shared parts of the studies of mid-training methods: scales, the reference model, and each method's stages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from interlude.models.gpt import GPT
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe, references
from interlude.models.rollouts import Reward
from interlude.models.stage import Stage
from interlude.models.stages.annotate import ORACLE, Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.interleave import Interleave
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.ra3 import RA3
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.switch import Switch
from interlude.models.stages.thinking import Judge, Thinking
from interlude.models.stages.withdraw import Withdraw
from interlude.models.thought_rl import Bins, Reasoning
from interlude.studies.exam import Exam
from interlude.studies.exams.empty import EmptyExam
from interlude.studies.exams.match import MatchExam
from interlude.studies.exams.probe import THOUGHTS, ProbeExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.exams.uncertainty import UncertaintyExam
from interlude.studies.scales import REPLAY_SHARE, WORLDS, Scale, blend
from interlude.synth.solution_style import Words
from interlude.synth.source import Mixture

S = TypeVar("S", bound=Scale)

# STOPS: share of the corpus' texts that stop early, without their last one to three steps. SHOWN: the same share in the
# base's own texts, where a thought contains the missing steps.
STOPS, SHOWN = 0.35, 0.5
PLAIN_SHARE = 0.5  # of the rows in the base's decay: without them the base forgets solutions without thoughts
LONGEST_THOUGHT = 64  # tokens: three steps of 19, the closing tag and the predicted token
BINS = Bins(longest=128)  # how RMT's budget is stated in the prompt: seven log-spaced bins (below 128 one is empty)
BUDGET = 60  # RMT's initial budget in tokens: three steps, the most that a text leaves out (39 tokens in the mean)
THOUGHTS_A_PLACE = 8
THOUGHT_RATE = 1 / 3  # of RL's learning rates
LOW_RATE = 0.1  # of the leaderboard's rates of reading, which are pre-training's
SEGMENT = 24  # most tokens of a step
PROBED = 4  # thoughts per problem in the causal probe
# One step in ten finds a wrong number, so that six solutions in ten are wrong, and every step contains freely chosen
# words: if every token mattered, token weights would have nothing to do. Slips at every step, and not one at the end,
# so that what weights gain at each adds up. Remarks are rare: one in four names a quantity that is not given, which
# costs a solution.
NOISY = Words(remarks=0.1, error_rate=0.1)
UNIFORM = (1 / 3, 1 / 3, 1 / 3)
HARD_ONLY = (0.0, 0.0, 1.0)
LAST_STEPS = (
    "a stage ends with the step that uses up its budget; at nano one step of rollouts costs up to 6 % of that budget"
)


def last_steps(scale: Scale) -> dict:
    """The fields of a study whose arms' measured FLOPs differ by their last steps: at most by the tenth that ``Study``
    allows, but at smoke, where a budget is a few steps, by half."""
    return {"last_steps": LAST_STEPS} | ({"last_steps_tolerance": 0.5} if scale.name == "smoke" else {})


def explored(scale: Scale, count: int = 3) -> tuple[int, ...]:
    """The seeds of a method's own study: the last of the board's, whose arms it shares. Learning rates were chosen
    again after failures at the first two."""
    return (scale.board_seeds or scale.seeds)[-count:]


def joined(recipe: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    """The recipe, continued with these stages."""
    return replace(recipe, stages=recipe.stages + stages)


def tuned(scale: Scale) -> Recipe:
    """The reference model of methods that need one: the base after next-token prediction, then RL, each with the budget
    of one method. Every study here has it as an arm, so no method needs an extra teacher (arXiv 2602.03075)."""
    return scale.base() + scale.midtrain(scale.method_flops) + scale.rl(scale.method_flops)


def alike(kind: type[Stage], stage: Stage, **more) -> Stage:
    """A stage of class ``kind`` with all fields of ``stage`` (data, budget, learning rate) and ``more``. Raises
    TypeError if the class lacks one of these fields."""
    return kind(**{field.name: getattr(stage, field.name) for field in fields(stage)}, **more)


@dataclass(frozen=True)
class Arena(Scale):
    """A scale on which mid-training methods can differ. All arms start from one base after learning-rate decay that
    already knows the format of thoughts, because a GPT from scratch does not. All train on one corpus at the edge. A
    share of its texts stop early: they skip the last steps and give the answer at once. RL and sampled exams require
    every step, inside a thought or outside.

    A text that stops early is correct up to its end, so next-token prediction on it still teaches depth. It teaches one
    thing wrongly, where to stop, and a thought can supply the missing steps.
    """

    def corpus(self) -> Mixture:
        return self.mixture(self.edge, stop_prob=STOPS, thoughts="ignored", unwrapped=True)

    def implicit(self) -> Mixture:
        """The corpus with its missing steps in thoughts: an upper bound, and the standard for annotators."""
        return self.mixture(self.edge, stop_prob=STOPS, thoughts="oracle", unwrapped=True)

    def stopping(self) -> Mixture:
        """Texts of the corpus's kind that all stop early, with their missing steps in thoughts."""
        return self.mixture(self.edge, stop_prob=1.0, thoughts="oracle", unwrapped=True)

    def within(self) -> Mixture:
        return self.mixture(self.band, thoughts="ignored", unwrapped=True)

    def full(self) -> Mixture:
        """The problems of the corpus with complete solutions."""
        return self.mixture(self.edge)

    def traces(self, share: float = SHOWN) -> Mixture:
        """The problems of pre-training; a share of the solutions have their last steps in a thought."""
        copies = {"copies": self.copies[0], "copy_ratio": self.copies[1]}
        return self.mixture(self.band, stop_prob=share, thoughts="oracle", unwrapped=True, **copies)

    def base(self) -> Recipe:
        return self.stable() + self.formats()

    def formats(self, told: Bins | None = None) -> ColdStart:
        """The base's learning-rate decay, half of it on texts with thoughts: a decay on plain texts alone makes the
        base forget them."""
        more = {"optim": replace(self.optim, schedule="linear"), "data": self.traces(), "idle": 1.0, "told": told}
        more |= {"replay": self.pretraining(), "replay_share": PLAIN_SHARE}
        return ColdStart(flops=self.anneal_flops, batch_size=self.batch_size, **more)

    def sampled_exam(self, band: str = "edge", world: str = WORLDS[0], opened: str = "") -> SampledExam:
        exam = super().sampled_exam(band, world)
        source = replace(exam.source, thoughts="ignored", unwrapped=True)
        return replace(exam, name=exam.name + f"-{opened}" * bool(opened), source=source, opened=opened)

    def uncertainty_exam(self) -> UncertaintyExam:
        """Texts of the corpus that all stop early: is a model unsure where a thought could tell what is missing?"""
        source = replace(self.corpus().parts[0][1], split="held_out", stop_prob=1.0, length=self.length[1:] * 2)
        return UncertaintyExam(f"{WORLDS[0]}-edge-uncertainty", source, self.problems)

    def match_exams(self) -> tuple[MatchExam, ...]:
        """Held-out texts of the corpus: their next tokens with a thought and without, at any place of a solution; and,
        of texts that all stop early, at the one that a thought could infer."""
        read = replace(self.corpus().parts[0][1], split="held_out")
        sources = {"any": read, "inferable": replace(read, stop_prob=1.0)}
        return tuple(
            MatchExam(f"{WORLDS[0]}-edge-match-{places}", source, 2 * self.problems, places=places)
            for places, source in sources.items()
        )

    def empty_exam(self) -> EmptyExam:
        """Held-out texts of the corpus: is their next token as probable after an empty thought?"""
        source = replace(self.corpus().parts[0][1], split="held_out")
        return EmptyExam(f"{WORLDS[0]}-edge-empty", source, 2 * self.problems)

    def arm_exams(self) -> tuple[Exam, ...]:
        """The sampled exams of every arm: at the edge, at the edge with a thought opened before the answer, and in the
        band."""
        return self.sampled_exam(), self.sampled_exam(opened="answer"), self.sampled_exam("band")


def arena(scale: Scale) -> Arena:
    """The scale as an ``Arena``, with the tags of thoughts in the vocabulary. A method has the budget of an arm in
    other studies, and the RL after it the same again (longer RL would hide what came before it)."""
    if isinstance(scale, Arena):
        return scale
    return recast(Arena, replace(scale, method_flops=scale.arm_flops), thoughts=True)


@dataclass(frozen=True)
class Worded(Scale):
    """A scale with noisy mid-training texts, like a real corpus: steps open and conclude with freely chosen words, some
    remarks are useless, and a share of the steps find a wrong number, which later steps use. Without noise every token
    would matter, and token weights would have nothing to do. The base has read such words in the band, without wrong
    numbers, for longer than it needs to learn them. RL and exams allow them. SFT and the upper bound train on correct
    solutions only."""

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
    """The scale as a ``Worded`` one, with the freely chosen words in the vocabulary and the budgets of the arena."""
    return recast(Worded, replace(scale, method_flops=scale.arm_flops), words=True)


def recast(kind: type[S], scale: Scale, **more: bool) -> S:
    """A scale of class ``kind`` with all fields of ``scale`` and more tokens in the vocabulary of its model.

    Raises ValueError if the model has its own tokenizer.
    """
    if not isinstance(scale.model, GPT):
        raise ValueError(
            f"this study adds tokens to the vocabulary ({kind.__name__}), "
            f"but the model of scale {scale.name} has its own tokenizer"
        )
    held = {field.name: getattr(scale, field.name) for field in fields(scale)}
    return kind(**held | {"model": replace(scale.model, vocab=replace(scale.model.vocab, **more))})


def careful(optim: Optim) -> Optim:
    """The rates of RL on thoughts: a third of RL's. Its responses are short and its batches hold few places, so it has
    more and noisier steps: at RL's own rate RLP, RLPT and "thinking" forgot where solutions end at one tuning seed of
    two (0.01 to 0.05 at the edge), at a third at neither (0.24 to 0.83)."""
    return slower(optim, THOUGHT_RATE)


def slower(optim: Optim, share: float) -> Optim:
    """Both learning rates times ``share``."""
    return replace(optim, matrix_lr=optim.matrix_lr * share, other_lr=optim.other_lr * share)


def at_share(stages: tuple[Stage, ...], share: float, of: float | None = None) -> tuple[Stage, ...]:
    """The stages with their learning rates times ``share``. of: only those whose rate of matrices it is."""
    return tuple(
        replace(stage, optim=slower(stage.optim, share)) if of in (None, stage.optim.matrix_lr) else stage
        for stage in stages
    )


def slowed(row: Row, share: float) -> Row:
    """A row whose stages have their learning rates times ``share``."""
    return lambda scale, flops: at_share(row(scale, flops), share)


def referring(stages: tuple[Stage, ...], reference: Recipe) -> tuple[Stage, ...]:
    """The stages, those that learn from a reference model with this one."""
    return tuple(replace(each, reference=reference) if "reference" in references(each) else each for each in stages)


def thought(scale: Arena, flops: float, kind: type[Reasoning], **more) -> tuple[Stage, ...]:
    """A stage that thinks before tokens of the corpus, those that can be inferred unless ``more`` says otherwise."""
    rl = scale.rl(flops)
    own = {"flops": flops, "batch_size": rl.batch_size, "num_samples": THOUGHTS_A_PLACE, "optim": careful(rl.optim)}
    own |= {"max_new_tokens": LONGEST_THOUGHT, "places": "inferable"}
    return (kind(data=scale.corpus(), **own | more),)


def rmt(scale: Arena, flops: float, **more) -> tuple[Stage, ...]:
    """RMT whose token budget enters only the reward, as its base has not learned to read lengths in the prompt."""
    return thought(scale, flops, RMT, **{"budget": BUDGET} | more)


def rpt(scale: Arena, flops: float, **more) -> tuple[Stage, ...]:
    """RPT: the reward is only for a matching token, and there is no next-token prediction."""
    return thought(scale, flops, RMT, budget=None, early=HARD_ONLY, late=HARD_ONLY, ntp=0.0, **more)


def mixed_sft(scale: Arena, flops: float) -> tuple[Stage, ...]:
    """A control that every method with thoughts needs: one stage of SFT, half on the corpus and half on solutions with
    thoughts (arXiv 2608.23256)."""
    return (replace(scale.midtrain(flops), data=blend((0.5, scale.corpus()), (0.5, scale.traces()))),)


def annotated(scale: Arena, flops: float, annotator: Recipe | str) -> Annotate:
    """Mid-training on the corpus with an annotator's thoughts (greedy decoding) and the same replay as next-token
    prediction. The loss is on solutions, as in next-token prediction and all pre-training here."""
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
    """RL on thoughts before segments of the corpus, at the places where the learned annotator would think. It replays
    as much of the band as other RL."""
    plain = scale.rl(flops)
    own = {"batch_size": plain.batch_size, "num_samples": plain.num_samples, "optim": careful(plain.optim)}
    own["data"] = blend((1 - REPLAY_SHARE, scale.implicit()), (REPLAY_SHARE, scale.traces(STOPS)))
    own |= {"max_new_tokens": LONGEST_THOUGHT + SEGMENT, "annotator": annotator(scale)}
    return Thinking(flops=flops, **own | more)


def thinking(scale: Arena, flops: float, share: float = 0.5, **more) -> tuple[Stage, Stage]:
    """Thinking Mid-training in two stages. The first imitates annotated texts of one half of the corpus; the second, RL
    on thoughts before segments of the other half (or of other ``data``), gets this share of the budget."""
    return annotated(scale, (1 - share) * flops, annotator(scale)), thought_rl(scale, share * flops, **more)


REWEIGHED = {  # controls that differ from ReMiT only in the token weights (and their size)
    "shuffled weights": {"weights": "shuffled"},
    "top-k": {"weights": "topk", "renormalise": True},
    "no clip": {"eps": 1.0},
}
RMT_PARTS = {  # ablations of RMT: the fields that change
    "no budget": {"budget": None},
    # B_t ends at 36 tokens and not at 12: what a text leaves out takes 19 to 57 to derive, and the length of a thought
    # earns nothing from 2 B_t on.
    "long budget": {"shrink": 0.6},
    "no curriculum": {"early": UNIFORM, "late": UNIFORM},
    "no NTP": {"ntp": 0.0},
    "mean of NTP": {"ntp_aggregate": "mean"},
}


def rl_stages(scale: Worded) -> tuple[Stage, Stage]:
    """The RL after every arm of the study of ReMiT, and what makes it three times as long."""
    return scale.rl(scale.method_flops), scale.rl(2 * scale.method_flops)


def remit_recipes(scale: Worded) -> dict[str, Recipe]:
    """The arms of the study of ReMiT before RL: NTP, ReMiT, and what differs from it in the reference or in the
    weights. The reference is NTP after RL three times as long as other arms'."""
    base, ntp, longer = scale.base(), scale.midtrain(scale.method_flops), rl_stages(scale)
    plain, clean = base + ntp, base + replace(ntp, data=scale.corpus())
    reference = joined(plain, longer)
    remit = base + alike(ReMiT, ntp, reference=reference)
    references = {
        "ReMiT twice": joined(remit, longer),
        "SFT-guided": plain + scale.sft(ntp.flops),
        "weaker reference": plain + longer[0],
    }
    made = {"NTP": plain, "NTP, none wrong": clean, "ReMiT": remit}
    # A reference pass costs a third of training.
    made |= {"NTP, tokens of ReMiT": base + scale.midtrain(ntp.flops * 3 / 4)}
    made |= {name: base + alike(ReMiT, ntp, reference=each) for name, each in references.items()}
    made |= {name: base + alike(ReMiT, ntp, reference=reference, **more) for name, more in REWEIGHED.items()}
    return made | {"distillation": base + alike(Distil, ntp, reference=reference)}


UNCHANGED = ("pre-training", "NTP", "thinking SFT", "thinking SFT, oracle")  # rows of the board
VARIED = {  # variants of "thinking": the RL share of the budget (default 1/2), and the judge
    "1/4 RL": {"share": 0.25},
    "3/4 RL": {"share": 0.75},
    "judge of values": {"judge": Judge("value")},
    "noisy judge": {"judge": Judge(noise=0.1)},
}


def probes(scale: Arena) -> tuple[Exam, ...]:
    """Probes of what follows a thought that is the model's own, empty, shuffled, or taken from another problem."""
    asked = scale.sampled_exam()
    source = replace(asked.source, stop_prob=1.0)
    more = {"samples": PROBED, "max_new_tokens": LONGEST_THOUGHT + SEGMENT}
    return tuple(ProbeExam(f"thought-{t}", source, asked.problems, thought=t, **more) for t in THOUGHTS)


def adamw(stage: Stage) -> Stage:
    """The same RL with the optimiser and settings of the papers (arXiv 2402.03300, 2503.14476): AdamW, four updates per
    batch, and a KL penalty to the stage's initial model with weight 0.001. With AdamW the size of advantages matters;
    Muon makes every update of a matrix equally large. The learning rate is our choice: small models need a larger
    one."""
    optim = replace(stage.optim, kind="adamw", other_lr=ADAMW_RATE)
    return replace(
        stage,
        optim=optim,
        updates_per_batch=math.gcd(4, stage.batch_size),
        objective=replace(stage.objective, kl=0.001),
    )


def interleaved(scale: Arena, flops: float) -> tuple[Stage, ...]:
    """RL and next-token prediction on the corpus in alternation, at the learning rate of SFT."""
    rl = replace(scale.rl(flops), optim=scale.sft_optim)
    text = {"text": scale.corpus(), "replay": scale.pretraining(), "replay_share": REPLAY_SHARE}
    return (alike(Interleave, rl, **text),)


ADAMW_RATE = 1e-4  # 3e-4 left 0.00 and 0.02 at the edge (seeds 50, 51); 1e-4 left 0.81, Muon 0.85 (seed 3)
Row = Callable[[Arena, float], tuple[Stage, ...]]  # a method: (scale, FLOPs in total) -> its stages after the base
CONTROLS: dict[str, Row] = {
    "NTP": lambda scale, flops: (scale.midtrain(flops),),
    "pre-training": lambda scale, flops: (replace(scale.anneal(), flops=flops),),
    "random reward": lambda scale, flops: (scale.rl(flops, Reward("random")),),
}
BOUNDS: dict[str, Row] = {  # upper bounds, with data that no method has: complete texts, or the generator's thoughts
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
    "RA3": lambda scale, flops: (alike(RA3, scale.midtrain(flops)),),
    # Of RLPT (arXiv 2509.19249) its autoregressive half: think, then write the next segment of the corpus, wherever in
    # the text, for a reward of 0 or 1, without KL. Not here: segments inferred from a later one too (its other half);
    # credit for a prefix of the segment (the judge of "thinking" asks for all its facts); GRPO's division by the
    # group's deviation; a cold start of its own (the base has read thoughts).
    "RLPT": lambda scale, flops: (replace(thought_rl(scale, flops), annotator="any"),),
    "interleaving": interleaved,
    "withdrawal": lambda scale, flops: (alike(Withdraw, replace(scale.rl(flops), data=scale.corpus())),),
}
# Rows whose learning rates mean the same: those that read at the rate of pre-training (in "thinking" one half does),
# those that imitate at that of SFT, RL, and RL on thoughts.
FAMILIES: dict[str, tuple[str, ...]] = {
    "reading": (
        "NTP", "pre-training", "mixed SFT", "ReMiT", "distillation", "switch", "RA3", "thinking SFT", "thinking",
        *BOUNDS,
    ),
    "imitation": ("SFT", "RFT", "interleaving"),
    "RL": ("RL", "RL, AdamW", "ReLIFT", "withdrawal"),
    "thoughts": ("RLP", "RPT", "RMT", "RMT, entropy", "RLPT"),
}  # fmt: skip
# Rows that the leaderboard does not have. Its withdrawal takes a problem whose corpus text the base does not give; as a
# third of these texts stop early, it also takes problems that the base solves.
LATER: dict[str, Row] = {
    "withdrawal, unsolved": lambda scale, flops: tuple(
        replace(stage, judged="solution") for stage in METHODS["withdrawal"](scale, flops)
    ),
    # The leaderboard's controls read at the rate of pre-training, which on its base had not been compared with others.
    "NTP, low rate": slowed(CONTROLS["NTP"], LOW_RATE),
    "pre-training, low rate": slowed(CONTROLS["pre-training"], LOW_RATE),
}


def alone_and_after_rl(scale: Arena, rows: dict[str, Row]) -> list[tuple[str, Recipe, str]]:
    """Name, recipe and budget of each method after the base, alone and followed by the same RL."""
    flops, made = scale.method_flops, []
    for name, row in rows.items():
        whole = joined(scale.base(), row(scale, flops))
        made += [(name, whole, "alone"), (f"{name} + RL", whole + scale.rl(flops), "with RL")]
    return made


def thoughts_varied(scale: Arena, flops: float) -> dict[str, tuple[Stage, ...]]:
    """The arms of the study of thoughts. They differ in the annotator, the content of thoughts, the judge, and how much
    of the budget is RL on thoughts. Its texts all stop early, half of them in the band: at 55 to 83 % of the places in
    the corpus the learner is always right or never, and RL learns nothing there."""
    early = blend((0.5, scale.stopping()), (0.5, scale.traces(1.0)))
    made = {name: (CONTROLS | METHODS | BOUNDS)[name](scale, flops) for name in UNCHANGED}
    sft = made["thinking SFT"][0]
    made |= {f"thinking SFT, {content}": (replace(sft, content=content),) for content in ("shuffled", "empty")}
    made |= {"thinking": thinking(scale, flops, data=early)}
    made |= {f"thinking, {name}": thinking(scale, flops, data=early, **more) for name, more in VARIED.items()}
    return made | {"thinking, RL alone": (thought_rl(scale, flops, data=early),)}
