"""The figure of filters draws where each arm's thoughts stood and what they were worth, from the right columns."""

from __future__ import annotations

import numpy as np
import pytest
from crafted import study_rows

from interlude.figures import midtraining_filters as filters
from interlude.studies import results
from interlude.studies.midtraining import places_confirmation
from interlude.studies.scales import NANO


def test_each_filter_stands_at_its_own_shares(tmp_path):
    """Mutants: tiers counted as kinds of token; the last row of a stage for all of it; a mean of rows' shares for the
    share of all thoughts; the probability without a thought for the one with it; two arms exchanged."""
    arms = ("base", *filters.FILTERS.values())
    rows = study_rows(dict.fromkeys(arms, 0.0), (1, 2), problems=3)
    matches = {arm: 0.1 + 0.1 * nth for nth, arm in enumerate(arms)}
    made = []
    for row in rows:
        if row["exam"] == rows[0]["exam"]:
            own = matches[row["arm"]] + 0.02 * row["seed"]
            told = {"match": " ".join([f"{own}"] * 3), "plain": "0.15 0.15 0.15"}
            made.append(row | {"exam": filters.EXAM, "kind": "match", "logp": ""} | told)
    results.store(filters.STUDY, "nano", [*rows, *made], tmp_path)
    curve = {"stage": 3, "reward": 0.5, "strict": 0.0, "answer": 0.0, "process": 0.0, "response_tokens": 9.0}
    curve |= {"zero_variance": 0.0, "loss": 0.0, "key": "k", "matched": "", "foreseen": "", "weights": ""}
    curve |= dict.fromkeys(("thought_tokens", "budget", "closed", "match", "plain"), 1.0)
    drawn = {arm: nth for nth, arm in enumerate(filters.FILTERS.values())}
    results.store_curves(
        filters.STUDY,
        "nano",
        [
            curve | {"arm": arm, "seed": seed, "step": step, "share": step / 8, "drawn": told}
            for arm, nth in drawn.items()
            for seed in (1, 2)
            for step, told in ((4, f"copy:90 inferred:{10 * nth} hard:500"), (8, f"copy:10 easy:7 inferred:{seed}"))
        ],
        tmp_path,
    )
    places, values = filters.draw(tmp_path).axes
    (shares,) = [line for line in places.get_lines() if line.get_linestyle() == "None" and len(line.get_xdata()) == 5]
    due = [np.mean([(10 * nth + s) / (100 + 10 * nth + s) for s in (1, 2)]) for nth in drawn.values()]
    assert list(shares.get_xdata()) == pytest.approx(due)
    assert [tick.get_text() for tick in places.get_yticklabels()] == list(filters.FILTERS)
    (means,) = [line for line in values.get_lines() if line.get_linestyle() == "None" and len(line.get_xdata()) == 6]
    assert list(means.get_xdata()) == pytest.approx([matches[arm] + 0.03 for arm in arms])
    (without,) = [line for line in values.get_lines() if line.get_label() == "without a thought"]
    assert list(without.get_xdata()) == pytest.approx([0.15, 0.15])


def test_the_filters_are_arms_whose_names_say_what_they_do():
    """Mutants: narrow and wide exchanged; read and unread."""
    stages = {arm.name: arm.recipe.stages for arm in places_confirmation.study(NANO).arms}
    begun = {arm: len(found) for arm, found in stages.items()}
    for label, arm in filters.FILTERS.items():
        last = stages[arm][-1]
        assert ("read" in label and "unread" not in label) == (begun[arm] == begun["RMT"] + 1)
        assert (last.places == "inferable") == (label == "told the tokens")
        if "top" in label:
            assert last.pool == 1 / int(label.split("top 1/")[1])
