"""What do thoughts and RL on thoughts add to a raw corpus, and does what stands in a thought matter to what follows?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import SCALE, logp, table
from interlude.figures.style import MARKERS, PALETTE, figure, note, panel_letter
from interlude.studies.results import FOLDER, Results
from interlude.studies.stats import interval

STUDY, TOLD = "midtraining/thinking", "zoo-edge-sampled"
AFTER = ("pre-training", "NTP", "thinking SFT", "thinking SFT, oracle", "thinking")  # arms with RL after them
METHODS = (
    *AFTER, "thinking SFT, empty", "thinking SFT, shuffled", "thinking, 1/4 RL", "thinking, 3/4 RL",
    "thinking, RL alone", "thinking, judge of values", "thinking, noisy judge",
)  # fmt: skip
THEN = {"alone": ("", METHODS), "+ RL": (" + RL", AFTER)}
THOUGHTS = {"own": 1, "empty": 0, "shuffled": 2, "other": 3}


def draw(folder=FOLDER) -> Figure:
    """Strict pass@1 alone and + RL; and alone, the log-probability of the corpus' segment and how often a segment as
    good is written after each kind of thought."""
    found = table(STUDY, tuple(f"{name}{then}" for then, arms in THEN.values() for name in arms), folder)
    made = figure(9.0, 4.8)
    solved, likely, right = made.subplots(1, 3, sharey=True)
    for place, (label, (then, arms)) in enumerate(THEN.items()):
        values = {name: found.solved(f"{name}{then}", TOLD, 1) for name in arms}
        rows(solved, found, values, place, len(THEN), 4 + place, label)
    for place, (thought, nth) in enumerate(THOUGHTS.items()):
        exam = f"thought-{thought}"
        after = {name: logp(found, name, exam) for name in METHODS}
        rows(likely, found, after, place, len(THOUGHTS), nth, thought)
        rate = {name: found.solved(name, exam, 1) for name in METHODS}
        rows(right, found, rate, place, len(THOUGHTS), nth, thought)
    solved.set_yticks(range(len(METHODS)), METHODS)
    solved.set(xlabel="strictly right", xlim=(0, 1.02), ylim=(len(METHODS) - 0.5, -0.5))
    likely.set_xlabel("log-probability of the next segment (nats)")
    right.set(xlabel="right segments written", xlim=(0, 1.02))
    titles = ("edge, pass@1", "after a skipped step, forced", "after a skipped step, written")
    for axis, letter, title in zip((solved, likely, right), "abc", titles, strict=True):
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, handletextpad=0.2, columnspacing=1.0)
        for nth in range(1, len(METHODS), 2):
            axis.axhspan(nth - 0.5, nth + 0.5, color="#f0ede4", linewidth=0, zorder=0)
        panel_letter(axis, letter, title)
    seeds = f"{len(found.seeds)} seed{'s' * (len(found.seeds) != 1)} (dots)"
    problems = found.of("NTP", TOLD)[0]["problems"]
    note(made, f"{STUDY}, {SCALE}, {seeds}, {problems} problems; 95 % intervals; b and c before RL")
    return made


def rows(axis, table: Results, values: dict[str, np.ndarray], place: int, places: int, nth: int, label: str) -> None:
    """An estimate in every method's row with its interval, and each seed's mean as a dot. values: SP of the methods, or
    of the first ones."""
    colour = PALETTE[nth]
    y = [n + (place - (places - 1) / 2) * 0.7 / places for n in range(len(values))]
    made = [interval(each, path=(table.study, name, label, place, places)) for name, each in values.items()]
    axis.hlines(y, [e.low for e in made], [e.high for e in made], color=colour, linewidth=1.1)
    for at, each in zip(y, values.values(), strict=True):
        axis.plot(each.mean(1), [at] * len(each), color=colour, marker=".", markersize=4, alpha=0.6, linestyle="none")
    means = [e.mean for e in made]
    axis.plot(means, y, color=colour, marker=MARKERS[nth], markersize=3.6, linestyle="none", label=label)
