"""Do rewards for the working teach more than rewards for the answer, at the edge and beyond it (Interplay, Fig 7)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import (
    BANDS,
    COMMON,
    INTERPLAY,
    by_category,
    by_depth,
    by_row,
    footnote,
    legend,
    published,
    table,
)
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER
from interlude.studies.stats import difference

FIELDS = ("edge", "hard")
REWARDS = {"answer": 1, "printed": 2, "released": 3, "strict": 4, "dense": 5, "random": 6}
GAINS = ("printed", "released", "strict", "dense")
SCORED = {("edge", "edge"): 7, ("edge", "hard"): 8, ("hard", "hard"): 0}  # field of RL, band of the score: colour
# What the paper prints over the answer's reward, after RL on op 11-14: pass@1 of op 2-14, which hold its edge, and of
# op 15-20. It has no RL on harder problems under these rewards.
PUBLISHED = {
    ("edge", "edge"): {"printed": 0.047, "strict": 0.052},
    ("edge", "hard"): {"printed": 0.043, "strict": 0.041},
}


def arms(field: str) -> dict[str, int]:
    """The base and the arms trained on one field, each with its colour, which says the reward."""
    return {"none": 0} | {f"{kind}, {field}": nth for kind, nth in REWARDS.items()}


def draw(folder=FOLDER) -> Figure:
    """Strict scores by depth after RL on each field, answer-only scores with what a guess is worth; and what a reward
    adds to that for the answer, beside what the paper prints."""
    found = table("interplay/process_reward", tuple(arms("edge") | arms("hard")), folder)
    made = figure(8.4, 5.8)
    axes = made.subplots(2, 2).flatten()
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
    gains, series = axes[3], {}
    for (field, band), nth in SCORED.items():
        exams = found.band(BANDS[band], COMMON)
        values = {kind: found.pooled(f"{kind}, {field}", exams, 1) for kind in ("answer", *GAINS)}
        each = [difference(values[kind], values["answer"]) for kind in GAINS]
        series[f"{band} band, RL {field}"] = nth, [values[kind] - values["answer"] for kind in GAINS], each
    by_row(gains, list(GAINS), series)
    for at, printed in PUBLISHED.items():
        rows = [GAINS.index(kind) + (list(SCORED).index(at) - 1) * 0.36 for kind in printed]
        published(gains, list(printed.values()), rows, SCORED[at], INTERPLAY)
    gains.axvline(0, color="#333333", linewidth=0.6)
    gains.set_xlabel("pass@1, reward - answer")
    gains.legend(loc="upper center", bbox_to_anchor=(0.45, -0.18), ncols=2, fontsize=6.5)
    panel_letter(gains, "d", "over the reward for the answer")
    legend(made, answer, 7)
    footnote(made, found, "; 95 % intervals (d: t over seeds, which are dots); diamonds: op 2-14 and 15-20")
    return made
