"""What a source really contains: operations, answers and how well they can be guessed, lengths, duplicates, overlap."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from interlude.synth.graph import evaluate
from interlude.synth.problem import Mixture, Problem, Source

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
class Lengths:
    """Tokens or statements per problem."""

    least: int
    mean: float
    most: int


@dataclass(frozen=True)
class Audit:
    """A report on ``problems`` drawn problems.

    symbols: how many problems use each operation. same_structure and same_text: problems whose canonical hash, or whose
    question, an earlier problem already had. held_out: share of problems on the held-out side of the split.
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
        for name, lengths in (("question tokens", self.question), ("solution tokens", self.solution)):
            lines.append(f"{name:16} {lengths.least:6} .. {lengths.most:<6} mean {lengths.mean:.1f}")
        lines.append(
            f"{'statements':16} {self.statements.least:6} .. {self.statements.most:<6} mean {self.statements.mean:.1f}"
        )
        for name, counts in (
            ("ops", self.ops),
            ("depth", self.depth),
            ("uses", self.symbols),
            ("world", self.worlds),
        ):
            lines.append(f"{name:16} " + "  ".join(f"{value}: {count}" for value, count in counts))
        lines.append(f"{'mode':8} {'ops':>4} {'n':>7} {'answers':>8} {'floor':>7} {'bound':>7}")
        for g in self.guesses:
            lines.append(f"{g.mode:8} {g.ops:4} {g.problems:7} {len(g.answers):8} {g.floor:7.3f} {g.bound:7.3f}")
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
    answers: dict[tuple[str, int], Counter[int]] = {}
    for problem in drawn:
        answers.setdefault((problem.mode, problem.ops), Counter())[problem.answer] += 1
    return Audit(
        problems=problems,
        ops=histogram(problem.ops for problem in drawn),
        depth=histogram(problem.graph.depth for problem in drawn),
        guesses=tuple(guess(mode, ops, answers[mode, ops]) for mode, ops in sorted(answers)),
        question=lengths([len(problem.written.question_tokens) for problem in drawn]),
        solution=lengths([len(problem.written.solution_tokens) for problem in drawn]),
        statements=lengths([len(problem.order) for problem in drawn]),
        symbols=histogram(op for problem in drawn for op in {node.op for node in problem.graph.nodes if node.args}),
        worlds=histogram(problem.world for problem in drawn),
        same_structure=problems - len({problem.graph.canonical for problem in drawn}),
        same_text=problems - len({problem.question for problem in drawn}),
        held_out=sum(problem.held_out for problem in drawn) / problems,
    )


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
    return Lengths(min(values), sum(values) / len(values), max(values))
