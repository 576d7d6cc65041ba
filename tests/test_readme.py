"""The README is executed: its commands parse or run, its code works, its tree is the tree."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from interlude.models.stages import StageModels
from interlude.models.train import train
from interlude.studies.__main__ import parser
from interlude.studies.scales import SMOKE
from interlude.studies.study import check_budget, plan

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FENCES = re.findall(r"^( *)```(\w*)\n(.*?)^ *```", README, re.S | re.M)
SHOWN = [line.strip().removeprefix("$ ") for _, kind, text in FENCES if not kind for line in text.splitlines()]
COMMANDS = sorted({line.split("#")[0].strip() for line in SHOWN if line.startswith("interlude ")})
PYTHON = [text for _, kind, text in FENCES if kind == "python"]
INSTANT = [c for c in COMMANDS if c.split()[1] in ("list", "problem", "plan")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command):
    """Kills: a command or option renamed in the program and not in the README."""
    parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", INSTANT)
def test_instant_commands_run(command, tmp_path):
    """Kills: a command that parses and then fails."""
    words = [sys.executable, "-m", "interlude.studies", *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr


def test_make_targets_exist():
    """Kills: a make target the README names and the Makefile lacks."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"^make (\w+)", "\n".join(text for _, _, text in FENCES), re.M))
    assert {"quickstart", "test"} <= named <= targets


def test_example_study_works(monkeypatch, tmp_path):
    """Kills: a study interface that moved away from the README."""
    monkeypatch.setenv("INTERLUDE_RUNS", str(tmp_path))
    text = PYTHON[0]
    assert len([line for line in text.splitlines() if line.strip()]) < 40
    scope = {}
    exec(compile(text, "reward.py", "exec"), scope)
    study = scope["study"](SMOKE)
    runs = plan(study)
    check_budget(study, runs)
    assert [run.arm for run in runs] == ["strict", "answer"]


def test_example_method_works(tmp_path, monkeypatch):
    """Kills: a stage interface that moved away from the README. The method must train, and weigh numbers twice."""
    path = tmp_path / "emphasis.py"
    path.write_text(PYTHON[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    import emphasis

    stage = emphasis.Emphasis(steps=2, batch_size=4, optim=SMOKE.optim, data=SMOKE.mixture(SMOKE.edge))
    lm = SMOKE.model.build(0)
    before = [p.clone() for p in lm.parameters()]
    gains = stage.collect(StageModels(lm), 0, 0, range(4)).gain_BT
    assert set(gains.unique().tolist()) == {0.0, 1.0, 2.0}
    train(lm, stage, seed=0)
    assert any(not torch.equal(a, b) for a, b in zip(before, lm.parameters(), strict=True))


def test_the_walk_through_puts_a_method_on_the_board(tmp_path):
    """Kills: a board that a new method has to be added to in a second place. Followed to the letter, in a copy: the
    file, the line, the command."""
    for name in ("synth", "models", "studies"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    (tmp_path / "models/stages/emphasis.py").write_text(PYTHON[1])
    board = tmp_path / "studies/midtraining/leaderboard.py"
    imported, line = PYTHON[2].split("\n\n")
    text = board.read_text().replace("\n\n\ndef study(", f"\n{line.strip()}\n\n\ndef study(", 1)
    board.write_text(text.replace("\nfrom interlude.models.stages", f"\n{imported}\nfrom interlude.models.stages", 1))
    (command,) = (each for each in COMMANDS if "emphasis" in each)
    own = {"INTERLUDE_RUNS": str(tmp_path / "runs"), "INTERLUDE_RESULTS": str(tmp_path / "results")}
    words = [sys.executable, "-m", "interlude.studies", *shlex.split(command)[1:], "--seeds", "0"]
    env = os.environ | own | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "results/smoke/midtraining.leaderboard.csv").read_text()
    assert "\nemphasis,0," in rows and "\nemphasis + RL,0," in rows and "\nNTP," not in rows


def test_a_model_of_transformers_is_trained_and_examined(tmp_path, monkeypatch, capsys):
    """Kills: an interface of real models that moved away from the README. Two steps of a tiny model stand for 200."""
    pytest.importorskip("transformers")
    from interlude.models.gpt import GPT
    from interlude.models.hf import HF
    from interlude.models.hf_checkpoint import save_pretrained
    from interlude.synth.tokens import Vocabulary

    monkeypatch.setenv("INTERLUDE_RUNS", str(tmp_path / "runs"))
    vocab = Vocabulary(dialects=("prose",), worlds=("zoo",))
    save_pretrained(GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=vocab).build(0), tmp_path / "model")
    text = (
        PYTHON[3]
        .replace("path/to/model", str(tmp_path / "model"))
        .replace("steps=200, batch_size=8", "steps=2, batch_size=2")
    )
    scope = {}
    exec(compile(text.replace("problems=50", "problems=2"), "real.py", "exec"), scope)
    assert capsys.readouterr().out == "strict 0.0\n" and scope["taken"].samples == 4
    raw = HF(str(tmp_path / "model")).build(0)
    assert any(not torch.equal(a, b) for a, b in zip(raw.parameters(), scope["lm"].parameters(), strict=True))


def test_tree_is_the_tree():
    """Kills: a file the README does not list, a listed file that is gone, a sentence that is not the file's own."""
    listed = dict(re.findall(r"^(\S+\.py) {2,}(.+)$", README, re.M))
    found = {}
    for folder in ("synth", "models", "studies", "figures"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            sentence = ast.get_docstring(ast.parse(path.read_text())).split("\n\n")[0].replace("\n", " ")
            found[str(path.relative_to(ROOT))] = sentence
    assert listed == found


def test_paths_in_prose_exist():
    """Kills: a path in backquotes that is not there (the two examples' own files excepted)."""
    examples = {"studies/stages/reward.py", "models/stages/emphasis.py"}
    paths = set(re.findall(r"`((?:synth|models|studies|figures|tests)/[\w./]+)`", README)) - examples
    assert all((ROOT / path).exists() for path in paths), paths
