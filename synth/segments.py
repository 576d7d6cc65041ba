"""A worked solution cut into segments, each a step or the answer, and what the first segment of any text asserts."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from interlude.synth.parse import Step, parse
from interlude.synth.problem import Problem
from interlude.synth.solution_style import Grammar

COMMUTE = "+*"


class Assertion(NamedTuple):
    """What one segment asserts.

    text: the segment without white space around it.
    facts: a set that is equal for two segments which state the same in another order, where the order is free.
    value: the number that the step finds, or the answer.
    """

    text: str
    facts: frozenset[tuple]
    value: int


def unthought(problem: Problem) -> Problem:
    """The problem as the raw corpus has it: a response may contain thoughts, and its own solution contains none."""
    style = problem.style
    if style is None or style.thoughts != "oracle":
        return problem
    return replace(problem, style=replace(style, thoughts="ignored"))


def whole(problem: Problem) -> Problem:
    """The problem with every step shown: its own solution leaves none out, has no thoughts and no freely chosen words
    or wrong numbers. ``verify`` accepts this solution for the problem as it was, whatever its own text leaves out."""
    if problem.style is None:
        return problem
    return replace(problem, style=replace(problem.style, skipped=None, wording=None))


def segments(problem: Problem) -> tuple[str, ...]:
    """The solution of a problem without thoughts, cut after every step; the last segment states the answer. Whitespace
    belongs to what follows it, so that segments joined are the solution, also for a tokenizer that reads whitespace."""
    text, at, found = problem.solution, 0, []
    for step in parse(text, Grammar(problem.dialect, worded=problem.worded)).steps:
        found.append(text[at : step.span[1]])
        at = step.span[1]
    return (*found, text[at:])


def assertion(problem: Problem, text: str) -> Assertion | None:
    """What the first segment of ``text`` asserts; None if ``text`` does not begin with a whole one. What follows it
    does not matter. A step of several sums must reduce them in the same order."""
    trace = parse(text, Grammar(problem.dialect, worded=problem.worded))
    if trace.steps:
        step = trace.steps[0]
        true = dict(zip(problem.words, [node.value for node in problem.nodes], strict=True))
        # A remark on what the question gives says nothing new; a false one is a fact that no corpus text has.
        false = [(noun, value) for noun, value, at in trace.remarks if at < step.span[1] and true.get(noun) != value]
        return Assertion(text[: step.span[1]].strip(), frozenset((*facts(step), *false)), step.value)
    if trace.answer is None or trace.junk is not None or not trace.ended:
        return None
    return Assertion(text.strip(), frozenset({("answer", trace.answer)}), trace.answer)


def facts(step: Step) -> set[tuple]:
    """The relation a step restates, the values it recalls and finds, and its equation; what commutes is sorted."""
    operands = tuple(sorted(step.operands)) if step.op in COMMUTE else step.operands
    lines = step.lines
    if len(lines) == 2 and step.used in COMMUTE:
        lines = (tuple(sorted(lines[0])), lines[1])
    values = {*step.recalled, (step.solved, step.value)}
    return values | {("relation", step.statement, step.op, operands), ("equation", step.used, lines)}
