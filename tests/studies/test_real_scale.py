"""Studies run on a real model: the scale that holds one, its study, and the studies that any scale has."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pretrained
import pytest

from interlude.models import fetch
from interlude.models.hf import HF
from interlude.models.recipe import Recipe, references
from interlude.models.train import Machine, train
from interlude.studies.find import StudySpec, scale_named, the_study
from interlude.studies.interplay import edge
from interlude.studies.midtraining import leaderboard, remit
from interlude.studies.price import held_bytes, parameters, price, priceable, priced
from interlude.studies.real import gym, methods
from interlude.studies.real_scale import CHAIN, FLOPS, METHODS, real_scale
from interlude.studies.refusal import Refused
from interlude.studies.scales import SMOKE
from interlude.studies.speed import dry_run
from interlude.studies.stages import quickstart
from interlude.studies.study import execute, measured, plan
from interlude.synth.tasks import judge
from interlude.synth.verify import verify

pytest.importorskip("transformers")
pytest.importorskip("reasoning_gym")


def small(folder: str):
    """The scale with a model that takes milliseconds, and budgets of a few of its steps."""
    return replace(
        real_scale(1), name="smoke-real", model=HF(folder, thoughts=True), method_flops=4e8, arm_flops=4e8,
        anneal_flops=4e8, cold_steps=2, batch_size=4, rl_prompts=2, rl_num_samples=2, problems=4, seeds=(0,),
        step_tokens=200,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return pretrained.save_model(tmp_path_factory.mktemp("hub"))


def test_a_plan_needs_no_download(monkeypatch, tmp_path):
    # Mutants: a key that reads the folder; a model fetched while a study is planned; a place in the key.
    monkeypatch.setenv("INTERLUDE_MODELS", str(tmp_path))
    monkeypatch.setattr(fetch, "smollm2", lambda: pytest.fail("fetched"))
    runs = plan(the_study(StudySpec("real/methods", "smollm2")))
    assert len({run.recipe.key for run in runs}) == len(runs) == 2 * (2 * len(METHODS) + 2)
    assert HF(fetch.FETCHED).content == fetch.SHA256 != HF(fetch.FETCHED, thoughts=True).tokens
    assert Recipe(HF(fetch.FETCHED)).key != Recipe(HF(fetch.FETCHED, thoughts=True)).key


def test_a_real_model_has_a_price(monkeypatch, folder, tmp_path, runs):
    # Mutants: a download for a price; masters or frozen copies left out; words counted as tokens; adapters that cost as
    # much as all weights; a cost per step that is not what the ledger enters.
    monkeypatch.setattr(fetch, "smollm2", lambda: pytest.fail("fetched"))
    monkeypatch.setenv("INTERLUDE_MODELS", str(tmp_path))
    cost = price(edge.study(real_scale()))
    assert cost.parameters == 134_515_008 and cost.total.total_flops > 0
    scale = small(folder)
    lm = HF(folder).build(0)
    assert parameters(HF(folder)) == sum(weight.numel() for weight in lm.parameters())
    assert HF(folder).skeleton().flops(7, 9, 3) == lm.flops(7, 9, 3)
    weights = parameters(HF(folder))
    assert held_bytes(HF(folder), 1) == 4 * 5 * weights
    assert held_bytes(HF(folder, dtype="bfloat16"), 1) == (2 + 2 + 4 + 8 + 2) * weights
    assert held_bytes(HF(folder, dtype="bfloat16", lora=2), 0) < 5 * weights
    stage = replace(scale.midtrain(1e9), steps=1, flops=None, batch_size=96)
    priced_ = priced(scale.stable() + stage).ledger
    state = train(HF(folder, thoughts=True).build(0), stage, 0)
    assert priced_.total_tokens == pytest.approx(state.ledger.total_tokens, rel=0.1)
    assert priced_.total_flops == pytest.approx(state.ledger.total_flops, rel=0.1)
    for step in dry_run(replace(quickstart.study(scale), unequal="one step"), Machine()):
        assert not step.why_not and step.flops > 0 and step.seconds > 0
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    unknown = replace(scale, model=HF("some/model", "0" * 40, thoughts=True))
    assert priceable(quickstart.study(scale)) and not priceable(quickstart.study(unknown))


def test_it_is_fetched_when_it_is_built(monkeypatch, folder):
    # Mutant: the name handed to transformers, which would look for it on a hub.
    monkeypatch.setattr(fetch, "smollm2", lambda: folder)
    assert HF(fetch.FETCHED).build(0).vocab_size == pretrained.PADDED


def test_minutes_scale_budgets_and_leave_exams_alone():
    # Mutants: exams that grow with budgets; one name for all budgets, so that their rows would mix.
    whole, short = scale_named("smollm2"), scale_named("smollm2-9min")
    assert (whole.name, whole.method_flops, short.name) == ("smollm2", FLOPS, "smollm2-9min")
    assert short.method_flops == short.arm_flops == FLOPS / 5
    assert methods.study(whole).exams == methods.study(short).exams
    for name in ("smollm2-0min", "smollm2-", "smollm3", "smollm2-45"):
        with pytest.raises(Refused, match="smollm2, smollm2-Nmin"):
            scale_named(name)
    with pytest.raises(Refused, match="use --scale smollm2"):
        methods.study(SMOKE)


def test_problems_are_prose_in_plain_integers():
    # Mutants: questions padded to a length; numbers modulo 7; exams of the training side of the split.
    scale = real_scale()
    for n in range(20):
        problem = scale.corpus().problem("real", n)
        assert problem.ops in (1, 2) and problem.question.startswith("There are") and problem.graph.modulus is None
        assert verify(problem, problem.solution).strict
        asked = scale.sampled_exam().drawn(n)
        assert asked.held_out and not problem.held_out
        shown = scale.gym_exam().drawn(n)
        assert judge(shown, shown.solution).strict
    assert CHAIN.split == "held_out"


def test_the_reference_is_an_arm():
    # Mutant: a teacher that is trained for a method's sake.
    asked = methods.study(real_scale())
    arms = {arm.name: arm.recipe for arm in asked.arms}
    for name in ("ReMiT", "distillation"):
        (held,) = references(arms[name].stages[-1]).values()
        assert held == arms["NTP + RL"]


@pytest.mark.parametrize("name", ["base", "RL", *METHODS])
def test_every_method_runs_and_is_examined(name, folder, runs):
    # Mutants: a stage that the scale builds for another kind of model; an exam that cannot be taken.
    asked = methods.study(small(folder)).with_arms((name,))
    asked = replace(asked, results=runs / "tables")
    if name == "self-generated":  # which refuses where nothing that the model writes is right, as here
        with pytest.raises(ValueError, match="the pool is empty after filtering"):
            execute(asked, Machine(save_every=1e9), note=lambda text: None)
        return
    execute(asked, Machine(save_every=1e9), note=lambda text: None)
    found = measured(asked)
    assert found.arms == (name,) and found.exams == ("zoo-edge-sampled", "zoo-ops3")


def test_a_task_of_reasoning_gym_is_studied(folder, runs):
    # Mutants: a reference that is no arm; exams of questions that were trained on; a scale of no real model.
    asked = replace(gym.study(small(folder)), results=runs / "tables")
    arms = {arm.name: arm.recipe for arm in asked.arms}
    assert references(arms["ReMiT"].stages[-1]) == {"reference": arms["NTP + RL"]}
    assert all(stage.data.split == "train" for recipe in arms.values() for stage in recipe.stages)
    execute(asked, Machine(save_every=1e9), note=lambda text: None)
    found = measured(asked)
    assert found.arms == tuple(arms) and {row["world"] for row in found.rows} == {"chain_sum"}
    with pytest.raises(Refused, match="use --scale smollm2"):
        gym.study(SMOKE)


def test_the_study_of_the_readme_runs(folder, runs, tmp_path, monkeypatch):
    # Mutants: an import that moved; a field that is called otherwise; columns that GSM8K has not.
    pytest.importorskip("math_verify")
    readme = (Path(methods.__file__).parents[2] / "models" / "README.md").read_text()
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", readme, re.S) if "Qwen" in each)
    rows = [{"question": f"What is {n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(64)]
    (tmp_path / "gsm8k.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for old, new in (
        ('"Qwen/Qwen2.5-0.5B", revision="0" * 40', repr(folder)), ("steps=100", "steps=1"), ("320", "32"),
        ('"batch_size": 32', '"batch_size": 2'), ("batch_size=64", "batch_size=2"), ("200, samples=4", "2, samples=1"),
    ):  # fmt: skip
        assert old in code
        code = code.replace(old, new)
    (tmp_path / "gsm8k.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    asked = the_study(StudySpec("./gsm8k.py", "smoke", seeds=(0,)))
    execute(asked, Machine(save_every=1e9), note=lambda text: None)
    assert measured(asked).arms == ("base", "NTP", "RL", "NTP + RL")
    assert (tmp_path / "results" / "smoke" / "gsm8k.csv").exists()


def test_other_studies_run_on_it(folder, runs):
    # Mutants: a study that asks a real scale for what it has not; exact exams of a tokenizer of its own.
    scale = small(folder)
    for module in (edge, leaderboard, quickstart):
        asked = module.study(scale)
        assert {exam.kind for exam in asked.exams} <= {"sampled", "diversity"} and plan(asked)
    with pytest.raises(ValueError, match=r"adds tokens to the vocabulary \(Worded\), .* has its own tokenizer"):
        remit.study(scale)
    asked = replace(quickstart.study(scale), results=runs / "tables", unequal="steps of a tiny model")
    execute(asked, Machine(save_every=1e9), note=lambda text: None)
    assert measured(asked).arms == ("pre-training", "RL", "mid-training", "mid-training + RL")


@pytest.mark.parametrize("module, arms", ((edge, None), (leaderboard, 3)), ids=("edge", "board"))
def test_other_studies_are_executed_on_it(module, arms, folder, runs):
    # Mutants: a stage or an exam that only a model from scratch can have, in a study that is planned without a word.
    asked = module.study(small(folder))
    chosen = tuple(arm.name for arm in asked.arms[:arms])
    asked = replace(asked.with_arms(chosen), results=runs / "tables", unequal="steps of a tiny model")
    execute(asked, Machine(save_every=1e9), note=lambda text: None)
    assert measured(asked).arms == chosen


def test_tables_of_a_real_model_are_listed(monkeypatch, tmp_path, capsys):
    # Mutants: a list of the scales that have a fixed name alone; a scale without a table among them.
    from interlude.studies import places
    from interlude.studies.__main__ import main

    monkeypatch.setattr(places, "FOLDER", tmp_path)
    monkeypatch.setattr(places.path, "__defaults__", (tmp_path,))
    (tmp_path / "smollm2-7min").mkdir()
    (tmp_path / "smollm2-7min" / "real.methods.csv").write_text("arm,seed,exam\nbase,0,x\nNTP,0,x\n# rows=2 sha256=0\n")
    assert main(["list", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["study"] == "real/methods"]
    assert row["scales"]["smollm2-7min"] == {"in_table": 2} and row["scales"]["nano"] == {"in_table": 0}
    assert main(["list", "--scale", "smollm2-8min"]) == 0 and main(["list", "--scale", "smollm2-8"]) == 2
