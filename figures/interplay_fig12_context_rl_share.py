"""How much of RL must be in a second context that pre-training hardly held (Interplay, Fig 12 to 14)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from figures.panels import COMMON, RARE, by_training, curves, legend, pooled, said, table
from figures.style import figure, line, panel_letter
from studies.results import FOLDER

STUDY, SHARES, BASES = "interplay/context_rl_share", (0, 1, 10, 50, 100), ("0.1 % all", "1 % low", "10 % low")
PANELS = ((RARE, 128), (RARE, 1), (COMMON, 1))
LEAST = 1e-13
COLOURS = (0, 4, 5, 6, 7)  # of the shares below; 1, 2 and 3 are pre-training above


def draw(folder=FOLDER) -> Figure:
    """The band of either context by the share of RL in the second, and strict rewards in training."""
    arms = {base: [f"{base}, RL {share} %" for share in SHARES] for base in BASES}
    every = tuple(arm for each in arms.values() for arm in each)
    found, rows = table(STUDY, (*BASES, *every), folder), curves(STUDY, every, folder)
    made = figure(9.6, 5.6)
    axes = made.subplots(2, 3)
    for axis, letter, (world, k) in zip(axes[0], "abc", PANELS, strict=True):
        for nth, base in enumerate(BASES, start=1):
            scores = [pooled(found, arm, "ID", k, world) for arm in (base, *arms[base])]
            line(axis, list(range(len(scores))), scores, nth, f"held {base}")
        axis.set_xticks(range(len(SHARES) + 1), ["no RL", *(f"{share} %" for share in SHARES)])
        axis.set(xlabel=f"share of RL in {RARE}", ylabel="strictly right (exact)", ylim=(0, 1.05))
        panel_letter(axis, letter, f"{world}, ID pass@{k}")
    axes[0, 0].set(yscale="log", ylim=(LEAST, 3))  # where nothing is solved, only exact scores tell arms apart
    axes[0, 2].legend(loc="lower right", fontsize=6.5, title="pre-training", title_fontsize=6.5)
    for axis, letter, base in zip(axes[1], "def", BASES, strict=True):
        by_training(axis, rows, dict(zip(arms[base], COLOURS, strict=True)), "reward")
        axis.set(ylabel="mean strict reward", ylim=(0, 1.0))
        panel_letter(axis, letter, f"reward, {base}")
    legend(made, axes[1, 0], len(SHARES))
    for text, share in zip(made.legends[0].get_texts(), SHARES, strict=True):
        text.set_text(f"{share} % {RARE} (d to f)")
    said(made, found)
    return made
