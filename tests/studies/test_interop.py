"""What we hand on is read by the libraries it is for, and their scores are ours."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pretrained
import pytest
import torch
from pretrained import EASY

from interlude.models.hf import HF
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim
from interlude.models.stages.sft import SFT
from interlude.models.train import train
from interlude.studies.__main__ import FORMS, main, parser
from interlude.studies.cli import export as export_command
from interlude.synth.export import compute_score, unpack
from interlude.synth.lm_eval import lm_eval, process_results
from interlude.synth.render import END
from interlude.synth.rng import uniforms
from interlude.synth.source import Source
from interlude.synth.tasks import GymTask, judge
from interlude.synth.verify import verify

transformers = pytest.importorskip("transformers")
ASKED = ["--ops", "1", "--dialect", "prose", "--modulus", "none", "--problems", "6"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> str:
    return taught(tmp_path_factory.mktemp("hub"), chat=False)


@pytest.fixture(scope="module")
def chatting(tmp_path_factory) -> str:
    return taught(tmp_path_factory.mktemp("chat"), chat=True)


def taught(folder, chat: bool) -> str:
    """A model as one finds them on a hub that answers most of the easiest problems, as texts or in its template."""
    lm = HF(pretrained.save_model(folder), chat=chat).build(0)
    train(lm, SFT(steps=200, batch_size=32, optim=Optim(schedule="linear", floor=0.0), data=EASY), seed=0)
    lm.network.save_pretrained(folder)
    return str(folder)


def rows_of(path) -> list[dict]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


# The command


def test_a_trained_arm_is_exported_as_transformers_reads_it(tmp_path, runs, capsys):
    # Mutants: untrained weights; another seed's or arm's; a folder without its tokenizer.
    words = ["--study", "stages/quickstart", "--scale", "smoke", "--arm", "pre-training"]
    assert main(["export", "hf", str(tmp_path / "m"), *words]) == 2
    assert "is not trained here with seed 0; run: interlude run stages/quickstart" in capsys.readouterr().err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interlude.studies.results.FOLDER", tmp_path / "results")
        assert main(["run", "stages/quickstart", "--scale", "smoke", "--arms", "pre-training", "--workers", "1"]) == 0
    assert main(["export", "hf", str(tmp_path / "m"), *words]) == 0
    from interlude.studies.find import StudySpec, the_study
    from interlude.studies.run import load

    study = the_study(StudySpec("stages/quickstart", "smoke"))
    ours = load(study.arms[0].recipe.with_seed(0))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    problem = study.exams[0].drawn(0)
    ids = ours.encode(problem.question)
    assert tokenizer.encode(problem.question, add_special_tokens=False) == ids
    with torch.no_grad():
        assert torch.allclose(theirs(torch.tensor([ids])).logits, ours(torch.tensor([ids])), atol=1e-4)
    assert main(["export", "lm-eval", str(tmp_path / "t"), "--problems", "2"]) == 0
    for wrong, message in (
        ([*words[:-1], "nobody"], "has no arm 'nobody'"),
        ([], "to export a model, give --study, --arm"),
    ):
        assert main(["export", "hf", str(tmp_path / "x"), *wrong]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("hf", "m", "--study", "stages/quickstart", "--scale", "smoke"),
            "give --arm, one of stages/quickstart: pre-",
        ),
        (("hf", "m", "--study", "stages/quickstart", "--problems", "5"), "--problems is only for trl, verl, lm-eval"),
        (("trl", "t.jsonl", "--seed", "3"), "--seed is only for hf"),
        (("verl", "v.parquet", "--max-new-tokens", "9"), "--max-new-tokens is only for lm-eval"),
        (("lm-eval", "t", "--conversational"), "--conversational is only for trl"),
        (("reasoning-gym", "data.json"), "data.json must end in .py"),
    ],
)
def test_what_an_export_cannot_use_is_refused(words, said, tmp_path, monkeypatch, capsys):
    """Kills: an option ignored without a word; a module under a name that Python cannot import; an arm named None."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err and not any(tmp_path.iterdir())


def test_no_default_of_export_is_refused():
    """Kills: a default changed in the parser and not where options of other forms are found."""
    for form in FORMS:
        args = parser().parse_args(["export", form, "x"])
        assert all(getattr(args, name) == default for name, (_, default) in export_command.ONLY.items())


def test_a_real_model_is_exported_with_its_tokenizer(learned, tmp_path, runs):
    # Mutants: weights as they were before training; a tokenizer without the tags it was given; adapters alone.
    from interlude.models.recipe import Recipe
    from interlude.studies.cli import export
    from interlude.studies.run import train_or_load

    recipe = Recipe(HF(learned, thoughts=True)) + SFT(steps=1, batch_size=2, optim=Optim(kind="adamw"), data=EASY)
    lm = train_or_load(recipe)
    export.save(lm, tmp_path / "m")
    again = HF(str(tmp_path / "m"), thoughts=True).build(0)
    ids = lm.encode_prompt(EASY.problem("x").question)
    with torch.no_grad():
        assert torch.equal(again(torch.tensor([ids])), lm(torch.tensor([ids])))
    assert again.encode("<think>") == lm.encode("<think>") and len(again.encode("<think>")) == 1


