"""The exam of empty thoughts, against one forward pass a token, and what its study asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from interlude.models.lm import tags
from interlude.studies import results
from interlude.studies.exam import evaluate
from interlude.studies.exams.empty import EmptyExam, EmptyResult
from interlude.studies.find import bands
from interlude.studies.methods import arena
from interlude.studies.midtraining import empty_thoughts
from interlude.studies.results import numbers
from interlude.studies.scales import SMOKE
from interlude.studies.verdicts import decide
from interlude.synth.rng import rng

SCALE = arena(SMOKE)
EXAM = replace(SCALE.empty_exam(), problems=6)


@pytest.fixture(scope="module")
def lm():
    model = SCALE.model.build(3).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(2)  # an untrained model predicts all tokens alike
    for weight in model.parameters():
        weight += 0.3 * torch.randn(weight.shape, generator=noise)
    return model


@pytest.mark.parametrize("temperature", (1.0, 0.7))
def test_it_is_two_tags_and_one_token(lm, temperature):
    """Kills: the two columns exchanged; tags in the other order, or one alone; the token before or after; the question
    left out; temperature 1; a place that is the same in all texts."""
    exam = replace(EXAM, temperature=temperature)
    found, places = evaluate(lm, exam), []
    for row, problem in enumerate(exam.draw_problems()):
        ask, ids = lm.encode_prompt(problem.question), lm.encode(problem.solution)
        t = int(rng("empty", "place", row).random() * len(ids))
        places.append(t)
        for prefix, told in (([*ask, *ids[:t], *tags(lm)], found.empty_thought), ([*ask, *ids[:t]], found.no_thought)):
            p_V = (lm(torch.tensor([prefix]))[0, -1].double() / temperature).softmax(-1)
            assert told[row] == pytest.approx(float(p_V[ids[t]]), rel=1e-4)
    assert len(set(places)) > 3
    assert not np.allclose(found.empty_thought, found.no_thought)
    cells = exam.cells(found)
    assert {name: list(numbers(cells[name])) for name in cells} == {
        name: pytest.approx(list(getattr(found, name)), abs=1e-5) for name in EmptyExam.columns
    }
    again = EmptyResult.from_json(found.as_json())
    assert list(again.empty_thought) == list(found.empty_thought)


def test_thoughts_in_its_texts_are_refused():
    """Kills: a corpus whose own thoughts are taken for its words."""
    with pytest.raises(ValueError, match="EmptyExam.source of 'zoo-edge-empty' must not hold thoughts"):
        replace(EXAM, source=replace(EXAM.source, thoughts="oracle", stop_prob=0.5))


def test_the_page_says_what_the_table_does():
    """Kills: two models exchanged; a verdict or interval that the table does not give; another model's spread."""
    page = (results.FOLDER.parent / "midtraining" / "README.md").read_text()
    section = page[page.index("## Is a thought harmless") : page.index("## The board (")]
    table = results.load("midtraining/empty_thoughts", "nano")
    verdicts = decide(empty_thoughts.CLAIMS, table, bands("nano"))
    lines = [line for line in section.splitlines() if "*open*" in line or "*holds*" in line]
    parts = [(verdict, part) for verdict in verdicts for part in verdict.measured]
    assert len(lines) == len(parts) == 4
    for line, arm, (verdict, part) in zip(lines, ("base", "RMT", "RMT, entropy", "NTP"), parts, strict=True):
        means = [table.measure(arm, empty_thoughts.EXAM, name).mean() for name in EmptyExam.columns]
        assert line.startswith(f"| {arm.replace(', ', ' by ')} | {means[0]:.2f} | {means[1]:.2f} |")
        assert f"| {part.mean:+.2f} ({part.low:+.2f} to {part.high:+.2f}) | *{verdict.verdict}* |" in line
    base_S = table.measure("base", empty_thoughts.EXAM, "empty_thought").mean(1)
    assert f"{base_S.min():.2f} to {base_S.max():.2f}, 0.95 or more at four" in section and sum(base_S >= 0.95) == 4
