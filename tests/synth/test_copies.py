"""Problems without arithmetic: chains of copies and names only are drawn, told, read and judged like any other."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from random import Random

import fuzz
import pytest

from interlude.models.key import canonical
from interlude.models.rollouts import Reward
from interlude.synth.audit import audit
from interlude.synth.export import pack, problem_from_dict, problem_to_dict, unpack
from interlude.synth.graph import (
    GIVEN,
    Graph,
    Node,
    Shape,
    copies,
    draw,
    evaluate,
    insert_copies,
    isomorphic,
    without_copies,
)
from interlude.synth.ops import SAME
from interlude.synth.parse import parse
from interlude.synth.problem import Problem
from interlude.synth.rng import rng
from interlude.synth.roles import by_role
from interlude.synth.source import Source
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
        trace = parse(problem.solution, problem.grammar)
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


@pytest.mark.parametrize("dialect", ["terse", "direct", "prose"])
def test_a_surplus_copy_is_a_fault_of_its_own(dialect):
    # Mutants: copies read as junk where the question makes none, so that all after one counts for nothing; a copy of a
    # statement that is a sum let through.
    problem = Source(ops=(2, 2), dialect=dialect, shape=Shape(width=0)).problem("copied", 0)
    draft = fuzz.draft(problem, Random(0))
    first = draft.steps[0]
    noun, value = first.recalled[0]
    surplus = fuzz.Step("unicorns", "=", (noun,), ((noun, value),), "=", ((value,),), "unicorns", value)
    verdict = verify(problem, draft.say([surplus, *draft.steps]))
    assert [fault.kind for fault in verdict.faults] == ["unknown"] and verdict.process == 1.0 and verdict.parsed
    assert verdict.faults[0].detail == "The question does not say how unicorns are computed."
    instead = replace(surplus, noun=first.noun, solved=first.solved)
    verdict = verify(problem, draft.say([instead, *draft.steps[1:]]))
    assert {"operand", "operator"} <= {fault.kind for fault in verdict.faults} and verdict.process == 0.5


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("dialect", ["terse", "direct", "prose"])
def test_missing_repeated_and_wrong_copies_by_name(dialect, mode):
    # Mutants: a copy that may be left out, said twice, taken of another quantity, or given another value.
    source = Source(ops=(3, 3), copies=(3, 3), mode=mode, dialect=dialect, split="any", filler=(1, 1))
    seen = Counter()
    for i in range(40):
        problem = source.problem("wrong copies", i)
        draft = fuzz.draft(problem, Random(i))
        nth = next(n for n, step in enumerate(draft.steps) if step.sign == "=")
        copy, others = draft.steps[nth], draft.steps[:nth] + draft.steps[nth + 1 :]
        other = (problem.words[-1],)
        texts = {
            "missing": draft.say(others),
            "repeated": draft.say([*draft.steps, copy]),
            "operand": draft.say_with(nth, replace(copy, operands=other)),
            "recall": draft.say_with(nth, replace(copy, recalled=((copy.recalled[0][0], 9),), rows=((9,),))),
            "result": draft.say_with(nth, replace(copy, value=(copy.value + 1) % 7)),
            "operator": draft.say_with(nth, fuzz.true_step(draft, copy.noun, "+", (copy.operands[0], other[0]))),
        }
        for kind, text in texts.items():
            verdict = verify(problem, text)
            seen[kind] += kind in {fault.kind for fault in verdict.faults}
            assert not verdict.strict and not fuzz.correct(problem.question, text, dialect, 7), (kind, text)
    assert dict(seen) == dict.fromkeys(texts, 40)


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


# --- copies in a graph of operations ---------------------------------------------------------------------------------

RECIPE = Source(
    ops=(1, 4), copies=(0, 12), copy_ratio=0.8, length=(13, 31), names=30, dialect="direct", order="shuffled"
)
WIDE = Shape(fan_in=3, literals=0.3, reuse=0.5, width=0.6)


@pytest.mark.parametrize("reverse", [False, True])
def test_inserted_copies_change_neither_values_nor_structure(reverse):
    # Mutants: a hash that sees copies (alone, or where a quantity is shared); a copy without its original's value; the
    # unknown lost; a root other than the last node; a copy that nothing uses; one user of a copied node lost.
    moved = shared = 0
    for i in range(300):
        shape = (Shape(), WIDE)[i % 2]
        graph = draw(rng("graph", i), 1 + i % 6, shape, 7, reverse)
        padded = insert_copies(rng("insert", i), graph, i % 9)
        copied = [node for node in padded.nodes if node.op == SAME]
        assert len(copied) == i % 9 and all(padded.nodes[node.args[0]].value == node.value for node in copied)
        assert padded.canonical == graph.canonical and without_copies(padded) == graph == without_copies(graph)
        assert padded.ops == graph.ops and evaluate(padded) == evaluate(graph)
        assert padded.answer == graph.answer and isomorphic(padded, graph)
        used = {arg for node in padded.nodes for arg in node.args}
        assert used == set(range(len(padded.nodes) - 1))
        moved += padded.nodes[-1].op == SAME
        shared += any(sum(j in node.args for node in padded.nodes) > 1 for j in range(len(padded.nodes)))
    assert 20 < moved < 200 and shared > 50


def test_copies_are_put_anywhere_alike():
    # Mutants: only operations copied, or only givens; never after a copy; never after the root; always the last user.
    graph = Graph(
        (Node(GIVEN, (), 1), Node(GIVEN, (), 2), Node("+", (0, 1), 3), Node("+", (2, 0), 4), Node("*", (2, 3), 5)), 7
    )
    places, redirected = Counter(), Counter()
    for i in range(3000):
        padded = insert_copies(rng("anywhere", i), graph, 1)
        at = next(node.args[0] for node in padded.nodes if node.op == SAME)
        places[at] += 1
        if at == 0:
            redirected[next(n.op + str(len(n.args)) + str(n.value) for n in padded.nodes[2:] if 1 in n.args)] += 1
    assert set(places) == set(range(5)) and min(places.values()) > 500
    assert len(redirected) == 2 and min(redirected.values()) > 200
    twice = [insert_copies(rng("twice", i), graph, 2) for i in range(600)]
    nested = sum(any(n.op == SAME and g.nodes[n.args[0]].op == SAME for n in g.nodes) for g in twice)
    assert 140 < nested < 220  # 180 expected; 96 where only the original could be copied again


def test_the_number_of_copies_follows_its_law():
    # Mutants: the ratio ignored, or its inverse taken; the least or greatest number never drawn; the law of one range.
    for source, low in ((RECIPE, 0), (replace(RECIPE, copies=(2, 4), copy_ratio=3.0), 2)):
        counts = Counter(sum(n.op == SAME for n in source.problem("law", i).nodes) for i in range(4000))
        high, ratio = source.copies[1], source.copy_ratio
        weights = [ratio ** (k - low) for k in range(low, high + 1)]
        assert set(counts) <= set(range(low, high + 1)) and counts[low] and counts[low + 1]
        for k, weight in enumerate(weights, low):
            assert counts[k] / 4000 == pytest.approx(weight / sum(weights), abs=0.025), k
    even = Counter(
        sum(n.op == SAME for n in replace(RECIPE, copies=(0, 3), copy_ratio=1.0).problem("law", i).nodes)
        for i in range(2000)
    )
    assert min(even.values()) > 430


def test_a_problem_and_its_padded_forms_lie_on_one_side():
    # Mutants: the side decided on the graph with copies, so that exams are trained on under a copy.
    for split, dialect, mode in itertools.product(("train", "held_out"), ("terse", "direct"), ("forward", "reverse")):
        source = replace(RECIPE, split=split, dialect=dialect, mode=mode)
        for i in range(80):
            problem = source.problem("side", i)
            plain = without_copies(problem.graph)
            assert problem.held_out == (split == "held_out") == (plain.canonical % 8 == 0)
            assert SAME not in [node.op for node in plain.nodes]


def test_without_copies_drawn_the_problem_is_the_plain_one():
    # Mutant: a draw spent on copies before the graph. With copies (0, 0) problems are those of copies=None but for
    # the one draw of their number.
    for i in range(50):
        plain = Source(ops=(1, 6), split="any").problem("same", i)
        assert (
            Source(ops=(1, 6), split="any", copies=(0, 3)).problem("same", i).graph.canonical == plain.graph.canonical
        )


@pytest.mark.parametrize("dialect", ["terse", "direct", "prose"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_mixed_copies_are_read_and_judged(dialect, mode):
    # Mutants: a copy solved backwards refused; a needed copy not asked for; surplus and wrong copies let through.
    asked_copies = backwards = 0
    vocabulary = Vocabulary(worlds=("school",), dialects=(dialect,))
    source = Source(
        ops=(1, 5), copies=(1, 6), mode=mode, dialect=dialect, world="school", order="shuffled", connected=(0, 2),
        unconnected=(0, 1), shape=Shape(reuse=0.3, width=0.6), split="any",
    )  # fmt: skip
    for i in range(60):
        problem = source.problem("mixed", i)
        graph = problem.graph
        needed = [j for j, node in enumerate(graph.nodes) if node.args]
        assert sorted(move.statement for move in problem.moves) == needed
        asked_copies += graph.nodes[-1].op == SAME
        backwards += any(graph.nodes[m.statement].op == SAME and m.solves != m.statement for m in problem.moves)
        verdict = verify(problem, problem.solution)
        assert verdict.strict and verdict.process == 1.0, verdict.faults
        assert fuzz.correct(problem.question, problem.solution, dialect, 7)
        assert len(problem.written.solution_roles) == len(problem.written.solution_tokens)
        assert vocabulary.decode(vocabulary.encode(problem.question)) == problem.question
        assert unpack(pack(problem)) == problem
    assert asked_copies > 5 and (backwards > 20) == (mode == "reverse")


def test_the_direct_dialect_to_the_letter():
    # Mutants: an "=" left in; a role too many; a literal that makes a statement a given.
    nodes = (
        Node(GIVEN, (), 4), Node(SAME, (0,), 4), Node("literal", (), 3), Node("+", (2, 1), 0), Node(SAME, (3,), 0),
    )  # fmt: skip
    problem = Problem(Graph(nodes, 7), (), (2, 0, -1, 4, 23), (4, 3, 0, 1), "zoo", "direct")
    assert problem.question == "cows owls ; owls 3 + bears ; foxes 4 ; bears foxes ; cows ?"
    steps = [
        "bears foxes , foxes 4 , bears 4 ;",
        "owls 3 + bears , bears 4 , 3 + 4 = 0 , owls 0 ;",
        "cows owls , owls 0 , cows 0 ;",
    ]
    assert problem.solution == " ".join([*steps, "answer 0 <end>"])
    copy = ("planning", "copy", "format", "copy", "retrieval", "format", "format", "format", "format")
    begin = ("planning", "copy", "copy", "copy", "format", "copy", "retrieval", "format")
    assert problem.written.solution_roles[: len(copy + begin)] == copy + begin
    assert verify(problem, problem.solution).strict
    assert not verify(problem, problem.solution.replace("bears foxes ,", "bears = foxes ,")).strict
    vocabulary = Vocabulary(dialects=("direct",))
    assert vocabulary.tokens == Vocabulary().tokens


def test_what_existed_keeps_its_key():
    # Mutant: a plain field, which would rename every run there is.
    assert "copies" not in canonical(Source(ops=(1, 2))) and "copies" in canonical(CHAIN)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ops": (0, 0)}, r"Source.ops must be \(low, high\) with 1"),
        ({"copies": (2, 1)}, "Source.copies must be"),
        ({"copies": 3}, "Source.copies must be"),
        ({"copies": (0, 2), "mode": "reverse"}, "Source.copies must be at least 1 with Source.ops 0"),
        ({"copies": (0, 2), "ops": (0, 3), "mode": "reverse"}, "Source.copies must be at least 1 with Source.ops 0"),
        ({"copies": (1, 2), "copy_ratio": 0.0}, "Source.copy_ratio must be a number above 0"),
        ({"copies": (1, 2), "copy_ratio": float("nan")}, "Source.copy_ratio must be"),
        ({"copies": (1, 2), "copy_ratio": "half"}, "Source.copy_ratio must be"),
        ({"ops": (1, 2), "copy_ratio": 0.5}, "Source.copy_ratio 0.5 needs Source.copies"),
        ({"copies": (1, 2), "connected": (0, 1)}, "Source.connected and Source.unconnected"),
        ({"copies": (1, 2), "unconnected": (1, 1)}, "Source.connected and Source.unconnected"),
        ({"copies": (1, 60)}, "can need 61 names"),
        ({"copies": (1, 6), "length": (8, 9)}, "Source.length must be at least 9"),
        ({"ops": (1, 4), "copies": (0, 12), "length": (12, 31)}, "Source.length must be at least 13"),
        ({"ops": (1, 4), "copies": (0, 12), "length": (13, 31), "names": 29}, "can need 30 names"),
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
