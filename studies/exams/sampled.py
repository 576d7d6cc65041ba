"""A sampled exam: several responses to each problem, judged by the verifier; the cross-check of exact exams."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM
from interlude.studies.evidence import faults, lengths
from interlude.studies.exam import Exam, ExamResult, check_samples
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell, counted
from interlude.synth import thoughts
from interlude.synth.rng import uniforms
from interlude.synth.verify import KINDS as FAULTS
from interlude.synth.verify import verify

ROWS = 512  # responses sampled at once


@dataclass(frozen=True)
class SampledResult(ExamResult):
    """strict and answer (float64[P]): counts out of ``samples``. process: mean share of right steps. tokens: mean
    response length. thought: mean number of words of a response that stand in thoughts. faults: the number of
    responses, of all problems together, with at least one fault of a kind."""

    samples: int
    strict: np.ndarray
    answer: np.ndarray
    process: np.ndarray
    tokens: np.ndarray
    thought: np.ndarray
    faults: dict[str, int]


@dataclass(frozen=True)
class SampledExam(Exam):
    """``samples`` responses to each problem, of at most ``max_new_tokens`` tokens, each with a random stream of its
    own."""

    samples: int = 16
    max_new_tokens: int = 256
    kind: ClassVar[str] = "sampled"
    result: ClassVar[type[ExamResult]] = SampledResult
    judged: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "strict": "strictly correct responses of each problem",
        "correct": "responses of each problem with the right answer",
        "faults": "responses with at least one fault of a kind, kind:count",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self)

    def measure(self, lm: LM) -> SampledResult:
        problems = self.draw_problems()
        totals = {name: np.zeros(len(problems)) for name in ("strict", "answer", "process", "tokens", "thought")}
        faults: Counter[str] = Counter()
        per = max(1, ROWS // self.samples)
        for first in range(0, len(problems), per):
            part = range(first, min(first + per, len(problems)))
            prompts = [lm.encode_prompt(problems[i].question) for i in part for _ in range(self.samples)]
            streams = np.stack(
                [uniforms("sampled", i, n, n=self.max_new_tokens) for i in part for n in range(self.samples)]
            )
            samples = lm.sample(prompts, streams, max_new_tokens=self.max_new_tokens, temperature=self.temperature)
            for nth, ids in enumerate(samples.ids):
                i = first + nth // self.samples
                text = lm.decode(ids)
                verdict = verify(problems[i], text)
                totals["strict"][i] += verdict.strict
                totals["answer"][i] += verdict.answer
                totals["process"][i] += verdict.process / self.samples
                totals["tokens"][i] += len(ids) / self.samples
                totals["thought"][i] += thoughts.length(text.split()) / self.samples
                faults.update({fault.kind for fault in verdict.faults})
        return SampledResult(self.samples, faults={kind: faults[kind] for kind in FAULTS if faults[kind]}, **totals)

    def cells(self, found: SampledResult) -> dict[str, str | float]:
        return {
            "strict": cell(found.strict, 0),
            "correct": cell(found.answer, 0),
            "process": float(found.process.mean()),
            "response_tokens": float(found.tokens.mean()),
            "thought_tokens": float(found.thought.mean()),
            "faults": counted(found.faults),
        }

    @classmethod
    def summary(cls, found: Results) -> list[dict]:
        return [row for arm in found.arms for row in (*lengths(found, arm), *faults(found, arm))]

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        made = []
        if long := [row for row in rows if "what" in row]:
            names = {"response_tokens": "tokens", "thought_tokens": "words of thought"}
            made.append(means_table("length of responses", long, names))
        if wrong := [row for row in rows if "shares" in row]:
            kinds = [kind for kind in FAULTS if any(kind in row["shares"] for row in wrong)]
            cells = [
                [row["arm"], row["exam"], *(f"{row['shares'].get(kind, 0.0):.3f}" for kind in kinds)] for row in wrong
            ]
            caption = "share of responses with at least one, all seeds together"
            made.append(("faults", ["arm", "exam", *kinds], cells, caption))
        return made
