"""Every study plans at every scale, has equal budgets or says why not, and runs from end to end at the smallest."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import io
import json
import math
import tokenize
from importlib.util import find_spec
from pathlib import Path

import pytest

from interlude.models.files import read_jsonl
from interlude.models.hardware import hardware
from interlude.models.key import key
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe, dependencies
from interlude.models.stages.pretrain import Pretrain
from interlude.models.train import Machine
from interlude.studies import places, results
from interlude.studies.curves import curve
from interlude.studies.find import bands, names, own_scale, scale_named
from interlude.studies.refusal import Refused
from interlude.studies.report import tables
from interlude.studies.run import costs, train_or_load
from interlude.studies.scales import SCALES
from interlude.studies.study import (
    TOLERANCE,
    Arm,
    Study,
    check_budget,
    each_once,
    execute,
    keep,
    kernels,
    measured,
    missing,
    plan,
    span,
)
from interlude.synth.source import Mixture

HERE = Path(results.__file__).parent
GYM = pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="the problems are reasoning-gym's")
NAMES = names()
FILES = [HERE / f"{name}.py" for name in NAMES]


def study(name: str, scale: str) -> Study:
    return importlib.import_module(f"interlude.studies.{name.replace('/', '.')}").study(scale_named(scale))


def code_lines(path: Path) -> int:
    """Lines that hold code: neither blank, nor comment, nor docstring, nor claims."""
    text = path.read_text()
    kept = set()
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            kept |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            kept -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        claims = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("CLAIMS", "PAPER")
        if claims or (isinstance(node, ast.ImportFrom) and node.module == "interlude.studies.verdicts"):
            kept -= set(range(node.lineno, node.end_lineno + 1))
    return len(kept)


# Every study at every scale that it is for: those of a real model have a scale of their own, and RMT's seven lengths
# are told as numbers, of which nano-guessable has three.
CASES = [(name, scale) for name in NAMES if not name.startswith("real/") for scale in SCALES]
CASES.remove(("midtraining/rmt", "nano-guessable"))
CASES += [pytest.param(name, "smollm2", marks=GYM) for name in NAMES if name.startswith("real/")]


def test_there_are_studies():
    assert "stages/quickstart" in NAMES and {"smoke", "nano"} <= set(SCALES)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_study_is_under_forty_lines(path):
    assert code_lines(path) < 40


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_every_study_plans_within_its_budget(name, scale, runs):
    # Mutants: an arm that forgets part of the budget; arms that do not begin with the base; a study without a question.
    asked = study(name, scale)
    assert (asked.name, asked.scale) == (name, scale) and all((asked.question, asked.prediction, asked.rule))
    planned = plan(asked)
    assert [(run.seed, run.arm) for run in planned] == [(s, a.name) for s in asked.seeds for a in asked.arms]
    check_budget(asked, planned)
    assert not any((run.finished and run.recipe.stages) or run.examined for run in planned)
    assert len({run.recipe.key for run in planned}) == len(planned)
    assert {run.recipe.seed for run in planned} == set(asked.seeds)
    waiting = missing(asked)
    assert len(waiting) == len(set(waiting)) and set(waiting) == {
        r for run in planned for r in dependencies(run.recipe)
    }
    assert set(asked.headline) <= {exam.name for exam in asked.exams}


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_no_exam_asks_what_was_trained_on(name, scale):
    # Mutant: an exam on the training side of the split.
    for exam in study(name, scale).exams:
        parts = [part for _, part in exam.source.parts] if isinstance(exam.source, Mixture) else [exam.source]
        assert all(part.split == "held_out" for part in parts)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("real/")])
def test_every_claim_is_about_arms_and_exams_of_its_study(name):
    # Mutants: an arm or an exam misspelt, whose claim would stay "not run" for ever.
    scale = own_scale(name)
    asked, module = study(name, scale), importlib.import_module(f"interlude.studies.{name.replace('/', '.')}")
    known = {"OOD", *bands(scale), *(exam.name for exam in asked.exams)}
    for claim in vars(module).get("CLAIMS", ()):
        assert set(claim.arms) <= {arm.name for arm in asked.arms}, claim.name
        assert {score.on for each in claim.comparisons for _, _, score in each.terms} <= known, claim.name


def test_unequal_arms_are_refused(runs):
    # Mutants: a tolerance of half; the arm that is equal=False compared too; a study that stays silent accepted.
    quick = study("stages/quickstart", "smoke")
    name = quick.arms[2].name

    def with_flops(share: float) -> Study:
        stage = quick.arms[2].recipe.stages[-1]
        longer = dataclasses.replace(stage, flops=stage.flops * share)
        arm = Arm(name, quick.arms[2].recipe.parent + longer)
        return dataclasses.replace(quick, arms=(*quick.arms[:2], arm, quick.arms[3]))

    check_budget(with_flops(1.04), plan(with_flops(1.04)))
    for share in (1.06, 0.9):
        refusal = f"{name!r}.* differ in FLOPs by more than 5% .*unequal does not say why.*same flops.*equal=False"
        with pytest.raises(ValueError, match=refusal):
            check_budget(with_flops(share), plan(with_flops(share)))
        with pytest.raises(ValueError, match="Study.unequal"):
            execute(with_flops(share), Machine(), note=str)
    explained = dataclasses.replace(with_flops(2), unequal="a longer one is the question")
    check_budget(explained, plan(explained))
    # Mutants: last steps excuse budgets; they do not excuse what arms measured.
    longer = dataclasses.replace(with_flops(2), last_steps="a step is dear")
    with pytest.raises(ValueError, match="budgets"):
        check_budget(longer, plan(longer))
    done = [dataclasses.replace(run, measured=run.planned * (1 + 0.1 * n)) for n, run in enumerate(plan(quick))]
    with pytest.raises(ValueError, match="measured FLOPs"):
        check_budget(quick, done)
    # Mutants: last steps without a limit; a limit of their own that applies to studies without a reason.
    excused = dataclasses.replace(quick, last_steps="a step is dear", last_steps_tolerance=0.25)
    check_budget(excused, done)
    with pytest.raises(ValueError, match="by more than 10% .*measured FLOPs"):
        check_budget(dataclasses.replace(excused, last_steps_tolerance=0.1), done)
    with pytest.raises(ValueError, match="by more than 5% .*measured FLOPs"):
        check_budget(dataclasses.replace(excused, last_steps=""), done)
    assert not any(quick.arms[2].recipe.folder.parent.glob("*"))


def test_arms_are_chosen_by_any_of_some_patterns():
    # Mutants: an arm must match all patterns; contrasts kept of which one arm is left out.
    quick = study("stages/quickstart", "smoke")
    names = [arm.name for arm in quick.arms]
    some = quick.with_arms(("RL", "pre-*"))
    assert [arm.name for arm in some.arms] == [name for name in names if name in ("RL", "pre-training")]
    assert 0 < len(some.contrasts) < len(quick.contrasts)
    assert some.contrasts == tuple(pair for pair in quick.contrasts if set(pair) <= {"RL", "pre-training"})
    assert quick.with_arms(("*",)) == quick
    with pytest.raises(ValueError, match="'RL beyond'"):
        quick.with_arms(("RL", "RL beyond"))


def test_arms_without_a_budget_are_refused(runs):
    quick = study("stages/quickstart", "smoke")
    stage = dataclasses.replace(quick.arms[2].recipe.stages[-1], flops=None, steps=3)
    arms = (*quick.arms[:2], Arm("stepped", quick.base + stage))
    bare = dataclasses.replace(quick, arms=arms, contrasts=())
    with pytest.raises(ValueError, match="'stepped' has a stage without a FLOPs budget.*equal=False"):
        check_budget(bare, plan(bare))


def test_bad_studies_are_refused(runs):
    quick = study("stages/quickstart", "smoke")
    for change, text in (
        ({"arms": ()}, "Study.arms"),
        ({"arms": quick.arms * 2}, "Study.arms"),
        ({"exams": quick.exams[:1] * 2}, "Study.exams"),
        ({"seeds": ()}, "Study.seeds"),
        ({"seeds": (0, 0)}, "Study.seeds"),
        ({"contrasts": (("RL", "luck"),)}, "Study.contrasts"),
        ({"arms": quick.arms[0]}, r"Study.arms .*must be a tuple of Arm, such as \(one,\) with its comma, .*a Arm"),
        ({"exams": (quick.exams[0], "edge")}, "Study.exams .*must be a tuple of Exam.*a str"),
        ({"seeds": 3}, "Study.seeds .*must be a tuple of int.*a int"),
        ({"base": quick.base.stages[0]}, "Study.base .*must be a Recipe, not a "),
    ):
        with pytest.raises(ValueError, match=text):
            dataclasses.replace(quick, **change)
    for wrong, name in ((quick.base.stages[0], "recipe"), (None, "recipe"), ("base", "base")):
        with pytest.raises(ValueError, match=f"Arm.{name} of 'half' must be a Recipe, such as base . stage, not a "):
            Arm("half", **{"recipe": quick.base, name: wrong})
    for budget in ({"flops": "1e9", "steps": None}, {"steps": "3", "flops": None}, {"steps": True, "flops": None}):
        with pytest.raises(ValueError, match=r"\.(steps|flops) must be a number, got ('1e9'|'3'|True)"):
            dataclasses.replace(quick.base.stages[0], **budget)
    stranger = Arm("stranger", dataclasses.replace(quick.base, model=dataclasses.replace(quick.base.model, hidden=64)))
    with pytest.raises(ValueError, match="'stranger' of stages/quickstart does not begin with its base"):
        dataclasses.replace(quick, arms=(stranger,), contrasts=())
    twice = Arm("twice", quick.arms[0].recipe, exams=quick.exams[:1] * 2)
    with pytest.raises(ValueError, match="exams of arm 'twice'"):
        dataclasses.replace(quick, arms=(twice,), contrasts=())


def test_an_arm_may_have_a_base_and_exams_of_its_own(runs):
    # Mutants: costs counted from the study's base; every arm sitting the study's exams.
    quick = study("stages/quickstart", "smoke")
    short = quick.base.parent
    arm = Arm("other", short + quick.arms[1].recipe.stages[-1], base=short, exams=quick.exams[:1])
    other = dataclasses.replace(quick, arms=(*quick.arms, arm))
    run = plan(other)[-1]
    assert run.exams == quick.exams[:1] and run.shared == len(quick.base.stages) - 1
    assert run.flops == plan(other)[1].flops == quick.arms[1].recipe.stages[-1].flops
    assert plan(other)[0].exams == quick.exams


def test_quickstart_from_end_to_end(runs, tmp_path, monkeypatch):
    # Mutants: rows of one arm under another's name; a rerun that trains again; shared stages trained for every arm.
    store = results.store
    monkeypatch.setattr(results, "store", lambda name, scale, rows, **more: store(name, scale, rows, tmp_path, **more))
    store_curves = results.store_curves
    monkeypatch.setattr(
        results, "store_curves", lambda name, scale, rows, **more: store_curves(name, scale, rows, tmp_path, **more)
    )
    whole = study("stages/quickstart", "smoke")
    assert {exam.kind for exam in (*whole.exams[:2], whole.exams[-1])} == {"exact", "sampled"}
    quick = dataclasses.replace(whole, exams=whole.exams[:2] + whole.exams[-1:])
    steps, notes = [], []
    execute(quick, Machine(), lambda recipe, share, line: steps.append(recipe.key), notes.append)
    table = results.load(quick.name, "smoke", tmp_path)
    assert len(table.rows) == len(quick.arms) * len(quick.seeds) * len(quick.exams)
    assert table.arms == tuple(arm.name for arm in quick.arms) and table.seeds == quick.seeds
    assert table.exams == tuple(exam.name for exam in quick.exams)
    finished = plan(quick)
    assert all(run.finished and run.examined for run in finished) and missing(quick) == []
    assert set(steps) == {r.key for run in finished for r in dependencies(run.recipe)} and len(notes) == len(quick.arms)
    for run in finished:
        rows = [row for row in table.rows if row["arm"] == run.arm]
        assert {(row["key"], row["arm_flops"]) for row in rows} == {(run.recipe.key[:16], run.flops)}
        for row, exam in zip(rows, quick.exams, strict=True):
            cells = [len(results.numbers(row[name])) for name in ("logp", "strict", "correct")]
            assert row["problems"] == exam.problems and row["samples"] == exam.responses
            assert row["exam_key"] == key(exam)[:16] and row["structures"] == exam.structures > 0
            assert "torch" in row["machine"] and row["kernels"] in ("native", "torch")
            assert cells == ([exam.problems, 0, 0] if exam.kind == "exact" else [0, exam.problems, exam.problems])
        asked = [(exam.source.world, str(span(exam.source)[0])) for exam in quick.exams]
        assert [(row["world"], row["ops"].split("-")[0]) for row in rows] == asked
        rl = any(type(stage).__name__ == "RL" for stage in run.recipe.stages)
        assert all((row["rollout_flops"] > 0) == rl and row["flops"] > row["arm_flops"] for row in rows)
    assert table.gain("RL", "RL", quick.exams[0].name, 1).mean == 0
    # Again: nothing to do, and the same bytes.
    path, steps[:] = results.path(quick.name, "smoke", tmp_path), []
    before = path.read_bytes()
    execute(quick, Machine(), lambda recipe, share, line: steps.append(recipe.key), notes.append)
    assert steps == [] and len(notes) == len(quick.arms) and path.read_bytes() == before
    # All at once, into tables that were lost: the same. Mutants: rows, or curves, of the first or the last alone.
    drawn = results.curves_path(quick.name, "smoke", tmp_path)
    points = drawn.read_bytes()
    path.unlink(), drawn.unlink()
    keep(quick, *plan(quick))
    assert path.read_bytes() == before and drawn.read_bytes() == points
    # An exam that was changed and not taken again. Mutants: recipes compared alone; the number of samples left out.
    load = results.load
    monkeypatch.setattr(results, "load", lambda name, scale, folder: load(name, scale, tmp_path))
    assert str(measured(quick).rows) == str(table.rows)
    harder = dataclasses.replace(quick.exams[-1], samples=2)
    with pytest.raises(ValueError, match=f"rows of exam '{harder.name}' as it was before: exam_key"):
        measured(dataclasses.replace(quick, exams=(*quick.exams[:-1], harder)))
    with pytest.raises(ValueError, match="which the study does not have now"):
        measured(dataclasses.replace(quick, exams=quick.exams[:-1]))


COMMITTED = sorted(
    path for path in places.COMMITTED.glob("*/*.csv") if path.parent.name != "smoke" and ".curves" not in path.suffixes
)  # git ignores smoke


def test_committed_tables_are_complete():
    # Mutant: a table committed halfway through its runs, or after an arm was renamed.
    for path in COMMITTED:
        name, scale = path.stem.replace(".", "/", 1), path.parent.name
        asked, table = study(name, scale), results.load(name, scale)
        found = [(row["arm"], row["seed"], row["exam"]) for row in table.rows]
        wanted = {
            (arm.name, seed, exam.name) for arm in asked.arms for seed in asked.seeds for exam in asked.exams_of(arm)
        }
        assert len(found) == len(set(found)) and set(found) == wanted, path
        if name == "real/gym" and find_spec("reasoning_gym") is None:
            continue  # its version enters the keys
        keys = {(arm.name, seed): arm.recipe.with_seed(seed).key for arm in asked.arms for seed in asked.seeds}
        results.check_keys(table, keys)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_arms_spent_alike_or_the_study_says_why(path):
    """Kills: an arm of a committed table that had more compute than another, without a word."""
    name, scale = path.stem.replace(".", "/", 1), path.parent.name
    asked, table = study(name, scale), results.load(name, scale)
    groups: dict = {}
    for row in table.rows:
        arm = next(arm for arm in asked.arms if arm.name == row["arm"])
        if arm.equal:
            groups.setdefault((row["seed"], arm.budget), set()).add(row["arm_flops"])
    most = max((max(spent) / min(spent) for spent in groups.values()), default=1.0)
    limit = asked.last_steps_tolerance if asked.last_steps else TOLERANCE
    assert asked.unequal or most <= 1 + limit, f"{most:.3f}"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_tables_can_be_told(path):
    # Mutant: the similarity of what an arm solves with 5e-324, which ended every report of interplay/topology.
    name, scale = path.stem.replace(".", "/", 1), scale_named(path.parent.name)
    bands = {"ID": scale.band, "edge": scale.edge, "hard": scale.hard}
    told = tables.summary(study(name, scale.name), results.load(name, scale.name), bands)
    json.dumps(told)
    assert all(
        len(row) == len(heads)
        for _, heads, rows, _ in tables.full(told, tables.kinds_of(study(name, scale.name)))
        for row in rows
    )


def test_a_plan_and_its_table_check_a_shared_stage_once(runs, tmp_path, monkeypatch):
    """Kills: a whole model hashed again for every arm that begins with it."""
    quick = study("stages/quickstart", "smoke")
    quick = dataclasses.replace(quick, exams=quick.exams[:1], results=tmp_path)
    execute(quick, Machine(threads=1), None, lambda text: None)
    checked = []
    monkeypatch.setattr("interlude.studies.run.check", checked.append)
    found = plan(quick)
    folders = {each.folder for run in found for each in dependencies(run.recipe)}
    assert len(checked) == len(set(checked)) and set(checked) <= folders
    checked.clear()
    keep(quick, *found)
    assert len(checked) == len(set(checked)) > 0


def logged(recipe: Recipe, lines: list[dict]) -> list[dict]:
    """The training curve that a stage with such a log has."""
    recipe.folder.mkdir(parents=True, exist_ok=True)
    lines = [{"loss": 1.0, "flops": 10.0 * n, "step": n} | line for n, line in enumerate(lines, start=1)]
    (recipe.folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return curve(recipe)


def test_a_stage_that_reads_between_rl_steps_has_a_curve(runs, tiny, source):
    """Kills: a curve of stages alone whose first step has a reward; means over steps without one; empty rows."""
    recipe = Recipe(tiny) + Pretrain(steps=1, batch_size=2, optim=Optim(warmup=1), data=source)
    read, rl = {}, {"reward": 0.5, "strict": 0.25}
    points = logged(recipe, [read, read, read, rl | {"loss": 3.0}] * 30)  # 40 rows of three steps
    assert [point["step"] for point in points] == [n for n in range(3, 121, 3) if n % 12 != 3]
    assert {(point["reward"], point["strict"], point["loss"]) for point in points} == {(0.5, 0.25, 5 / 3)}
    assert points[-1]["share"] == 1 and all(math.isnan(point["answer"]) for point in points)
    assert logged(recipe, [read] * 9) == []
    every = logged(recipe, [{"reward": n / 100} for n in range(80)])
    assert [(point["step"], point["reward"]) for point in every] == [
        (2 * n + 2, pytest.approx((4 * n + 1) / 200)) for n in range(40)
    ]


def test_kernels_and_machines_are_those_of_every_stage(runs, tiny, source):
    """Kills: the last stage's alone; an older record taken for a machine of its own; a log line without kernels."""
    base = Recipe(tiny) + Pretrain(steps=1, batch_size=2, optim=Optim(warmup=1), data=source)
    recipe = base + Pretrain(steps=2, batch_size=2, optim=Optim(warmup=1), data=source)
    train_or_load(recipe)
    assert set(kernels(recipe)) <= {"native", "torch"} and {cost.machine for cost in costs(recipe)} == {hardware()}
    for each, said in ((base, {"kernels": "other"}), (recipe, {})):
        log = each.folder / "log.jsonl"
        lines = [{name: value for name, value in line.items() if name != "kernels"} for line in read_jsonl(log)]
        log.write_text("".join(json.dumps(line | said) + "\n" for line in lines))
    assert kernels(recipe) == ["other", ""]
    assert each_once(["A", "", "B", "A"]) == "A + B" and each_once([""]) == ""


