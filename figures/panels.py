"""What figures of studies share: their tables, the bands of nano,
and panels of pass@k, depth, gains, rows and training.

Shaded bands and bars are 95 % intervals: of a score by bootstrap over seeds and problems, of a difference and of a
training curve by Student's t over seeds. Exact scores cannot be guessed; where an answer can, chance is drawn.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from interlude.figures.style import MARKERS, PALETTE, ROLE_COLOURS, line, note, points, shade
from interlude.studies import evidence
from interlude.studies.results import FOLDER, ROLES, Results, load, load_curves
from interlude.studies.stats import Estimate, difference

SCALE = "nano"
BANDS = {"ID": (1, 4), "edge": (8, 9), "hard": (10, 11)}  # studies.scales, which loads torch, has them; a test compares
COMMON, RARE = "zoo", "school"
RL_SHARES = (0, 1, 10, 50, 100)  # of interplay/context_rl_share: per cent of RL in the second world
ATTEMPTS = tuple(10**n for n in range(7))
INTERPLAY = "published (arXiv 2512.07783)"  # what legends call the values of that paper
GRID = np.linspace(0.05, 1.0, 20)  # shares of an arm's own training at which curves are drawn


class Missing(LookupError):
    """A table has no row of what a figure draws."""


def table(study: str, arms: tuple[str, ...], folder: Path = FOLDER, scale: str = SCALE) -> Results:
    """The rows of some arms of a study, for the seeds all have. Raises FileNotFoundError or Missing, in one
    sentence, where there are none."""
    found = load(study, scale, folder)
    try:
        return found.common(*arms)
    except KeyError as error:
        raise Missing(error.args[0]) from None


def curves(study: str, arms: tuple[str, ...], folder: Path = FOLDER) -> list[dict]:
    """The training curves of some arms. Raises FileNotFoundError or Missing, in one sentence, where there are none."""
    rows = [row for row in load_curves(study, SCALE, folder) if row["arm"] in arms]
    absent = [arm for arm in arms if arm not in {row["arm"] for row in rows}]
    if absent:
        raise Missing(f"{study} has no training curve of arm {absent[0]!r} at scale {SCALE} yet; run it first")
    return rows


def pooled(table: Results, arm: str, band: str, k: int, world: str = COMMON) -> Estimate:
    """Mean strict pass@k over the problems of a band."""
    return evidence.pooled(table, arm, table.band(BANDS[band], world), k)


def gain(table: Results, arm: str, over: str, band: str, k: int, world: str = COMMON) -> Estimate:
    """Mean difference of two arms in pass@k over a band."""
    return evidence.gain(table, arm, over, table.band(BANDS[band], world), k)


def spanned(table: Results, band: str, world: str = COMMON) -> str:
    """The name of a band and the operations that its scores are over, such as "ID (2-4)"."""
    ops = [int(table.of(table.arms[0], exam)[0]["ops"]) for exam in table.band(BANDS[band], world)]
    return f"{band} ({min(ops)}-{max(ops)})"


def logp(table: Results, arm: str, exam: str) -> np.ndarray:
    """Log-probability, in nats, of every seed's worked solution of every problem (SP)."""
    return evidence.log_probabilities(table, arm, [exam])


def by_attempts(axis, table: Results, arms: dict[str, int], band: str, world: str = COMMON) -> None:
    """Strict pass@k for k up to a million. arms: each with its colour."""
    for arm, nth in arms.items():
        line(axis, list(ATTEMPTS), [pooled(table, arm, band, k, world) for k in ATTEMPTS], nth, arm)
    axis.set(xlabel="attempts k", ylim=(0, 1.05), xscale="log")
    axis.set_xticks((1, 100, 10_000, 1_000_000))
    axis.minorticks_off()


def by_depth(
    axis, table: Results, arms: dict[str, int], k: int, world: str = COMMON, bands: dict[str, tuple[int, int]] = BANDS
) -> None:
    """Strict pass@k by operations."""
    exams = table.within((1, bands["hard"][1]), world)
    x = [int(table.of(table.arms[0], exam)[0]["ops"]) for exam in exams]
    shade(axis, bands)
    for arm, nth in arms.items():
        line(axis, x, [table.score(arm, exam, k) for exam in exams], nth, arm)
    axis.set(xlabel="operations", ylim=(0, 1.1), xlim=(0.5, max(x) + 0.5), xticks=x)


def by_category(axis, names: list[str], series: dict[str, tuple[int, list[Estimate]]]) -> None:
    """Estimates side by side in every category. series: for each label its colour, and the estimate of each category,
    or of the first categories."""
    for place, (label, (nth, estimates)) in enumerate(series.items()):
        shift = (place - (len(series) - 1) / 2) * 0.7 / len(series)
        points(axis, [n + shift for n in range(len(estimates))], estimates, nth, label)
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.5, len(names) - 0.5)


def published(axis, x: list, y: list, nth: int, label: str | None = None) -> None:
    """Values that a paper prints, as open diamonds in the colour of the arm that answers to theirs: its models and
    bands are others, so that the pattern compares and the height does not. label: what the legend calls them, once."""
    named = label in axis.get_legend_handles_labels()[1]
    colour, label = PALETTE[nth], None if named else label
    # Not clipped: half a diamond would be left of a value at the axis.
    axis.plot(x, y, "D", color=colour, markerfacecolor="white", markersize=4, zorder=4, clip_on=False, label=label)


