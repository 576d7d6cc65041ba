"""An exam asks a model fixed problems and stores, for each, a log-probability or counts; never a rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from interlude.models.files import Corrupt, digest, read_json, write_json
from interlude.models.gpt import GPT
from interlude.models.key import key
from interlude.models.lazy import torch
from interlude.models.lm import LM
from interlude.models.recipe import Recipe, references
from interlude.studies.evidence import column_means
from interlude.studies.layout import Table, means_table
from interlude.studies.results import Results
from interlude.synth.audit import guess_floor
from interlude.synth.problem import Problem
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.tasks import ROLES, Task, TaskProblem, lacking
from interlude.synth.verify import ORDERED, Verdict

REMEDY = "delete it: `interlude run` takes the exam again"
FLOOR_PROBLEMS = 2000  # drawn to estimate what a constant answer scores: to 0.008 where one answer in seven is right


def span(source: Task) -> tuple[int, int]:
    """The fewest and most operations of a source; 0 and 0 of a task that does not count them."""
    if not isinstance(source, (Source, Mixture)):
        return 0, 0
    return min(part.ops[0] for part in parts(source)), max(part.ops[1] for part in parts(source))


class ExamResult:
    """What one model did in one exam: the base of a frozen dataclass in each kind's file.

    Its fields are counts (int), arrays of a number a problem (float64[P]), tuples of P arrays (a number a place of each
    problem), and dicts of arrays or of numbers by name: whatever ``as_json`` writes and ``from_json`` reads back.
    """

    def as_json(self) -> dict:
        return {field.name: jsonable(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, row: dict):
        return cls(**{field.name: restored(row[field.name]) for field in fields(cls)})


def jsonable(value):
    """A field of a result as JSON has it."""
    if isinstance(value, dict):
        return {name: jsonable(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [each.tolist() for each in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def restored(value):
    """The inverse of ``jsonable``."""
    if isinstance(value, dict):
        return {name: restored(each) for name, each in value.items()}
    if isinstance(value, list):
        return tuple(map(np.array, value)) if value and isinstance(value[0], list) else np.array(value)
    return value


@dataclass(frozen=True)
class Exam(ABC):
    """``problems`` problems of ``source``, the same for every model, at a sampling ``temperature``.

    A kind of exam is a subclass, in a file of its own in ``studies/exams``; nothing else names it. It has its own
    fields and:

    ``kind``: its name in tables. ``result``: the class of its results. ``judged``: whether its numbers depend on the
    verifier, whose version then enters its key. ``needs``: what it requires of its problems (``synth.tasks``).
    ``aligned``: whether it needs the model's tokens to be those of ``Problem.written``, whose roles it reads.
    ``columns``: the table columns it fills, beside those of every exam, and what each means. ``measure(lm)``: the
    measurement; ``cells(found)``: its columns of a table row; ``summary(results)`` and ``tables(rows)``: how a study's
    rows of this kind are shown.
    """

    name: str
    source: Task
    problems: int = 200
    temperature: float = 1.0
    version: ClassVar[int] = 4
    kind: ClassVar[str]
    result: ClassVar[type[ExamResult]]
    judged: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = (ROLES,)
    aligned: ClassVar[bool] = False
    columns: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.problems < 1 or not self.temperature > 0:
            raise ValueError(f"Exam.problems and Exam.temperature of {self.name!r} must be positive")
        missing = lacking(self.source, self.needs)
        if missing:
            what = f"{', '.join(missing)}, which a {type(self.source).__name__} has not"
            raise ValueError(f"exam {self.name!r} is {self.kind} and needs a task with {what}; make it a sampled exam")

    @abstractmethod
    def measure(self, lm: LM) -> ExamResult:
        """Examine a model, which is in evaluation mode, without gradients."""

    @abstractmethod
    def cells(self, result: ExamResult) -> dict[str, str | float]:
        """The columns that this kind fills of a table row: text of numbers, or one of ``results.NUMBERS``."""

    @classmethod
    def summary(cls, table: Results) -> list[dict]:
        """What is shown of a study's rows of this kind beyond pass@k, as JSON-able rows: the means of its columns
        unless it says otherwise."""
        return [row for arm in table.arms for row in column_means(table, arm, cls.kind, cls.columns)]

    @classmethod
    def tables(cls, rows: list[dict]) -> list[Table]:
        """``summary`` as tables. A kind with a summary of its own has tables of its own."""
        if not rows or "what" not in rows[0]:
            return []
        meanings = "".join(f"{name}: {meaning}; " for name, meaning in cls.columns.items())
        return [means_table(f"{cls.kind}, mean of each measure", rows, {n: n for n in cls.columns}, 3, meanings)]

    @property
    def solutions(self) -> int:
        """How many solutions an exam that samples nothing reads: one of each problem."""
        return self.problems

    @property
    def responses(self) -> int:
        """Responses sampled for each problem; 0 where none is."""
        return getattr(self, "samples", 0)

    @property
    def content(self) -> int | tuple[int, ...] | None:
        """What the key rests on beyond the fields: how responses are judged, where they are."""
        return Verdict.version if self.judged else None

    def with_seed(self, seed: int) -> Exam:
        """The same exam with the recipes it holds trained with another seed."""
        inner = {name: recipe.with_seed(seed) for name, recipe in references(self).items()}
        return replace(self, **inner) if inner else self

    def check(self, recipe: Recipe) -> None:
        """Raises ValueError where this recipe's model cannot be examined, before anything is trained."""
        if self.aligned and not isinstance(recipe.model, GPT):
            raise ValueError(
                f"exam {self.name!r} is {self.kind} and reads the role of every token, which a model with a tokenizer "
                f"of its own ({recipe.model.name}) does not have; examine it with a sampled exam"
            )

    def evaluate(self, lm: LM) -> ExamResult:
        """Examine a model now. Raises ValueError where its tokens are not those that this kind of exam needs."""
        with torch.no_grad():
            lm.eval()
            if self.aligned:
                self.check_tokens(lm)
            return self.measure(lm)

    def check_tokens(self, lm: LM) -> None:
        for problem in self.draw_problems():
            found, needed = len(lm.encode(problem.solution)), len(problem.written.solution_tokens)
            if found != needed:
                raise ValueError(
                    f"exam {self.name!r} is {self.kind} and reads the role of every token, but the model's tokenizer "
                    f"makes {found} tokens of a solution of {needed}; examine it with a sampled exam"
                )

    def draw_problems(self) -> list[Problem | TaskProblem]:
        """The exam's problems: the same whatever is examined, and the same graphs in every world."""
        return [self.drawn(row) for row in range(self.problems)]

    def drawn(self, row: int) -> Problem | TaskProblem:
        return self.source.problem("exam", *span(self.source), row)

    @property
    def guess_floor(self) -> float:
        """The score of the best constant answer on the exam's source; the commonest answer of one exam's few problems
        overstates it, but is all there is of a task whose problems are given and not generated."""
        if isinstance(self.source, (Source, Mixture)):
            return guess_floor(self.source, None, FLOOR_PROBLEMS)
        answers = Counter(problem.answer for problem in self.draw_problems())
        return answers.most_common(1)[0][1] / self.problems

    @property
    def structures(self) -> int:
        """How many different graphs, names and order of statements aside, the problems have, or, of a task without
        graphs, different questions."""
        drawn = self.draw_problems()
        return len({p.graph.canonical if isinstance(p, Problem) else p.question for p in drawn})

    @property
    def strict_floor(self) -> float:
        """Where responses may skip steps, the strict score of one that skips all but the last and guesses the missing
        values uniformly; else 0, as no guess is a worked solution."""
        return self.guess_pass_at_k(1)

    def guess_pass_at_k(self, k: int) -> float:
        """``strict_floor`` within ``k`` attempts."""
        if not isinstance(self.source, (Source, Mixture)) or not self.source.skip_prob or self.source.modulus is None:
            return 0.0
        if self.source.unwrapped:
            return 0.0
        lacking = []
        for problem in self.draw_problems():
            nodes = problem.graph.nodes
            lacking.append(len({i for i in nodes[problem.moves[-1].statement].args if nodes[i].args}))
        return float(np.mean([1 - (1 - float(self.source.modulus) ** -n) ** k for n in lacking]))


