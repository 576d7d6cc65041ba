"""An exam of next tokens: how probable is the corpus' own next token, with a sampled thought before it and without one?

RMT (arXiv 2509.24375) and RPT (arXiv 2506.08007) are judged by the share of next tokens of held-out texts that a model
predicts rightly after it has thought ("next-token reasoning"), and models without thoughts by next-token prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM, SamplingParams, tags
from interlude.models.stages.rmt import predicts
from interlude.models.thought_rl import PLACES, length
from interlude.studies.evidence import measure_rows
from interlude.studies.exam import Exam, ExamResult, check_samples
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell
from interlude.studies.scoring import continuations, encoded, token_probabilities
from interlude.synth.problem import Problem
from interlude.synth.render import INFERRED
from interlude.synth.rng import below, rng, uniforms
from interlude.synth.source import parts

MEASURES = {"match": "with a thought", "plain": "without", "closed": "thoughts closed"}


@dataclass(frozen=True)
class MatchResult(ExamResult):
    """Of each problem's token (float64[P]): match, its probability after a thought, a mean over thoughts; plain, its
    probability without one; closed, the share of thoughts that were closed in time; thought, their mean length in
    tokens, without tags."""

    samples: int
    match: np.ndarray
    plain: np.ndarray
    closed: np.ndarray
    thought: np.ndarray


@dataclass(frozen=True)
class MatchExam(Exam):
    """The probability of one token of each text of the corpus, drawn uniformly: without a thought, and after each of
    ``samples`` thoughts. Means over problems are means over places, each text with equal weight.

    The model reads the text up to the token and an opening tag, and writes a thought and its closing tag. The token's
    probability after them is exact: what the share of matches of predictions sampled there estimates, with a lower
    variance. As in RMT's reward it is 0 after a thought that is not closed in time or holds another opening tag.
    Places, thoughts and random streams are the same for all models, so that differences are paired.
    """

    samples: int = 8
    # The room of a response as in RMT: thought, closing tag and predicted token.
    max_new_tokens: int = 64
    # "any" token of a solution, or an "inferable" one (``synth.render.INFERRED``), which follows from steps that the
    # text leaves out; every text of ``source`` must then leave one out.
    places: str = "any"
    kind: ClassVar[str] = "match"
    result: ClassVar[type[ExamResult]] = MatchResult
    aligned: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "match": "probability of each text's own next token after a thought, a mean over thoughts",
        "plain": "probability of the same token without a thought",
        "closed": "share of the thoughts that were closed in time",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self)
        if self.max_new_tokens < 2:
            raise ValueError(f"MatchExam.max_new_tokens of {self.name!r} must be at least 2, a closing tag and a token")
        if self.places not in PLACES:
            raise ValueError(f"MatchExam.places must be one of {', '.join(PLACES)}, got {self.places!r}")
        if any(part.thoughts == "oracle" for part in parts(self.source)):
            raise ValueError(f"MatchExam.source of {self.name!r} must not hold thoughts: the model writes its own")

    def measure(self, lm: LM) -> MatchResult:
        opening, closing = tags(lm)
        problems = self.draw_problems()
        texts = list(zip(*encoded(lm, problems), map(self.place, problems, range(self.problems)), strict=True))
        prefixes, own = [[*asked, *ids[:t]] for asked, ids, t in texts], [[ids[t]] for _, ids, t in texts]
        members = [(row, n) for row in range(self.problems) for n in range(self.samples)]
        prompts = [[*prefixes[row], opening] for row, _ in members]
        room = self.max_new_tokens - 1  # the last token is the predicted one
        streams = np.stack([uniforms("match", "thought", row, n, n=room) for row, n in members])
        params = SamplingParams(max_new_tokens=room, temperature=self.temperature, stop_token=closing)
        written = continuations(lm, prompts, streams, params)
        closed = [n for n, ids in enumerate(written) if predicts([*ids, *own[members[n][0]]], opening, closing)]
        thought = [prompts[n] + written[n] for n in closed], [own[members[n][0]] for n in closed]
        after = token_probabilities(lm, *thought, self.temperature)
        match_N, closed_N = np.zeros(len(members)), np.zeros(len(members))
        match_N[closed], closed_N[closed] = after, 1.0
        length_N = np.array([length(ids, closing) for ids in written], float)
        means = [each_N.reshape(self.problems, self.samples).mean(1) for each_N in (match_N, closed_N, length_N)]
        plain = token_probabilities(lm, prefixes, own, self.temperature)
        return MatchResult(self.samples, means[0], plain, *means[1:])

    def place(self, problem: Problem, row: int) -> int:
        """The index of the solution's token that is asked for. Raises ValueError where none can be inferred."""
        roles = problem.written.solution_roles
        found = [t for t, role in enumerate(roles) if self.places == "any" or role == INFERRED]
        if not found:
            raise ValueError(
                f"MatchExam.source of {self.name!r} must leave out a step in every text (Source.stop_prob 1) where "
                f"places are inferable, but text {row} infers nothing"
            )
        return found[below(rng("match", "place", row), len(found))]

    def cells(self, result: MatchResult) -> dict[str, str | float]:
        measured = {name: cell(getattr(result, name), 5) for name in MEASURES}
        return measured | {"thought_tokens": float(result.thought.mean())}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return measure_rows(table, cls.kind, tuple(MEASURES))

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        caption = "probability of the corpus' own token on held-out texts; a thought that is not closed counts 0; "
        return [means_table("next tokens matched", rows, MEASURES, digits=3, caption=caption)] if rows else []
