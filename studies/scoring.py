"""What a model predicts at every token of given texts (teacher forcing), and what it samples, a few rows at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from interlude.models import native, stages
from interlude.models.lazy import torch
from interlude.models.lm import LM, SamplingParams
from interlude.models.parallel import together
from interlude.synth.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

# Rows of one forward pass: what stays in a core's cache, or fills an accelerator.
ROWS = {"cpu": 8}
ROWS_ELSEWHERE = 512
SAMPLED = 512  # rows sampled at once


def chunks(numbers: list[int], lm: LM) -> list[list[int]]:
    """Numbers of texts, cut for one forward pass each."""
    rows = ROWS.get(next(lm.parameters()).device.type, ROWS_ELSEWHERE)
    return [numbers[first : first + rows] for first in range(0, len(numbers), rows)]


def predictions(
    lm: LM, prompts: list[list[int]], texts: list[list[int]], temperature: float = 1.0
) -> tuple[Tensor, ...]:
    """For each text, log-probabilities (float64, TV) of every next token at its T positions after its prompt."""
    device = next(lm.parameters()).device
    longest = max(len(p) + len(t) for p, t in zip(prompts, texts, strict=True))
    ids_BT = torch.tensor([p + t + [lm.pad] * (longest - len(p) - len(t)) for p, t in zip(prompts, texts, strict=True)])
    ids_BT = ids_BT.to(device)
    starts = [b * (longest - 1) + len(p) - 1 for b, p in enumerate(prompts)]
    index_N = torch.cat([torch.arange(start, start + len(t)) for start, t in zip(starts, texts, strict=True)]).to(
        device
    )
    logp_NV = torch.log_softmax(lm.logits_at(ids_BT[:, :-1], index_N).double() / temperature, -1)
    return logp_NV.split([len(t) for t in texts])


def logprobs(lm: LM, prompts: list[list[int]], texts: list[list[int]], temperature: float = 1.0) -> list[np.ndarray]:
    """Log-probabilities (float64) of the tokens of each text, given its prompt and those before."""
    if native.path(lm) == "native":
        rows = [p + t for p, t in zip(prompts, texts, strict=True)]
        longest = max(map(len, rows))
        ids_BT = torch.tensor([row + [lm.pad] * (longest - len(row)) for row in rows])
        chosen_BT = torch.zeros(ids_BT.shape, dtype=torch.bool)
        for chosen_T, prompt, row in zip(chosen_BT, prompts, rows, strict=True):
            chosen_T[len(prompt) : len(row)] = True
        logp_N = stages.logprobs(lm, ids_BT, chosen_BT, temperature).double()
        return [logp_T.numpy() for logp_T in logp_N.split([len(t) for t in texts])]
    found = predictions(lm, prompts, texts, temperature)
    pairs = zip(found, texts, strict=True)
    return [logp_TV[torch.arange(len(text)), text].cpu().numpy() for logp_TV, text in pairs]


def text_logprobs(lm: LM, prompts: list[list[int]], texts: list[list[int]], temperature: float = 1.0) -> list[float]:
    """The log-probability (nats) of each whole text after its prompt."""
    return [float(logp_T.sum()) for logp_T in token_logprobs(lm, prompts, texts, temperature)]


def token_logprobs(
    lm: LM, prompts: list[list[int]], texts: list[list[int]], temperature: float = 1.0
) -> list[np.ndarray]:
    """As ``logprobs`` for any number of texts: a few rows at a time, texts of like length together, in the order
    given."""
    order = sorted(range(len(texts)), key=lambda i: len(prompts[i]) + len(texts[i]))
    parts = chunks(order, lm)
    jobs = [partial(logprobs, lm, [prompts[i] for i in part], [texts[i] for i in part], temperature) for part in parts]
    found: list[np.ndarray] = [np.zeros(0)] * len(texts)
    for part, values in zip(parts, together(jobs), strict=True):
        for i, logp_T in zip(part, values, strict=True):
            found[i] = logp_T
    return found


def solution_logprobs(lm: LM, problems: list[Problem], temperature: float = 1.0) -> list[np.ndarray]:
    """Log-probabilities (nats, float64) of the tokens of each problem's solution, given its question and those
    before."""
    return token_logprobs(lm, *encoded(lm, problems), temperature)


def encoded(lm: LM, problems: list[Problem]) -> tuple[list[list[int]], list[list[int]]]:
    """The tokens of questions and of solutions."""
    return [lm.encode_prompt(p.question) for p in problems], [lm.encode(p.solution) for p in problems]


def token_probabilities(lm: LM, prefixes: list[list[int]], own: list[list[int]], temperature: float) -> np.ndarray:
    """The exact probability of one token after each prefix (float64[P]). own: each token, in a list of its own."""
    return np.exp(np.array([logp_T[0] for logp_T in token_logprobs(lm, prefixes, own, temperature)]))


def continuations(lm: LM, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> list[list[int]]:
    """The token ids that the model samples after each prompt, SAMPLED rows at once; see ``LM.sample``."""
    found = []
    for first in range(0, len(prompts), SAMPLED):
        part = slice(first, first + SAMPLED)
        found += lm.sample(prompts[part], streams[part], params).ids
    return found
