"""An annotator inserts thoughts between the segments of a corpus chunk and copies all other tokens unchanged."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np

from interlude.models.lazy import inference_mode, torch
from interlude.models.lm import LM, tags
from interlude.models.meter import count_samples
from interlude.models.parallel import one_core
from interlude.models.sample import choose
from interlude.synth.problem import Problem
from interlude.synth.rng import key, rng, shuffle
from interlude.synth.segments import Assertion, segments, unthought
from interlude.synth.tasks import Task, TaskProblem

if TYPE_CHECKING:
    from torch import Tensor

# Shapes: B rows, T tokens of the longest row, V tokens of the vocabulary.

HALVES = SFT_HALF, RL_HALF = 0, 1
CONTENTS = ("own", "shuffled", "empty")  # of a thought that stays where it is
IN_PLACE_OF_THOUGHTS = ("nothing", "mark", "elsewhere")  # what may stand in a text instead of them
MARK = "."  # stands in no terse solution
MOST_ATTEMPTS = 1000  # draws in a row from the wrong half before an error
SENTENCE = re.compile(r"[.!?]+['\")\]]*(?=\s)|\S(?=[ \t]*\n)")  # the end of a sentence, or of a line
FULL_STOP = re.compile(r"[.!?]['\")\]]*\s*$")


@dataclass(frozen=True)
class Chunk:
    """A problem of the raw corpus as token ids: the question, and the segments of its solution."""

    problem: TaskProblem
    question: list[int]
    segments: list[list[int]]

    @property
    def solution(self) -> list[int]:
        return list(chain.from_iterable(self.segments))


def half(problem: TaskProblem) -> int:
    """Which half of the corpus a problem belongs to: a hash of its question, so no problem is in both."""
    return key("half", problem.question) % len(HALVES)


def raw(problem: TaskProblem) -> TaskProblem:
    """The problem as the raw corpus has it. Text of another origin than the generator has no thoughts to leave out."""
    return unthought(problem) if isinstance(problem, Problem) else problem


def drawn(data: Task, which: int, *path: str | int) -> TaskProblem:
    """The first problem of this path's stream that is in the half ``which``, as in the raw corpus (no thoughts)."""
    for attempt in range(MOST_ATTEMPTS):
        problem = data.problem(*path, attempt)
        if half(problem) == which:
            return raw(problem)
    raise ValueError(f"no problem of half {which} in {MOST_ATTEMPTS} draws: thinking needs data with more problems")


def chunk(lm: LM, problem: TaskProblem) -> Chunk:
    """A problem without thoughts, as token ids of ``lm``. Its segments are the steps of the solution or, in text of
    another origin, its sentences. Raises ValueError if two steps share a token."""
    if not isinstance(problem, Problem):
        return Chunk(problem, lm.encode_prompt(problem.question), sentences(lm, lm.encode(problem.solution)))
    question, parts = lm.encode_prompt(problem.question), [lm.encode(text) for text in segments(problem)]
    if list(chain.from_iterable(parts)) != lm.encode(problem.solution):
        raise ValueError("this model's tokenizer joins segments of a solution: no thought can be inserted between them")
    return Chunk(problem, question, parts)


def sentences(lm: LM, ids: list[int]) -> list[list[int]]:
    """Token ids of a text, cut after every sentence and line; the model's end belongs to the last. A token that holds
    the end of a sentence and more, such as a full stop with its line break, belongs to that sentence."""
    body = ids[: ids.index(lm.end)] if lm.end in ids else ids
    ends = [found.end() for found in SENTENCE.finditer(lm.decode(body))]
    cuts = [bisect_left(range(len(body)), end, key=lambda n: len(lm.decode(body[:n]))) for end in ends]
    cuts = [0, *sorted(set(cuts) - {0, len(body)}), len(ids)]
    return [ids[first:last] for first, last in pairwise(cuts)]


def first_sentence(lm: LM, ids: list[int]) -> int | None:
    """How many of these tokens its first sentence has; None where it is not whole."""
    parts = sentences(lm, ids)
    whole = len(parts) > 1 or lm.end in ids or FULL_STOP.search(lm.decode(ids))
    return min(len(parts[0]), ids.index(lm.end) + 1 if lm.end in ids else len(ids)) if whole else None


