"""The figure of the edge of competence draws every model of both studies at its base's rate and its own gain."""

from __future__ import annotations

import numpy as np
import pytest
from crafted import study_rows

from interlude.figures import interplay_competence as competence
from interlude.studies import results
from interlude.studies.interplay import edge_confirmation
from interlude.studies.scales import NANO


def test_each_model_stands_at_its_bases_rate_and_its_gain(tmp_path):
    """Mutants: an arm's own rate for its base's; a gain on the other band; pass@1 for pass@128; one study left out, or
    an arm that one of them lacks; a mean over all models, or with those of the next range."""
    arms = ("none", *competence.GIVEN)
    for study, seeds, those in zip(competence.STUDIES, ((3, 4), (5, 6, 7)), (arms[:-1], arms), strict=True):
        ability = {arm: 2.5 * nth - 0.3 * (seeds[0] > 4) for nth, arm in enumerate(those)}
        results.store(study, "nano", study_rows(ability, seeds, problems=3), tmp_path)
    tables = [results.load(study, "nano", tmp_path) for study in competence.STUDIES]

    def of(table, arm, ops, k):
        return np.mean([table.solved(arm, f"zoo-ops{n}", k).mean(1) for n in dict.fromkeys(ops)], axis=0)

    for nth, axis in enumerate(competence.draw(tmp_path).axes):
        models = []
        for arm, (_, ops) in competence.GIVEN.items():
            (drawn,) = [line for line in axis.get_lines() if line.get_label().startswith(f"{arm} (")]
            judged = (10, 11) if nth else ops
            having = [table for table in tables if arm in table.arms]
            x = np.concatenate([of(table, "none", ops, 1) for table in having])
            y = np.concatenate([of(table, arm, judged, 128) - of(table, "none", judged, 128) for table in having])
            assert len(x) == (3 if arm == "RL far" else 5) and y.max() > 0.001
            assert list(drawn.get_xdata()) == pytest.approx(list(np.maximum(x, competence.LEAST)))
            assert list(drawn.get_ydata()) == pytest.approx(list(y))
            models += zip(x, y, strict=True)
        due = [[y for x, y in models if low <= x <= high] for low, high in competence.RANGES]
        means = [path.get_segments()[0][0][1] for path in axis.collections]
        assert means == pytest.approx([np.mean(each) for each in due if each]) and sum(map(bool, due)) >= 2


def test_the_operations_drawn_are_those_that_rl_was_given():
    """Mutants: a band of another scale; "far" that is the whole hard band."""
    recipes = {arm.name: arm.recipe for arm in edge_confirmation.study(NANO).arms}
    for arm, (_, ops) in competence.GIVEN.items():
        assert recipes[arm].stages[-1].data.parts[0][1].ops == ops
