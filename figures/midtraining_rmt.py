"""Does RMT learn to predict uncertain tokens by thinking, do thoughts follow the budget, and what is left after RL?"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from interlude.figures.panels import (
    GRID,
    SCALE,
    Missing,
    by_category,
    by_training,
    curves,
    legend,
    on_grid,
    published,
    table,
)
from interlude.figures.style import figure, note, panel_letter
from interlude.studies.results import FOLDER, Results, tallies
from interlude.studies.stats import Estimate, difference, interval

STUDY, EDGE = "midtraining/rmt", "zoo-edge-sampled"  # in which a response may think
MATCHED = {"any": "zoo-edge-match-any", "inferable": "zoo-edge-match-inferable"}
# arXiv 2509.24375, main table: shares of next tokens, means over its easy, medium and hard ones; its base untrained
PUBLISHED = {
    "NTP": 0.311, "base": 0.031, "RMT": 0.469, "RPT": 0.359,
    "no budget": 0.402, "no curriculum": 0.432, "no NTP": 0.338,
}  # fmt: skip
# Arms that think, and their colours.
ABLATED = {"RMT": 1, "RPT": 2, "no budget": 3, "RMT, entropy": 4, "no curriculum": 5, "no NTP": 6, "long budget": 8}
THEN = ("NTP", "mixed SFT", "base", "RMT", "RPT", "RMT, entropy")  # arms with RL after them
ARMS = (*THEN, *(arm for arm in ABLATED if arm not in THEN))
THINKERS = ("RMT", "RMT, entropy")  # at inferable places, and hardly ever there
TIERS = ("easy", "medium", "hard")
ROLES = ("inferred", "arithmetic", "retrieval", "planning", "copy", "format")
WHOLE, EARLY, LATE = (0.0, 1.0), (0.0, 0.1), (0.75, 1.0)  # parts of a stage: what was there, and what was learned


def draw(folder=FOLDER) -> Figure:
    """Matches by tier and by role, next tokens of held-out texts beside the published, thought length and budget
    against training, and the edge before and after RL."""
    found = table(STUDY, (*ARMS, *(f"{arm} + RL" for arm in THEN)), folder)
    rows = [row for row in curves(STUDY, tuple(ABLATED), folder) if row["drawn"]]
    if {row["arm"] for row in rows} != set(ABLATED):
        raise Missing(f"{STUDY} has training curves without thoughts; run it again")
    made = figure(8.4, 8.2)
    (by_tier, by_role), held_out, (lengths, scores) = made.subplots(3, 2)
    arms = {arm: (nth, [matched(rows, arm, tier) for tier in TIERS]) for arm, nth in ABLATED.items()}
    plain = (0, [matched(rows, "RMT", tier, "foreseen") for tier in TIERS])
    untrained = (7, [matched(rows, "RMT", tier, part=EARLY) for tier in TIERS])
    begun = {"RMT, first tenth": untrained} if any(np.isfinite(each.mean) for each in untrained[1]) else {}
    by_category(by_tier, list(TIERS), {"no thought": plain} | begun | arms)
    seen = {role: [arm for arm in THINKERS if np.isfinite(matched(rows, arm, role).mean)] for role in ROLES}
    roles = [role for role in ROLES if seen[role]]
    judged = {arm: (ABLATED[arm], [matched(rows, arm, role) for role in roles]) for arm in THINKERS}
    alone = [matched(rows, seen[role][0], role, "foreseen") for role in roles]
    by_category(by_role, roles, {"no thought": (0, alone)} | judged)
    for axis in (by_tier, by_role):
        axis.set(ylabel="share of right predictions", ylim=(0, 1.05))
    for axis, places in zip(held_out, MATCHED, strict=True):
        next_tokens(axis, found, places)
    by_training(lengths, rows, ABLATED, "thought_tokens")
    budgets = [
        lengths.plot(GRID, budget(rows, arm), color="black", linewidth=0.9, linestyle=dashes, label=label)[0]
        for arm, dashes, label in (("RMT", "--", "budget"), ("long budget", ":", "long budget's"))
    ]
    lengths.set(ylabel="tokens of a thought", ylim=(0, None))
    lengths.legend(handles=budgets, loc="upper right")
    after = {"alone": (0, ARMS), "+ RL": (1, tuple(f"{arm} + RL" for arm in THEN))}
    edge = {label: (nth, [solved(found, arm) for arm in arms]) for label, (nth, arms) in after.items()}
    by_category(scores, list(ARMS), edge)
    scores.set(ylabel="sampled strict pass@1", ylim=(0, 1.05))
    scores.legend(loc="lower left")
    titles = {
        by_tier: "by tier of entropy", by_role: "by role, last quarter",
        held_out[0]: "held-out next tokens, any place", held_out[1]: "held-out next tokens, inferable",
        lengths: "thought length", scores: "edge, before and after RL",
    }  # fmt: skip
    for letter, (axis, title) in zip("abcdef", titles.items(), strict=True):
        panel_letter(axis, letter, title)
    for label in (label for axis in (*held_out, scores) for label in axis.get_xticklabels()):
        label.set(rotation=35, ha="right", rotation_mode="anchor")
    legend(made, by_tier, 4)
    texts, problems = (found.of("NTP", exam)[0]["problems"] for exam in (MATCHED["any"], EDGE))
    what = f"{STUDY}, {SCALE}, {len(found.seeds)} seeds; c, d: {texts} texts; diamonds: the paper, uncertain tokens"
    note(made, f"{what}; f: {problems} problems, may skip steps and think; 95 % intervals (a to e: t over seeds)")
    return made


def solved(found: Results, arm: str) -> Estimate:
    """Sampled strict pass@1 at the edge with its interval."""
    return interval(found.solved(arm, EDGE, 1), path=(STUDY, arm, EDGE))


def next_tokens(axis, found: Results, places: str) -> None:
    """The probability of the own next token with a thought and without, of every arm, and what the paper prints: of NTP
    without a thought, of others with one."""
    each = {
        name: (nth, [seeds_mean(found.measure(arm, MATCHED[places], column).mean(1)) for arm in ARMS])
        for name, nth, column in (("no thought", 0, "plain"), ("a thought before it", 1, "match"))
    }
    by_category(axis, list(ARMS), each)
    thinkers = tuple(arm for arm in PUBLISHED if arm != "NTP")
    if places == "inferable":  # the paper's tokens are uncertain, and here only these are
        for nth, arms in ((0, ("NTP",)), (1, thinkers)):
            published(axis, [ARMS.index(arm) for arm in arms], [PUBLISHED[arm] for arm in arms], nth)
    axis.set(ylabel="probability of the own token", ylim=(0, 1.05))
    if places == "any":
        axis.legend(loc="lower right", fontsize=6.5)


def budget(rows: list[dict], arm: str) -> np.ndarray:
    """The target length of an arm's thoughts at GRID, the mean over seeds."""
    own = [row for row in rows if row["arm"] == arm]
    seeds = sorted({row["seed"] for row in own})
    return np.mean([on_grid([row for row in own if row["seed"] == seed], "budget") for seed in seeds], axis=0)


