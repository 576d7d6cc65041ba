"""What the page says of where RL extends most, by what bases solved, is recomputed from the two tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from recompute import by_seed, table

from interlude.studies import results
from interlude.studies.verdicts import Score

PAGE = results.FOLDER.parent / "interplay" / "README.md"
STUDIES = ("interplay/edge", "interplay/edge_confirmation")
GIVEN = {"RL inside": (3, 4), "RL edge": (8, 9), "RL beyond": (10, 11), "RL far": (11, 11)}
RANGES = {"less than 0.002": (0.0, 0.002), "0.02 to 0.3": (0.02, 0.3), "more than 0.9": (0.9, 1.0)}


def models() -> pd.DataFrame:
    """Of every model of an arm of ``GIVEN``, the base's pass@1 on what its RL was given, and the gain in pass@128."""
    made = []
    for study in STUDIES:
        rows = table(results.path(study, "nano"))
        for arm, ops in GIVEN.items():
            if arm not in set(rows.arm):
                continue
            own = {"own": ops}
            before = by_seed(rows, "none", Score("own"), own)
            gain = by_seed(rows, arm, Score("own", 128), own) - by_seed(rows, "none", Score("own", 128), own)
            made.append(pd.DataFrame({"study": study, "arm": arm, "before": before, "gain": gain}))
    return pd.concat(made)


@pytest.mark.parametrize("words", RANGES)
def test_gains_by_what_the_base_solved_are_those_of_the_tables(words):
    """Kills: a range with models of the next; the first study's models, which suggested the ranges, counted with the
    second's; a number of the page that its table does not give."""
    (low, high), all_models = RANGES[words], models()
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {words} |")]
    inside = all_models[(all_models.before >= low) & (all_models.before <= high)]
    wanted = []
    for study in STUDIES:
        gains = inside[inside.study == study].gain
        wanted += [str(len(gains)), f"{gains.mean():+.2f}", f"{gains.min():+.2f} to {gains.max():+.2f}"]
    cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
    assert cells == [each if "nan" not in each else "" for each in wanted]
    assert np.isfinite(inside.gain).all() and len(inside) > 0
