"""What was measured: one committed table a study and scale, a row for every arm, seed and exam (no torch).

Beside it lies a table of training curves, of which ``load`` and whatever lists studies know nothing.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from interlude.models.files import Busy, lock
from interlude.studies.places import FOLDER, curves_path, path
from interlude.studies.stats import Estimate, exact_pass_at_k, interval, paired, pass_at_k
from interlude.studies.table import Column, merge, read, write

Order = Callable[[dict], tuple]  # what rows of a table are sorted by
Stale = Callable[[dict], bool]  # whether an old row is dropped, as its arm is trained otherwise now
# Different structures that an exam needs for a band's score to rest on it. Held out, problems of one operation modulo 7
# have five, and one answer in five of six cases: however many problems are asked, that is a sample of five.
STRUCTURES = 50
ROLES = ("planning", "copy", "retrieval", "arithmetic", "format", "stop", "answer")
KEYS = ("arm", "seed", "exam")

NUMBERS = (*(f"{role}_nats" for role in ROLES), "process", "response_tokens", "thought_tokens")  # NaN: not measured

# Every exam has these. Columns beyond them are measures: text of numbers, declared by the kind of exam that fills them
# (``columns`` in ``studies/exams/<kind>.py``) and empty in rows of other kinds; see ``MEASURE``.
COLUMNS = (
    Column("arm", str, "", "name of the arm"),
    Column("seed", int, "", "training seed"),
    Column("exam", str, "", "name of the exam"),
    Column("kind", str, "", "kind of the exam: a file of studies/exams"),
    Column("exam_key", str, "", "content key of the exam, its first 16 digits", fill=""),
    Column("world", str, "", "world of the exam's problems"),
    Column("mode", str, "", "forward or reverse"),
    Column("ops", str, "operations", "fewest-most operations of the exam's problems"),
    Column("problems", int, "", "problems in the exam"),
    Column("structures", int, "", "different graphs among them (0: not recorded)", fill=0),
    Column("guess_floor", float, "", "score of the best constant answer on the exam's source"),
    Column("samples", int, "", "responses a problem (0: none is sampled)"),
    *(Column(f"{r}_nats", float, "nats", f"exact: mean surprise of {r} tokens a problem", nan=True) for r in ROLES),
    Column("process", float, "", "sampled: mean share of right steps", nan=True),
    Column("response_tokens", float, "tokens", "sampled: mean response length", nan=True),
    Column("tokens", int, "tokens", "all tokens processed in training the arm, every stage and kind"),
    Column("flops", float, "FLOPs", "all FLOPs of training the arm, every stage and kind"),
    Column("arm_flops", float, "FLOPs", "the same without the stages all arms share"),
    Column("rollout_flops", float, "FLOPs", "part of arm_flops spent on sampling"),
    Column("seconds", float, "s", "wall time of the arm's own stages"),
    Column("key", str, "", "content key of the arm's recipe, its first 16 digits"),
    Column("rollouts", float, "responses", "responses sampled in the arm's own stages", nan=True, fill=math.nan),
    Column(
        "paper_tokens", float, "tokens", "training tokens of the arm's own stages, as arXiv 2512.07783 charges them",
        nan=True, fill=math.nan,
    ),
    Column("thought_tokens", float, "words", "sampled: mean words of a response in thoughts", nan=True, fill=math.nan),
    Column("machine", str, "", "machines its stages were trained on (empty: not recorded)", fill=""),
    Column("kernels", str, "", "kernels they were trained with (empty: not recorded)", fill=""),
    Column(
        "lr_sum", float, "", "sum over the updates of the arm's own stages of the hidden matrices' learning rate",
        nan=True, fill=math.nan,
    ),
    Column("rows", float, "rows", "rows that the arm's own stages trained on", nan=True, fill=math.nan),
    Column(
        "distinct", float, "texts", "distinct texts among them, stage by stage, each up to the first sampled token",
        nan=True, fill=math.nan,
    ),
)  # fmt: skip
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|inf|nan)"
# A cell of a measure, items apart by spaces: a number a problem, its numbers by place, or name:number.
MEASURE = re.compile(rf"(?:(?:[^\s:]+:{NUMBER}|{NUMBER}(?:/{NUMBER})*)(?: |$))*")

CURVE_KEYS = ("arm", "seed", "stage", "step")
CURVE_COLUMNS = (
    Column("arm", str, "", "name of the arm"),
    Column("seed", int, "", "training seed"),
    Column("stage", int, "", "index of the stage in the arm's recipe, from 0"),
    Column("step", int, "steps", "the last of the steps that this row is the mean of"),
    Column("share", float, "", "share of the stage's FLOPs spent by then"),
    Column("reward", float, "", "mean reward of the responses, or thoughts", nan=True),
    Column("strict", float, "", "share of strictly correct responses", nan=True),
    Column("answer", float, "", "share of responses with the right answer", nan=True),
    Column("process", float, "", "mean share of right steps", nan=True),
    Column("response_tokens", float, "tokens", "mean response length", nan=True),
    Column("zero_variance", float, "", "share of groups whose rewards are all equal", nan=True),
    Column("loss", float, "", "mean loss"),
    Column("key", str, "", "content key of the arm's recipe"),
    # Of stages that think before a token; strict to response_tokens above are of those whose responses are solutions.
    Column("thought_tokens", float, "tokens", "mean length of a thought", nan=True, fill=math.nan),
    Column("budget", float, "tokens", "mean length that a thought should have", nan=True, fill=math.nan),
    Column("closed", float, "", "share of thoughts that end", nan=True, fill=math.nan),
    Column("match", float, "", "share of thoughts after which the token is right", nan=True, fill=math.nan),
    Column(
        "plain",
        float,
        "",
        "mean probability of that token without a thought, under the model that ranks tokens",
        nan=True,
        fill=math.nan,
    ),
    Column("drawn", str, "responses", "thoughts by tier and by role of the token, kind:count", fill=""),
    Column("matched", str, "responses", "those after which the token is right, kind:count", fill=""),
    Column("foreseen", str, "responses", "how many would be right without a thought, kind:expectation", fill=""),
    Column("weights", str, "", "of a stage that weighs tokens, the mean weight of each role's, role:weight", fill=""),
)


@dataclass(frozen=True)
class Results:
    """The rows of one study at one scale."""

    study: str
    scale: str
    rows: tuple[dict, ...]
    # Arms of the table whose rows are not among these, as the study does not have them (any more).
    left_out: tuple[str, ...] = ()

    @cached_property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row["arm"] for row in self.rows))

    @cached_property
    def exams(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row["exam"] for row in self.rows))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({row["seed"] for row in self.rows}))

    def known(self, arms: Iterable[str]) -> Results:
        """The rows of the arms that a study has, noting which others the table holds. Raises ValueError if none are
        left."""
        wanted = set(arms)
        rows = tuple(row for row in self.rows if row["arm"] in wanted)
        others = tuple(arm for arm in self.arms if arm not in wanted)
        if not rows:
            raise ValueError(
                f"the table of {self.study} at {self.scale} holds no arm that the study has, only {', '.join(others)}; "
                "run the study"
            )
        return replace(self, rows=rows, left_out=others)

    @property
    def note(self) -> str:
        """A sentence that names the arms left out; empty if none are."""
        return f"left out, as the study has no such arms: {', '.join(self.left_out)}" if self.left_out else ""

    def of(self, arm: str, exam: str) -> list[dict]:
        """The rows of an arm and exam, by seed. Raises KeyError if there are none."""
        if (arm, exam) not in self._found:
            raise KeyError(f"{self.study} at {self.scale} has no row for arm {arm!r} and exam {exam!r}")
        return list(self._found[arm, exam])

    @cached_property
    def _found(self) -> dict[tuple[str, str], list[dict]]:
        """What ``of`` gives: claims ask a large table some thousand times."""
        found: dict[tuple[str, str], list[dict]] = {}
        for row in sorted(self.rows, key=lambda row: row["seed"]):
            found.setdefault((row["arm"], row["exam"]), []).append(row)
        return found

    def solved(self, arm: str, exam: str, k: int, score: str = "strict") -> np.ndarray:
        """pass@k of every seed and problem (SP). Exact exams know any k; sampled ones any k up to their samples."""
        rows = self.of(arm, exam)
        if rows[0]["kind"] == "exact":
            if score != "strict":
                raise ValueError(f"exam {exam!r} is exact: it knows strict scores only, not {score!r}")
            return exact_pass_at_k(np.array([numbers(row["logp"]) for row in rows]), k)
        counts = np.array([numbers(row["correct" if score == "answer" else score]) for row in rows])
        return pass_at_k(rows[0]["samples"], counts.astype(int), k)

    def within(self, ops: tuple[int, int], world: str) -> list[str]:
        """The exact exams in ``world`` with so many operations, fewest first: what curves by depth show."""
        return [row["exam"] for row in self.exact_between(ops, world)]

    def band(self, ops: tuple[int, int], world: str) -> list[str]:
        """Those of ``within`` that a score over all of them rests on; see ``enough_structures``."""
        return [row["exam"] for row in enough_structures(self.exact_between(ops, world))]

    def exact_between(self, ops: tuple[int, int], world: str) -> list[dict]:
        """A row of each exact exam in ``world`` with so many operations, fewest first. Where a table has a scale's own
        exams (``Scale.exams``), others of as many operations, such as longer questions, are left out."""
        exact = {r["exam"]: r for r in self.rows if r["kind"] == "exact" and r["world"] == world and r["ops"].isdigit()}
        inside = [row for row in by_depth(exact.values()) if ops[0] <= int(row["ops"]) <= ops[1]]
        return sorted(inside, key=lambda row: int(row["ops"]))

    def pooled(self, arm: str, exams: list[str], k: int) -> np.ndarray:
        """pass@k of every seed and problem (SP) of several exams, side by side."""
        return np.concatenate([self.solved(arm, exam, k) for exam in exams], axis=1)

    def common(self, *arms: str) -> Results:
        """The rows of some arms for the seeds that all of them have. Raises KeyError if there are none."""
        each = [{row["seed"] for row in self.rows if row["arm"] == arm} for arm in arms]
        seeds = set.intersection(*each)
        if not seeds:
            raise KeyError(
                f"{self.study} at {self.scale} has no seed with all of the arms {', '.join(map(repr, arms))}"
            )
        return Results(self.study, self.scale, tuple(r for r in self.rows if r["arm"] in arms and r["seed"] in seeds))

    def measure(self, arm: str, exam: str, name: str) -> np.ndarray:
        """A measure with a number a problem, of every seed (SP). Raises KeyError where it was not measured."""
        cells = [row.get(name, "") for row in self.of(arm, exam)]
        if not all(cells):
            raise KeyError(f"{self.study} at {self.scale} has no {name} of arm {arm!r} in exam {exam!r}")
        return np.array([numbers(cell) for cell in cells])

    def similarity(self, arm: str, exam: str) -> np.ndarray:
        """Similarity to gold of every seed and problem (SP), equal for all seeds.
        Raises KeyError where there are no gold problems."""
        return self.measure(arm, exam, "similarity")

    def newly_solved(self, arm: str, over: str, exam: str) -> np.ndarray:
        """For an exact exam, the log-probability (nats) under ``over`` of the canonical solution of every problem and
        seed whose solution is more likely than not under ``arm`` and was not under ``over``."""
        after_SP, before_SP = (np.array([numbers(row["logp"]) for row in self.of(each, exam)]) for each in (arm, over))
        return before_SP[(after_SP >= math.log(0.5)) & (before_SP < math.log(0.5))]

    def score(self, arm: str, exam: str, k: int, score: str = "strict") -> Estimate:
        """Mean pass@k with an interval over seeds, then problems."""
        return interval(self.solved(arm, exam, k, score), path=(self.study, arm, exam, k, score))

    def gain(self, arm: str, over: str, exam: str, k: int, score: str = "strict") -> Estimate:
        """Mean difference in pass@k between two arms, paired by seed and problem."""
        a, b = self.solved(arm, exam, k, score), self.solved(over, exam, k, score)
        return paired(a, b, path=(self.study, arm, over, exam, k, score))


def by_depth(rows: Iterable[dict]) -> list[dict]:
    """The rows of a scale's own exams, one for each number of operations (``Scale.exams``); all where there are none.
    Others of as many operations, such as longer questions, would count among a band's problems."""
    rows = list(rows)
    return [row for row in rows if row["exam"].endswith(f"-ops{row['ops']}")] or rows


