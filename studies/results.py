"""What was measured: one committed table a study and scale, a row for every arm, seed and exam (no torch)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.files import Busy, claim
from studies.stats import Estimate, exact_pass_at_k, interval, paired, pass_at_k
from studies.table import Column, merge, read, write

COMMITTED = Path(__file__).parent / "results"
FOLDER = Path(os.environ.get("INTERLUDE_RESULTS", COMMITTED))  # elsewhere, to keep one's own runs apart
ROLES = ("planning", "copy", "retrieval", "arithmetic", "format", "stop", "answer")
KEYS = ("arm", "seed", "exam")

COLUMNS = (
    Column("arm", str, "", "name of the arm"),
    Column("seed", int, "", "training seed"),
    Column("exam", str, "", "name of the exam"),
    Column("kind", str, "", "exact (teacher-forced) or sampled"),
    Column("context", str, "", "world the exam is told in"),
    Column("mode", str, "", "forward or reverse"),
    Column("ops", str, "operations", "fewest-most operations of the exam's problems"),
    Column("problems", int, "", "problems in the exam"),
    Column("guess_floor", float, "", "share of the commonest answer"),
    Column("samples", int, "", "responses a problem (0: exact)"),
    Column("logp", str, "nats", "exact: log-probability of each problem's canonical solution, space-separated"),
    *(Column(f"{r}_nats", float, "nats", f"exact: mean surprise of {r} tokens a problem", nan=True) for r in ROLES),
    Column("strict", str, "responses", "sampled: strictly correct responses of each problem, space-separated"),
    Column("correct", str, "responses", "sampled: responses of each problem with the right answer, space-separated"),
    Column("process", float, "", "sampled: mean share of right steps", nan=True),
    Column("response_tokens", float, "tokens", "sampled: mean response length", nan=True),
    Column("tokens", int, "tokens", "all tokens processed in training the arm, every stage and kind"),
    Column("flops", float, "FLOPs", "all FLOPs of training the arm, every stage and kind"),
    Column("arm_flops", float, "FLOPs", "the same without the stages all arms share"),
    Column("rollout_flops", float, "FLOPs", "part of arm_flops spent on sampling"),
    Column("seconds", float, "s", "wall time of the arm's own stages"),
    Column("key", str, "", "content key of the arm's recipe"),
)
SIMILARITY = Column("similarity", str, "", "similarity of each problem's graph to the nearest gold one, space-separated")
COMPARED = ("interplay/topology",)  # studies with gold papers, whose tables have one column more


@dataclass(frozen=True)
class Results:
    """The rows of one study at one scale."""

    study: str
    scale: str
    rows: tuple[dict, ...]

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row["arm"] for row in self.rows))

    @property
    def exams(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row["exam"] for row in self.rows))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({row["seed"] for row in self.rows}))

    def of(self, arm: str, exam: str) -> list[dict]:
        """The rows of an arm and exam, by seed. Raises KeyError if there are none."""
        rows = sorted((r for r in self.rows if r["arm"] == arm and r["exam"] == exam), key=lambda r: r["seed"])
        if not rows:
            raise KeyError(f"{self.study} at {self.scale} has no row for arm {arm!r} and exam {exam!r}")
        return rows

    def solved(self, arm: str, exam: str, k: int, score: str = "strict") -> np.ndarray:
        """pass@k of every seed and problem (SP). Exact exams know any k; sampled ones any k up to their samples."""
        rows = self.of(arm, exam)
        if rows[0]["kind"] == "exact":
            if score != "strict":
                raise ValueError(f"exam {exam!r} is exact: it knows strict scores only, not {score!r}")
            return exact_pass_at_k(np.array([numbers(row["logp"]) for row in rows]), k)
        counts = np.array([numbers(row["correct" if score == "answer" else score]) for row in rows])
        return pass_at_k(rows[0]["samples"], counts.astype(int), k)

    def similarity(self, arm: str, exam: str) -> np.ndarray:
        """Similarity to gold of every seed and problem (SP), equal for all seeds. Raises KeyError without gold papers."""
        return np.array([numbers(row["similarity"]) for row in self.of(arm, exam)])

    def score(self, arm: str, exam: str, k: int, score: str = "strict") -> Estimate:
        """Mean pass@k with an interval over seeds, then problems."""
        return interval(self.solved(arm, exam, k, score), path=(self.study, arm, exam, k, score))

    def gain(self, arm: str, over: str, exam: str, k: int, score: str = "strict") -> Estimate:
        """Mean difference in pass@k between two arms, paired by seed and problem."""
        a, b = self.solved(arm, exam, k, score), self.solved(over, exam, k, score)
        return paired(a, b, path=(self.study, arm, over, exam, k, score))


def numbers(cell: str) -> np.ndarray:
    """The values of a space-separated cell."""
    return np.array([float(value) for value in cell.split()])


def cell(values: np.ndarray, digits: int) -> str:
    """Values as a space-separated cell, with so many digits after the point."""
    return " ".join(f"{value:.{digits}f}" for value in values)


def path(study: str, scale: str, folder: Path = FOLDER) -> Path:
    """Where a study's table lies: ``results/<scale>/<topic>.<question>.csv``."""
    return folder / scale / f"{study.replace('/', '.')}.csv"


def columns(study: str) -> tuple[Column, ...]:
    """The columns of a study's table."""
    return COLUMNS + ((SIMILARITY,) if study in COMPARED else ())


def load(study: str, scale: str, folder: Path = FOLDER) -> Results:
    """A study's table. Raises FileNotFoundError with one sentence if it was never run."""
    where = path(study, scale, folder)
    if not where.exists():
        raise FileNotFoundError(f"{study} has no results at scale {scale} yet ({where}); run it first")
    return Results(study, scale, tuple(read(where, columns(study), KEYS)))


def store(study: str, scale: str, rows: list[dict], folder: Path = FOLDER) -> Path:
    """Merge rows into a study's table and write it; processes that store at once take turns."""
    where = path(study, scale, folder)
    where.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with claim(where.parent):
                old = read(where, columns(study), KEYS) if where.exists() else []
                write(where, merge(old, rows, KEYS), columns(study), KEYS)
                return where
        except Busy:
            time.sleep(0.1)


def check_keys(found: Results, keys: dict[tuple[str, int], str]) -> None:
    """Raises ValueError, naming the first row that came from another recipe than the study's of that arm and seed.

    keys: the content key of every arm and seed the study has, or more.
    """
    for row in found.rows:
        if keys.get((row["arm"], row["seed"]), "")[:16] != row["key"]:
            raise ValueError(
                f"the table of {found.study} at {found.scale} holds rows of another recipe than the study's now "
                f"(arm {row['arm']!r}, seed {row['seed']}); run the study again"
            )
