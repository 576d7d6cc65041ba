"""How do band, edge and hard problems open up as pre-training goes on (Interplay, Fig 9)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, footnote, legend, pooled, published, spanned, table
from interlude.figures.style import figure, line, panel_letter
from interlude.studies.results import FOLDER

ARMS, WHOLE = ("x0", "x0.5", "x1", "x2"), "x1"
# pass@1 and pass@128 of the base released with arXiv 2512.07783 on op 2-10, 11-14 and 15-20, after all of its
# pre-training, as a replication measured them.
REPLICATED = {"ID": (0.831, 0.993), "edge": (0.182, 0.411), "hard": (0.0, 0.0)}


def draw(folder=FOLDER) -> Figure:
    """Scores against the tokens of pre-training: by band at one attempt and at 128, and the edge by operations."""
    found = table("interplay/ladder", ARMS, folder)
    made = figure(8.4, 3.2)
    axes = made.subplots(1, 3, sharey=True)
    tokens = [
        sum(row["tokens"] for row in rows) / len(rows) / 1e6 for rows in (found.of(arm, found.exams[0]) for arm in ARMS)
    ]
    for place, (axis, k, letter) in enumerate(((axes[0], 1, "a"), (axes[1], 128, "b"))):
        for nth, band in enumerate(BANDS, start=1):
            line(axis, tokens, [pooled(found, arm, band, k) for arm in ARMS], nth, spanned(found, band))
            named = "arXiv 2512.07783's base, by a replication"
            published(axis, [tokens[ARMS.index(WHOLE)]], [REPLICATED[band][place]], nth, named)
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
    legend(made, axes[0], 2)
    made.legend(*axes[2].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    axes[0].set_ylabel("strictly right (exact)")
    footnote(made, found)
    return made
