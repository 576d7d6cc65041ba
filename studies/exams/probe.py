"""A probe of thoughts: does what stands in a thought matter to the corpus segment that follows it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import numpy as np

from interlude.models.annotator import chunk, with_content
from interlude.models.lm import LM, SamplingParams, tags
from interlude.models.stages.thinking import Cut, Judge, Thinking, cut, needed, read
from interlude.studies.evidence import measure_rows
from interlude.studies.exam import Exam, ExamResult, check_samples
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results, cell
from interlude.studies.scoring import continuations, text_logprobs
from interlude.synth import tasks
from interlude.synth.problem import Problem
from interlude.synth.rng import rng, shuffle, uniforms
from interlude.synth.segments import unthought
from interlude.synth.source import parts
from interlude.synth.verify import Verdict

OTHER = "other"
THOUGHTS = ("own", "empty", "shuffled", OTHER)
VERSION = 2  # of the probe; 1 cut before any segment, also where no step is skipped
DRAWS = 100  # problems looked at, at most, for each that is asked


@dataclass(frozen=True)
class ProbeResult(ExamResult):
    """logp (float64[P], nats): of the corpus' segment, a mean over thoughts. The rest as in a sampled exam, of the
    segment written after each thought."""

    samples: int
    logp: np.ndarray
    strict: np.ndarray
    answer: np.ndarray
    process: np.ndarray
    tokens: np.ndarray
    thought: np.ndarray


@dataclass(frozen=True)
class ProbeExam(Exam):
    """What follows ``samples`` thoughts before a segment, of ``max_new_tokens`` tokens at most, when ``thought`` stands
    in each ("own", or what replaces it; see ``probe``), in the first ``problems`` that skip a step."""

    samples: int = 16
    max_new_tokens: int = 256
    thought: str = "own"
    kind: ClassVar[str] = "probe"
    result: ClassVar[type[ExamResult]] = ProbeResult
    needs: ClassVar[tuple[str, ...]] = (tasks.SEGMENTS,)
    judged: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = {
        "logp": "log-probability (nats) of the corpus' segment after a thought, a mean over thoughts",
        "strict": "written segments that equal the corpus' by the judge of Thinking",
        "correct": "written segments that end in its number",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self)
        if self.thought not in THOUGHTS:
            raise ValueError(f"ProbeExam.thought must be one of {', '.join(THOUGHTS)}, got {self.thought!r}")
        if self.problems < 2:
            raise ValueError("ProbeExam.problems must be at least 2, as thoughts change places, got 1")
        if not any(part.skip_prob or part.stop_prob for part in parts(self.source)):
            raise ValueError("ProbeExam.source must skip steps (Source.skip_prob): it asks what follows one, got 0")

    @property
    def content(self) -> tuple[int, int]:
        return Verdict.version, VERSION

    def draw_problems(self) -> list[Problem]:
        """The first problems that skip a step. Raises ValueError where there are too few."""
        found = list(islice(filter(skips, map(self.drawn, range(DRAWS * self.problems))), self.problems))
        if len(found) < self.problems:
            what = f"skips a step in {len(found)} of {DRAWS * self.problems} problems, fewer than its {self.problems}"
            raise ValueError(f"ProbeExam.source of {self.name!r} {what}")
        return found

    def measure(self, lm: LM) -> ProbeResult:
        params = SamplingParams(max_new_tokens=self.max_new_tokens, temperature=self.temperature)
        found = probe(lm, self.draw_problems(), self.thought, self.samples, params)
        return ProbeResult(self.samples, **found)

    def cells(self, result: ProbeResult) -> dict[str, str | float]:
        return {
            "logp": cell(result.logp, 4),
            "strict": cell(result.strict, 0),
            "correct": cell(result.answer, 0),
            "process": float(result.process.mean()),
            "response_tokens": float(result.tokens.mean()),
            "thought_tokens": float(result.thought.mean()),
        }

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        return measure_rows(table, cls.kind, ("logp",))

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        return [means_table("the next segment after a thought", rows, {"logp": "log-probability, nats"}, digits=2)]


def probe(lm: LM, problems: list[Problem], thought: str, samples: int, params: SamplingParams) -> dict[str, np.ndarray]:
    """For each problem, thoughts at a place where a step was skipped, and what follows them. Raises ValueError if a
    problem skips nothing.

    Each problem is cut before a segment that comes after a skipped step. As in ``Thinking`` the model reads the raw
    prefix and an opening tag and writes ``samples`` thoughts, sampled as ``params`` say. Then ``thought``
    says what stands there: its "own" thought, none ("empty"), its own tokens "shuffled", or the "other" one that it
    wrote for another problem; and the closing tag.

    Returns per problem: logp, the exact log-probability (nats) of the corpus' segment, a mean over thoughts; strict and
    answer, counts of sampled segments that the judge accepts and that have the right number; process, the mean share of
    right facts; tokens and thought, mean lengths. Cuts, thoughts and random streams are the same for every ``thought``,
    so differences are paired.
    """
    opening, closing = tags(lm)
    cuts = places(lm, problems)
    own = own_thoughts(lm, cuts, samples, params)
    members = [(row, n) for row in range(len(cuts)) for n in range(samples)]
    if thought == OTHER:
        swapped = others(len(cuts))
        told = [[opening, *own[swapped[row]][n], closing] for row, n in members]
    else:
        closed = (([opening, *own[row][n], closing], (row, n)) for row, n in members)
        told = [with_content(ids, opening, closing, thought, "probe", *at) for ids, at in closed]
    prompts = [cuts[row].prefix + ids for (row, _), ids in zip(members, told, strict=True)]
    segments = [cuts[row].segment for row, _ in members]
    logp = text_logprobs(lm, prompts, segments, params.temperature)
    most = [len(segment) + Thinking.margin for segment in segments]
    streams = np.stack([uniforms("probe", "segment", *at, n=max(most)) for at in members])
    written = continuations(lm, prompts, streams, replace(params, max_new_tokens=max(most)))
    found = {name: np.zeros(len(cuts)) for name in ("logp", "strict", "answer", "process", "tokens", "thought")}
    for nth, (row, _) in enumerate(members):
        # Judged as if the thought were empty, so that nothing in a thought can speak for the segment or against it.
        length, said = read(lm, problems[row], [closing, *written[nth]], closing, most[nth])
        verdict = Judge().verdict(said, cuts[row].gold)
        found["logp"][row] += logp[nth] / samples
        found["strict"][row] += verdict.strict
        found["answer"][row] += verdict.answer
        found["process"][row] += verdict.process / samples
        found["tokens"][row] += (length - 1) / samples
        found["thought"][row] += (len(told[nth]) - 2) / samples
    return found


def skips(problem: Problem) -> bool:
    """Whether its text leaves a step out."""
    return bool(problem.style and problem.style.skipped)


def places(lm: LM, problems: list[Problem]) -> list[Cut]:
    """Where each problem is cut."""
    if not all(map(skips, problems)):
        raise ValueError("a probe cuts after a skipped step, and a problem skips none")
    raw = [chunk(lm, unthought(problem)) for problem in problems]
    return [cut(lm, each, needed(each), "probe", row) for row, each in enumerate(raw)]


def own_thoughts(lm: LM, cuts: list[Cut], samples: int, params: SamplingParams) -> list[list[list[int]]]:
    """For each cut ``samples`` thoughts of the model, without tags; ``params`` with the closing tag as stop token."""
    opening, closing = tags(lm)
    prompts = [[*each.prefix, opening] for each in cuts for _ in range(samples)]
    room = params.max_new_tokens
    streams = np.stack([uniforms("probe", row, n, n=room) for row in range(len(cuts)) for n in range(samples)])
    written = continuations(lm, prompts, streams, replace(params, stop_token=closing))
    bare = [ids[:-1] if ids[-1] in (closing, lm.end) else ids for ids in written]
    return [bare[first : first + samples] for first in range(0, len(bare), samples)]


def others(count: int) -> list[int]:
    """For each problem another one: all in one ring, so that none has its own."""
    ring = list(range(count))
    shuffle(rng("probe", "others"), ring)
    after = dict(zip(ring, ring[1:] + ring[:1], strict=True))
    return [after[row] for row in range(count)]
