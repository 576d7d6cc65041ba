"""Do reward and thoughts grow while RL trains thoughts, and how does the RL after it go from five checkpoints?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import by_training, curves, over_training
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, THEN = "midtraining/thinking", " + RL"
ON_THOUGHTS = {"thinking, 1/4 RL": 2, "thinking": 1, "thinking, 3/4 RL": 3, "thinking, RL alone": 0}
BEFORE = {"pre-training": 0, "NTP": 4, "thinking SFT": 2, "thinking": 1, "thinking SFT, oracle": 3}


def draw(folder=FOLDER) -> Figure:
    """Of RL on thoughts, the judge's reward and the length of a thought (arXiv 2601.21343v3, figure 11); of the RL
    after it, the reward from five checkpoints and the tokens of a response."""
    rows = curves(STUDY, (*ON_THOUGHTS, *(arm + THEN for arm in BEFORE)), folder)
    thinking = [row for row in rows if row["arm"] in ON_THOUGHTS and np.isfinite(row["thought_tokens"])]
    later = [last_stage(row, rows) for row in rows if row["arm"].endswith(THEN)]
    made = figure(8.4, 5.2)
    (reward, length), (after, words) = made.subplots(2, 2)
    by_training(reward, thinking, ON_THOUGHTS, "reward")
    by_training(length, thinking, ON_THOUGHTS, "thought_tokens")
    by_training(after, list(filter(None, later)), BEFORE, "reward")
    by_training(words, list(filter(None, later)), BEFORE, "response_tokens")
    reward.set(ylabel="segments accepted by the judge", ylim=(0, 1.02))
    length.set(ylabel="tokens of a thought", ylim=(0, None))
    after.set(ylabel="mean reward", ylim=(0, 1.02), xlabel="share of the RL after mid-training")
    words.set(ylabel="tokens of a response", ylim=(0, None), xlabel="share of the RL after mid-training")
    for axis in (reward, length):
        axis.set_xlabel("share of RL on thoughts")
    reward.legend(loc="lower right", fontsize=6.5)
    words.legend(loc="lower center", ncols=2, fontsize=6.5)  # the arms of c too, which leave no room there
    titles = ("RL on thoughts: reward", "RL on thoughts: length", "the RL after it: reward", "the RL after it: length")
    for axis, letter, title in zip((reward, length, after, words), "abcd", titles, strict=True):
        panel_letter(axis, letter, title)
    over_training(made, STUDY, rows, "; responses may think")
    return made


def last_stage(row: dict, rows: list[dict]) -> dict | None:
    """The row under its arm's name before RL, if it is of the arm's last stage with a curve, which is that RL."""
    last = max(each["stage"] for each in rows if each["arm"] == row["arm"])
    return row | {"arm": row["arm"].removesuffix(THEN)} if row["stage"] == last else None
