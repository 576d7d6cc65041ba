"""Which training problems let RL extend pass@k, and do SFT and RFT on them do as well (Interplay, Fig 3)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, by_attempts, footnote, published, spanned, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

PAPER = {"none": 0, "RL inside": 1, "RL boundary": 2, "RL edge": 3, "RL beyond": 4}
# Of the checkpoints released with arXiv 2512.07783, strict pass@1 and pass@128 as a replication measured them on the
# paper's bands (op 2-10 and 11-14): before RL, and after RL on op 11-14.
PUBLISHED = {
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
            for arm, scores in PUBLISHED.get(band, {}).items() if row == 0 else ():
                published(axes[row, column], [1, 128], list(scores), arms[arm])
        axes[row, 0].set_ylabel("strictly right within k (exact)")
        axes[row, 0].legend(loc="lower right", fontsize=6.5)
    footnote(made, found, "; 95 % intervals; diamonds: the paper's released models, 100M parameters, its own bands")
    return made
