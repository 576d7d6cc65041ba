"""Do rewards for the working teach more than rewards for the answer, at the edge and beyond it (Interplay, Fig 7)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import by_category, by_depth, footnote, legend, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

FIELDS = ("edge", "hard")
REWARDS = {"answer": 1, "printed": 2, "released": 3, "strict": 4, "dense": 5, "random": 6}


def arms(field: str) -> dict[str, int]:
    """The base and the arms trained on one field, each with its colour, which says the reward."""
    return {"none": 0} | {f"{kind}, {field}": nth for kind, nth in REWARDS.items()}


def draw(folder=FOLDER) -> Figure:
    """Strict scores by depth after RL on each field, and beside them answer-only scores with what a guess is worth."""
    found = table("interplay/process_reward", tuple(arms("edge") | arms("hard")), folder)
    made = figure(8.4, 3.1)
    axes = made.subplots(1, 3)
    for axis, letter, field in zip(axes, "ab", FIELDS, strict=False):
        by_depth(axis, found, arms(field), 1)
        panel_letter(axis, letter, f"RL on the {field} band, pass@1")
    axes[0].set_ylabel("strictly right (exact)")
    answer = axes[2]
    scores = {
        kind: (nth, [found.score(list(arms(field))[place], f"zoo-{field}-sampled", 1, "answer") for field in FIELDS])
        for place, (kind, nth) in enumerate(({"none": 0} | REWARDS).items())
    }
    by_category(answer, list(FIELDS), scores)
    for at, field in enumerate(FIELDS):
        floor = found.of("none", f"zoo-{field}-sampled")[0]["guess_floor"]
        answer.hlines(floor, at - 0.45, at + 0.45, color="#333333", linewidth=0.9, linestyle=":")
        answer.text(at + 0.45, floor, "guess", ha="right", va="bottom", fontsize=6)
    answer.set(ylabel="right answer, any working (sampled)", ylim=(0, 1.05))
    panel_letter(answer, "c", "answer only, on the field")
    legend(made, answer, 6)
    footnote(made, found)
    return made
