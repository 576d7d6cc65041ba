"""The audit counts what is there: its numbers equal a second count, and known faults of a source show up in it."""

import dataclasses
import json
import math
from collections import Counter

import pytest

from interlude.synth.audit import audit, guess_floor, idle_operations, overlap, wilson_upper
from interlude.synth.graph import Graph, Node, Shape
from interlude.synth.problem import Problem
from interlude.synth.source import Mixture, Source

PADDED = Source(ops=(1, 3), copies=(0, 4), copy_ratio=0.8, length=(10, 20))
MIXED = Mixture(((0.6, Source(ops=(1, 4))), (0.4, Source(ops=(2, 3), mode="reverse", world="school"))))


def test_counts_equal_a_second_count():
    """Mutants: any histogram of the wrong quantity, lengths in characters, duplicates counted twice."""
    report = audit(MIXED, 300, ("again",))
    drawn = [MIXED.problem("again", i) for i in range(300)]
    assert dict(report.ops) == Counter(p.ops for p in drawn)
    assert dict(report.depth) == Counter(p.graph.depth for p in drawn)
    assert dict(report.worlds) == Counter(p.world for p in drawn)
    assert report.question.mean == pytest.approx(sum(len(p.question.split()) for p in drawn) / 300)
    assert report.solution.most == max(len(p.solution.split()) for p in drawn)
    assert report.statements.least == min(p.question.count(";") for p in drawn)
    assert dict(report.symbols)["*"] == sum(" * " in p.question for p in drawn)
    assert report.same_structure == 300 - len({p.graph.canonical for p in drawn})
    assert report.same_text == 300 - len({p.question for p in drawn})
    assert {(g.mode, g.ops) for g in report.guesses} == {(p.mode, p.ops) for p in drawn}
    for guess in report.guesses:
        answers = Counter(p.answer for p in drawn if (p.mode, p.ops) == (guess.mode, guess.ops))
        assert dict(guess.answers) == answers and guess.problems == answers.total()
        assert guess.floor == max(answers.values()) / answers.total() <= guess.bound
    assert report.floor == max(g.floor for g in report.guesses)


def by_residues(question, asked):
    """The operations of a terse question modulo 7 whose value cannot change what is asked, from its text alone: each
    number in turn takes the place of the operation, and the question is solved again."""
    statements = [part.split() for part in question.split(" ; ")[:-1]]
    given = {words[0]: int(words[1]) for words in statements if "=" not in words}
    computed = {words[0]: words[2:] for words in statements if "=" in words}

    def solve(noun, fixed):
        if noun in fixed:
            return fixed[noun]
        if noun in given:
            return given[noun]
        values = [str(solve(word, fixed)) if word.isalpha() else word for word in computed[noun]]
        return eval("".join(values)) % 7

    operations = [noun for noun, words in computed.items() if len(words) > 1 and noun != asked]
    return [noun for noun in operations if len({solve(asked, {noun: value}) for value in range(7)}) == 1]


def test_an_operation_that_cannot_change_the_answer_is_counted():
    """Mutants: one other residue tried instead of all; the last step counted, or copies; the share of operations, not
    of problems; a changed value that is computed over again."""
    source = Source(ops=(4, 6), split="any", shape=Shape(reuse=0.4), copies=(0, 2))
    found = Counter()
    for i in range(400):
        problem = source.problem("idle", i)
        idle = by_residues(problem.question, problem.words[problem.graph.target])
        moves = idle_operations(problem.graph)
        assert sorted(problem.words[move.solves] for move in moves) == sorted(idle), problem.question
        found[problem.ops] += bool(moves)
    report = audit(source, 400, ("idle",))
    assert {level.ops: round(level.idle * level.problems) for level in report.levels} == dict(found)
    assert sum(found.values()) > 20


def test_idle_operations_by_hand():
    """Mutant: a reverse problem evaluated forwards, where the unknown is stated."""
    one, two, total = Node("given", (), 1), Node("given", (), 2), Node("+", (0, 1), 3)
    cancels = one, two, total, Node("-", (2, 0), 2), Node("-", (2, 3), 1)
    assert [move.solves for move in idle_operations(Graph(cancels, 7))] == [2]
    assert idle_operations(Graph(cancels[:4], 7)) == ()
    chain = one, two, total, Node("*", (2, 1), 6)
    assert idle_operations(Graph(chain, 7)) == idle_operations(Graph(chain, 7, 0)) == ()


def test_order_and_what_is_asked_last():
    """Mutants: givens compared too; distractors left out; a share of the other kind; copies not counted."""
    plain = audit(Source(ops=(1, 6)), 120)
    assert plain.in_order == plain.asked_last == plain.asked_last_operation == 1.0 and plain.copies == ((0, 120),)
    filled = audit(Source(ops=(3, 4), filler=(3, 6)), 200)
    assert filled.in_order == filled.asked_last_operation == 1.0 and 0 < filled.asked_last < 0.9
    distracted = audit(Source(ops=(3, 4), connected=(1, 2)), 200)
    assert distracted.in_order == 0.0 and 0.1 < distracted.asked_last_operation < 0.9
    source = Source(ops=(3, 3), order="shuffled", copies=(0, 2), filler=(1, 1))
    shuffled = audit(source, 300, ("shuffled",))
    drawn = [source.problem("shuffled", i) for i in range(300)]
    stated = [[part.split()[0] for part in p.question.split(" ; ")[:-1]] for p in drawn]
    computed = [[part.split()[0] for part in p.question.split(" ; ")[:-1] if "=" in part] for p in drawn]
    steps = [[part.split()[0] for part in p.solution.split(" ; ")[:-1]] for p in drawn]
    assert shuffled.in_order == sum(a == b for a, b in zip(computed, steps, strict=True)) / 300 < 0.5
    asked = [p.question.split()[-2] for p in drawn]
    assert shuffled.asked_last == sum(a == b[-1] for a, b in zip(asked, stated, strict=True)) / 300 < 0.4
    assert shuffled.asked_last_operation == sum(a == b[-1] for a, b in zip(asked, computed, strict=True)) / 300 < 0.6
    assert dict(shuffled.copies) == Counter(
        sum(part.count(" ") == 2 for part in p.question.split(" ; ")) for p in drawn
    )


