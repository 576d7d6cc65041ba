"""Policy gradients from groups of responses: GRPO, Dr.GRPO, DAPO and REINFORCE are settings of one objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, Spent, decode_cost, forward_cost
from interlude.models.lm import LM
from interlude.models.rollouts import Group, Reward, rollouts, summary
from interlude.models.stage import Batch, Stage, StageModels, logprobs, pack
from interlude.synth.added_field import added_field
from interlude.synth.tasks import STEPS, Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """How group rewards become gains: GRPO (arXiv 2402.03300), Dr.GRPO (2503.20783), DAPO (2503.14476), REINFORCE.

    baseline: "group" subtracts the group's mean reward, "none" does not. scale: "std" divides by the group's unbiased
    standard deviation + 1e-8, "none" does not. aggregate: "sequence" averages tokens within a response, then responses;
    "token" averages over all tokens; "constant" divides by responses times ``max_new_tokens``; "sum" adds up the tokens
    of a response and averages responses (RMT, arXiv 2509.24375). clip_low, clip_high: bounds of the probability ratio.
    kl: weight of the k3 estimator of KL to the stage's starting model. zero_variance: "keep" groups whose rewards are
    all equal, "drop" them, or "resample" others until the batch is full (at most ``attempts`` times).
    """

    baseline: str = "group"
    scale: str = "std"
    aggregate: str = "sequence"
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl: float = 0.0
    zero_variance: str = "keep"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("baseline", ("group", "none")),
            ("scale", ("std", "none")),
            ("aggregate", ("sequence", "token", "constant", "sum")),
            ("zero_variance", ("keep", "drop", "resample")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"Objective.{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not 0 < self.clip_low <= 1 or not 0 < self.clip_high or self.kl < 0:
            raise ValueError(f"Objective clips must be positive and kl not negative, got {self}")


GRPO = Objective(kl=0.001)  # DeepSeekMath's (arXiv 2402.03300) with the KL weight of arXiv 2512.07783's released code
DR_GRPO = Objective(scale="none", aggregate="constant")  # Liu et al. 2025, arXiv 2503.20783
DAPO = Objective(aggregate="token", clip_high=0.28, zero_variance="resample")  # Yu et al. 2025, arXiv 2503.14476
REINFORCE = Objective(baseline="none", scale="none", aggregate="token")  # Williams 1992


@dataclass(frozen=True, kw_only=True)
class PolicyGradient(Stage):
    """What all stages share that learn from groups of sampled responses, whatever the reward: ``num_samples`` responses
    to each of ``batch_size`` prompts a step, and the clipped surrogate loss.

    updates_per_batch: optimiser steps on one collection (1 is on-policy: the ratio is 1 and clipping is idle).
    max_new_tokens: longest response in tokens. rollout_seed: another number samples other responses to the same
    prompts, with all else equal: two such runs show how much a result varies by chance (an A/A test).
    """

    objective: Objective = DR_GRPO
    num_samples: int = 8
    updates_per_batch: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    rollout_seed: int = added_field(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        if self.num_samples < 2:
            raise ValueError(
                f"{name}.num_samples must be at least 2, got {self.num_samples}: an advantage compares responses"
            )
        if self.updates_per_batch < 1 or self.batch_size % self.updates_per_batch:
            parts = f"{name}.updates_per_batch {self.updates_per_batch}"
            raise ValueError(f"{name}.batch_size {self.batch_size} must be a multiple of {parts}")
        if self.temperature <= 0 or not 0 < self.top_p <= 1 or self.max_new_tokens < 1:
            raise ValueError(f"{name}.temperature, top_p and max_new_tokens must be positive and top_p at most 1")

    @property
    def needs_initial_model(self) -> bool:  # type: ignore[override]
        return self.objective.kl > 0

    def updates(self, batch: Batch) -> tuple[Batch, ...]:
        """Rows in equal runs of whole groups; each run is one optimiser step with its share of the divisor."""
        groups = len(batch.lengths) // self.num_samples
        parts = min(self.updates_per_batch, groups)
        if parts == 1:
            return (batch,)
        ends = [self.num_samples * (groups * n // parts) for n in range(parts + 1)]
        runs = [list(range(first, last)) for first, last in pairwise(ends)]
        return tuple(replace(batch.rows(run), total=batch.total / parts) for run in runs)

    def chosen(self, batch: Batch) -> Tensor:
        """Which tokens the loss needs (bool BT): without a KL term, tokens of no advantage need no prediction."""
        return sampled(batch) if self.objective.kl else batch.gain_BT != 0

    def target_count(self, batch: Batch) -> int:
        return int(self.chosen(batch).sum())

    def loss_and_metrics(self, models: StageModels, batch: Batch) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        """``loss``, and at the first update of a batch ``mismatch``: the mean absolute difference in nats between the
        log-probability of a token when it was sampled and the learner's now, which are equal but for how the sampler
        and the trainer round. Where a batch feeds several updates it is of the rows of the first."""
        sums: dict[str, tuple[float, float]] = {}  # filled by ``loss``, which subclasses wrap in losses of their own
        return self.loss(replace(models, sums=sums if models.update == 0 else None), batch), sums

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """-sum min(ratio A, clip(ratio, 1 - clip_low, 1 + clip_high) A) / total, plus kl times the k3 estimator of
        KL(learner || start)."""
        chosen_BT = self.chosen(batch)
        logp_N = logprobs(models.learner, batch.ids_BT, chosen_BT, self.temperature)
        gain_N = batch.gain_BT[chosen_BT]
        if models.sums is not None and batch.old_BT is not None:
            note_mismatch(models.sums, logp_N.detach(), batch.old_BT[chosen_BT])
        old_N = logp_N.detach() if self.updates_per_batch == 1 else batch.old_BT[chosen_BT]
        ratio_N = (logp_N - old_N).exp()
        clipped_N = ratio_N.clamp(1 - self.objective.clip_low, 1 + self.objective.clip_high)
        loss = -torch.minimum(ratio_N * gain_N, clipped_N * gain_N).sum()
        if self.objective.kl:
            with torch.no_grad():
                reference_N = logprobs(models.start, batch.ids_BT, chosen_BT, self.temperature)
            gap_N = reference_N - logp_N
            loss = loss + self.objective.kl * (share(self, chosen_BT) * (gap_N.exp() - gap_N - 1)).sum()
        return loss / batch.total


@dataclass(frozen=True, kw_only=True)
class Policy(PolicyGradient):
    """What RL stages share: ``batch_size`` prompts a step, ``num_samples`` responses each, rewarded by the verifier.

    attempts: collections at most when zero-variance groups are resampled.
    """

    data: Task
    reward: Reward = Reward()
    attempts: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attempts < 1:
            raise ValueError(f"{type(self).__name__}.attempts must be at least 1, got {self.attempts}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (STEPS,) if self.reward.stepwise else ()

    def groups(
        self, lm: LM, seed: int, step: int, rows: range, draw: Callable[[list[int], int], list[Group]] | None = None
    ) -> tuple[list[Group], list[Group]]:
        """Sampled and judged groups: those to learn from (at least one), and all that were seen on the way. ``draw``
        makes the groups of some rows at an attempt; solutions of whole problems, judged by the verifier, if None."""
        draw = draw or partial(rollouts, self, lm, seed, step)
        kept: list[Group] = []
        seen: list[Group] = []
        for attempt in range(self.attempts if self.objective.zero_variance == "resample" else 1):
            wanted = [row for nth, row in enumerate(rows) if nth >= len(kept)]
            if not wanted:
                break
            groups = draw(wanted, attempt)
            seen += groups
            kept += [g for g in groups if self.objective.zero_variance == "keep" or g.varied]
        return kept or seen[:1], seen


def advantages(objective: Objective, rewards_G: np.ndarray) -> np.ndarray:
    """One advantage a response: (R - mean) / (std + 1e-8) with the unbiased std, or the parts that are switched on."""
    if objective.baseline == "group" and rewards_G.max() == rewards_G.min():
        return np.zeros_like(rewards_G)  # where the mean of equal numbers rounds, their differences to it are not 0
    gains_G = rewards_G - rewards_G.mean() if objective.baseline == "group" else rewards_G.copy()
    if objective.scale == "std":
        gains_G = gains_G / (rewards_G.std(ddof=1) + 1e-8)
    return gains_G


class Judged(Protocol):
    """One prompt, the responses sampled after it, and the reward of each."""

    prompt: list[int]
    responses: list[list[int]]
    logprobs: list[list[float]]
    rewards: np.ndarray


def weigh(stage: Policy, lm: LM, groups: list[Group], seen: list[Group]) -> Batch:
    """A batch from groups that the verifier judged, with the cost and the statistics of all groups that were
    sampled."""
    batch, teaching = weighed(stage, lm, groups)
    return replace(batch, spent=spent(stage, lm, teaching, seen), metrics=summary(groups, seen))


def weighed(stage: PolicyGradient, lm: LM, groups: Sequence[Judged]) -> tuple[Batch, list[Judged]]:
    """A batch from groups, and the groups in it. A response of n tokens under "sequence" gives each token 1/n of its
    advantage.

    Groups without an advantage are left out of the rows, as their gradient is zero, unless a KL term needs them; the
    divisor counts them all the same.
    """
    rows, gains, old = [], [], []
    scored = [(group, advantages(stage.objective, group.rewards)) for group in groups]
    teaching = [(g, a) for g, a in scored if a.any() or stage.objective.kl] or scored[:1]
    for group, scaled in teaching:
        for response, logps, advantage in zip(group.responses, group.logprobs, scaled, strict=True):
            shared = len(response) if stage.objective.aggregate == "sequence" else 1
            token_gain = float(advantage) / shared
            rows.append(group.prompt + response)
            gains.append([0.0] * len(group.prompt) + [token_gain] * len(response))
            old.append([math.nan] * len(group.prompt) + list(logps))
    batch = pack(rows, gains, normaliser(stage, [len(r) for g in groups for r in g.responses]), lm.pad)
    longest = batch.ids_BT.shape[1]
    old_BT = torch.tensor([row + [math.nan] * (longest - len(row)) for row in old])
    return replace(batch, old_BT=old_BT), [group for group, _ in teaching]


def normaliser(stage: PolicyGradient, responses: list[int]) -> float:
    """The divisor of the loss: responses, tokens, or responses times the longest allowed length."""
    if stage.objective.aggregate in ("sequence", "sum"):
        return float(len(responses))
    if stage.objective.aggregate == "token":
        return float(sum(responses))
    return float(len(responses) * stage.max_new_tokens)


def note_mismatch(sums: dict[str, tuple[float, float]], logp_N: Tensor, old_N: Tensor) -> None:
    """Add to ``sums`` the sum of the absolute differences in nats between tokens' log-probabilities now and when they
    were sampled, and over how many tokens it goes; tokens that were not sampled (NaN) do not count."""
    gap_N = (logp_N - old_N).abs().double()
    gap_N = gap_N[~gap_N.isnan()]
    if len(gap_N):
        total, count = sums.get("mismatch", (0.0, 0.0))
        sums["mismatch"] = total + float(gap_N.sum()), count + len(gap_N)


def sampled(batch: Batch) -> Tensor:
    """Which tokens were sampled (bool BT): those with an old log-probability. Their gain may be 0."""
    return ~batch.old_BT.isnan()


def share(stage: PolicyGradient, sampled_BT: Tensor) -> Tensor:
    """The weight (N) of each sampled token of a response of n tokens: 1/n under "sequence", else 1."""
    if stage.objective.aggregate != "sequence":
        return torch.ones((), device=sampled_BT.device)
    return (1 / sampled_BT.sum(1, keepdim=True)).expand_as(sampled_BT)[sampled_BT]


def spent(stage: PolicyGradient, lm: LM, groups: Sequence[Judged], seen: Sequence[Judged]) -> tuple[Spent, ...]:
    """Rollouts of every group seen, and a reference pass over those kept if there is a KL term."""
    costs = [decode_cost(lm, len(g.prompt), [len(r) for r in g.responses]) for g in seen]
    if stage.objective.kl:
        lengths = [len(g.prompt) + len(r) for g in groups for r in g.responses]
        made = sum(len(r) for g in groups for r in g.responses)
        costs.append(forward_cost(lm, REFERENCE, lengths, logits=made))
    return tuple(costs)
