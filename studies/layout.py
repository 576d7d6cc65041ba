"""Estimates as table cells: a mean above its interval, and the numbers of seeds and problems."""

from __future__ import annotations

import math

Table = tuple[str, list[str], list[list], str]  # title, heads, rows of cells, caption


def mean_over_interval(row: dict | None, digits: int = 1) -> str:
    """A mean and, below it, its interval (none for one seed); a dash if there is no row."""
    if row is None:
        return "–"
    span = f"\n{row['low']:.{digits}f}–{row['high']:.{digits}f}"
    return f"{row['mean']:.{digits}f}" + span * (not math.isnan(row["low"]))


def gap(row: dict) -> str:
    """A difference above its interval, with signs, and a star if the interval over several seeds excludes zero."""
    if math.isnan(row["low"]):
        return f"{row['mean']:+.3f}"
    return f"{row['mean']:+.3f}{'*' * excludes_zero(row)}\n{row['low']:+.3f} to {row['high']:+.3f}"


def excludes_zero(row: dict) -> bool:
    """Whether the interval of a difference over several seeds excludes zero, and the mean does not round to zero."""
    return row["seeds"] > 1 and (row["low"] > 0 or row["high"] < 0) and abs(row["mean"]) >= 0.0005


def means_table(title: str, rows: list[dict], names: dict[str, str], digits: int = 1, caption: str = "") -> Table:
    """One row per arm and exam, one column per entry of ``names`` (the ``what`` of a row: its column head)."""
    at = {(row["arm"], row["exam"], row["what"]): row for row in rows}
    cells = [
        [arm, exam, *(mean_over_interval(at.get((arm, exam, name)), digits) for name in names)]
        for arm, exam in dict.fromkeys((row["arm"], row["exam"]) for row in rows)
    ]
    return title, ["arm", "exam", *names.values()], cells, caption + over_seeds_in_words(rows)


def in_words(estimate: dict) -> str:
    """Seeds and problems of an estimate, such as "8 seeds × 200 problems"."""
    return f"{estimate['seeds']} seed{'s' * (estimate['seeds'] != 1)} × {estimate['problems']} problems"


def counts(rows: list[dict]) -> str:
    """Seeds and problems of several estimates, each different count once."""
    return "; ".join(dict.fromkeys(in_words(row) for row in rows))


def resampled(rows: list[dict]) -> str:
    """A caption for bootstrap intervals: the numbers of seeds and problems, and a warning for few seeds."""
    few = "; if seeds differ more than problems, intervals of three seeds cover only 75 %"
    return f"95 % bootstrap intervals over {counts(rows)}" + few * any(1 < row["seeds"] <= 3 for row in rows)


def over_seeds_in_words(rows: list[dict]) -> str:
    """A caption for Student-t intervals: the numbers of seeds and problems; with one seed they are over problems."""
    if all(row["seeds"] == 1 for row in rows):
        return f"{counts(rows)}: intervals, if any, are about the problems, not about training"
    return f"95 % intervals, Student's t over seeds; {counts(rows)}"
