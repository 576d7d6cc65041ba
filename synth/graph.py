"""A problem's skeleton: a directed acyclic graph of arithmetic operations, every one needed for the answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import networkx as nx

from interlude.synth.checks import check_probability
from interlude.synth.ops import FORWARD, LIMIT, SAME, compute, fold
from interlude.synth.rng import below, between, shuffle, weighted

GIVEN, LITERAL = "given", "literal"  # leaves: a named quantity with its own statement, or a bare number in place
MASK = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, as in SplitMix64
# A given and a literal of equal value are the same structure.
CODE = {GIVEN: 1, LITERAL: 1, "+": 3, "-": 5, "*": 7, SAME: 9}


class Node(NamedTuple):
    """One quantity: a leaf, an operation on earlier nodes (``args`` are their indices,
    so no cycle can be written), or a copy of one (SAME)."""

    op: str
    args: tuple[int, ...]
    value: int


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; the last is the root. ``unknown`` is the leaf asked for in reverse mode, else None.

    Forward mode asks for the root's value. Reverse mode states the root's value and asks for the leaf ``unknown``.
    """

    nodes: tuple[Node, ...]
    modulus: int | None
    unknown: int | None = None

    @property
    def ops(self) -> int:
        """Binary operations: a sum of three operands counts two, a copy none."""
        return sum(len(node.args) - 1 for node in self.nodes if node.args)

    @property
    def root(self) -> int:
        return len(self.nodes) - 1

    @property
    def target(self) -> int:
        """The node whose value is asked."""
        return self.root if self.unknown is None else self.unknown

    @property
    def answer(self) -> int:
        return self.nodes[self.target].value

    @cached_property
    def depth(self) -> int:
        """Operations and copies on the longest path from a leaf to the root."""
        depths: list[int] = []
        for node in self.nodes:
            depths.append(1 + max(depths[a] for a in node.args) if node.args else 0)
        return depths[-1]

    @cached_property
    def spine(self) -> tuple[int, ...]:
        """Reverse mode: the operation nodes that depend on the unknown, root last. Forward mode: empty."""
        return depend_on(self.nodes, self.unknown)

    @cached_property
    def canonical(self) -> int:
        """A 64-bit hash of structure and leaf values, blind to names, statement order, operand order of + and *, and to
        copies: a graph and the same graph with copies on its edges or after its root hash alike. (Chains of
        copies without any operation are distinguished by their length, which is all the structure they have.)"""
        hashes: list[int] = []
        unknown, edges, copied = self.unknown, 0, 0
        for index, (op, args, value) in enumerate(self.nodes):
            if len(args) == 2:  # most operations: what follows, written out
                a, b = hashes[args[0]], hashes[args[1]]
                if a > b and op != "-":
                    a, b = b, a
                hashes.append(mix((CODE[op] * ODD + a) * ODD + b))
                edges += 2
            elif op == SAME and (copied or self.ops):
                hashes.append(hashes[args[0]])
                copied += 1
            elif args:
                parts = [hashes[a] for a in args]
                if op != "-":
                    parts.sort()
                joined = CODE[op]
                for part in parts:
                    joined = joined * ODD + part
                hashes.append(mix(joined))
                edges += len(args)
            else:
                hashes.append(leaf_hash(None if index == unknown else value))
        total = hashes[-1]
        if edges >= len(self.nodes) - copied:
            total = mix(total + sharing(self.nodes, hashes))
        if self.unknown is None:
            return total
        return mix(total + 17 * (1000 + self.nodes[-1].value))

    def nx(self) -> nx.DiGraph:
        """A networkx view: edges run from operand to operation and carry the operand's position."""
        graph = nx.DiGraph(modulus=self.modulus, unknown=self.unknown)
        for index, node in enumerate(self.nodes):
            graph.add_node(index, op=node.op, value=node.value)
            for position, arg in enumerate(node.args):
                graph.add_edge(arg, index, position=position)
        return graph


def mix(x: int) -> int:
    """A 64-bit finaliser (Steele et al. 2014, SplitMix64): stable in every process, unlike Python's ``hash``."""
    x &= MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def sharing(nodes: tuple[Node, ...], hashes: list[int]) -> int:
    """What distinguishes a quantity used twice from two quantities of equal value: each node's hash from below joined
    with a hash of its uses; a copy passes its uses on to its original. Needed only where a node has several uses: a
    tree is determined by the root's hash alone."""
    uses = [0] * len(nodes)
    total = 0
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        if node.op == SAME:
            uses[node.args[0]] += uses[index]
            continue
        here = mix(hashes[index] * ODD + uses[index])
        total += here
        for arg in node.args:
            uses[arg] += here
            if node.op == "-":
                here = mix(here + 1)
    return total


