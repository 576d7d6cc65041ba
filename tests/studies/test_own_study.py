"""A study in a file of the user's own is planned, run and shown from its folder, or refused in a sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_study import MINE

from interlude.models.native import choice
from interlude.studies.__main__ import main
from interlude.studies.cli import runs
from interlude.studies.execute.work import order, work
from interlude.studies.find import StudySpec, scale_named, the_study
from interlude.studies.refusal import Refused

SMALL = """
from interlude.studies.study import Arm, Study
from interlude.studies.verdicts import above, minus

SCALE = "nano"
CLAIMS = ???

def study(scale):
    base = scale.base()
    arms = Arm("none", base, equal=False), Arm("half", base + scale.midtrain(scale.arm_flops / 2))
    return Study(name="x", scale=scale.name, question="?", prediction="-", rule="-", arms=arms, exams=scale.exams(),
        seeds=(0,), base=base)
"""


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


@pytest.fixture
def mine(tmp_path, runs, monkeypatch, capsys):
    """``mine(text, "run", ...)`` is what a command prints, given this study as a new process would read it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("INTERLUDE_RESULTS", raising=False)
    file = tmp_path / "edited_study.py"

    def command(text: str, name: str, *words: str) -> str:
        sys.modules.pop(file.stem, None)
        file.write_text(text)
        capsys.readouterr()
        done = main([name, str(file), "--scale", "smoke", *words])
        out, error = capsys.readouterr()
        return out if done == 0 else error

    yield command
    sys.modules.pop(file.stem, None)


TEXT = MINE.replace("from models.sizes import WIDTH", "WIDTH = 32").replace("STEPS", "2")


def test_an_arm_that_was_removed_or_changed_is_no_dead_end(mine, tmp_path):
    """Kills: a study that is refused for ever once an arm was renamed; arms left out without a word; "in table" by
    names; rows of another recipe shown, or kept beside new ones of other seeds; a run that does not say where its table
    is."""
    ran = " ".join(mine(TEXT, "run").split())
    assert f"table: {tmp_path}/results/smoke/edited_study.csv" in ran
    fewer = TEXT.replace("(2, 3, 4)", "(2, 3)")
    shown = json.loads(mine(fewer, "show", "--json"))
    assert shown["left_out"] == ["rows4"] and {row["arm"] for row in shown["scores"]} == {"rows2", "rows3"}
    note = "left out, as the study has no such arms: rows4"
    assert note in mine(fewer, "show") and note not in mine(TEXT, "show")
    page = tmp_path / "page.html"
    assert note in " ".join(mine(fewer, "report", "--html", str(page)).split()) and note in page.read_text()
    renamed = TEXT.replace('f"rows{n}"', 'f"lines{n}"').replace('(("rows3", "rows2"),)', "()")
    assert "holds no arm that the study has, only rows2, rows3, rows4" in mine(renamed, "show")

    changed = TEXT.replace("Pretrain(steps=2, batch_size=n", "Pretrain(steps=1, batch_size=n")
    assert "another recipe" in mine(changed, "show")
    planned = json.loads(mine(changed, "plan", "--json"))["runs"]
    assert len(planned) == 6 and not any(run["in_table"] for run in planned)
    mine(changed, "run", "--seeds", "1")
    assert json.loads(mine(changed, "show", "--json"))["seeds"] == [1]
    planned = json.loads(mine(changed, "plan", "--json"))["runs"]
    assert [run["seed"] for run in planned if run["in_table"]] == [1, 1, 1]


def test_a_worker_with_another_file_says_so(mine, tmp_path, monkeypatch):
    """Kills: a KeyError of a task whose key is another, as its study's file was edited after the command was given."""
    mine(TEXT, "plan", "--json")
    monkeypatch.setenv("INTERLUDE_KERNELS", choice())  # a worker sets it
    sent = order(StudySpec(str(tmp_path / "edited_study.py"), "smoke"), "cpu")
    with pytest.raises(Refused, match="no task pretrain-0: .*was edited after the command was given"):
        work(sent.text, "pretrain-0", 1)


