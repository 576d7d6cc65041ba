"""What committed tables decide: each study's verdicts are done over again from its CSV with pandas and scipy alone."""

import importlib
from pathlib import Path

import pytest
from recompute import agree

from interlude.studies import places
from interlude.studies.find import bands, names
from interlude.studies.results import load
from interlude.studies.verdicts import decide


def claims(name: str):
    return getattr(importlib.import_module(f"interlude.studies.{name.replace('/', '.')}"), "CLAIMS", ())


DECIDED = [name for name in names() if claims(name) and places.path(name, "nano", places.COMMITTED).exists()]


def test_some_study_is_decided():
    """Kills: tables that moved, so that nothing below is looked at."""
    assert "interplay/depth_carried" in DECIDED


@pytest.mark.parametrize("name", DECIDED)
def test_a_second_opinion_comes_to_the_same_verdicts(name):
    """Kills: a verdict that rests on our statistics alone."""
    found = load(name, "nano", places.COMMITTED)
    agree(
        Path(places.path(name, "nano", places.COMMITTED)),
        claims(name),
        bands("nano"),
        decide(claims(name), found, bands("nano")),
    )
