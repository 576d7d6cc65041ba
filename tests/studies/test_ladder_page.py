"""What the page says of the three kinds of base is recomputed from their tables, seed by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from recompute import pass_at_k, table

from interlude.studies import results
from interlude.studies.scales import SCALES

PAGE = (results.FOLDER.parent / "interplay" / "README.md").read_text()
SECTION = PAGE[PAGE.index("## The base (`stages/ladder`)") :]
KINDS = {"nano": "**In order**", "nano-guessable": "**Modulo 3**", "nano-shuffled": "**Shuffled**"}


def ladder(scale: str, k: int = 1) -> pd.DataFrame:
    """Strict pass@k by number of operations (rows) and seed (columns)."""
    rows = table(results.path("stages/ladder", scale))
    rows = rows[rows.exam.str.startswith("zoo-ops")]
    scores = rows.assign(score=[pass_at_k(row, k, "strict").mean() for _, row in rows.iterrows()])
    scores["operations"] = scores.exam.str.removeprefix("zoo-ops").astype(int)
    return scores.pivot_table("score", "operations", "seed")


def said(scale: str) -> dict[str, list[str]]:
    """The cells of this base's table on the page, by the name of the row."""
    text = SECTION[SECTION.index(KINDS[scale]) :]
    lines = text[text.index("\n|") :].split("\n\n")[0].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: rest for name, *rest in cells}


def short(rate: float) -> str:
    return "0" if rate < 0.005 else f"{rate:.2f}"


@pytest.mark.parametrize("scale", KINDS)
def test_the_ladder_on_the_page_is_that_of_its_table(scale):
    """Kills: a page written from four seeds beside a table of eight; a row of one base under another's heading."""
    cells, found, within = said(scale), ladder(scale), ladder(scale, 128)
    assert sorted(map(int, found.columns)) == sorted(SCALES[scale].calibration_seeds or SCALES[scale].seeds)
    ops = [int(each) for each in cells["operations"]]
    assert cells["pass@1"] == [f"{found.loc[n].mean():.2f}" for n in ops]
    assert cells["seeds"] == [f"{short(found.loc[n].min())} to {short(found.loc[n].max())}" for n in ops]
    assert cells["pass@128"] == [f"{within.loc[n].mean():.2f}" for n in ops]


@pytest.mark.parametrize("scale", KINDS)
def test_no_base_falls_off_a_cliff(scale):
    """Kills: a base that solves most problems of one number of operations and next to none of the following one."""
    rates = ladder(scale).to_numpy()
    assert not np.any((rates[:-1] > 0.5) & (rates[1:] < 0.02))
