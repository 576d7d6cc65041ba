"""RA3: skills, inferred by expectation maximisation, stand before steps, and the model learns to predict both."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from interlude.models.annotator import Chunk, chunk
from interlude.models.lazy import torch
from interlude.models.ledger import JUDGE, forward_cost
from interlude.models.lm import LM, tags
from interlude.models.parallel import one_core
from interlude.models.stage import (
    Batch,
    Stage,
    StageModels,
    check_replay,
    check_targets,
    logprobs,
    pack,
    replayed,
    replays,
)
from interlude.synth.parse import parse
from interlude.synth.rng import below, rng, uniforms
from interlude.synth.segments import unthought
from interlude.synth.solution_style import Grammar
from interlude.synth.source import Mixture, Source
from interlude.synth.tasks import SEGMENTS

NONE = 0  # the state before the first skill of a text


@dataclass(frozen=True, kw_only=True)
class RA3(Stage):
    """Rows as in Midtrain, but a skill z_t may begin before each step a_t of a text of ``data`` and lasts until the
    next one begins (arXiv 2509.25810, a sequential variational bound). E-step: z is drawn from its exact posterior
    under the learner, with the paper's reward log p(a_t | s_t, z_t) - cost * [z_t != z_t-1] as its log-density. M-step:
    next-token prediction on (s, z, a).

    Our choices: the paper's latents are free text, inferred by RL; a few discrete ones allow forward-backward sampling.
    Skill k is written as k empty thoughts, which the judge of plain solutions looks past. For the E-step a text is
    scored once under each skill, with the skill before every step.

    Metrics: skills begun per text, steps per skill, nats that skills add to log p(a), and mutual information of skills
    and operations in nats. Raises ValueError naming the field.
    """

    data: Source | Mixture
    replay: Source | Mixture
    replay_share: float = 0.2
    targets: str = "solution"
    # Number of skills: here as many as the problems have operations.
    skills: int = 3
    # What beginning a skill costs, in nats, beside log(skills) for the choice. Infinite: next-token prediction.
    cost: float = 1.0
    # The first share of the stage, in which skills are drawn at random (each step begins one with probability 1/2): the
    # learner does not know their tokens yet, and a posterior would never choose what it has never seen.
    explore: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_targets(self, self.targets)
        check_replay(self)
        if self.skills < 1 or not self.cost >= 0 or not 0 <= self.explore <= 1:
            what = f"{self.skills}, {self.cost} and {self.explore}"
            raise ValueError(f"RA3.skills must be positive, cost not negative and explore in [0, 1], got {what}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SEGMENTS,)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        lm, costs = models.learner, ()
        problems = [unthought(problem) for problem in replayed(self, seed, step, rows)]
        chunks = [chunk(lm, problem) for problem in problems]
        new = [nth for nth, row in enumerate(rows) if not replays(self, seed, step, row)]
        states = {nth: self.explored(len(chunks[nth].segments), seed, step, rows[nth]) for nth in new}
        metrics = {}
        if models.done >= self.explore and new:
            read = [chunks[nth] for nth in new]
            scores, costs = self.scores(lm, read)
            for nth, logp_KT in zip(new, scores, strict=True):
                draws_T = uniforms("skill", seed, step, rows[nth], n=logp_KT.shape[1])
                states[nth] = posterior_sample(logp_KT, self.cost + math.log(self.skills), draws_T)
            gains = [s[z, range(len(z))].sum() - s[NONE].sum() for s, z in zip(scores, states.values(), strict=True)]
            metrics["skill_nats"] = float(np.mean(gains))
        texts = [marked(lm, each, states[nth]) if nth in states else each.segments for nth, each in enumerate(chunks)]
        ids = [each.question + list(chain.from_iterable(text)) for each, text in zip(chunks, texts, strict=True)]
        asked = 1.0 if self.targets == "all" else 0.0
        gains = [
            [0.0] + [asked] * (len(each.question) - 1) + [1.0] * (len(row) - len(each.question))
            for each, row in zip(chunks, ids, strict=True)
        ]
        batch = pack(ids, gains, float(sum(map(sum, gains))), lm.pad, spent=costs)
        return replace(batch, metrics=metrics | described([(chunks[nth], z) for nth, z in states.items()]))

    def explored(self, steps: int, seed: int, step: int, row: int) -> list[int]:
        """Skills drawn without looking at the text."""
        draw, state, found = rng("explore", seed, step, row), NONE, []
        for _ in range(steps):
            if draw.random() < 0.5:
                state = 1 + below(draw, self.skills)
            found.append(state)
        return found

    def scores(self, lm: LM, chunks: list[Chunk]) -> tuple[list[np.ndarray], tuple]:
        """For each text log p(a_t | s_t, z) in nats (K+1, T), z being each skill or none, and what scoring cost."""
        rows, gains = [], []
        for each in chunks:
            for state in range(self.skills + 1):
                sign = [] if state == NONE else skill(lm, state)
                rows.append(each.question + [token for part in each.segments for token in sign + part])
                gains.append([0.0] * len(each.question))
                for part in each.segments:
                    gains[-1] += [0.0] * len(sign) + [1.0] * len(part)
        batch = pack(rows, gains, 1.0, lm.pad).to(str(next(lm.parameters()).device))
        with torch.no_grad(), one_core():
            logp_N = logprobs(lm, batch.ids_BT, batch.gain_BT != 0).double().cpu().numpy()
        ends = np.cumsum([len(part) for each in chunks for _ in range(self.skills + 1) for part in each.segments])
        by_step = np.add.reduceat(logp_N, [0, *ends[:-1]])
        cuts = np.cumsum([(self.skills + 1) * len(each.segments) for each in chunks])[:-1]
        found = [part.reshape(self.skills + 1, -1) for part in np.split(by_step, cuts)]
        return found, (forward_cost(lm, JUDGE, [len(row) - 1 for row in rows], logits=len(logp_N)),)


def skill(lm: LM, k: int) -> list[int]:
    """The tokens that begin skill k: k empty thoughts."""
    return [*tags(lm)] * k


def marked(lm: LM, each: Chunk, states: list[int]) -> list[list[int]]:
    """The segments of a text, each that begins a skill with the tokens of that skill before it."""
    before = [NONE, *states[:-1]]
    return [
        (skill(lm, now) if now != last else []) + part
        for part, now, last in zip(each.segments, states, before, strict=True)
    ]


def posterior_sample(logp_KT: np.ndarray, cost: float, draws_T: np.ndarray) -> list[int]:
    """Skills z_1..z_T from p(z | a), proportional to exp(sum_t logp[z_t, t] - cost * number of changes), z_0 = NONE; no
    text returns to NONE. Backward messages, then one uniform number of ``draws_T`` for each step."""
    K, T = logp_KT.shape
    change_KK = np.full((K, K), -cost)
    change_KK[:, NONE] = -np.inf
    np.fill_diagonal(change_KK, 0.0)
    after_KT = np.zeros((K, T))  # log p(a_t+1..a_T | z_t)
    for t in range(T - 2, -1, -1):
        after_KT[:, t] = np.logaddexp.reduce(change_KK + logp_KT[:, t + 1] + after_KT[:, t + 1], axis=1)
    states, last = [], NONE
    for t in range(T):
        log_K = change_KK[last] + logp_KT[:, t] + after_KT[:, t]
        chances_K = np.exp(log_K - np.logaddexp.reduce(log_K))
        last = min(int(np.searchsorted(np.cumsum(chances_K), draws_T[t], side="right")), K - 1)
        states.append(last)
    return states


def described(texts: list[tuple[Chunk, list[int]]]) -> dict[str, float]:
    """Skills begun per text, steps per skill, and mutual information of skill and operation over steps."""
    if not texts:
        return {}
    begun = [sum(now != last for now, last in zip(z, [NONE, *z[:-1]], strict=True)) for _, z in texts]
    pairs = [pair for each, z in texts for pair in zip(operations(each), z, strict=True)]
    line = {"skills": float(np.mean(begun)), "operation_nats": mutual_information(pairs)}
    if sum(begun):
        line["steps_per_skill"] = sum(state != NONE for _, z in texts for state in z) / sum(begun)
    return line


def operations(each: Chunk) -> list[str]:
    """The operation of every step of a text, and "answer" for its last segment."""
    problem = each.problem
    steps = parse(problem.solution, Grammar(problem.dialect, worded=problem.worded)).steps
    return [step.op for step in steps] + ["answer"]


def mutual_information(pairs: list[tuple]) -> float:
    """Mutual information in nats of two labels, from their counts (biased upwards where pairs are few)."""
    both, left, right = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return sum(n / len(pairs) * math.log(n * len(pairs) / (left[a] * right[b])) for (a, b), n in both.items())
