"""Questions of other origin go through the stages like the generator's, and a stage that needs more says so at once."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pretrained
import pytest
import torch
from pretrained import EASY

from interlude.models.hf import HF
from interlude.models.key import key
from interlude.models.lm import Samples
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward, rollouts
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.selfgen import SelfGen
from interlude.models.stages.sft import SFT
from interlude.models.stages.thinking import Thinking
from interlude.models.train import Machine, frozen, train
from interlude.studies.exams.divergence import DivergenceExam
from interlude.studies.exams.diversity import DiversityExam
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.forced import ForcedExam
from interlude.studies.exams.modes import ModesExam
from interlude.studies.exams.probe import ProbeExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.study import Arm, Study, execute, measured
from interlude.synth.render import END
from interlude.synth.tasks import (
    EVERYTHING,
    SOLUTIONS,
    GymTask,
    Question,
    TextTask,
    capabilities,
    extract_answer,
    is_held_out,
    judge,
)
from interlude.synth.verify import verify

OPTIM = Optim(kind="adamw", other_lr=1e-3, warmup=0)
COMMON = {"steps": 2, "batch_size": 4, "optim": OPTIM}
ROLLS = COMMON | {"num_samples": 4, "max_new_tokens": 32}
HARD = (0.0, 0.0, 1.0)  # tiers that RPT thinks before
ROWS = [{"q": f"What is {n} + {n + 1}?", "a": f"{n} + {n + 1} = {2 * n + 1}\n#### {2 * n + 1}"} for n in range(64)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def text(file, **more) -> TextTask:
    pytest.importorskip("math_verify")
    return TextTask(str(file), question="q", answer="a", answer_after="####", **more)


@pytest.fixture
def task(request, file):
    if request.param == "gym":
        pytest.importorskip("reasoning_gym")
        return GymTask("chain_sum", (("min_digits", 1), ("max_digits", 1)), size=100)
    return text(file, solution="a")


both = pytest.mark.parametrize("task", ("text", "gym"), indirect=True)


@both
def test_problems_are_a_function_of_their_path(task):
    # Mutants: a generator with a state; the path not looked at.
    drawn = [task.problem("p", n) for n in range(30)]
    assert [task.problem("p", n) for n in range(30)] == drawn
    assert len({problem.question for problem in drawn}) > 10
    assert capabilities(task) == {SOLUTIONS} and capabilities(EASY) == EVERYTHING


@both
def test_solutions_are_right_and_other_texts_are_not(task):
    # Mutants: an answer taken from the question; an answer that counts after the end; an end that need not be.
    for n in range(20):
        problem = task.problem("p", n)
        assert problem.solution.endswith(f" {END}")
        assert judge(problem, problem.solution).strict
        cut_off = judge(problem, problem.solution.removesuffix(END))
        assert cut_off.answer and cut_off.process == 1 and not cut_off.strict and not cut_off.parsed
        assert not judge(problem, f"{problem.solution} more").strict
        wrong = judge(problem, f"\\boxed{{-7}} <answer>-7</answer> {END}")
        assert wrong.parsed and not wrong.answer and not wrong.strict and wrong.process == 0
        silent = judge(problem, f"I do not know. {END}")
        assert not silent.parsed and not silent.answer and silent.faults
    problem = EASY.problem("p", 0)
    assert judge(problem, problem.solution) == verify(problem, problem.solution)


def test_answers_are_compared_as_mathematics(file):
    # Mutant: comparing strings.
    file.write_text(json.dumps({"q": "A half of one?", "a": "#### \\frac{1}{2}"}))
    problem = text(file, split="any").problem("p")
    assert [judge(problem, f"{said} {END}").strict for said in ("\\boxed{0.5}", "It is $\\frac{2}{4}$.", "0.6")] == [
        True, True, False,
    ]  # fmt: skip
    assert problem.solution == f"The answer is \\boxed{{\\frac{{1}}{{2}}}}. {END}"


def test_columns_become_question_and_solution(file):
    # Mutants: the mark and what follows it left in the solution; the instruction in the split or left out.
    task = text(file, solution="a", instruction="Think.", split="any")
    for n in range(20):
        problem = task.problem("p", n)
        (row,) = [row for row in ROWS if problem.question == f"{row['q']}\nThink."]
        worked, answer = row["a"].split("\n#### ")
        assert problem.solution == f"{worked}\nThe answer is \\boxed{{{answer}}}. {END}"


@both
def test_the_split_is_by_the_question(task):
    # Mutants: sides that overlap; "any" as one of them.
    sides = {
        split: {dataclasses.replace(task, split=split).problem("p", n).question for n in range(400)}
        for split in ("train", "held_out", "any")
    }
    assert sides["train"] and sides["held_out"] and not sides["train"] & sides["held_out"]
    assert sides["any"] & sides["train"] and sides["any"] & sides["held_out"]
    assert is_held_out(ROWS[0]["q"]) == is_held_out(ROWS[0]["q"])


def test_what_cannot_be_used_is_refused_by_name(file, tmp_path):
    # Mutant: each check removed in turn.
    for wrong, message in (
        ({"path": str(tmp_path / "none.jsonl")}, "is no file"),
        ({"question": "text"}, "row 0 of .* has no text in column 'text'"),
        ({"solution": "text"}, "row 0 of .* has no text in column 'text'"),
        ({"answer_after": "@@"}, "row 0 of .* has no '@@' in column 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(text(file), **wrong).problem("p")
    for wrong, message in (({"path": "x.csv"}, "must end in .jsonl"), ({"split": "test"}, "TextTask.split must be")):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(text(file), **wrong)
    file.write_text(json.dumps({"q": "Who?", "a": "#### nobody knows"}))
    with pytest.raises(ValueError, match="math-verify cannot read: 'nobody knows'"):
        text(file, split="any").problem("p")
    file.write_text(json.dumps(ROWS[0]))
    sides = {True: "train", False: "held_out"}
    with pytest.raises(ValueError, match="has no question on the side"):
        text(file, split=sides[is_held_out(ROWS[0]["q"])]).problem("p")
    pytest.importorskip("reasoning_gym")
    with pytest.raises(ValueError, match="GymTask.name 'no_such_set'"):
        GymTask("no_such_set").problem("p")
    with pytest.raises(ValueError, match="GymTask.config .*'min_terms', -3"):
        GymTask("chain_sum", (("min_terms", -3),)).problem("p")
    with pytest.raises(ValueError, match="GymTask.size"):
        GymTask("chain_sum", size=0)
    with pytest.raises(TypeError, match="a str is no task"):
        SFT(**COMMON, data="rows.jsonl")


def test_a_task_is_what_its_file_holds(file, tmp_path):
    # Mutants: the path in the key, or the content not in it.
    first = key(text(file))
    assert key(text(shutil.copy(file, tmp_path / "again.jsonl"))) == first
    assert key(text(file, instruction="Think.")) != first
    with file.open("a") as end:
        end.write(json.dumps({"q": "What is 1?", "a": "#### 1"}) + "\n")
    assert key(text(file)) != first


def test_parquet_holds_the_same(file, tmp_path):
    # Mutant: another order of rows.
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert [text(tmp_path / "rows.parquet").problem("p", n) for n in range(9)] == [
        text(file).problem("p", n) for n in range(9)
    ]


def test_data_sets_of_datasets_hold_the_same(file, tmp_path):
    # Mutants: another of a data set's own splits; a folder's place in the key, or its content not in it.
    datasets = pytest.importorskip("datasets")
    known = [text(file).problem("p", n) for n in range(9)]
    whole = datasets.Dataset.from_list(ROWS)
    whole.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"test": whole.select(range(8)), "train": whole}).save_to_disk(tmp_path / "both")
    (tmp_path / "files").mkdir()
    shutil.copy(file, tmp_path / "files" / "train.jsonl")
    (tmp_path / "files" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:8]))
    for name in ("saved", "both", "files"):
        task = text(tmp_path / name)
        assert [task.problem("p", n) for n in range(9)] == known and task.title == name
        shutil.copytree(tmp_path / name, tmp_path / f"again-{name}")
        assert key(text(tmp_path / f"again-{name}")) == key(task)
        if name != "saved":
            few = text(tmp_path / name, part="test", split="any")
            drawn = {few.problem("p", n).question for n in range(200)}
            assert drawn == {row["q"] for row in ROWS[:8]} and key(few) != key(text(tmp_path / name, split="any"))
            with pytest.raises(ValueError, match=r"TextTask.*'dev'|TextTask.path .*datasets gives no rows"):
                text(tmp_path / name, part="dev").problem("p")
    before = key(text(tmp_path / "files"))
    with (tmp_path / "files" / "train.jsonl").open("a") as end:
        end.write(json.dumps({"q": "What is 1?", "a": "#### 1"}) + "\n")
    assert key(text(tmp_path / "files")) != before


def test_a_data_set_on_the_hub_needs_a_commit_and_a_network(file, monkeypatch):
    # Mutants: a branch's rows under one key; an error from deep inside; a task that is refused before it is used.
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    first, second = (text("openai/gsm8k", config="main", revision=digit * 40) for digit in "01")
    assert key(first) != key(second) != key(dataclasses.replace(second, config="socratic")) and first.content is None
    with pytest.raises(ValueError, match=r"TextTask.path 'openai/gsm8k': datasets gives no rows: .*openai/gsm8k"):
        first.problem("p")
    for revision in ("", "main"):
        with pytest.raises(ValueError, match=r"'openai/gsm8k' is no file or folder here.* needs a commit as TextTask"):
            _ = key(text("openai/gsm8k", revision=revision))
    asked = {}

    def load(name, config, split, revision):
        asked.update(name=name, config=config, split=split, revision=revision)
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    held = dataclasses.replace(first, part="test")
    assert held.problem("p", 0) == text(file).problem("p", 0)
    assert asked == {"name": "openai/gsm8k", "config": "main", "split": "test", "revision": "0" * 40}
    with pytest.raises(ValueError, match="TextTask.part is for a data set"):
        text(file, part="test")
    with pytest.raises(ValueError, match="TextTask.path must name a file"):
        TextTask("")


def test_the_last_pair_of_tags_holds_the_answer():
    # Mutants: the first pair; a tag without its partner.
    assert extract_answer("<answer>1</answer> no <answer> 2 </answer>.") == "2"
    assert extract_answer("<answer>1") is extract_answer("1</answer>") is extract_answer("") is None


# Stages


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    pytest.importorskip("transformers")
    return pretrained.save_model(tmp_path_factory.mktemp("hub"))


def stages(task) -> dict:
    return {
        "pretrain": Pretrain(**COMMON, data=task, targets="all"),
        "sft": SFT(**COMMON, data=task),
        "midtrain": Midtrain(**COMMON, data=task, replay=EASY, replay_share=0.5),
        "remit": ReMiT(**COMMON, data=task, replay=task, reference=Recipe(HF("the fixture"))),
        "rl": RL(**ROLLS, data=task),
        "rft": RFT(**ROLLS, data=task),
        "rlp": RLP(**ROLLS, data=task),
        "rmt": RMT(**ROLLS, data=task, budget=5),
        "rpt": RMT(**ROLLS, data=task, budget=None, early=HARD, late=HARD, ntp=0.0),
    }


@both
@pytest.mark.parametrize("name", ("pretrain", "sft", "midtrain", "remit", "rl", "rft", "rlp", "rmt", "rpt"))
def test_stages_run_on_tasks(name, task, folder):
    # Mutants: a stage that asks a task for roles, moves or source fields that only the generator has.
    learner = HF(folder, thoughts=True).build(0)
    start = frozen(learner)
    train(learner, stages(task)[name], 3, references={"reference": start})
    moved = [not torch.equal(a, b) for a, b in zip(learner.parameters(), start.parameters(), strict=True)]
    assert all(moved) or (name in ("rl", "rft", "rpt") and not any(moved))  # nothing it writes is right


@both
def test_rollouts_are_paid_by_the_tasks_own_judge(task, folder):
    # Mutants: the verifier of the generator; another row's problem.
    lm = HF(folder).build(0)
    said = {}

    def answering(prompts, streams, params):
        ids = [lm.encode(said[lm.tokenizer.decode(prompt)][n % 2]) for n, prompt in enumerate(prompts)]
        return Samples(ids, [[0.0] * len(each) for each in ids], [True] * len(ids))

    stage = RL(**ROLLS, data=task)
    for row in range(3):
        problem = task.problem("rl", 5, 0, row, 0)
        said[f"{problem.question}\n"] = (problem.solution, f"\\boxed{{-7}} <answer>-7</answer> {END}")
    lm.sample = answering
    for group in rollouts(stage, lm, 5, 0, [0, 1, 2], 0):
        assert np.array_equal(group.rewards, [1.0, 0.0, 1.0, 0.0])
    answered = rollouts(dataclasses.replace(stage, reward=Reward("answer")), lm, 5, 0, [0], 0)
    assert answered[0].rewards.tolist() == [1.0, 0.0, 1.0, 0.0]


@both
@pytest.mark.parametrize(
    "make, lacking",
    [
        (lambda task: RL(**ROLLS, data=task, reward=Reward("process")), "RL.data must be a task with steps"),
        (lambda task: RL(**ROLLS, data=task, reward=Reward("released")), "RL.data must be a task with steps"),
        (lambda task: RL(**ROLLS, data=task, reward=Reward("any_order")), "RL.data must be a task with steps"),
        (lambda task: Pretrain(**COMMON, data=task, without=("answer",)), "Pretrain.data must be a task with roles"),
        (lambda task: ColdStart(**COMMON, data=task), "ColdStart.data must be a task with segments"),
        (lambda task: Annotate(**COMMON, data=task, annotator="oracle"), "Annotate.data must be a task with segments"),
        (
            lambda task: Annotate(**COMMON, data=EASY, replay=task, replay_share=0.5, annotator="oracle"),
            "Annotate.replay must be a task with segments",
        ),
        (lambda task: Thinking(**ROLLS, data=task, annotator="any"), "Thinking.data must be a task with segments"),
        (lambda task: SelfGen(**COMMON, data=task, examples=EASY, n=1), "SelfGen.data must be a task with approaches"),
    ],
)
def test_what_a_task_lacks_is_said_at_once(task, make, lacking):
    # Mutant: an AttributeError at the first collection.
    with pytest.raises(ValueError, match=f"{lacking}, which a {type(task).__name__} has not"):
        make(task)


# Exams


@both
def test_a_sampled_exam_is_judged_by_the_task(task, folder, monkeypatch):
    # Mutants: the generator's verifier; responses credited to the neighbouring problem; a floor of another answer.
    lm = HF(folder).build(0)
    exam = SampledExam("s", task, problems=4, samples=3, max_new_tokens=32)
    drawn = exam.draw_problems()
    assert drawn == [task.problem("exam", 0, 0, row) for row in range(4)] and exam.structures == len(set(drawn))
    right = {1: 3, 2: 1}  # how many responses to each problem are right

    def answering(prompts, streams, params):
        said = [
            drawn[n // 3].solution if n % 3 < right.get(n // 3, 0) else f"<answer>-7</answer> {END}" for n in range(12)
        ]
        assert [lm.tokenizer.decode(prompt) for prompt in prompts] == [f"{drawn[n // 3].question}\n" for n in range(12)]
        ids = [lm.encode(text) for text in said]
        return Samples(ids, [[0.0] * len(each) for each in ids], [True] * 12)

    monkeypatch.setattr(lm, "sample", answering)
    found = exam.evaluate(lm)
    assert found.strict.tolist() == found.answer.tolist() == [0, 3, 1, 0] and found.faults == {"answer": 8}
    answers = [problem.answer for problem in drawn]
    assert exam.guess_floor == max(map(answers.count, answers)) / 4 and exam.strict_floor == 0


@both
def test_a_study_of_a_task_has_a_table(task, folder, runs, monkeypatch):
    # Mutants: columns that only the generator can fill; a row whose exam is another's.
    exam = SampledExam("s", task, problems=2, samples=2, max_new_tokens=32)
    base = Recipe(HF(folder))
    asked = Study(
        name="t", scale="s", question="q", prediction="p", rule="r", seeds=(0,), base=base, exams=(exam,),
        arms=(Arm("raw", base, equal=False), Arm("SFT", base + SFT(**COMMON, data=task), equal=False)),
        results=runs / "tables", unequal="one step",
    )  # fmt: skip
    execute(asked, Machine(save_every=1e9), note=lambda text: None)
    found = measured(asked)
    assert found.arms == ("raw", "SFT") and {row["world"] for row in found.rows} == {task.title}
    assert {(row["mode"], row["ops"], row["samples"]) for row in found.rows} == {("", "", 2)}
    other = dataclasses.replace(asked, exams=(dataclasses.replace(exam, problems=3),))
    with pytest.raises(ValueError, match="as it was before"):
        measured(other)


@both
def test_exams_that_need_more_are_refused(task):
    # Mutant: an AttributeError once a model is trained.
    held = Recipe(HF("the fixture"))
    for make, needed in (
        (lambda: ExactExam("e", task), "is exact and needs a task with roles"),
        (lambda: ForcedExam("e", task), "is forced and needs a task with roles"),
        (lambda: DiversityExam("e", task), "is diversity and needs a task with approaches"),
        (lambda: ModesExam("e", task), "is modes and needs a task with approaches"),
        (lambda: ProbeExam("e", task), "is probe and needs a task with segments"),
    ):
        with pytest.raises(ValueError, match=f"exam 'e' {needed}, which a {type(task).__name__} has not"):
            make()
    DivergenceExam("e", task, reference=held)
    with pytest.raises(TypeError, match="a str is no task"):
        SampledExam("e", "rows.jsonl")


@dataclass(frozen=True)
class Judged:
    """A task that can judge a response and knows no right one."""

    capabilities: ClassVar[frozenset[str]] = frozenset()
    title: ClassVar[str] = "judged"

    def problem(self, *path):
        return Question("Say yes.", "", lambda text: text.strip() == "yes")


def test_imitation_needs_solutions_and_rl_does_not(folder):
    # Mutants: RL that asks for solutions; imitation of the empty text.
    task, held = Judged(), Recipe(HF("the fixture"))
    for make in (
        lambda: Pretrain(**COMMON, data=task), lambda: SFT(**COMMON, data=task),
        lambda: Midtrain(**COMMON, data=EASY, replay=task),
        lambda: Distil(**COMMON, data=task, replay=EASY, reference=held),
        lambda: ReMiT(**COMMON, data=task, replay=EASY, reference=held), lambda: ReLIFT(**ROLLS, data=task),
        lambda: RLP(**ROLLS, data=task), lambda: RMT(**ROLLS, data=task, budget=5),
        lambda: DivergenceExam("e", task, reference=held),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="solutions, which a Judged has not"):
            make()
    for stage in (RL(**ROLLS, data=task), RFT(**ROLLS, data=task)):
        train(HF(folder).build(0), stage, 3)
    SampledExam("s", task, problems=1, samples=1, max_new_tokens=4).evaluate(HF(folder).build(0))
