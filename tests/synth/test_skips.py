"""Elided steps: skipped in the text, still derivable, judged by what is shown,
and marked where their results appear."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import fuzz
import pytest

from interlude.models.key import canonical
from interlude.synth import thoughts
from interlude.synth.export import pack, problem_from_dict, problem_to_dict, unpack
from interlude.synth.graph import GIVEN, Graph, Node, Shape
from interlude.synth.problem import Problem
from interlude.synth.solution_style import SolutionStyle
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

WIDE = Shape(fan_in=3, literals=0.3, reuse=0.3, width=0.6)
SOURCES = [
    Source(
        ops=(1, 6), skip_prob=0.5, dialect=dialect, mode=mode, split="any", order=order, shape=shape, connected=(0, 1)
    )
    for dialect in ("terse", "prose")
    for mode in ("forward", "reverse")
    for order, shape in (("dependency", Shape()), ("shuffled", WIDE))
] + [Source(ops=(0, 0), copies=(1, 4), skip_prob=0.5, dialect=dialect, split="any") for dialect in ("terse", "prose")]


def drawn(n: int) -> list[Problem]:
    return [SOURCES[i % len(SOURCES)].problem("skips", i) for i in range(n)]


def plain(problem: Problem) -> Problem:
    return replace(problem, style=None)


def correct(problem: Problem, text: str) -> bool:
    return fuzz.correct(problem.question, text, problem.dialect, problem.graph.modulus, skips=True)


def test_gold_is_the_full_solution_without_the_skipped_steps():
    # Mutants: the last step skipped; the draw of a problem moved by the field; a step lost or kept against the style.
    skipped = shown = 0
    for i, problem in enumerate(drawn(100)):
        source = SOURCES[i % len(SOURCES)]
        assert plain(problem) == replace(source, skip_prob=0.0).problem("skips", i)
        steps = fuzz.draft(plain(problem), Random(0)).steps
        skips = problem.style.skipped
        kept = [s for s, move in zip(steps, problem.moves, strict=True) if move.statement not in skips]
        assert problem.solution == fuzz.say(kept, problem.answer, problem.dialect)
        assert kept[-1] == steps[-1] and len(problem.written.solution_roles) == len(problem.written.solution_tokens)
        verdict = verify(problem, problem.solution)
        assert verdict.strict and verdict.process == 1.0 and correct(problem, problem.solution)
        assert verify(plain(problem), problem.solution).strict == (not skips)
        skipped, shown = skipped + len(steps) - len(kept), shown + len(kept) - 1
    assert 0.4 < skipped / (skipped + shown) < 0.6


def test_the_second_opinion_agrees_whatever_is_skipped():
    # Mutants: a skipped result not taken as known; a late step accepted; the last step skipped;
    # order of the terse dialect lost; a step read as skipped in reverse mode only where its own quantity is missing.
    right = spoilt = 0
    for i, problem in enumerate(drawn(200)):
        random = Random(i)
        draft = fuzz.draft(plain(problem), random)
        for k in range(20):
            text = fuzz.mutant(draft, i * 20 + k)[1] if k % 3 == 0 else problem.solution
            said = fuzz.read_steps(text, problem.dialect)
            if said is not None:
                steps = [step for step in said[0] if random.random() < 0.7]
                if k % 3 == 2 and len(steps) > 1:
                    a, b = random.sample(range(len(steps)), 2)
                    steps[a], steps[b] = steps[b], steps[a]
                full = [*draft.steps] if k % 4 == 0 else steps
                text = fuzz.say(full if k % 3 else steps, said[1], problem.dialect)
            verdict, due = verify(problem, text), correct(problem, text)
            assert verdict.strict == due, (problem.question, text, verdict.faults)
            right, spoilt = right + due, spoilt + (not due)
    assert right > 500 and spoilt > 500


def by_hand(dialect: str = "terse") -> Problem:
    """Four steps: a sum of givens, its difference and its product with one of them, and the sum of those two."""
    nodes = (
        Node(GIVEN, (), 4), Node(GIVEN, (), 1),
        Node("+", (0, 1), 5), Node("-", (2, 1), 4), Node("*", (2, 1), 5), Node("+", (3, 4), 2),
    )  # fmt: skip
    return Problem(
        Graph(nodes, 7), (), (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5), "zoo", dialect, SolutionStyle(skipped=())
    )


A, B, C, D = range(4)  # the four steps of the problem by hand


@pytest.mark.parametrize(
    ("order", "terse", "prose", "process"),
    [
        ((A, B, C, D), "", "", 1.0),
        ((D,), "", "", 1.0),
        ((C, D), "", "", 1.0),
        ((A, C, B, D), "order", "", 1.0),  # prose may take any legal order
        ((B, A, D), "order", "order", 1.0),  # bears were used before they are found
        ((D, C), "order", "order", 1.0),
        ((C, A, B, D), "order order", "order", 1.0),
        ((A, B, C), "missing", "missing", 0.75),
        ((), "missing", "missing", 0.0),
        ((A, A, D), "repeated", "repeated", 1.0),
    ],
)
def test_each_order_by_name(order, terse, prose, process):
    # Mutants: process counting skipped steps; a late step called right; the furthest step forgotten.
    for dialect, kinds in (("terse", terse), ("prose", prose)):
        problem = by_hand(dialect)
        draft = fuzz.draft(problem, Random(0))
        verdict = verify(problem, fuzz.say([draft.steps[i] for i in order], problem.answer, dialect))
        assert [fault.kind for fault in verdict.faults] == kinds.split(), (dialect, verdict.faults)
        assert verdict.process == process


def test_a_wrong_value_of_a_skipped_quantity_is_wrong():
    # Mutant: what was skipped believed whatever is said of it, so that skipping hides errors.
    problem = by_hand()
    last = fuzz.draft(problem, Random(0)).steps[D]
    wrong = replace(last, recalled=((last.recalled[0][0], 3), last.recalled[1]), rows=((3, 5), (1,)), value=1)
    verdict = verify(problem, fuzz.say([wrong], 1, "terse"))
    assert not verdict.strict and not verdict.answer and verdict.process == 0.0
    assert {"recall", "result", "answer"} <= {fault.kind for fault in verdict.faults}


def test_the_first_sight_of_a_skipped_result_has_its_own_role():
    # Mutants: every later sight marked too; the wrong one of two recalled values marked;
    # an oracle's reader told to infer.
    problem = replace(by_hand(), style=SolutionStyle(skipped=(2,)))
    told = list(zip(problem.written.solution_tokens, problem.written.solution_roles, strict=True))
    assert [t for t, role in told if role == "inferred"] == ["5"] and told[9][1] == "retrieval"
    assert told[7] == ("5", "inferred") and [t for t, role in told if role == "retrieval"] == ["1", "5", "1", "4", "5"]
    seen = replace(problem, style=SolutionStyle("oracle", (2,)))
    assert "inferred" not in seen.written.solution_roles


def test_an_oracle_thinks_the_skipped_steps():
    # Mutants: thoughts that are not the full solution's steps; tags with another role; text changed around a thought.
    for problem in drawn(60):
        style = replace(problem.style, thoughts="oracle")
        told = replace(problem, style=style)
        written = told.written
        kept = [t for t, role in zip(written.solution_tokens, written.solution_roles, strict=True) if role != "thought"]
        assert tuple(kept) == problem.written.solution_tokens
        bare = [t for t in written.solution_tokens if t not in ("<think>", "</think>")]
        assert tuple(bare) == plain(problem).written.solution_tokens
        assert thoughts.length(written.solution_tokens) == len(bare) - len(kept)
        assert verify(told, told.solution).strict and verify(problem, told.solution).strict == (not style.skipped)
        vocabulary = Vocabulary(dialects=("terse", "prose"), thoughts=True)
        assert vocabulary.decode(vocabulary.encode(told.solution)) == told.solution


def test_what_existed_keeps_key_and_form():
    # Mutants: a plain field; a style lost in a table.
    assert "skip_prob" not in canonical(Source(ops=(1, 2))) and "skip_prob" in canonical(SOURCES[0])
    for problem in drawn(20):
        assert unpack(pack(problem)) == problem == problem_from_dict(problem_to_dict(problem))


def test_bad_input_is_refused_by_name():
    # Mutant: any check removed.
    for fields, message in (
        ({"skip_prob": 1.5}, "Source.skip_prob must be a probability"),
        ({"skip_prob": float("nan")}, "Source.skip_prob must be a probability"),
        ({"thoughts": "oracle"}, "'oracle' needs Source.skip_prob"),
    ):
        with pytest.raises(ValueError, match=message):
            Source(ops=(1, 1), **fields)
    for skipped in ([5], [3, 2], [2, 2], [0]):
        table = problem_to_dict(by_hand())
        table["style"] = table["style"] | {"skipped": skipped}
        with pytest.raises(ValueError, match="problem.style.skipped"):
            problem_from_dict(table)