@cache
def leaf_hash(value: int | None) -> int:
    """A leaf's part of the canonical hash; None is the unknown, whatever its value."""
    return mix(2 if value is None else 1000 + value)


def depend_on(nodes: tuple[Node, ...], leaf: int | None) -> tuple[int, ...]:
    """The operation nodes whose value depends on ``leaf``."""
    if leaf is None:
        return ()
    reached = {leaf}
    found = []
    for index, node in enumerate(nodes):
        if not reached.isdisjoint(node.args):
            reached.add(index)
            found.append(index)
    return tuple(found)


@dataclass(frozen=True)
class Shape:
    """How graphs are drawn. Every field is independent of the number of operations,
    so the distribution is smooth in it.

    width: 0 is a chain (each operation consumes the one before), 1 opens and merges branches as often as it can.
    reuse: probability that an operand which could be a new leaf is an earlier quantity instead (a DAG, not a tree).
    literals: probability that a new leaf is a bare number rather than a named, stated quantity.
    fan_in: the most operands one operation statement may have; "-" always has two.
    operations: a subset of ("+", "-", "*").
    """

    width: float = 0.3
    reuse: float = 0.1
    literals: float = 0.0
    fan_in: int = 2
    operations: tuple[str, ...] = ("+", "-", "*")

    def __post_init__(self) -> None:
        for name in ("width", "reuse", "literals"):
            check_probability(f"Shape.{name}", getattr(self, name))
        if type(self.fan_in) is not int or self.fan_in < 2:
            raise ValueError(f"Shape.fan_in must be a whole number from 2, got {self.fan_in!r}")
        known = isinstance(self.operations, tuple) and all(op in FORWARD for op in self.operations)
        if not self.operations or not known:
            raise ValueError(f"Shape.operations must be drawn from ('+', '-', '*'), got {self.operations!r}")
        if len(set(self.operations)) < len(self.operations):
            raise ValueError(f"Shape.operations repeats an operation: {self.operations!r}")
        if self.fan_in > 2 and "+" not in self.operations and self.operations != ("*",):
            raise ValueError(f"Shape.fan_in above 2 needs '+' among Shape.operations, got {self.operations!r}")


def draw(random_: random.Random, ops: int, shape: Shape, modulus: int | None, reverse: bool) -> Graph:
    """A graph with exactly ``ops`` binary operations, all necessary, built without rejection.

    A skeleton tree is drawn first, then its leaves, then operations and values from the leaves up. Multiplication is
    used only where no operand is zero, so every quotient of reverse mode exists and answers stay near uniform.
    """
    sizes = fan_ins(random_, ops, shape)
    children = skeleton(random_, sizes, shape.width)
    return fill(random_, sizes, children, shape, modulus, reverse)


def copies(random_: random.Random, number: int, shape: Shape, modulus: int | None, reverse: bool = False) -> Graph:
    """A given and a chain of ``number`` copies of it, the last of which is asked for (with none: the given itself), or
    in reverse mode is stated and the given asked for. Of ``shape`` only the range of a leaf is used."""
    value = between(random_, *leaf_range(shape, modulus))
    chain = tuple(Node(SAME, (nth,), value) for nth in range(number))
    return Graph((Node(GIVEN, (), value), *chain), modulus, 0 if reverse else None)


def insert_copies(random_: random.Random, graph: Graph, number: int) -> Graph:
    """``graph`` with ``number`` copy nodes inserted one after another.

    Each follows a uniformly random named node (a given, an operation or an earlier copy) and takes its place in one of
    the nodes that use it, again uniformly; after the root, the copy becomes the new root. Copies keep the values, the
    operations and ``Graph.canonical``.
    """
    if not number:
        return graph
    nodes = graph.nodes
    ops, values = [node.op for node in nodes], [node.value for node in nodes]
    args = [list(node.args) for node in nodes]
    named = [i for i, op in enumerate(ops) if op != LITERAL]
    users: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for arg in node.args:
            users[arg].append(index)
    follows: dict[int, list[int]] = {}  # node -> the copies of it, in order of insertion
    uniform = random_.random
    for copy in range(len(nodes), len(nodes) + number):
        original = named[int(uniform() * len(named))]
        ops.append(SAME)
        values.append(values[original])
        args.append([original])
        users.append([])
        if users[original]:
            user = users[original].pop(int(uniform() * len(users[original])))
            args[user][args[user].index(original)] = copy
            users[copy].append(user)
        users[original].append(copy)
        named.append(copy)
        follows.setdefault(original, []).append(copy)
    order: list[int] = []  # each copy right after its original
    waiting = list(range(len(nodes) - 1, -1, -1))
    while waiting:
        order.append(waiting.pop())
        waiting += follows.get(order[-1], ())
    place = {old: new for new, old in enumerate(order)}
    moved = tuple([Node(ops[i], tuple([place[a] for a in args[i]]), values[i]) for i in order])
    return Graph(moved, graph.modulus, None if graph.unknown is None else place[graph.unknown])


