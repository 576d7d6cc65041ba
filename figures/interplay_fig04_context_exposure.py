"""How much of a second world must pre-training hold for RL to carry skills over (Interplay, Fig 4)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import (
    BANDS,
    INTERPLAY,
    RARE,
    by_category,
    by_depth,
    footnote,
    gain,
    published,
    spanned,
    table,
)
from interlude.figures.style import PALETTE, figure, panel_letter
from interlude.studies.results import FOLDER, Results

STUDY = "interplay/context_exposure"
SHARES = {"0 %": 0} | {f"{share} % arithmetic": nth for nth, share in enumerate((0.1, 0.3, 1, 10), start=1)}
WAYS = {"0 %": 0, "1 % arithmetic": 3, "1 % arithmetic, late": 5, "1 % copies": 6}
ALONE = "1 % arithmetic + RL in the first world"
NONE, *EXPOSED = SHARES
PUBLISHED = {"1 % arithmetic": 0.60}  # what 1 % adds to pass@128 after RL, at most ("up to"), on op 2-20


def after(bases: dict[str, int]) -> dict[str, int]:
    """The arms with RL, each with its base's colour, which says what pre-training held."""
    return {f"{base} + RL": nth for base, nth in bases.items()}


def draw(folder=FOLDER) -> Figure:
    """pass@128 in the second world by operations: by share, and at one share by kind and time; before RL dotted. And
    after RL, what each share adds to none, beside what the paper prints."""
    bases = SHARES | WAYS
    found = table(STUDY, (*bases, *after(bases), ALONE), folder)
    made = figure(9.6, 3.7)
    shares, ways, gains = made.subplots(1, 3)
    for axis, chosen in ((shares, SHARES), (ways, WAYS)):
        by_depth(axis, found, after(chosen) | ({ALONE: 7} if axis is ways else {}), 128, RARE)
        before(axis, found, chosen)
    panel_letter(shares, "a", "by share of later pre-training")
    panel_letter(ways, "b", "at 1 %, by kind and time")
    shares.set_ylabel("pass@128 in the second world (exact)")
    over_none = {
        spanned(found, band, RARE): (nth, [gain(found, f"{s} + RL", f"{NONE} + RL", band, 128, RARE) for s in EXPOSED])
        for nth, band in zip((5, 1, 2), BANDS, strict=True)
    }
    by_category(gains, [share.removesuffix(" arithmetic") for share in EXPOSED], over_none)
    published(
        gains, [EXPOSED.index(share) + 0.12 for share in PUBLISHED], list(PUBLISHED.values()), 8, f"{INTERPLAY}: up to"
    )
    gains.axhline(0, color="#333333", linewidth=0.6)
    gains.set(xlabel="share of arithmetic", ylabel=f"pass@128 + RL, over {NONE} + RL", ylim=(-0.1, 1.4))
    gains.legend(loc="upper left", fontsize=6.5)
    panel_letter(gains, "c", "what exposure adds, after RL")
    keys = {name: line for axis in (shares, ways) for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    made.legend(keys.values(), keys.keys(), loc="outside upper center", ncols=4)
    footnote(made, found, "; dotted: before RL; 95 % intervals; the diamond is of op 2-20")
    return made


def before(axis, table: Results, bases: dict[str, int]) -> None:
    """The same scores before RL."""
    exams = table.within((1, BANDS["hard"][1]), RARE)
    for base, nth in bases.items():
        scores = [table.score(base, exam, 128).mean for exam in exams]
        axis.plot(range(1, len(exams) + 1), scores, color=PALETTE[nth], linewidth=1.1, linestyle=":")