def test_an_arm_is_not_compared_with_itself():
    """Kills: a difference of nothing, which is exactly zero with an interval of no width."""
    quick = study("stages/quickstart", "smoke")
    with pytest.raises(ValueError, match="compares arm 'RL' with itself"):
        dataclasses.replace(quick, contrasts=(("RL", "RL"),))


def test_rows_of_another_recipe_are_refused():
    """Kills: intervals over rows that were measured before and after a change."""
    quick = study("stages/quickstart", "smoke")
    arm = quick.arms[0]
    rows = ({"arm": arm.name, "seed": 0, "key": arm.recipe.key[:16]}, {"arm": arm.name, "seed": 0, "key": "0" * 16})
    keys = {(arm.name, 0): arm.recipe.key}
    results.check_keys(results.Results(quick.name, "smoke", rows[:1]), keys)
    with pytest.raises(ValueError, match="another recipe.*seed 0"):
        results.check_keys(results.Results(quick.name, "smoke", rows), keys)


def test_a_scale_of_ones_own_does_not_take_a_built_in_name(tmp_path, monkeypatch):
    """Kills: a derived scale without a name of its own, whose rows replace those of the scale that it came from."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "derived_scale.py").write_text(
        "from dataclasses import replace\nfrom interlude.studies.scales import SMOKE\n"
        "UNNAMED = replace(SMOKE, long_steps=4)\nNAMED = replace(UNNAMED, name='longer')\nSAME = replace(SMOKE)\n"
        "REAL = replace(SMOKE, name='smollm2-9min')\n"
    )
    for name, taken in (("UNNAMED", "smoke"), ("REAL", "smollm2-9min")):
        with pytest.raises(Refused, match=f"name of the built-in scale '{taken}' .*replace.SMOKE, name="):
            scale_named(f"{tmp_path}/derived_scale.py:{name}")
    assert scale_named(f"{tmp_path}/derived_scale.py:NAMED").name == "longer"
    assert scale_named(f"{tmp_path}/derived_scale.py:SAME") == scale_named("smoke")


def test_a_study_is_asked_at_its_own_scale_unless_another_is_named(tmp_path):
    # Mutants: nano for every study; the constant of another study; a file's own scale ignored.
    assert own_scale("stages/quickstart") == "nano" and own_scale("planning") == "nano-shuffled"
    assert all(scale_named(own_scale(name)).name == own_scale(name) for name in NAMES)
    file = tmp_path / "mine.py"
    file.write_text('SCALE = "smoke"\n')
    assert own_scale(str(file)) == "smoke"
    with pytest.raises(Refused, match="no file"):
        own_scale(str(tmp_path / "nowhere.py"))
