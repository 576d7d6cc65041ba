"""A ranker scores how well a text follows an approach: a linear classifier over token n-grams, trained on examples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from interlude.models.ledger import JUDGE, Spent

# Shapes: N texts, F features, C approaches.

PIECE = re.compile(r"<[^<>\s]+>|[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")
LONGEST = 3  # tokens of a run
STEPS, RATE, DECAY = 300, 4.0, 1e-4  # of gradient descent; the loss of unit rows has a curvature of at most a half


@dataclass(frozen=True, eq=False)
class Ranker:
    """``approaches`` in the order of the columns of ``weight_FC``; ``spent`` is what training cost."""

    approaches: tuple[str, ...]
    features: dict[tuple[str, ...], int]
    weight_FC: np.ndarray
    spent: Spent

    def scores(self, question: str, texts: Sequence[str]) -> tuple[np.ndarray, Spent]:
        """log p(approach | text), NC in nats, and what finding it cost."""
        runs = [runs_of(question, text) for text in texts]
        rows_NF = np.stack([self.row(each) for each in runs])
        spent = Spent(JUDGE, sum(each.total() for each in runs) // LONGEST, 2.0 * rows_NF.size * len(self.approaches))
        return logp(rows_NF @ self.weight_FC), spent

    def row(self, runs: Counter) -> np.ndarray:
        return unit(runs, self.features)


def fit(examples: Sequence[tuple[str, str, str]]) -> Ranker:
    """A ranker from (approach, question, text) triples: multinomial logistic regression by gradient descent on the
    whole set, from zero, so that equal examples give equal bits. Raises ValueError where there are none."""
    if not examples:
        raise ValueError("a ranker needs at least one example")
    approaches = tuple(dict.fromkeys(approach for approach, _, _ in examples))
    counted = [runs_of(question, text) for _, question, text in examples]
    features = {run: n for n, run in enumerate(dict.fromkeys(run for runs in counted for run in runs))}
    rows_NF = np.stack([unit(runs, features) for runs in counted])
    right_NC = np.array([[approach == each for each in approaches] for approach, _, _ in examples], dtype=np.float64)
    weight_FC = np.zeros((len(features), len(approaches)))
    for _ in range(STEPS):
        wrong_NC = np.exp(logp(rows_NF @ weight_FC)) - right_NC
        weight_FC -= RATE * (rows_NF.T @ wrong_NC / len(examples) * len(approaches) + DECAY * weight_FC)
    tokens = sum(runs.total() for runs in counted) // LONGEST
    return Ranker(approaches, features, weight_FC, Spent(JUDGE, tokens, 4.0 * STEPS * rows_NF.size * len(approaches)))


def runs_of(question: str, text: str) -> Counter:
    """How often each run of 1 to LONGEST tokens is in ``text``. Which quantity a noun names and which value a number
    has say nothing of an approach: a number counts as a number, and a noun as how it stands to the noun before it in
    the order of the question, and whether it follows the token before it there too."""
    pieces = PIECE.findall(question)
    asked = {noun: n for n, noun in enumerate(dict.fromkeys(pieces)) if noun.isalpha()}
    beside = set(pairwise(pieces))
    words, last, before = [], None, ""
    for piece in PIECE.findall(text):
        if piece.isdigit():
            words.append("0")
        elif piece in asked:
            place = asked[piece]
            stands = "first" if last is None else "same" if place == last else "later" if place > last else "earlier"
            words.append(f"{stands} beside" if (before, piece) in beside else stands)
            last = place
        else:
            words.append(piece)
        before = piece
    return Counter(tuple(words[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(words) - n + 1))


def unit(runs: Counter, features: dict) -> np.ndarray:
    """The known runs as a row (F) of length 1, so that long texts weigh as much as short ones."""
    row_F = np.zeros(len(features))
    for run, count in runs.items():
        if run in features:
            row_F[features[run]] = count
    return row_F / max(1e-12, float(np.linalg.norm(row_F)))


def logp(logits_NC: np.ndarray) -> np.ndarray:
    """Log-probabilities (N, C) from logits."""
    shifted_NC = logits_NC - logits_NC.max(1, keepdims=True)
    return shifted_NC - np.log(np.exp(shifted_NC).sum(1, keepdims=True))
