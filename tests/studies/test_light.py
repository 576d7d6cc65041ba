"""Commands that only read committed tables and descriptions never load torch, which takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
COMMANDS = (
    "list",
    "problem",
    "show stages/quickstart --scale nano --json",
    "leaderboard --scale nano",
    "report stages/quickstart --scale nano --html {folder}/report.html",
    "show interplay --scale nano",
    "audit --scale smoke --problems 20",
)
CODE = """
import sys
from interlude.studies.__main__ import main
for command in sys.argv[1:]:
    assert main(command.split()) == 0, command
    assert not {'torch', 'transformers'} & set(sys.modules), command
"""


def test_reading_commands_load_no_torch(tmp_path):
    """Kills: an import of torch at the top of a stage, or a description that touches a tensor when it is made."""
    words = [sys.executable, "-c", CODE, *(command.format(folder=tmp_path) for command in COMMANDS)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr


def test_a_study_in_a_file_of_its_own_needs_no_torch(tmp_path):
    """Kills: a Study, Arm, Scale or method that can only be described where torch is loaded."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from interlude.models.stages.remit import ReMiT\n"
        "from interlude.studies.methods import alike\n"
        "from interlude.studies.stages.quickstart import study\n"
    )
    code = (
        "import sys; from interlude.studies.find import StudySpec, the_study\n"
        "found = the_study(StudySpec(sys.argv[1], 'smoke')).arms[0].recipe.key\n"
        "assert 'torch' not in sys.modules; print(found)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and len(done.stdout.strip()) == 64, done.stderr
