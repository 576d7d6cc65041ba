"""A training stage has two methods: collect a batch of rows with a gain for each token, and turn a batch into a
loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, Protocol

from interlude.models import native
from interlude.models.lazy import torch
from interlude.models.ledger import Spent
from interlude.models.lm import LM
from interlude.models.optim import Optim
from interlude.synth.rng import rng
from interlude.synth.tasks import SOLUTIONS, Task, TaskProblem, lacking

if TYPE_CHECKING:
    from torch import Tensor

# Shapes: B rows, T tokens of the longest row, N predicted tokens, V vocabulary.


@dataclass(frozen=True)
class Batch:
    """Rows of tokens and what each token is worth.

    ids_BT: token ids, padded on the right. gain_BT: what predicting ``ids_BT[b, t]`` from the tokens before it is
    worth: 1 imitates, an advantage reinforces, 0 is not a target. total: the divisor of the loss, fixed before rows are
    split over micro-batches or machines. lengths: tokens of each row. old_BT: log-probabilities when the rows were
    sampled, NaN where a token was not sampled (RL), or None. extra: what else a loss needs of every token, by name,
    as BT tensors. spent: work done to collect the rows. metrics: numbers worth a line in the log.
    """

    ids_BT: Tensor
    gain_BT: Tensor
    total: float
    lengths: tuple[int, ...]
    old_BT: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    spent: tuple[Spent, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)

    def rows(self, chosen: list[int]) -> Batch:
        """Only these rows, cut to the longest of them; ``total`` stays, so parts add up to the whole."""
        longest = max(self.lengths[i] for i in chosen)
        cut = self.each(lambda x_BT: x_BT[chosen, :longest])
        return replace(cut, lengths=tuple(self.lengths[i] for i in chosen), spent=())

    def to(self, device: str) -> Batch:
        return self.each(lambda x_BT: x_BT.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """This batch with every BT tensor changed."""
        return replace(
            self,
            ids_BT=change(self.ids_BT),
            gain_BT=change(self.gain_BT),
            old_BT=None if self.old_BT is None else change(self.old_BT),
            extra={name: change(x_BT) for name, x_BT in self.extra.items()},
        )


@dataclass(frozen=True)
class StageModels:
    """What a stage may look at: the learner, the learner as it was when the stage began, and other finished models.

    done: the share of the stage that is done, for schedules of its own. update: how many optimiser steps the batch has
    fed already. sums: where a loss leaves metrics for ``loss_and_metrics``, or None where none are asked for.
    """

    learner: LM
    start: LM | None = None
    references: dict[str, LM] = field(default_factory=dict)
    done: float = 0.0
    update: int = 0
    sums: dict[str, tuple[float, float]] | None = None


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """A stage description. It ends after ``steps`` steps or once it has spent ``flops``, whichever is given.

    batch_size: rows (or prompts) a step. optim: how weights are updated; schedules run over the stage's own progress.
    """

    steps: int | None = None
    flops: float | None = None
    batch_size: int
    optim: Optim
    version: ClassVar[int] = 1
    needs_initial_model: ClassVar[bool] = False  # whether ``StageModels.start`` is needed
    # Whether ``collect`` depends on weights or on ``StageModels.done``. Where it depends on tokenizers and sizes only,
    # batches can be made ahead (models.ahead). To be said by the class that defines ``collect``, or by one below it.
    reads_weights: ClassVar[bool] = True

    def __post_init__(self) -> None:
        name = type(self).__name__
        if (self.steps is None) == (self.flops is None):
            raise ValueError(
                f"{name} needs exactly one of steps and flops, got steps={self.steps} and flops={self.flops}"
            )
        for field_ in ("steps", "flops"):
            given = getattr(self, field_)
            if given is not None and (isinstance(given, bool) or not isinstance(given, Real)):
                raise ValueError(f"{name}.{field_} must be a number, got {given!r}")
        if (self.steps is not None and self.steps < 1) or (self.flops is not None and not self.flops > 0):
            raise ValueError(f"{name}.steps and {name}.flops must be positive, got {self.steps} and {self.flops}")
        for field_ in ("data", "replay"):
            data = getattr(self, field_, None)
            missing = [] if data is None else lacking(data, self.data_needs)
            if missing:
                what = f"{', '.join(missing)}, which a {type(data).__name__} has not"
                raise ValueError(f"{name}.{field_} must be a task with {what}")
        if self.batch_size < 1:
            raise ValueError(f"{name}.batch_size must be at least 1, got {self.batch_size}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        """What the stage asks of its data beyond questions and judged answers (``synth.tasks``)."""
        return (SOLUTIONS,)

    def progress(self, step: int, spent: float) -> float:
        """The share of the stage that is done, in [0, 1], after ``step`` steps and ``spent`` FLOPs."""
        return min(1.0, step / self.steps if self.steps is not None else spent / self.flops)

    @abstractmethod
    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        """The given rows of a step: a pure function of the weights and the arguments, whatever came before."""

    def updates(self, batch: Batch) -> tuple[Batch, ...]:
        """The batches of the optimiser steps that one collection feeds; one unless a stage says otherwise."""
        return (batch,)

    def target_count(self, batch: Batch) -> int:
        """How many tokens ``loss`` predicts, for the ledger: those with a gain unless a stage says otherwise."""
        return int((batch.gain_BT != 0).sum())

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """Weighted next-token prediction: minus the sum of gain times log-probability, over ``total``."""
        chosen_BT, logp_N = predicted(models.learner, batch)
        return -(batch.gain_BT[chosen_BT] * logp_N).sum() / batch.total

    def loss_and_metrics(self, models: StageModels, batch: Batch) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        """``loss``, and metrics for the log that only the loss computes: by name, a sum and a count. The loop adds up
        both over micro-batches and logs the mean. Nothing unless a stage says otherwise."""
        return self.loss(models, batch), {}


def checked_batch(stage: Stage, lm: LM, batch: object) -> Batch:
    """What ``collect`` returned. Raises ValueError, naming class and field, unless it is a batch whose parts fit
    together and whose numbers are finite."""
    name = f"{type(stage).__name__}.collect"
    if not isinstance(batch, Batch):
        raise ValueError(f"{name} must return a Batch, not a {type(batch).__name__}")
    found = {"ids_BT": batch.ids_BT, "gain_BT": batch.gain_BT, "old_BT": batch.old_BT}
    found |= {f"extra[{key!r}]": x_BT for key, x_BT in batch.extra.items()}
    sizes = {}
    for field_, x_BT in found.items():
        if x_BT is None and field_ == "old_BT":
            continue
        if not isinstance(x_BT, torch.Tensor):
            raise ValueError(f"{name}: {field_} must be a tensor, not a {type(x_BT).__name__}")
        sizes[field_] = tuple(x_BT.shape[:2] if field_.startswith("extra") else x_BT.shape)
        if sizes[field_] != sizes["ids_BT"] or len(sizes[field_]) != 2:
            other = "" if field_ == "ids_BT" else f", ids_BT {by(sizes['ids_BT'])}"
            raise ValueError(
                f"{name}: {field_} is {by(sizes[field_])}{other}; they must have the same shape, rows by tokens"
            )
    rows, longest = sizes["ids_BT"]
    if len(batch.lengths) != rows or not all(1 <= n <= longest for n in batch.lengths) or not rows:
        what = f"for each of the {rows} rows of ids_BT, from 1 to {longest}"
        raise ValueError(f"{name}: lengths must hold the number of tokens {what}, got {batch.lengths}")
    ids_BT = batch.ids_BT
    if ids_BT.is_floating_point() or int(ids_BT.min()) < 0 or int(ids_BT.max()) >= lm.vocab_size:
        raise ValueError(f"{name}: ids_BT must hold token ids from 0 to {lm.vocab_size - 1}")
    if not bool(batch.gain_BT.isfinite().all()):
        raise ValueError(f"{name}: gain_BT holds a number that is not finite")
    if batch.old_BT is not None and bool(batch.old_BT.isinf().any()):
        raise ValueError(f"{name}: old_BT holds an infinite log-probability")
    if not 0 < float(batch.total) < math.inf:
        raise ValueError(f"{name}: total, which divides the loss, must be finite and above 0, got {batch.total}")
    return batch


def by(shape: tuple[int, ...]) -> str:
    """A shape in words, such as 4x98."""
    return "x".join(map(str, shape)) or "a single number"


def collects_alone(stage: Stage) -> bool:
    """Whether a stage's batches depend on no weights. A class that collects in a way of its own has to say so itself:
    what it inherits was said of another ``collect``."""
    kinds = type(stage).__mro__
    said, defined = (
        next(n for n, kind in enumerate(kinds) if name in vars(kind)) for name in ("reads_weights", "collect")
    )
    return said <= defined and not stage.reads_weights


def predicted(lm: LM, batch: Batch) -> tuple[Tensor, Tensor]:
    """Where a batch has targets (bool BT), and the log-probability of each of them (N, in row order)."""
    chosen_BT = batch.gain_BT != 0
    chosen_BT[:, 0] = False
    return chosen_BT, logprobs(lm, batch.ids_BT, chosen_BT)


def logprobs(lm: LM, ids_BT: Tensor, chosen_BT: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probabilities (N) of the chosen tokens given those before them; column 0 cannot be chosen."""
    if native.path(lm) == "native":
        from interlude.models import native_logprobs

        return native_logprobs.logprobs(lm, ids_BT, chosen_BT, temperature)
    logits_NV = lm.logits_at(ids_BT[:, :-1], chosen_BT[:, 1:].flatten().nonzero()[:, 0])
    targets_N = ids_BT[:, 1:][chosen_BT[:, 1:]]
    return -torch.nn.functional.cross_entropy(logits_NV.float() / temperature, targets_N, reduction="none")


