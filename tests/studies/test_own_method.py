"""A method of one's own on the leaderboard: what is taken for one, what is refused, and beside what it is put."""

import json

import pytest

from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.rl import RL
from interlude.studies.__main__ import main
from interlude.studies.cli import leaderboard as commands
from interlude.studies.cli.leaderboard import method, with_method
from interlude.studies.methods import arena
from interlude.studies.refusal import Refused
from interlude.studies.scales import SMOKE
from interlude.studies.study import plan

FILE = """
from dataclasses import dataclass
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL

@dataclass(frozen=True, kw_only=True)
class Plain(Midtrain):
    pass

@dataclass(frozen=True, kw_only=True)
class Own(RL):
    pass

@dataclass(frozen=True, kw_only=True)
class Other(Pretrain):
    pass

def half_each(scale, flops):
    return scale.midtrain(flops / 2), scale.rl(flops / 2)

def one(scale, flops):
    return scale.sft(flops)

def nothing(scale, flops):
    return None

def short(scale):
    return scale.midtrain(1e9)

@dataclass(frozen=True, kw_only=True)
class ReMiT(Midtrain):
    pass

class Bare(Midtrain):
    pass

number = 3
"""


@pytest.fixture
def named(tmp_path, monkeypatch):
    """``named("x")`` is what names x in a file of the user's own."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / f"own_{tmp_path.name.replace('-', '_')}.py"
    path.write_text(FILE)
    return lambda name: f"{path}:{name}"


@pytest.mark.parametrize(
    ("name", "kinds"), (("Plain", [Midtrain]), ("Own", [RL]), ("half_each", [Midtrain, RL]), ("one", None))
)
def test_classes_and_functions_are_methods(named, name, kinds):
    """Mutants: a class of mid-training given the rates of RL; a function's second stage lost; another budget."""
    scale = arena(SMOKE)
    found, row = method(named(name))
    stages = row(scale, 1e9)
    assert found == name and sum(stage.flops for stage in stages) == 1e9
    assert kinds is None or [next(k for k in kinds if isinstance(stage, k)) for stage in stages] == kinds
    assert stages[0].optim == (scale.rl_optim if name == "Own" else stages[0].optim)


@pytest.mark.parametrize(
    ("name", "said"),
    (
        ("Other", "subclass of Midtrain"),
        ("number", "subclass of Midtrain"),
        ("Bare", "must be decorated"),
        ("short", "must be a function of two arguments, .*too many positional"),
        ("absent", "defines no method 'absent'"),
        ("ReMiT", "already has a method"),
    ),
)
def test_what_is_no_method_is_refused(named, name, said):
    """Mutants: a stage whose fields only the user knows; another method's row replaced."""
    with pytest.raises(Refused, match=said):
        method(named(name))


def test_what_a_function_returns_is_checked(named):
    """Mutant: a traceback of a recipe that adds None."""
    _, row = method(named("nothing"))
    with pytest.raises(Refused, match=r"must return a Stage or a tuple of them, not None"):
        row(arena(SMOKE), 1e9)
    with pytest.raises(Refused, match=r"FILE\.py:NAME"):
        method("Plain")


def test_it_is_put_beside_its_controls(named, tmp_path):
    """Mutants: the whole board trained for one method; a table among the committed ones; a control of another budget;
    the method alone and not + RL."""
    name, row = method(named("Plain"))
    study = with_method("smoke", name, row, tmp_path / "own.py")
    names = [arm.name for arm in study.arms]
    beside = ("Plain", "NTP", "pre-training")
    assert sorted(names) == sorted(["base", *(f"{arm}{then}" for arm in beside for then in ("", " + RL"))])
    assert study.results == tmp_path / "results"
    assert set(study.contrasts) == {(f"Plain{t}", f"{c}{t}") for t in ("", " + RL") for c in ("NTP", "pre-training")}
    flops = {run.arm: run.planned for run in plan(study)}
    assert flops["Plain"] == flops["NTP"] == flops["pre-training"]


def test_a_table_of_ones_own_is_apart_from_the_boards(named, tmp_path, monkeypatch):
    """Mutant: both in one file, where the rows of the controls have other exams."""
    name, row = method(named("one"))
    monkeypatch.delenv("INTERLUDE_RESULTS", raising=False)
    assert with_method("smoke", name, row, tmp_path / "a.py").results == tmp_path / "results"
    monkeypatch.setenv("INTERLUDE_RESULTS", str(tmp_path / "kept"))
    assert with_method("smoke", name, row, tmp_path / "a.py").results == tmp_path / "kept" / "methods"


def test_the_price_is_said_before_anything_is_trained(named, runs, monkeypatch, capsys):
    """Kills: training that begins without its price; --plan that trains; the price said after training."""
    words = ["leaderboard", "--method", named("Plain"), "--scale", "smoke", "--seeds", "0-1"]
    assert main([*words, "--plan"]) == 0
    said = capsys.readouterr().out
    assert "Plain and its controls: study midtraining/leaderboard at smoke, 7 arms x 2 seeds" in said
    assert "0 of 14 runs are done" in said and "in one process here" in said and not runs.exists()
    assert main([*words, "--plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 14

    def begun(args, study):
        assert "0 of 14 runs are done" in capsys.readouterr().out
        raise Refused("begun")

    monkeypatch.setattr(commands, "train", begun)
    assert main(words) == 2 and "begun" in capsys.readouterr().err
