"""Approaches: each told rightly and recognised, alone and together; spoilt ones refused; off, nothing has changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.key import canonical
from synth import contexts
from synth.approaches import APPROACHES, PLAIN, asking, coincides, signature
from synth.export import pack, problem_from_dict, problem_to_dict, unpack
from synth.parse import parse
from synth.problem import Problem, Source
from synth.render import APPROACH_WORDS
from synth.telling import MARKERS, Telling, Words
from synth.tokens import Vocabulary
from synth.verify import verify

MUTANTS = 16  # of each of 20 problems' 16 solutions: 5,120
TEXTUAL = (
    fuzz.digit, fuzz.noun, fuzz.operator, fuzz.token_lost, fuzz.token_doubled, fuzz.injected, fuzz.truncated, fuzz.spelled,
    fuzz.second_answer, fuzz.case, fuzz.look_alike, fuzz.renamed,
)  # fmt: skip


def correct(problem: Problem, text: str) -> bool:
    plain = replace(problem, telling=None)
    return fuzz.correct_approach(plain.question, text, problem.dialect, problem.graph.modulus)


def wide(dialect: str = "terse", mode: str = "forward") -> Problem:
    """Five operations with a distractor, several levels, and something to commute."""
    return Source(ops=(5, 5), connected=(1, 1), dialect=dialect, mode=mode, split="any").problem("wide", 8)


def test_each_gold_is_right_and_shows_just_its_own_signature():
    # Mutants: any writer that breaks its own promise; a judge that another approach's lines trip; a marker of two
    # approaches; a role or token lost; a problem of one step, or of none, that raises.
    shown = Counter()
    for nth in range(144):
        base = fuzz.problem(nth)
        texts = set()
        for name in (PLAIN, *APPROACHES):
            problem = asking(base, name)
            written, verdict = problem.written, verify(problem, problem.solution)
            assert verdict.strict and verdict.process == 1.0, (problem.question, problem.solution, verdict.faults)
            assert correct(problem, problem.solution), (problem.question, problem.solution)
            own = frozenset() if name == PLAIN or coincides(base, name) else {name}
            assert signature(base, problem.solution) == signature(problem, problem.solution) == own
            assert (problem.solution == base.solution) == (not own)
            assert not own or not verify(base, problem.solution).strict or (name, base.dialect) == ("commuted", "prose")
            assert len(written.solution_roles) == len(written.solution_tokens)
            assert len(written.question_roles) == len(written.question_tokens)
            assert ("strategy" in written.solution_roles) == bool(own - {"commuted"})
            vocabulary = Vocabulary(base.graph.modulus, (base.context,), dialects=(base.dialect,), approaches=True)
            for text in (problem.question, problem.solution):
                assert vocabulary.decode(vocabulary.encode(text)) == text
            assert unpack(pack(problem)) == problem == problem_from_dict(problem_to_dict(problem))
            shown.update(own)
            if own:
                texts.add(problem.solution)
        assert len(texts) == sum(not coincides(base, name) for name in APPROACHES)  # no two coincide
        assert len(base.moves) == 0 or all(not coincides(base, name) for name in APPROACHES if name != "commuted")
    assert len(APPROACHES) == 15 and min(shown[name] for name in APPROACHES) > 90, shown


def test_the_second_opinion_agrees_on_spoilt_ones():
    # Mutants: each check of each judge left out; a line not read; a promise judged by the plain solution's order; a step
    # that answers nothing let through without a table; a distractor missing from one.
    counts = Counter()
    for nth in range(20):
        base, random = fuzz.problem(nth * 7), Random(nth)
        for name in (PLAIN, *APPROACHES):
            problem = asking(base, name)
            draft = replace(fuzz.draft(base, random), text=problem.solution)
            for k in range(MUTANTS):
                mutation = random.choice(fuzz.LINE_MUTATIONS if k % 3 else TEXTUAL)
                other = (asking(base, random.choice(APPROACHES)).solution,) if mutation in (fuzz.borrowed, fuzz.merged) else ()
                text = mutation(draft, *other)
                due, verdict = correct(problem, text), verify(problem, text)
                assert verdict.strict == due, (problem.question, text, verdict.faults)
                assert signature(problem, text) <= set(APPROACHES)
                counts[mutation.__name__, due] += 1
    assert counts.total() == 20 * 16 * MUTANTS
    assert sum(n for (_, due), n in counts.items() if not due) > 3500
    assert all(counts[mutation.__name__, False] for mutation in (*fuzz.LINE_MUTATIONS, *TEXTUAL))
    assert counts["merged", True] > 100
