"""Recipes are trained once, survive being killed to the bit, and refuse files that were changed."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from interlude.models.files import Corrupt, check, read_json, read_jsonl, seal, sealed, write_json
from interlude.models.gpt import GPT
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.rollouts import Reward
from interlude.models.stage import Batch, StageModels
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.train import Machine
from interlude.studies import run as running
from interlude.studies.run import Cost, costs, load, train_or_load
from interlude.synth.render import Written
from interlude.synth.rng import rng
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import Verdict

EASY = Source(ops=(1, 1), modulus=3, names=6)
MODEL = GPT(
    layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, worlds=("zoo",), names=6)
)  # fmt: skip
OPTIM = Optim(warmup=2)
FIRST = Pretrain(steps=3, batch_size=2, optim=OPTIM, data=EASY)
SECOND = Midtrain(steps=2, batch_size=2, optim=OPTIM, data=EASY, replay=EASY)
BASE = Recipe(MODEL) + FIRST
BOTH = BASE + SECOND
SEALED = ("cost.json", "log.jsonl", "model.safetensors", "recipe.json", "rows.u64")


def trained(recipe: Recipe, machine: Machine = Machine()) -> list[tuple[str, int]]:
    """The (stage, step) pairs that obtaining a recipe took."""
    steps = []
    train_or_load(
        recipe, machine, lambda each, share, line: steps.append((type(each.stages[-1]).__name__, line["step"]))
    )
    return steps


# The cache


def test_equal_beginnings_are_trained_once(runs):
    # Mutant: a key of the last stage only, or of the whole recipe for every stage.
    assert trained(BOTH) == [("Pretrain", 1), ("Pretrain", 2), ("Pretrain", 3), ("Midtrain", 1), ("Midtrain", 2)]
    assert trained(BOTH) == trained(BASE) == []
    other = BASE + dataclasses.replace(SECOND, replay_share=0.5)
    assert trained(other) == [("Midtrain", 1), ("Midtrain", 2)]
    assert sorted(path.name.split("-")[0] for path in runs.iterdir()) == ["midtrain", "midtrain", "pretrain"]
    assert dependencies(BOTH) == [BASE, BOTH] and BOTH.parent == BASE and Recipe(MODEL).finished


def test_what_is_obtained_is_what_was_trained(runs):
    # Mutant: the weights of the stage before, or fresh ones, returned.
    first, again, base = train_or_load(BOTH), train_or_load(BOTH), train_or_load(BASE)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.embed, base.embed) and not torch.equal(base.embed, MODEL.build(0).embed)
    assert not first.training


def test_the_key_covers_everything_but_the_machine(runs):
    # Mutants: precision or the seed left out; Machine let in.
    changed = [
        BOTH,
        BOTH.with_seed(1),
        dataclasses.replace(BOTH, precision="bfloat16"),
        dataclasses.replace(BOTH, model=dataclasses.replace(MODEL, hidden=64)),
        Recipe(MODEL) + SECOND + FIRST,
        BASE + dataclasses.replace(SECOND, data=dataclasses.replace(EASY, order="shuffled")),
        BASE + dataclasses.replace(SECOND, optim=Optim(warmup=3)),
    ]
    assert len({recipe.key for recipe in changed}) == len({recipe.folder for recipe in changed}) == len(changed)
    train_or_load(BASE)
    assert trained(BASE, Machine(threads=1, micro_tokens=7, save_every=0)) == []


@pytest.mark.parametrize("kind", (GPT, Optim, Written, Verdict), ids=lambda kind: kind.__name__)
def test_changed_code_is_another_key(kind, monkeypatch):
    # Mutant: a version that enters no key, so that raising it still finds the old runs.
    recipe = BASE + RL(steps=1, batch_size=2, num_samples=2, max_new_tokens=9, optim=OPTIM, data=EASY, reward=Reward())
    before = recipe.key
    monkeypatch.setattr(kind, "version", kind.version + 1)
    assert recipe.key != before


def test_costs_are_those_of_the_stages(runs):
    # Mutant: the costs of earlier stages added in, or in reverse order.
    train_or_load(BOTH)
    first, second = costs(BOTH)
    assert isinstance(first, Cost)
    assert (first.stage, first.steps, second.stage, second.steps) == ("Pretrain", 3, "Midtrain", 2)
    log = read_jsonl(BOTH.folder / "log.jsonl")
    assert second.ledger.total_flops == log[-1]["flops"] and second.seconds > 0
    assert first.ledger.tokens[0] > second.ledger.tokens[0] > 0


def test_costs_count_rows_and_distinct_texts(runs):
    # Mutants: counts of another stage; an old run, whose record says nothing of rows, refused or counted as 0.
    train_or_load(BOTH)
    first, second = costs(BOTH)
    assert (first.rows, second.rows) == (6, 4) and 1 <= first.distinct <= 6 and 1 <= second.distinct <= 4
    record = read_json(BOTH.folder / "cost.json")
    write_json(BOTH.folder / "cost.json", {name: record[name] for name in record if name not in ("rows", "distinct")})
    for name in ("done.json", "rows.u64"):
        (BOTH.folder / name).unlink()
    seal(BOTH.folder, [name for name in SEALED if name != "rows.u64"])
    first, second = costs(BOTH)
    assert first.rows == 6 and math.isnan(second.rows) and math.isnan(second.distinct) and trained(BOTH) == []


def test_a_finished_folder_holds_what_it_should(runs):
    # Mutant: the resume state, three times the size of the weights, left behind.
    train_or_load(BASE)
    others = ["done.json", "events.out.tfevents.interlude"]
    assert sorted(path.name for path in BASE.folder.iterdir()) == sorted([*SEALED, *others])
    assert sorted(check(BASE.folder)) == sorted(SEALED)


# Damage


@pytest.mark.parametrize("name", SEALED)
@pytest.mark.parametrize("damage", ("edited", "truncated", "removed"))
def test_a_changed_file_is_refused_by_name(name, damage, runs):
    # Mutants: a folder loaded without its seal being looked at; costs read past it.
    train_or_load(BASE)
    path = BASE.folder / name
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(content[:-1] if damage == "truncated" else content[:middle] + b"7" + content[middle + 1 :])
        assert path.read_bytes() != content
    for ask in (train_or_load, load, costs, lambda recipe: train_or_load(recipe + SECOND)):
        with pytest.raises(Corrupt, match=name.replace(".", r"\.") + ".*; delete the folder .*trains it again"):
            ask(BASE)


def test_half_written_files_are_no_result(runs):
    # Mutant: a model file taken for a finished stage although it was never sealed.
    BASE.folder.mkdir(parents=True)
    (BASE.folder / "model.safetensors").write_bytes(b"half")
    (BASE.folder / ".tmp-0123456789abcdef").write_bytes(b"half")
    (BASE.folder / "log.jsonl").write_bytes(b'{"step": 1, "loss": 1.0}\n{"step"')
    assert not BASE.finished and len(trained(BASE)) == 3
    assert [row["step"] for row in read_jsonl(BASE.folder / "log.jsonl")] == [1, 2, 3]
    assert not (BASE.folder / ".tmp-0123456789abcdef").exists()


# Recipes inside stages


@dataclass(frozen=True, kw_only=True)
class Taught(Pretrain):
    """Pre-training that looks at a finished teacher."""

    teacher: Recipe

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        batch = super().collect(models, seed, step, rows)
        teacher = models.references["teacher"]
        assert not teacher.training
        return dataclasses.replace(batch, metrics={"teacher": float(teacher.embed.detach().sum())})


def test_a_recipe_in_a_stage_is_trained_first(runs):
    # Mutants: the teacher untrained; its seed not the study's; its key no part of the student's.
    teacher = Recipe(MODEL) + dataclasses.replace(FIRST, batch_size=3)
    student = BASE + Taught(steps=1, batch_size=2, optim=OPTIM, data=EASY, teacher=teacher)
    assert references(student.stages[-1]) == {"teacher": teacher} and dependencies(student) == [BASE, teacher, student]
    assert [name for name, _ in trained(student)] == ["Pretrain"] * 6 + ["Taught"]
    row = read_jsonl(student.folder / "log.jsonl")[0]
    assert row["teacher"] == pytest.approx(float(train_or_load(teacher).embed.detach().sum()))
    moved = student.with_seed(3)
    assert moved.stages[-1].teacher == teacher.with_seed(3) and moved.seed == moved.stages[-1].teacher.seed == 3
    other = BASE + dataclasses.replace(student.stages[-1], teacher=BASE)
    assert other.key != student.key


def test_bad_recipes_are_refused():
    for seed in (-1, 1.0, True):
        with pytest.raises(ValueError, match="Recipe.seed"):
            Recipe(MODEL, seed=seed)
    with pytest.raises(ValueError, match="Recipe.precision"):
        Recipe(MODEL, precision="float16")


# Processes. The fork server imports torch once; each child is a real process that can really be killed.


@pytest.fixture(scope="module")
def processes():
    world = multiprocessing.get_context("forkserver")
    world.set_forkserver_preload(
        [
            "interlude.models.stages.rl",
            "interlude.models.stages.midtrain",
            "interlude.models.stages.pretrain",
            "interlude.studies.run",
        ]
    )
    return world


def work(recipe: Recipe, runs: Path, told: Path, machine: Machine) -> None:
    """What a child does: obtain a recipe, and write down every step it takes."""
    os.environ["INTERLUDE_RUNS"] = str(runs)
    torch.set_num_threads(1)
    with open(told, "a", buffering=1) as file:
        train_or_load(
            recipe, machine, lambda each, share, line: file.write(f"{type(each.stages[-1]).__name__} {line['step']}\n")
        )


def test_costs_that_are_known_are_not_checked_again(runs, monkeypatch):
    # Kills: whole models hashed for every arm that begins with them; costs that nothing was checked for.
    train_or_load(BOTH)
    expected, checked = costs(BOTH), []
    monkeypatch.setattr(running, "check", lambda folder: checked.append(folder) or check(folder))
    known = {}
    assert costs(BASE, known) == expected[:1] and costs(BOTH, known) == costs(BOTH, known) == expected
    assert checked == [BASE.folder, BOTH.folder]
    assert costs(BOTH) == expected and len(checked) == 4


def test_two_processes_train_a_recipe_once(processes, runs, tmp_path):
    # Mutant: no claim, so that both train, and write into each other's files.
    told = [tmp_path / "a", tmp_path / "b"]
    children = [processes.Process(target=work, args=(BOTH, runs, path, Machine())) for path in told]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    steps = sorted(line for path in told for line in path.read_text().splitlines())
    assert steps == ["Midtrain 1", "Midtrain 2", "Pretrain 1", "Pretrain 2", "Pretrain 3"] and BOTH.finished


def killed(processes, recipe: Recipe, runs: Path, told: Path, kills: int) -> int:
    """Obtain a recipe in children that are killed at random points; how many were killed in their work."""
    hits, finished = 0, set()
    for attempt in range(kills):
        before = told.stat().st_size if told.exists() else 0
        child = processes.Process(target=work, args=(recipe, runs, told, Machine(save_every=0)))
        child.start()
        until = time.monotonic() + 60
        while child.is_alive() and time.monotonic() < until and (not told.exists() or told.stat().st_size == before):
            time.sleep(0.002)  # the first step is done: from here on it may die at any moment
        child.join(0.15 * rng("kill", attempt).random())
        os.kill(child.pid, signal.SIGKILL)
        child.join(60)
        hits += child.exitcode == -signal.SIGKILL
        assert all(sealed(folder) for folder in finished)  # what was finished survives
        finished = {folder for folder in runs.iterdir() if folder.is_dir() and sealed(folder)}
    last = processes.Process(target=work, args=(recipe, runs, told, Machine(save_every=0)))
    last.start()
    last.join(300)
    assert last.exitcode == 0
    return hits


def assert_bits_survive(processes, recipe: Recipe, tmp_path, monkeypatch, kills: int) -> None:
    weights, ledgers = {}, {}
    for name in ("straight", "killed"):
        monkeypatch.setenv("INTERLUDE_RUNS", str(tmp_path / name))
        if name == "killed":
            hits = killed(processes, recipe, tmp_path / name, tmp_path / "told", kills)
            assert hits >= kills * 2 // 3
        train_or_load(recipe)
        weights[name] = [(each.folder / "model.safetensors").read_bytes() for each in dependencies(recipe)]
        ledgers[name] = [cost.ledger for cost in costs(recipe)]
    assert weights["killed"] == weights["straight"] and ledgers["killed"] == ledgers["straight"]
    for each in dependencies(recipe):
        assert [row["step"] for row in read_jsonl(each.folder / "log.jsonl")] == list(
            range(1, each.stages[-1].steps + 1)
        )


def test_killed_and_resumed_to_the_same_bits(processes, tmp_path, monkeypatch):
    # Mutants: weights and momenta saved in two files; the save not renamed into place; a claim that outlives its owner.
    long = Recipe(MODEL) + dataclasses.replace(FIRST, steps=60) + dataclasses.replace(SECOND, steps=20)
    assert_bits_survive(processes, long, tmp_path, monkeypatch, kills=3)


@pytest.mark.slow
def test_killed_twenty_times(processes, tmp_path, monkeypatch):
    # The same through all kinds of stage; the RL reward is the share of right steps,
    # so that there is something to lose.
    long = Recipe(MODEL) + dataclasses.replace(FIRST, steps=250, batch_size=16) + dataclasses.replace(SECOND, steps=150)
    long += RL(
        steps=150, batch_size=4, num_samples=4, max_new_tokens=30, optim=OPTIM, data=EASY, reward=Reward("process")
    )
    assert_bits_survive(processes, long, tmp_path, monkeypatch, kills=24)
    assert costs(long)[-1].ledger.as_dict()["rollout_tokens"] > 0
