"""Which mid-training method is best at equal compute, alone and before the same RL,
and what does it lose on the band?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import BANDS, COMMON, SCALE, by_row, legend, spanned, table
from interlude.figures.style import PALETTE, figure, note, panel_letter
from interlude.studies.evidence import values
from interlude.studies.results import FOLDER, Results, load
from interlude.studies.stats import difference, interval

STUDY, CONTROL, BASE = "midtraining/leaderboard", "NTP", "base"
FREE = "zoo-edge-sampled"  # in which a response may think
OPS = {"OOD": (BANDS["ID"][1] + 1, BANDS["hard"][1]), "hard": BANDS["hard"], "ID": BANDS["ID"]}  # of exact exams
THEN = {"alone": ("", 1), "+ the same RL": (" + RL", 2)}  # how its arms' names end, and their colour


def draw(folder=FOLDER) -> Figure:
    """A row a method, ranked by the study's rule: exact pass@1 beyond the band after RL."""
    found = methods(folder)
    ranks = {name: solved(found, f"{name} + RL", "OOD").mean() for name in names(found)}
    ranked = sorted(ranks, key=ranks.get, reverse=True)
    made = figure(11.5, 1.3 + 0.3 * len(ranked))
    score, ahead, reach, free, lost = made.subplots(1, 5, sharey=True)
    by_row(score, ranked, series(found, ranked, "OOD"))
    by_row(ahead, ranked, series(found, ranked, "OOD", 1))
    by_row(reach, ranked, series(found, ranked, "hard", k=128))
    by_row(free, ranked, series(found, ranked, FREE))
    by_row(lost, ranked, series(found, ranked, "ID", -1, over=BASE))
    for end, colour in THEN.values():
        own = solved(found, CONTROL + end, "OOD").mean()
        score.axvline(own, color=PALETTE[colour], linewidth=0.9, linestyle="--" if end else ":")
    for axis in (ahead, lost):
        axis.axvline(0, color="#333333", linewidth=0.6)
        axis.set_xlim(-0.6, 0.6)  # where seeds are few an interval goes on beyond
    low, high = OPS["OOD"]
    score.set_xlabel(f"{low} to {high} operations, pass@1\n(lines: {CONTROL}, dashed after RL)")
    ahead.set_xlabel(f"{low} to {high} operations, pass@1,\nmethod - {CONTROL}")
    reach.set_xlabel("10 and 11 operations, pass@128")
    free.set_xlabel("edge, sampled pass@1,\nfree to think")
    lost.set_xlabel(f"{spanned(found, 'ID')} pass@1, {BASE} - method")
    titles = ("beyond the band", f"ahead of {CONTROL}", "hard, 128 attempts", "with thoughts", "lost on the band")
    for axis, letter, title in zip((score, ahead, reach, free, lost), "abcde", titles, strict=True):
        panel_letter(axis, letter, title)
    legend(made, score, 2)
    note(made, f"{STUDY}, {SCALE}, {len(found.seeds)} seeds (dots); 95 % intervals (differences: t over seeds)")
    return made


def names(table: Results) -> list[str]:
    """The methods that the table has both alone and before RL: whatever the study was given."""
    return [arm for arm in table.arms if f"{arm} + RL" in table.arms]


def methods(folder) -> Results:
    """The rows of all methods for the seeds that every one has. Raises FileNotFoundError or Missing, in one sentence,
    where there are none."""
    arms = (CONTROL, *(names(load(STUDY, SCALE, folder))))
    ends = (arm + end for arm in arms for end, _ in THEN.values())
    return table(STUDY, tuple(dict.fromkeys((BASE, *ends))), folder)


def solved(table: Results, arm: str, where: str, k: int = 1) -> np.ndarray:
    """Strict pass@k of every seed and problem (SP): exact over a range of OPS, or in one sampled exam."""
    exams = table.band(OPS[where], COMMON) if where in OPS else (where,)
    return values(table, arm, exams, k)


def series(table: Results, rows: list[str], where: str, sign: int = 0, k: int = 1, over: str = "") -> dict:
    """For each of THEN what ``by_row`` draws: pass@k of every method, or, with a sign, how far it is above (1) or below
    (-1) the arm ``over``, by default the control alone or after RL."""
    made = {}
    for label, (end, colour) in THEN.items():
        own_SP = solved(table, over or CONTROL + end, where, k)
        values_RSP = [solved(table, name + end, where, k) for name in rows]
        if sign:
            drawn = [sign * (each - own_SP) for each in values_RSP]
            made[label] = colour, drawn, [difference(each, np.zeros_like(each)) for each in drawn]
        else:
            drawn = zip(rows, values_RSP, strict=True)
            made[label] = colour, values_RSP, [interval(v, path=(STUDY, name + end, where)) for name, v in drawn]
    return made
