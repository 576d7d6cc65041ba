"""Thoughts: ignored wherever they stand, broken ones count for nothing, and what is off changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import fuzz
import pytest

from interlude.models.key import canonical
from interlude.synth import thoughts
from interlude.synth.export import pack, problem_to_dict, unpack
from interlude.synth.render import split
from interlude.synth.solution_style import SolutionStyle
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

SOURCES = [
    Source(ops=(1, 4), thoughts="ignored", dialect=dialect, mode=mode, split="any")
    for dialect in ("terse", "prose")
    for mode in ("forward", "reverse")
]
INSIDE = (
    "", "3 + 4 = 0", "answer 3", "The answer is 5.", ". ; , =", "bears = owls + 3 , \ud800", "<thin>", "< / think >",
    "so",
)  # fmt: skip


def drawn(n: int):
    return [SOURCES[i % len(SOURCES)].problem("thoughts", i) for i in range(n)]


def sprinkled(tokens: tuple[str, ...], random: Random, share: float = 0.2) -> str:
    """The tokens with thoughts before some of them."""
    thought = "<think> {} </think> {}"
    return " ".join(thought.format(random.choice(INSIDE), t) if random.random() < share else t for t in tokens)


def test_ignored_wherever_they_stand():
    # Mutants: the inside read (an answer stated twice); a thought refused before, inside or after a step.
    for i, problem in enumerate(drawn(80)):
        text = sprinkled(problem.written.solution_tokens, Random(i))
        verdict = verify(problem, text)
        assert verdict.strict and verdict.parsed and verdict.process == 1.0, (text, verdict.faults)
        assert fuzz.correct(problem.question, text, problem.dialect, 7, thoughts=True)


def test_two_words_are_not_made_one():
    # Mutant: a thought cut out instead of blanked, and 1 <think> </think> 0 is ten.
    problem = SOURCES[0].problem("thoughts", 0)
    for old, new in ((" <end>", "<think></think>0 <end>"), ("=", "<think> = </think>")):
        assert not verify(problem, problem.solution.replace(old, new, 1)).strict


def test_the_second_opinion_agrees_on_spoilt_ones():
    # Mutants: any rule about broken thoughts left out; a wrong step forgiven where there is a thought.
    spoilt = 0
    for i, problem in enumerate(drawn(120)):
        random = Random(i)
        draft = fuzz.draft(replace(problem, style=None), random)
        for k in range(30):
            tokens = tuple((fuzz.mutant(draft, i * 30 + k)[1] if k % 2 else problem.solution).split())
            text = sprinkled(tokens, random, 0.05)
            for _ in range(random.randrange(3)):
                text = fuzz.tag(replace(draft, text=text))
            right = fuzz.correct(problem.question, text, problem.dialect, 7, thoughts=True)
            assert verify(problem, text).strict == right, text
            spoilt += not right
    assert 1500 < spoilt < 3500


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda s: f"<think> {s}", "missing format answer truncated"),
        (lambda s: f"</think> {s}", "missing format answer truncated"),
        (lambda s: f"<think> a <think> b </think> c </think> {s}", "missing format answer truncated"),
        (lambda s: s.replace("<end>", "<think> <end>"), "format truncated"),
        (lambda s: s.replace("<end>", "<think> <end> </think>"), "format truncated"),
        (lambda s: s.replace("answer", "<think> answer").replace("<end>", "</think> <end>"), "answer"),
        (lambda s: s.replace("answer", "<think> answer"), "format answer truncated"),
        (lambda s: re.sub("(answer .)", r"<think> \1 <think> </think> </think>", s), "format answer truncated"),
        (lambda s: f"{s} <think> 3 </think>", "after_end"),
        (lambda s: s.replace("answer", "<THINK> 3 </THINK> answer"), "format"),
    ],
)
def test_broken_thoughts_by_name(change, kinds):
    # Mutants: the answer found behind a tag that never closes; nesting paired inside out; tags after the end blanked.
    problem = Source(ops=(1, 1), thoughts="ignored").problem("by hand", 0)
    verdict = verify(problem, change(problem.solution))
    assert sorted(fault.kind for fault in verdict.faults) == sorted(kinds.split()), verdict.faults
    assert verdict.answer == ("answer" not in kinds.split())


def test_faults_keep_their_places():
    # Mutant: positions in a text without the thoughts.
    problem = Source(ops=(2, 2), thoughts="ignored").problem("places", 0)
    first, second, rest = problem.solution.split(";")
    second = f"{second[:-2]}9 "
    text = f"<think> so </think> {first};{second};{rest}"
    (fault,) = verify(problem, text).faults
    assert fault.kind == "result" and text[fault.where :].startswith(second.strip())


def test_tags_are_junk_where_none_are_asked_for():
    # Mutant: thoughts ignored everywhere, which would change what existing rewards pay.
    problem = Source(ops=(1, 2)).problem("off", 0)
    assert {fault.kind for fault in verify(problem, f"<think> </think> {problem.solution}").faults} >= {"format"}


def test_length_counts_what_stands_between():
    # Mutants: tags counted; the end of a thought missed; an open one not counted.
    text = "<think> 3 + 4 </think> bears = owls , <think> </think> <think> so <end>"
    assert thoughts.length(split(text)) == 5
    vocabulary = Vocabulary(thoughts=True, dialects=("prose",))
    opening, closing = vocabulary.lookup(("<think>", "</think>"))
    assert thoughts.length(vocabulary.encode(text), opening, closing) == 5
    assert thoughts.spans(text) == ([(0, 22), (38, 54)], 55)


def test_the_vocabulary_only_grows():
    # Mutant: tags before the nouns, and every other token has another id.
    plain, thinking = Vocabulary(), Vocabulary(thoughts=True)
    assert thinking.tokens == (*plain.tokens, "<think>", "</think>")
    text = "<think> bears 3 </think> answer 3 <end>"
    assert thinking.decode(thinking.encode(text)) == text
    with pytest.raises(ValueError, match="<think>"):
        plain.encode(text)


def test_what_existed_keeps_key_and_form():
    # Mutants: a plain field; a style where there is no liberty; a style lost in a table.
    assert "thoughts" not in canonical(Source(ops=(1, 2))) + canonical(Vocabulary())
    assert "thoughts" in canonical(SOURCES[0]) and "thoughts" in canonical(Vocabulary(thoughts=True))
    plain, free = Source(ops=(1, 2)).problem(0), Source(ops=(1, 2), thoughts="ignored").problem(0)
    assert plain.style is None and "style" not in problem_to_dict(plain)
    assert free != plain and replace(free, style=None) == plain and unpack(pack(free)) == free


def test_bad_input_is_refused_by_name():
    # Mutant: any of these checks removed.
    with pytest.raises(ValueError, match="Source.thoughts must be one of"):
        Source(ops=(1, 1), thoughts="seen")
    with pytest.raises(ValueError, match="SolutionStyle.thoughts must be one of"):
        SolutionStyle(thoughts="seen")
