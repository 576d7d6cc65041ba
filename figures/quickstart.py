"""What each stage adds at nano: pass@1 by depth, pass@k at the edge, and in which token roles solutions are lost."""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, by_role, pooled
from interlude.figures.style import PALETTE, figure, line, panel_letter, shade
from interlude.studies.results import FOLDER, Results, load

STUDY, SCALE, WORLD = "stages/quickstart", "nano", "zoo"
ATTEMPTS = tuple(round(10 ** (n / 2)) for n in range(13))  # 1 to 10^6


def draw(folder=FOLDER) -> Figure:
    """The figure, from ``<folder>/nano/stages.quickstart.csv``. Raises FileNotFoundError if there is no such table."""
    found = load(STUDY, SCALE, folder)
    made = figure(9.0, 3.2)
    depth, attempts, roles = made.subplots(1, 3, width_ratios=(1.3, 1.05, 1))
    by_depth(depth, found)
    by_attempts(attempts, found)
    by_role(roles, found, found.band(BANDS["edge"], WORLD), dict(zip(found.arms, PALETTE, strict=False)))
    panel_letter(roles, "c", "surprise, edge")
    made.legend(*depth.get_legend_handles_labels(), loc="outside lower left", ncols=4)
    problems = found.score(found.arms[0], exams(found, "edge")[0], 1).problems
    seeds = f"{len(found.seeds)} seed{'s' * (len(found.seeds) != 1)}"
    said = f"world {WORLD}, {seeds}, {problems} problems for each depth; shaded around lines: 95 %"
    made.text(0.995, 0.012, said, ha="right", va="bottom", fontsize=6.5, color="#555555")
    return made


def exams(table: Results, band: str) -> list[str]:
    """The exact exams of one band in the common world, by operations."""
    return table.within(BANDS[band], WORLD)


def by_depth(axis, table: Results) -> None:
    """Strict pass@1 of every arm by operations."""
    names = [name for band in BANDS for name in exams(table, band)]
    x = [int(table.of(table.arms[0], name)[0]["ops"]) for name in names]
    shade(axis, BANDS)
    for nth, arm in enumerate(table.arms):
        line(axis, x, [table.score(arm, name, 1) for name in names], nth, arm)
    axis.set(
        xlabel="operations", ylabel="strictly right at once (exact)", ylim=(0, 1.1), xlim=(0.5, max(x) + 0.5), xticks=x
    )
    axis.set_yticks((0, 0.25, 0.5, 0.75, 1))
    panel_letter(axis, "a", "pass@1 by depth")


def by_attempts(axis, table: Results) -> None:
    """pass@k of every arm at the edge, for k up to a million."""
    for nth, arm in enumerate(table.arms):
        line(axis, list(ATTEMPTS), [pooled(table, arm, "edge", k) for k in ATTEMPTS], nth, arm)
    axis.set(xlabel="attempts k", ylabel="strictly right within k (exact)", ylim=(0, 1.1), xscale="log")
    axis.set_xticks((1, 100, 10_000, 1_000_000))
    axis.minorticks_off()
    axis.set_yticks((0, 0.25, 0.5, 0.75, 1))
    panel_letter(axis, "b", "pass@k at the edge")