def test_rows_are_those_of_the_source(tmp_path, capsys):
    # Mutants: options that are not looked at; the other side of the split; messages where texts were asked for.
    for form, name in (("trl", "a.parquet"), ("trl", "a.jsonl"), ("verl", "v.parquet")):
        assert main(["export", form, str(tmp_path / name), *ASKED, "--split", "held_out"]) == 0
    source = Source(ops=(1, 1), dialect="prose", modulus=None, split="held_out")
    problems = [source.problem("export", n) for n in range(6)]
    rows = rows_of(tmp_path / "a.parquet")
    assert [unpack(row["problem"]) for row in rows] == problems and rows[0]["prompt"] == f"{problems[0].question}\n"
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == rows
    row = rows_of(tmp_path / "v.parquet")[0]
    assert row["extra_info"]["split"] == "held_out"
    said = capsys.readouterr().out
    assert "custom_reward_function.name=compute_score" in said and "synth/export.py" in said
    assert main(["export", "trl", str(tmp_path / "c.jsonl"), *ASKED, "--conversational"]) == 0
    assert json.loads((tmp_path / "c.jsonl").read_text().splitlines()[0])["completion"][0]["role"] == "assistant"
    assert main(["export", "trl", str(tmp_path / "c.csv"), *ASKED]) == 2


