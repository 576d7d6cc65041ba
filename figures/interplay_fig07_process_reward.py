"""Do rewards for the working still beat rewards for the answer when answers are harder to guess (Interplay, Fig 7)?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import by_category, legend, pooled, said, table
from interlude.figures.style import figure, panel_letter
from interlude.studies.results import FOLDER

MODULI = (3, 7, 11)
REWARDS = {"none": 0, "answer": 1, "printed": 2, "released": 3, "strict": 4, "process": 5}


def draw(folder=FOLDER) -> Figure:
    """Strict scores at the edge by modulus, and beside them answer-only scores with what a guess is worth."""
    found = table("interplay/process_reward", tuple(f"{kind} mod {p}" for kind in REWARDS for p in MODULI), folder)
    made = figure(8.4, 3.1)
    once, often, answer = made.subplots(1, 3)
    names = [f"modulo {p}" for p in MODULI]
    for axis, k, letter in ((once, 1, "a"), (often, 128, "b")):
        scores = {
            kind: (nth, [pooled(found, f"{kind} mod {p}", "edge", k) for p in MODULI]) for kind, nth in REWARDS.items()
        }
        by_category(axis, names, scores)
        axis.set(ylabel="strictly right (exact)", ylim=(0, 1.05))
        panel_letter(axis, letter, f"edge, strict pass@{k}")
    (exam,) = {row["exam"] for row in found.rows if row["kind"] == "sampled"}
    scores = {
        kind: (nth, [found.score(f"{kind} mod {p}", exam, 1, "answer") for p in MODULI])
        for kind, nth in REWARDS.items()
    }
    by_category(answer, names, scores)
    for at, p in enumerate(MODULI):
        floor = found.of(f"none mod {p}", exam)[0]["guess_floor"]
        answer.hlines(floor, at - 0.45, at + 0.45, color="#333333", linewidth=0.9, linestyle=":")
        answer.text(at + 0.45, floor, "guess", ha="right", va="bottom", fontsize=6)
    answer.set(ylabel="right answer, any working (sampled)", ylim=(0, 1.05))
    panel_letter(answer, "c", "edge, answer only")
    legend(made, once, 6)
    said(made, found)
    return made
