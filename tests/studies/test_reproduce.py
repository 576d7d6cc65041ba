"""One command a figure: every figure has its study, the price is said first, and what fails or stops says so."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from interlude.figures import style
from interlude.figures.__main__ import NAMES
from interlude.studies import results
from interlude.studies.find import figures, names


def reproduce(where, *words: str, **more) -> subprocess.CompletedProcess:
    environment = {**os.environ, "INTERLUDE_RUNS": str(where / "runs"), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "interlude.studies", "reproduce", *words]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, **more)


def test_every_figure_has_its_studies():
    """Mutants: a figure that no study names; a study that names a figure nobody draws, or not each that draws it; a
    study forgotten where a figure has two."""
    assert sorted(figures()) == sorted(NAMES)
    for figure, drawn_from in figures().items():
        text = (style.COMMITTED / f"{figure}.py").read_text()
        drawn = {name for name in names() if f'"{name}"' in text}
        known = {name for name, _ in drawn_from}
        assert known <= set(names()) and drawn <= known, figure
    assert figures()["interplay_planning"] == (
        ("interplay/depth_carried", "nano"), ("interplay/planning", "nano-shuffled"),
    )  # fmt: skip
    # Mutant: a study that no longer says at which scales its figure is drawn, so that TWICE, below, forgets it.
    assert set(TWICE) == {"interplay_reward_guessing", "stages_ladder"}


TWICE = {figure: tables for figure, tables in figures().items() if len({study for study, _ in tables}) < len(tables)}


@pytest.mark.parametrize("figure", TWICE)
def test_a_figure_of_one_study_at_two_scales_needs_both_tables_and_no_more(tmp_path, figure):
    """Mutant: the table of the study's own scale alone, so that the figure cannot be drawn after all its runs."""
    draw = importlib.import_module(f"interlude.figures.{figure}").draw
    copies = []
    for study, scale in TWICE[figure]:
        copies.append(results.path(study, scale, tmp_path))
        copies[-1].parent.mkdir(exist_ok=True)
        shutil.copy(results.path(study, scale), copies[-1])
    assert draw(tmp_path).axes
    for copy in copies:
        copy.rename(copy.with_suffix(".away"))
        with pytest.raises(FileNotFoundError, match=f"at scale {copy.parent.name} yet"):
            draw(tmp_path)
        copy.with_suffix(".away").rename(copy)


@pytest.mark.parametrize("figure, study", [("interplay_fig06_mid_or_rl", "mid_or_rl"), ("quickstart", "quickstart")])
def test_the_price_is_said_and_nothing_is_done(tmp_path, figure, study):
    """Mutants: --plan that runs; hours of all runs though some are done, or of none."""
    done = reproduce(tmp_path, figure, "--seeds", "0", "--plan")
    assert done.returncode == 0, done.stderr
    assert f"/{study} at nano" in done.stdout
    assert re.search(r"take about \d+ (h|min|s)\b.* in one process here", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_of_two_studies_prices_both_at_their_own_scales(tmp_path):
    """Mutants: the first study alone; both at one scale."""
    done = reproduce(tmp_path, "interplay_planning", "--seeds", "0", "--plan")
    assert done.returncode == 0, done.stderr
    assert "interplay/depth_carried at nano," in done.stdout and "interplay/planning at nano-shuffled," in done.stdout


@pytest.mark.slow
def test_a_figure_is_drawn_from_ones_own_runs(tmp_path):
    """Mutants: the committed table drawn; a table that lies elsewhere; a second call that trains again."""
    done = reproduce(tmp_path, "quickstart", "--seeds", "0", timeout=3000)
    assert done.returncode == 0, done.stderr
    drawn = tmp_path / "reproduced" / "quickstart.svg"
    assert f"drawn from your own runs: {drawn}" in done.stdout and drawn.stat().st_size > 10_000
    assert (tmp_path / "reproduced" / "nano" / "stages.quickstart.csv").exists()
    again = reproduce(tmp_path, "quickstart", "--seeds", "0", timeout=300)
    runs = again.stdout.split("\n")[1].split()
    assert again.returncode == 0 and runs[0] == runs[2], again.stdout
