"""READMEs are executed: commands parse or run, code works from a folder of a user's own, file lists are the files."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from interlude.studies.__main__ import parser
from interlude.studies.evidence import band_scores
from interlude.studies.find import bands
from interlude.studies.results import load

ROOT = Path(__file__).parent.parent
PAGES = re.compile(r"(?<![\w/.*-])[\w.][\w./-]*\.md\b")
WRITTEN = {".py", ".md", ".toml", ".cpp", ".css"}
LAYERS = ("synth", "models", "studies", "figures")
README = (ROOT / "README.md").read_text()
FENCES = re.findall(r"^( *)```(\w*)\n(.*?)^ *```", README, re.S | re.M)
SHOWN = [line.strip().removeprefix("$ ") for _, kind, text in FENCES if not kind for line in text.splitlines()]
COMMANDS = sorted({line.split("#")[0].strip() for line in SHOWN if line.startswith("interlude ")})
OWN = {text.split("\n")[0].removeprefix("# "): text for _, kind, text in FENCES if kind == "python"}
(WORLD,) = [text for _, kind, text in FENCES if kind == "toml"]
# That of a world of one's own is tested where its file is: test_walk.
INSTANT = [c for c in COMMANDS if re.match("interlude (list|problem|plan stages)", c) and "garden" not in c]


def interlude(command: str, folder: Path, **more: str) -> subprocess.CompletedProcess:
    words = [sys.executable, "-m", "interlude.studies", *shlex.split(command)[1:]]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, env=os.environ | more)


def test_it_is_short():
    """Kills: a front door that grows into a paper."""
    assert len(README.encode()) <= 10_000


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command):
    """Kills: a command or option renamed in the program and not in the README."""
    parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", INSTANT)
def test_instant_commands_run(command, tmp_path):
    """Kills: a command that parses and then fails."""
    done = interlude(command, ROOT, INTERLUDE_RUNS=str(tmp_path))
    assert done.returncode == 0 and done.stdout, done.stderr


def test_the_problem_shown_is_what_the_program_prints():
    """Kills: a dialect or a generator that changed under the example."""
    (block,) = [text for _, kind, text in FENCES if "$ interlude problem" in text]
    command, shown = block.split("\n", 1)
    assert shown.strip() in interlude(command.removeprefix("$ "), ROOT).stdout


def test_its_first_table_is_what_show_prints():
    """Kills: a number or an interval of the table of the first run that `show stages/quickstart` does not print."""
    table, found = load("stages/quickstart", "nano"), {}
    for row in band_scores(table, bands("nano")):
        if row["k"] == 1:
            found[row["arm"], row["band"]] = [f"{row[name]:.2f}" for name in ("mean", "low", "high")]
    for arm, name in zip(table.arms, ("base", *table.arms[1:]), strict=True):
        ((band, *beyond),) = re.findall(rf"^\| {re.escape(name)} \| (.*) \| (.*) \| (.*) \|$", README, re.M)
        assert band == found[arm, "ID"][0]
        assert beyond == ["{} ({} to {})".format(*found[arm, at]) for at in ("edge", "hard")], name


def test_make_targets_exist():
    """Kills: a make target the README names and the Makefile lacks."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"^make (\w+)", "\n".join(text for _, _, text in FENCES), re.M))
    assert {"quickstart", "test"} <= named <= targets


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_lists_its_files(layer):
    """Kills: a file its README does not list, a listed file that is gone, a sentence that is not the file's own."""
    listed = dict(re.findall(r"^(\S+\.py) +(.+)$", (ROOT / layer / "README.md").read_text(), re.M))
    found = {}
    for path in sorted((ROOT / layer).rglob("*.py")):
        sentence = ast.get_docstring(ast.parse(path.read_text())).split("\n\n")[0].replace("\n", " ")
        found[str(path.relative_to(ROOT / layer))] = sentence
    assert listed == found


def written():
    """Files of code and prose that are tracked, or are about to be: not what runs and builds leave behind."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if Path(name).suffix in WRITTEN or Path(name).name in ("Makefile", "run")]


def test_every_page_that_is_cited_exists():
    """Kills: a docstring, a comment or a page that cites a .md file which the repository does not have."""
    files = [path for path in written() if path.exists()]
    cited = [(path, page) for path in files for page in PAGES.findall(path.read_text(encoding="utf-8"))]
    assert len(cited) > 10
    absent = [
        (str(p.relative_to(ROOT)), page) for p, page in cited if not any((f / page).exists() for f in (ROOT, p.parent))
    ]
    assert absent == []


def test_links_and_paths_exist():
    """Kills: a link or a path that is not there."""
    for readme in (path for path in written() if path.suffix == ".md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", readme.read_text()):
            assert (readme.parent / link).exists(), (readme, link)
    named = re.findall(r"^(\S+/\S*) {2,}\S", "\n".join(text for _, _, text in FENCES), re.M)
    assert named and all((ROOT / path).exists() for path in named), named