def enough_structures(rows: list[dict]) -> list[dict]:
    """Those of a band's rows whose exams have STRUCTURES different structures or more, or do not record how many.

    Where no exam has so many, as where only few problems are asked (scale smoke), all rows: the score then rests on
    what there is. Labels name the operations that a score is over, so a reader sees which of the two it is.
    """
    return [row for row in rows if not 0 < row.get("structures", 0) < STRUCTURES] or rows


def numbers(cell: str) -> np.ndarray:
    """The values of a space-separated cell. Raises ValueError for anything but numbers."""
    try:
        return np.array([float(value) for value in cell.split()])
    except ValueError:
        raise ValueError(f"a cell of numbers holds {cell[:60]!r}") from None


def cell(values: np.ndarray, digits: int) -> str:
    """Values as a space-separated cell, with so many digits after the point."""
    return " ".join(f"{value:.{digits}f}" for value in values)


def places(values: Sequence[np.ndarray], digits: int) -> str:
    """Several values a problem as a cell: problems apart by spaces, places by strokes."""
    return " ".join("/".join(f"{value:.{digits}f}" for value in each) for each in values)


def by_place(cell: str) -> list[np.ndarray]:
    """The inverse of ``places``."""
    return [np.array([float(value) for value in each.split("/")]) for each in cell.split()]


