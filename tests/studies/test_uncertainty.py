"""The exam of uncertainty, against a slow count over single tokens, and what it refuses."""

from __future__ import annotations

import importlib
import math
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from interlude.studies import exams
from interlude.studies.evidence import role_means
from interlude.studies.exam import Exam, evaluate
from interlude.studies.exams.uncertainty import RANKS, UncertaintyExam, rank
from interlude.studies.methods import arena
from interlude.studies.results import COLUMNS, Results, tallies
from interlude.studies.scales import SMOKE
from interlude.synth.render import INFERRED

SCALE = arena(SMOKE)


@pytest.fixture(scope="module")
def lm():
    model = SCALE.model.build(3).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(0)
    for weight in model.parameters():  # an untrained model predicts all tokens alike
        weight += 0.3 * torch.randn(weight.shape, generator=noise)
    return model


def test_it_is_a_count_over_single_tokens(lm):
    # Mutants: the entropy of the token before; its own token's loss for the entropy; a fifth of each text; ties counted
    # whole; ranks among all tokens, inferred ones too; roles of the question.
    exam = SCALE.uncertainty_exam()
    found, tokens, ranks = evaluate(lm, exam), [], []
    for problem in exam.draw_problems():
        ids, text = lm.encode_prompt(problem.question), []
        for token, role in zip(lm.encode(problem.solution), problem.written.solution_roles, strict=True):
            p = lm(torch.tensor([ids]))[0, -1].double().softmax(-1).tolist()
            text.append((role, -sum(x * math.log(x) for x in p if x), p[token]))
            ids = [*ids, token]
        mine, rest = ([each for each in text if (each[0] == INFERRED) is own] for own in (True, False))
        below = [[(r[1] < m[1]) + (r[1] == m[1]) / 2 for r in rest] for m in mine]
        ranks.append(sum(map(sum, below)) / (len(mine) * len(rest)))
        tokens += text
    assert found.entropy_rank.tolist() == pytest.approx(ranks, abs=0.01)
    for role in {role for role, _, _ in tokens}:
        own = [each for each in tokens if each[0] == role]
        assert found.entropy[role] == pytest.approx(sum(e for _, e, _ in own) / len(own), rel=1e-4)
        assert found.prob[role] == pytest.approx(sum(p for _, _, p in own) / len(own), rel=1e-4)
    for column, value in ((found.top_entropy, lambda each: each[1]), (found.top_loss, lambda each: -each[2])):
        top = sorted(tokens, key=value)[-round(len(tokens) / 5) :]
        for role, share in column.items():
            hits = sum(each[0] == role for each in top)
            assert share * sum(each[0] == role for each in tokens) == pytest.approx(hits, abs=2)


@pytest.mark.parametrize(
    ("these", "others", "due"),
    (([3.0], [1.0, 2.0, 4.0, 5.0], 0.5), ([9.0, 0.0], [1.0], 0.5), ([2.0], [2.0, 1.0], 0.75)),
)
def test_ranks_by_hand(these, others, due):
    assert rank(np.array(these), np.array(others)) == due


def test_texts_that_leave_nothing_out_are_refused(lm):
    exam = SCALE.uncertainty_exam()
    with pytest.raises(ValueError, match="must leave out a step in every text .* 8 of 8 texts infer nothing"):
        evaluate(lm, replace(exam, source=replace(exam.source, stop_prob=0.0)))


def test_columns_by_role_are_read_back(lm):
    # Mutants: a role of one seed alone; one column for another.
    found = evaluate(lm, exam := SCALE.uncertainty_exam())
    cells = exam.cells(found)
    assert set(cells) == set(UncertaintyExam.columns) and set(RANKS) < set(cells)
    assert tallies(cells["top_loss"]) == pytest.approx(found.top_loss, abs=1e-5)
    row = {"arm": "a", "exam": exam.name, **cells}
    table = Results("s", "smoke", (row | {"seed": 0}, row | {"seed": 1, "role_prob": "copy:0.5"}))
    assert {role: each.tolist() for role, each in role_means(table, "a", exam.name, "role_prob").items()} == {
        "copy": [pytest.approx(found.prob["copy"], abs=1e-5), 0.5]
    }


def test_no_kind_of_exam_fills_a_column_that_every_row_has():
    # Mutant: a measure called "tokens", which the tokens of training overwrite in silence.
    def kinds(kind: type[Exam]) -> list[type[Exam]]:
        return [each for one in kind.__subclasses__() for each in (one, *kinds(one))]

    for module in pkgutil.iter_modules(exams.__path__):
        importlib.import_module(f"{exams.__name__}.{module.name}")
    taken = {column.name for column in COLUMNS}
    assert len(kinds(Exam)) >= 9 and not [(k.__name__, n) for k in kinds(Exam) for n in k.columns if n in taken]
