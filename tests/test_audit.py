"""The audit counts what is there: its numbers equal a second count, and known faults of a source show up in it."""

import dataclasses
import json
import math
from collections import Counter

import pytest

from interlude.synth.audit import audit, overlap, wilson_upper
from interlude.synth.graph import Graph, Node, Shape
from interlude.synth.problem import Mixture, Problem, Source

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
