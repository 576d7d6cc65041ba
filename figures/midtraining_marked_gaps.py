"""On texts with gaps, what does it take at the gap to keep a model solving problems: the missing steps, or any mark?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, by_depth, by_row, footnote, legend, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER
from interlude.studies.stats import difference

STUDY, FREE, CONTROL = "midtraining/marked_gaps", "zoo-edge-sampled", "unmarked"
DRAWN = {"base": 0, "full": 5, "thoughts": 1, "empty tags": 2, "mark": 3, "unmarked": 4}
GAINS = ("thoughts", "empty tags", "mark", "tags elsewhere", "shuffled")


def draw(folder=FOLDER) -> Figure:
    """Plain solutions by number of operations; and over unmarked gaps, gains in them beyond the band, and in sampled
    responses, which may think."""
    found = table(STUDY, (*DRAWN, *GAINS), folder)
    made = figure(8.6, 3.5)
    depth, gains = made.subplots(1, 2, width_ratios=(1.2, 1.0))
    by_depth(depth, found, DRAWN, 1)
    depth.set_ylabel("plain solutions, strictly right (exact)")
    beyond = found.band((BANDS["ID"][1] + 1, BANDS["hard"][1]), COMMON)
    scores = {
        "plain solutions, 5 to 11": (1, {arm: found.pooled(arm, beyond, 1) for arm in (CONTROL, *GAINS)}),
        "sampled, may think, edge": (2, {arm: found.solved(arm, FREE, 1) for arm in (CONTROL, *GAINS)}),
    }
    series = {}
    for label, (nth, values) in scores.items():
        over = values[CONTROL]
        gaps = [values[arm] - over for arm in GAINS]
        series[label] = nth, gaps, [difference(values[arm], over) for arm in GAINS]
    by_row(gains, list(GAINS), series)
    gains.axvline(0, color="#333333", linewidth=0.6)
    gains.set_xlabel(f"pass@1, arm - {CONTROL}")
    gains.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=6.5)
    for axis, letter, title in ((depth, "a", "by operations"), (gains, "b", f"over {CONTROL} gaps")):
        panel_letter(axis, letter, title)
    legend(made, depth, len(DRAWN))
    footnote(made, found, "; dots: seeds; 95 % intervals (b: t over seeds)")
    return made