def pairs(values: dict[str, float], form: str) -> str:
    """Numbers by name as a cell, name:number, each written in this format."""
    return " ".join(f"{name}:{value:{form}}" for name, value in values.items())


def counted(counts: dict[str, int]) -> str:
    """Counts by name as a cell, name:count."""
    return " ".join(f"{name}:{count}" for name, count in counts.items())


def tallies(cell: str) -> dict[str, float]:
    """The inverse of ``pairs``."""
    return {kind: float(number) for kind, _, number in (each.rpartition(":") for each in cell.split())}


def fault_counts(cell: str) -> dict[str, int]:
    """The inverse of ``counted``."""
    return {kind: int(count) for kind, count in tallies(cell).items()}


def load(study: str, scale: str, folder: Path = FOLDER) -> Results:
    """A study's table. Raises FileNotFoundError with one sentence if it was never run."""
    where = path(study, scale, folder)
    if not where.exists():
        raise FileNotFoundError(f"{study} has no results at scale {scale} yet ({where}); run it first")
    rows = read(where, COLUMNS, KEYS, open_ended=True)
    if not rows:
        raise ValueError(f"{where}: the table holds no rows; delete it, or run the study")
    fixed = {column.name for column in COLUMNS}
    for number, row in enumerate(rows, start=1):
        for name in row.keys() - fixed:
            if MEASURE.fullmatch(row[name]) is None:
                raise ValueError(f"{where}, row {number}, column {name}: {row[name][:60]!r} is not a cell of numbers")
    return Results(study, scale, tuple(rows))


