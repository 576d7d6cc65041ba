"""Where result tables lie: committed beside the code, or in the user's own folder (loads nothing heavy)."""

from __future__ import annotations

import os
from pathlib import Path

COMMITTED = Path(__file__).parent / "results"
FOLDER = Path(os.environ.get("INTERLUDE_RESULTS", COMMITTED))  # elsewhere, to keep one's own runs apart


def path(study: str, scale: str, folder: Path = FOLDER) -> Path:
    """Where a study's table lies: ``results/<scale>/<topic>.<question>.csv``."""
    return folder / scale / f"{study.replace('/', '.')}.csv"


def curves_path(study: str, scale: str, folder: Path = FOLDER) -> Path:
    """Where a study's training curves lie: ``results/<scale>/<topic>.<question>.curves.csv``."""
    return path(study, scale, folder).with_suffix(".curves.csv")
