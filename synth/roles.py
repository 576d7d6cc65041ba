"""What each token of a problem is for, and how a per-token quantity splits over those purposes."""

from __future__ import annotations

from collections.abc import Sequence

from interlude.synth import render
from interlude.synth.problem import Problem

ROLES = {
    render.STATEMENT: "part of a statement that the answer needs",
    render.DISTRACTOR: "part of a statement that the answer does not need",
    render.QUESTION: "part of the final question",
    render.PLANNING: "the name of the quantity whose statement is used next: the choice of a step",
    render.COPY: "a name or sign that the chosen statement already contains",
    render.RETRIEVAL: "the value of a named quantity, recalled from the question or from an earlier step",
    render.ARITHMETIC: "a number that has to be computed",
    render.FORMAT: "a token that is fully determined by the tokens before it and the dialect",
    render.STOP: "a token that ends the solution: the word before the answer, or the end token",
    render.ANSWER: "the answer itself",
    render.INFERRED: "the value of a named quantity whose step was skipped, where it is first seen; or such an answer",
    render.CONNECTIVE: "a word that opens a step or introduces its result, chosen freely among several",
    render.REMARKED: "part of a remark on a given quantity",
    render.THOUGHT: "part of a thought, or one of its tags",
    render.STRATEGY: "part of a line that an approach adds to the steps",
    render.SLIP: "a wrong number, where a step should have found the right one",
}

SOLUTION_ROLES = tuple(ROLES)[3:]


def roles(problem: Problem, end: bool = True) -> tuple[str, ...]:
    """The role of every token of the question and then of the solution; ``end=False`` leaves out the closing mark."""
    written = problem.written
    return written.question_roles + (written.solution_roles if end else written.solution_roles[:-1])


def by_role(problem: Problem, values: Sequence[float]) -> dict[str, float]:
    """``values`` (one a solution token, such as log-probabilities in nats) summed by role; absent roles hold 0.0.

    The sums add up to ``sum(values)``. Raises ValueError unless there is exactly one value for each solution token.
    """
    of_token = problem.written.solution_roles
    if len(values) != len(of_token):
        raise ValueError(
            f"values must hold one number for each of the {len(of_token)} solution tokens, got {len(values)}"
        )
    sums = dict.fromkeys(SOLUTION_ROLES, 0.0)
    for role, value in zip(of_token, values, strict=True):
        sums[role] += float(value)
    return sums
