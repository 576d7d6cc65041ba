"""What a source really contains: operations, answers and how well they can be guessed, lengths, duplicates, overlap."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from interlude.synth.graph import Graph, evaluate
from interlude.synth.moves import Move, canonical_moves, equation
from interlude.synth.ops import SAME, fold
from interlude.synth.problem import Problem
from interlude.synth.source import Mixture, Source

Histogram = tuple[tuple[int, int], ...]  # (value, how many problems), by value


@dataclass(frozen=True)
class Guess:
    """The answers of one mode and operation count: ``floor`` is the share of the commonest, ``bound`` its Wilson 97.5 %
    upper limit. A model that scores no higher than ``floor`` may have learnt nothing but the answers' distribution."""

    mode: str
    ops: int
    problems: int
    answers: Histogram
    floor: float
    bound: float


@dataclass(frozen=True)
class Level:
    """The problems of one mode and operation count: how many different structures they have (canonical hashes), and the
    share with an idle operation, whose result, whatever it were, would leave the answer the same (a quantity that is
    added and subtracted again)."""

    mode: str
    ops: int
    problems: int
    structures: int
    idle: float


@dataclass(frozen=True)
class Lengths:
    """Tokens or statements per problem."""

    least: int
    mean: float
    most: int


@dataclass(frozen=True)
class Audit:
    """A report on ``problems`` drawn problems.

    symbols: how many problems use each operation ("=" is a copy).
    same_structure and same_text: problems whose canonical hash, or whose question, an earlier problem already had.
    held_out: share on the held-out side of the split.
    copies: how many statements of the question only repeat a quantity, distractors included.
    in_order: share of problems whose next step is always the next operation statement of the question, so that choosing
    a step takes no search. asked_last: share in which the last statement of the question is that of the last step.
    asked_last_operation: the same of the last operation statement, whatever givens follow it.
    """

    problems: int
    ops: Histogram
    depth: Histogram
    guesses: tuple[Guess, ...]
    question: Lengths
    solution: Lengths
    statements: Lengths
    symbols: tuple[tuple[str, int], ...]
    worlds: tuple[tuple[str, int], ...]
    same_structure: int
    same_text: int
    held_out: float
    copies: Histogram
    levels: tuple[Level, ...]
    in_order: float
    asked_last: float
    asked_last_operation: float

    @property
    def floor(self) -> float:
        """The highest guess floor of any mode and operation count."""
        return max(guess.floor for guess in self.guesses)

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-able lists and dictionaries."""
        return json.loads(json.dumps(asdict(self)))

    def as_text(self) -> str:
        """The report as a table."""
        lines = [f"{self.problems} problems, {self.held_out:.1%} on the held-out side"]
        lines.append(f"{self.same_structure} repeat a structure, {self.same_text} repeat a question")
        lines.append(f"{self.in_order:.1%}: the next step is always the next operation of the question")
        lines.append(
            f"{self.asked_last:.1%}: the last statement is that of the last step "
            f"({self.asked_last_operation:.1%} among operations)"
        )
        for name, lengths in (("question tokens", self.question), ("solution tokens", self.solution)):
            lines.append(f"{name:16} {lengths.least:6} .. {lengths.most:<6} mean {lengths.mean:.1f}")
        lines.append(
            f"{'statements':16} {self.statements.least:6} .. {self.statements.most:<6} mean {self.statements.mean:.1f}"
        )
        for name, counts in (
            ("ops", self.ops),
            ("depth", self.depth),
            ("copies", self.copies),
            ("uses", self.symbols),
            ("world", self.worlds),
        ):
            lines.append(f"{name:16} " + "  ".join(f"{value}: {count}" for value, count in counts))
        heads = (
            f"{'mode':8} {'ops':>4} {'n':>7} {'answers':>8} {'floor':>7} {'bound':>7} {'structures':>10} {'idle':>6}"
        )
        lines.append(heads)
        for g, level in zip(self.guesses, self.levels, strict=True):
            line = f"{g.mode:8} {g.ops:4} {g.problems:7} {len(g.answers):8} {g.floor:7.3f} {g.bound:7.3f}"
            lines.append(f"{line} {level.structures:10} {level.idle:6.3f}")
        return "\n".join(lines)


def draws(source: Source | Mixture, problems: int, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """The first ``problems`` problems of the stream ``path``. Raises ValueError for none."""
    if problems < 1:
        raise ValueError(f"problems must be at least 1, got {problems}")
    return (source.problem(*path, index) for index in range(problems))


def audit(source: Source | Mixture, problems: int = 2000, path: tuple[str | int, ...] = ("audit",)) -> Audit:
    """Draw ``problems`` problems and count. Raises ValueError if a stored value differs from a recursive evaluation."""
    drawn = list(draws(source, problems, path))
    for problem in drawn:
        if evaluate(problem.graph) != problem.graph.nodes[-1].value:
            raise ValueError(f"a graph's stored value differs from its evaluation: {problem.question}")
    groups: dict[tuple[str, int], list[Problem]] = {}
    for problem in drawn:
        groups.setdefault((problem.mode, problem.ops), []).append(problem)
    by_level = sorted(groups.items())
    return Audit(
        problems=problems,
        ops=histogram(problem.ops for problem in drawn),
        depth=histogram(problem.graph.depth for problem in drawn),
        guesses=tuple(guess(mode, ops, Counter(p.answer for p in group)) for (mode, ops), group in by_level),
        question=lengths([len(problem.written.question_tokens) for problem in drawn]),
        solution=lengths([len(problem.written.solution_tokens) for problem in drawn]),
        statements=lengths([len(problem.order) for problem in drawn]),
        symbols=histogram(op for problem in drawn for op in {node.op for node in problem.graph.nodes if node.args}),
        worlds=histogram(problem.world for problem in drawn),
        same_structure=problems - len({problem.graph.canonical for problem in drawn}),
        same_text=problems - len({problem.question for problem in drawn}),
        held_out=sum(problem.held_out for problem in drawn) / problems,
        copies=histogram(sum(node.op == SAME for node in problem.nodes) for problem in drawn),
        levels=tuple(level(mode, ops, group) for (mode, ops), group in by_level),
        in_order=sum(map(in_order, drawn)) / problems,
        asked_last=sum(asked_last(problem, False) for problem in drawn) / problems,
        asked_last_operation=sum(asked_last(problem, True) for problem in drawn) / problems,
    )


def in_order(problem: Problem) -> bool:
    """Whether the steps are the operation statements of the question, one after the other."""
    return operations(problem) == [move.statement for move in problem.moves]


def asked_last(problem: Problem, among_operations: bool) -> bool:
    """Whether the last statement is that of the last step, or, where there are no steps, of what is asked for."""
    statements = operations(problem) if among_operations else problem.order
    last = problem.moves[-1].statement if problem.moves else problem.graph.target
    return not statements or statements[-1] == last


def operations(problem: Problem) -> list[int]:
    """The operation and copy statements of the question, in its order."""
    return [i for i in problem.order if i >= 0 and problem.nodes[i].args]


def level(mode: str, ops: int, problems: list[Problem]) -> Level:
    """The level report of one group of problems."""
    structures = len({problem.graph.canonical for problem in problems})
    idle = sum(bool(idle_operations(problem.graph)) for problem in problems)
    return Level(mode, ops, len(problems), structures, idle / len(problems))


def idle_operations(graph: Graph) -> tuple[Move, ...]:
    """The steps that compute a quantity whose value cannot change the answer: with every other residue in its place
    (plain integers: seven other numbers), the steps that follow come to the same answer."""
    moves = canonical_moves(graph, tuple(range(len(graph.nodes))))
    equations = [(move.solves, *equation(graph.nodes, move)) for move in moves]
    true = [node.value for node in graph.nodes]
    found = []
    for nth, move in enumerate(moves[:-1]):
        if graph.nodes[move.statement].op == SAME:
            continue
        value = true[move.solves]
        others = range(graph.modulus) if graph.modulus else range(value, value + 8)
        if all(finish(equations[nth + 1 :], true, move.solves, other, graph) == graph.answer for other in others):
            found.append(move)
    return tuple(found)


def finish(equations: list, true: list[int], changed: int, value: int, graph: Graph) -> int | None:
    """The answer when the quantity ``changed`` has another value and the remaining equations are executed."""
    values: list[int | None] = list(true)
    values[changed] = value
    for solves, op, terms in equations:
        operands = tuple([values[i] for i in terms])
        values[solves] = None if None in operands else fold(op, operands, graph.modulus)
    return values[graph.target]


@lru_cache(maxsize=4096)
def guess_floor(source: Source | Mixture, ops: int | None = None, problems: int = 4000) -> float:
    """How often one fixed answer is right: what a model scores that has learnt which answer is the commonest, no more.

    The commonest answer of one half of ``problems`` drawn problems, and its share in the other half: unbiased, whereas
    the commonest answer of an exam's own 50 problems overstates it by about half. Deterministic, and cached.
    ops: only problems of so many operations; None for those that the source draws. Raises ValueError where the source
    has none. Takes up to some seconds: on the held-out side eight graphs are drawn for one that counts.
    """
    if type(problems) is not int or problems < 2:
        raise ValueError(f"problems must be at least 2, got {problems!r}")
    only = with_ops(source, ops)
    answers = [only.graph("guess floor", i).answer for i in range(problems)]
    first, second = Counter(answers[::2]), answers[1::2]
    commonest = min(first, key=lambda answer: (-first[answer], answer))
    return second.count(commonest) / len(second)


def with_ops(source: Source | Mixture, ops: int | None) -> Source | Mixture:
    """The source, restricted to problems of ``ops`` operations. Raises ValueError where it has none."""
    if ops is None:
        return source
    if isinstance(source, Source):
        if type(ops) is not int or not source.ops[0] <= ops <= source.ops[1]:
            raise ValueError(f"ops must be within Source.ops {source.ops}, got {ops!r}")
        return replace(source, ops=(ops, ops))
    shares = [(w / (p.ops[1] - p.ops[0] + 1), p) for w, p in source.parts if w and p.ops[0] <= ops <= p.ops[1]]
    total = sum(share for share, _ in shares)
    if not total:
        raise ValueError(f"ops must be within the ops of a part of the mixture, got {ops!r}")
    return Mixture(tuple([(share / total, replace(part, ops=(ops, ops))) for share, part in shares]))


def overlap(
    a: Source | Mixture, b: Source | Mixture, problems: int = 2000, path: tuple[str | int, ...] = ("audit",)
) -> int:
    """How many structures (canonical hashes) are found both in ``problems`` problems of ``a`` and in as many of ``b``.

    The two streams are independent, so a source compared with itself shows how often it repeats itself.
    """
    first, second = ({p.graph.canonical for p in draws(s, problems, (*path, name))} for s, name in ((a, "a"), (b, "b")))
    return len(first & second)


def guess(mode: str, ops: int, answers: Counter[int]) -> Guess:
    """The guess floor of one group of problems."""
    total, top = sum(answers.values()), max(answers.values())
    return Guess(mode, ops, total, histogram(answers.elements()), top / total, wilson_upper(top, total))


def wilson_upper(hits: int, total: int, z: float = 1.96) -> float:
    """Upper end of the Wilson (1927) score interval of a proportion."""
    share = hits / total
    centre = share + z * z / (2 * total)
    spread = z * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5
    return (centre + spread) / (1 + z * z / total)


def histogram(values) -> tuple:
    """(value, count) pairs in order of value."""
    return tuple(sorted(Counter(values).items()))


def lengths(values: list[int]) -> Lengths:
    """The least, the mean and the greatest."""
    return Lengths(min(values), sum(values) / len(values), max(values))
