"""Rollouts: groups of sampled responses to a prompt, each judged by the verifier and given a reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from interlude.models.lm import LM, Samples, SamplingParams
from interlude.synth.rng import uniforms
from interlude.synth.tasks import SOLUTIONS, Task, TaskProblem, judge, lacking, steps
from interlude.synth.verify import TRUNCATED, Verdict

# The largest share of reference solutions that may be longer than a response may be. Longer ones can never be written,
# so that scores and rewards would speak of length.
LONGER = 0.1

REWARDS = ("answer", "process", "strict", "any_order", "dense", "printed", "released", "random")
# Why all rewards of a group are equal, so that the group gives no gradient.
NEVER_RIGHT, ALWAYS_RIGHT, CUT_OFF, NOT_PARSED = "never_right", "always_right", "cut_off", "not_parsed"
REASONS = (NEVER_RIGHT, ALWAYS_RIGHT, CUT_OFF, NOT_PARSED)


@dataclass(frozen=True)
class Reward:
    """The reward of a response, in [0, 1].

    kind: "answer" (the final answer is right), "process" (share of gold steps that are right, whatever the answer),
    "strict" (no fault), "any_order" (no fault but of order: strict accepts one of the legal orders of steps), "dense"
    ("process" minus the share of surplus steps, whatever the answer), "random" (0 or 1 by a fair coin, whatever the
    response: a control that teaches nothing about the problem), or one of two mixtures with weight ``outcome`` on the
    answer (arXiv 2512.07783). "printed" is the paper's Eq. 3: outcome * answer + (1 - outcome) * process. "released" is
    the paper's code: surplus steps lower the process score, and the reward is 0 unless the answer is right.
    """

    kind: str = "strict"
    outcome: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in REWARDS:
            raise ValueError(f"Reward.kind must be one of {', '.join(REWARDS)}, got {self.kind!r}")
        if not 0 <= self.outcome <= 1:
            raise ValueError(f"Reward.outcome must be between 0 and 1, got {self.outcome}")

    @property
    def stepwise(self) -> bool:
        """Whether the reward depends on steps, so that responses must be judged step by step."""
        return self.kind not in ("answer", "strict", "random")

    @property
    def content(self) -> int | None:
        """What enters the key of this reward besides its fields: the verifier's version, from 2 on."""
        return Verdict.version if Verdict.version > 1 else None

    def of(self, verdict: Verdict, gold_steps: int) -> float:
        """The reward of a judged response to a problem with ``gold_steps`` steps."""
        if self.kind == "answer":
            return float(verdict.answer)
        if self.kind == "strict":
            return float(verdict.strict)
        if self.kind == "any_order":
            return float(verdict.any_order)
        if self.kind == "process":
            return verdict.process
        if self.kind == "printed":
            return self.outcome * verdict.answer + (1 - self.outcome) * verdict.process
        if self.kind == "random":
            raise ValueError("Reward.kind 'random' depends on no verdict: the function ``rollouts`` draws it")
        if self.kind == "released" and not verdict.answer:
            return 0.0
        surplus = sum(fault.kind in ("extra", "unknown", "repeated") for fault in verdict.faults)
        dense = max(0.0, verdict.process - min(surplus, gold_steps) / max(gold_steps, 1))
        return dense if self.kind == "dense" else self.outcome + (1 - self.outcome) * dense


class Sampling(Protocol):
    """The fields of a stage with rollouts: the source of its prompts, the reward, and the sampling parameters."""

    data: Task
    reward: Reward
    num_samples: int
    temperature: float
    top_p: float
    max_new_tokens: int
    rollout_seed: int


@dataclass(frozen=True)
class Group:
    """One prompt and its judged responses."""

    problem: TaskProblem
    prompt: list[int]
    responses: list[list[int]]
    logprobs: list[list[float]]
    verdicts: list[Verdict]
    rewards: np.ndarray

    @property
    def varied(self) -> bool:
        return bool(self.rewards.max() > self.rewards.min())

    @property
    def reason(self) -> str | None:
        """Why all rewards are equal, one of REASONS; None if they are not. If they are equal and below 1, it is the
        most frequent failure: cut off at the token limit, not parsed, or a wrong solution."""
        if self.varied:
            return None
        if self.rewards.min() >= 1:
            return ALWAYS_RIGHT
        failed = [failure(verdict) for verdict in self.verdicts]
        return max((CUT_OFF, NOT_PARSED, NEVER_RIGHT), key=failed.count)


def failure(verdict: Verdict) -> str:
    """The first reason why a response did not get the full reward."""
    if any(fault.kind == TRUNCATED for fault in verdict.faults):
        return CUT_OFF
    return NEVER_RIGHT if verdict.parsed else NOT_PARSED


