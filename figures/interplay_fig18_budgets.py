"""Does the best split of a budget depend on its size, by measured FLOPs and by the paper's (Interplay, Fig 18)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import footnote, legend, pooled, table
from interlude.figures.style import figure, line, panel_letter
from interlude.studies.results import FOLDER

SHARES = (0, 20, 50, 80, 100)
BUDGETS = ("half", "full")
CHARGES = (
    ("arm_flops", 1e12, "measured TFLOPs after the base"),
    ("paper_tokens", 1e6, "M tokens as the paper charges"),
)


def draw(folder=FOLDER) -> Figure:
    """Edge and hard, at one attempt and at 128, above against measured compute and below against the paper's tokens."""
    found = table(
        "interplay/mid_or_rl", tuple(f"{share}% RL, {budget}" for share in SHARES for budget in BUDGETS), folder
    )
    made = figure(8.4, 4.8)
    axes = made.subplots(2, 4)
    for column, (band, k) in enumerate((band, k) for band in ("edge", "hard") for k in (1, 128)):
        scores = {share: [pooled(found, f"{share}% RL, {budget}", band, k) for budget in BUDGETS] for share in SHARES}
        for row, (charge, unit, named) in enumerate(CHARGES):
            axis = axes[row, column]
            for nth, (share, both) in enumerate(scores.items(), start=1):
                line(
                    axis,
                    [spent(found, f"{share}% RL, {budget}", charge) / unit for budget in BUDGETS],
                    both,
                    nth,
                    f"{share} % RL",
                )
            axis.set_xlabel(named, fontsize=7)
            panel_letter(axis, "abcdefgh"[4 * row + column], f"{band}, pass@{k}")
    for axis in axes[:, 0]:
        axis.set_ylabel("strictly right (exact)")
    legend(made, axes[0, 0], 5)
    footnote(made, found, "; 95 % intervals")
    return made


def spent(found, arm: str, charge: str) -> float:
    """Mean over seeds of what an arm was charged."""
    rows = {row["seed"]: row[charge] for row in found.rows if row["arm"] == arm}
    return sum(rows.values()) / len(rows)
