"""Studies of the leaderboard's rates change rates alone; a method that does nothing is next-token prediction."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from random import Random
from types import SimpleNamespace

import pytest

from interlude.studies.board import BETTER, WORSE, word
from interlude.studies.find import bands
from interlude.studies.methods import FAMILIES, LATER, arena
from interlude.studies.midtraining import leaderboard, rates, same_method, tuned_controls
from interlude.studies.results import load
from interlude.studies.scales import REPLAY_SHARE, SCALES, SMOKE
from interlude.studies.study import check_budget, plan
from interlude.studies.verdicts import decide


def board_stages(scale) -> dict[str, tuple]:
    """The stages of each row of the leaderboard after its base."""
    return {name: row(scale, scale.method_flops) for name, row in leaderboard.ROWS.items()}


def rated(stages) -> list[tuple[float, float]]:
    return [(stage.optim.matrix_lr, stage.optim.other_lr) for stage in stages]


@pytest.mark.parametrize("name", ("smoke", "nano"))
def test_tuned_controls_are_the_boards_but_for_their_rates(name):
    """Kills: another corpus or budget for a low-rate control; one of its two rates kept; a method's recipe changed."""
    asked, board = tuned_controls.study(SCALES[name]), leaderboard.study(SCALES[name])
    theirs = {arm.name: arm.recipe for arm in board.arms}
    for arm in asked.arms:
        if ", low rate" not in arm.name:
            assert arm.recipe == theirs[arm.name], arm.name
            continue
        low, old = arm.recipe.stages, theirs[arm.name.replace(", low rate", "")].stages
        at = len(asked.base.stages)
        assert rated(low[at : at + 1]) == [(0.1 * a, 0.1 * b) for a, b in rated(old[at : at + 1])]
        assert (*low[:at], replace(low[at], optim=old[at].optim), *low[at + 1 :]) == old
    check_budget(asked, plan(asked))
    if name == "nano":
        assert len(asked.seeds) == 8 and not set(asked.seeds) & {*board.seeds, *rates.SEEDS}


def test_every_row_is_tried_at_the_rates_of_its_family():
    """Kills: a row left out, or in two families; a rate that is not tried; the half of "thinking" that does not read
    slowed; the board's own reference, whose rate nobody tuned; another method than the board's; families whose rates
    do not mean the same."""
    scale = arena(SMOKE)
    asked, rows = rates.study(SMOKE), board_stages(scale)
    arms, at = {arm.name: arm.recipe.stages for arm in asked.arms}, len(asked.base.stages)
    families = [name for names in FAMILIES.values() for name in names]
    assert sorted(families) == sorted(set(leaderboard.ROWS) - {"random reward"})
    assert len(arms) == 2 * sum(len(names) * len(rates.SHARES[family]) for family, names in FAMILIES.items())
    reference = asked.base.stages + LATER["NTP, low rate"](scale, scale.method_flops) + (scale.rl(scale.method_flops),)
    for family, names in FAMILIES.items():
        shares = rates.SHARES[family]
        rated_first = {rated(rows[name])[0] for name in names if name != "RL, AdamW"}
        assert len(rated_first) == 1 and 1.0 in shares, family
        for name, share in ((name, share) for name in names for share in shares):
            *own, rl = arms[f"{name} x{share:g} + RL"][at:]
            assert rl == scale.rl(scale.method_flops) and tuple(own) == arms[f"{name} x{share:g}"][at:]
            first, *rest = rated(rows[name])
            assert rated(own) == [(share * first[0], share * first[1]), *rest] and (not rest or name == "thinking")
            for mine, theirs in zip(own, rows[name], strict=True):
                if "reference" in {field.name for field in fields(mine)}:
                    assert mine.reference.stages == reference
                    mine = replace(mine, reference=theirs.reference)
                assert replace(mine, optim=theirs.optim) == theirs
    check_budget(asked, plan(asked))


def test_a_method_that_does_nothing_reads_the_same_mixture():
    """Kills: another share of replay, rate or budget; the same texts again, which would be no second draw; texts of
    another kind; a question among the targets."""
    scale = arena(SMOKE)
    (ntp,) = LATER["NTP, low rate"](scale, 1e9)
    models = SimpleNamespace(learner=scale.base().model.build(0))

    def texts(stage) -> set[bytes]:
        batch = stage.collect(models, 0, 0, range(16))
        ids_BT, target_BT = batch.ids_BT.numpy(), batch.gain_BT.numpy() > 0
        starts_B = target_BT.argmax(1)
        ends_B = target_BT.shape[1] - target_BT[:, ::-1].argmax(1)
        assert (starts_B > 2).all() and (target_BT.sum(1) == ends_B - starts_B).all()
        return {ids.tobytes() for ids in ids_BT[:, :24]}

    read = {"NTP": texts(ntp)}
    for name, kind in same_method.ANEW.items():
        (stage,) = same_method.anew(kind)(scale, 1e9)
        assert type(stage) is kind
        assert (stage.flops, stage.batch_size, stage.optim) == (ntp.flops, ntp.batch_size, ntp.optim)
        mixed, due = Counter(), Counter()
        for share, source in stage.data.parts:
            mixed[source] += share
        for whole, data in ((1 - REPLAY_SHARE, ntp.data), (REPLAY_SHARE, ntp.replay)):
            for share, source in data.parts:
                due[source] += whole * share
        assert mixed == pytest.approx(due) and sum(due.values()) == pytest.approx(1)
        read[name] = texts(stage)
    assert len(set.union(*read.values())) == sum(map(len, read.values())) == 48


@pytest.mark.slow
def test_what_does_nothing_is_seldom_called_better():
    """Kills: a procedure that calls chance a difference. The three ways of next-token prediction are alike, so their
    names can be exchanged within a seed: in about a twentieth of such tables anything may be called better or worse."""
    table, draw, names = load("midtraining/same_method", "nano"), Random(0), (same_method.READ, *same_method.ANEW)
    place = {arm: nth for nth, arm in enumerate(table.arms)}
    called = 0
    for _ in range(200):
        new = {seed: dict(zip(names, draw.sample(names, 3), strict=True)) for seed in table.seeds}
        rows = []
        for row in table.rows:
            name, then, _ = row["arm"].partition(" + RL")
            rows.append(row | {"arm": new[row["seed"]][name] + then})
        exchanged = replace(table, rows=tuple(sorted(rows, key=lambda row: place[row["arm"]])))
        said = {word(verdict) for verdict in decide(same_method.CLAIMS, exchanged, bands("nano"))}
        called += bool(said & {BETTER, WORSE})
    assert 0.01 < called / 200 < 0.12
