"""How does the gain of RL depend on how many hard problems pre-training held (Interplay, Fig 15 and 16)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from figures.panels import BANDS, by_training, curves, gain, pooled, said, table
from figures.style import figure, line, panel_letter
from studies.results import FOLDER

STUDY, SHARES = "interplay/pretraining_difficulty", ("0.1 %", "5 %", "20 %", "33.3 %", "50 %")


def draw(folder=FOLDER) -> Figure:
    """pass@128 at the edge without and with RL, the gain in every band, and strict rewards in training."""
    tuned = {f"{share} + RL": nth for nth, share in enumerate(SHARES)}
    found, rows = table(STUDY, (*SHARES, *tuned), folder), curves(STUDY, tuple(tuned), folder)
    made = figure(8.4, 3.1)
    scores, gains, rewards = made.subplots(1, 3)
    places = list(range(len(SHARES)))
    line(scores, places, [pooled(found, share, "edge", 128) for share in SHARES], 0, "without RL")
    line(scores, places, [pooled(found, arm, "edge", 128) for arm in tuned], 1, "with RL")
    scores.set(ylabel="strictly right within 128 (exact)", ylim=(0, 1.05))
    panel_letter(scores, "a", "edge")
    for nth, band in enumerate(BANDS, start=1):
        line(gains, places, [gain(found, f"{share} + RL", share, band, 128) for share in SHARES], nth, band)
    gains.axhline(0, color="#333333", linewidth=0.6)
    gains.set_ylabel("with RL - without, pass@128")
    panel_letter(gains, "b", "gain of RL")
    for axis in (scores, gains):
        axis.set_xticks(places, SHARES)
        axis.set_xlabel("hardest operations in pre-training")
    by_training(rewards, rows, tuned, "reward")
    rewards.set(ylabel="mean strict reward", ylim=(0, 1.1))  # room for the legend
    panel_letter(rewards, "c", "reward")
    for axis in (scores, gains, rewards):
        axis.legend(loc="upper left", fontsize=6.5, ncols=1 + (axis is rewards))
    said(made, found)
    return made
