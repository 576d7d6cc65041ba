"""A language model is anything that encodes, decodes, scores tokens and samples; stages and exams use nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from interlude.synth.render import CLOSE, THINK

if TYPE_CHECKING:
    from torch import Tensor

# Shapes: B rows, T positions, V tokens of the vocabulary, N chosen positions.


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How responses are sampled, the same for every row; raises ValueError naming the field that is out of range.

    max_new_tokens: the most tokens of a response, ``end`` included.
    temperature: what logits are divided by; 0 takes the most probable token.
    top_p: below 1, tokens come from the smallest set of most probable ones whose mass reaches it (nucleus sampling,
    Holtzman et al. 2020, arXiv 1904.09751, section 3.1).
    stop_token: a token that ends a row, beside ``end``.
    tokens_after_stop: how many more tokens a row has after it, at most.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop_token: int | None = None
    tokens_after_stop: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be finite and at least 0, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")
        if self.tokens_after_stop < 0:
            raise ValueError(f"tokens_after_stop must be at least 0, got {self.tokens_after_stop}")


@dataclass(frozen=True)
class Samples:
    """What was sampled for each prompt.

    ids: the new tokens, including ``end`` if it was emitted. logprobs: the natural log-probability of each of them
    under the sampling temperature, before the top-p cut (at temperature 0, which is argmax: under temperature 1).
    stopped: whether the row emitted ``end`` (False: it ran out of room).
    """

    ids: list[list[int]]
    logprobs: list[list[float]]
    stopped: list[bool]


class LM(Protocol):
    """The methods of every model here; each is also a ``torch.nn.Module``."""

    @property
    def pad(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    def encode(self, text: str) -> list[int]: ...

    def encode_prompt(self, question: str) -> list[int]:
        """Token ids of a question as the model is asked it: what a solution's ids can follow."""
        ...

    def decode(self, ids: list[int]) -> str: ...

    def forward(self, ids_BT: Tensor) -> Tensor:
        """logits_BTV of rows padded on the right; position t sees positions 0..t."""
        ...

    def logits_at(self, ids_BT: Tensor, index_N: Tensor) -> Tensor:
        """logits_NV of ``forward`` at the flat positions ``b * T + t``; a loss on solutions need not pay for the head,
        or whatever else can be left out, on questions."""
        ...

    def sample(self, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> Samples:
        """Continue every prompt; ``streams[b, t]`` is the uniform number that chooses token t of row b. See
        ``models.sample.sample``."""
        ...

    def decoder(self, prompts: list[list[int]], max_new_tokens: int) -> Decoder:
        """The incremental form of ``forward`` for these prompts and at most ``max_new_tokens`` new tokens each."""
        ...

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> float:
        """Forward FLOPs for ``tokens`` tokens that attend to ``attended`` positions in all; see ``GPT.flops``."""
        ...

    def matrices(self) -> dict[str, tuple[int, ...]]:
        """The hidden 2-D weights by parameter name, with the row counts of the logical matrices stacked in each."""
        ...


class Decoder(Protocol):
    """A batch of rows that grow by one token at a time, with their keys and values cached."""

    def begin(self) -> Tensor:
        """logits_BV of the first new token of every row."""
        ...

    def step(self, ids_B: Tensor) -> Tensor:
        """Append one token to every row; logits_BV of the next."""
        ...

    def keep(self, rows_K: Tensor) -> None:
        """Forget all rows but these (indices into the present rows, ascending)."""
        ...


def tags(lm: LM) -> tuple[int, int]:
    """The tokens that open and close a thought. Raises ValueError unless each is one token of the model, read and
    written as it stands."""
    found = [lm.encode(tag) for tag in (THINK, CLOSE)]
    if any(len(ids) != 1 for ids in found) or [lm.decode(ids).strip() for ids in found] != [THINK, CLOSE]:
        raise ValueError(
            f"{THINK} and {CLOSE} must be one token each, but this model's tokenizer reads {found} "
            "(Vocabulary.thoughts or HF.thoughts adds them)"
        )
    return found[0][0], found[1][0]
