"""Sampled exams that open a thought: the tag is the exam's, everything else is the model's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from interlude.models.key import canonical
from interlude.models.lm import SamplingParams, tags
from interlude.studies.exams.sampled import SampledExam
from interlude.synth.rng import uniforms
from interlude.synth.source import Source

SOURCE = Source(ops=(1, 1), modulus=3, names=6, dialect="terse", thoughts="ignored", unwrapped=True, split="any")
FREE = SampledExam("free", SOURCE, 6, samples=8, max_new_tokens=60)


def drawn(lm, exam):
    problems = exam.draw_problems()
    prompts = [lm.encode_prompt(problem.question) for problem in problems for _ in range(exam.samples)]
    where = [(i, n) for i in range(len(problems)) for n in range(exam.samples)]
    streams = np.stack([uniforms("sampled", *each, n=exam.max_new_tokens) for each in where])
    with torch.no_grad():
        return prompts, streams, exam.sampled(lm, prompts, streams)


@pytest.mark.parametrize("opened", ("start", "answer"))
def test_a_thought_is_opened_where_the_exam_says_and_nowhere_else(thinker, opened):
    # Mutants: the tag of a response that announces no answer; the tag after the value; tokens before it drawn anew; a
    # stream read twice; the tag left out of what is judged; more tokens than there is room for.
    lm = thinker().eval()
    opening, announced = tags(lm)[0], lm.encode("answer")[0]
    prompts, streams, free = drawn(lm, FREE)
    *_, found = drawn(lm, dataclasses.replace(FREE, opened=opened))
    opened_ = 0
    for prompt, stream, plain, ids in zip(prompts, streams, free, found, strict=True):
        at = 0 if opened == "start" else plain.index(announced) + 1 if announced in plain else None
        if at is None:
            assert ids == plain
            continue
        opened_ += 1
        assert ids[:at] == plain[:at] and ids[at] == opening
        with torch.no_grad():
            params = SamplingParams(max_new_tokens=60 - at)
            rest = lm.sample([[*prompt, *ids[: at + 1]]], np.roll(stream, -at)[None], params).ids[0]
        assert ids[at + 1 :] == rest and len(ids) <= 61
    assert opened_ > 8


def test_what_is_thought_before_the_answer_counts(thinker):
    # Mutant: the response judged without the tag, and a closing tag is a fault.
    lm = thinker().eval()
    problem = FREE.draw_problems()[0]
    *steps, end = problem.solution.split(" ; ")
    text = f"{' ; '.join(steps)} ; answer <think> </think> {' '.join(end.split()[1:])}"
    lm.sample = lambda prompts, streams, params: type("S", (), {"ids": [lm.encode(text)] * len(prompts)})
    one = dataclasses.replace(FREE, problems=1, samples=1)
    found = one.evaluate(lm)
    assert found.strict.tolist() == [1.0]


def test_a_free_exam_keeps_its_key_and_bad_ones_are_refused():
    # Mutants: the field in every key; an exam that opens thoughts which its judge refuses.
    assert "opened" not in str(canonical(FREE)) and "opened" in str(
        canonical(dataclasses.replace(FREE, opened="start"))
    )
    with pytest.raises(ValueError, match="SampledExam.opened must be one of"):
        dataclasses.replace(FREE, opened="middle")
    plain = dataclasses.replace(SOURCE, thoughts="none", unwrapped=False)
    with pytest.raises(ValueError, match="SampledExam.opened needs a source that allows thoughts"):
        dataclasses.replace(FREE, source=plain, opened="answer")
