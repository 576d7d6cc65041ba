"""A save is continued only as what it was: the same recipe, seeds, code and number types, with its whole log."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load

from interlude.models import provenance
from interlude.models import train as training
from interlude.models.files import Corrupt
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stages.pretrain import Pretrain
from interlude.models.tensors import write_tensors
from interlude.models.train import Machine
from interlude.studies import run as runner
from interlude.studies.run import origin, stage_seed, train_or_load


@pytest.fixture
def recipe(tiny, source):
    return Recipe(tiny) + Pretrain(steps=6, batch_size=2, optim=Optim(), data=source)


def stopped(recipe: Recipe, after: int = 3):
    """The folder of a recipe whose training was interrupted and saved."""

    def observe(_, share, line):
        if line["step"] == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_or_load(recipe, Machine(threads=1), observe)
    assert (recipe.folder / "state.safetensors").exists()
    return recipe.folder


def weights(recipe: Recipe) -> bytes:
    train_or_load(recipe, Machine(threads=1))
    return (recipe.folder / "model.safetensors").read_bytes()


def resaved(folder, change) -> None:
    """Change a save and give it a checksum that is right."""
    path = folder / "state.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + length])["__metadata__"]["state"]
    tensors, about = change(load(content), about)
    write_tensors(path, tensors, about)


def test_a_save_goes_on_as_what_it_was(recipe, runs, monkeypatch, tmp_path):
    """Mutant: a check so strict that nothing resumes; or a resumed run of other bits."""
    stopped(recipe)
    resumed = weights(recipe)
    monkeypatch.setenv("INTERLUDE_RUNS", str(tmp_path / "whole"))
    assert weights(recipe) == resumed


def other_rate(recipe: Recipe) -> Recipe:
    stage = recipe.stages[-1]
    return recipe.parent + dataclasses.replace(stage, optim=dataclasses.replace(stage.optim, other_lr=1e-5))


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda recipe: recipe.with_seed(1), "seed 0 instead of 1"),
        (lambda recipe: dataclasses.replace(recipe, data_seed=5), "data_seed None instead of 5"),
        (other_rate, "recipe "),
    ],
    ids=("seed", "data seed", "rate"),
)
def test_a_save_of_another_run_is_refused(change, named, recipe, runs):
    """Mutants: weights and momenta of another seed or learning rate sealed under this one's key."""
    folder, other = stopped(recipe), change(recipe)
    shutil.copytree(folder, other.folder)
    with pytest.raises(Corrupt, match=f"belongs to another run: .*{named}.*delete it"):
        train_or_load(other, Machine(threads=1))
    assert not other.finished


def test_a_save_of_other_code_is_refused(recipe, runs, monkeypatch):
    """Mutant: a loss that is halved in the middle of a run."""
    stopped(recipe)
    monkeypatch.setattr(runner, "code", lambda: "0" * 16)
    with pytest.raises(Corrupt, match="code [0-9a-f]{16} instead of 0{16}"):
        train_or_load(recipe, Machine(threads=1))


def test_comments_are_no_other_code(tmp_path, monkeypatch):
    """Mutants: a run that cannot go on as a comment was edited; a change of what is computed that goes unseen."""
    plain = 'def f(x):\n    """Twice."""\n    return 2 * x\n'
    assert provenance.meaning(plain) == provenance.meaning("# Why.\ndef f(x):\n\n    return (2 * x)\n")
    assert provenance.meaning(plain) != provenance.meaning(plain.replace("2", "3"))
    assert provenance.meaning("class A:\n    'Said.'\n") == provenance.meaning("class A:\n    'Told.'\n")

    (tmp_path / "models").mkdir()
    (tmp_path / "synth").mkdir()
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "models" / "a.py").write_text(plain)
    first = provenance.code.__wrapped__()
    (tmp_path / "models" / "a.py").write_text(plain + "# More.\n")
    assert provenance.code.__wrapped__() == first
    (tmp_path / "synth" / "world.toml").write_text("x = 1\n")
    assert provenance.code.__wrapped__() != first


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda t, about: ({n: v.bfloat16() if n.startswith("model") else v for n, v in t.items()}, about), "bfloat16"),
        (lambda t, about: ({n: v for n, v in t.items() if "adam" not in n}, about), "is missing"),
        (lambda t, about: (t | {"extra": torch.zeros(1)}, about), "extra"),
        (lambda t, about: (t, json.dumps({n: v for n, v in json.loads(about).items() if n != "origin"})), "origin"),
        (lambda t, about: (t, json.dumps(json.loads(about) | {"origin": 3})), "cannot be continued"),
        (lambda t, about: (t, "[]"), "cannot be continued"),
    ],
    ids=("types", "moments", "more", "nobody's", "nonsense", "a list"),
)
def test_a_save_whose_tensors_changed_is_refused(change, named, recipe, runs):
    """Mutants: numbers of another type, or momenta begun anew, in the middle of a stage; a traceback."""
    folder = stopped(recipe)
    resaved(folder, change)
    with pytest.raises(Corrupt, match=named):
        train_or_load(recipe, Machine(threads=1))


