"""Parsing is the inverse of rendering, total on any text, linear in its length, and blind to white space only."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlude.synth import parse as parsing
from interlude.synth.parse import Step, Trace, parse
from interlude.synth.render import split
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

DIALECTS = ("terse", "direct", "prose")


def without_places(trace: Trace) -> tuple:
    """What a text claims, wherever it says it; where it goes wrong counts as a token."""
    return (
        tuple(step[:-1] for step in trace.steps),
        trace.answer,
        trace.answers,
        trace.junk is None,
        trace.ended,
        trace.after is None,
    )


def test_inverse_of_render():
    """Kills: any field of Step mixed up, in any dialect, mode, world and shape (the reader in fuzz.py is another)."""
    for nth in range(160):
        problem = fuzz.problem(nth)
        trace = parse(problem.solution, problem.grammar)
        said = fuzz.draft(problem, Random(0)).steps
        assert [step[:-1] for step in trace.steps] == [
            (s.noun, s.sign, s.operands, s.recalled, s.used, s.rows, s.solved, s.value) for s in said
        ]
        assert trace[1:] == (problem.answer, 1, None, True, None, (), ())


def test_spans_tile_the_text():
    """Kills: a span that takes in the next step, or positions lost after the first step."""
    for nth in range(32):
        problem = fuzz.problem(nth)
        spans = [step.span for step in parse(problem.solution, problem.dialect).steps]
        texts = [problem.solution[start:end] for start, end in spans]
        assert " ".join(texts) == problem.solution[: spans[-1][1]]
        assert all(text[-1] in ";." for text in texts)


def test_a_step_by_hand():
    text = "bears = foxes + 2 + owls , foxes 4 owls 3 , 4 + 2 + 3 = 6 + 3 = 2 , bears 2 ;"
    step = Step(
        "bears", "+", ("foxes", "2", "owls"), (("foxes", 4), ("owls", 3)), "+", ((4, 2, 3), (6, 3), (2,)), "bears", 2,
        (0, len(text)),
    )  # fmt: skip
    assert parse(text, "terse").steps == (step,)


def test_mixed_operators_are_kept():
    """Kills: reading only the first operator of an expression."""
    trace = parse("a = b + c - d , b 1 c 1 d 1 , 1 + 1 - 1 = 2 * 1 = 2 , a 2 ; answer 2 <end>", "terse")
    assert (trace.steps[0].op, trace.steps[0].used) == ("+-", "+-*")


def test_usual_form_is_only_a_shortcut(monkeypatch):
    """Kills: the quick pattern accepting, or reading, anything otherwise than the whole grammar."""
    cases = []
    for nth in range(128):
        problem = fuzz.problem(nth)
        draft = fuzz.draft(problem, Random(nth))
        cases += [(fuzz.mutant(draft, nth + 27 * k)[1], problem.dialect) for k in range(3)] + [
            (problem.solution, problem.dialect)
        ]
        cases.append((fuzz.mutant(draft, 9)[1].replace(" ", ""), problem.dialect))
    quick = [parse(*case) for case in cases]
    never = parsing.compiled("(?!)")
    monkeypatch.setattr(parsing, "GRAMMARS", {name: g._replace(usual=never) for name, g in parsing.GRAMMARS.items()})
    assert [parse(*case) for case in cases] == quick


@pytest.mark.parametrize("dialect", DIALECTS)
def test_white_space_never_matters(dialect):
    """Kills: a grammar that counts spaces. Same tokens, same trace,
    also where ``split`` sees several tokens in a word."""
    problem = Source(ops=(5, 5), dialect=dialect, split="any").problem(1)
    whole = without_places(parse(problem.solution, dialect))
    for between in (" ", "  ", "\n", "\t \u00a0"):
        text = between.join(split(problem.solution))
        assert without_places(parse(between + text + between, dialect)) == whole
    tight = problem.solution.replace(" + ", "+").replace(" ;", ";").replace(" = ", "=").replace(" <", "<")
    assert without_places(parse(tight, dialect)) == whole


@pytest.mark.parametrize("dialect", DIALECTS)
def test_words_do_not_run_together(dialect):
    """Kills: a missing word end; ``thenumberof`` is one token, as is a noun with a letter ``split`` would add to it."""
    problem = Source(ops=(2, 2), dialect=dialect, split="any").problem(1)
    whole = without_places(parse(problem.solution, dialect))
    for nth in range(len(problem.solution)):
        if problem.solution[nth] == " ":
            text = problem.solution[:nth] + problem.solution[nth + 1 :]
            assert (without_places(parse(text, dialect)) == whole) == (split(text) == split(problem.solution)), text
        elif problem.solution[nth].isalpha():
            for letter in ("\u017f", "\u212a", "x", "X", "\u0430"):
                text = problem.solution[: nth + 1] + letter + problem.solution[nth + 1 :]
                assert without_places(parse(text, dialect)) != whole, text


def test_truncation_is_not_junk():
    """Kills: calling the piece of a step that a stopped model leaves unparseable; every prefix of tokens is clean."""
    for nth in range(16):
        problem = fuzz.problem(nth)
        tokens = problem.written.solution_tokens
        for length in range(len(tokens)):
            trace = parse(" ".join(tokens[:length]), problem.dialect)
            assert trace.junk is None and not trace.ended, tokens[:length]


def test_decoded_samples_parse():
    """Kills: a text form that ``Vocabulary.decode`` gives and the grammar does not expect."""
    vocab = Vocabulary(modulus=7, dialects=DIALECTS)
    for dialect in DIALECTS:
        problem = Source(ops=(3, 3), dialect=dialect, split="any").problem(2)
        ids = vocab.encode(problem.solution)
        assert parse(vocab.decode([*ids, vocab.pad]), dialect) == parse(problem.solution, dialect)


@pytest.mark.parametrize(
    ("text", "junk"),
    [
        ("a = b + c , b 1 c 2 , 1 + 2 = 3 , a 3 ; answer 3 <end>", None),
        ("a = b + c , b 1 c 2 , 1 + 2 = 3 , a 3 ; # answer 3 <end>", 40),
        ("a = b + c , b 1 c 2 ; 1 + 2 = 3 , a 3 ; answer 3 <end>", 12),
        ("a = b + c , b 1 c 2 , 1 + 2 = 3 , a 03 ; answer 3 <end>", 36),
        ("a = b + c , b 1 c 2 , 1 + 2 = 3 , a 3 ; answer 3 answer 3 <end>", 49),
        ("<end>", None),
        ("", None),
        ("Answer 3 <end>", 0),
        ("answer \u0663 <end>", 7),
    ],
)
def test_where_junk_begins(text, junk):
    """Kills: junk reported at the wrong place, or swallowed."""
    assert parse(text, "terse").junk == junk


NO_ANSWERS = ("4.5", "4.0", "4,500", "4e3", "4 4", "4 - 1", "4 bears", "4/3", "4 = 4", "-4", "04", "4 <think>", "4 %")


@pytest.mark.parametrize(
    ("dialect", "text", "answer", "answers"),
    [
        ("terse", "answer 3 ; junk answer 4 ; junk", 4, 2),
        ("terse", "answer 3 answer 4", 4, 2),
        ("terse", "answer 3 <end> answer 4", 3, 1),
        ("terse", "junk <end> answer 4", None, 0),
        ("direct", "answer 3 , junk answer 4", 4, 2),
        ("terse", "answer 4.\x1c", 4, 1),
        ("terse", "answer 4. 5", None, 0),
        *[(dialect, f"answer {n}", None, 0) for n in NO_ANSWERS for dialect in ("terse", "direct")],
        *[("prose", f"The answer is {n}", None, 0) for n in NO_ANSWERS],
        *[("prose", f"The answer is {n}. <end>", None, 0) for n in NO_ANSWERS if n[-1] != "."],
        ("prose", "The answer is 4. <end> The answer is 20.", 4, 1),
        ("prose", "The answer is 4.\n", 4, 1),
        ("prose", "The answer is 4<end>", 4, 1),
        ("terse", "xanswer 3 answers 4 Answer 5 answer x", None, 0),
        ("terse", "answer 3 answer 05", 3, 1),
        ("terse", "answer \u0663 answer " + "9" * 19, None, 0),
        ("prose", "The answer is 3. The answer is 4, or 5. the answer is 6", 4, 2),
        ("prose", "TheanswerisX The answer was 3. answer 4", None, 0),
    ],
)
def test_last_answer_anywhere(dialect, text, answer, answers):
    """Kills: taking the first answer, looking only where the grammar expects one, or accepting another alphabet; a
    number whose beginning alone is right; an answer after the end."""
    trace = parse(text, dialect)
    assert (trace.answer, trace.answers) == (answer, answers)


def test_after_the_end():
    """Kills: ignoring what follows <end>."""
    assert parse("answer 3 <end> answer 3", "terse").after == 15
    assert parse("answer 3 <end> \n", "terse").after is None


def test_unknown_dialect():
    with pytest.raises(ValueError, match="dialect must be one of terse, direct, prose, got 'verse'"):
        parse("", "verse")


MEGABYTE = 1_000_000
FLOODS = {
    "junk": "\ud800\0x" * 333_333,
    "digits": "1" * MEGABYTE,
    "answers": "answer 1 " * 111_111,
    "prose answers": "The answer is " * 71_428,
    "answer and spaces": "answer" + " " * MEGABYTE,
    "spaces": " " * MEGABYTE,
    "words": "a " * 500_000,
    "one word": "a" * MEGABYTE,
    "ends": "<end>" * 200_000,
    "a chain": "bears = 4 + 4 , " + "4 + " * 250_000,
    "many operands": "bears = " + "foxes + " * 125_000,
    "many values": "bears = a + b , " + "a 1 " * 250_000,
    "many sums": "bears = a + b , a 1 b 2 , " + "1 + 2 = " * 125_000,
    "a prose chain": "The number of bears is 4 plus 4. So " + "4 + " * 250_000,
    "prose openings": "The number of " * 71_428,
    "prose values": "The number of bears is 4 plus 4. There are " + "4 bears and " * 83_333,
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", FLOODS)
def test_a_megabyte_is_linear(dialect, name):
    """Kills: a pattern that backtracks (seconds to hours), or ``int`` on a number of a million digits (it raises).
    The limit is no measure of speed: it tells 0.1 s from hours."""
    start = time.process_time()
    parse(FLOODS[name], dialect)
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("usual", (True, False))
def test_a_megabyte_of_steps(dialect, usual):
    """Kills: reading on after ``LONGEST`` characters, where a megabyte of short steps takes half a second; an answer or
    an end that is lost beyond; quadratic work on a text that parses."""
    problem = replace(Source(ops=(8, 8), split="any").problem(1), dialect=dialect)
    steps = problem.solution[: parse(problem.solution, dialect).steps[-1].span[1]] + " "
    ending = problem.solution[len(steps) :]
    if not usual:
        prose = "The number of a is 1 plus 1 plus 1.So1+1=2,so there are 2a."
        steps = {"terse": "a=1+1+1,1+1=2,a2;", "direct": "a 1+1+1,1+1=2,a2;", "prose": prose}[dialect]
        ending = "The answer is 2. <end>" if dialect == "prose" else "answer 2 <end>"
    text = steps * (MEGABYTE // len(steps)) + ending
    start = time.process_time()
    trace = parse(text, dialect)
    assert time.process_time() - start < 1.5
    each = 8 if usual else 1
    assert each * (parsing.LONGEST // len(steps)) <= len(trace.steps) <= each * (parsing.LONGEST // len(steps) + 1)
    assert trace.steps == parse(text[: parsing.LONGEST], dialect).steps
    assert parsing.LONGEST - 12 < trace.junk <= parsing.LONGEST
    assert trace.answer is not None and trace.answers == 1 and trace.ended and trace.after is None


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet=st.characters(), max_size=60), st.integers(0, 31), st.floats(0, 1))
def test_any_text_parses_like_its_tokens(noise, nth, share):
    """Kills: an exception, or a trace that depends on more than the tokens, in text that begins well or not at all."""
    problem = fuzz.problem(nth)
    text = problem.solution[: int(share * len(problem.solution))] + noise
    assert without_places(parse(text, problem.dialect)) == without_places(parse(" ".join(split(text)), problem.dialect))