def check_room(what: str, lm: LM, data: Task, problems: Sequence[TaskProblem], max_new_tokens: int) -> None:
    """Raises ValueError, naming ``what`` asks for the responses, if more than a tenth of the solutions of these
    problems of ``data`` have more than ``max_new_tokens`` tokens. Problems without solutions are not looked at."""
    if lacking(data, [SOLUTIONS]):
        return
    lengths = [len(lm.encode(problem.solution)) for problem in problems]
    longer = sum(length > max_new_tokens for length in lengths)
    if longer > LONGER * len(lengths):
        raise ValueError(
            f"{what} allows max_new_tokens={max_new_tokens}, but {longer} of {len(lengths)} reference solutions are "
            f"longer (up to {max(lengths)} tokens) and could never be written"
        )


def sampling_params(stage: Sampling) -> SamplingParams:
    """How a stage samples its responses."""
    return SamplingParams(max_new_tokens=stage.max_new_tokens, temperature=stage.temperature, top_p=stage.top_p)


def rollouts(stage: Sampling, lm: LM, seed: int, step: int, rows: list[int], attempt: int) -> list[Group]:
    """Sampled and judged groups for these rows. Raises ValueError at the first step if responses have no room for the
    problems' own solutions."""
    problems = [stage.data.problem("rl", seed, step, row, attempt) for row in rows]
    if step == attempt == 0:
        check_room(type(stage).__name__, lm, stage.data, problems, stage.max_new_tokens)
    prompts = [lm.encode_prompt(problem.question) for problem in problems]
    samples = responses(stage, lm, prompts, seed, step, rows, attempt, sampling_params(stage))
    groups = []
    for nth, problem in enumerate(problems):
        part = slice(nth * stage.num_samples, (nth + 1) * stage.num_samples)
        verdicts = [judge(problem, lm.decode(ids)) for ids in samples.ids[part]]
        if stage.reward.kind == "random":
            rewards = (uniforms("coin", seed, step, rows[nth], attempt, n=stage.num_samples) < 0.5).astype(float)
        else:
            rewards = np.array([stage.reward.of(verdict, steps(problem)) for verdict in verdicts])
        if not np.isfinite(rewards).all():
            raise FloatingPointError(f"a reward is not finite in row {rows[nth]} of step {step}: {rewards.tolist()}")
        groups.append(Group(problem, prompts[nth], samples.ids[part], samples.logprobs[part], verdicts, rewards))
    return groups


def stream_name(kind: str, rollout_seed: int) -> tuple[str | int, ...]:
    """The first names of the streams that responses of this kind are sampled from: others for another
    ``rollout_seed``. 0 keeps the names that streams had before the field."""
    return (kind,) if rollout_seed == 0 else (kind, "anew", rollout_seed)


def responses(
    stage: Sampling,
    lm: LM,
    prompts: list[list[int]],
    seed: int,
    step: int,
    rows: list[int],
    attempt: int,
    params: SamplingParams,
) -> Samples:
    """``stage.num_samples`` responses to the prompt of each row, in the order of the prompts, each from its own random
    stream."""
    name = stream_name("rollout", stage.rollout_seed)
    streams = np.stack(
        [
            uniforms(*name, seed, step, row, attempt, member, n=stage.max_new_tokens)
            for row in rows
            for member in range(stage.num_samples)
        ]
    )
    repeated = [prompt for prompt in prompts for _ in range(stage.num_samples)]
    return lm.sample(repeated, streams, params)


def summary(groups: list[Group], seen: list[Group]) -> dict[str, float]:
    """The metrics of a collection: reward, the three scores, length, the shares of responses that were cut off or not
    parsed, and the share of groups whose rewards are all equal, in total and by reason."""
    verdicts = [v for g in seen for v in g.verdicts]
    reasons = [g.reason for g in seen]
    return {
        "reward": float(np.mean([g.rewards.mean() for g in seen])),
        "strict": float(np.mean([v.strict for v in verdicts])),
        "answer": float(np.mean([v.answer for v in verdicts])),
        "process": float(np.mean([v.process for v in verdicts])),
        "response_tokens": float(np.mean([len(r) for g in seen for r in g.responses])),
        "truncated": float(np.mean([failure(v) == CUT_OFF for v in verdicts])),
        "unparsed": float(np.mean([not v.parsed for v in verdicts])),
        "zero_variance": float(np.mean([reason is not None for reason in reasons])),
        **{name: reasons.count(name) / len(seen) for name in REASONS},
        "groups": float(len(groups)),
        "rollouts": float(len(verdicts)),
    }
