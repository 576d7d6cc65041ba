"""With more RL, paid for any legal order of steps, what is solved at once, and what in up to a million samples?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import ATTEMPTS, legend, plural, table
from interlude.figures.style import figure, line, note, panel_letter
from interlude.studies import evidence
from interlude.studies.results import FOLDER

STUDY, SCALE = "interplay/planning_budget", "nano-shuffled"
ARMS = {"base": 0, "RL x1": 1, "RL x2": 6, "RL x4": 8, "RL, strict, x4": 5, "SFT x1": 4}  # each with its colour
EXAMS = {
    "zoo-edge-any-order": "edge, any order",
    "zoo-hard-any-order": "hard, any order",
    "zoo-hard-chains": "hard, chains",
}


def draw(folder=FOLDER) -> Figure:
    """Exact pass@k against k, an exam a panel: where two lines cross, more samples make up for what training gave."""
    found = table(STUDY, tuple(ARMS), folder, SCALE)
    made = figure(9.0, 3.1)
    axes = made.subplots(1, len(EXAMS), sharey=True)
    for axis, letter, (exam, title) in zip(axes, "abc", EXAMS.items(), strict=True):
        for arm, nth in ARMS.items():
            line(axis, list(ATTEMPTS), [evidence.pooled(found, arm, [exam], k) for k in ATTEMPTS], nth, arm)
        axis.set(xlabel="attempts k", ylim=(0, 1.05), xscale="log", xticks=(1, 100, 10_000, 1_000_000))
        axis.minorticks_off()
        panel_letter(axis, letter, title)
    axes[0].set_ylabel("solved within k samples (exact)")
    legend(made, axes[0], len(ARMS))
    problems = max(int(row["problems"]) for row in found.rows if row["exam"] in EXAMS)
    spread = "95 % intervals" if len(found.seeds) > 1 else "95 % intervals over problems"
    note(
        made,
        f"{STUDY}, {SCALE}, {plural(found.seeds)}; up to {problems} problems a panel; {spread}; chance is next to 0",
    )
    return made
