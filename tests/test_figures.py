"""Figures come from committed tables alone, and the same table gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from crafted import rows

from figures import quickstart, style
from studies import results

REPOSITORY = Path(__file__).parent.parent
COMMITTED = results.path(quickstart.STUDY, quickstart.SCALE)


@pytest.fixture
def table(tmp_path):
    results.store(quickstart.STUDY, quickstart.SCALE, rows(), tmp_path)
    return tmp_path


@pytest.mark.skipif(not COMMITTED.exists(), reason="no quickstart has been committed yet")
def test_the_committed_figure_is_what_the_committed_table_draws():
    """Mutant: a table or a drawing changed without the other."""
    assert style.drawn(quickstart.draw()) == (style.FOLDER / "quickstart.svg").read_bytes()


def test_drawing_is_deterministic_and_follows_the_data(table):
    """Mutants: a date or a random id in the SVG; a figure that does not look at its table."""
    first = style.drawn(quickstart.draw(table))
    assert first == style.drawn(quickstart.draw(table))
    program = (
        "import sys; from pathlib import Path; from figures import quickstart, style\n"
        "sys.stdout.buffer.write(style.drawn(quickstart.draw(Path(sys.argv[1]))))\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", program, str(table)], cwd=REPOSITORY, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == first
    assert b"<dc:date>" not in first
    results.store(quickstart.STUDY, quickstart.SCALE, rows(seeds=(0, 1, 2)), table)
    assert style.drawn(quickstart.draw(table)) != first


def test_the_bands_drawn_are_those_of_the_scale():
    """Mutant: the scale recalibrated and the figure left shading the old bands."""
    from studies.scales import SCALES

    scale = SCALES[quickstart.SCALE]
    assert quickstart.BANDS == {"ID": scale.band, "edge": scale.edge, "hard": scale.hard}


def test_a_missing_or_edited_table_is_refused(table):
    """Mutant: a figure drawn from whatever is there."""
    with pytest.raises(FileNotFoundError, match="no results"):
        quickstart.draw(table / "nowhere")
    where = results.path(quickstart.STUDY, quickstart.SCALE, table)
    where.write_text(where.read_text().replace("school", "zchool", 1))
    with pytest.raises(ValueError, match="edited"):
        quickstart.draw(table)


def test_colours_differ_for_every_arm_and_role():
    """Mutant: a palette too short, so that two roles share a colour."""
    assert len(set(style.ROLE_COLOURS)) >= len(results.ROLES) and len(set(style.PALETTE)) >= len(style.PALETTE)
