"""A source is a distribution over problems, from which each is drawn by a path that names it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import cache
from typing import ClassVar

from interlude.synth import worlds
from interlude.synth.added_field import added_field
from interlude.synth.checks import (
    check_distribution,
    check_probability,
    check_range,
    check_type,
    check_whole,
    is_number,
)
from interlude.synth.graph import GIVEN, LITERAL, Graph, Node, Shape, copies, draw, insert_copies, leaf_range, operation
from interlude.synth.moves import FACT, equation
from interlude.synth.ops import check_modulus, fold
from interlude.synth.problem import HELD_OUT_SHARE, Problem
from interlude.synth.render import Written
from interlude.synth.rng import below, between, rng, shuffle, weighted
from interlude.synth.solution_style import (
    APPROACHES,
    CONCLUSIONS,
    DIALECTS,
    OPENINGS,
    PLAIN,
    THOUGHTS,
    SolutionStyle,
    Wording,
    Words,
)

MODES = ("forward", "reverse")
ORDERS = ("dependency", "shuffled")
SPLITS = ("train", "held_out", "any")
LONGEST_STOP = 3  # steps that a solution leaves out which stops early, at most
MOST_ATTEMPTS = 10_000  # in a row on the wrong side of the split: (7/8)^10,000 is nought
# Fields of Source, each with the value that takes none.
LIBERTIES = {"skip_prob": 0.0, "words": None, "thoughts": "none", "approach": None}


@dataclass(frozen=True)
class Source:
    """A distribution over problems. ``problem(*path)`` is a pure function of the path. Fields are explained where they
    stand; ValueError names the field that is out of range or contradicts another.
    """

    # Lowest and highest number of operations, drawn uniformly.
    ops: tuple[int, int]
    # A prime, or None for plain integers 0..999.
    modulus: int | None = 7
    world: str = "zoo"
    mode: str = "forward"
    dialect: str = "terse"
    shape: Shape = field(default_factory=Shape)
    # Use only the first so many nouns of the world (None: all).
    names: int | None = None
    # "dependency": operands are stated before results, in the order in which operations were drawn, so that the next
    # step is always the next needed operation of the question; the last statement is asked for unless distractors
    # follow it. "shuffled": in random order. ``audit`` reports both shares.
    order: str = "dependency"
    # Ranges for the numbers of distractors: unneeded givens; unneeded operations on quantities of the problem; unneeded
    # operations on unneeded givens (three statements each).
    filler: tuple[int, int] = (0, 0)
    connected: tuple[int, int] = (0, 0)
    unconnected: tuple[int, int] = (0, 0)
    # Pad the question with unneeded givens to a length from this range, so that length and ops are independent (None:
    # no padding). Counted in givens of three tokens, rounded up: an operation on two operands is as long as two givens,
    # and in the direct dialect one token shorter, so that there one or two tokens still tell ops modulo 3. A question
    # whose copies make it longer stays as it is.
    length: tuple[int, int] | None = None
    # Side of the split: "train", "held_out" or "any".
    split: str = "train"
    # Range for the number of statements that only repeat another quantity (None: none). The graph and its side of the
    # split are drawn without them; then each follows a random named quantity and takes its place in one of the
    # statements that use it, or in what is asked for. With ``ops`` (0, 0) the problem is a given and a chain of copies.
    copies: tuple[int, int] | None = added_field(None)
    # Probability that the solution leaves out a step (never its last), whose value then appears first where it is used.
    # Questions are those of the same source without it.
    skip_prob: float = added_field(0.0)
    # Which words solutions use beyond the plain ones, with what probability, and how much of their text is noise.
    words: Words | None = added_field(None)
    # "none"; "ignored": a response may contain thoughts; "oracle": the solution also contains its skipped steps as
    # thoughts, the best that an annotator could write.
    thoughts: str = added_field("none")
    # Approach of the solutions (synth/scripts.py), "plain" for none, or several to draw from; a response may then
    # follow any approach. None: only the plain solution is right. Questions are those of the same source without it.
    approach: str | tuple[str, ...] | None = added_field(None)
    # Probability of each approach where there are several (None: equal).
    chances: tuple[float, ...] | None = added_field(None)
    # Whether a question ends in the name of its solution's approach ("plain" has no tag).
    tagged: bool = added_field(False)
    # The number k of copies has probability proportional to copy_ratio**k over the range of ``copies``.
    copy_ratio: float = added_field(1.0)
    # Probability that the solution stops early: it leaves out its last one to three steps (never all; how many is
    # uniform) and gives the answer at once. Needs ``unwrapped``, as no text without its last step is right otherwise.
    stop_prob: float = added_field(0.0)
    # Whether the steps in a response's thoughts count as part of its solution, every step of which must then be there,
    # whatever the source's own solutions leave out (terse and direct dialect).
    unwrapped: bool = added_field(False)
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        fixed = {"mode": MODES, "dialect": DIALECTS, "order": ORDERS, "split": SPLITS, "thoughts": THOUGHTS}
        for name, allowed in fixed.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"Source.{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name in ("ops", "filler", "connected", "unconnected", "length"):
            if getattr(self, name) is not None or name != "length":
                check_range(
                    f"Source.{name}", getattr(self, name), least=1 if name == "ops" and self.copies is None else 0
                )
        self.check_copies()
        self.check_approach()
        check_probability("Source.skip_prob", self.skip_prob)
        check_type("Source.shape", self.shape, Shape)
        check_type("Source.world", self.world, str)
        if self.words is not None:
            check_type("Source.words", self.words, Words)
            if self.words.error_rate and (self.modulus is None or self.mode == "reverse"):
                raise ValueError(
                    "Source.words.error_rate above 0 needs Source.modulus and Source.mode 'forward': elsewhere a step "
                    "may have no value after a wrong one"
                )
        if self.thoughts == "oracle" and not self.skip_prob and not self.stop_prob:
            raise ValueError(
                "Source.thoughts 'oracle' needs Source.skip_prob above 0: there is nothing else to think about"
            )
        self.check_unwrapped()
        check_modulus("Source.modulus", self.modulus)
        if self.modulus is None and (self.shape.fan_in > 2 or "-" not in self.shape.operations):
            raise ValueError(
                "Source.modulus None needs '-' among Shape.operations and Shape.fan_in 2 to stay within 0..999"
            )
        available = len(worlds.world(self.world).names)
        if self.names is not None:
            check_whole(f"Source.names for world {self.world!r}", self.names, 1, available)
        if self.most_names > self.name_count:
            raise ValueError(
                f"Source.ops up to {self.ops[1]} with its distractors can need {self.most_names} names, "
                f"but world {self.world!r} offers {self.name_count}"
            )
        operations = self.ops[1] + self.connected[1] + self.unconnected[1]
        # An operation is three tokens longer than a given, or two in the direct dialect.
        longest = self.most_needed + (-(-2 * operations // 3) if self.dialect == "direct" else operations)
        # Copies may lengthen a question beyond ``length``, those of many operations more: one without copies sets the
        # bound.
        longest += -self.most_copies if self.ops[1] else -(-self.most_copies // 3)
        if self.length and self.length[0] < longest:
            raise ValueError(
                f"Source.length must be at least {longest} for ops up to {self.ops[1]}, "
                f"got {self.length}: a longer question would betray its ops"
            )

    def check_unwrapped(self) -> None:
        """Raises ValueError where ``stop_prob`` or ``unwrapped`` contradicts another field."""
        check_probability("Source.stop_prob", self.stop_prob)
        check_type("Source.unwrapped", self.unwrapped, bool)
        if self.stop_prob and not self.unwrapped:
            raise ValueError("Source.stop_prob above 0 needs Source.unwrapped: no text without its last step is right")
        if self.unwrapped and (self.thoughts == "none" or self.dialect == "prose" or self.approach is not None):
            what = f"{self.thoughts!r}, {self.dialect!r} and {self.approach!r}"
            raise ValueError(
                "Source.unwrapped needs Source.thoughts 'ignored' or 'oracle', Source.dialect 'terse' or 'direct', and "
                f"Source.approach None, got {what}"
            )
        if self.stop_prob and self.words is not None:
            raise ValueError("Source.stop_prob above 0 needs Source.words None: words go with the steps that are shown")

    def check_copies(self) -> None:
        """Raises ValueError where ``copies`` or ``copy_ratio`` is malformed, or contradicts another field."""
        if not is_number(self.copy_ratio) or not 0 < self.copy_ratio <= 100:
            raise ValueError(f"Source.copy_ratio must be a number above 0 and up to 100, got {self.copy_ratio!r}")
        if self.copies is None:
            if self.copy_ratio != 1.0:
                raise ValueError(f"Source.copy_ratio {self.copy_ratio} needs Source.copies, which is None")
            return
        check_range("Source.copies", self.copies, least=0)
        if self.mode == "reverse" and self.ops[0] == 0 and self.copies[0] == 0:
            raise ValueError(
                "Source.copies must be at least 1 with Source.ops 0 and Source.mode 'reverse': "
                "without a statement there is nothing to solve"
            )
        if self.ops == (0, 0) and (self.connected[1] or self.unconnected[1]):
            raise ValueError(
                "Source.connected and Source.unconnected must be (0, 0) with Source.ops (0, 0): they bring operations"
            )

    def check_approach(self) -> None:
        """Raises ValueError where ``approach``, ``chances`` or ``tagged`` is malformed,
        or contradicts another field."""
        names = self.approaches
        known = isinstance(names, tuple) and all(name in (PLAIN, *APPROACHES) for name in names)
        if self.approach is not None and not (names and known and len(set(names)) == len(names)):
            known = ", ".join((PLAIN, *APPROACHES))
            raise ValueError(
                f"Source.approach must be None, one or several different of {known}, got {self.approach!r}"
            )
        if self.approach is not None and (self.skip_prob or self.words is not None):
            raise ValueError(
                "Source.approach needs Source.skip_prob 0 and Source.words None: its lines count every step"
            )
        chances = self.chances
        if chances is not None:
            if not isinstance(self.approach, tuple):
                raise ValueError(
                    f"Source.chances needs several of Source.approach to choose from, got {self.approach!r}"
                )
            check_distribution("Source.chances", chances, len(names))
        if type(self.tagged) is not bool or (self.tagged and set(names) <= {PLAIN}):
            raise ValueError(
                f"Source.tagged must be False, or True with a Source.approach that has a tag, got {self.tagged!r}"
            )

    @property
    def approaches(self) -> tuple[str, ...]:
        """The approaches that are drawn from, "plain" among them if it is."""
        return (self.approach,) if isinstance(self.approach, str) else self.approach or ()

    @property
    def liberties(self) -> tuple[str, ...]:
        """The fields by which a question has more than one right solution, whatever its dialect."""
        return tuple(name for name, off in LIBERTIES.items() if getattr(self, name) != off)

    @property
    def most_copies(self) -> int:
        return self.copies[1] if self.copies else 0

    @property
    def content(self) -> tuple[int, str]:
        """What a key of this source rests on beyond its fields: how problems are written, and the world's words."""
        return Written.version, worlds.world(self.world).digest

    @property
    def name_count(self) -> int:
        return len(worlds.world(self.world).names) if self.names is None else self.names

    @property
    def most_names(self) -> int:
        """An upper bound on the named quantities one problem can have. An operation is as long as two
        givens and names one quantity, so padding to a length leaves the fewer names the more operations
        there are; so do three copies."""
        if self.dialect == "direct":  # statements are a token shorter: a copy is as long as a given
            fewest = -(-2 * self.ops[0] // 3)
        else:
            fewest = -(-self.ops[0] // (self.shape.fan_in - 1)) + (-(-self.copies[0] // 3) if self.copies else 0)
        return max(self.most_needed, self.length[1] - fewest) if self.length else self.most_needed

    @property
    def most_needed(self) -> int:
        """The same before padding: a connected distractor adds a given where the rest of the problem is literals."""
        named = self.shape.literals < 1 or self.copies is not None
        leaves = self.ops[1] + 1 if named else (1 if self.mode == "reverse" else 0)
        connected = self.connected[1] * (2 if self.shape.literals else 1)
        return self.ops[1] + self.most_copies + leaves + self.filler[1] + connected + 3 * self.unconnected[1]

    def problem(self, *path: str | int) -> Problem:
        """The problem named by ``path``: the first draw of its stream that lies on the right side of the split."""
        return compose(*self.drawn(*path), self)

    def graph(self, *path: str | int) -> Graph:
        """The graph of that problem, at a third of the cost."""
        return self.drawn(*path)[1]

    def drawn(self, *path: str | int) -> tuple[random.Random, Graph]:
        """The graph of the problem named by ``path``, and the stream from which the rest of the problem is drawn."""
        for attempt in range(MOST_ATTEMPTS):
            draw_ = rng("problem", *path, attempt)
            ops = between(draw_, *self.ops) if self.ops[1] else 0
            if ops:
                graph = draw(draw_, ops, self.shape, self.modulus, self.mode == "reverse")
            else:
                graph = copies(draw_, self.copy_count(draw_), self.shape, self.modulus, self.mode == "reverse")
            if self.split == "any" or (graph.canonical % HELD_OUT_SHARE == 0) == (self.split == "held_out"):
                if ops and self.copies:
                    graph = insert_copies(draw_, graph, self.copy_count(draw_))
                return draw_, graph
        raise ValueError(f"Source.split {self.split!r}: this source has no structure on that side of the split")

    def copy_count(self, draw_: random.Random) -> int:
        """How many copies a problem has."""
        if self.copy_ratio == 1:
            return between(draw_, *self.copies)
        return self.copies[0] + weighted(draw_, powers(self.copy_ratio, self.copies[1] - self.copies[0] + 1))


@cache
def powers(ratio: float, number: int) -> tuple[float, ...]:
    """1, ratio, ratio^2 and so on."""
    return tuple([ratio**k for k in range(number)])


@dataclass(frozen=True)
class Mixture:
    """Several sources with weights, which must sum to 1."""

    parts: tuple[tuple[float, Source], ...]

    def __post_init__(self) -> None:
        pairs = isinstance(self.parts, tuple) and all(isinstance(part, tuple) and len(part) == 2 for part in self.parts)
        if not pairs or not all(isinstance(source, Source) for _, source in self.parts):
            raise ValueError(f"Mixture.parts must be a tuple of (weight, Source), got {self.parts!r}")
        if not all(is_number(weight) and weight >= 0 for weight, _ in self.parts):
            raise ValueError(f"Mixture.parts weights must be non-negative, got {[weight for weight, _ in self.parts]}")
        total = sum(weight for weight, _ in self.parts)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"Mixture.parts weights must sum to 1, they sum to {total}")

    def problem(self, *path: str | int) -> Problem:
        """The problem named by ``path``; which part it comes from is part of the same pure draw."""
        return self.part(*path).problem(*path)

    def graph(self, *path: str | int) -> Graph:
        """The graph of that problem."""
        return self.part(*path).graph(*path)

    def part(self, *path: str | int) -> Source:
        """The source that the problem named by ``path`` comes from."""
        return self.parts[weighted(rng("part", *path), tuple(weight for weight, _ in self.parts))][1]


def parts(data: Source | Mixture, drawn: bool = False) -> list[Source]:
    """The sources of a mixture, or the one there is. drawn: without those of weight zero, which no problem is from."""
    if not isinstance(data, Mixture):
        return [data]
    return [source for weight, source in data.parts if weight > 0 or not drawn]


def compose(draw_: random.Random, graph: Graph, source: Source) -> Problem:
    """Distractors, statement order and names for a graph, as ``source`` asks."""
    reverse = graph.unknown is not None
    extra = distractors(draw_, graph, source)
    nodes = graph.nodes + tuple(extra)
    order = [i for i, node in enumerate(nodes) if node.op != LITERAL and i != graph.unknown]
    if reverse:
        order.append(FACT)
    if source.order == "shuffled":
        shuffle(draw_, order)
    else:
        keys = dependency_keys(draw_, nodes, len(graph.nodes))
        keys[FACT] = draw_.random() * len(nodes)
        order.sort(key=keys.__getitem__)
    uniform = draw_.random
    pool = list(range(source.name_count))
    names = []
    for node in nodes:
        if node.op == LITERAL:
            names.append(-1)
        else:
            pick = int(uniform() * len(pool))
            names.append(pool[pick])
            pool[pick] = pool[-1]
            pool.pop()
    problem = Problem(graph, tuple(extra), tuple(names), tuple(order), source.world, source.dialect)
    return replace(problem, style=draw_style(draw_, problem, source)) if source.liberties else problem


def draw_style(draw_: random.Random, problem: Problem, source: Source) -> SolutionStyle:
    """The style of a problem's solution, as ``source`` asks."""
    if names := source.approaches:
        name = names[weighted(draw_, source.chances or (1.0,) * len(names))]
        return SolutionStyle(source.thoughts, approach=name, tagged=source.tagged and name != PLAIN)
    skipped = None
    if source.skip_prob:
        skipped = tuple([move.statement for move in problem.moves[:-1] if draw_.random() < source.skip_prob])
    if source.stop_prob:
        longest = min(LONGEST_STOP, len(problem.moves) - 1)
        stops = longest > 0 and draw_.random() < source.stop_prob
        last = problem.moves[-between(draw_, 1, longest) :] if stops else ()
        ending = tuple([move.statement for move in last])
        skipped = (*(each for each in skipped or () if each not in ending), *ending)
    if source.words is None:
        return SolutionStyle(source.thoughts, skipped, unwrapped=source.unwrapped)
    words, values = source.words, [node.value for node in problem.nodes]
    given = [i for i in problem.order if i >= 0 and not problem.nodes[i].args]
    wording = []
    for move in problem.moves:
        op, terms = equation(problem.nodes, move)
        found = fold(op, tuple([values[i] for i in terms]), source.modulus)
        if move.statement not in (skipped or ()):
            opening = OPENINGS[weighted(draw_, words.openings)]
            conclusion = CONCLUSIONS[weighted(draw_, words.conclusions)]
            remark = given[below(draw_, len(given))] if given and draw_.random() < words.remarks else None
            slips = words.error_rate and draw_.random() < words.error_rate
            slip = (found + 1 + below(draw_, source.modulus - 1)) % source.modulus if slips else None
            wording.append(Wording(opening, conclusion, remark, slip))
            found = found if slip is None else slip
        values[move.solves] = found
    return SolutionStyle(source.thoughts, skipped, tuple(wording), unwrapped=source.unwrapped)


def distractors(draw_: random.Random, graph: Graph, source: Source) -> list[Node]:
    """Unneeded nodes: operations on the problem's own quantities, operations on fresh givens, and fresh givens."""
    extra: list[Node] = []
    low, high = leaf_range(source.shape, source.modulus)
    nodes = list(graph.nodes)

    def given() -> int:
        extra.append(Node(GIVEN, (), between(draw_, low, high)))
        nodes.append(extra[-1])
        return len(nodes) - 1

    def combine(args: list[int]) -> None:
        extra.append(operation(draw_, nodes, args, source.shape.operations, source.modulus))
        nodes.append(extra[-1])

    if source.connected[1]:
        named = [i for i, node in enumerate(graph.nodes) if node.op != LITERAL]
        for _ in range(between(draw_, *source.connected)):
            first = named[below(draw_, len(named))]
            others = [i for i in named if i != first] or [given()]
            combine([first, others[below(draw_, len(others))]])
    if source.unconnected[1]:
        for _ in range(between(draw_, *source.unconnected)):
            combine([given(), given()])
    fillers = between(draw_, *source.filler)
    if source.length:
        marks = 1 if source.dialect == "direct" else 2  # what a statement has beyond operands and operators
        tokens = sum(2 * len(node.args) + marks if node.args else 0 if node.op == LITERAL else 3 for node in nodes)
        fillers = max(fillers, between(draw_, *source.length) - -(-tokens // 3))
    for _ in range(fillers):
        given()
    return extra


def dependency_keys(draw_: random.Random, nodes: tuple[Node, ...], needed: int) -> dict[int, float]:
    """Sort keys that put every operand before its use: operations keep the order they were drawn in, a given falls
    anywhere before its first use, an unneeded given anywhere."""
    keys: dict[int, float] = {}
    first_use: dict[int, float] = {}
    uniform, end = draw_.random, float(len(nodes))
    for index, node in enumerate(nodes):
        if node.args:
            if index < needed:
                key = float(index)
            else:
                after = max([keys.get(a, 0.0) for a in node.args])
                key = after + uniform() * (end - after)
            keys[index] = key
            for a in node.args:
                if key < first_use.get(a, end):
                    first_use[a] = key
    for index, node in enumerate(nodes):
        if not node.args:
            keys[index] = uniform() * first_use.get(index, end)
    return keys
