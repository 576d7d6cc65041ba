"""Texts that stop early, and responses judged with what they thought as part of the solution."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlude.models.key import canonical
from interlude.synth import thoughts
from interlude.synth.export import pack, problem_to_dict, unpack
from interlude.synth.render import ANSWER, INFERRED, THOUGHT
from interlude.synth.segments import whole
from interlude.synth.solution_style import Words
from interlude.synth.source import Source
from interlude.synth.verify import verify

PLAIN = Source(ops=(1, 5), dialect="direct", split="any")
EXAM = Source(ops=(1, 5), dialect="direct", split="any", thoughts="ignored", unwrapped=True)
STOPS = Source(ops=(1, 5), dialect="direct", split="any", thoughts="ignored", unwrapped=True, stop_prob=0.5)
THINKS = Source(ops=(1, 5), dialect="direct", split="any", thoughts="oracle", unwrapped=True, stop_prob=0.5)


def steps(text: str) -> list[str]:
    return [part for part in text.split(" ;") if "answer" not in part]


def test_a_share_of_texts_leaves_out_its_last_one_to_three_steps_and_says_the_answer():
    # Mutants: a step left out elsewhere; all steps left out; the share ignored; the question drawn otherwise.
    left_out = {}
    for i in range(300):
        plain, stopped, thought = (source.problem("stop", i) for source in (PLAIN, STOPS, THINKS))
        assert plain.question == stopped.question == thought.question
        whole, shown = steps(plain.solution), steps(stopped.solution)
        assert shown == whole[: len(shown)] and stopped.solution.split()[-3:] == plain.solution.split()[-3:]
        left_out.setdefault(len(whole), []).append(len(whole) - len(shown))
        written = stopped.written
        assert written.solution_roles[-2] == (INFERRED if len(shown) < len(whole) else ANSWER)
        assert len(written.solution_roles) == len(written.solution_tokens)
        assert thoughts.unwrapped(thought.solution).split() == plain.solution.split()
        assert (THOUGHT in thought.written.solution_roles) == (len(shown) < len(whole))
        assert thought.written.solution_roles[-2] == ANSWER
        assert verify(stopped, plain.solution).strict
        assert verify(stopped, stopped.solution).strict == (len(shown) == len(whole))
        if len(whole) > 1:  # Mutant: any step but the last may be left out where a style says what its own text skips.
            assert not verify(stopped, plain.solution.replace(f"{whole[0]} ; ", "", 1)).strict
        assert unpack(pack(stopped)) == stopped and ("unwrapped" in problem_to_dict(stopped)["style"])
    assert not any(left_out[1]) and set(left_out[5]) == {0, 1, 2, 3} and set(left_out[2]) == {0, 1}
    often = [k > 0 for n, each in left_out.items() if n > 1 for k in each]
    assert 0.4 < sum(often) / len(often) < 0.6


def test_the_whole_solution_is_demanded_wherever_it_is_written():
    # Mutants: thoughts read as white space; a thought left where it stands within a step; steps allowed to be missing.
    for i in range(100):
        problem = EXAM.problem("judge", i)
        text, parts = problem.solution, steps(problem.solution)
        assert verify(problem, text).strict
        done, last = " ;".join(parts[:-1]) + " ;" * (len(parts) > 1), parts[-1] + " ;"
        end = text.split(" ;")[-1]
        announced, value = end.split()[0], " ".join(end.split()[1:])
        assert verify(problem, f"{done} <think> {last} </think> {end}").strict
        assert verify(problem, f"{done} {announced} <think> {last} </think> {value}").strict
        assert verify(problem, f"<think> {' ;'.join(parts)} ; </think> {end}").strict
        assert verify(problem, f"<think> </think> {text}").strict
        middle = text.split()
        middle.insert(3, "<think> </think>")
        assert verify(problem, " ".join(middle)).strict
        for wrong in (f"{done} {end}", f"{text[: text.index(end)]} <think> {last} </think> {end}", f"<think> {text}"):
            assert not verify(problem, wrong).strict
        assert not verify(problem, text.replace(" = ", " = <think> 1 </think> ", 1)).strict


WORDED = Source(ops=(1, 5), split="any", words=Words(remarks=0.5, error_rate=0.5), skip_prob=0.5)


@pytest.mark.parametrize(
    "source", (PLAIN, EXAM, STOPS, THINKS, WORDED), ids=("plain", "exam", "stops", "thinks", "words")
)
def test_the_whole_solution_of_any_problem_is_right(source):
    # Kills: skipped steps left out, or put in thoughts; wrong numbers or words kept; another question.
    plain, changed = replace(PLAIN, dialect=source.dialect), 0
    for i in range(60):
        problem = source.problem("whole", i)
        full = whole(problem)
        assert (full.question, full.solution) == (problem.question, plain.problem("whole", i).solution)
        assert verify(problem, full.solution).strict
        changed += full.solution != problem.solution
    assert (changed > 10) == (source not in (PLAIN, EXAM))


def test_two_words_are_not_made_one():
    # Mutant: a tag cut out instead of blanked.
    problem = EXAM.problem("judge", 0)
    first = problem.solution.split()[0]
    assert not verify(problem, problem.solution.replace(first, f"{first[:2]}<think></think>{first[2:]}", 1)).strict
    assert verify(problem, problem.solution.replace(first, f"<think></think>{first}", 1)).strict


def test_what_is_off_enters_no_key_and_what_contradicts_is_refused():
    assert "stop_prob" not in str(canonical(PLAIN)) and "unwrapped" not in str(canonical(PLAIN))
    with pytest.raises(ValueError, match="stop_prob above 0 needs Source.unwrapped"):
        Source(ops=(1, 2), stop_prob=0.5)
    for more in ({"thoughts": "none"}, {"dialect": "prose"}, {"approach": "plain"}):
        with pytest.raises(ValueError, match="Source.unwrapped needs"):
            Source(**{"ops": (1, 2), "thoughts": "ignored", "unwrapped": True} | more)
