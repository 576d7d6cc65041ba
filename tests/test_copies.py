"""Problems without arithmetic: chains of copies and names only are drawn, told, read and judged like any other."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import fuzz
import pytest

from interlude.models.rollouts import Reward
from interlude.studies.key import canonical
from interlude.synth.audit import audit
from interlude.synth.export import pack, problem_from_dict, problem_to_dict, unpack
from interlude.synth.graph import GIVEN, Graph, Node, Shape, copies, evaluate, isomorphic
from interlude.synth.ops import SAME
from interlude.synth.parse import parse
from interlude.synth.problem import Problem, Source
from interlude.synth.rng import rng
from interlude.synth.roles import by_role
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

CHAIN = Source(ops=(0, 0), copies=(1, 4), filler=(0, 2))
NAMES = Source(ops=(0, 0), copies=(0, 0), filler=(3, 6))
SOURCES = [
    Source(ops=(0, 0), copies=span, dialect=dialect, world=world, order=order, filler=(0, 3), split="any")
    for span in ((0, 0), (1, 5))
    for dialect, world in (("terse", "school"), ("prose", "zoo"))
    for order in ("dependency", "shuffled")
]


def by_hand(dialect: str = "terse") -> Problem:
    """bears are foxes, owls are bears, and three cows are no one's."""
    nodes = Node(GIVEN, (), 4), Node(SAME, (0,), 4), Node(SAME, (1,), 4)
    return Problem(Graph(nodes, 7), (Node(GIVEN, (), 3),), (2, 0, 4, 23), (0, 3, 1, 2), "zoo", dialect)


def test_the_texts_to_the_letter():
    # Mutants: an equation "4 ," after the recalled value; a role moved by one token.
    terse, prose = by_hand(), by_hand("prose")
    assert terse.question == "foxes 4 ; cows 3 ; bears = foxes ; owls = bears ; owls ?"
    assert terse.solution == "bears = foxes , foxes 4 , bears 4 ; owls = bears , bears 4 , owls 4 ; answer 4 <end>"
    opening = "The number of bears is the number of foxes. There are 4 foxes, so there are 4 bears. The"
    assert prose.solution.startswith(opening)
    step = "planning format copy format copy retrieval format format format format".split()
    assert list(terse.written.solution_roles) == [*step, *step, "stop", "answer", "stop"]
    told = zip(prose.written.solution_tokens, prose.written.solution_roles, strict=True)
    assert [token for token, role in told if role == "retrieval"] == ["4", "4"]
    assert set(by_role(terse, [0.0] * 23)) >= {"planning", "copy"} and (terse.ops, terse.graph.depth) == (0, 2)


