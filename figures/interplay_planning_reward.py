"""Where steps have to be chosen, do rewards for the working teach more than for the answer (Interplay, Fig 7)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.interplay_planning import CHAINS, REGIMES, SCALE
from interlude.figures.panels import INTERPLAY, by_depth, by_row, legend, plural, published, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies.results import FOLDER
from interlude.studies.stats import difference

STUDY, CONTROL = "interplay/planning_reward", "answer"
BANDS = REGIMES["shuffled"][2]
REWARDS = {CONTROL: 1, "printed": 2, "strict": 4}
GAINS = tuple(kind for kind in REWARDS if kind != CONTROL)
# Printed by the paper over the answer's reward, after RL on op 11-14: pass@1 of op 2-14 (edge) and of op 15-20 (hard).
PAPER = {"edge": {"printed": 0.047, "strict": 0.052}, "hard": {"printed": 0.043}}


def draw(folder=FOLDER) -> Figure:
    """Strict pass@1 by operations after RL on each field; and on problems with one legal order of steps, in that field,
    what a reward adds to that for the answer, beside what the paper prints."""
    fields = dict(zip(PAPER, CHAINS, strict=True))
    arms = {field: {"none": 0} | {f"{kind}, {field}": nth for kind, nth in REWARDS.items()} for field in fields}
    found = table(STUDY, tuple(name for each in arms.values() for name in each), folder, SCALE)
    made = figure(9.2, 3.2)
    axes = made.subplots(1, 3)
    series = {}
    for place, (field, exam) in enumerate(fields.items()):
        by_depth(axes[place], found, arms[field], 1, bands=BANDS)
        panel_letter(axes[place], "ab"[place], f"RL on the {field} band, pass@1")
        values = {kind: found.pooled(f"{kind}, {field}", [exam], 1) for kind in REWARDS}
        gaps = [values[kind] - values[CONTROL] for kind in GAINS]
        series[field] = place + 1, gaps, [difference(values[kind], values[CONTROL]) for kind in GAINS]
    gains = axes[2]
    by_row(gains, list(GAINS), series)
    for place, printed in enumerate(PAPER.values()):
        at = [GAINS.index(kind) + (place - 0.5) * 0.36 for kind in printed]
        published(gains, list(printed.values()), at, place + 1, INTERPLAY)
    gains.axvline(0, color="#333333", linewidth=0.6)
    gains.set_xlabel(f"pass@1 on its field, reward - {CONTROL}")
    gains.legend(loc="center right", fontsize=6)
    panel_letter(gains, "c", "one legal order of steps")
    axes[0].set_ylabel("strictly right (exact)")
    legend(made, axes[0], 4)
    seeds = f"{plural(found.seeds)} (c: dots)"
    note(made, f"{STUDY}, {SCALE}, {seeds}; 95 % intervals (c: t over seeds); diamonds: the paper's, of other bands")
    return made
