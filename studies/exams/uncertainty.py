"""An exam of uncertainty: do a model's entropy, or its loss, point at the tokens of a corpus that thinking could infer?

RMT (arXiv 2509.24375) and RPT (arXiv 2506.08007) think before the tokens at which a model's entropy is highest. Where
the corpus leaves out steps, the token that follows from them ("inferred") is the one that thinking can supply.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.models.parallel import together
from interlude.studies.evidence import measure_rows
from interlude.studies.exam import Exam, ExamResult
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell, pairs
from interlude.studies.scoring import chunks, encoded, predictions
from interlude.synth.render import INFERRED

TOP = 0.2  # the share of tokens with the highest entropy that RMT and RPT think about
RANKS = {"entropy_rank": "rank by entropy", "loss_rank": "rank by loss", "inferred_prob": "probability"}


@dataclass(frozen=True)
class UncertaintyResult(ExamResult):
    """Over the inferred tokens of each text: entropy_rank and loss_rank (float64[P]), the share of the text's other
    tokens that lie lower (ties count half; 0.5 is chance), and inferred_prob, their mean probability. By role:
    top_entropy and top_loss, the share of the role's tokens among the fifth of all texts' with the highest; entropy
    (nats) and prob, means."""

    entropy_rank: np.ndarray
    loss_rank: np.ndarray
    inferred_prob: np.ndarray
    top_entropy: dict[str, float]
    top_loss: dict[str, float]
    entropy: dict[str, float]
    prob: dict[str, float]


@dataclass(frozen=True)
class UncertaintyExam(Exam):
    """How uncertain a model is at every token of a corpus' texts, by teacher forcing."""

    kind: ClassVar[str] = "uncertainty"
    result: ClassVar[type[ExamResult]] = UncertaintyResult
    aligned: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "entropy_rank": "share of a text's other tokens with a lower entropy than an inferred one",
        "loss_rank": "share of a text's other tokens with a lower loss than an inferred one",
        "inferred_prob": "mean probability of a text's inferred tokens",
        "top_entropy": "share of each role's tokens among the fifth with the highest entropy, role:share",
        "top_loss": "share of each role's tokens among the fifth with the highest loss, role:share",
        "role_entropy": "mean entropy (nats) by role, role:nats",
        "role_prob": "mean probability by role, role:probability",
    }

    def measure(self, lm: LM) -> UncertaintyResult:
        problems = self.draw_problems()
        roles = [np.array(problem.written.solution_roles) for problem in problems]
        without = sum(INFERRED not in each for each in roles)
        if without:
            raise ValueError(
                f"UncertaintyExam.source of {self.name!r} must leave out a step in every text (Source.stop_prob 1), "
                f"but {without} of {len(problems)} texts infer nothing"
            )

        def read(chunk: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
            prompts, texts = encoded(lm, [problems[i] for i in chunk])
            found = predictions(lm, prompts, texts, self.temperature)
            return [entropy_and_loss(logp_TV.cpu().numpy(), ids) for logp_TV, ids in zip(found, texts, strict=True)]

        pieces = together([partial(read, chunk) for chunk in chunks(list(range(len(problems))), lm)])
        entropy, loss = zip(*(pair for piece in pieces for pair in piece), strict=True)
        return summed(roles, entropy, loss)

    def cells(self, result: UncertaintyResult) -> dict[str, str | float]:
        by_role = {"role_entropy": result.entropy, "role_prob": result.prob}
        by_role |= {name: getattr(result, name) for name in ("top_entropy", "top_loss")}
        ranks = {name: cell(getattr(result, name), 4) for name in RANKS}
        return ranks | {name: pairs(values, ".5f") for name, values in by_role.items()}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return measure_rows(table, cls.kind, tuple(RANKS))

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        caption = "ranks are among the tokens of a text, 0.5 by chance; "
        return [means_table("tokens that thinking could infer", rows, RANKS, digits=2, caption=caption)] if rows else []


def entropy_and_loss(logp_TV: np.ndarray, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """At each of T tokens: the entropy of its prediction and its own surprise, in nats."""
    p_TV = np.exp(logp_TV)
    return -(p_TV * np.where(p_TV > 0, logp_TV, 0.0)).sum(1), -logp_TV[np.arange(len(ids)), ids]


def summed(roles: list[np.ndarray], entropy: tuple[np.ndarray, ...], loss: tuple[np.ndarray, ...]) -> UncertaintyResult:
    """A result of every text's roles, entropies and losses (T each)."""
    ranks = [
        np.array([rank(each[here == INFERRED], each[here != INFERRED]) for here, each in zip(roles, one, strict=True)])
        for one in (entropy, loss)
    ]
    probs = [float(np.exp(-each[here == INFERRED]).mean()) for here, each in zip(roles, loss, strict=True)]
    role_N, entropy_N, loss_N = (np.concatenate(each) for each in (roles, entropy, loss))
    masks = {str(role): role_N == role for role in sorted(set(role_N))}
    most_N = [each >= np.quantile(each, 1 - TOP) for each in (entropy_N, loss_N)]
    by_role = [
        {role: float(values[mask_N].mean()) for role, mask_N in masks.items()}
        for values in (*most_N, entropy_N, np.exp(-loss_N))
    ]
    return UncertaintyResult(*ranks, np.array(probs), *by_role)


def rank(these: np.ndarray, others: np.ndarray) -> float:
    """The mean share of ``others`` that lie below each of ``these``; equal ones count half."""
    below = (others[None] < these[:, None]) + 0.5 * (others[None] == these[:, None])
    return float(below.mean())
