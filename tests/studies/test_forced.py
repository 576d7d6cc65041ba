"""The control exam against models whose every probability is known, and against a slow way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from interlude.models.gpt_network import GPTModel
from interlude.studies import results
from interlude.studies.exam import evaluate
from interlude.studies.exams.forced import ForcedExam, statements
from interlude.studies.scales import SCALES
from interlude.synth.source import Source

SOURCE = Source(ops=(3, 3), modulus=3, names=12, order="shuffled")
EXAM = ForcedExam("f", SOURCE, problems=5)
SURE = 0.9


def slow_operands(problem) -> list[tuple[str, list[str]]]:
    """Of each needed noun, in the order of the solution, its statement's right side, read off the question."""
    said = [part.split() for part in problem.question.split(" ;")]
    nouns = {words[0]: words[2:] for words in said if "=" in words}
    return [(problem.words[move.statement], nouns[problem.words[move.statement]]) for move in problem.moves]


def test_statements_are_those_of_the_question():
    # Mutants: what is recalled taken for an operand; the sign of equality; the first noun.
    for row in range(30):
        problem = SOURCE.problem("forced", row)
        tokens = problem.written.solution_tokens
        for (first, last, copied), (noun, operands) in zip(statements(problem), slow_operands(problem), strict=True):
            assert tokens[first] == noun and [tokens[first + at] for at in copied] == operands
            assert last == first + copied[-1] + 1
    literal = Source(ops=(1, 1), modulus=3, names=12, copies=None)
    for problem in (literal.problem("forced", row) for row in range(20)):
        ((first, _, copied),) = statements(problem)
        assert [problem.written.solution_tokens[first + at] for at in copied] == slow_operands(problem)[0][1]


class Reader(GPTModel):
    """Gives SURE to the token that follows in the statement that it believes to stand here: that of the noun written
    after the question ("binds"), or always the canonical solution's first ("in turn")."""

    binds = True

    def logits_at(self, ids_BT, index_N):
        T, rest = ids_BT.shape[1], (1 - SURE) / (self.vocab_size - 1)
        logits_NV = torch.full((len(index_N), self.vocab_size), np.log(rest))
        for n, at in enumerate(index_N.tolist()):
            row, t = ids_BT[at // T].tolist(), at % T
            words = self.decode(row[: t + 1]).split()
            asked = len(words) - 1 - words[::-1].index("?")
            problem = next(p for p in EXAM.draw_problems() if p.question.split() == words[: asked + 1])
            written = words[asked + 1 :]
            if written:
                own = dict(slow_operands(problem))
                first = problem.words[problem.moves[0].statement]
                noun = written[0] if self.binds else first
                expected = [written[0], "=", *own[noun], ","]
                if len(written) < len(expected):
                    logits_NV[n, self.encode(expected[len(written)])[0]] = np.log(SURE)
        return logits_NV


@pytest.mark.parametrize("binds", (True, False))
def test_it_tells_binding_from_reading_in_turn(binds, tiny):
    # Mutants: only the next noun forced; the noun's own probability counted in; places in question order; a
    # probability of the first operand only.
    vocab = dataclasses.replace(tiny.vocab, names=12)
    lm = dataclasses.replace(tiny, vocab=vocab).build(0)
    lm.__class__, lm.binds = Reader, binds
    found = evaluate(lm, EXAM)
    for problem, each in zip(EXAM.draw_problems(), found.operands, strict=True):
        assert len(each) == problem.ops == 3
        first = slow_operands(problem)[0][1]
        rest = (1 - SURE) / (lm.vocab_size - 1)
        for (_, operands), value in zip(slow_operands(problem), each, strict=True):
            told = operands if binds else first
            expected = np.prod([SURE if a == b else rest for a, b in zip(operands, told, strict=True)])
            assert value == pytest.approx(expected, rel=1e-4)


def test_against_a_forward_pass_for_every_prefix(learned, source):
    # Mutants: temperature left out; the noun forced after the first step; a neighbour's question.
    lm = learned()
    for temperature in (1.0, 0.7):
        exam = ForcedExam("f", dataclasses.replace(source, ops=(2, 2)), 4, temperature=temperature)
        found = evaluate(lm, exam)
        for problem, each in zip(exam.draw_problems(), found.operands, strict=True):
            for (noun, operands), value in zip(slow_operands(problem), each, strict=True):
                ids, logp = lm.encode(problem.question) + lm.encode(f"{noun} ="), 0.0
                for token in lm.encode(" ".join(operands)):
                    with torch.no_grad():
                        logp += float((lm.forward(torch.tensor([ids]))[0, -1] / temperature).log_softmax(-1)[token])
                    ids.append(token)
                assert value == pytest.approx(np.exp(logp), rel=1e-3)


def test_places_and_operations_are_shown_apart():
    # Mutants: a mean over problems of unlike depth; the best place for the least; places of one seed.
    cells = {"arm": "a", "exam": "f", "kind": "forced", "world": "zoo", "mode": "forward", "ops": "2-3", "problems": 3}
    both = ("0.90/0.10 0.80/0.20 1.00/0.50/0.00", "0.70/0.30 0.60/0.40 1.00/1.00/0.90")
    found = results.Results("s", "t", tuple(cells | {"seed": n, "operands": text} for n, text in enumerate(both)))
    two, three = ForcedExam.summary(found)
    assert (two["ops"], two["problems"], three["ops"], three["problems"]) == (2, 2, 3, 1)
    assert two["places"] == pytest.approx([0.75, 0.25]) and two["mean"] == pytest.approx(0.5)
    assert three["places"] == pytest.approx([1.0, 0.75, 0.45]) and three["least"] == pytest.approx(0.45)
    ((_, heads, cells, _),) = ForcedExam.tables([two, three])
    assert heads[-1] == "place 3" and cells[0][-1] == "–" and cells[1][-1] == "0.450" and len(cells[0]) == len(heads)
    assert ForcedExam.tables([]) == []


def test_scales_force_every_depth_up_to_the_edge():
    # Mutants: one operation, which has one place; problems of training.
    for scale in (SCALES["smoke"], SCALES["nano"]):
        exams = scale.forced_exams()
        assert [exam.source.ops for exam in exams] == [(n, n) for n in range(2, scale.edge[1] + 1)]
        assert {exam.source.split for exam in exams} == {"held_out"}