TARGETS = ("solution", "all")


def check_targets(stage: Stage, targets: str) -> None:
    """Raises ValueError unless ``targets`` is "solution" (the worked solution only) or "all" (the question too)."""
    if targets not in TARGETS:
        raise ValueError(f"{type(stage).__name__}.targets must be one of {', '.join(TARGETS)}, got {targets!r}")


class Replaying(Protocol):
    """A stage that trains on ``data`` and replays something older."""

    data: Task
    replay: Task
    replay_share: float


def check_replay(stage: Replaying) -> None:
    """Raises ValueError unless ``replay_share`` is a share."""
    if not 0 <= stage.replay_share <= 1:
        raise ValueError(f"{type(stage).__name__}.replay_share must be between 0 and 1, got {stage.replay_share}")


def replayed(stage: Replaying, seed: int, step: int, rows: range) -> list[TaskProblem]:
    """One problem a row, from ``replay`` with probability ``replay_share``, else from ``data``. Methods of mid-training
    that draw here see the same problems in the same order."""
    problems = []
    for row in rows:
        source = stage.replay if replays(stage, seed, step, row) else stage.data
        problems.append(source.problem("midtrain", seed, step, row))
    return problems


def replays(stage: Replaying, seed: int, step: int, row: int) -> bool:
    """Whether ``replayed`` draws a row from ``replay``."""
    return rng("replay", "midtrain", seed, step, row).random() < stage.replay_share


