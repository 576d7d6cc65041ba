"""The scale of a real model: SmolLM2 with 135M parameters, sums in English prose, and budgets that fit a laptop."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from interlude.models.fetch import FETCHED
from interlude.models.hf import HF
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stage import Stage
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.selfgen import SelfGen
from interlude.models.stages.thinking import Thinking
from interlude.models.thought_rl import Bins, Reasoning
from interlude.studies.exam import Exam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.methods import HARD_ONLY, Arena, alike
from interlude.studies.refusal import Refused
from interlude.studies.scales import WORLDS, Scale
from interlude.synth.source import Mixture, Source
from interlude.synth.tasks import GymTask, Task

NAME = "smollm2"
SIZED = re.compile(rf"{NAME}-([1-9][0-9]*)min")
MINUTES = 45  # of two quiet cores, for all arms of studies/real/methods and one seed
FLOPS = 2e13  # of a method then, and as much of the RL after it
GYM_ROOM = 24  # tokens of an answer to it
NAMES = 12  # nouns that a problem draws from
LONGEST_THOUGHT = 32  # tokens
SKIPPED, TRACED = 0.1, 0.5  # probability of each step but the last to be left out, in the corpus and in shown thoughts
COLD_RATE = 3e-4  # of the cold start, which has to teach a form in a hundred texts
COOL = 0.5  # temperature of exams
CHAIN = GymTask(
    "chain_sum", (("min_terms", 2), ("max_terms", 2), ("min_digits", 1), ("max_digits", 2)), split="held_out"
)


@dataclass(frozen=True)
class RealScale(Arena):
    """A scale whose model is pretrained: no stage of pre-training, and a short cold start in its place.

    Exams are sampled, as a tokenizer of its own has no token for each word, and problems are written in prose, in plain
    integers. What a study asks of every scale (``base``, ``midtrain``, ``rl``, ``sampled_exam`` and so on) it has; a
    study of exact exams is refused by name.

    step_tokens: of one step of a solution, at most. With SmolLM2's tokenizer the longest of 1,500 solutions of one, two
    and three steps have 54, 105 and 155 tokens.
    """

    step_tokens: int = 52

    def source(self, ops: tuple[int, int], world: str = WORLDS[0], **changes) -> Source:
        plain = {"modulus": None, "shape": self.shape, "order": self.order, "dialect": "prose", "names": NAMES}
        changes.pop("length", None)  # questions as short as they can be, as each token costs 135M parameters
        return Source(ops=ops, world=world, **(plain | changes))

    def pretraining(self) -> Mixture:
        return self.mixture(self.band)

    def corpus(self) -> Mixture:
        """The edge, where one step in ten is left out unless it is the last: thoughts have something to supply."""
        return self.mixture(self.edge, skip_prob=SKIPPED, thoughts="ignored")

    def implicit(self) -> Mixture:
        return self.mixture(self.edge, skip_prob=SKIPPED, thoughts="oracle")

    def within(self) -> Mixture:
        return self.mixture(self.band)

    def traces(self, share: float = TRACED) -> Mixture:
        """Problems of two operations a share of whose first steps stand in thoughts: with one alone there is no step
        to leave out."""
        return self.mixture((2, 2), skip_prob=share, thoughts="oracle")

    def stable(self) -> Recipe:
        return Recipe(self.model, precision=self.precision)

    def base(self) -> Recipe:
        """The model after the cold start: the form of solutions, and now and then of thoughts."""
        return self.stable() + self.formats()

    def formats(self, told: Bins | None = None) -> ColdStart:
        return ColdStart(
            steps=self.cold_steps, batch_size=2 * self.batch_size, optim=replace(self.optim, other_lr=COLD_RATE),
            data=self.traces(), idle=0.5, replay=self.pretraining(), replay_share=0.75, told=told,
        )  # fmt: skip

    def anneal(self) -> Pretrain:
        """More of what the cold start read, for methods that compare with it."""
        return Pretrain(flops=self.anneal_flops, batch_size=self.batch_size, optim=self.optim, data=self.pretraining())

    @property
    def max_new_tokens(self) -> int:
        """Room for a solution at the edge, in prose."""
        return self.token_limit(self.edge[1])

    def token_limit(self, ops: int) -> int:
        """Tokens of a worked solution at most."""
        return self.step_tokens * ops + 8

    def exams(self, worlds: tuple[str, ...] = WORLDS[:1], deeper: int = 0) -> tuple[Exam, ...]:
        """A sampled exam for every number of operations up to the hard band, or deeper by so many, in each world."""
        return tuple(
            self.twice(f"{world}-ops{ops}", self.examined((ops, ops), world), self.token_limit(ops))
            for world in worlds
            for ops in range(1, self.hard[1] + deeper + 1)
        )

    def sampled_exam(self, band: str = "edge", world: str = WORLDS[0], opened: str = "") -> SampledExam:
        """``opened`` is refused, as it is of prose."""
        source = self.examined({"band": self.band, "edge": self.edge}[band], world)
        exam = self.twice(f"{world}-{band}-sampled", replace(source, skip_prob=SKIPPED, thoughts="ignored"))
        return replace(exam, opened=opened)

    def arm_exams(self) -> tuple[Exam, ...]:
        return self.sampled_exam(), self.sampled_exam("band")

    def twice(self, name: str, source: Task, room: int | None = None) -> SampledExam:
        """``problems`` problems, twice each, at a low temperature: a model so little trained seldom writes a whole
        solution at 1."""
        most = room or self.max_new_tokens
        return SampledExam(name, source, self.problems, temperature=COOL, samples=2, max_new_tokens=most)

    def deeper_exam(self) -> SampledExam:
        """One operation more than any stage is given."""
        ops = self.hard[0]
        exam = self.twice(f"{WORLDS[0]}-ops{ops}", self.examined((ops, ops)), self.token_limit(ops))
        return replace(exam, problems=self.problems // 2)

    def gym_exam(self) -> SampledExam:
        """Sums of two numbers as reasoning-gym asks them."""
        return self.twice("chain-sum", CHAIN, GYM_ROOM)


def thoughtful(scale: RealScale, flops: float, kind: type[Reasoning], **more) -> tuple[Stage, ...]:
    """A stage that thinks before tokens of the corpus, with prompts, groups and rate of RL."""
    rl = scale.rl(flops)
    own = {"batch_size": rl.batch_size, "num_samples": rl.num_samples, "optim": rl.optim, "data": scale.corpus()}
    return (kind(flops=flops, max_new_tokens=LONGEST_THOUGHT, **own, **more),)


def self_generated(scale: RealScale, flops: float) -> tuple[Stage, ...]:
    """The base's own right solutions; where it finds none, those that it gives with the answer before the question."""
    plain = scale.midtrain(flops)
    return (
        SelfGen(
            flops=flops, batch_size=plain.batch_size, optim=plain.optim, data=scale.mixture(scale.edge), source="star",
            n=1, samples=4, instances=1024, max_new_tokens=scale.max_new_tokens,
        ),
    )  # fmt: skip


