"""Tasks beside the generator: questions from files of text and from reasoning-gym, and who judges the answers."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import ClassVar, Protocol

from interlude.synth.added_field import added_field, place
from interlude.synth.problem import HELD_OUT_SHARE, Problem
from interlude.synth.render import END
from interlude.synth.rng import below, rng
from interlude.synth.roles import roles
from interlude.synth.source import SPLITS, Mixture, Source
from interlude.synth.verify import AFTER_END, ANSWER, TRUNCATED, Fault, Verdict, verify

WORDS = re.compile(r"[A-Za-z\s]{3,}")  # which math-verify would read as a product of letters
COMMIT = re.compile(r"[0-9a-f]{40}")
MOST_ATTEMPTS = 10_000  # draws in a row on the wrong side of the split

# What a stage or an exam may ask of its problems beyond a question and a judgement of answers.
SOLUTIONS = "solutions"  # there is a right response to imitate
STEPS = "steps"  # responses are judged step by step
ROLES = "roles"  # it is known what each word of a solution is for
SEGMENTS = "segments"  # solutions are cut into steps, and some leave steps out or hold thoughts
APPROACHES = "approaches"  # a solution can be asked for and told by approach
EVERYTHING = frozenset({SOLUTIONS, STEPS, ROLES, SEGMENTS, APPROACHES})


class NotInstalled(ValueError):
    """A task needs a package that is not installed; the message names it."""


class TaskProblem(Protocol):
    """One question. ``Problem`` is one too, judged by ``synth.verify``.

    ``solution`` is asked for only where the task's capabilities hold SOLUTIONS.
    """

    @property
    def question(self) -> str: ...

    @property
    def answer(self) -> int | str: ...

    @property
    def solution(self) -> str:
        """A right response, closed by <end>."""
        ...

    def judge(self, text: str) -> Verdict: ...


class Task(Protocol):
    """Where problems come from: ``problem`` is a pure function of its path. ``Source`` and ``Mixture`` are tasks too.

    capabilities: which of ``EVERYTHING`` its problems have.
    """

    capabilities: ClassVar[frozenset[str]]

    @property
    def title(self) -> str:
        """What its problems are called in tables: one printable word or more."""
        ...

    def problem(self, *path: str | int) -> TaskProblem: ...


def capabilities(data: object) -> frozenset[str]:
    """What may be asked of the problems of ``data``. Raises TypeError for what is no task."""
    if isinstance(data, (Source, Mixture)):
        return EVERYTHING
    found = getattr(data, "capabilities", None)
    if found is None or not callable(getattr(data, "problem", None)):
        raise TypeError(f"a {type(data).__name__} is no task: it has no problem(*path) or no capabilities")
    return found


def lacking(data: object, needs: Iterable[str]) -> list[str]:
    """Those of ``needs`` that the problems of ``data`` have not. Raises TypeError for what is no task."""
    known = capabilities(data)
    return [each for each in needs if each not in known]


def judge(problem: Problem | TaskProblem, text: str) -> Verdict:
    """The verdict on a response."""
    return verify(problem, text) if isinstance(problem, Problem) else problem.judge(text)


def steps(problem: Problem | TaskProblem) -> int:
    """How many steps the worked solution has; 0 where steps are not judged."""
    return len(problem.moves) if isinstance(problem, Problem) else 0


def roles_of(problem: Problem | TaskProblem) -> tuple[str, ...]:
    """The role of every word of question and solution; nothing where roles are not known."""
    return roles(problem) if isinstance(problem, Problem) else ()


@dataclass(frozen=True)
class Question:
    """A problem whose responses are judged by their answer alone."""

    question: str
    solution: str
    right: Callable[[str], bool | None] = field(compare=False, repr=False)
    """Whether a response without its end names the right answer; None where it names none."""
    answer: str = ""
    """The right answer as the data has it."""

    def judge(self, text: str) -> Verdict:
        """answer, and process with it: the answer is right. strict: and the response ends, with nothing after it."""
        said, end, rest = text.partition(END)
        found = self.right(said)
        faults = []
        if not found:
            what = "No answer is stated." if found is None else "The answer is wrong."
            faults.append(Fault(ANSWER, None, 0, what))
        if not end or rest.strip():
            what = "Text follows the end." if end else "The text does not end."
            faults.append(Fault(AFTER_END if end else TRUNCATED, None, len(said), what))
        return Verdict(found is not None and bool(end), bool(found), float(bool(found)), not faults, tuple(faults))


def closed(text: str) -> str:
    """A text with the end token after it."""
    return f"{text.rstrip()} {END}"


def is_held_out(question: str) -> bool:
    """Which side of the split a question is on, decided by its text alone."""
    return int.from_bytes(hashlib.blake2b(question.encode(), digest_size=8).digest()) % HELD_OUT_SHARE == 0


def check_split(name: str, split: str) -> None:
    """Raises ValueError unless ``split`` is a known split."""
    if split not in SPLITS:
        raise ValueError(f"{name}.split must be one of {', '.join(SPLITS)}, got {split!r}")


@dataclass(frozen=True)
class TextTask:
    """Questions and answers from a file or a data set of ``datasets``, judged by math-verify (extra ``real``)."""

    path: str = place()
    """A .jsonl or .parquet file, or a folder that ``datasets`` saved (``save_to_disk``) or reads, whose content enters
    keys and not its place; or the name of a data set on the hub ("openai/gsm8k"), with ``revision``."""
    question: str = "question"
    """The column of questions."""
    answer: str = "answer"
    """The column of right answers: numbers or LaTeX."""
    solution: str = ""
    """The column of worked solutions. Without one, the answer in a box is the solution."""
    answer_after: str = ""
    """The answer is what follows the last of these marks in its column (GSM8K: "####"); the solution is cut there."""
    instruction: str = ""
    """What is asked for after each question, on a line of its own."""
    split: str = "train"
    """Questions of which side ("train", "held_out", an eighth of them, or "any")."""
    config: str = added_field("")
    """The configuration of a data set that has several (GSM8K: "main")."""
    part: str = added_field("train")
    """Which of a data set's own splits its rows are from. Each has its two sides by ``split``."""
    revision: str = added_field("")
    """The commit of a data set on the hub, 40 hexadecimal digits."""

    version: ClassVar[int] = 1
    capabilities: ClassVar[frozenset[str]] = frozenset({SOLUTIONS})

    def __post_init__(self) -> None:
        check_split("TextTask", self.split)
        if not self.path:
            raise ValueError("TextTask.path must name a file, a folder or a data set, got an empty string")
        given = [name for name, default in (("config", ""), ("part", "train")) if getattr(self, name) != default]
        if self.is_file and given:
            raise ValueError(f"TextTask.{given[0]} is for a data set of datasets, not for the file {self.path}")
        if not self.is_file and Path(self.path).suffix in (".csv", ".json", ".txt", ".tsv", ".gz"):
            raise ValueError(f"TextTask.path must end in .jsonl or .parquet where it is a file, got {self.path!r}")

    @property
    def is_file(self) -> bool:
        return Path(self.path).suffix in (".jsonl", ".parquet")

    @property
    def title(self) -> str:
        return Path(self.path).stem

    @property
    def content(self) -> str | None:
        """A digest of the file or folder; None for a data set on the hub, which its name and commit identify.

        Raises ValueError where there is no such file or folder, and for a name on the hub without a commit.
        """
        if self.is_file:
            return file_digest(*unchanged(self.path))
        if Path(self.path).is_dir():
            folder = hashlib.sha256()
            for each, size, changed in folder_state(self.path):
                folder.update(f"{each} {file_digest(str(Path(self.path) / each), size, changed)}\n".encode())
            return folder.hexdigest()
        if not COMMIT.fullmatch(self.revision):
            raise ValueError(
                f"TextTask.path {self.path!r} is no file or folder here, and a data set on the hub needs a commit as "
                "TextTask.revision"
            )
        return None

    def problem(self, *path: str | int) -> Question:
        """One row, drawn uniformly from this side of the split, with replacement."""
        folder = not self.is_file and Path(self.path).is_dir()
        state = folder_state(self.path) if folder else unchanged(self.path)[1:] if self.is_file else ()
        rows = text_rows(self, state)
        return rows[below(rng("text", *path), len(rows))]