def check_canonical(exam: Exam) -> None:
    """Raises ValueError where questions have more than one right solution, so that no single one can be scored."""
    free = {part.dialect for part in parts(exam.source)} - ORDERED
    if free:
        raise ValueError(
            f"exam {exam.name!r} cannot be {exam.kind} in {min(free)}, where a question has many right solutions; "
            "make it a sampled exam"
        )
    free = {name for part in parts(exam.source) for name in part.liberties}
    if free:
        raise ValueError(
            f"exam {exam.name!r} cannot be {exam.kind} with Source.{min(free)}, by which a question has many right "
            "solutions; make it a sampled exam"
        )


def check_samples(exam: Exam, least: int = 1) -> None:
    """Raises ValueError where a sampled kind's own fields are out of range."""
    if exam.samples < least or exam.max_new_tokens < 1:
        raise ValueError(
            f"{type(exam).__name__}.samples of {exam.name!r} must be at least {least} and max_new_tokens at least 1, "
            f"got {exam.samples} and {exam.max_new_tokens}"
        )


def evaluate(lm: LM, exam: Exam) -> ExamResult:
    """Examine a model now."""
    return exam.evaluate(lm)


def cached_result(recipe: Recipe, exam: Exam, lm: LM | None) -> ExamResult:
    """What a recipe's model did in an exam, measured once and kept in its folder, under a seal of its own.

    Raises Corrupt, naming the file, if it was edited or truncated or holds another exam's or model's result.
    """
    path = kept_at(recipe, exam)
    whose = {"exam": key(exam), "recipe": recipe.key}
    if path.exists():
        row = read_json(path)
        if type(row) is not dict or set(row) != {"answers", "exam", "recipe", "sha256"}:
            raise Corrupt(f"{path}: not an exam's answers; {REMEDY}")
        if row.pop("sha256") != digest(row):
            raise Corrupt(f"{path}: edited since the exam was taken; {REMEDY}")
        if row != whose | {"answers": row["answers"]}:
            raise Corrupt(f"{path}: answers to another exam, or another model's; {REMEDY}")
        return exam.result.from_json(row["answers"])
    found = exam.evaluate(lm)
    row = whose | {"answers": found.as_json()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, row | {"sha256": digest(row)})
    return found


def kept_at(recipe: Recipe, exam: Exam) -> Path:
    """The file in which the result of an exam for a recipe is cached."""
    return recipe.folder / "exams" / f"{key(exam)[:16]}.json"


def answered(recipe: Recipe, exam: Exam) -> bool:
    """Whether the result of an exam for a recipe is cached."""
    return kept_at(recipe, exam).exists()
