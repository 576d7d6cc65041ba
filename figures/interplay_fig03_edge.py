"""Which training problems let RL extend pass@k, and do SFT and RFT on them do as well (Interplay, Fig 3)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, INTERPLAY, by_attempts, footnote, published, spanned, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

PAPER = {"none": 0, "RL inside": 1, "RL boundary": 2, "RL edge": 3, "RL beyond": 4}
PUBLISHED = {"hard": {"RL edge": 0.23, "RL beyond": 0.0}}  # pass@128 of op 15-20 after RL on op 11-14, and on op 17-20
# Of the checkpoints released with arXiv 2512.07783, strict pass@1 and pass@128 as a replication measured them on the
# paper's bands (op 2-10 and 11-14): before RL, and after RL on op 11-14.
REPLICATED = {
    "ID": {"none": (0.831, 0.993), "RL edge": (0.826, 0.982)},
    "edge": {"none": (0.182, 0.411), "RL edge": (0.506, 0.840)},
}
CONTROLS = {
    "none": 0, "RL edge": 3, "RL edge, random": 2, "RL uniform": 5, "RL curriculum": 6, "SFT edge": 7, "RFT edge": 8,
}  # fmt: skip


def draw(folder=FOLDER) -> Figure:
    """Bands across, the paper's arms above and the controls it lacks below."""
    found = table("interplay/edge", tuple(PAPER | CONTROLS), folder)
    made = figure(8.4, 5.2)
    axes = made.subplots(2, 3)
    for row, arms in enumerate((PAPER, CONTROLS)):
        for column, band in enumerate(BANDS):
            by_attempts(axes[row, column], found, arms, band)
            panel_letter(
                axes[row, column],
                "abcdef"[3 * row + column],
                f"{spanned(found, band)}, {('arms of the paper', 'controls')[row]}",
            )
        axes[row, 0].set_ylabel("strictly right within k (exact)")
    for axis, band in zip(axes[0], BANDS, strict=True):
        for arm, scores in REPLICATED.get(band, {}).items():
            published(axis, [1, 128], list(scores), PAPER[arm], "arXiv 2512.07783, by a replication")
        for arm, score in PUBLISHED.get(band, {}).items():
            published(axis, [128], [score], PAPER[arm], INTERPLAY)
    for axis in axes[:, 0]:
        axis.legend(loc="lower right", fontsize=6.5)
    theirs = dict(zip(*reversed(axes[0, 2].get_legend_handles_labels()), strict=True))[INTERPLAY]
    axes[0, 2].legend(handles=[theirs], loc="upper left", fontsize=6.5)
    footnote(made, found, "; 95 % intervals; diamonds: the paper's models, 100M parameters, its own bands")
    return made
