"""Rewards in the same RL by how many hard problems pre-training held (Interplay, Fig 16)."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import by_training, curves, legend, over_training
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, SHARES = "interplay/pretraining_difficulty", ("0.1 %", "5 %", "20 %", "33.3 %", "50 %")


def draw(folder=FOLDER) -> Figure:
    """Strict rewards and response lengths."""
    arms = {f"{share} + RL": nth for nth, share in enumerate(SHARES)}
    rows = curves(STUDY, tuple(arms), folder)
    made = figure(6.6, 3.2)
    rewards, lengths = made.subplots(1, 2)
    by_training(rewards, rows, arms, "reward")
    by_training(lengths, rows, arms, "response_tokens")
    rewards.set(ylabel="mean strict reward", ylim=(0, 1))
    lengths.set_ylabel("tokens")
    panel_letter(rewards, "a", "reward")
    panel_letter(lengths, "b", "response length")
    legend(made, rewards, len(SHARES))
    over_training(made, STUDY, rows)
    return made
