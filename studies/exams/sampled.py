"""A sampled exam: several responses to each problem, judged by the task; the cross-check of exact exams."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from interlude.models.lm import LM, SamplingParams, tags
from interlude.models.rollouts import check_room
from interlude.studies.evidence import faults, lengths
from interlude.studies.exam import Exam, ExamResult, check_samples
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell, counted
from interlude.synth import thoughts
from interlude.synth.added_field import added_field
from interlude.synth.rng import uniforms
from interlude.synth.source import Source, parts
from interlude.synth.tasks import judge
from interlude.synth.verify import KINDS as FAULTS

ROWS = 512  # responses sampled at once
OPENED = ("", "start", "answer")
ANNOUNCED = "answer"  # the word that announces one, in the terse and the direct dialect


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
    own.

    opened: where a thought is opened for the model, whose tag is part of its response: nowhere (""), at the "start" of
    the solution, or before the "answer", as soon as the model announces one. A method that never opens a thought of its
    own accord, as its training opens them, is not known by what it writes unasked.
    """

    samples: int = 16
    max_new_tokens: int = 256
    opened: str = added_field("")
    kind: ClassVar[str] = "sampled"
    result: ClassVar[type[ExamResult]] = SampledResult
    judged: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[dict[str, str]] = {
        "strict": "strictly correct responses of each problem",
        "correct": "responses of each problem with the right answer",
        "faults": "responses with at least one fault of a kind, kind:count",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self)
        if self.opened not in OPENED:
            raise ValueError(f"SampledExam.opened must be one of {', '.join(map(repr, OPENED))}, got {self.opened!r}")
        known = [part for part in parts(self.source) if isinstance(part, Source) and part.thoughts != "none"]
        if self.opened and (len(known) < len(parts(self.source)) or any(part.dialect == "prose" for part in known)):
            raise ValueError("SampledExam.opened needs a source that allows thoughts, in the terse or direct dialect")

    def measure(self, lm: LM) -> SampledResult:
        problems = self.draw_problems()
        check_room(f"exam {self.name!r}", lm, self.source, problems, self.max_new_tokens)
        totals = {name: np.zeros(len(problems)) for name in ("strict", "answer", "process", "tokens", "thought")}
        faults: Counter[str] = Counter()
        per = max(1, ROWS // self.samples)
        for first in range(0, len(problems), per):
            part = range(first, min(first + per, len(problems)))
            prompts = [lm.encode_prompt(problems[i].question) for i in part for _ in range(self.samples)]
            streams = np.stack(
                [uniforms("sampled", i, n, n=self.max_new_tokens) for i in part for n in range(self.samples)]
            )
            for nth, ids in enumerate(self.sampled(lm, prompts, streams)):
                i = first + nth // self.samples
                text = lm.decode(ids)
                verdict = judge(problems[i], text)
                totals["strict"][i] += verdict.strict
                totals["answer"][i] += verdict.answer
                totals["process"][i] += verdict.process / self.samples
                totals["tokens"][i] += len(ids) / self.samples
                totals["thought"][i] += thoughts.length(text.split()) / self.samples
                faults.update({fault.kind for fault in verdict.faults})
        return SampledResult(self.samples, faults={kind: faults[kind] for kind in FAULTS if faults[kind]}, **totals)

    def sampled(self, lm: LM, prompts: list[list[int]], streams: np.ndarray) -> list[list[int]]:
        """A response to each prompt, the tag of an opened thought included; each new token has its own column of the
        row's stream."""
        params = SamplingParams(max_new_tokens=self.max_new_tokens, temperature=self.temperature)
        if not self.opened:
            return lm.sample(prompts, streams, params).ids
        opening = tags(lm)[0]
        begun: list[list[int]] = [[] for _ in prompts]
        if self.opened == "answer":
            announced = lm.encode(ANNOUNCED)[0]
            begun = lm.sample(prompts, streams, replace(params, stop_token=announced)).ids
        going = [n for n, ids in enumerate(begun) if self.opened == "start" or ids[-1:] == [announced]]
        if not going:
            return begun
        used = [len(begun[n]) for n in going]
        rest = np.stack([np.roll(streams[n], -at) for n, at in zip(going, used, strict=True)])
        asked = [[*prompts[n], *begun[n], opening] for n in going]
        found = lm.sample(asked, rest, params).ids
        for n, at, ids in zip(going, used, found, strict=True):
            begun[n] = [*begun[n], opening, *ids[: self.max_new_tokens - at]]
        return begun

    def cells(self, result: SampledResult) -> dict[str, str | float]:
        return {
            "strict": cell(result.strict, 0),
            "correct": cell(result.answer, 0),
            "process": float(result.process.mean()),
            "response_tokens": float(result.tokens.mean()),
            "thought_tokens": float(result.thought.mean()),
            "faults": counted(result.faults),
        }

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return [row for arm in table.arms for row in (*lengths(table, arm), *faults(table, arm))]

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