def plainly(text: str) -> Assertion:
    """What a sentence asserts that nobody parses: its own words."""
    words = " ".join(text.split())
    return Assertion(words, frozenset({("text", words)}), key("sentence", words))


def check_tokens(lm: LM, annotator: LM, chunks: list[Chunk]) -> None:
    """Raises ValueError unless the annotator encodes these chunks to the same tokens as the learner."""
    if tags(lm) != tags(annotator) or any(annotator.encode_prompt(c.problem.question) != c.question for c in chunks):
        raise ValueError("the annotator and the learner must have equal tokenizers, but encode a chunk differently")


def oracle(lm: LM, problem: Problem) -> list[int]:
    """The solution with its skipped steps in thoughts. Only the generator knows them; no annotator can be better."""
    told = problem.style
    thinks = told is not None and told.skipped is not None
    text = replace(problem, style=replace(told, thoughts="oracle")) if thinks else problem
    return lm.encode(text.solution)


@dataclass
class Hand:
    """The decoding state of one row: it may write the chunk's next token or, where a segment begins, a thought.

    tokens: of the solution. starts: the indices in ``tokens`` where segments begin. at: the index of the next token to
    copy. left: thought tokens that may still be written. never: tokens that are not allowed in a thought.
    """

    tokens: list[int]
    starts: frozenset[int]
    left: int
    opening: int
    closing: int
    never: tuple[int, ...]
    at: int = 0
    inside: bool = False
    thought: bool = False  # whether a thought was written since the last token of the chunk
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
    """The indices in a chunk's solution where its segments begin."""
    return [0, *np.cumsum([len(part) for part in each.segments])[:-1].tolist()]


def room(each: Chunk, most: int) -> int:
    """The largest possible length of an annotated solution of this chunk, in tokens."""
    return len(each.solution) + 2 * len(each.segments) + most


@one_core()
@inference_mode
def annotate(lm: LM, chunks: list[Chunk], streams: np.ndarray, most: int, temperature: float = 1.0) -> list[list[int]]:
    """Each chunk's solution with thoughts written by ``lm``: at most one before each segment, ``most`` tokens in total.

    This is constrained decoding. Before a segment, only the opening tag and the chunk's next token are allowed. Inside
    a thought the model writes until the closing tag; everywhere else only the chunk's next token is allowed.
    ``streams[b, t]`` is the uniform number that chooses token t of row b.
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
            found = [hand.out for hand in hands]
            count_samples(lm, [c.question for c in chunks], found)
            return found
        if len(going) < len(alive):
            kept_K = torch.tensor(going, device=chosen_B.device)
            decoder.keep(kept_K)
            alive, chosen_B = [alive[place] for place in going], chosen_B[kept_K]
        logits_BV, t = decoder.step(chosen_B), t + 1


@one_core()
def thought_probs(lm: LM, chunks: list[Chunk]) -> list[list[float]]:
    """For every segment of each chunk, the probability that ``lm`` opens a thought before it instead of continuing with
    the text, given a prefix without thoughts. One forward pass."""
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
    """An annotated text with the content of its thoughts kept ("own"), "shuffled" within each thought, or "empty"."""
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


def without_thoughts(
    each: Chunk, ids: list[int], opening: int, closing: int, instead: str, mark: list[int], *path: str | int
) -> list[int]:
    """The tokens of an annotated chunk with "nothing" where thoughts were, with a "mark" that is no thought, or with as
    many empty thoughts "elsewhere": where other segments begin, as far as there are any. ids: the annotated solution;
    path: what the places elsewhere are drawn from. Raises ValueError if the mark is in the text."""
    if instead == "mark" and set(mark) & set(each.solution):
        raise ValueError(
            f"what marks a gap must be in no solution, but {MARK!r} is in this one: {each.problem.solution}"
        )
    gaps, at, inside = set(), 0, False
    for token in ids:
        if token in (opening, closing):
            inside = token == opening
            gaps |= {at} if inside else set()
        else:
            at += not inside
    free = [start for start in starts(each) if start not in gaps]
    if instead == "elsewhere":
        shuffle(rng("elsewhere", *path), free)
    put = {"nothing": [], "mark": mark, "elsewhere": [opening, closing]}[instead]
    where = set(free[: len(gaps)]) if instead == "elsewhere" else gaps
    return list(chain.from_iterable([*(put if n in where else ()), token] for n, token in enumerate(each.solution)))