def load_curves(study: str, scale: str, folder: Path = FOLDER) -> list[dict]:
    """The rows of a study's training curves. Raises FileNotFoundError with one sentence if there are none."""
    where = curves_path(study, scale, folder)
    if not where.exists():
        raise FileNotFoundError(f"{study} has no training curves at scale {scale} yet ({where}); run it first")
    return read(where, CURVE_COLUMNS, CURVE_KEYS)


def curves_of(table: Results, folder: Path = FOLDER) -> list[dict]:
    """The rows of the training curves of a table's runs; none where no stage of theirs has any."""
    if not curves_path(table.study, table.scale, folder).exists():
        return []
    runs = {(row["arm"], row["seed"], row["key"]) for row in table.rows}
    rows = load_curves(table.study, table.scale, folder)
    return [row for row in rows if (row["arm"], row["seed"], row["key"]) in runs]


def store(
    study: str,
    scale: str,
    rows: list[dict],
    folder: Path = FOLDER,
    order: Order | None = None,
    stale: Stale = lambda row: False,
) -> Path:
    """Merge rows into a study's table and write it, sorted by ``order``; processes that store at once take turns. A
    run's rows replace all that it had, so that none is left of an exam that the study no longer has."""
    change = merged(rows, KEYS, order, stale)
    return rewrite(path(study, scale, folder), COLUMNS, KEYS, change, open_ended=True)


