"""A right solution taken apart, so that single parts of it can be changed and the whole be written again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from interlude.synth.problem import Problem

from .judge import COPY, VERB, Question, Step, read_question, read_steps, value_of


def say_step(step: Step, dialect: str) -> str:
    rows = " = ".join(f" {step.used} ".join(map(str, row)) for row in step.rows)
    if dialect != "prose":
        pairs = "".join(f"{noun} {value} " for noun, value in step.recalled)
        start = f"{step.noun} =" if dialect == "terse" else step.noun
        if step.used == COPY:
            return f"{start} {' + '.join(step.operands)} , {pairs}, {step.solved} {step.value} ;"
        return (
            f"{start} {f' {step.sign} '.join(step.operands)} , {pairs + ', ' if pairs else ''}"
            f"{rows} , {step.solved} {step.value} ;"
        )
    full = [o if o.isdigit() else f"the number of {o}" for o in step.operands]
    pairs = " and ".join(f"{value} {noun}" for noun, value in step.recalled)
    if step.used == COPY:
        said = f"The number of {step.noun} is {' plus '.join(full)}. There are {pairs}"
        return f"{said}, so there are {step.value} {step.solved}."
    given = f"There are {pairs}, and" if pairs else "So"
    return (
        f"The number of {step.noun} is {f' {VERB[step.sign]} '.join(full)}. {given} "
        f"{rows}, so there are {step.value} {step.solved}."
    )


def say(steps: list[Step], answer: int, dialect: str) -> str:
    ending = f"The answer is {answer}. <end>" if dialect == "prose" else f"answer {answer} <end>"
    return " ".join([*(say_step(step, dialect) for step in steps), ending])


def rows_of(used: str, numbers: list[int], modulus: int | None) -> tuple[tuple[int, ...], ...]:
    rows = [tuple(numbers)]
    while len(rows[-1]) > 1:
        first = value_of(used, rows[-1][0], rows[-1][1], modulus)
        rows.append((0 if first is None else first, *rows[-1][2:]))
    return tuple(rows)


@dataclass
class Draft:
    """A right solution, its question, and what to draw with."""

    random: Random
    asked: Question
    steps: list[Step]
    answer: int
    text: str
    dialect: str
    modulus: int | None

    def say(self, steps: list[Step]) -> str:
        return say(steps, self.answer, self.dialect)

    def say_with(self, nth: int, step: Step) -> str:
        return self.say([*self.steps[:nth], step, *self.steps[nth + 1 :]])

    def pick(self) -> int:
        return self.random.randrange(len(self.steps))

    def noun(self) -> str:
        return self.random.choice([*self.asked.values, "unicorns"])

    def number(self) -> int:
        return self.random.randrange((self.modulus or 30) + 2)

    def replace_token(self, pattern: str, new) -> str:
        """One random match of ``pattern`` in the text replaced by ``new(match)``."""
        spots = list(re.finditer(pattern, self.text))
        if not spots:
            return self.text
        spot = self.random.choice(spots)
        return self.text[: spot.start()] + new(spot[0]) + self.text[spot.end() :]


def draft(problem: Problem, random: Random) -> Draft:
    modulus = problem.graph.modulus
    asked = read_question(problem.question, problem.dialect, modulus)
    said = read_steps(problem.solution, problem.dialect)
    assert said is not None, problem.solution
    return Draft(random, asked, said[0], said[1], problem.solution, problem.dialect, modulus)
