"""Which mid-training method is best at equal compute, alone and before the same RL,
and what does it lose on the band?"""

from __future__ import annotations

from matplotlib.figure import Figure

from interlude.figures.panels import SCALE, by_row, legend, table
from interlude.figures.style import PALETTE, figure, note, panel_letter
from interlude.studies.results import FOLDER, Results, load
from interlude.studies.stats import Estimate, difference, interval

STUDY, CONTROL = "midtraining/leaderboard", "NTP"
# In which a response may think and skip steps; the edge told in the world that pre-training knows, and in the rare one.
EXAMS = {"edge": "zoo-edge-sampled", "rare": "school-edge-sampled", "ID": "zoo-band-sampled"}
MANY = 16  # attempts
# Strict at the edge at once (as in studies/midtraining/claims.py) and within 16 attempts by skipping all but the last
# step and guessing: Exam.guess_pass_at_k at nano.
GUESSED = {1: 0.09, 16: 0.65}
THEN = {"alone": ("", 1), "+ the same RL": (" + RL", 2)}  # how its arms' names end, and their colour


def draw(folder=FOLDER) -> Figure:
    """A row a method, ranked by the study's rule: the mean at the edge after RL."""
    found = methods(folder)
    ranks = {name: score_of(found, f"{name} + RL", "edge").mean for name in names(found)}
    ranked = sorted(ranks, key=ranks.get, reverse=True)
    made = figure(11.5, 1.3 + 0.3 * len(ranked))
    score, ahead, reach, rare, lost = made.subplots(1, 5, sharey=True)
    by_row(score, ranked, series(found, ranked, "edge", ""))
    by_row(ahead, ranked, series(found, ranked, "edge", "ahead"))
    by_row(reach, ranked, series(found, ranked, "edge", "", MANY))
    by_row(rare, ranked, series(found, ranked, "rare", ""))
    by_row(lost, ranked, series(found, ranked, "ID", "lost"))
    for end, colour in THEN.values():
        own = score_of(found, CONTROL + end, "edge").mean
        score.axvline(own, color=PALETTE[colour], linewidth=0.9, linestyle="--" if end else ":")
    for axis, k in ((score, 1), (reach, MANY)):
        axis.axvline(GUESSED[k], color="#999999", linewidth=0.9, linestyle="-.")
    for axis in (ahead, lost):
        axis.axvline(0, color="#333333", linewidth=0.6)
    score.set_xlabel(f"edge pass@1 (lines: {CONTROL}, dashed\nafter RL; grey: skipping and guessing)")
    reach.set_xlabel(f"edge pass@{MANY}\n(grey: skipping and guessing)")
    rare.set_xlabel("edge pass@1, the world that\nwas rare in pre-training")
    for axis in (reach, rare):
        axis.set_xlim(-0.03, 1.03)
    for axis in (ahead, lost):  # an interval over two seeds would leave nothing else to see
        axis.set_xlim(-1.05, 1.05)
    ahead.set_xlabel(f"edge pass@1, method - {CONTROL}")
    lost.set_xlabel(f"ID pass@1, {CONTROL} - method")
    titles = (
        "strictly right at once",
        f"ahead of {CONTROL}",
        f"in {MANY} attempts",
        "another world",
        "lost on the band",
    )
    for axis, letter, title in zip((score, ahead, reach, rare, lost), "abcde", titles, strict=True):
        panel_letter(axis, letter, title)
    legend(made, score, 2)
    problems = found.of(CONTROL, EXAMS["edge"])[0]["problems"]
    what = f"{STUDY}, {SCALE}, {len(found.seeds)} seeds (dots), {problems} problems an exam"
    note(made, f"{what}; 95 % intervals (differences: t over seeds)")
    return made


def names(found: Results) -> list[str]:
    """The methods that the table has both alone and before RL: whatever the study was given."""
    return [arm for arm in found.arms if f"{arm} + RL" in found.arms]


def methods(folder) -> Results:
    """The rows of all methods for the seeds that every one has. Raises FileNotFoundError or Missing, in one sentence,
    where there are none."""
    arms = (CONTROL, *(names(load(STUDY, SCALE, folder))))
    return table(STUDY, tuple(dict.fromkeys(arm + end for arm in arms for end, _ in THEN.values())), folder)


def score_of(found: Results, arm: str, band: str, k: int = 1) -> Estimate:
    """Strict pass@k in a band's sampled exam."""
    return interval(found.solved(arm, EXAMS[band], k), path=(found.study, arm, EXAMS[band]))


def series(found: Results, rows: list[str], band: str, over: str, k: int = 1) -> dict:
    """For each of THEN what ``by_row`` draws: pass@k of every method,
    or how far it is "ahead" of or has "lost" more than the control."""
    made = {}
    for label, (end, colour) in THEN.items():
        own_SP = found.solved(CONTROL + end, EXAMS[band], k)
        values = [found.solved(name + end, EXAMS[band], k) for name in rows]
        if not over:
            made[label] = colour, values, [score_of(found, name + end, band, k) for name in rows]
            continue
        pairs = [(a_SP, own_SP) if over == "ahead" else (own_SP, a_SP) for a_SP in values]
        made[label] = colour, [a - b for a, b in pairs], [difference(a, b) for a, b in pairs]
    return made