@pytest.mark.parametrize(
    ("name", "claims", "said"),
    [
        (
            "arm",
            'above("more", minus("halff", "none", "edge")),',
            "claim 'more' names .*'halff'; arms: none, half",
        ),
        (
            "band",
            'above("more", minus("half", "none", "egde")),',
            "'egde'.*at nano: .*zoo-ops11; bands: ID, edge, hard, OOD",
        ),
        ("world", 'above("more", minus("half", "none", "edge", world="mars")),', "'edge' in world 'mars'"),
        ("comma", 'above("more", minus("half", "none", "edge"))', "must be a tuple of claims.*its comma"),
        ("text", '"more",', "must be a tuple of claims.*a str"),
        ("good", 'above("more", minus("half", "none", "edge"), minus("half", "none", "OOD")),', ""),
    ],
)
def test_claims_are_checked_before_anything_is_trained(name, claims, said, tmp_path):
    """Kills: a misspelt arm or band that is found after hours of training and called "not run"; a claim without its
    comma, which ended ``show`` in a traceback; claims that are right refused."""
    (tmp_path / f"claimed_{name}.py").write_text(SMALL.replace("???", claims))
    spec = StudySpec(str(tmp_path / f"claimed_{name}.py"), "smoke", None, ("half",))
    if not said:
        assert [arm.name for arm in the_study(spec).arms] == ["half"]
        return
    with pytest.raises(Refused, match=said):
        the_study(spec)


def test_a_claim_may_be_on_an_exam_that_only_the_studys_own_scale_has(tmp_path):
    """Kills: a study that cannot be tried at smoke, as its claim is on an exam of nano."""
    path = tmp_path / "claimed_deeper.py"
    deepest = max(exam.name for exam in scale_named("nano").exams() if exam.name.startswith("zoo"))
    assert deepest not in [exam.name for exam in scale_named("smoke").exams()]
    path.write_text(SMALL.replace("???", f'above("more", minus("half", "none", "{deepest}")),'))
    assert the_study(StudySpec(str(path), "smoke")).scale == "smoke"
    path = tmp_path / "claimed_shallow.py"
    path.write_text(
        SMALL.replace("???", f'above("more", minus("half", "none", "{deepest}")),').replace("nano", "smoke")
    )
    with pytest.raises(Refused, match=deepest):
        the_study(StudySpec(str(path), "smoke"))


def test_the_readmes_study_reward_and_exam_run(tmp_path):
    """Kills: a page whose examples do not run; a claim that is not judged; measures of an exam of one's own that
    ``show --all`` does not print."""
    page = (Path(__file__).parents[2] / "studies" / "README.md").read_text()
    files = {text.split("\n")[0].removeprefix("# "): text for text in re.findall(r"```python\n(.*?)```", page, re.S)}
    assert set(files) == {"gentle.py", "my_reward.py", "my_exam.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ran = interlude(tmp_path, "run", "./gentle.py", "--scale", "smoke", "--seeds", "0", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(interlude(tmp_path, "show", "./gentle.py", "--scale", "smoke", "--json").stdout)
    claim, made = found["verdicts"][0], found["kinds"]["first_word"][0]
    assert claim["verdict"] == "open" and "one seed decides nothing" in claim["note"]
    assert (made["arm"], made["exam"], made["what"]) == ("gentle", "first word", "first") and made["mean"] < 0
    shown = interlude(tmp_path, "show", "./gentle.py", "--scale", "smoke", "--all")
    assert shown.returncode == 0, shown.stderr
    assert "first_word, mean of each measure" in shown.stdout and f"{made['mean']:.3f}" in shown.stdout


@pytest.mark.parametrize("variable", ["INTERLUDE_RESULTS", "INTERLUDE_RUNS"])
def test_folders_that_cannot_be_written_are_found_before_training(variable, tmp_path, monkeypatch, capsys):
    """Kills: hours of training whose table has no place; the wrong variable named."""
    for name in ("INTERLUDE_RESULTS", "INTERLUDE_RUNS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file" / "below"))
    monkeypatch.setattr(runs, "here", lambda *_: pytest.fail("it began"))
    path = tmp_path / f"placed_{variable}.py"
    path.write_text(SMALL.replace("???", "()"))
    assert main(["run", str(path), "--scale", "smoke", "--workers", "1", "--arms", "none"]) == 2
    said = capsys.readouterr().err
    assert f"set ${variable} to a folder" in said and "file/below cannot be written" in said
