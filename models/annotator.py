"""An annotator writes thoughts between the segments of a corpus chunk; all other tokens must be the chunk's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from interlude.models.lm import LM, tags
from interlude.models.sample import choose
from interlude.synth.problem import Problem
from interlude.synth.rng import key, rng, shuffle
from interlude.synth.segments import segments, unthought
from interlude.synth.source import Mixture, Source

# Shapes: B rows, T tokens of the longest row, V tokens of the vocabulary.

HALVES = SFT_HALF, RL_HALF = 0, 1
CONTENTS = ("own", "shuffled", "empty")
MOST_ATTEMPTS = 1000  # draws on the wrong side of a fair coin


@dataclass(frozen=True)
class Chunk:
    """A problem of the raw corpus as token ids: the question, and the segments of its solution."""

    problem: Problem
    question: list[int]
    segments: list[list[int]]

    @property
    def solution(self) -> list[int]:
        return list(chain.from_iterable(self.segments))


def half(problem: Problem) -> int:
    """Which half of the corpus a problem is in: decided by its question, so that no problem is ever in both."""
    return key("half", problem.question) % len(HALVES)


def drawn(data: Source | Mixture, which: int, *path: str | int) -> Problem:
    """The first problem of this path's stream in the half ``which``, as it stands in the raw corpus."""
    for attempt in range(MOST_ATTEMPTS):
        problem = data.problem(*path, attempt)
        if half(problem) == which:
            return unthought(problem)
    raise ValueError(f"no problem of half {which} in {MOST_ATTEMPTS} draws: thinking needs data of more problems")


def chunk(lm: LM, problem: Problem) -> Chunk:
    """A problem without thoughts in the tokens of ``lm``. Raises ValueError if segments share tokens."""
    question, parts = lm.encode_prompt(problem.question), [lm.encode(text) for text in segments(problem)]
    if list(chain.from_iterable(parts)) != lm.encode(problem.solution):
        raise ValueError("this model's tokenizer joins the segments of a solution: no thought can stand between them")
    return Chunk(problem, question, parts)


def check_tokens(lm: LM, annotator: LM, chunks: list[Chunk]) -> None:
    """Raises ValueError unless the annotator reads these chunks in the same tokens."""
    if tags(lm) != tags(annotator) or any(annotator.encode_prompt(c.problem.question) != c.question for c in chunks):
        raise ValueError("the annotator reads other tokens than the learner: their tokenizers must be equal")


def oracle(lm: LM, problem: Problem) -> list[int]:
    """The solution with its skipped steps in thoughts, which only the generator knows; no annotator can better it."""
    told = problem.style
    thinks = told is not None and told.skipped is not None
    text = replace(problem, style=replace(told, thoughts="oracle")) if thinks else problem
    return lm.encode(text.solution)


@dataclass
class Hand:
    """What one row may write next: the chunk's next token, or where a segment begins a thought.

    tokens: the solution's. starts: where in them segments begin. left: thought tokens it may still write.
    """

    tokens: list[int]
    starts: frozenset[int]
    left: int
    opening: int
    closing: int
    never: tuple[int, ...]
    at: int = 0
    inside: bool = False
    thought: bool = False  # since the last token of the chunk
    out: list[int] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.at == len(self.tokens)

    def allowed(self, size: int) -> Tensor:
        """Which tokens may come next (bool V)."""
        allowed_V = torch.zeros(size, dtype=torch.bool)
        if self.inside and self.left:
            allowed_V[:] = True
            allowed_V[list(self.never)] = False
        elif self.inside:
            allowed_V[self.closing] = True
        else:
            allowed_V[self.tokens[self.at]] = True
            if self.at in self.starts and self.left and not self.thought:
                allowed_V[self.opening] = True
        return allowed_V

    def write(self, token: int) -> None:
        self.out.append(token)
        if self.inside:
            self.inside = token != self.closing
            self.left -= self.inside
        elif token == self.opening:
            self.inside = self.thought = True
        else:
            self.at, self.thought = self.at + 1, False


