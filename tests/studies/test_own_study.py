"""A study in a file of the user's own is planned, run and shown from its folder, or refused in a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from own_study import MINE


def interlude(folder: Path, *words: str) -> subprocess.CompletedProcess:
    plain = {name: value for name, value in os.environ.items() if name not in ("INTERLUDE_RUNS", "INTERLUDE_RESULTS")}
    environment = plain | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    call = [sys.executable, "-m", "interlude.studies", *words]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def test_a_file_of_ones_own_is_planned_run_shown_and_reported(tmp_path):
    """Mutants: a models/ folder beside it taken for ours, or ours for it; its table among the committed ones; its name
    taken from inside; workers that do not find it; a report that looks for its topic among ours."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    (tmp_path / "models" / "sizes.py").write_text("WIDTH = 32\n")
    (tmp_path / "my_study.py").write_text(MINE.replace("STEPS", "2"))
    (tmp_path / "my_scale.py").write_text(
        "from dataclasses import replace\nfrom interlude.studies.scales import SMOKE\n"
        'TINY = replace(SMOKE, name="mini")\n'
    )
    planned = interlude(tmp_path, "plan", "./my_study.py", "--scale", "smoke", "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["study"] == "my_study"
    for words in (("--scale", "smoke", "--workers", "2"), ("--scale", "./my_scale.py:TINY", "--workers", "1")):
        ran = interlude(tmp_path, "run", "./my_study.py", *words)
        assert ran.returncode == 0, ran.stderr
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("results/*/*.csv")) == [
        "results/mini/my_study.csv", "results/smoke/my_study.csv",
    ]  # fmt: skip
    assert (tmp_path / "runs").is_dir()
    shown = interlude(tmp_path, "show", "./my_study.py", "--scale", "smoke", "--json")
    assert shown.returncode == 0 and json.loads(shown.stdout)["study"] == "my_study", shown.stderr
    report = interlude(tmp_path, "report", "./my_study.py", "--scale", "smoke", "--html", "mine.html")
    assert report.returncode == 0 and "<h1>my_study</h1>" in (tmp_path / "mine.html").read_text(), report.stderr


@pytest.mark.parametrize(
    "name, text, words, named",
    [
        ("gone.py", None, (), "there is no file"),
        ("empty.py", "X = 1\n", (), "does not define study(scale)"),
        ("json.py", "X = 1\n", (), "rename it"),
        ("wrong.py", "def study(scale):\n    return 3\n", (), "must return a Study, not a int"),
        ("fine.py", "def study(scale):\n    return 3\n", ("--scale", "own/fine.py:BIG"), "defines no scale 'BIG'"),
    ],
)
def test_files_that_hold_no_study_are_refused(name, text, words, named, tmp_path):
    """Mutants: a traceback; a module of ours or of Python's replaced by a file that has its name."""
    (tmp_path / "own").mkdir()
    if text is not None:
        (tmp_path / "own" / name).write_text(text)
    done = interlude(tmp_path, "plan", f"own/{name}", *words)
    assert done.returncode == 2 and named in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
