"""The steps of a solution: which statement is used to find which quantity, in which order, by which equation."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from interlude.synth.graph import Graph, Node
from interlude.synth.ops import compute, inverse

FACT = -1  # in an order of statements: the one that gives the root's value (reverse mode)


class Move(NamedTuple):
    """One step of a solution: use the statement of node ``statement`` to find node ``solves``."""

    statement: int
    solves: int


def canonical_moves(graph: Graph, order: tuple[int, ...]) -> tuple[Move, ...]:
    """The canonical solution of a question that lists its statements in ``order`` (node indices, or FACT): again and
    again the first unused statement that the answer needs and that has exactly one unknown."""
    nodes = graph.nodes
    if graph.unknown is None and (moves := moves_in_turn(nodes, order)):
        return moves
    position = {s: i for i, s in enumerate(order)}
    hidden = [bool(node.args) for node in nodes]  # not known yet
    if graph.unknown is not None:
        hidden[graph.unknown], hidden[graph.root] = True, False
    unknown_in: list[list[int]] = [[] for _ in nodes]  # node -> needed statements that wait for it
    missing = [0] * len(nodes)  # statement -> how many of its quantities are unknown
    ready = []
    for index, node in enumerate(nodes):
        if node.args:
            waits = [i for i in (*node.args, index) if hidden[i]]
            missing[index] = len(waits)
            if len(waits) == 1:
                ready.append(position[index])
            for each in waits:
                unknown_in[each].append(index)
    heapify(ready)
    found: list[Move] = []
    while ready:
        statement = order[heappop(ready)]
        solves = statement
        for a in nodes[statement].args:
            if hidden[a]:
                solves = a
        hidden[solves] = False
        found.append(Move(statement, solves))
        for other in unknown_in[solves]:
            missing[other] -= 1
            if missing[other] == 1:
                heappush(ready, position[other])
    return tuple(found)


def moves_in_turn(nodes: tuple[Node, ...], order: tuple[int, ...]) -> tuple[Move, ...]:
    """Forward mode: the needed statements in question order, if that puts every operand before its use; else empty."""
    known = [not args for _, args, _ in nodes]
    found = []
    for statement in order:
        if statement < len(nodes) and (args := nodes[statement][1]):
            for a in args:
                if not known[a]:
                    return ()
            known[statement] = True
            found.append(Move(statement, statement))
    return tuple(found)


def equation(nodes: tuple[Node, ...], move: Move) -> tuple[str, tuple[int, ...]]:
    """The operation and the nodes, in order, that a move computes with: the statement's own, or its inverse."""
    node = nodes[move.statement]
    if move.solves == move.statement:
        return node.op, node.args
    position = node.args.index(move.solves)
    op, result_first = inverse(node.op, position, len(node.args))
    others = tuple(a for a in node.args if a != move.solves)
    return op, (move.statement, *others) if result_first else (*others, move.statement)


def reductions(op: str, values: list[int], modulus: int | None) -> list[list[int]]:
    """``4 + 5 + 6`` reduced one operation at a time from the left: [[4, 5, 6], [9, 6], [15]] (modulo ``modulus``)."""
    lines = [values]
    while len(values) > 1:
        first = compute(op, values[0], values[1], modulus)
        if first is None:
            raise ValueError(f"{values[0]} {op} {values[1]} has no value modulo {modulus}")
        values = [first, *values[2:]]
        lines.append(values)
    return lines


def legal_orders(graph: Graph) -> Iterator[tuple[Move, ...]]:
    """Every order of steps in which each uses a statement with exactly one unknown; ``canonical_moves`` is one of them.
    There may be as many as the factorial of the number of operations."""
    nodes = graph.nodes
    hidden = [bool(node.args) for node in nodes]  # not known yet
    if graph.unknown is not None:
        hidden[graph.unknown], hidden[graph.root] = True, False
    left = {index for index, node in enumerate(nodes) if node.args}
    found: list[Move] = []

    def steps() -> Iterator[tuple[Move, ...]]:
        if not left:
            yield tuple(found)
        for statement in sorted(left):
            waits = [i for i in (*nodes[statement].args, statement) if hidden[i]]
            if len(set(waits)) == 1:
                hidden[waits[0]] = False
                left.remove(statement)
                found.append(Move(statement, waits[0]))
                yield from steps()
                found.pop()
                left.add(statement)
                hidden[waits[0]] = True

    return steps()
