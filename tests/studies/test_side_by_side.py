"""One seed of a study is compared on both kinds of kernels, every stage and exam weighed as in the plan."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from interlude.models.bench import report
from interlude.models.bench.timing import Clock, Turn
from interlude.models.bench.workload import Setup, Size
from interlude.models.train import Machine
from interlude.studies import side_by_side
from interlude.studies.find import StudySpec, the_study
from interlude.studies.price import price
from interlude.studies.refusal import Refused
from interlude.studies.run import train_or_load
from interlude.studies.side_by_side import added, compare, parts, scaled

if shutil.which("c++") is None and shutil.which("g++") is None:
    pytest.skip("there is no C++ compiler here", allow_module_level=True)

TINY = Setup(size=Size(rounds=2, seconds=1e-9, steps=1), clock=Clock(busy=lambda: None))


@pytest.fixture
def study(runs):
    """A study at scale smoke whose base is trained, of two seeds."""
    found = the_study(StudySpec("interplay/edge", "smoke"))
    train_or_load(found.base.with_seed(0), Machine(threads=1))
    return found.with_seeds((5, 0))


def test_a_seed_is_the_sum_of_its_parts():
    """Kills: parts of unequal weight; a mean for the sum; others' time lost or invented."""
    half = scaled(Turn(10.0, 2.0, 4.0, 1.0), 5.0)
    assert half == Turn(5.0, 1.0, 2.0, 0.5)
    assert added((half, Turn(1.0, 3.0, 6.0, 0.5))) == Turn(86400.0, 4.0, 8.0, 1.0)
    assert added((half, Turn(1.0, 3.0, 6.0, None))).others is None


def test_parts_hold_every_stage_and_exam_of_one_seed(study):
    """Kills: a stage or an exam left out or counted twice; stages of one kind measured once for each arm; two seeds."""
    found = list(parts(study, TINY))
    cost = price(study.with_seeds((0,)))
    flops = sum(part.amount for part in found if part.unit == "MFLOP/s")
    assert 1e6 * flops == pytest.approx(cost.total.total_flops - cost.exams.total_flops)
    names = [part.name.split(",")[0] for part in found]
    assert names.count("RL") == 6 and names.count("Pretrain") == 4 and {"SFT", "RFT"} < set(names)
    asked = sum(exam.problems for exam in study.exams) * len(study.arms)
    assert sum(part.amount for part in found if part.unit == "problems/s") == asked


def test_both_kinds_of_kernels_do_the_same_work(study, monkeypatch):
    """Kills: one side on the other's kernels; steps of another seed or size; runs that are written to."""
    monkeypatch.setattr(report, "SPREAD", np.inf)
    before = sorted(path.name for path in side_by_side.plan(study)[0].recipe.folder.parent.glob("*"))
    ran = []
    monkeypatch.setattr(
        side_by_side, "one_step", lambda *of, step=side_by_side.one_step: ran.append(of[3].kernels) or step(*of)
    )
    found = compare(study, TINY, note=lambda line: None)
    assert {"native", "torch"} == set(ran) and ran.count("native") == ran.count("torch") > 20
    for race in found.races[:-1]:
        first = {side: [turn.amount for turn in turns] for side, turns in race.turns.items()}
        assert first["native"] == pytest.approx(first["torch"], rel=1e-3), race.what
    whole = found.lines[-1]
    assert (whole.side, whole.peer, whole.what) == ("native", "torch", "interplay/edge, one seed in all")
    assert whole.ratio > 0
    assert sorted(path.name for path in side_by_side.plan(study)[0].recipe.folder.parent.glob("*")) == before


def test_what_cannot_be_compared_is_refused(runs, study, monkeypatch):
    """Kills: a base that is trained for a bench; a comparison of torch's kernels with themselves."""
    with pytest.raises(Refused, match="no seed of interplay/edge has a trained base"):
        compare(study.with_seeds((7,)), TINY)
    monkeypatch.setattr(side_by_side, "no_native", lambda model, setup: "there is no C++ compiler")
    with pytest.raises(Refused, match="nothing to compare: there is no C"):
        compare(study, TINY)
    assert replace(TINY, busy=True).busy
