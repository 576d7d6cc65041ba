"""How much of a second world must pre-training hold for RL to carry skills over (Interplay, Fig 4)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, RARE, by_depth, legend, said, table
from interlude.figures.style import PALETTE, figure, panel_letter
from interlude.studies.results import FOLDER

STUDY, KINDS, SHARES = "interplay/context_exposure", ("names", "copies", "arithmetic"), ("0.1 %", "1 %", "10 %")


def arms(kind: str) -> dict[str, int]:
    """The arms of one kind of seed, each with its colour, which says the exposure."""
    return {"0 % + RL": 0} | {f"{share} {kind} + RL": nth for nth, share in enumerate(SHARES, start=1)}


def draw(folder=FOLDER) -> Figure:
    """pass@128 in the second world by operations, before RL dotted."""
    after = tuple(dict.fromkeys(arm for kind in KINDS for arm in arms(kind)))
    found = table(STUDY, (*after, *(arm.removesuffix(" + RL") for arm in after)), folder)
    made = figure(8.4, 2.9)
    axes = made.subplots(1, 3, sharey=True)
    for nth, kind in enumerate(KINDS):
        by_depth(axes[nth], found, arms(kind), 128, RARE)
        exams = found.within((1, BANDS["hard"][1]), RARE)
        for arm, colour in arms(kind).items():
            before = [found.score(arm.removesuffix(" + RL"), exam, 128).mean for exam in exams]
            axes[nth].plot(range(1, len(exams) + 1), before, color=PALETTE[colour], linewidth=1.1, linestyle=":")
        panel_letter(axes[nth], "abc"[nth], f"{kind}, pass@128 in {RARE}")
    axes[0].set_ylabel("strictly right within 128 (exact)")
    exposures(made, axes[1])
    said(made, found, "; dotted: before RL; 95 % intervals")
    return made


def exposures(made: Figure, axis) -> None:
    """The legend of one panel for all: what each colour held."""
    legend(made, axis, 4)
    for text, share in zip(made.legends[0].get_texts(), ("0 %", *SHARES), strict=True):
        text.set_text(f"{share} of later pre-training")
