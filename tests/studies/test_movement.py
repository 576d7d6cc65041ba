"""How far methods move their base: the page's table from the committed one."""

from __future__ import annotations

import re

from interlude.studies import results
from interlude.studies.evidence import cost
from interlude.studies.methods import CONTROLS, METHODS

PAGE = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
SECTION = PAGE[PAGE.index("## How far each method moves its base") : PAGE.index("## Withdrawal of unsolved problems")]


def test_each_row_is_its_methods():
    """Kills: two methods exchanged; a method left out; KL in the band for that at the edge; a range over problems."""
    table = results.load("midtraining/movement", "nano")
    rows = [re.split(r" *\| *", line)[1:-1] for line in SECTION.splitlines() if line.startswith("| ")][1:]
    assert {row[0] for row in rows} == {*CONTROLS, *METHODS} and len(rows) == len({row[0] for row in rows})
    for method, *cells in rows:
        edge_S, band_S = (table.measure(method, exam, "divergence").mean(1) for exam in ("edge-kl", "band-kl"))
        spent = cost(table, method)
        due = [f"{spent['arm_flops'] / 1e12:.1f}", f"{spent['lr_sum']:.3f}", f"{edge_S.mean():.1f}"]
        due += [f"{edge_S.min():.1f} to {edge_S.max():.1f}", f"{band_S.mean():.2f}"]
        assert cells == [*due, f"{table.solved(method, 'zoo-edge-sampled', 1).mean():.2f}"], method
    order = [float(row[3]) for row in rows]
    assert order == sorted(order, reverse=True)
