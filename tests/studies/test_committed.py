"""What committed tables decide: each study's verdicts are done over again from its CSV with pandas and scipy alone."""

import importlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from recompute import agree, pass_at_k, table
from scipy import stats

from interlude.studies import places
from interlude.studies.find import bands, names, own_scale
from interlude.studies.results import load
from interlude.studies.scales import SCALES
from interlude.studies.stats import variance_shares
from interlude.studies.verdicts import decide

PAGE = Path(__file__).parents[2] / "studies" / "interplay" / "README.md"


def claims(name: str):
    return getattr(importlib.import_module(f"interlude.studies.{name.replace('/', '.')}"), "CLAIMS", ())


DECIDED = [
    (name, scale)
    for name in names()
    for scale in dict.fromkeys((*SCALES, own_scale(name)))
    if claims(name) and places.path(name, scale, places.COMMITTED).exists()
]


def test_some_study_is_decided():
    """Kills: tables that moved, so that nothing below is looked at."""
    assert ("interplay/depth_carried", "nano") in DECIDED


@pytest.mark.parametrize(("name", "scale"), DECIDED)
def test_a_second_opinion_comes_to_the_same_verdicts(name, scale):
    """Kills: a verdict that rests on our statistics alone."""
    found = load(name, scale, places.COMMITTED)
    if len(found.seeds) == 1:
        pytest.skip("one seed has no interval and decides nothing")
    verdicts = decide(claims(name), found, bands(scale))
    agree(Path(places.path(name, scale, places.COMMITTED)), claims(name), bands(scale), verdicts)


PAIRED = {  # rows of the page's table of false positives: study, scale, exams
    "`nano`, 1 to 11": ("interplay/depth_carried", "nano", [f"zoo-ops{n}" for n in range(1, 12)]),
    "`nano-shuffled`, 1 to 8": ("interplay/planning", "nano-shuffled", [f"zoo-ops{n}" for n in range(1, 9)]),
    "`nano-shuffled`, chains": (
        "interplay/planning", "nano-shuffled",
        [f"zoo-{band}-{order}" for order in ("chains", "any-order") for band in ("edge", "hard")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", PAIRED)
def test_false_positives_on_the_page_are_those_of_the_same_arm_twice(row):
    """Kills: a page whose rates no table gives; one arm for the other; other patterns of signs than all."""
    study, scale, exams = PAIRED[row]
    rows = table(places.path(study, scale, places.COMMITTED))
    rows = rows[rows.arm.isin(("RL", "RL, other rollouts"))].sort_values("seed")
    signs = np.array(list(product((1, -1), repeat=8)))
    rates = []
    for k in (1, 128):
        for exam in exams:
            own = rows[rows.exam == exam]
            means = [
                np.array([pass_at_k(each, k, "strict").mean() for _, each in own[own.arm == arm].iterrows()])
                for arm in ("RL", "RL, other rollouts")
            ]
            p = stats.ttest_1samp(signs * (means[1] - means[0]), 0, axis=1).pvalue
            rates.append(f"{(p < 0.05).mean():.2f}")
    (line,) = [each for each in PAGE.read_text().splitlines() if each.startswith(f"| {row}")]
    assert line.split("|")[2].split() + line.split("|")[3].split() == rates


def test_what_the_notebook_says_of_bases_follows_from_their_table():
    # Mutants: problems and weights exchanged in the notebook; a table that was run again without it.
    rows = table(places.path("stages/base_seeds", "nano", places.COMMITTED))
    edge = rows[rows.exam.isin([f"zoo-ops{n}" for n in SCALES["nano"].edge])]
    scores = edge.assign(score=[pass_at_k(row, 1, "strict").mean() for _, row in edge.iterrows()])
    found = scores.pivot_table("score", "arm", "seed")
    said = variance_shares(found.to_numpy())
    rest = found.sub(found.mean(axis=1), axis=0).sub(found.mean(axis=0)).add(found.to_numpy().mean())
    noise = (rest**2).to_numpy().sum() / 9
    parts = [max(0.0, found.mean(axis=axis).var() - noise / 4) for axis in (1, 0)]
    assert [share for share, _ in said.values()] == pytest.approx([*parts, noise] / np.sum([*parts, noise]))
    notebook = " ".join((Path(places.__file__).parents[1] / "studies/log/base.md").read_text().split())
    (problems, p), (weights, q), (alone, _) = said.values()
    assert (
        f"problems {problems:.2f} (p = {p:.2f}), weights {weights:.2f} ({q:.2f}), the pair alone {alone:.2f}"
        in notebook
    )
    for arm, row in found.iterrows():
        assert f"| {arm.split()[-1]} | {' | '.join(f'{each:.2f}' for each in row)} |" in notebook
