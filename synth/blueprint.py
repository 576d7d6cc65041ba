"""What a problem is before it is written: a graph, nouns for its quantities, an order of statements, and a style."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from interlude.synth import worlds
from interlude.synth.graph import Graph, Node
from interlude.synth.moves import Move, canonical_moves
from interlude.synth.solution_style import PLAIN_GRAMMARS, Grammar, SolutionStyle


@dataclass(frozen=True)
class Blueprint:
    """The fields of a ``Problem``, and what follows from them without writing anything.

    graph: its nodes are needed for the answer.
    extra: distractors, whose indices continue after the graph's.
    names: for each node an index into the nouns of its world, or -1 for a literal.
    order: the statements of the question, each a node index or FACT (the root's value, in reverse mode).
    world, dialect: the nouns and the form of the text.
    style: how the solution departs from the plain form and how far responses may; None: not at all.
    """

    graph: Graph
    extra: tuple[Node, ...]
    names: tuple[int, ...]
    order: tuple[int, ...]
    world: str
    dialect: str
    style: SolutionStyle | None = None

    @property
    def mode(self) -> str:
        return "forward" if self.graph.unknown is None else "reverse"

    @property
    def ops(self) -> int:
        return self.graph.ops

    @property
    def answer(self) -> int:
        return self.graph.answer

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.graph.nodes + self.extra

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Each node as it is written in an expression: its noun, or its number if it is a literal."""
        nouns = worlds.world(self.world).names
        if -1 not in self.names:
            return tuple([nouns[n] for n in self.names])
        return tuple([nouns[n] if n >= 0 else str(node.value) for n, node in zip(self.names, self.nodes, strict=True)])

    @property
    def thinks(self) -> bool:
        """Whether a response may contain thoughts."""
        return self.style is not None and self.style.thoughts != "none"

    @property
    def skips(self) -> bool:
        """Whether a response may skip steps."""
        return self.style is not None and self.style.skipped is not None and not self.style.unwrapped

    @property
    def unwrapped(self) -> bool:
        """Whether what a response has in thoughts is judged as part of its solution."""
        return self.style is not None and self.style.unwrapped

    @property
    def worded(self) -> bool:
        """Whether a response may use other words than the plain ones, and remarks."""
        return self.style is not None and self.style.wording is not None

    @property
    def approached(self) -> bool:
        """Whether a response may follow approaches."""
        return self.style is not None and self.style.approach is not None

    @cached_property
    def grammar(self) -> Grammar:
        """What a response to this problem may contain: all that ``parse`` needs to know of it."""
        if self.style is None:
            return PLAIN_GRAMMARS[self.dialect]
        return Grammar(self.dialect, self.thinks, self.worded, self.approached)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The canonical solution: again and again the first unused statement, in question order, that is needed and
        has exactly one unknown. The question determines it, so that exact pass@k is defined."""
        return canonical_moves(self.graph, self.order)
