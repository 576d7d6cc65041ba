"""How many ways a model tells solutions: Vendi score, how often one response holds two approaches, and unseen pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.studies.probe import sampled
from interlude.synth.approaches import signature
from interlude.synth.problem import Problem
from interlude.synth.rng import uniforms
from interlude.synth.thoughts import without
from interlude.synth.verify import verify

# Shapes: M texts, F features.

Pair = tuple[str, str]  # two approaches, in alphabetical order


@dataclass(frozen=True)
class Ways:
    """How the responses to one problem tell it.

    vendi_runs, vendi_approaches: their Vendi score by runs of tokens and by approaches (methods.md 3.4: from 1 to the
    number of responses). shown: the approaches that each response with the right answer shows.

    What stands in thoughts is no part of the telling, and from a broken thought on nothing is (``synth.thoughts``).
    Where steps are skipped, those shown have to keep what is promised: a plan is broken, a restatement is not.
    Responses that show no approach, be it that they are plain, wrong in form or empty, are alike in that, and unlike
    all that show one.

    Raise ``version`` when the numbers of any text change: it enters the key of every exam of this kind.
    """

    vendi_runs: float
    vendi_approaches: float
    shown: tuple[frozenset[str], ...]
    version: ClassVar[int] = 1

    @property
    def composed(self) -> int:
        """How many right responses show two approaches or more."""
        return sum(len(each) > 1 for each in self.shown)


@dataclass(frozen=True)
class Diversity:
    """What ``samples`` responses to each of some problems say.

    vendi_runs, vendi_approaches: of ``Ways``, a mean over problems. correct: share of responses with the right answer.
    composition: of those, the share that shows two approaches or more (0 where none is right). pairs: how many of those
    show each pair of approaches together.
    """

    vendi_runs: float
    vendi_approaches: float
    correct: float
    composition: float
    pairs: tuple[tuple[Pair, int], ...]

    def unseen(self, trained: Iterable[frozenset[str]]) -> tuple[tuple[Pair, int], ...]:
        """The pairs that no trained trace, given by the approaches it shows, shows together."""
        seen = set(pairs_of(trained))
        return tuple((pair, count) for pair, count in self.pairs if pair not in seen)


def diversity(
    lm: LM, problems: Sequence[Problem], samples: int, max_new_tokens: int, temperature: float = 1.0, seed: int = 0
) -> Diversity:
    """Sample ``samples`` responses to each problem and measure them all together."""
    found = sampled_ways(lm, problems, samples, max_new_tokens, temperature, seed)
    shown = [each for ways in found for each in ways.shown]
    pairs = tuple(sorted(pairs_of(shown).items(), key=lambda item: (-item[1], item[0])))
    scores = (float(np.mean([getattr(ways, name) for ways in found])) for name in ("vendi_runs", "vendi_approaches"))
    return Diversity(*scores, len(shown) / (len(problems) * samples), composition(shown), pairs)


def sampled_ways(
    lm: LM, problems: Sequence[Problem], samples: int, max_new_tokens: int, temperature: float = 1.0, seed: int = 0
) -> list[Ways]:
    """How ``samples`` responses to each problem tell it. Every response has a random stream of its own."""
    prompts = [lm.encode_prompt(problem.question) for problem in problems for _ in range(samples)]
    places = [(nth, n) for nth in range(len(problems)) for n in range(samples)]
    streams = np.stack([uniforms("diversity", seed, *place, n=max_new_tokens) for place in places])
    texts = [lm.decode(ids) for ids in sampled(lm, prompts, streams, max_new_tokens, temperature)]
    return [told(problem, texts[nth * samples : (nth + 1) * samples]) for nth, problem in enumerate(problems)]


def told(problem: Problem, texts: Sequence[str]) -> Ways:
    """How these responses to one problem tell it."""
    bare = [without(text)[0] for text in texts]
    signatures = [signature(problem, text) for text in bare]
    runs = vendi(similarity([token_runs(text) for text in bare]))
    approaches = vendi(similarity([Counter(each) for each in signatures]))
    right = tuple(each for each, text in zip(signatures, texts, strict=True) if verify(problem, text).answer)
    return Ways(runs, approaches, right)


def vendi(similarity_MM: np.ndarray) -> float:
    """exp(-sum lambda log lambda) over the eigenvalues of K / m: 1 for m equal texts, m for m unlike ones (Friedman and
    Dieng 2023, arXiv 2210.02410, definition 3.1). K is symmetric, positive semi-definite, with ones on its diagonal;
    ValueError otherwise."""
    m = len(similarity_MM)
    fits = similarity_MM.shape == (m, m) and m > 0 and np.allclose(np.diag(similarity_MM), 1)
    if not fits or not np.allclose(similarity_MM, similarity_MM.T):
        shape = similarity_MM.shape
        raise ValueError(f"a similarity must be square and symmetric with a diagonal of ones, got shape {shape}")
    shares_M = np.linalg.eigvalsh(similarity_MM / m)
    if shares_M[0] < -1e-9:
        raise ValueError(f"a similarity must be positive semi-definite, its least eigenvalue is {m * shares_M[0]:.3g}")
    shares_M = shares_M[shares_M > 1e-12]
    return float(np.exp(-(shares_M * np.log(shares_M)).sum()))


def similarity(counts: Sequence[Counter]) -> np.ndarray:
    """The cosine (MM) between counts; texts without any count are alike, and unlike all others."""
    names = {name: n for n, name in enumerate(dict.fromkeys(name for each in counts for name in each))}
    rows_MF = np.zeros((len(counts), len(names) + 1))
    for row_F, each in zip(rows_MF, counts, strict=True):
        for name, count in each.items():
            row_F[names[name]] = count
        row_F[-1] = not each
    rows_MF /= np.linalg.norm(rows_MF, axis=1, keepdims=True)
    return rows_MF @ rows_MF.T


def token_runs(text: str, longest: int = 3) -> Counter:
    """How often each run of 1 to ``longest`` words is in a text."""
    words = text.split()
    return Counter(tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1))


def composition(shown: Sequence[frozenset[str]]) -> float:
    """The share of responses that show two approaches or more; 0 of no responses."""
    return sum(len(each) > 1 for each in shown) / max(1, len(shown))


def pairs_of(shown: Iterable[frozenset[str]]) -> Counter:
    """How many responses show each pair of approaches."""
    return Counter(pair for each in shown for pair in combinations(sorted(each), 2))
