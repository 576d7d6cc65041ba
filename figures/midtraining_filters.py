"""Which filter finds the tokens that thinking can infer, before and after a model has read the corpus?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.midtraining_rmt import WHOLE, counted, seeds_mean
from interlude.figures.panels import SCALE, Missing, by_row, curves, plural, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies.results import FOLDER

STUDY, EXAM = "midtraining/places_confirmation", "zoo-edge-match-inferable"
INFERRED = "inferred"  # the kind of token that thinking can infer
FILTERS = {  # arms by what chooses the tokens that they think before
    "told the tokens": "RMT",
    "unread, top 1/5": "RMT, entropy",
    "unread, top 1/200": "narrow",
    "read, top 1/5": "read, wide",
    "read, top 1/200": "read, narrow",
}


def draw(folder=FOLDER) -> Figure:
    """By filter: the share of thoughts before inferable tokens, and how probable these are after a thought."""
    found = table(STUDY, ("base", *FILTERS.values()), folder)
    rows = [row for row in curves(STUDY, tuple(FILTERS.values()), folder) if row["drawn"]]
    if {row["arm"] for row in rows} != set(FILTERS.values()):
        raise Missing(f"{STUDY} has training curves without thoughts; run it again")
    made = figure(8.6, 2.9)
    places, matches = made.subplots(1, 2)
    shares = [aimed(rows, arm) for arm in FILTERS.values()]
    by_row(places, list(FILTERS), {"RMT": (3, [s[:, None] for s in shares], [seeds_mean(s) for s in shares])})
    places.set(xlabel="share of thoughts before inferable tokens", xlim=(-0.03, 1.05))
    arms = {"base, no training": "base"} | FILTERS
    values = [found.measure(arm, EXAM, "match") for arm in arms.values()]
    by_row(matches, list(arms), {"after a thought": (1, values, [seeds_mean(each.mean(1)) for each in values])})
    without = float(found.measure("base", EXAM, "plain").mean())
    matches.axvline(without, color="#333333", linewidth=0.6, linestyle=":", label="without a thought")
    matches.set(xlabel="probability of the token, after a thought", xlim=(-0.03, 1.05))
    matches.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=6.5)
    panel_letter(places, "a", "where RMT thinks")
    panel_letter(matches, "b", "held-out inferable tokens")
    texts = found.of("base", EXAM)[0]["problems"]
    note(made, f"{STUDY}, {SCALE}, {plural(found.seeds)}; b: {texts} texts; dots: seeds; 95 % intervals, t over seeds")
    return made


def aimed(rows: list[dict], arm: str) -> np.ndarray:
    """The share of an arm's thoughts that stand before inferable tokens, over its whole stage, in each seed (S)."""
    return counted(rows, arm, (INFERRED,), part=WHOLE) / counted(rows, arm, part=WHOLE)
