"""How far does RL on one band change the log-probability of solutions of every depth (Interplay, Fig 10)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, footnote, logp, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER
from interlude.studies.stats import difference

ARMS = (
    *(f"RL {name}" for name in ("inside", "boundary", "edge", "beyond", "uniform", "curriculum")),
    "SFT edge",
    "RFT edge",
)


def draw(folder=FOLDER) -> Figure:
    """Training band by operations; in every cell the mean change in nats a problem over half its interval, in bold
    where that leaves out zero."""
    found = table("interplay/edge", ("none", *ARMS), folder)
    exams = found.within((1, BANDS["hard"][1]), COMMON)
    cells = [[difference(logp(found, arm, exam), logp(found, "none", exam)) for exam in exams] for arm in ARMS]
    made = figure(6.6, 3.7)
    axis = made.subplots()
    most = max(abs(cell.mean) for row in cells for cell in row) or 1.0
    shown = axis.imshow(
        [[cell.mean for cell in row] for row in cells], cmap="PuOr_r", vmin=-most, vmax=most, aspect="auto"
    )
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            ink = "white" if abs(cell.mean) > 0.6 * most else "#222222"
            text = f"{cell.mean:+.2f}\n± {(cell.high - cell.low) / 2:.2f}"
            weight = "bold" if cell.low > 0 or cell.high < 0 else "normal"
            axis.text(x, y, text, ha="center", va="center", fontsize=6, color=ink, fontweight=weight)
    axis.set_yticks(range(len(ARMS)), ARMS)
    axis.set_xticks(range(len(exams)), [found.of("none", exam)[0]["ops"] for exam in exams])
    axis.set_xlabel("operations of the exam")
    made.colorbar(shown, ax=axis, label="change of log-probability (nats a problem)", shrink=0.9)
    panel_letter(axis, "", "after training on a band, less none")
    footnote(made, found, "; 95 % intervals (t over seeds), bold: without zero")
    return made