def unchanged(path: str) -> tuple[str, int, int]:
    """A file and what changes with it. Raises ValueError where there is none."""
    if not Path(path).is_file():
        raise ValueError(f"TextTask.path {path!r} is no file")
    about = Path(path).stat()
    return path, about.st_size, about.st_mtime_ns


@cache
def file_digest(path: str, size: int, changed: int) -> str:
    """SHA-256 of a file; ``size`` and ``changed`` make the cache miss once the file has changed."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_state(path: str) -> tuple[tuple[str, int, int], ...]:
    """The files of a folder, each with what changes with it; hidden ones, as of caches, are not looked at."""
    root = Path(path)
    files = sorted(each for each in root.rglob("*") if each.is_file())
    named = [(each.relative_to(root), each.stat()) for each in files]
    return tuple(
        (str(name), about.st_size, about.st_mtime_ns)
        for name, about in named
        if not any(part.startswith((".", "cache-")) for part in name.parts)
    )


def table_of(task: TextTask) -> list[dict]:
    """The rows as the file or the data set has them. Raises ValueError where there is none to be had."""
    if Path(task.path).suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(task.path).to_pylist()
    if task.is_file:
        return [json.loads(line) for line in Path(task.path).read_text().splitlines() if line.strip()]
    datasets = need_package("datasets", "datasets")
    _ = task.content  # which refuses a name without a commit
    saved = (Path(task.path) / "dataset_info.json", Path(task.path) / "dataset_dict.json")
    if not any(each.is_file() for each in saved):
        more = {"revision": task.revision} if task.revision else {}
        try:
            return list(datasets.load_dataset(task.path, task.config or None, split=task.part, **more))
        except (OSError, ValueError) as error:  # no network is one of the former, an unknown split one of the latter
            raise ValueError(f"TextTask.path {task.path!r}: datasets gives no rows: {error}") from error
    found = datasets.load_from_disk(task.path)
    if isinstance(found, datasets.Dataset):
        return list(found)
    if task.part not in found:
        raise ValueError(f"TextTask.part must be one of {', '.join(found)} in {task.path}, got {task.part!r}")
    return list(found[task.part])


@cache
def text_rows(task: TextTask, state: tuple) -> tuple[Question, ...]:
    """The rows of a task whose files are in this state. Raises ValueError naming the row and column that cannot be
    used, before any work starts."""
    table, found = table_of(task), []
    for nth, row in enumerate(table):
        for column in filter(None, (task.question, task.answer, task.solution)):
            if not isinstance(row.get(column), (str, int, float)) or not str(row[column]).strip():
                raise ValueError(f"row {nth} of {task.path} has no text in column {column!r}")
        question = str(row[task.question]).strip()
        if task.split != "any" and is_held_out(question) != (task.split == "held_out"):
            continue
        _, mark, answer = str(row[task.answer]).rpartition(task.answer_after or "\0")
        if task.answer_after and not mark:
            raise ValueError(f"row {nth} of {task.path} has no {task.answer_after!r} in column {task.answer!r}")
        answer = answer.strip()
        gold = math_parse(f"\\boxed{{{answer}}}")
        if not gold or WORDS.fullmatch(answer):
            raise ValueError(f"row {nth} of {task.path} has an answer that math-verify cannot read: {answer!r}")
        boxed = f"The answer is \\boxed{{{answer}}}."
        worked = str(row[task.solution]) if task.solution else ""
        if task.answer_after and worked:
            worked = worked.rpartition(task.answer_after)[0] or worked
        solution = closed("\n".join(filter(None, (worked.strip(), boxed))))
        asked = "\n".join(filter(None, (question, task.instruction)))
        found.append(Question(asked, solution, lambda text, gold=gold: same_value(gold, text), answer))
    if not found:
        raise ValueError(f"{task.path} has no question on the side {task.split!r} of the split")
    return tuple(found)


def math_parse(text: str) -> list:
    """What math-verify reads in a text; nothing where it finds no mathematical expression."""
    math_verify = need_package("math_verify", "math-verify")
    main = threading.current_thread() is threading.main_thread()  # its time limit is a signal, which only that gets
    return math_verify.parse(text, parsing_timeout=5 if main else None)


def same_value(gold: list, text: str) -> bool | None:
    """Whether a text has the value of the gold answer by math-verify; None if it contains no mathematics."""
    found = math_parse(text)
    main = threading.current_thread() is threading.main_thread()
    verified = need_package("math_verify", "math-verify").verify
    return bool(verified(gold, found, timeout_seconds=5 if main else None)) if found else None


@dataclass(frozen=True)
class GymTask:
    """Problems of a data set of reasoning-gym, judged by its own scorer (extra ``real``; arXiv 2505.24760).

    A response is asked to put its answer between <answer> and </answer>. Right is a score of 1.
    """

    name: str
    """The data set, such as "chain_sum" or "leg_counting"."""
    config: tuple[tuple[str, int | float | str | bool], ...] = ()
    """Its settings by name."""
    size: int = 10_000
    """How many problems it has."""
    split: str = "train"
    """Questions of which side ("train", "held_out", an eighth of them, or "any")."""
    instruction: str = "Put the final answer between <answer> and </answer>."
    """What is asked for after each question, on a line of its own."""

    version: ClassVar[int] = 1
    capabilities: ClassVar[frozenset[str]] = frozenset({SOLUTIONS})

    def __post_init__(self) -> None:
        check_split("GymTask", self.split)
        if type(self.size) is not int or self.size < 1:
            raise ValueError(f"GymTask.size must be at least 1, got {self.size!r}")

    @property
    def title(self) -> str:
        return self.name

    @property
    def content(self) -> str:
        """The version of reasoning-gym, on which problems and scores depend."""
        try:
            return installed("reasoning-gym")
        except PackageNotFoundError:
            raise NotInstalled("GymTask needs the package reasoning-gym, which is not installed") from None

    def problem(self, *path: str | int) -> Question:
        """One problem of this side of the split, drawn uniformly, with replacement."""
        data, draw = gym(self.name, self.config, self.size), rng("gym", *path)
        for _ in range(MOST_ATTEMPTS):
            entry = data[below(draw, self.size)]
            if self.split == "any" or is_held_out(entry["question"]) == (self.split == "held_out"):
                break
        else:
            raise ValueError(f"GymTask.split {self.split!r}: {self.name} has no question on that side of the split")

        def right(text: str) -> bool | None:
            answer = extract_answer(text)
            return None if answer is None else float(data.score_answer(answer, entry)) >= 1

        asked = "\n".join(filter(None, (entry["question"].strip(), self.instruction)))
        return Question(asked, closed(f"<answer>{entry['answer']}</answer>"), right, str(entry["answer"]))


def extract_answer(text: str) -> str | None:
    """What stands between the last <answer> and its </answer>; None where there is no such pair."""
    before, mark, _ = text.rpartition("</answer>")
    _, opened, answer = before.rpartition("<answer>")
    return answer.strip() if mark and opened else None


@cache
def gym(name: str, config: tuple, size: int) -> object:
    """A data set. Raises ValueError naming what reasoning-gym does not know."""
    package = need_package("reasoning_gym", "reasoning-gym")
    try:
        return package.create_dataset(name, seed=0, size=size, **dict(config))
    except (ValueError, TypeError, AssertionError) as error:
        raise ValueError(f"GymTask.name {name!r} with GymTask.config {config!r}: {error}") from None


def need_package(module: str, name: str):
    """A package of the extra ``real``, imported when it is first needed. Raises NotInstalled naming it."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise NotInstalled(f"this task needs the package {name}, which is not installed") from None
