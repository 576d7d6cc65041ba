"""Graphs: the exact number of operations, values an independent evaluation agrees with,
and a hash blind to naming only."""

import dataclasses
import itertools

import pytest

from interlude.synth.graph import GIVEN, LITERAL, Graph, Node, Shape, draw, evaluate, isomorphic, similarity
from interlude.synth.rng import rng, shuffle

SHAPES = {
    "default": Shape(),
    "chain": Shape(width=0, reuse=0),
    "bushy": Shape(width=1, reuse=0),
    "wide": Shape(width=0.8),  # at width 1 branches can only alternate with merges, and depth steps at odd ops
    "reused": Shape(reuse=0.8),
    "literal": Shape(literals=0.5),
    "all literal": Shape(literals=1),
    "fan-in 3": Shape(fan_in=3),
    "fan-in 5": Shape(fan_in=5, reuse=0.3, literals=0.3, width=0.6),
    "plus": Shape(operations=("+",)),
    "times": Shape(operations=("*",), fan_in=3),
}
CASES = [(name, modulus, reverse) for name in SHAPES for modulus in (7, 23, None) for reverse in (False, True)]
CASES = [c for c in CASES if c[1] or (SHAPES[c[0]].fan_in == 2 and "-" in SHAPES[c[0]].operations)]


def graphs(name, modulus, reverse, per_ops=3, most=20):
    for ops in range(1, most + 1):
        for i in range(per_ops):
            yield ops, draw(rng("graph", name, str(modulus), int(reverse), ops, i), ops, SHAPES[name], modulus, reverse)


@pytest.mark.parametrize("name, modulus, reverse", CASES)
def test_exact_operations_values_and_necessity(name, modulus, reverse):
    """Mutants: an operation too many or too few; a value not computed from its operands; a loose end nothing consumes;
    an operand named twice; an unknown that another path also reaches; a leaf or result out of range."""
    for ops, graph in graphs(name, modulus, reverse):
        assert sum(len(node.args) - 1 for node in graph.nodes if node.args) == ops == graph.ops
        assert oracle(graph) == evaluate(graph) == graph.nodes[-1].value
        assert ancestors(graph) == set(range(len(graph.nodes)))
        for index, node in enumerate(graph.nodes):
            assert all(0 <= arg < index for arg in node.args) and len(set(node.args)) == len(node.args)
            assert 0 <= node.value <= (999 if modulus is None else modulus - 1)
            assert len(node.args) <= SHAPES[name].fan_in and (node.op != "-" or len(node.args) == 2)
            assert not (node.op == "*" and any(graph.nodes[arg].value == 0 for arg in node.args))
        if reverse:
            assert graph.nodes[graph.unknown].op == GIVEN
            assert paths_to_root(graph, graph.unknown) == 1
        else:
            assert graph.unknown is None


def oracle(graph):
    """The root by Python's own integers and one eval, no shared code."""
    spelled = []
    for node in graph.nodes:
        text = f" {node.op} ".join(spelled[arg] for arg in node.args) if node.args else str(node.value)
        value = eval(text)  # our own digits and signs
        spelled.append(str(value % graph.modulus if graph.modulus else value))
    return int(spelled[-1])


def ancestors(graph):
    reached, waiting = set(), [len(graph.nodes) - 1]
    while waiting:
        index = waiting.pop()
        if index not in reached:
            reached.add(index)
            waiting += graph.nodes[index].args
    return reached


def paths_to_root(graph, leaf):
    counts = [int(index == leaf) for index in range(len(graph.nodes))]
    for index, node in enumerate(graph.nodes):
        counts[index] += sum(counts[arg] for arg in node.args)
    return counts[-1]


def relabelled(draw_, graph):
    """The same problem: another topological order of the nodes, and operands of + and * in another order."""
    left, place, nodes = list(range(len(graph.nodes))), {}, []
    while left:
        ready = [i for i in left if all(a in place for a in graph.nodes[i].args)]
        shuffle(draw_, ready)
        node = graph.nodes[ready[0]]
        args = [place[a] for a in node.args]
        if node.op != "-":
            shuffle(draw_, args)
        place[ready[0]] = len(nodes)
        nodes.append(Node(node.op, tuple(args), node.value))
        left.remove(ready[0])
    return Graph(tuple(nodes), graph.modulus, None if graph.unknown is None else place[graph.unknown])


@pytest.mark.parametrize("reverse", [False, True])
def test_canonical_is_blind_to_labels_and_order(reverse):
    """Mutants: hashing indices, or operand order where it means nothing."""
    moved = 0
    for name in ("default", "reused", "fan-in 5"):
        for ops, graph in graphs(name, 7, reverse, per_ops=2, most=12):
            copy = relabelled(rng("relabel", name, ops), graph)
            assert copy.canonical == graph.canonical
            assert isomorphic(copy, graph)
            moved += copy.nodes != graph.nodes
    assert moved > 50


