"""Figures that pool a band leave out exams with too few structures, and say which numbers of operations they pool."""

from __future__ import annotations

import numpy as np
import pytest

from interlude.figures import (
    interplay_base_probability,
    interplay_fig03_edge,
    interplay_fig05_topology,
    interplay_fig09_ladder,
    interplay_fig12_rl_share_all,
    interplay_fig15_pretraining_difficulty,
    interplay_forgetting,
    midtraining_leaderboard,
    panels,
    style,
)
from interlude.studies import places, results

POOLING = {  # each figure that draws scores of the band, with its study
    interplay_base_probability: "interplay/edge",
    interplay_fig03_edge: "interplay/edge",
    interplay_fig05_topology: "interplay/topology",
    interplay_fig09_ladder: "interplay/ladder",
    interplay_fig12_rl_share_all: "interplay/context_rl_share",
    interplay_fig15_pretraining_difficulty: "interplay/pretraining_difficulty",
    interplay_forgetting: "interplay/forgetting",
    midtraining_leaderboard: "midtraining/leaderboard",
}


@pytest.mark.parametrize("figure", POOLING, ids=lambda figure: figure.__name__.rpartition(".")[2])
def test_no_pooled_score_depends_on_one_operation(figure, tmp_path):
    """Kills: a figure that pools problems of one operation, of which there are five, with the band's others; a label
    that names more than is pooled."""
    study = POOLING[figure]
    found = results.load(study, "nano", places.COMMITTED)
    rows = [row for row in found.rows if row["seed"] in found.seeds[:2]]
    unsolved = [row | {"logp": " ".join(["-9.0"] * row["problems"])} if row["ops"] == "1" else row for row in rows]
    for name, kept in (("as it is", rows), ("unsolved", unsolved)):
        results.store(study, "nano", kept, tmp_path / name)
    made = figure.draw(tmp_path / "as it is")
    assert style.drawn(figure.draw(tmp_path / "unsolved")) == style.drawn(made)
    said = " ".join(text.get_text() for text in made.findobj(lambda artist: hasattr(artist, "get_text")))
    assert "ID (2-4)" in said and "ID (1-4)" not in said


def test_curves_by_depth_still_show_one_operation():
    """Kills: an exam that is left out of bands left out of curves as well."""
    found = results.load("interplay/edge", "nano", places.COMMITTED)
    assert found.within((1, 11), "zoo") == [f"zoo-ops{n}" for n in range(1, 12)]
    made = style.figure(3, 3)
    panels.by_depth(axis := made.subplots(), found, {"none": 0}, 1)
    (line,) = axis.get_lines()
    assert list(line.get_xdata()) == list(range(1, 12))
    pooled = np.mean([found.score("none", f"zoo-ops{n}", 1).mean for n in (2, 3, 4)])
    assert panels.pooled(found, "none", "ID", 1).mean == pytest.approx(pooled)
