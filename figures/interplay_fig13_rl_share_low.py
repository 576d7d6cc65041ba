"""Pre-training held easy sums of a second world: how much of RL must be in it (Interplay, Fig 13)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import (
    COMMON,
    INTERPLAY,
    RARE,
    RL_SHARES,
    by_category,
    by_share,
    footnote,
    gain,
    published,
    table,
)
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, BASES = "interplay/context_rl_share", {"1 % low": 2, "10 % low": 3}
PUBLISHED = {"1 % low": {10: 0.76}}  # what a tenth of RL in the second world adds to none, pass@128 there
PANELS = ((RARE, 128), (RARE, 1), (COMMON, 1))


def draw(folder=FOLDER) -> Figure:
    """The edge of either world by the share of RL in the second, after 1 and 10 % of easy sums; and what each share
    adds there to none, beside what the paper prints."""
    found = table(STUDY, tuple(arm for base in BASES for arm in (base, *arms(base))), folder)
    made = figure(8.4, 5.4)
    *axes, gains = made.subplots(2, 2).flat
    for axis, letter, (world, k) in zip(axes, "abc", PANELS, strict=True):
        for base, nth in BASES.items():
            by_share(axis, found, base, nth, f"after {base}", "edge", k, world)
        panel_letter(axis, letter, f"{world}, edge pass@{k}")
    axes[2].legend(loc="lower right", fontsize=6.5)
    none, *more = RL_SHARES
    over_none = {
        f"after {base}": (
            nth,
            [gain(found, f"{base}, RL {n} %", f"{base}, RL {none} %", "edge", 128, RARE) for n in more],
        )
        for base, nth in BASES.items()
    }
    by_category(gains, [f"{share} %" for share in more], over_none)
    for base, printed in PUBLISHED.items():
        published(gains, [more.index(share) for share in printed], list(printed.values()), BASES[base], INTERPLAY)
    gains.axhline(0, color="#333333", linewidth=0.6)
    gains.set(xlabel=f"share of RL in {RARE}", ylabel="edge pass@128, over 0 %", ylim=(-0.3, 1.15))
    gains.legend(loc="upper right", fontsize=6.5)
    panel_letter(gains, "d", f"{RARE}, over RL without it")
    footnote(made, found)
    return made


def arms(base: str) -> tuple[str, ...]:
    """The arms after one base, by the share of RL in the second world."""
    return tuple(f"{base}, RL {share} %" for share in RL_SHARES)
