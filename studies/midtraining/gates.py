"""Is there room on the leaderboard, so that methods of mid-training can differ there, alone and after RL?

Asked on tuning seeds before any seed of the leaderboard is run: a board on which next-token prediction (NTP) teaches
nothing, or already solves what can be solved, cannot tell methods apart whatever they do. "NTP, full texts" reads the
same problems with whole solutions: what a method could reach that repairs the corpus perfectly.
"""

from __future__ import annotations

from dataclasses import replace

from interlude.studies.midtraining import leaderboard
from interlude.studies.midtraining.leaderboard import ROWS
from interlude.studies.scales import Scale
from interlude.studies.study import Study
from interlude.studies.verdicts import OOD, above, minus

QUESTION = "Does NTP gain on the leaderboard's corpus, and does it leave room above, alone and after RL?"
PREDICTION = (
    "By pilots at seed 3: NTP is 0.25 above the base at the edge, full texts 0.4 above NTP, and 0.2 after RL over all "
    "operations beyond the band."
)
RULE = (
    "A gate is met where the difference is 0.15 or more at every seed. Seeds are for tuning: nothing here is a result "
    "about a method."
)
GATE = 0.15  # the least room: three times the margin of the leaderboard's comparisons
ROOM = "NTP, full texts"
CLAIMS = (
    above("NTP on the corpus is above the base at the edge", minus("NTP", "base", "edge")),
    above("it leaves room below whole texts at the edge", minus(ROOM, "NTP", "edge")),
    above("and beyond the band after RL", minus(f"{ROOM} + RL", "NTP + RL", OOD)),
)


def study(scale: Scale) -> Study:
    rows = {name: ROWS[name] for name in ("NTP", ROOM, "pre-training", "thinking SFT", "RL")}
    board = leaderboard.study(replace(scale, board_seeds=(3, 4)), rows)
    arms = tuple(arm for arm in board.arms if not arm.name.startswith("NTP, tokens"))
    return replace(
        board, name="midtraining/gates", question=QUESTION, prediction=PREDICTION, rule=RULE, arms=arms,
        contrasts=tuple((f"{name}{then}", f"NTP{then}") for then in ("", " + RL") for name in rows if name != "NTP"),
    )  # fmt: skip
