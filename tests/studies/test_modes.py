"""Mode masses against every continuation counted out, and by models whose probabilities are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from crafted import UNRECORDED
from crafted import row as crafted_row

from interlude.models.gpt import GPT
from interlude.models.key import key
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stages.pretrain import Pretrain
from interlude.models.train import train
from interlude.studies import results
from interlude.studies.exam import Exam, cached_result, evaluate
from interlude.studies.exams import modes
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.modes import ModesExam, beginnings, effective, log_masses
from interlude.studies.midtraining import selfgen
from interlude.studies.run import train_or_load
from interlude.studies.scales import SCALES
from interlude.studies.study import Arm, Study, plan, row
from interlude.synth.approaches import PLAIN, with_approach
from interlude.synth.render import END
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

NAMES = ("levels", "plan", "commuted", "table", PLAIN)
SOURCE = Source(ops=(2, 3), modulus=3, names=12, approach=NAMES)
EXAM = ModesExam("modes", SOURCE, problems=6)
MODEL = GPT(
    layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, worlds=("zoo",), approaches=True)
)


@pytest.fixture(scope="module")
def told():
    """A model that has read a little of each approach, so that it knows a likely beginning from others."""
    lm = MODEL.build(3)
    train(lm, Pretrain(steps=100, batch_size=16, optim=Optim(schedule="linear", floor=0.0), data=SOURCE), seed=0)
    return lm.eval()


def walked(lm, question: list[int], solutions: dict[str, list[int]], temperature: float) -> dict[str, float]:
    """Each different solution's mass by walking the tree of all of them: at every node the model's next token is asked
    for by a pass of its own, until one solution is left."""
    different = {}
    for name, ids in solutions.items():
        if ids not in different.values():
            different[name] = ids
    found = {}

    def walk(names: list[str], at: int, mass: float) -> None:
        if at and len(names) == 1:
            found[names[0]] = mass
            return
        ids = torch.tensor([question + different[names[0]][:at]])
        p_V = (lm.forward(ids)[0, -1].double() / temperature).softmax(-1)
        for token in {different[name][at] for name in names}:
            walk([name for name in names if different[name][at] == token], at + 1, mass * float(p_V[token]))

    walk([*different], 0, 1.0)
    return found


@pytest.mark.parametrize("temperature", (1.0, 0.7))
def test_masses_are_those_of_a_walk_through_the_tree_of_solutions(told, temperature):
    # Mutants: whole solutions; the first token alone; a beginning one token short or long; the tag in the question;
    # temperature left out; a solution twice where two approaches agree; the mean of logarithms for that of masses.
    lm, problems, agreed = told, EXAM.draw_problems(), 0
    with torch.no_grad():
        found = log_masses(lm, problems, NAMES, temperature)
        for problem, logs in zip(problems, found, strict=True):
            solutions = {n: lm.encode(with_approach(problem, n, tagged=False).solution) for n in NAMES}
            wanted = walked(lm, lm.encode(problem.question), solutions, temperature)
            assert {name: math.exp(each) for name, each in logs.items()} == pytest.approx(wanted, rel=1e-4)
            assert sum(wanted.values()) <= 1
            agreed += len(logs) < len(NAMES)
    assert any("commuted" in each for each in found) and agreed < len(problems)
    taken = evaluate(lm, dataclasses.replace(EXAM, temperature=temperature))
    for name in NAMES:
        assert taken.masses[name] == pytest.approx(np.mean([math.exp(each.get(name, -math.inf)) for each in found]))
    assert taken.modes.tolist() == [effective(each) for each in found]
    assert all(END in with_approach(problem, PLAIN).solution.split() for problem in problems)


def test_beginnings_end_where_solutions_part():
    # Mutants: the common part alone; one token for all; equal ones parted from each other.
    told = {"a": [1, 2, 3, 9], "b": [1, 2, 4, 9], "c": [5, 9], "d": [1, 2, 3, 9]}
    assert beginnings(told) == {"a": [1, 2, 3], "b": [1, 2, 4], "c": [5]}
    assert beginnings({"a": [7, 8]}) == {"a": [7]}


def test_effective_numbers_are_exponentials_of_entropies():
    # Mutants: masses for shares; the rest counted as a mode; a mass too small for a float that ends in nan.
    for n in (1, 2, 5):
        assert effective(dict.fromkeys(range(n), -3.0)) == pytest.approx(n)
    assert effective({"a": -2000.0, "b": -2000.0}) == pytest.approx(2)
    assert effective({"a": 0.0, "b": -2000.0}) == pytest.approx(1)
    p = np.array([0.5, 0.2, 0.05])
    q = p / p.sum()
    assert effective(dict(enumerate(np.log(p)))) == pytest.approx(float(np.prod(q**-q)))


def test_a_model_that_reads_one_approach_has_one_mode():
    # Mutant: masses under another's name.
    one, both = ((name,) for name in ("levels", "table")), ("levels", "table")
    shares = []
    for names in (*one, both):
        lm = MODEL.build(0)
        told = dataclasses.replace(SOURCE, approach=names, ops=(2, 2))
        stage = Pretrain(steps=160, batch_size=16, optim=Optim(schedule="linear", floor=0.0), data=told)
        train(lm, stage, seed=0)
        found = evaluate(lm, dataclasses.replace(EXAM, source=dataclasses.replace(SOURCE, ops=(2, 2))))
        shares.append((found.masses["levels"], found.masses["table"], found.modes.mean()))
    assert shares[0][0] > 0.7 and shares[1][1] > 0.7 and shares[0][1] < 0.05 and shares[1][0] < 0.05
    assert max(shares[0][2], shares[1][2]) < 1.3 and 1.7 < shares[2][2] < 2.4
    assert min(shares[2][:2]) > 0.15


def test_what_an_exam_of_modes_found_is_kept_tabled_and_told(runs, tmp_path, monkeypatch):
    # Mutants: masses not stored; a cell of another column; a key that does not move with what is measured.
    recipe = Recipe(MODEL) + Pretrain(steps=1, batch_size=2, optim=Optim(warmup=1), data=SOURCE)
    found = cached_result(recipe, EXAM, train_or_load(recipe))
    monkeypatch.setattr(Exam, "evaluate", None)
    again = cached_result(recipe, EXAM, None)
    assert (
        again.modes.tolist() == found.modes.tolist() and again.masses == found.masses and set(found.masses) == {*NAMES}
    )
    study = Study("a/b", "smoke", "q", "p", "r", (Arm("x", recipe),), (EXAM,), (0,), Recipe(MODEL))
    costs = {"tokens": 1, "flops": 1.0, "arm_flops": 1.0, "rollout_flops": 0.0, "seconds": 1.0, "key": "k"}
    made = row(study, plan(study)[0], EXAM, found) | costs | UNRECORDED
    results.store("a/b", "smoke", [made], tmp_path)
    loaded = results.load("a/b", "smoke", tmp_path)
    assert results.numbers(loaded.rows[0]["modes"]) == pytest.approx(found.modes, abs=1e-4)
    assert results.tallies(loaded.rows[0]["masses"]) == pytest.approx(found.masses, rel=1e-2)
    (told,) = ModesExam.summary(loaded)
    assert told["mean"] == pytest.approx(found.modes.mean(), abs=1e-4) and list(told["masses"]) == [*NAMES]
    ((_, heads, cells, caption),) = ModesExam.tables([told])
    assert heads == ["arm", "modes", *NAMES] and cells[0][2] == f"{found.masses['levels']:.3f}" and "exact" in caption
    other = results.Results("a/b", "smoke", (crafted_row("x", 0, 0, "zoo", 1, np.zeros(2)),))
    assert ModesExam.summary(other) == ModesExam.tables([]) == []
    plain = ExactExam("e", dataclasses.replace(SOURCE, approach=None))
    before = key(EXAM), key(plain)
    monkeypatch.setattr(modes, "VERSION", modes.VERSION + 1)
    assert key(EXAM) != before[0]
    assert key(plain) == before[1]


@pytest.mark.parametrize("change", ({"approach": None}, {"approach": PLAIN}, {"tagged": True}))
def test_sources_without_several_untagged_approaches_have_no_modes(change):
    # Mutant: either check left out.
    with pytest.raises(ValueError, match=r"ModesExam\.source must have several approaches"):
        dataclasses.replace(EXAM, source=dataclasses.replace(SOURCE, **change))


@pytest.mark.parametrize("scale", ("smoke", "nano"))
def test_the_study_asks_for_the_modes_that_it_teaches(scale):
    # Mutants: other problems than diversity's; an approach left out.
    exams = {exam.kind: exam for exam in selfgen.study(SCALES[scale]).exams}
    assert exams["modes"].source.approach == selfgen.NAMES
    pairs = zip(exams["modes"].draw_problems(), exams["diversity"].draw_problems(), strict=True)
    assert all(a.question == b.question for a, b in pairs)