def imitate(lm: LM, problems: list[TaskProblem], targets: str, without: tuple[str, ...] = ()) -> Batch:
    """A batch in which every target token of these problems has gain 1; the loss is a mean over target tokens.

    Solution tokens whose role is in ``without`` are no targets. Raises ValueError if the model's tokens are not the
    problem's own, to which roles belong.
    """
    ids, gains = [], []
    for problem in problems:
        question, solution = lm.encode_prompt(problem.question), lm.encode(problem.solution)
        worth = [1.0] * len(solution)
        if without:
            roles = problem.written.solution_roles
            if len(roles) != len(solution):
                raise ValueError(f"without={without} needs one token a word, but this model's tokenizer splits words")
            worth = [0.0 if role in without else 1.0 for role in roles]
        ids.append(question + solution)
        gains.append([0.0 if targets == "solution" else 1.0] * len(question) + worth)
        gains[-1][0] = 0.0
    return pack(ids, gains, float(sum(map(sum, gains))), lm.pad)


def pack(rows: list[list[int]], gains: list[list[float]], total: float, pad: int, **more) -> Batch:
    """A batch from ragged rows: ids and gains of equal lengths, padded on the right with ``pad`` and 0."""
    lengths = tuple(len(row) for row in rows)
    longest = max(lengths)
    ids_BT = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    gain_BT = torch.tensor([gain + [0.0] * (longest - len(gain)) for gain in gains])
    return Batch(ids_BT, gain_BT, total, lengths, **more)


def stacked(own: Batch, gold: Batch, pad: int) -> Batch:
    """``own`` and, below it, the rows of ``gold``, which were not sampled; all but the rows is taken from ``own``."""
    width = max(own.ids_BT.shape[1], gold.ids_BT.shape[1])

    def below(above_BT: Tensor, under_BT: Tensor, fill: float) -> Tensor:
        wide = [torch.nn.functional.pad(x_BT, (0, width - x_BT.shape[1]), value=fill) for x_BT in (above_BT, under_BT)]
        return torch.cat(wide)

    return replace(
        own,
        ids_BT=below(own.ids_BT, gold.ids_BT, pad),
        gain_BT=below(own.gain_BT, gold.gain_BT, 0.0),
        old_BT=below(own.old_BT, torch.full_like(gold.gain_BT, torch.nan), torch.nan),
        lengths=own.lengths + gold.lengths,
    )
