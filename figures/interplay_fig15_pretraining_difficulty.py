"""How does the gain of RL depend on how many hard problems pre-training held (Interplay, Fig 15)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, INTERPLAY, footnote, gain, pooled, published, spanned, table
from interlude.figures.style import figure, line, panel_letter
from interlude.studies.results import FOLDER

STUDY, SHARES = "interplay/pretraining_difficulty", ("0.1 %", "5 %", "20 %", "33.3 %", "50 %")

PUBLISHED = {  # arXiv 2512.07783, appendix A.7: pass@128 with RL minus without, on op 2-10, 11-14 and 15-20
    "ID": (-0.017, -0.005, -0.011, -0.007, -0.004),
    "edge": (0.290, 0.292, 0.166, 0.453, 0.420),
    "hard": (0.059, 0.104, 0.221, 0.180, 0.258),
}


def draw(folder=FOLDER) -> Figure:
    """pass@128 at the edge without and with RL, and the gain in every band."""
    tuned = tuple(f"{share} + RL" for share in SHARES)
    found = table(STUDY, (*SHARES, *tuned), folder)
    made = figure(6.6, 3.1)
    scores, gains = made.subplots(1, 2)
    places = list(range(len(SHARES)))
    line(scores, places, [pooled(found, share, "edge", 128) for share in SHARES], 0, "without RL")
    line(scores, places, [pooled(found, arm, "edge", 128) for arm in tuned], 1, "with RL")
    scores.set(ylabel="strictly right within 128 (exact)", ylim=(0, 1.05))
    panel_letter(scores, "a", "edge")
    for nth, band in enumerate(BANDS, start=1):
        line(
            gains,
            places,
            [gain(found, f"{share} + RL", share, band, 128) for share in SHARES],
            nth,
            spanned(found, band),
        )
    for nth, band in enumerate(BANDS, start=1):
        published(gains, places, list(PUBLISHED[band]), nth, INTERPLAY)
    gains.axhline(0, color="#333333", linewidth=0.6)
    gains.set(ylabel="with RL - without, pass@128", ylim=(-0.2, 1.05))
    panel_letter(gains, "b", "gain of RL")
    for axis in (scores, gains):
        axis.set_xticks(places, SHARES)
        axis.set_xlabel("hardest operations in pre-training")
        axis.legend(loc="lower right" if axis is scores else "upper left", fontsize=6.5)
    footnote(made, found, "; 95 % intervals; diamonds: the paper's (100M, one seed)")
    return made
