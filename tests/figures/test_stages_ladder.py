"""The figure of the two kinds of base draws each seed's pass@k and the forced nouns' operands place by place."""

from __future__ import annotations

import numpy as np
import pytest
from crafted import forced_rows, study_rows

from interlude.figures import stages_ladder as ladder
from interlude.figures.interplay_planning import REGIMES
from interlude.studies import results


def test_seeds_and_places_are_those_of_the_table(tmp_path):
    """Mutants: length exams drawn as depth; places of a problem in the wrong order, or averaged over it; a problem with
    fewer places dropped or padded; one scale drawn twice; a seed's curve at another k."""
    for shift, (_, scale, _, _) in enumerate(REGIMES.values()):
        made = study_rows({ladder.ARM: 4.5 + shift}, (3, 4), problems=3, top=6)
        made += [row | {"exam": "length10"} for row in made if row["exam"] == "zoo-ops2"]
        results.store(ladder.STUDY, scale, made + forced_rows(ladder.ARM, (3, 4), 0.1 * shift), tmp_path)
    *panels, forced = ladder.draw(tmp_path).axes
    for nth, (order, (_, scale, _, _)) in enumerate(REGIMES.items()):
        found = results.load(ladder.STUDY, scale, tmp_path)
        lines = panels[nth].get_lines()
        for k, style in ((1, ":"), (128, "-")):
            due = [[found.solved(ladder.ARM, f"zoo-ops{n}", k).mean(1)[s] for n in range(1, 7)] for s in range(2)]
            drawn = [
                line.get_ydata() for line in lines if line.get_linewidth() == 0.7 and line.get_linestyle() == style
            ]
            assert np.allclose(drawn, due)
        (named,) = [line for line in forced.get_lines() if line.get_label() == order]
        # Seed 3's two problems have places 0.9 0.5 and 0.7 0.3 0.1, seed 4's are 0.1 less; shuffled, all are 0.1 less.
        less = 0.05 + 0.1 * nth
        assert list(named.get_ydata()) == pytest.approx([0.8 - less, 0.4 - less, 0.1 - less], abs=1e-9)