def test_a_save_in_another_type_than_the_model_is_refused(recipe, runs):
    """Mutant: a save that says itself that it is bfloat16 loaded into float32 weights."""

    def narrow(tensors, about):
        said = json.loads(about)
        types = {n: "bfloat16" if n.startswith("model") else each for n, each in said["types"].items()}
        narrowed = {n: v.bfloat16() if n.startswith("model") else v for n, v in tensors.items()}
        return narrowed, json.dumps(said | {"types": types})

    resaved(stopped(recipe), narrow)
    with pytest.raises(Corrupt, match=r"model\.\S+ is torch.bfloat16, and this model's is torch.float32"):
        train_or_load(recipe, Machine(threads=1))


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda lines: lines[:1] + lines[2:], "line 2: step 3 where step 2 of 3"),
        (lambda lines: lines[:2] + lines[1:], "line 3: step 2 where step 3 of 3"),
        (lambda lines: lines[:2], "line 3: nothing where step 3 of 3"),
        (lambda lines: [b'{"loss": 1}', *lines[1:]], "line 1: step None where step 1"),
        (lambda lines: [lines[0].replace(b'"step": 1', b'"step": "1"'), *lines[1:]], "line 1: step '1' where step 1"),
    ],
    ids=("lost", "doubled", "short", "no step", "text"),
)
def test_a_log_that_lost_or_repeats_lines_is_refused(change, named, recipe, runs):
    """Mutants: a curve with a hole sealed; KeyError or TypeError for a log edited by hand."""
    path = stopped(recipe) / "log.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))
    with pytest.raises(Corrupt, match=named):
        train_or_load(recipe, Machine(threads=1))
    assert not recipe.finished


def test_a_log_without_a_save_is_begun_again(recipe, runs):
    """Mutant: whoever killed a run before its first save has to delete something."""
    folder = stopped(recipe)
    (folder / "state.safetensors").unlink()
    (folder / "log.jsonl").write_bytes(b'{"loss": 1}\n{"st')
    train_or_load(recipe, Machine(threads=1))
    assert recipe.finished


def test_a_log_that_changed_while_training_is_not_sealed(recipe, runs):
    """Mutant: only a resume looks at the log."""

    def observe(_, share, line):
        if line["step"] == 4:
            path = recipe.folder / "log.jsonl"
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))

    with pytest.raises(Corrupt, match="line 3: step 5 where step 3 of 6"):
        train_or_load(recipe, Machine(threads=1), observe)
    assert not recipe.finished


# --- two seeds -------------------------------------------------------------------------------------------------------


def test_data_has_a_seed_of_its_own_that_leaves_keys_alone(recipe):
    """Mutants: every key changed by the new field; a data seed that changes initial weights, or changes nothing."""
    assert "data_seed" not in runner.canonical(recipe)
    split = dataclasses.replace(recipe, data_seed=3)
    assert split.key != recipe.key and split.key != dataclasses.replace(recipe, data_seed=4).key
    assert stage_seed(split) == stage_seed(recipe.with_seed(3)) != stage_seed(recipe)
    assert stage_seed(split.with_seed(8)) == stage_seed(split) and split.with_seed(8).data_seed == 3
    assert dataclasses.replace(recipe, data_seed=0).key != recipe.key  # the same numbers, said otherwise
    assert origin(split)["data_seed"] == "3"


def test_the_two_seeds_are_independent(recipe, runs, monkeypatch):
    """Mutants: weights drawn from the data seed; problems drawn from the weights' seed."""
    seen = []
    train = training.train

    def spy(lm, stage, seed, *rest):
        seen.append((lm.state_dict()["embed"].clone(), seed))
        return train(lm, stage, seed, *rest)

    monkeypatch.setattr(runner, "train", spy)
    for seed, data_seed in ((0, 0), (1, 0), (0, 1)):
        train_or_load(dataclasses.replace(recipe, seed=seed, data_seed=data_seed), Machine(threads=1))
    (embed, data), (other, same), (again, changed) = seen
    assert torch.equal(embed, again) and not torch.equal(embed, other)
    assert data == same != changed


@pytest.mark.parametrize("name", ["seed", "data_seed"])
@pytest.mark.parametrize("value", [-1, 2**64, 1.0, True, "1"])
def test_seeds_that_no_generator_takes_are_refused(name, value, recipe):
    """Mutant: a plan that is accepted, and a ValueError of torch when it is run."""
    with pytest.raises(ValueError, match=rf"Recipe\.{name} must be an integer"):
        dataclasses.replace(recipe, **{name: value})
    dataclasses.replace(recipe, **{name: 2**64 - 1}).model.build(2**64 - 1)
