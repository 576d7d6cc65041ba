"""How much of a second context must pre-training hold for RL to carry skills over (Interplay, Fig 4 and 17)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from figures.panels import BANDS, RARE, by_depth, by_training, curves, legend, said, table
from figures.style import PALETTE, figure, panel_letter
from studies.results import FOLDER

STUDY, KINDS, SHARES = "interplay/context_exposure", ("names", "copies", "arithmetic"), ("0.1 %", "1 %", "10 %")


def arms(kind: str) -> dict[str, int]:
    """The arms of one kind of seed, each with its colour, which says the exposure."""
    return {"0 % + RL": 0} | {f"{share} {kind} + RL": nth for nth, share in enumerate(SHARES, start=1)}


def draw(folder=FOLDER) -> Figure:
    """pass@128 in the second context by operations above, before RL dotted, and strict rewards in training below."""
    after = tuple(dict.fromkeys(arm for kind in KINDS for arm in arms(kind)))
    found = table(STUDY, (*after, *(arm.removesuffix(" + RL") for arm in after)), folder)
    rows = curves(STUDY, after, folder)
    made = figure(8.4, 5.0)
    axes = made.subplots(2, 3, sharey="row")
    for nth, kind in enumerate(KINDS):
        by_depth(axes[0, nth], found, arms(kind), 128, RARE)
        exams = found.within((1, BANDS["hard"][1]), RARE)
        for arm, colour in arms(kind).items():
            before = [found.score(arm.removesuffix(" + RL"), exam, 128).mean for exam in exams]
            axes[0, nth].plot(range(1, len(exams) + 1), before, color=PALETTE[colour], linewidth=1.1, linestyle=":")
        panel_letter(axes[0, nth], "abc"[nth], f"{kind}, pass@128 in {RARE}")
        by_training(axes[1, nth], rows, arms(kind), "reward")
        panel_letter(axes[1, nth], "def"[nth], f"{kind}, reward")
    axes[1, 0].set_ylim(0, 1)
    axes[0, 0].set_ylabel("strictly right within 128 (exact)")
    axes[1, 0].set_ylabel("mean strict reward, both contexts")
    legend(made, axes[0, 1], 4)
    for text, share in zip(made.legends[0].get_texts(), ("0 %", *SHARES), strict=True):
        text.set_text(f"{share} of later pre-training")
    said(made, found, "; dotted: before RL; 95 % intervals")
    return made