def by_share(axis, table: Results, base: str, nth: int, label: str, band: str, k: int, world: str) -> None:
    """pass@k over a band without RL and by the share of RL in the second world, after one pre-training."""
    arms = (base, *(f"{base}, RL {share} %" for share in RL_SHARES))
    line(axis, list(range(len(arms))), [pooled(table, arm, band, k, world) for arm in arms], nth, label)
    axis.set_xticks(range(len(arms)), ["no RL", *(f"{share} %" for share in RL_SHARES)])
    axis.set(xlabel=f"share of RL in {RARE}", ylabel="strictly right (exact)", ylim=(0, 1.05))


def by_row(axis, names: list[str], series: dict[str, tuple[int, list[np.ndarray], list[Estimate]]]) -> None:
    """Estimates as points with bars across, a row a name from the top, and every seed a small dot.
    series: for each label its colour, and the values (SP) and estimate of each row, or of the first rows."""
    for place, (label, (nth, values, estimates)) in enumerate(series.items()):
        at = [n + (place - (len(series) - 1) / 2) * 0.36 for n in range(len(estimates))]
        colour, marker = PALETTE[nth], MARKERS[nth]
        axis.hlines(at, [e.low for e in estimates], [e.high for e in estimates], color=colour, linewidth=1.1)
        for y, values_SP in zip(at, values, strict=True):
            axis.plot(values_SP.mean(1), [y] * len(values_SP), ".", color="#222222", markersize=1.8, zorder=3)
        axis.plot(
            [e.mean for e in estimates], at, color=colour, marker=marker, markersize=4, linestyle="none", label=label
        )
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    for n in range(0, len(names), 2):
        axis.axhspan(n - 0.5, n + 0.5, color="#f3f1ea", linewidth=0, zorder=0)


def by_role(axis, table: Results, exams: list[str], arms: dict[str, str]) -> None:
    """Mean surprise of the worked solutions of these exams, stacked by what their tokens are for: a bar an arm, with
    the colour of its name."""
    totals = np.zeros(len(arms))
    at = np.arange(len(arms))
    for nth, role in enumerate(ROLES):
        parts = np.array([nats(table, arm, exams, role) for arm in arms])
        if parts.sum() > 0:
            axis.barh(at, parts, left=totals, color=ROLE_COLOURS[nth], height=0.66, label=role)
        totals += parts
    axis.set_yticks(at, list(arms))
    for tick, colour in zip(axis.get_yticklabels(), arms.values(), strict=True):
        tick.set_color(colour)
    axis.invert_yaxis()
    axis.set(xlabel="nats a problem", xlim=(0, 1.02 * totals.max()))
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.4, -0.22), ncols=3, fontsize=6.5, handlelength=0.8, columnspacing=0.8
    )


def nats(table: Results, arm: str, exams: list[str], role: str) -> float:
    """Mean nats a problem that tokens of ``role`` cost; a role that never occurs costs 0."""
    rows = [row for exam in exams for row in table.of(arm, exam)]
    return float(np.mean([0.0 if math.isnan(value := row[f"{role}_nats"]) else value for row in rows]))


def by_training(axis, rows: list[dict], arms: dict[str, int], column: str) -> None:
    """A column of the training curves against the share of the arm's own training, the mean over seeds."""
    for arm, nth in arms.items():
        own = [row for row in rows if row["arm"] == arm]
        values_SG = np.array(
            [on_grid([r for r in own if r["seed"] == seed], column) for seed in sorted({r["seed"] for r in own})]
        )
        estimates = [difference(values_SG[:, [g]], np.zeros((len(values_SG), 1))) for g in range(len(GRID))]
        line(axis, list(GRID), estimates, nth, arm)
    axis.set(xlabel="share of the training")


def on_grid(rows: list[dict], column: str) -> np.ndarray:
    """One seed's curve at GRID, linear between its points; stages follow each other as equal parts."""
    stages = sorted({row["stage"] for row in rows})
    at = sorted(((stages.index(row["stage"]) + row["share"]) / len(stages), row[column]) for row in rows)
    return np.interp(GRID, *zip(*at, strict=True))


def legend(made, axis, columns: int) -> None:
    """One legend above all panels."""
    made.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=columns)


def footnote(made, table: Results, extra: str = "; 95 % intervals; exact: chance is next to 0") -> None:
    """In small print: scale, seeds, problems, and what else a reader must know."""
    problems = max(row["problems"] for row in table.rows if row["kind"] == "exact")
    if len(table.seeds) == 1:
        extra = extra.replace("95 % intervals", "95 % intervals over problems")
    note(made, f"{table.study}, {SCALE}, {plural(table.seeds)}, {problems} problems an operation{extra}")


def over_training(made, study: str, rows: list[dict], extra: str = "") -> None:
    """Below a figure of training curves, what it is drawn from."""
    seeds = {row["seed"] for row in rows}
    spread = "95 % intervals, t over seeds" if len(seeds) > 1 else "no intervals"
    note(made, f"{study}, {SCALE}, {plural(seeds)}; {spread}{extra}")


def plural(seeds) -> str:
    """The number of seeds in words."""
    return f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"