def starts(each: Chunk) -> list[int]:
    """Where in a chunk's solution its segments begin."""
    return [0, *np.cumsum([len(part) for part in each.segments])[:-1].tolist()]


def room(each: Chunk, most: int) -> int:
    """The longest an annotated solution of this chunk can be."""
    return len(each.solution) + 2 * len(each.segments) + most


@torch.inference_mode()
def annotate(lm: LM, chunks: list[Chunk], streams: np.ndarray, most: int, temperature: float = 1.0) -> list[list[int]]:
    """Each chunk's solution with the thoughts of ``lm`` in it: at most one before each segment, ``most`` tokens in all.

    The model decides whether to think by its probabilities of the opening tag and of the chunk's next token, and writes
    a thought until it closes it; outside thoughts there is no other choice than the chunk. ``streams[b, t]`` is the
    uniform number that chooses token t of row b.
    """
    opening, closing = tags(lm)
    never = (opening, lm.end, lm.pad)
    hands = [Hand(c.solution, frozenset(starts(c)), most, opening, closing, never) for c in chunks]
    decoder = lm.decoder([c.question for c in chunks], max(room(c, most) for c in chunks))
    logits_BV, alive, t = decoder.begin(), list(range(len(chunks))), 0
    while True:
        allowed_BV = torch.stack([hands[row].allowed(logits_BV.shape[1]) for row in alive]).to(logits_BV.device)
        uniform_B = torch.from_numpy(streams[alive, t]).to(logits_BV.device)
        chosen_B, _ = choose(logits_BV.float().masked_fill(~allowed_BV, -torch.inf), uniform_B, temperature, 1.0)
        for row, token in zip(alive, chosen_B.tolist(), strict=True):
            hands[row].write(token)
        going = [place for place, row in enumerate(alive) if not hands[row].done]
        if not going:
            return [hand.out for hand in hands]
        if len(going) < len(alive):
            kept_K = torch.tensor(going, device=chosen_B.device)
            decoder.keep(kept_K)
            alive, chosen_B = [alive[place] for place in going], chosen_B[kept_K]
        logits_BV, t = decoder.step(chosen_B), t + 1


def willing(lm: LM, chunks: list[Chunk]) -> list[list[float]]:
    """For every segment of each chunk, the probability that ``lm`` opens a thought before it rather than going on, when
    it has written none before: one forward pass."""
    opening, _ = tags(lm)
    rows = [c.question + c.solution for c in chunks]
    longest = max(map(len, rows))
    device = next(lm.parameters()).device
    ids_BT = torch.tensor([row + [lm.pad] * (longest - len(row)) for row in rows], device=device)
    places = [[len(c.question) + at for at in starts(c)] for c in chunks]
    index_N = torch.tensor([b * longest + at - 1 for b, each in enumerate(places) for at in each], device=device)
    ahead_N = torch.tensor([rows[b][at] for b, each in enumerate(places) for at in each], device=device)
    logits_NV = lm.logits_at(ids_BT, index_N).float()
    odds = (logits_NV[:, opening] - logits_NV.gather(1, ahead_N[:, None])[:, 0]).double().sigmoid().tolist()
    found = iter(odds)
    return [[next(found) for _ in each] for each in places]


def with_content(ids: list[int], opening: int, closing: int, content: str, *path: str | int) -> list[int]:
    """An annotated text whose thoughts have their "own" tokens, their own "shuffled", or none ("empty")."""
    found, thought, inside = [], [], False
    for token in ids:
        if inside and token == closing:
            if content == "shuffled":
                shuffle(rng("thought", *path, len(found)), thought)
            found += thought if content != "empty" else []
            thought, inside = [], False
        if inside:
            thought.append(token)
        else:
            found.append(token)
            inside = token == opening
    return found
