"""Pre-training held easy sums of a second world: how much of RL must be in it (Interplay, Fig 13)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import COMMON, RARE, RL_SHARES, by_share, footnote, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, BASES = "interplay/context_rl_share", {"1 % low": 2, "10 % low": 3}
PANELS = ((RARE, 128), (RARE, 1), (COMMON, 1))


def draw(folder=FOLDER) -> Figure:
    """The edge of either world by the share of RL in the second, after 1 and 10 % of easy sums."""
    found = table(STUDY, tuple(arm for base in BASES for arm in (base, *arms(base))), folder)
    made = figure(9.2, 3.0)
    axes = made.subplots(1, 3)
    for axis, letter, (world, k) in zip(axes, "abc", PANELS, strict=True):
        for base, nth in BASES.items():
            by_share(axis, found, base, nth, f"after {base}", "edge", k, world)
        panel_letter(axis, letter, f"{world}, edge pass@{k}")
    axes[2].legend(loc="lower right", fontsize=6.5)
    footnote(made, found)
    return made


def arms(base: str) -> tuple[str, ...]:
    """The arms after one base, by the share of RL in the second world."""
    return tuple(f"{base}, RL {share} %" for share in RL_SHARES)
