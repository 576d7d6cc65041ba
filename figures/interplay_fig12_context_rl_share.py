"""How much of RL must be in a second context that pre-training hardly held (Interplay, Fig 12 to 14)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from figures.panels import COMMON, RARE, by_training, curves, legend, pooled, said, table
from figures.style import figure, line, panel_letter
from studies.results import FOLDER

STUDY, SHARES, BASES = "interplay/context_rl_share", (0, 1, 10, 50, 100), ("0.1 % all", "1 % low")
LEAST = 1e-16
COLOURS = (0, 3, 4, 5, 7)  # of the shares in c and d; 1 and 2 are pre-training in a and b


def draw(folder=FOLDER) -> Figure:
    """pass@128 over the band of either context by the share of RL in the second, and strict rewards in training."""
    arms = {base: [f"{base}, RL {share} %" for share in SHARES] for base in BASES}
    every = tuple(arm for each in arms.values() for arm in each)
    found, rows = table(STUDY, (*BASES, *every), folder), curves(STUDY, every, folder)
    made = figure(8.4, 5.2)
    axes = made.subplots(2, 2)
    for axis, letter, world in ((axes[0, 0], "a", RARE), (axes[0, 1], "b", COMMON)):
        for nth, base in enumerate(BASES, start=1):
            scores = [pooled(found, arm, "ID", 128, world) for arm in (base, *arms[base])]
            line(axis, list(range(len(scores))), scores, nth, f"pre-training held {base} operations")
        axis.set_xticks(range(len(SHARES) + 1), ["no RL", *(f"{share} %" for share in SHARES)])
        axis.set(xlabel=f"share of RL in {RARE}", ylabel="strictly right within 128 (exact)", ylim=(0, 1.05))
        panel_letter(axis, letter, f"{world}, ID")
    axes[0, 0].set(yscale="log", ylim=(LEAST, 3))  # where nothing is solved, only exact scores tell arms apart
    axes[0, 1].legend(loc="lower right", fontsize=6.5)
    for axis, letter, base in zip(axes[1], "cd", BASES, strict=True):
        by_training(axis, rows, dict(zip(arms[base], COLOURS, strict=True)), "reward")
        axis.set_ylabel("mean strict reward")
        panel_letter(axis, letter, f"reward, {base}")
    legend(made, axes[1, 0], len(SHARES))
    for text, share in zip(made.legends[0].get_texts(), SHARES, strict=True):
        text.set_text(f"{share} % {RARE} (c, d)")
    said(made, found)
    return made