@pytest.mark.parametrize("source", SOURCES)
def test_drawn_told_read_and_judged(source):
    # Mutants: copies of another quantity; a chain one too short; a literal given;
    # roles of another length; a step lost in parsing.
    vocabulary = Vocabulary(worlds=(source.world,), dialects=(source.dialect,))
    lengths = Counter()
    for i in range(60):
        problem = source.problem("copies", i)
        graph, written = problem.graph, problem.written
        lengths[len(problem.moves)] += 1
        assert graph.ops == 0 and graph.depth == len(problem.moves) == len(graph.nodes) - 1
        assert {node.value for node in graph.nodes} == {problem.answer} == {evaluate(graph)}
        assert not re.search(r" [-+*/] | plus | minus | times ", problem.question + problem.solution)
        trace = parse(problem.solution, problem.dialect, problem.copies)
        assert trace.junk is None and trace.answer == problem.answer
        assert [step.statement for step in trace.steps] == [problem.words[move.statement] for move in problem.moves]
        assert all((step.op, step.used, step.lines) == (SAME, SAME, ((problem.answer,),)) for step in trace.steps)
        verdict = verify(problem, problem.solution)
        assert verdict.strict and verdict.parsed and verdict.process == 1.0
        assert len(written.solution_roles) == len(written.solution_tokens)
        assert len(written.question_roles) == len(written.question_tokens)
        assert vocabulary.decode(vocabulary.encode(problem.solution)) == problem.solution
        assert unpack(pack(problem)) == problem
        assert fuzz.correct(problem.question, problem.solution, problem.dialect, 7)
    assert set(lengths) == set(range(source.copies[0], source.copies[1] + 1))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("bears = foxes , foxes 4 , bears 4 ; owls = bears , bears 4 , owls 4 ; answer 4 <end>", ""),
        ("bears = foxes , foxes 5 , bears 5 ; owls = bears , bears 4 , owls 4 ; answer 4 <end>", "recall result"),
        ("bears = foxes , foxes 4 , bears 3 ; owls = bears , bears 4 , owls 4 ; answer 4 <end>", "result"),
        (
            "bears = cows , cows 3 , bears 3 ; owls = bears , bears 4 , owls 4 ; answer 4 <end>",
            "operand recall substitution result",
        ),
        ("owls = bears , bears 4 , owls 4 ; bears = foxes , foxes 4 , bears 4 ; answer 4 <end>", "unready"),
        (
            "bears = foxes , foxes 4 , bears 4 ; bears = foxes , foxes 4 , foxes 4 ; "
            "owls = bears , bears 4 , owls 4 ; answer 4 <end>",
            "recall repeated",
        ),
        ("bears = foxes , foxes 4 , bears 4 ; answer 4 <end>", "missing"),
        (
            "bears = foxes + cows , foxes 4 cows 3 , 4 + 3 = 0 , bears 0 ; "
            "owls = bears , bears 4 , owls 4 ; answer 4 <end>",
            "operand operator recall substitution substitution result",
        ),
        ("cows = foxes , foxes 3 , cows 3 ; answer 4 <end>", "unknown missing missing"),
        ("bears = foxes , foxes 4 , 4 , bears 4 ; answer 4 <end>", "missing missing format"),
        ("bears = foxes , foxes 4 , bears", "missing missing answer truncated"),
    ],
)  # fmt: skip
def test_each_fault_by_name(text, kinds):
    # Mutants: operands or the copied value not compared; the inverse of a copy unknown (a crash on the sixth);
    # a copy cut short called junk.
    verdict = verify(by_hand(), text)
    assert [fault.kind for fault in verdict.faults] == kinds.split(), verdict.faults
    assert verdict.strict == (kinds == "") == fuzz.correct(by_hand().question, text, "terse", 7)


def test_a_copy_is_junk_where_the_question_makes_none():
    # Mutant: copies read everywhere, and what existing rewards paid such a text changes.
    problem = Source(ops=(1, 1)).problem("copied", 0)
    name, other = problem.words[2], problem.words[0]
    text = f"{name} = {other} , {other} {problem.nodes[0].value} , {name} {problem.answer} ; {problem.solution}"
    verdict = verify(problem, text)
    assert [fault.kind for fault in verdict.faults] == ["missing", "format"] and verdict.process == 0.0


def test_no_step_is_needed_where_none_is_asked():
    # Mutants: a division by no steps, in the verdict or in the released reward; an unneeded step let through.
    problem = NAMES.problem("names", 0)
    assert problem.moves == () and re.fullmatch(r"answer [0-6] <end>", problem.solution)
    extra = f"bears = owls , owls 1 , bears 1 ; {problem.solution}"
    for text, strict in ((problem.solution, True), ("answer 9 <end>", False), (extra, False)):
        verdict = verify(problem, text)
        assert verdict.strict == strict and verdict.process == 1.0
        assert Reward("released").of(verdict, len(problem.moves)) == verdict.answer


def test_structure_is_blind_to_names_and_sees_length_and_value():
    # Mutant: a copy hashed as its original, and chains of all lengths are one structure.
    graphs = [
        Graph((Node(GIVEN, (), v), *(Node(SAME, (i,), v) for i in range(n))), 7) for n in range(4) for v in range(7)
    ]
    assert len({graph.canonical for graph in graphs}) == len(graphs)
    assert not any(isomorphic(a, b) for i, a in enumerate(graphs) for b in graphs[:i])
    same = [CHAIN.problem("hash", i) for i in range(200)]
    assert len({p.graph.canonical for p in same}) == len({(len(p.graph.nodes), p.answer) for p in same})
    assert not any(p.held_out for p in same)