def test_verls_reward_is_found_by_its_path(tmp_path):
    # Mutant: a module that can be imported by its name alone, or an argument of verl's that it does not take.
    import importlib.util

    from interlude.synth import export

    spec = importlib.util.spec_from_file_location("custom_module", export.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert main(["export", "verl", str(tmp_path / "v.parquet"), *ASKED]) == 0
    for row in rows_of(tmp_path / "v.parquet"):
        truth, extra = row["reward_model"]["ground_truth"], row["extra_info"] | {"num_turns": None}
        text = unpack(truth).solution.removesuffix(END).rstrip()
        asked = {"data_source": row["data_source"], "ground_truth": truth, "extra_info": extra, "reward_router": None}
        assert module.compute_score(solution_str=text, **asked)["score"] == 1
        assert module.compute_score(solution_str=f"{text} so", **asked)["score"] == 0
    assert module.compute_score is not compute_score


# reasoning-gym


def test_our_generator_is_a_data_set_of_reasoning_gym(tmp_path):
    # Mutants: one problem for all; a seed that changes nothing; a wrong number that is paid; working that is not read.
    gym = pytest.importorskip("reasoning_gym")
    module = tmp_path / "data.py"
    assert main(["export", "reasoning-gym", str(module), *ASKED]) == 0
    code = "import data; print(len(data.data), data.data.score_answer(data.data[3]['answer'], data.data[3]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "1.0"]
    import interlude.synth.gym  # noqa: F401

    data = gym.create_dataset("interlude", ops=(1, 2), size=20, seed=3)
    assert len({entry["question"] for entry in data}) == 20 and data[7] == data[7]
    assert gym.create_dataset("interlude", ops=(1, 2), size=20, seed=4)[7] != data[7]
    for entry in data:
        problem = unpack(entry["metadata"]["problem"])
        assert (entry["question"], entry["answer"]) == (problem.question, str(problem.answer))
        said = [entry["answer"], f" {entry['answer']}\n", problem.solution, str(problem.answer + 1), "", None, "four"]
        assert [data.score_answer(text, entry) for text in said] == [1, 1, 1, 0, 0, 0, 0]
    strict = gym.create_dataset("interlude", ops=(2, 2), size=3, level="strict")
    for entry in strict:
        answer = str(unpack(entry["metadata"]["problem"]).answer)
        assert strict.score_answer(entry["answer"], entry) == 1 and strict.score_answer(answer, entry) == 0
    for wrong in ({"level": "best"}, {"ops": (0, 1)}, {"world": "nowhere"}):
        with pytest.raises(ValueError):
            gym.create_dataset("interlude", **wrong)
    task = GymTask("interlude", (("modulus", 7),), size=50)
    problem = task.problem("p", 0)
    assert judge(problem, problem.solution).strict


# lm-eval


def test_the_task_is_written_whole(tmp_path):
    # Mutants: braces of the template lost; names that no file can have; scores of another response.
    assert lm_eval(EASY, 3, tmp_path / "t", max_new_tokens=40) == 3
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "interlude.yaml", "interlude.jsonl", "interlude_results.py",
    }  # fmt: skip
    text = (tmp_path / "t" / "interlude.yaml").read_text()
    assert 'doc_to_text: "{{prompt}}"' in text and "max_gen_toks: 40" in text
    doc = json.loads((tmp_path / "t" / "interlude.jsonl").read_text().splitlines()[0])
    right = doc["completion"]
    assert process_results(doc, [right]) == {"strict": 1.0, "process": 1.0, "answer": 1.0}
    assert process_results(doc, [right.replace("answer", "answers")])["strict"] == 0
    with pytest.raises(ValueError, match="small letters"):
        lm_eval(EASY, 3, tmp_path / "t", name="A b")
    with pytest.raises(ValueError, match="max_new_tokens"):
        lm_eval(EASY, 3, tmp_path / "t", max_new_tokens=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lm_evals_strict_score_is_ours(learned, tmp_path, monkeypatch):
    # Mutants: another prompt than the model was asked with; a response cut at a word that lm-eval stops at by default.
    evaluator = pytest.importorskip("lm_eval")
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    lm_eval(EASY, 24, tmp_path / "t", max_new_tokens=64)
    rows = [json.loads(line) for line in (tmp_path / "t" / "interlude.jsonl").read_text().splitlines()]
    problems = [unpack(row["problem"]) for row in rows]
    lm = HF(learned).build(0)
    model = HFLM(pretrained=lm.network, tokenizer=lm.tokenizer, batch_size=8, device="cpu")
    manager = TaskManager(include_path=str(tmp_path / "t"))
    found = evaluator.simple_evaluate(model=model, tasks=["interlude"], task_manager=manager, bootstrap_iters=0)
    scores = found["results"]["interlude"]
    streams = np.stack([uniforms("s", n, n=64) for n in range(24)])
    prompts = [lm.encode_prompt(p.question) for p in problems]
    ours = lm.sample(prompts, streams, SamplingParams(max_new_tokens=64, temperature=0.0))
    verdicts = [verify(p, lm.decode(ids)) for p, ids in zip(problems, ours.ids, strict=True)]
    for level in ("strict", "answer", "process"):
        assert scores[f"{level},none"] == pytest.approx(np.mean([getattr(v, level) for v in verdicts]))
    assert 0 < scores["strict,none"] < 1


# verl


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_verls_loader_and_reward_manager(learned, tmp_path):
    # Mutants: columns that verl does not find; a ground truth that parquet changes; a reward that earns nothing.
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
    from verl.utils.import_utils import load_extern_object
    from verl.workers.reward_manager.naive import NaiveRewardManager

    from interlude.synth import export

    words = ["--ops", "1", "--modulus", "3", "--problems", "6"]
    assert main(["export", "verl", str(tmp_path / "v.parquet"), *words]) == 0
    tokenizer = HF(learned).tokenizer()
    config = OmegaConf.create({"cache_dir": str(tmp_path / "cache"), "max_prompt_length": 256})
    data = RLHFDataset(str(tmp_path / "v.parquet"), tokenizer, config)
    batch = collate_fn([data[n] for n in range(len(data))])
    assert len(data) == 6
    problems = [unpack(each["ground_truth"]) for each in batch["reward_model"]]
    said = [p.solution.removesuffix(END).rstrip() for p in problems]
    said[1] = said[1] + " and"
    responses = [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in said]
    longest = max(map(len, responses))
    ids_BT = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in responses])
    mask_BT = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in responses])
    prompts_BT = torch.full((6, 4), tokenizer.eos_token_id)
    tensors = {"prompts": prompts_BT, "responses": ids_BT}
    tensors["attention_mask"] = torch.cat([torch.ones_like(prompts_BT), mask_BT], 1)
    others = {name: batch[name] for name in ("data_source", "reward_model", "extra_info")}
    score = load_extern_object(module_path=export.__file__, object_name="compute_score")
    manager = NaiveRewardManager(tokenizer, 0, score)
    rewards_BT = manager(DataProto.from_dict(tensors=tensors, non_tensors=others))
    assert rewards_BT.sum(1).tolist() == [1, 0, 1, 1, 1, 1]


# Examples


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("conversational", (False, True))
def test_examples_of_trl_run(conversational, tmp_path, request):
    # Mutants: a reward of zero where solutions are right; a tokenizer that drops our words; nothing saved.
    pytest.importorskip("trl")
    from interlude.models.examples import trl_grpo, trl_sft

    words = ["--rows", "16", "--cpu"]
    words += ["--conversational"] if conversational else []
    model = request.getfixturevalue("chatting" if conversational else "learned")
    trainer = trl_sft.main([model, str(tmp_path / "sft"), *words], EASY)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert len(losses) == 2 and losses[0] < 0.5  # as it has learned from rows of ours
    trainer = trl_grpo.main([str(tmp_path / "sft"), str(tmp_path / "rl"), *words], EASY)
    rewards = [row["reward"] for row in trainer.state.log_history if "reward" in row]
    assert len(rewards) == 2 and max(rewards) > 0
    assert HF(str(tmp_path / "rl")).build(0).encode("bears")