def thinking(scale: RealScale, flops: float) -> tuple[Stage, ...]:
    """Half of the budget imitates a corpus into which the base wrote thoughts, half is RL on thoughts before segments
    of the rest of it."""
    plain, rl, base = scale.midtrain(flops / 2), scale.rl(flops / 2), scale.base()
    imitated = Annotate(
        flops=plain.flops, batch_size=plain.batch_size, optim=plain.optim, data=scale.implicit(), annotator=base,
        max_thought=2 * LONGEST_THOUGHT, targets="solution",
    )  # fmt: skip
    reinforced = Thinking(
        flops=rl.flops, batch_size=rl.batch_size, num_samples=rl.num_samples, optim=rl.optim, data=scale.implicit(),
        annotator=base, max_new_tokens=3 * LONGEST_THOUGHT,
    )  # fmt: skip
    return imitated, reinforced


def tuned(scale: RealScale) -> Recipe:
    """The reference of ReMiT and distillation: an arm of every study here."""
    return scale.base() + scale.midtrain(scale.method_flops) + scale.rl(scale.method_flops)


METHODS: dict[str, Callable[[RealScale, float], tuple[Stage, ...]]] = {
    "NTP": lambda scale, flops: (scale.midtrain(flops),),
    "ReMiT": lambda scale, flops: (alike(ReMiT, scale.midtrain(flops), reference=tuned(scale)),),
    "thinking": thinking,
    "self-generated": self_generated,
    "RLP": lambda scale, flops: thoughtful(scale, flops, RLP),
    "RMT": lambda scale, flops: thoughtful(scale, flops, RMT, budget=LONGEST_THOUGHT // 2),
    "RPT": lambda scale, flops: thoughtful(scale, flops, RMT, budget=None, early=HARD_ONLY, late=HARD_ONLY, ntp=0.0),
    "distillation": lambda scale, flops: (alike(Distil, scale.midtrain(flops), reference=tuned(scale)),),
    "RFT": lambda scale, flops: (scale.rft(flops),),
}


def chain_methods(scale: RealScale) -> dict[str, Recipe]:
    """Every arm on chain_sum, by name: the model as it is, mid-training on its solutions, RL and RFT on its questions.
    Half a method's budget each, as rows are a third as long as in prose."""
    base, data = Recipe(replace(scale.model, thoughts=False)), replace(CHAIN, split="train")
    flops = 0.5 * scale.method_flops
    plain = Midtrain(
        flops=flops, batch_size=2 * scale.batch_size, optim=scale.optim, data=data, replay=data, replay_share=0.0
    )
    rolls = {"batch_size": scale.rl_prompts, "num_samples": 2 * scale.rl_num_samples, "max_new_tokens": GYM_ROOM}
    rl = RL(flops=flops, optim=scale.rl_optim, data=data, **rolls)
    rft = RFT(flops=flops, optim=scale.sft_optim, data=data, **rolls)
    remit = alike(ReMiT, plain, reference=base + plain + rl)
    return {
        "base": base,
        "NTP": base + plain,
        "NTP + RL": base + plain + rl,
        "RL": base + rl,
        "ReMiT": base + remit,
        "ReMiT + RL": base + remit + rl,
        "NTP + RFT": base + plain + rft,
    }


def real(scale: Scale, study: str) -> RealScale:
    """The scale, if it is that of a real model. Raises Refused, naming the study that needs one."""
    if not isinstance(scale, RealScale):
        raise Refused(f"{study} asks about a real model, which scale {scale.name} is not; use --scale {NAME}")
    return scale


def real_scale(minutes: int = MINUTES) -> RealScale:
    """SmolLM2 with budgets in proportion to ``minutes``; the exams are the same whatever these are."""
    share = minutes / MINUTES
    # By a pilot at seed 3: of 2e-4, 5e-5, 2e-5 and 1e-5, next-token prediction solved 0.65, 0.75, 0.54 and 0.36 of the
    # edge (base 0.21); RL 0.17 at 5e-5 and 0.25 at 1e-5.
    learns = Optim(kind="adamw", other_lr=5e-5, schedule="linear", floor=0.1, warmup=2)
    return RealScale(
        name=NAME if minutes == MINUTES else f"{NAME}-{minutes}min",
        model=HF(FETCHED, dtype="bfloat16", thoughts=True),
        band=(1, 1), edge=(1, 2), hard=(3, 3), length=(1, 1), modulus=7, dialect="prose",
        batch_size=4, recall_steps=0, short_steps=1, long_steps=1, cold_steps=16,
        anneal_flops=share * FLOPS, arm_flops=share * FLOPS, method_flops=share * FLOPS,
        rl_prompts=4, rl_num_samples=4, problems=48, seeds=(4, 5, 6),
        optim=learns, rl_optim=replace(learns, other_lr=1e-5, schedule="constant"), sft_optim=learns,
    )  # fmt: skip


def named(name: str) -> RealScale | None:
    """The scale of this name: "smollm2", or "smollm2-10min" with budgets of that many minutes; None for another."""
    if name == NAME:
        return real_scale()
    found = SIZED.fullmatch(name)
    return real_scale(int(found[1])) if found else None
