"""Which tokens is a model most uncertain of, which of them could thinking infer, and where does a thought pay?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.midtraining_rmt import by_seed, counted, seeds_mean
from interlude.figures.panels import SCALE, Missing, by_category, curves, plural, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies.evidence import role_means
from interlude.studies.results import FOLDER

STUDY, EXAM = "midtraining/places", "zoo-edge-uncertainty"
TOP = 0.2  # the share of tokens that RMT and RPT take for uncertain
KINDS = ("inferred", "planning", "arithmetic", "stop", "copy", "retrieval", "format")
# What ranks tokens: the arm whose predictions they are, the column of the table, and its colour.
FILTERS = {
    "entropy, base": ("base", "top_entropy", 0),
    "loss, base": ("base", "top_loss", 2),
    "entropy, after NTP": ("NTP", "top_entropy", 1),
}
THINK = {"RMT at inferable tokens": ("RMT", 3), "RMT by entropy": ("RMT, entropy", 4)}


def draw(folder=FOLDER) -> Figure:
    """By kind of token: its share in the top fifth, the share of thoughts before it, and what a thought gains there."""
    found = table(STUDY, ("base", "NTP"), folder)
    rows = [row for row in curves(STUDY, tuple(arm for arm, _ in THINK.values()), folder) if row["drawn"]]
    if not rows:
        raise Missing(f"{STUDY} has training curves without thoughts; run it again")
    made = figure(10.2, 3.4)
    top, places, gains = made.subplots(1, 3)
    ranked = {}
    for label, (arm, column, nth) in FILTERS.items():
        shares = role_means(found, arm, EXAM, column)
        ranked[label] = (nth, [seeds_mean(shares[kind]) for kind in KINDS])
    by_category(top, list(KINDS), ranked)
    top.axhline(TOP, color="#333333", linewidth=0.6, linestyle=":")
    asked = {arm: counted(rows, arm, KINDS) for arm, _ in THINK.values()}
    thought = {
        label: (nth, [seeds_mean(counted(rows, arm, (kind,)) / asked[arm]) for kind in KINDS])
        for label, (arm, nth) in THINK.items()
    }
    by_category(places, list(KINDS), thought)
    gained = {
        label: (nth, [seeds_mean(by_seed(rows, arm, k) - by_seed(rows, arm, k, "foreseen")) for k in KINDS])
        for label, (arm, nth) in THINK.items()
    }
    by_category(gains, list(KINDS), gained)
    gains.axhline(0, color="#333333", linewidth=0.6)
    what = ("share of its tokens", "share of the places", "right with a thought - without")
    titles = ("among the fifth most uncertain", "where RMT thinks", "what a thought gains there")
    for axis, letter, title, label in zip(made.axes, "abc", titles, what, strict=True):
        panel_letter(axis, letter, title)
        axis.set_ylabel(label)
        axis.tick_params(axis="x", labelrotation=35)
    top.legend(loc="upper right", fontsize=6.5)
    places.legend(loc="upper right", fontsize=6.5)
    problems = found.of("base", EXAM)[0]["problems"]
    told = f"{STUDY}, {SCALE}, {plural(found.seeds)}; a: {problems} texts that stop early"
    note(made, f"{told}; 95 % intervals, t over seeds")
    return made
