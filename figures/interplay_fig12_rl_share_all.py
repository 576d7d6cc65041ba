"""Pre-training held 0.1 % of a second world at every depth: how much of RL must be in it (Interplay, Fig 12)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import COMMON, RARE, RL_SHARES, by_share, footnote, spanned, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, BASE = "interplay/context_rl_share", "0.1 % all"


def draw(folder=FOLDER) -> Figure:
    """pass@1 and pass@128 over the band of either world by the share of RL in the second."""
    found = table(STUDY, (BASE, *(f"{BASE}, RL {share} %" for share in RL_SHARES)), folder)
    made = figure(6.6, 3.0)
    for axis, letter, world in zip(made.subplots(1, 2), "ab", (RARE, COMMON), strict=True):
        for nth, k in enumerate((1, 128), start=1):
            by_share(axis, found, BASE, nth, f"pass@{k}", "ID", k, world)
        axis.legend(loc="lower right", fontsize=6.5)
        panel_letter(axis, letter, f"{world}, {spanned(found, 'ID', world)}")
        if world == RARE:
            axis.set(yscale="log", ylim=(1e-16, 1))  # where nothing is solved, only exact scores tell arms apart
    footnote(made, found)
    return made