@pytest.mark.parametrize("reverse", [False, True])
def test_canonical_agrees_with_isomorphism(reverse):
    """Mutants: forgetting values, the order of a difference, sharing,
    which leaf is asked for, or the value of a given root.

    Small graphs over a small modulus, so that many pairs are alike (networkx VF2 decides)."""
    shape = Shape(width=0.5, reuse=0.5, fan_in=3)
    drawn = [draw(rng("pairs", i), 1 + i % 3, shape, 3, reverse) for i in range(150)]
    same = 0
    for a, b in itertools.combinations(drawn, 2):
        if len(a.nodes) == len(b.nodes):
            equal = isomorphic(a, b)
            same += equal
            assert (a.canonical == b.canonical) == equal, (a, b)
        else:
            assert a.canonical != b.canonical
    assert same > 20


def test_canonical_sees_sharing():
    """Mutant: hashing the unfolded expression, in which one quantity used twice
    equals two quantities of equal value."""
    leaf = Node(GIVEN, (), 2)
    shared = Graph((leaf, leaf, Node("+", (0, 1), 4), Node("*", (2, 0), 1)), 7)
    apart = Graph((leaf, leaf, leaf, Node("+", (0, 1), 4), Node("*", (3, 2), 1)), 7)
    assert shared.canonical != apart.canonical
    crossed = [Node(GIVEN, (), v) for v in (3, 3, 1, 2)]
    middle = [Node("+", (0, 2), 4), Node("*", (1, 3), 6)]
    for again, other in itertools.permutations(((0,), (1,)), 2):
        one = Graph((*crossed, *middle, Node("-", (4, *again), 1), Node("+", (5, 6), 0)), 7)
        two = Graph((*crossed, *middle, Node("-", (4, *other), 1), Node("+", (5, 6), 0)), 7)
        assert one.canonical != two.canonical and not isomorphic(one, two)
    first, second = (
        Graph((leaf, leaf, leaf, Node("-", (0, 1), 0), Node("+", (2, twice), 4), Node("-", (3, 4), 3)), 7)
        for twice in (0, 1)
    )
    assert first.canonical != second.canonical and not isomorphic(first, second)


def test_canonical_treats_a_literal_as_a_given():
    """Mutant: a held-out problem trained on with one number in place of a noun."""
    named = Graph((Node(GIVEN, (), 2), Node(GIVEN, (), 3), Node("+", (0, 1), 5)), 7)
    bare = dataclasses.replace(named, nodes=(Node(LITERAL, (), 2), *named.nodes[1:]))
    assert named.canonical == bare.canonical


@pytest.mark.parametrize("name, reverse", [("default", False), ("default", True), ("wide", False), ("fan-in 5", False)])
def test_distribution_is_smooth_in_ops(name, reverse):
    """Mutants: a shape that depends on ops (a different regime above some depth),
    a chain where branches were asked for."""
    measures = {"depth": [], "leaves": [], "statements": []}
    for ops in range(1, 21):
        drawn = [draw(rng("smooth", ops, i), ops, SHAPES[name], 7, reverse) for i in range(120)]
        measures["depth"].append(mean(graph.depth for graph in drawn))
        measures["leaves"].append(mean(sum(not node.args for node in graph.nodes) for graph in drawn))
        measures["statements"].append(mean(sum(bool(node.args) for node in graph.nodes) for graph in drawn))
    for measure, values in measures.items():
        steps = [b - a for a, b in itertools.pairwise(values)]
        assert values[-1] > 2 * values[0], measure
        assert all(-0.35 < step < 1.35 for step in steps), (measure, steps)  # 120 draws: the mean's error is below 0.2
        coarse = [b - a for a, b in itertools.pairwise(values[::4])]
        assert min(coarse) > 0.3 * max(coarse), (measure, values)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_width_and_reuse_do_what_they_say():
    """Mutants: width or reuse ignored."""
    depths, leaves = {}, {}
    for width, reuse in ((0, 0), (1, 0), (0, 0.7)):
        drawn = [draw(rng("width", i), 10, Shape(width=width, reuse=reuse), 7, False) for i in range(60)]
        depths[width, reuse] = mean(graph.depth for graph in drawn)
        leaves[width, reuse] = mean(sum(not node.args for node in graph.nodes) for graph in drawn)
    assert depths[0, 0] == 10 and depths[1, 0] < 7
    assert leaves[0, 0] == leaves[1, 0] == 11 and leaves[0, 0.7] < 7


@pytest.mark.parametrize(
    "field, value",
    [("width", 1.1), ("reuse", -0.1), ("literals", 2), ("fan_in", 1), ("operations", ()), ("operations", ("+", "/")),
     ("operations", ("+", "+")), ("fan_in", 3.0)],
)  # fmt: skip
def test_shape_names_the_wrong_field(field, value):
    """Mutant: a silent clamp."""
    with pytest.raises(ValueError, match=f"Shape.{field}"):
        Shape(**{field: value})


def test_similarity_is_one_for_equal_structure_only():
    """Mutant: labels that hold values, or counts that are not normalised."""
    drawn = [draw(rng("similar", i), 6, Shape(), 7, False) for i in range(12)]
    for a, b in itertools.combinations_with_replacement(drawn, 2):
        assert 0 <= similarity(a, b) <= 1 + 1e-12
        assert similarity(a, b) == pytest.approx(similarity(b, a))
    assert similarity(drawn[0], drawn[0]) == pytest.approx(1)
    assert similarity(drawn[0], drawn[1]) < 1