def fan_ins(random_: random.Random, ops: int, shape: Shape) -> list[int]:
    """How many operands each operation statement has; their sum less their number is ``ops``."""
    if shape.fan_in == 2:
        return [2] * ops
    sizes = []
    while ops:
        size = between(random_, 2, min(shape.fan_in, ops + 1))
        sizes.append(size)
        ops -= size - 1
    return sizes


def skeleton(random_: random.Random, sizes: list[int], width: float) -> list[list[int]]:
    """For each operation, the earlier operations it consumes; every operation but the last is consumed exactly once."""
    children: list[list[int]] = []
    loose: list[int] = []  # operations nothing has consumed yet
    uniform = random_.random
    capacity = sum(sizes) - len(sizes)  # how many loose ends the operations still to come can close
    for index, size in enumerate(sizes):
        capacity -= size - 1
        ends = len(loose)
        least, most = ends - capacity if ends > capacity else 0, size if size < ends else ends
        take = least if least == most else least + weighted(random_, shape_weights(least, most, width))
        children.append([loose.pop(int(uniform() * (ends - i))) for i in range(take)])
        loose.append(index)
    return children


@cache
def shape_weights(least: int, most: int, width: float) -> tuple[float, ...]:
    """Consuming one loose end continues a chain; none opens a branch; two or more merge branches."""
    weights = tuple(1 - width if k == 1 else width / 2 for k in range(least, most + 1))
    return weights if sum(weights) > 0 else tuple(1.0 for _ in weights)


def fill(
    random_: random.Random,
    sizes: list[int],
    children: list[list[int]],
    shape: Shape,
    modulus: int | None,
    reverse: bool,
) -> Graph:
    """Leaves, operations and values for a skeleton; in reverse mode one leaf on a unique path becomes the unknown."""
    unknown_at, spine = pick_unknown(random_, sizes, children) if reverse else (-1, frozenset())
    low, high = leaf_range(shape, modulus)
    uniform = random_.random
    span, reuse, literals, operations = high - low + 1, shape.reuse, shape.literals, shape.operations
    nodes: list[Node] = []
    place: list[int] = []  # operation number -> node index
    sharable: list[int] = []  # nodes that may be used again: named, and not on the way from the unknown to the root
    unknown = None
    for number, size in enumerate(sizes):
        args = [place[c] for c in children[number]]
        free = size - len(args)
        for slot in range(free):
            is_unknown = number == unknown_at and slot == 0
            if not is_unknown and sharable and uniform() < reuse:
                again = sharable[int(uniform() * len(sharable))]
                if again not in args:
                    args.append(again)
                    continue
            literal = not is_unknown and uniform() < literals
            leaf = len(nodes)
            nodes.append(Node(LITERAL if literal else GIVEN, (), low + int(uniform() * span)))
            args.append(leaf)
            if is_unknown:
                unknown = leaf
            elif not literal:
                sharable.append(leaf)
        shuffle(random_, args)
        nodes.append(operation(random_, nodes, args, operations, modulus))
        place.append(len(nodes) - 1)
        if number not in spine:
            sharable.append(len(nodes) - 1)
    return Graph(tuple(nodes), modulus, unknown)


def pick_unknown(random_: random.Random, sizes: list[int], children: list[list[int]]) -> tuple[int, frozenset[int]]:
    """The operation that gets the unknown leaf, and all operations between it and the root."""
    open_ = [i for i, size in enumerate(sizes) if size > len(children[i])]
    chosen = open_[below(random_, len(open_))]
    parent = {c: i for i, taken in enumerate(children) for c in taken}
    spine = {chosen}
    while max(spine) in parent:
        spine.add(parent[max(spine)])
    return chosen, frozenset(spine)


def leaf_range(shape: Shape, modulus: int | None) -> tuple[int, int]:
    """Leaves are uniform residues; without a modulus 1..9, as products of the reference study's 1..4 soon leave its
    bounds (arXiv 2512.07783, released generator). Multiplication alone would be absorbed by a zero."""
    if modulus is None:
        return 1, 9
    return (1 if shape.operations == ("*",) else 0), modulus - 1


def operation(
    random_: random.Random, nodes: list[Node], args: list[int], operations: tuple[str, ...], modulus: int | None
) -> Node:
    """One operation on ``args`` that has a value and can be undone; may swap the operands of a difference."""
    if modulus is not None and len(args) == 2:
        left, right = nodes[args[0]].value, nodes[args[1]].value
        if left and right:  # the common case, in which every operation is allowed
            op = operations[int(random_.random() * len(operations))]
            return Node(op, tuple(args), compute(op, left, right, modulus))
    values = tuple([nodes[a].value for a in args])
    possible = [op for op in operations if allowed(op, values, modulus)]
    op = possible[int(random_.random() * len(possible))]
    if op == "-" and modulus is None and values[0] < values[1]:
        args, values = args[::-1], values[::-1]
    value = fold(op, values, modulus)
    assert value is not None  # only a quotient can lack a value
    return Node(op, tuple(args), value)


