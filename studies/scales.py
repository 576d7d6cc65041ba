"""A scale fixes the model, the problems, the bands and the budgets; a study is a function of a scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from interlude.models.gpt import GPT
from interlude.models.optim import Optim
from interlude.models.policy_gradient import DR_GRPO, Objective
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.stages.sft import SFT
from interlude.studies.exam import Exam
from interlude.studies.exams.divergence import DivergenceExam
from interlude.studies.exams.diversity import DiversityExam
from interlude.studies.exams.exact import AnyOrderExam, ExactExam
from interlude.studies.exams.forced import ForcedExam
from interlude.studies.exams.modes import ModesExam
from interlude.studies.exams.sampled import SampledExam
from interlude.synth.graph import Shape
from interlude.synth.source import Mixture, Source
from interlude.synth.tokens import Vocabulary

WORLDS = ("zoo", "school", "festival")  # pre-training is in the first; studies of transfer add others
REPLAY_SHARE = 0.2


@dataclass(frozen=True)
class Scale:
    """One size of everything: the model, the problems, the three bands of operations, budgets in FLOPs, and seeds.

    Bands are calibrated by the study stages/ladder and its committed table.
    """

    name: str
    model: GPT
    # Fewest and most operations that the base is trained on.
    band: tuple[int, int]
    # Beyond the band, where the base solves some problems; what mid-training and RL are given.
    edge: tuple[int, int]
    # Beyond the edge, where the base solves few; in nobody's training data.
    hard: tuple[int, int]
    # Of a question, in givens (see Source): the same for every number of operations, so that it does not reveal depth.
    # Exams are of the greatest length; those of nano's 11 operations, as the terse dialect needs it, of a greater one.
    length: tuple[int, int]
    # Rows of a step of pre-training, mid-training and SFT.
    batch_size: int
    # Steps of pre-training on short questions without arithmetic targets; then on short questions, in which every other
    # row has the band's most operations; then on questions of full length.
    recall_steps: int
    short_steps: int
    long_steps: int
    # What the decay of the base, and a whole arm after the base, may spend.
    anneal_flops: float
    arm_flops: float
    # What a mid-training method may spend, and as much the RL after it. The studies of methods at the scales below set
    # it to ``arm_flops`` (``arena`` and ``worded`` in methods.py); the smaller values there are of an earlier board, on
    # an easier edge, and no study of this package spends them.
    method_flops: float
    # Steps in which the base of the leaderboard learns the formats that its methods ask for.
    cold_steps: int
    # Prompts a step of RL, and responses to each.
    rl_prompts: int
    rl_num_samples: int
    # Of each exam.
    problems: int
    seeds: tuple[int, ...]
    # Used by the study that calibrates the bands and by nothing else.
    calibration_seeds: tuple[int, ...] = ()
    # Of the studies that decide the findings of arXiv 2512.07783, apart from ``seeds``, whose results were known when
    # their predictions were written; where empty, ``seeds``.
    finding_seeds: tuple[int, ...] = ()
    # Of the studies that are run with five seeds and called exploratory; where empty, ``seeds``.
    exploratory_seeds: tuple[int, ...] = ()
    # Of the board of mid-training methods; where empty, ``seeds``.
    board_seeds: tuple[int, ...] = ()
    # Of the statements in a question. "dependency": each operand is stated before its use, so that the next step is the
    # next statement. "shuffled": the solver has to find it (planning).
    order: str = "dependency"
    dialect: str = "direct"
    # Range of the number of copies in a pre-training problem and the ratio of its law (see Source), in short questions
    # and in those of full length. Without copies a model learns the greatest number of steps that it was shown as a
    # fact and stops there. Exams have none.
    short_copies: tuple[tuple[int, int], float] = ((0, 8), 0.75)
    copies: tuple[tuple[int, int], float] = ((0, 12), 0.8)
    modulus: int = 7
    shape: Shape = Shape()
    optim: Optim = Optim()
    rl_optim: Optim = Optim()
    sft_optim: Optim = Optim(matrix_lr=3e-3, other_lr=6e-4, schedule="linear")
    precision: str = "float32"

    def source(self, ops: tuple[int, int], world: str = WORLDS[0], **changes) -> Source:
        """Problems with ``ops`` operations of this scale's kind and length, without copies, in ``world``."""
        least = max(self.length[0], 3 * ops[1] + 1)  # what the terse dialect needs, in every dialect
        length = (least, max(least, self.length[1]))
        fields = {"modulus": self.modulus, "shape": self.shape, "length": length, "order": self.order}
        fields |= {"dialect": self.dialect, "names": self.model.vocab.names}
        return Source(ops=ops, world=world, **(fields | changes))

    def mixture(self, ops: tuple[int, int], **changes) -> Mixture:
        """``source`` in the common world, as a mixture."""
        return Mixture(((1.0, self.source(ops, **changes)),))

    def pretraining(self) -> Mixture:
        """The band at full length, with copies: what the last stages of pre-training read."""
        return self.mixture(self.band, copies=self.copies[0], copy_ratio=self.copies[1])

    def short(self) -> Mixture:
        """Short questions of the band, half of them with its most operations: most recalls and sums to learn from."""
        copies = {"copies": self.short_copies[0], "copy_ratio": self.short_copies[1]}
        ends = ((0.5, self.band), (0.5, (self.band[1], self.band[1])))
        return blend(*((share, self.mixture(ops, length=None, filler=(0, 2), **copies)) for share, ops in ends))

    def corpus(self) -> Mixture:
        """What mid-training reads and RL is asked: problems at the edge."""
        return self.mixture(self.edge)

    def base(self) -> Recipe:
        """Pre-training in full, decay included: where every arm begins, so that none pays for a decay of its own."""
        return self.stable() + self.anneal()

    def stable(self) -> Recipe:
        """Pre-training at a constant rate, before its decay: for arms that decay on data of their own."""
        stable = replace(self.optim, schedule="constant")
        short = self.short()
        recipe = Recipe(self.model, precision=self.precision)
        if self.recall_steps:
            # Recall forms in the embeddings, and soonest where these move fast.
            fast = replace(stable, other_lr=2 * stable.other_lr)
            recipe += Pretrain(
                steps=self.recall_steps, batch_size=self.batch_size, optim=fast, data=short, without=("arithmetic",)
            )
        recipe += Pretrain(steps=self.short_steps, batch_size=self.batch_size, optim=stable, data=short)
        return recipe + Pretrain(
            steps=self.long_steps, batch_size=self.batch_size, optim=stable, data=self.pretraining()
        )

    def anneal(self) -> Pretrain:
        """The end of pre-training: the same data while the rate decays to its floor."""
        decaying = replace(self.optim, schedule="linear")
        return Pretrain(flops=self.anneal_flops, batch_size=self.batch_size, optim=decaying, data=self.pretraining())

    def midtrain(self, flops: float) -> Midtrain:
        """Gold solutions at the edge with a fifth of pre-training data replayed (arXiv 2512.07783, A.3.3), decaying."""
        decaying = replace(self.optim, schedule="linear")
        more = {"data": self.corpus(), "replay": self.pretraining(), "replay_share": REPLAY_SHARE}
        return Midtrain(flops=flops, batch_size=self.batch_size, optim=decaying, **more)

    @property
    def bands(self) -> dict[str, tuple[int, int]]:
        """Fewest and most operations RL may be given: the upper half of the band, where band and edge meet, the edge,
        beyond it, and everything (the Interplay study's op 7-10, 9-12, 11-14, 17-20 and its missing control)."""
        return {
            "inside": ((self.band[0] + self.band[1] + 1) // 2, self.band[1]),
            "boundary": (self.band[1], self.edge[0]),
            "edge": self.edge,
            "beyond": self.hard,
            "uniform": (1, self.hard[0]),
        }

    def within(self) -> Mixture:
        """Problems of the band as they are asked, without copies."""
        return self.mixture(self.band)

    def replayed(self, data: Mixture) -> Mixture:
        """``data`` with a share of problems of the band, without copies, as the solutions of many copies are long."""
        return blend((1 - REPLAY_SHARE, data), (REPLAY_SHARE, self.within()))

    def sft(self, flops: float) -> SFT:
        """Gold solutions of the problems that RL at the edge is given: what RL is to be compared with."""
        return SFT(flops=flops, batch_size=self.batch_size, optim=self.sft_optim, data=self.replayed(self.corpus()))

    def rft(self, flops: float) -> RFT:
        """The base's own correct solutions of the problems that RL at the edge is given."""
        return RFT(
            flops=flops,
            batch_size=self.rl_prompts,
            num_samples=self.rl_num_samples,
            optim=self.sft_optim,
            data=self.replayed(self.corpus()),
            max_new_tokens=self.max_new_tokens,
        )

    def rl(
        self, flops: float, reward: Reward = Reward(), objective: Objective = DR_GRPO, data: Mixture | None = None
    ) -> RL:
        """RL on ``data`` (None: the edge), with a share of the band replayed."""
        return RL(
            flops=flops,
            batch_size=self.rl_prompts,
            num_samples=self.rl_num_samples,
            optim=self.rl_optim,
            data=self.replayed(data or self.corpus()),
            reward=reward,
            objective=objective,
            max_new_tokens=self.max_new_tokens,
        )

    @property
    def max_new_tokens(self) -> int:
        """Room for a solution of the hardest problems: at most 24 tokens a step, and one step to spare."""
        return 24 * (self.hard[1] + 1)

    def exams(self, worlds: tuple[str, ...] = WORLDS[:1], deeper: int = 0) -> tuple[Exam, ...]:
        """An exact exam for every number of operations up to the hard band, and so many ``deeper`` ones, in each world,
        on held-out structures."""
        return tuple(
            ExactExam(f"{world}-ops{ops}", self.examined((ops, ops), world), self.problems)
            for world in worlds
            for ops in range(1, self.hard[1] + 1 + deeper)
        )

    def examined(self, ops: tuple[int, int], world: str = WORLDS[0]) -> Source:
        """Problems of an exam: held-out structures, questions of the greatest length, or longer where they must be."""
        length = max(self.length[1], 3 * ops[1] + 1)
        return self.source(ops, world, split="held_out", length=(length, length))

    def chain_exams(self, world: str = WORLDS[0]) -> tuple[Exam, ...]:
        """Exact exams at the edge and on the hard band on chains, where each step needs the one before it. There only
        one order of steps is legal; of other graphs several are, of which strict accepts the first. None where the
        question tells the order."""
        if self.order == "dependency":
            return ()
        chain = replace(self.shape, width=0.0)
        return tuple(
            ExactExam(f"{world}-{name}-chains", replace(self.examined(ops, world), shape=chain), 2 * self.problems)
            for name, ops in (("edge", self.edge), ("hard", self.hard))
        )

    def any_order_exams(self, world: str = WORLDS[0]) -> tuple[Exam, ...]:
        """Exact exams at the edge and on the hard band in which steps may come in any legal order. None where the
        question tells the order."""
        if self.order == "dependency":
            return ()
        bands = (("edge", self.edge), ("hard", self.hard))
        return tuple(
            AnyOrderExam(f"{world}-{name}-any-order", self.examined(ops, world), self.problems) for name, ops in bands
        )

    def with_modulus(self, modulus: int) -> Scale:
        """The same scale with numbers modulo another prime: what a guess is worth changes, and nothing else."""
        vocab = replace(self.model.vocab, modulus=modulus)
        return replace(self, modulus=modulus, model=replace(self.model, vocab=vocab))

    def forced_exams(self, world: str = WORLDS[0]) -> tuple[Exam, ...]:
        """Whether operands are bound to every needed noun, and not only to the next: from two operations to the edge,
        where there is more than one place to force."""
        ops = range(2, self.edge[1] + 1)
        return tuple(ForcedExam(f"{world}-forced{n}", self.examined((n, n), world), self.problems // 2) for n in ops)

    def sampled_exam(self, band: str = "edge", world: str = WORLDS[0]) -> SampledExam:
        """Sampled answers on the "band", the "edge" or the "hard" band: the cross-check of the exact exams, and the
        answer-only score."""
        source = self.examined({"band": self.band, "edge": self.edge, "hard": self.hard}[band], world)
        name, room = f"{world}-{band}-sampled", self.max_new_tokens
        return SampledExam(name, source, self.problems // 2, samples=16, max_new_tokens=room)

    def sampled_exams(self) -> tuple[Exam, ...]:
        """The edge and the band."""
        return self.sampled_exam(), self.sampled_exam("band")

    def diversity_exam(self) -> DiversityExam:
        """How diverse a model's solutions at the edge are: on half the problems of the sampled exam, with as many
        samples."""
        asked = self.sampled_exam()
        more = {"samples": asked.samples, "max_new_tokens": asked.max_new_tokens}
        return DiversityExam(f"{WORLDS[0]}-edge-diversity", asked.source, self.problems // 4, **more)

    def modes_exam(self, names: tuple[str, ...]) -> ModesExam:
        """How a model divides its probability among these approaches at the edge, on the diversity exam's problems."""
        asked = self.diversity_exam()
        return ModesExam(f"{WORLDS[0]}-edge-modes", replace(asked.source, approach=names), asked.problems)

    def divergence_exams(self, reference: Recipe) -> tuple[Exam, ...]:
        """How far a model has moved from ``reference`` on solutions of the edge and of the band."""
        return tuple(
            DivergenceExam(name, self.examined(ops), self.problems, reference=reference)
            for name, ops in (("edge-kl", self.edge), ("band-kl", self.band))
        )


def blend(*parts: tuple[float, Mixture]) -> Mixture:
    """A mixture of mixtures, flattened, without what has no weight (which would name another run for the same data)."""
    flat = ((outer * inner, source) for outer, mixture in parts for inner, source in mixture.parts)
    return Mixture(tuple((weight, source) for weight, source in flat if weight))


MUON = Optim(matrix_lr=0.01, other_lr=2e-3)
RL_OPTIM = Optim(matrix_lr=1e-3, other_lr=2e-4, schedule="constant", warmup=5)

SMOKE = Scale(
    name="smoke",
    model=GPT(layers=2, width=64, heads=2, kv_heads=2, hidden=128, vocab=Vocabulary(names=24)),
    band=(1, 2), edge=(3, 3), hard=(4, 4), length=(10, 13),
    batch_size=4, recall_steps=2, short_steps=2, long_steps=2, cold_steps=2,
    anneal_flops=2e9, arm_flops=1.6e10, method_flops=8e9,
    rl_prompts=2, rl_num_samples=2, problems=8, seeds=(0,), optim=MUON, rl_optim=RL_OPTIM,
    short_copies=((0, 2), 0.75), copies=((0, 2), 0.8),
)  # fmt: skip

NANO = Scale(
    name="nano",
    model=GPT(vocab=Vocabulary(names=30)),
    band=(1, 4), edge=(8, 9), hard=(10, 11), length=(13, 31),
    batch_size=16, recall_steps=300, short_steps=360, long_steps=500, cold_steps=480,
    anneal_flops=6e12, arm_flops=4e12, method_flops=1.5e12,
    rl_prompts=8, rl_num_samples=16, problems=100, seeds=tuple(range(30, 38)),
    calibration_seeds=tuple(range(18, 26)), finding_seeds=tuple(range(40, 48)),
    board_seeds=tuple(range(50, 58)), exploratory_seeds=tuple(range(90, 95)), optim=MUON, rl_optim=RL_OPTIM,
    copies=((0, 14), 0.85),
)  # fmt: skip

# Statements in random order: the solver has to find the next step, which four layers do not learn and six learn in part
# (of graphs of 4 operations a base solves 0.6 at once), so that what is missing is planning and not the count of steps.
SHUFFLED = replace(
    NANO,
    name="nano-shuffled",
    model=GPT(layers=6, vocab=Vocabulary(names=30)),
    edge=(5, 6), hard=(7, 8), order="shuffled",
    short_steps=2400, long_steps=300, arm_flops=8e12, method_flops=3e12,
    seeds=tuple(range(60, 68)), calibration_seeds=(*range(26, 30), *range(126, 130)), finding_seeds=(), board_seeds=(),
    exploratory_seeds=(),
)  # fmt: skip

# Numbers modulo 3: one fixed answer is right three times in eight, where modulo 7 it is once in seven, and in the two
# halves of the data of arXiv 2512.07783 once in four and less. So what a guess is worth can be varied.
GUESSABLE = replace(
    NANO.with_modulus(3), name="nano-guessable",
    seeds=tuple(range(130, 138)), calibration_seeds=(), finding_seeds=(), board_seeds=(), exploratory_seeds=(),
)  # fmt: skip

# 5 to 10M parameters, 50 to 200M tokens. On an H200 (2026-11-28, 1 % of its peak) pre-training of 300, 700 and 1000
# steps was stopped at step 467 of the last, after 344 s, more than half of it making batches. The loss of a token was
# 0.005 after 216 steps, 0.002 after 140 of the second stage, and under 0.001 in the last, so that stages are shorter
# since. With batches made ahead a step should take what the card did, 0.11, 0.09 and 0.13 s: two and a half minutes for
# the base, decay included, and under four with its exams. Not run in this form; bands and budgets are to be calibrated.
SMALL = Scale(
    name="small",
    model=GPT(layers=8, width=256, heads=8, kv_heads=4, hidden=768, vocab=Vocabulary(names=48)),
    band=(1, 8), edge=(9, 10), hard=(11, 12), length=(25, 37),
    batch_size=256, recall_steps=250, short_steps=300, long_steps=400, cold_steps=200,
    anneal_flops=8e14, arm_flops=4e15, method_flops=1e15,
    rl_prompts=64, rl_num_samples=16, problems=400, seeds=(0, 1, 2), optim=MUON, rl_optim=RL_OPTIM,
    precision="bfloat16",
)  # fmt: skip

# The Interplay study's model (arXiv 2512.07783, table 1) and bands, in our dialect; not yet run.
PAPER = Scale(
    name="paper",
    model=GPT(
        layers=12, width=768, heads=12, kv_heads=2, head_width=64, hidden=3072, vocab=Vocabulary(modulus=23, names=48)
    ),
    band=(2, 10), edge=(11, 14), hard=(15, 16), length=(31, 49), modulus=23,
    batch_size=1024, recall_steps=500, short_steps=1500, long_steps=18000, cold_steps=500,
    anneal_flops=3e17, arm_flops=9e17, method_flops=2.25e17,
    rl_prompts=1024, rl_num_samples=6, problems=1000, seeds=(0, 1, 2), optim=MUON, rl_optim=RL_OPTIM,
    precision="bfloat16",
)  # fmt: skip

SCALES = {scale.name: scale for scale in (SMOKE, NANO, SHUFFLED, GUESSABLE, SMALL, PAPER)}
