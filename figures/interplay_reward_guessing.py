"""Where a base solves next to nothing, what do rewards for answers and for steps teach, by what a guess is worth?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import by_category, by_depth, legend, plural, table
from interlude.figures.style import figure, note, panel_letter
from interlude.studies import evidence
from interlude.studies.results import FOLDER
from interlude.studies.stats import interval

STUDY = "interplay/reward_guessing"
GUESSES = {"nano": "a guess is right in one of 7", "nano-guessable": "in three of 8"}  # by scale
ARMS = {"none": 0, "answer": 1, "answer, fast": 6, "printed": 2, "random": 5}  # each with its colour
SAMPLED = "zoo-edge-sampled"


def draw(folder=FOLDER) -> Figure:
    """Strict pass@1 by operations at either worth of a guess; and at the higher, of sampled responses to edge problems,
    how many have the right answer and how many are right throughout."""
    made = figure(9.2, 3.2)
    axes = made.subplots(1, 3)
    tables = {scale: table(STUDY, tuple(ARMS), folder, scale) for scale in GUESSES}
    for axis, letter, (scale, title) in zip(axes, "ab", GUESSES.items(), strict=False):
        by_depth(axis, tables[scale], ARMS, 1)
        panel_letter(axis, letter, title)
    found, working = tables["nano-guessable"], axes[2]
    series = {}
    for label, nth, score in (("right answer", 7, "answer"), ("right throughout", 3, "strict")):
        made_of = {arm: evidence.values(found, arm, [SAMPLED], 1, score) for arm in ARMS}
        each = [interval(values_SP, path=(STUDY, arm, score)) for arm, values_SP in made_of.items()]
        series[label] = nth, each
    by_category(working, [arm.replace(", ", ",\n") for arm in ARMS], series)
    working.axhline(found.of("none", SAMPLED)[0]["guess_floor"], color="#333333", linewidth=0.6, linestyle=":")
    working.set(ylabel="share of responses", ylim=(0, 1))
    working.legend(loc="lower right", fontsize=6.5)
    panel_letter(working, "c", "three of 8: responses at the edge")
    axes[0].set_ylabel("strictly right (exact)")
    legend(made, axes[0], len(ARMS))
    seeds = "; ".join(f"{scale}: {plural(each.seeds)}" for scale, each in tables.items())
    note(made, f"{STUDY}, {seeds}; RL on 11 operations; 95 % intervals; dotted: the commonest answer, always")
    return made
