"""A stranger's walk: a wheel, a fresh virtual environment, and the README's own method, study, scale and world in a
folder that holds a `models/` of the user's own."""

import os
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from test_readme import OWN, README, ROOT, SHOWN, WORLD

pytest.importorskip("setuptools", minversion="70.1")  # builds wheels by itself; extra [dev] brings it


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of programs of a virtual environment in which the built wheel is installed, and nothing else; what it
    depends on is found where this test's own interpreter has it."""
    built, home = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("fresh")
    copied = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(copied, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (built / name).parent.mkdir(parents=True, exist_ok=True)
            (built / name).write_bytes((ROOT / name).read_bytes())
    code = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", code], cwd=built, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    reachable = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "reachable.pth").write_text("\n".join(reachable) + "\n")
    (wheel,) = (built / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
    done = subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The user's folder: the README's files, and a package of the user's own that must not be taken for ours."""
    folder = tmp_path_factory.mktemp("user")
    for name, text in OWN.items():
        (folder / name).write_text(text)
    (folder / "garden.toml").write_text(WORLD)
    (folder / "models").mkdir()
    (folder / "models" / "__init__.py").write_text("raise RuntimeError('the user has a package of this name')\n")
    return folder


def walk(installed: Path, folder: Path, command: str) -> str:
    """What a command prints that is typed in the user's folder."""
    program, *words = shlex.split(command)
    surroundings = {name: text for name, text in os.environ.items() if not name.startswith(("INTERLUDE", "PYTHON"))}
    surroundings |= {"INTERLUDE_WORLDS": "."}
    done = subprocess.run(
        [str(installed / program), *words], cwd=folder, env=surroundings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(word: str) -> list[str]:
    return [line.split("#")[0].strip() for line in SHOWN if line.startswith("interlude ") and word in line]


def test_the_walk_is_the_readmes():
    """Kills: a file that the README names and does not show, a command without a test here."""
    assert set(OWN) == {"my_method.py", "my_study.py", "my_scale.py"} and "garden.toml" in README
    assert len(commands("my_")) == 5 and len(commands("garden")) == 1


def test_what_is_installed_is_the_wheel(installed, folder):
    """Kills: a package or a data file left out of the wheel; the repository's own files found in its place."""
    code = "import interlude.studies.find as f, torch; print(f.__file__)"
    found = subprocess.run([str(installed / "python"), "-c", code], cwd=folder, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(installed.parent), found.stderr
    assert "stages/quickstart" in walk(installed, folder, "interlude list")
    assert "RL" in walk(installed, folder, "interlude show stages/quickstart --scale nano")


def test_a_study_of_ones_own(installed, folder):
    """Kills: an interface of stages or studies that moved away from the README; a table beside our code."""
    run, _, show = [each for each in commands("./my_study.py") if "my_scale" not in each]
    walk(installed, folder, run)
    assert "emphasis" in walk(installed, folder, show.replace("nano", "smoke"))
    assert (folder / "results" / "smoke" / "my_study.csv").exists() and (folder / "runs").is_dir()


def test_a_scale_and_a_world_of_ones_own(installed, folder):
    """Kills: scales or worlds that only the repository may define."""
    (plan,), (problem,) = commands("my_scale.py:LONGER"), commands("garden")
    assert "at longer" in walk(installed, folder, plan)
    assert set(walk(installed, folder, problem).split()) & {"roses", "tulips", "lilies", "ferns"}


def test_a_method_of_ones_own_on_the_leaderboard(installed, folder):
    """Kills: a method that has to be registered; controls that are not trained beside it; arms of unequal budget."""
    (command,) = commands("my_method.py:Emphasis")
    printed = walk(installed, folder, command)
    assert "Emphasis on the leaderboard at smoke" in printed
    assert all(row in printed for row in ("Emphasis", "NTP: alone", "pre-training: + RL", "open"))
    assert (folder / "results" / "smoke" / "midtraining.leaderboard.csv").exists()
