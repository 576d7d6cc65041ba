"""What the two kinds of base have learned: how pass@k falls with depth, and whether a noun brings its operands."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.interplay_planning import REGIMES
from interlude.figures.panels import COMMON, plural, table
from interlude.figures.style import PALETTE, figure, line, note, panel_letter, shade
from interlude.studies.results import FOLDER, Results, by_place
from interlude.studies.stats import interval

STUDY, ARM = "stages/ladder", "pre-training"
ATTEMPTS = {1: ":", 128: "-"}  # k with its line style
# Arrays: E exams, N places, S seeds, P problems.


def draw(folder=FOLDER) -> Figure:
    """A panel a regime: pass@1 and pass@128 of every seed by operations; then the probability of its operands after a
    noun is forced out of turn, by how many steps later it was due, each seed's mean over problems and exams."""
    made = figure(9.6, 3.1)
    axes = made.subplots(1, 3)
    told = []
    for nth, (order, (_, scale, bands, _)) in enumerate(REGIMES.items()):
        found = table(STUDY, (ARM,), folder, scale)
        axis = axes[nth]
        by_seed(axis, found, bands, nth + 1)
        panel_letter(axis, "ab"[nth], f"statements {order}")
        forced(axes[2], operands(found), nth + 1, order)
        told.append(f"{STUDY}, {scale}, {plural(found.seeds)}")
    axes[0].set_ylabel("strictly right (exact)")
    axes[2].set(xlabel="steps before the noun's turn", ylabel="probability of its operands", ylim=(-0.05, 1.1))
    axes[2].legend(loc="center right")
    panel_letter(axes[2], "c", "a noun forced out of turn")
    note(made, f"{'; '.join(told)} (lines), {found.rows[0]['problems']} problems; 95 % intervals; chance is next to 0")
    return made


def by_seed(axis, found: Results, bands: dict[str, tuple[int, int]], nth: int) -> None:
    """Strict pass@1 by operations with its interval, and pass@k of every seed."""
    exams = [exam for exam in found.exams if exam.startswith(f"{COMMON}-ops")]
    ops = [int(found.of(ARM, exam)[0]["ops"]) for exam in exams]
    shade(axis, bands)
    line(axis, ops, [found.score(ARM, exam, 1) for exam in exams], nth, "pass@1")
    for k, style in ATTEMPTS.items():
        rates_ES = np.array([found.solved(ARM, exam, k).mean(1) for exam in exams])
        drawn = axis.plot(ops, rates_ES, color=PALETTE[nth], linewidth=0.7, alpha=0.6, linestyle=style)
        drawn[0].set_label(f"pass@{k} by seed")
    axis.set(xlabel="operations", ylim=(0, 1.1), xlim=(0.5, max(ops) + 0.5), xticks=ops)
    axis.legend(loc="lower left")


def forced(axis, operands_SP: list[np.ndarray], nth: int, label: str) -> None:
    """The probability of a forced noun's operands by how many steps too early it came, and every seed's own."""
    at = list(range(len(operands_SP)))
    line(axis, at, [interval(each_SP, path=(STUDY, label, n)) for n, each_SP in enumerate(operands_SP)], nth, label)
    by_seed_NS = np.array([each_SP.mean(1) for each_SP in operands_SP])
    axis.plot(at, by_seed_NS, color=PALETTE[nth], linewidth=0.7, alpha=0.6)


def operands(found: Results) -> list[np.ndarray]:
    """For each place in a solution (0: the noun whose turn it is), the probability of its operands once it is forced:
    seeds by problems that have so many steps."""
    rows = [[row for row in found.rows if row["seed"] == seed and row["kind"] == "forced"] for seed in found.seeds]
    told = [[places for row in own for places in by_place(row["operands"])] for own in rows]
    most = max(len(places) for places in told[0])
    return [np.array([[places[n] for places in own if n < len(places)] for own in told]) for n in range(most)]
