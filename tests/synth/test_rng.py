"""Streams: neighbouring paths share nothing, and a stream is the same in every process
and whatever was drawn before."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from interlude.synth.rng import below, between, key, rng, shuffle, uniforms, weighted
from interlude.synth.source import Source

ROOT = Path(__file__).parents[2]
PATHS = [("train", seed, index) for seed in range(20) for index in range(100)]
DIGEST = """
import hashlib
from interlude.synth.graph import Shape
from interlude.synth.source import Source
from interlude.synth.rng import uniforms
digest = hashlib.sha256(uniforms("a", 1, n=50).tobytes())
for mode in ("forward", "reverse"):
    for dialect in ("terse", "prose"):
        shape = Shape(fan_in=3, literals=0.2)
        source = Source(ops=(1, 8), mode=mode, dialect=dialect, shape=shape, connected=(0, 2), order="shuffled")
        for i in range(20):
            problem = source.problem("hash seed", i)
            digest.update(f"{problem.question} {problem.solution} {problem.graph.canonical}".encode())
print(digest.hexdigest())
"""


def test_neighbouring_paths_share_no_number():
    """Mutant: seed + index, whose neighbouring seeds share all but one stream; or numpy's padded seed lists."""
    scalars = [rng(*path).random() for path in PATHS]
    assert len(set(scalars)) == len(PATHS)
    windows = np.concatenate([uniforms(*path, n=64) for path in PATHS[:400]])
    assert len(np.unique(windows)) == windows.size  # no stream is a shifted copy of another either


def test_keys_tell_paths_apart():
    """Mutant: joining the parts without their types or lengths."""
    paths = [
        (),
        (0,),
        (0, 0),
        ("0",),
        (1, 2),
        (1, 2, 0),
        (12,),
        ("1", "2"),
        ("1/i2",),
        ("1", 2),
        ("ab", "c"),
        ("a", "bc"),
        (-1,),
    ]
    assert len({key(*path) for path in paths}) == len(paths)
    assert all(0 <= key(*path) < 2**128 for path in paths)


@pytest.mark.parametrize("part", [1.0, True, None, (1,), np.int64(1)])
def test_key_refuses_parts_without_a_stable_spelling(part):
    """Mutant: str(part), under which 1.0, True and an object's address become names."""
    with pytest.raises(TypeError, match="random path"):
        key("a", part)


def test_neighbouring_problem_streams_do_not_overlap():
    """Mutant: leaving part of the path out of a problem's stream."""
    source = Source(ops=(10, 10))
    questions = [source.problem("train", seed, index).question for seed in (42, 43) for index in range(150)]
    assert len(set(questions)) == len(questions)


def test_nothing_drawn_before_matters():
    """Mutant: a module-level generator, or use of the global ones."""
    source = Source(ops=(1, 6), mode="reverse")
    expected = [source.problem("a", i) for i in range(10)]
    source.problem("b", 7)
    random.seed(3)
    random.random()
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert [source.problem("a", i) for i in reversed(range(10))] == expected[::-1]
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


def test_same_text_in_every_process():
    """Mutant: iterating over a set of strings, or Python's salted ``hash``."""
    digests = set()
    for seed in "012":
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PATH": ""}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(run.stdout)
    assert len(digests) == 1 and len(digests.pop().strip()) == 64


def test_small_draws():
    """Mutants: an end that is never drawn, a shuffle that loses an item, a weight of zero that is drawn."""
    draw = rng("small")
    assert {below(draw, 3) for _ in range(100)} == {0, 1, 2}
    assert {between(draw, 2, 4) for _ in range(100)} == {2, 3, 4}
    assert {weighted(draw, (0.0, 0.5, 0.0, 0.5, 0.0)) for _ in range(200)} == {1, 3}
    orders = set()
    for _ in range(200):
        items = [0, 1, 2]
        shuffle(draw, items)
        orders.add(tuple(items))
    assert orders == {(a, b, 3 - a - b) for a in range(3) for b in range(3) if a != b}
