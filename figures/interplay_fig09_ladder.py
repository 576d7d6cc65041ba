"""How do band, edge and hard problems open up as pre-training goes on (Interplay, Fig 9)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, footnote, legend, pooled, spanned, table
from interlude.figures.style import figure, line, panel_letter
from interlude.studies.results import FOLDER

ARMS = ("x0", "x0.5", "x1", "x2")


def draw(folder=FOLDER) -> Figure:
    """Scores against the tokens of pre-training: by band at one attempt and at 128, and the edge by operations."""
    found = table("interplay/ladder", ARMS, folder)
    made = figure(8.4, 3.2)
    axes = made.subplots(1, 3, sharey=True)
    tokens = [
        sum(row["tokens"] for row in rows) / len(rows) / 1e6 for rows in (found.of(arm, found.exams[0]) for arm in ARMS)
    ]
    for axis, k, letter in ((axes[0], 1, "a"), (axes[1], 128, "b")):
        for nth, band in enumerate(BANDS, start=1):
            line(axis, tokens, [pooled(found, arm, band, k) for arm in ARMS], nth, spanned(found, band))
        panel_letter(axis, letter, f"pass@{k}")
    first, last = BANDS["ID"][1], BANDS["hard"][1]
    for nth, exam in enumerate(found.within((first, last), COMMON), start=4):
        line(
            axes[2],
            tokens,
            [found.score(arm, exam, 128) for arm in ARMS],
            nth,
            f"{found.of('x1', exam)[0]['ops']} operations",
        )
    panel_letter(axes[2], "c", "pass@128 by operations")
    for axis in axes:
        axis.set(xlabel="M tokens of pre-training", ylim=(0, 1.05))
    legend(made, axes[0], 3)
    made.legend(*axes[2].get_legend_handles_labels(), loc="outside upper right", ncols=5)
    axes[0].set_ylabel("strictly right (exact)")
    footnote(made, found)
    return made
