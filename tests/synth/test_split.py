"""The split: no stream of one side ever yields a problem of the other, whatever the world, the order or the dialect."""

import dataclasses

import pytest
from test_graph import relabelled

from interlude.synth.audit import audit, overlap
from interlude.synth.graph import Graph, Shape
from interlude.synth.problem import HELD_OUT_SHARE
from interlude.synth.rng import rng
from interlude.synth.source import Mixture, Source


def side(problem):
    """The side of the same problem written down afresh, with its nodes in another order."""
    return relabelled(rng("side"), problem.graph).canonical % HELD_OUT_SHARE == 0


def test_twenty_thousand_draws_never_cross_over():
    """Mutants: one attempt too few, the split ignored in a mixture, a side that depends on the labelling."""
    shape = Shape(reuse=0.2, literals=0.1)
    train = Mixture(((0.5, Source(ops=(1, 4), shape=shape)), (0.5, Source(ops=(1, 4), mode="reverse", world="school"))))
    exam = Mixture(
        tuple(
            (0.5, dataclasses.replace(part, split="held_out", order="shuffled", dialect="prose"))
            for _, part in train.parts
        )
    )
    trained, examined = set(), set()
    for i in range(18_000):
        problem = train.problem("train", i)
        assert not problem.held_out
        trained.add(problem.graph.canonical)
        assert i % 20 or not side(problem)
    for i in range(2_000):
        problem = exam.problem("train", i)
        assert problem.held_out
        examined.add(problem.graph.canonical)
        assert i % 20 or side(problem)
    assert trained.isdisjoint(examined)
    assert len(trained) > 5_000 and len(examined) > 500


def test_share_of_the_held_out_side():
    """Mutants: an inverted split; a hash whose low bits are not uniform."""
    for mode in ("forward", "reverse"):
        report = audit(Source(ops=(3, 10), mode=mode, split="any"), problems=1500)
        assert report.held_out == pytest.approx(1 / 8, abs=0.03)
    assert audit(Source(ops=(1, 3)), 200).held_out == 0
    assert audit(Source(ops=(1, 3), split="held_out"), 50).held_out == 1


def test_audit_finds_no_overlap_across_the_split_and_plenty_within():
    """Mutant: an overlap that compares texts, or nothing."""
    train, exam = Source(ops=(1, 2)), Source(ops=(1, 2), split="held_out")
    assert overlap(train, exam, 1000) == 0
    assert overlap(train, dataclasses.replace(train, world="school", order="shuffled"), 1000) > 100


def test_a_side_without_structures_is_an_error():
    """Mutant: an endless loop. Modulo 2 a lone product has one structure, so one side is empty."""
    shape, outcomes = Shape(operations=("*",)), []
    for split in ("train", "held_out"):
        try:
            outcomes.append(Source(ops=(1, 1), modulus=2, shape=shape, split=split).problem("lone", 0).held_out)
        except ValueError as error:
            assert "Source.split" in str(error)
            outcomes.append("none")
    assert sorted(map(str, outcomes)) in (["False", "none"], ["True", "none"])


def test_the_unknown_is_part_of_the_structure():
    """Mutant: a hash that ignores which leaf is asked for, so that all reverse problems of a graph fall on one side."""
    problem = Source(ops=(6, 6), mode="reverse", shape=Shape(reuse=0)).problem("unknown", 0)
    graph = problem.graph
    leaves = [i for i, node in enumerate(graph.nodes) if not node.args]
    hashes = {Graph(graph.nodes, 7, leaf).canonical for leaf in (*leaves, None)}
    assert len(hashes) == len(leaves) + 1
