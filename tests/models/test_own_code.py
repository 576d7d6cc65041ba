"""The code of a user's own class enters its key: an edited method or reward is another run, never the old one's."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interlude.models.key import canonical, key
from interlude.models.optim import Optim
from interlude.models.provenance import own_code
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.train import Machine
from interlude.studies.find import loaded
from interlude.studies.run import train_or_load

FILE = '''
from dataclasses import dataclass
from interlude.models.rollouts import Reward
from interlude.models.stages.pretrain import Pretrain
from aside import FACTOR

def factor():
    return 1 * FACTOR

@dataclass(frozen=True, kw_only=True)
class Mine(Pretrain):
    """Mine."""
    def collect(self, models, seed, step, rows):
        return super().collect(models, seed, step, rows)

@dataclass(frozen=True)
class Paid(Reward):
    """Paid."""
'''


@pytest.fixture
def written(tmp_path, monkeypatch):
    """``written(text, aside)`` is the module of a user's file as a new process sees it, with aside.py beside it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within a second of the same length would go unseen

    def forget() -> None:
        for name in ("own_class", "aside"):
            sys.modules.pop(name, None)

    def write(text: str = FILE, aside: str = "FACTOR = 1\n", folder: str = "mine"):
        where = tmp_path / folder
        where.mkdir(exist_ok=True)
        monkeypatch.syspath_prepend(where)
        forget()
        (where / "aside.py").write_text(aside)
        (where / "own_class.py").write_text(text)
        return loaded(where / "own_class.py")

    yield write
    forget()


def stage_key(module, source) -> str:
    return key(module.Mine(steps=2, batch_size=2, optim=Optim(), data=source))


@pytest.mark.parametrize(
    "text, aside",
    (
        (FILE.replace("return super()", "step += 1\n        return super()"), "FACTOR = 1\n"),
        (FILE.replace("return 1 *", "return 2 *"), "FACTOR = 1\n"),
        (FILE, "FACTOR = 2\n"),
    ),
    ids=("its method", "a function it calls", "a file that it imports"),
)
def test_an_edited_class_has_another_key(text, aside, written, source):
    """Kills: a key of names and fields alone; of the class's text without what it calls; of one file alone."""
    first = written()
    mine, paid = stage_key(first, source), key(first.Paid())
    other = written(text, aside)
    assert stage_key(other, source) != mine and key(other.Paid()) != paid
    again = written()
    assert stage_key(again, source) == mine and key(again.Paid()) == paid


def test_neither_comments_nor_the_folder_change_a_key(written, source):
    """Kills: a digest of bytes; one with paths in it, so that a project that was moved is trained again."""
    mine = stage_key(written(), source)
    assert stage_key(written("# Why.\n" + FILE.replace('"""Mine."""', '"""Told."""\n')), source) == mine
    assert stage_key(written(folder="moved"), source) == mine


def test_a_reward_inside_a_stage_of_ours_counts(written, source):
    """Kills: the code of the outermost class alone."""
    rl = RL(steps=1, batch_size=2, optim=Optim(), data=source)
    first = key(dataclasses.replace(rl, reward=written().Paid()))
    assert key(dataclasses.replace(rl, reward=written(FILE.replace("1 *", "3 *")).Paid())) != first


def test_classes_of_ours_and_of_libraries_have_no_code(source):
    """Kills: keys of committed tables that change with every edit of this package, or with Python's release."""
    assert '"code"' not in canonical(Pretrain(steps=2, batch_size=2, optim=Optim(), data=source))
    assert [own_code(kind) for kind in (Reward, Recipe, Path, pytest.Item, int, type(sys))] == [None] * 6


@pytest.mark.parametrize("imports", ("from .aside import FACTOR", "from . import aside", "import pack.aside"))
def test_a_package_of_ones_own_is_followed(imports, tmp_path, monkeypatch):
    """Kills: relative imports, or a package's other files, taken for what does not matter."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "inner.py").write_text(f"{imports}\nclass Kind:\n    pass\n")
    found = []
    for factor in (1, 2):
        (tmp_path / "pack" / "aside.py").write_text(f"FACTOR = {factor}\n")
        code = "from pack.inner import Kind; from interlude.models.provenance import own_code; print(own_code(Kind))"
        paths = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
        surroundings = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        found.append(subprocess.check_output([sys.executable, "-c", code], env=surroundings, cwd=tmp_path))
    assert found[0] != found[1] and all(len(each.strip()) == 16 for each in found)


def test_a_class_without_a_file_is_refused():
    """Kills: a class typed at a prompt that keeps its key when it is typed anew."""
    kind = type("Typed", (Reward,), {"__module__": "nowhere"})
    with pytest.raises(ValueError, match="no file .* defines the class Typed .* put it into a .py file"):
        own_code(kind)


def test_an_edit_between_an_interruption_and_the_next_run_begins_anew(written, tiny, source, runs, monkeypatch):
    """Kills: two methods spliced into one run that is sealed as the second's."""

    def recipe(module) -> Recipe:
        return Recipe(tiny) + module.Mine(steps=4, batch_size=2, optim=Optim(), data=source)

    def stop(_, share, line):
        if line["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_or_load(recipe(written()), Machine(threads=1), stop)
    assert list(runs.glob("*/state.safetensors"))
    edited, steps = recipe(written(FILE.replace("rows)\n\n", "range(9, 11))\n\n"))), []
    train_or_load(edited, Machine(threads=1), lambda _, share, line: steps.append(line["step"]))
    assert steps == [1, 2, 3, 4]
    resumed = []
    train_or_load(recipe(written()), Machine(threads=1), lambda _, share, line: resumed.append(line["step"]))
    assert resumed == [3, 4]  # what was not edited goes on
