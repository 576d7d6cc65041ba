"""Real processes that tests start, and kill."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def running(code: str, *arguments):
    """A real process, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def names(folder) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}