def test_as_long_as_arithmetic():
    # Mutant: a copy counted as long as a sum (six tokens for four).
    for span in ((1, 1), (2, 3), (7, 7)):
        source = Source(ops=(0, 0), copies=span, names=24, length=(16, 16))
        questions = [len(source.problem("long", i).written.question_tokens) - 2 for i in range(40)]
        assert set(questions) <= {48, 47, 46} and max(questions) - min(questions) <= 2
    source = Source(ops=(0, 0), copies=(0, 0), length=(9, 9))
    assert {len(source.problem(i).written.question_tokens) for i in range(9)} == {29}


def test_names_suffice_for_every_length_that_is_accepted():
    # Mutant: a bound on names one too low (an empty pool), or a copy taken for two givens.
    accepted = 0
    for span in ((0, 0), (1, 1), (1, 4), (4, 4), (6, 7)):
        for length in range(1, 20):
            try:
                source = Source(ops=(0, 0), copies=span, names=14, length=(length, length), shape=Shape(literals=1.0))
            except ValueError:
                continue
            accepted += 1
            for i in range(12):
                assert all(name >= 0 for name in source.problem("tight", i).names)
    assert accepted > 20


def test_what_existed_keeps_its_key():
    # Mutant: a plain field, which would rename every run there is.
    assert "copies" not in canonical(Source(ops=(1, 2))) and "copies" in canonical(CHAIN)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ops": (0, 0)}, r"Source.ops must be \(low, high\) with 1"),
        ({"copies": (2, 1)}, "Source.copies must be"),
        ({"copies": 3}, "Source.copies must be"),
        ({"copies": (1, 2), "ops": (1, 1)}, r"Source.copies \(1, 2\) needs Source.ops \(0, 0\), got \(1, 1\)"),
        ({"copies": (1, 2), "mode": "reverse"}, "needs Source.mode 'forward'"),
        ({"copies": (1, 2), "connected": (0, 1)}, "Source.connected and Source.unconnected"),
        ({"copies": (1, 2), "unconnected": (1, 1)}, "Source.connected and Source.unconnected"),
        ({"copies": (1, 60)}, "can need 61 names"),
        ({"copies": (1, 6), "length": (8, 9)}, "Source.length must be at least 9"),
    ],
)
def test_contradictions_are_refused_at_construction(fields, message):
    # Mutant: any check removed.
    with pytest.raises(ValueError, match=message):
        Source(**({"ops": (0, 0)} | fields))


def test_bad_graphs_are_refused_when_read():
    # Mutants: a copy with another value than its original, of two quantities, or of itself; a bare number asked for.
    table = problem_to_dict(by_hand())
    for row, message in (([SAME, [0], 5], "neither"), ([SAME, [0, 1], 4], "neither"), ([SAME, [2], 4], "args")):
        table["graph"] = {"nodes": [*[[GIVEN, [], 4], [SAME, [0], 4]], row], "modulus": 7, "unknown": None}
        with pytest.raises(ValueError, match=message):
            problem_from_dict(table)
    for nodes, unknown in (
        ([["literal", [], 4]], None),
        ([[GIVEN, [], 4]], 0),
        ([[GIVEN, [], 4], [GIVEN, [], 3]], None),
    ):
        table["graph"] = {"nodes": nodes, "modulus": 7, "unknown": unknown}
        with pytest.raises(ValueError, match="problem.graph"):
            problem_from_dict(table)


def test_audited_and_guessed_like_the_rest():
    # Mutants: values 0 to 6 drawn unevenly; a modulus forgotten.
    report = audit(Source(ops=(0, 0), copies=(1, 3), split="any"), 700)
    assert report.ops == ((0, 700),) and report.depth[0][0] == 1 and report.depth[-1][0] == 3 and report.floor < 0.2
    assert dict(report.symbols) == {SAME: 700}
    assert {copies(rng("plain", i), 1, Shape(), None).answer for i in range(200)} == set(range(1, 10))


def test_the_second_opinion_agrees_on_spoilt_ones():
    # Mutants: any comparison of a copy left out of verify (the campaign of test_verify covers these sources too).
    spoilt = 0
    for nth in range(len(SOURCES) * 20):
        problem = SOURCES[nth % len(SOURCES)].problem("spoilt", nth)
        draft = fuzz.draft(problem, Random(nth))
        for k in range(30):
            name, text = fuzz.mutant(draft, nth * 30 + k)
            right = fuzz.correct(problem.question, text, problem.dialect, 7)
            assert verify(problem, text).strict == right, (name, problem.question, text)
            spoilt += not right
    assert spoilt > 3000