def matched(rows: list[dict], arm: str, kind: str, what: str = "matched", part: tuple[float, float] = LATE) -> Estimate:
    """The share of an arm's responses at places of a kind that matched, in one part of its stage. NaN, and so not
    drawn, where a seed has no such place."""
    return seeds_mean(by_seed(rows, arm, kind, what, part))


def by_seed(
    rows: list[dict], arm: str, kind: str, what: str = "matched", part: tuple[float, float] = LATE
) -> np.ndarray:
    """The same in each seed (S)."""
    drawn_S, right_S = (counted(rows, arm, (kind,), name, part) for name in ("drawn", what))
    return np.divide(right_S, drawn_S, out=np.full(len(drawn_S), np.nan), where=drawn_S > 0)


def counted(
    rows: list[dict],
    arm: str,
    kinds: tuple[str, ...] = (),
    column: str = "drawn",
    part: tuple[float, float] = LATE,
) -> np.ndarray:
    """How many responses at places of these kinds (none named: of all) a column counts in each seed (S), in one part of
    the stage. Tiers of entropy, which are counted beside kinds, are no kinds."""
    own = [row for row in rows if row["arm"] == arm]
    made = []
    for seed in sorted({row["seed"] for row in own}):
        counts = [tallies(row[column]) for row in own if row["seed"] == seed and part[0] < row["share"] <= part[1]]
        of_kind = [n for each in counts for k, n in each.items() if (k in kinds if kinds else k not in TIERS)]
        made.append(sum(of_kind))
    return np.array(made)


def seeds_mean(values_S: np.ndarray) -> Estimate:
    """The mean of a number a seed; NaN, and so not drawn, where a seed has none."""
    if np.isnan(values_S).any():
        return Estimate(np.nan, np.nan, np.nan, len(values_S), 1)
    return difference(values_S[:, None], np.zeros((len(values_S), 1)))