def allowed(op: str, values: tuple[int, ...], modulus: int | None) -> bool:
    """Whether ``op`` may join ``values``: see ``draw``."""
    if op == "-":
        return len(values) == 2
    if op == "*" and 0 in values:
        return False
    if modulus is not None:
        return True
    total = fold(op, values, None)
    return total is not None and total <= LIMIT


def evaluate(graph: Graph) -> int:
    """The root's value from the leaves alone, recursively: a slow oracle for tests and for ``audit``."""

    @cache  # a graph that reuses much has exponentially many paths
    def value(index: int) -> int:
        node = graph.nodes[index]
        if not node.args:
            return node.value
        total = value(node.args[0])
        for arg in node.args[1:]:
            step = compute(node.op, total, value(arg), graph.modulus)
            assert step is not None
            total = step
        return total

    return value(graph.root)


def isomorphic(a: Graph, b: Graph) -> bool:
    """Same operations in the same arrangement with the same leaf values (networkx VF2; slow, for tests and audits)."""
    same_node = nx.algorithms.isomorphism.categorical_node_match(["kind", "leaf"], [None, None])
    same_edge = nx.algorithms.isomorphism.categorical_edge_match("slot", None)
    return nx.is_isomorphic(comparable(a), comparable(b), node_match=same_node, edge_match=same_edge)


def without_copies(graph: Graph) -> Graph:
    """The graph that ``insert_copies`` was given; a chain without operations stays as it is."""
    if not graph.ops:
        return graph
    place: dict[int, int] = {}
    nodes: list[Node] = []
    for index, (op, args, value) in enumerate(graph.nodes):
        if op == SAME:
            place[index] = place[args[0]]
        else:
            place[index] = len(nodes)
            nodes.append(Node(op, tuple([place[a] for a in args]), value))
    return Graph(tuple(nodes), graph.modulus, None if graph.unknown is None else place[graph.unknown])


def comparable(graph: Graph) -> nx.DiGraph:
    """A view whose labels hold just what ``canonical`` sees."""
    graph = without_copies(graph)
    view = graph.nx()
    for index, node in enumerate(graph.nodes):
        hidden = index == graph.unknown
        kind = node.op if node.args else "leaf"
        leaf = None if node.args else ("?" if hidden else node.value)
        if graph.unknown is not None and index == graph.root:
            leaf = node.value
        view.nodes[index].update(kind=kind, leaf=leaf)
        for position, arg in enumerate(node.args):
            view.edges[arg, index]["slot"] = position if node.op == "-" else 0
    return view


def similarity(a: Graph, b: Graph, rounds: int = 3) -> float:
    """Cosine of Weisfeiler-Lehman subtree counts of two graphs, in [0, 1] (Shervashidze et al. 2011)."""
    return cosine(wl_counts(a, rounds), wl_counts(b, rounds))


def nearest(graphs: Sequence[Graph], among: Sequence[Graph], rounds: int = 3) -> list[float]:
    """For each of ``graphs``, its similarity to the most similar graph ``among`` others."""
    counted = [wl_counts(graph, rounds) for graph in among]
    return [
        max(cosine(counts, other) for other in counted) for counts in (wl_counts(graph, rounds) for graph in graphs)
    ]


def cosine(a: dict[int, int], b: dict[int, int]) -> float:
    """Cosine of two vectors of counts, exactly 1 where they are equal."""
    if a == b:
        return 1.0
    dot = sum(n * b.get(label, 0) for label, n in a.items())
    return dot / (sum(n * n for n in a.values()) * sum(n * n for n in b.values())) ** 0.5


def wl_counts(graph: Graph, rounds: int) -> dict[int, int]:
    """How often each Weisfeiler-Lehman label occurs in all rounds; leaves start alike, operations with their symbol.

    Written out, as networkx's own labels of directed graphs differ between its versions.
    """
    users: list[list[int]] = [[] for _ in graph.nodes]
    for index, node in enumerate(graph.nodes):
        for arg in node.args:
            users[arg].append(index)
    labels = [CODE[node.op] for node in graph.nodes]
    counts: dict[int, int] = {}
    for nth in range(rounds + 1):
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
        if nth < rounds:
            labels = [
                mix(
                    labels[i]
                    + 31 * sum(mix(labels[a]) for a in node.args)
                    + 37 * sum(mix(~labels[u]) for u in users[i])
                )
                for i, node in enumerate(graph.nodes)
            ]
    return counts
