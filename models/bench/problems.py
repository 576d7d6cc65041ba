"""Speed of generating problems and of verifying worked solutions, on one core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from interlude.models.bench.report import Race
from interlude.models.bench.timing import Side, race
from interlude.models.bench.workload import Setup, Workload
from interlude.synth.problem import Problem
from interlude.synth.rng import below, rng
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

KINDS = (("terse", "forward"), ("terse", "reverse"), ("prose", "forward"), ("prose", "reverse"))


def races(work: Workload, setup: Setup) -> Iterator[Race]:
    """Making, then judging."""
    size, ops = setup.size, work.problems.ops[1]
    sides = {}
    for dialect, mode in KINDS:
        source = replace(work.problems, dialect=dialect, mode=mode)
        sides[f"{dialect}, {mode}"] = writer(source, replace(work.model.vocab, dialects=(dialect,)), size.problems)
    what = f"problems of {ops} operations with text and token ids"
    yield timed_race(what, "problems/s", sides, setup)
    problems = [work.problems.problem("bench", row) for row in range(size.problems)]
    right = [(problem, problem.solution) for problem in problems]
    wrong = [(problem, mutated(problem, row, work.model.vocab)) for row, problem in enumerate(problems)]
    check_verdicts(right, wrong)
    sides = {"right": judge(right), "one wrong number": judge(wrong)}
    yield timed_race(f"worked solutions of {ops} operations verified", "solutions/s", sides, setup)


def timed_race(what: str, unit: str, sides: dict[str, Side], setup: Setup) -> Race:
    """On the CPU, wherever models run."""
    turns = race(sides, setup.clock, setup.size.seconds, setup.size.rounds)
    return Race("problems", what, unit, turns, setup.clock.load())


def writer(source: Source, vocab: Vocabulary, problems: int) -> Side:
    """Writes so many new problems a turn."""
    turn = count()

    def write() -> float:
        first = next(turn)
        for row in range(problems):
            problem = source.problem("bench", first, row)
            vocab.encode(problem.question)
            vocab.encode(problem.solution)
        return problems

    return write


def mutated(problem: Problem, row: int, vocab: Vocabulary) -> str:
    """The solution with one of its numbers changed to another."""
    draw = rng("bench", "mutated", row)
    tokens = [vocab.tokens[i] for i in vocab.encode(problem.solution)]
    numbers = [at for at, token in enumerate(tokens) if token.isdecimal()]
    at = numbers[below(draw, len(numbers))]
    tokens[at] = str((int(tokens[at]) + 1 + below(draw, vocab.modulus - 1)) % vocab.modulus)
    return vocab.decode([vocab.ids[token] for token in tokens])


def check_verdicts(right: list[tuple[Problem, str]], wrong: list[tuple[Problem, str]]) -> None:
    """The speed of a wrong verdict means nothing: raises ArithmeticError for one."""
    for solutions, strict in ((right, True), (wrong, False)):
        for problem, text in solutions:
            if verify(problem, text).strict is not strict:
                raise ArithmeticError(f"the verifier's strict verdict must be {strict} for this solution: {text}")


def judge(solutions: list[tuple[Problem, str]]) -> Side:
    """Judges all solutions a turn."""

    def verdicts() -> float:
        for problem, text in solutions:
            verify(replace(problem), text)  # a copy has derived nothing yet, as when responses come from a file
        return len(solutions)

    return verdicts
