"""An exam of diversity: in how many ways sampled responses solve a problem (Vendi score), and how many combine two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM, SamplingParams
from interlude.models.rollouts import check_room
from interlude.studies.evidence import diversities
from interlude.studies.exam import Exam, ExamResult, check_samples
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell
from interlude.studies.scoring import continuations
from interlude.synth import tasks
from interlude.synth.approaches import signature
from interlude.synth.problem import Problem
from interlude.synth.rng import uniforms
from interlude.synth.thoughts import without
from interlude.synth.verify import Verdict, verify

# Shapes: M texts, F features.


@dataclass(frozen=True)
class Ways:
    """How diverse the responses to one problem are.

    vendi_runs, vendi_approaches: their Vendi score over n-grams of words and over approaches (arXiv 2210.02410: from 1
    to the number of responses). shown: the approaches that each response with the right answer shows.

    What stands in thoughts is no part of the solution, and from a broken thought on nothing is (``synth.thoughts``).
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
class DiversityResult(ExamResult):
    """Of each problem (float64[P]): vendi_runs and vendi_approaches, Vendi scores of its responses; answer, how many
    are right; composed, how many of these show two approaches or more."""

    samples: int
    vendi_runs: np.ndarray
    vendi_approaches: np.ndarray
    answer: np.ndarray
    composed: np.ndarray


@dataclass(frozen=True)
class DiversityExam(Exam):
    """In how many ways ``samples`` responses, of at most ``max_new_tokens`` tokens, solve each problem."""

    samples: int = 16
    max_new_tokens: int = 256
    kind: ClassVar[str] = "diversity"
    result: ClassVar[type[ExamResult]] = DiversityResult
    needs: ClassVar[tuple[str, ...]] = (tasks.APPROACHES,)
    judged: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "vendi_runs": "Vendi score of each problem's responses by runs of words",
        "vendi_approaches": "the same by approaches",
        "correct": "responses of each problem with the right answer",
        "composed": "of these, those that show two approaches or more",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self, least=2)  # one response is written in one way

    @property
    def content(self) -> tuple[int, int]:
        return Verdict.version, Ways.version

    def measure(self, lm: LM) -> DiversityResult:
        params = SamplingParams(max_new_tokens=self.max_new_tokens, temperature=self.temperature)
        problems = self.draw_problems()
        check_room(f"exam {self.name!r}", lm, self.source, problems, self.max_new_tokens)
        found = sampled_ways(lm, problems, self.samples, params)
        names = ("vendi_runs", "vendi_approaches", "composed")
        values = {name: np.array([getattr(each, name) for each in found], dtype=np.float64) for name in names}
        right = np.array([len(each.shown) for each in found], dtype=np.float64)
        return DiversityResult(self.samples, answer=right, **values)

    def cells(self, result: DiversityResult) -> dict[str, str | float]:
        scores = {name: cell(getattr(result, name), 4) for name in ("vendi_runs", "vendi_approaches")}
        return scores | {"correct": cell(result.answer, 0), "composed": cell(result.composed, 0)}

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return [row for arm in table.arms for row in diversities(table, arm)]

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        if not rows:
            return []
        names = {
            "vendi_runs": "Vendi score\nby runs of words", "vendi_approaches": "Vendi score\nby approaches",
            "correct": "right", "composition": "of these 2\napproaches up",
        }  # fmt: skip
        most = " or ".join(str(samples) for samples in dict.fromkeys(row["samples"] for row in rows))
        caption = f"Vendi score: 1 if all responses are alike, {most} if none is like another, thoughts left out; "
        return [means_table("ways of solving a problem", rows, names, 3, caption)]


def sampled_ways(
    lm: LM, problems: Sequence[Problem], samples: int, params: SamplingParams, seed: int = 0
) -> list[Ways]:
    """The diversity of ``samples`` responses to each problem. Every response has a random stream of its own."""
    prompts = [lm.encode_prompt(problem.question) for problem in problems for _ in range(samples)]
    places = [(nth, n) for nth in range(len(problems)) for n in range(samples)]
    streams = np.stack([uniforms("diversity", seed, *place, n=params.max_new_tokens) for place in places])
    texts = [lm.decode(ids) for ids in continuations(lm, prompts, streams, params)]
    return [diversity_of(problem, texts[nth * samples : (nth + 1) * samples]) for nth, problem in enumerate(problems)]


def diversity_of(problem: Problem, texts: Sequence[str]) -> Ways:
    """The diversity of these responses to one problem."""
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
