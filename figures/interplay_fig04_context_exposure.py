"""How much of a second world must pre-training hold for RL to carry skills over (Interplay, Fig 4)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, RARE, by_depth, footnote, table
from interlude.figures.style import PALETTE, figure, panel_letter
from interlude.studies.results import FOLDER, Results

STUDY = "interplay/context_exposure"
SHARES = {"0 %": 0} | {f"{share} % arithmetic": nth for nth, share in enumerate((0.1, 0.3, 1, 10), start=1)}
WAYS = {"0 %": 0, "1 % arithmetic": 3, "1 % arithmetic, late": 5, "1 % copies": 6}
ALONE = "1 % arithmetic + RL in the first world"


def after(bases: dict[str, int]) -> dict[str, int]:
    """The arms with RL, each with its base's colour, which says what pre-training held."""
    return {f"{base} + RL": nth for base, nth in bases.items()}


def draw(folder=FOLDER) -> Figure:
    """pass@128 in the second world by operations: by share, and at one share by kind and time; before RL dotted."""
    bases = SHARES | WAYS
    found = table(STUDY, (*bases, *after(bases), ALONE), folder)
    made = figure(8.4, 3.7)
    shares, ways = made.subplots(1, 2, sharey=True)
    for axis, chosen in ((shares, SHARES), (ways, WAYS)):
        by_depth(axis, found, after(chosen) | ({ALONE: 7} if axis is ways else {}), 128, RARE)
        before(axis, found, chosen)
    panel_letter(shares, "a", "share of the second world in later pre-training")
    panel_letter(ways, "b", "which problems, when, and RL in the first world alone")
    shares.set_ylabel("pass@128 in the second world (exact)")
    keys = {name: line for axis in (shares, ways) for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    made.legend(keys.values(), keys.keys(), loc="outside upper center", ncols=4)
    footnote(made, found, "; dotted: before RL; 95 % intervals")
    return made


def before(axis, table: Results, bases: dict[str, int]) -> None:
    """The same scores before RL."""
    exams = table.within((1, BANDS["hard"][1]), RARE)
    for base, nth in bases.items():
        scores = [table.score(base, exam, 128).mean for exam in exams]
        axis.plot(range(1, len(exams) + 1), scores, color=PALETTE[nth], linewidth=1.1, linestyle=":")