def test_structures_are_counted_by_level():
    """Mutants: structures of all levels together; problems instead of structures."""
    report = audit(MIXED, 300, ("again",))
    drawn = [MIXED.problem("again", i) for i in range(300)]
    for level in report.levels:
        group = [p for p in drawn if (p.mode, p.ops) == (level.mode, level.ops)]
        assert (level.problems, level.structures) == (len(group), len({p.graph.canonical for p in group}))
    held = Source(ops=(1, 1), split="held_out")  # why a band's score leaves out such an exam (studies.results)
    assert [level.structures for level in audit(held, 300, ("again",)).levels] == [5]


def test_guess_floors_come_from_the_source():
    """Mutants: the share within the half that chose the answer; another path at each call; ops ignored; a mixture's
    weights ignored."""
    fair = Source(ops=(4, 4), modulus=23, split="any")
    assert guess_floor(fair, problems=200) < 0.1 and guess_floor(fair, 4, 200) == guess_floor(fair, problems=200)
    assert sum(guess_floor(dataclasses.replace(fair, names=9 + k), problems=100) for k in range(20)) / 20 < 0.07
    loaded = Source(ops=(1, 2), modulus=3, shape=Shape(operations=("*",)), split="any")
    assert guess_floor(loaded, 1, 400) == pytest.approx(0.5, abs=0.1)
    held = Source(ops=(1, 2), split="held_out")
    assert guess_floor(held, 1, 400) > 0.7 and guess_floor(held, 2, 1000) < 0.25
    mixed = Mixture(((0.9, held), (0.1, Source(ops=(2, 2)))))
    assert guess_floor(mixed, 1, 400) > 0.7 and guess_floor(mixed, 2, 400) < 0.3
    for source, ops in ((held, 3), (mixed, 3), (held, "1")):
        with pytest.raises(ValueError, match="ops must be within"):
            guess_floor(source, ops, 100)
    with pytest.raises(ValueError, match="problems must be at least 2"):
        guess_floor(held, 1, 1)


def test_a_source_gives_graphs_alone():
    """Mutant: a graph of another draw."""
    for i in range(30):
        assert MIXED.graph("alone", i) == MIXED.problem("alone", i).graph
        assert PADDED.graph("alone", i) == PADDED.problem("alone", i).graph


def test_one_source_and_a_mixture_of_it_agree():
    """Mutant: a Mixture's parts audited instead of its draws."""
    source = Source(ops=(1, 3))
    assert audit(source, 50) == audit(Mixture(((1.0, source),)), 50)


def test_report_is_json_and_text():
    """Mutants: tuples as keys, a column left out of the table."""
    report = audit(MIXED, 40)
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False)) == report.as_dict()
    assert set(report.as_dict()) == {field.name for field in dataclasses.fields(report)}
    text = report.as_text()
    assert "40 problems" in text and "reverse" in text and "floor" in text
    assert len({len(line) for line in text.splitlines()[-len(report.guesses) - 1 :]}) == 1


def test_a_guessable_source_is_exposed():
    """Mutant: a floor over all answers, or of the least common one. Products modulo 3 have two answers."""
    report = audit(Source(ops=(1, 1), modulus=3, shape=Shape(operations=("*",)), split="any"), 300)
    assert report.floor >= 0.5 and len(report.guesses[0].answers) == 2


def test_repetition_is_exposed():
    """Mutant: duplicates by text only: one operation has few structures but many texts."""
    report = audit(Source(ops=(1, 1)), 400)
    assert report.same_structure > 200 > report.same_text


def test_overlap_with_itself_counts_structures_once():
    """Mutants: the same stream drawn twice (complete overlap), or pairs counted."""
    deep = Source(ops=(10, 10))
    assert overlap(deep, deep, 200) == 0
    shallow = Source(ops=(1, 1), modulus=2)
    found = overlap(shallow, shallow, 300)
    assert 0 < found <= 300 - audit(shallow, 300).same_structure + 3


@dataclasses.dataclass(frozen=True)
class Broken:
    """A source whose graph stores a sum that is one off."""

    def problem(self, *path):
        nodes = (Node("given", (), 2), Node("given", (), 3), Node("+", (0, 1), 6))
        return Problem(Graph(nodes, 7), (), (0, 1, 2), (0, 1, 2), "zoo", "terse")


def test_a_wrong_value_is_an_error():
    """Mutant: the recursive evaluation left out."""
    with pytest.raises(ValueError, match="differs from its evaluation"):
        audit(Broken(), 1)
    with pytest.raises(ValueError, match="problems must be at least 1"):
        audit(MIXED, 0)


@pytest.mark.parametrize("hits, total", [(1, 10), (30, 100), (0, 40), (40, 40)])
def test_wilson_bound_solves_its_equation(hits, total):
    """Mutant: a Wald interval. At the bound q, the observed share is 1.96 standard errors of q away."""
    q = wilson_upper(hits, total)
    assert q >= hits / total
    assert q - hits / total == pytest.approx(1.96 * math.sqrt(q * (1 - q) / total), abs=1e-9)