def merged(rows: list[dict], keys: tuple[str, ...], order: Order | None, stale: Stale) -> Callable:
    """The function from a table's old rows to those with ``rows`` in the place of all that their runs had."""
    runs, new = {(row["arm"], row["seed"]) for row in rows}, {tuple(row[name] for name in keys) for row in rows}

    def change(old: list[dict]) -> list[dict]:
        left = [r for r in old if (r["arm"], r["seed"]) not in runs or tuple(r[name] for name in keys) in new]
        return ordered(merge([r for r in left if not stale(r)], rows, keys), order)

    return change


def ordered(rows: list[dict], order: Order | None) -> list[dict]:
    """The rows sorted by ``order``, or as they are."""
    return rows if order is None else sorted(rows, key=order)


def store_curves(
    study: str,
    scale: str,
    rows: list[dict],
    folder: Path = FOLDER,
    order: Order | None = None,
    stale: Stale = lambda row: False,
) -> Path:
    """The same for training curves. A run's rows replace all it had: a run of another length has other steps."""
    change = merged(rows, CURVE_KEYS, order, stale)
    return rewrite(curves_path(study, scale, folder), CURVE_COLUMNS, CURVE_KEYS, change)


def rewrite(
    where: Path, columns: tuple[Column, ...], keys: tuple[str, ...], change: Callable, open_ended: bool = False
) -> Path:
    """Replace a table by ``change`` of its rows, with the folder to oneself. A table whose rows stay as they are keeps
    its bytes, also if it was written before a column was added."""
    where.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with lock(where.parent):
                old = read(where, columns, keys, open_ended) if where.exists() else []
                new = change(old)
                if not where.exists() or comparable(new) != comparable(old):
                    write(where, new, columns, keys, open_ended)
                return where
        except Busy:
            time.sleep(0.1)


def comparable(rows: list[dict]) -> list[list[str]]:
    """Rows in a form in which equal ones are equal, NaN included; a measure that a row lacks is written as empty."""
    return [sorted(f"{name} {value!r}" for name, value in row.items() if value != "") for row in rows]


def check_keys(table: Results, keys: dict[tuple[str, int], str]) -> None:
    """Raises ValueError, naming the first row that came from another recipe than the study's of that arm and seed.

    keys: the content key of every arm and seed the study has, or more.
    """
    for row in table.rows:
        if keys.get((row["arm"], row["seed"]), "")[:16] != row["key"]:
            raise ValueError(
                f"the table of {table.study} at {table.scale} holds rows of another recipe than the study's now "
                f"(arm {row['arm']!r}, seed {row['seed']}); run the study again"
            )


def check_exams(table: Results, exams: dict[tuple[str, int, str], dict]) -> None:
    """Raises ValueError, naming the first row that came from another exam than the study's of that name.

    exams: for every arm, seed and exam the study has, the cells of its row that say which exam it is. A row from before
    exam keys were recorded is compared in the other cells.
    """
    for row in table.rows:
        now = exams.get((row["arm"], row["seed"], row["exam"]))
        here = f"the table of {table.study} at {table.scale} holds rows of exam {row['exam']!r}"
        again = f"(arm {row['arm']!r}, seed {row['seed']}); run the study again"
        if now is None:
            raise ValueError(f"{here}, which the study does not have now {again}")
        for name, value in now.items():
            if row[name] != value and not (name == "exam_key" and not row[name]):
                what = f"{name} {row[name]!r} where the study's has {value!r}"
                raise ValueError(f"{here} as it was before: {what} {again}")
