"""Batches that other processes make ahead are the same to the bit, and nothing of those processes is left."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import pkgutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import interlude.models.stages
from interlude.models import ahead
from interlude.models.ahead import Ahead
from interlude.models.files import read_jsonl
from interlude.models.meter import uncounted
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stage import Batch, Stage, StageModels, collects_alone, logprobs
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rl import RL
from interlude.models.stages.sft import SFT
from interlude.models.stages.switch import Switch
from interlude.models.train import Machine, train
from interlude.synth.source import Source

# On one core torch warns of processes that would wait for each other, which is what these tests ask for.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
EASY = Source(ops=(1, 1), modulus=3, names=6)
HARDER = replace(EASY, ops=(2, 2))
COMMON = {"steps": 8, "batch_size": 4, "optim": Optim(), "data": EASY}
REPLAYED = COMMON | {"replay": HARDER, "replay_share": 0.5}
THOUGHTS = {"data": replace(HARDER, skip_prob=1.0, thoughts="oracle")}
TWO = Machine(collectors=2, save_every=1e9)
NONE = replace(TWO, collectors=0)


@dataclass(frozen=True, kw_only=True)
class Own(Midtrain):
    """Collects in a way of its own and does not say what it reads."""

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        return super().collect(models, seed, step, rows)


@dataclass(frozen=True, kw_only=True)
class Lying(Pretrain):
    """Says that it reads no weights, and trains on what its model finds likely, by a schedule."""

    reads_weights: ClassVar[bool] = False

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        batch = super().collect(models, seed, step, rows)
        chosen_BT = batch.gain_BT != 0
        with uncounted():
            likely = bool(logprobs(models.learner, batch.ids_BT, chosen_BT).mean() > -3)
        return replace(batch, gain_BT=batch.gain_BT * (1.0 + likely + (models.done > 0.5)))


@dataclass(frozen=True)
class Failing:
    """Problems as ``EASY``'s, of which those from step ``bad`` on cannot be had."""

    bad: int
    capabilities: ClassVar[frozenset[str]] = frozenset({"solutions"})
    title: ClassVar[str] = "failing"

    def problem(self, *path: str | int):
        if path[2] >= self.bad:
            raise LookupError(f"there is no problem at step {path[2]}")
        return EASY.problem(*path)


def stages(tiny) -> dict[str, Stage]:
    """One of every kind that says it reads no weights, and of their variants that collect in another way."""
    other = Recipe(replace(tiny, vocab=replace(tiny.vocab, thoughts=True), layers=1))
    return {
        "Pretrain": Pretrain(**COMMON, without=("arithmetic",)),
        "Midtrain": Midtrain(**REPLAYED, targets="all"),
        "SFT": SFT(**COMMON),
        "ColdStart": ColdStart(**REPLAYED | THOUGHTS, idle=0.5),
        "Distil": Distil(**REPLAYED, reference=other),
        "Switch": Switch(**REPLAYED, reference=other),
        "ReMiT": ReMiT(**REPLAYED, reference=other, weights="shuffled", against="start"),
        "Annotate": Annotate(**COMMON | THOUGHTS, annotator="oracle", content="shuffled"),
    }


NAMES = ("Pretrain", "Midtrain", "SFT", "ColdStart", "Distil", "Switch", "ReMiT", "Annotate")


def models_of(tiny, stage: Stage) -> StageModels:
    """Fresh models with all that a stage may look at."""
    lm = replace(tiny, vocab=replace(tiny.vocab, thoughts=True)).build(0)
    reference = getattr(stage, "reference", None)
    return StageModels(lm, lm, {"reference": reference.model.build(0)} if reference else {}, done=0.25)


def equal(one: Batch, other: Batch) -> bool:
    """Whether two batches agree in every bit."""
    tensors = [(one.ids_BT, other.ids_BT), (one.gain_BT, other.gain_BT)]
    tensors += [(one.extra[name], other.extra[name]) for name in one.extra]
    rest = [(b.total, b.lengths, b.spent, b.metrics, b.old_BT, list(b.extra)) for b in (one, other)]
    return rest[0] == rest[1] and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in tensors)


def trained(tiny, stage: Stage, machine: Machine, folder: Path | None = None, observe=None):
    """Its weights and its losses."""
    lm, losses = tiny.build(0), []

    def watch(share, line):
        losses.append(line["loss"])
        if observe:
            observe(share, line)

    train(lm, stage, 0, machine, folder=folder, observe=watch)
    return lm, losses


def same(one, other) -> bool:
    return one[1] == other[1] and all(
        torch.equal(a, b) for a, b in zip(one[0].parameters(), other[0].parameters(), strict=True)
    )


@pytest.fixture
def started(monkeypatch):
    """Each call of ``Ahead.start``: from which step, and with how many processes."""
    calls, start = [], Ahead.start

    def noted(self, models, step, processes):
        calls.append((step, processes))
        start(self, models, step, processes)

    monkeypatch.setattr(Ahead, "start", noted)
    return calls


# --- the same batches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_batches_made_ahead_are_the_same(name, tiny):
    """Kills: another seed or step; batches out of order; rows, costs, metrics or extra tensors that are lost; a kind
    of stage whose batches need what only this process has; the process's random numbers used."""
    stage = stages(tiny)[name]
    models, before = models_of(tiny, stage), torch.random.get_rng_state()
    with Ahead(stage, 5, "cpu", 2) as made:
        for step in range(3, 8):
            found = made.collect(models, step)
            assert equal(found, stage.collect(models, 5, step, range(4)))
        assert made.batches is not None and not made.collecting
    assert torch.equal(torch.random.get_rng_state(), before)


def test_every_kind_of_stage_has_been_looked_at(tiny):
    """Kills: a stage that reads weights and says it does not; a new kind that says so and is not in the test above."""
    package = interlude.models.stages
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")

    def below(kind):
        return {kind, *(each for own in kind.__subclasses__() for each in below(own))}

    ours = {kind for kind in below(Stage) if kind.__module__.startswith(package.__name__)}
    said = {kind.__name__ for kind in ours if kind.reads_weights is not True}
    assert len(ours) > 12 and said == set(NAMES)
    assert all(collects_alone(stage) for stage in stages(tiny).values())
    tagged = replace(stages(tiny)["Annotate"], annotator=Recipe(tiny))
    assert not collects_alone(tagged)


def test_a_model_of_transformers_is_read_by_other_processes_too(tmp_path):
    """Kills: weights sent along; a tokenizer that is not."""
    pytest.importorskip("transformers")
    import pretrained

    from interlude.models.hf import HF

    lm, stage = HF(pretrained.save_model(tmp_path)).build(0), SFT(**COMMON)
    read = pickle.loads(ahead.weightless(StageModels(lm))).learner
    assert {weight.device.type for weight in read.parameters()} == {"meta"}
    with Ahead(stage, 0, "cpu", 1) as made:
        assert equal(made.collect(StageModels(lm), 0), stage.collect(StageModels(lm), 0, 0, range(4)))
        assert made.batches is not None


@pytest.mark.parametrize("budget", ({}, {"steps": None, "flops": 3e8}), ids=("steps", "flops"))
def test_training_is_the_same_to_the_bit(budget, tiny):
    """Kills: a batch trained on twice, or left out; a stage that ends by FLOPs and waits for what is made ahead."""
    stage = Midtrain(**REPLAYED | budget)
    one, other = trained(tiny, stage, NONE), trained(tiny, stage, TWO)
    assert same(one, other) and len(one[1]) > 5 and not multiprocessing.active_children()


def test_a_resumed_run_goes_on_at_its_step(tiny, tmp_path, started):
    """Kills: batches from step 0 after a resume; processes that outlive an interrupted run."""

    def interrupt(share, line):
        if line["step"] == 3:
            raise KeyboardInterrupt

    stage = Midtrain(**REPLAYED)
    with pytest.raises(KeyboardInterrupt):
        trained(tiny, stage, TWO, tmp_path, interrupt)
    assert not multiprocessing.active_children()
    resumed = trained(tiny, stage, TWO, tmp_path)
    assert started == [(0, 2), (3, 2)]
    whole = trained(tiny, stage, NONE)
    assert same((resumed[0], whole[1]), whole) and resumed[1] == whole[1][3:]


# --- what is never made ahead ----------------------------------------------------------------------------------------


def test_a_stage_that_reads_weights_is_never_made_ahead(tiny, started):
    """Kills: rollouts of weights as they were; a subclass believed for what another ``collect`` was said to read."""
    rl = RL(**COMMON | {"steps": 1}, num_samples=2, max_new_tokens=40)
    own = Own(**REPLAYED | {"steps": 1})
    assert not collects_alone(own) and collects_alone(Midtrain(**REPLAYED))
    for stage in (rl, own):
        trained(tiny, stage, TWO)
    assert not started


def test_a_stage_that_says_so_wrongly_trains_as_before(tiny, caplog):
    """Kills: weights, or how much is done, as they were when processes were started."""
    stage = Lying(**COMMON)
    one, other = trained(tiny, stage, NONE), trained(tiny, stage, TWO)
    assert same(one, other) and "Lying makes its batches in this process" in caplog.text


def test_what_cannot_be_sent_is_made_here(tiny, caplog):
    """Kills: failing at a class that another process cannot import."""

    @dataclass(frozen=True, kw_only=True)
    class Local(SFT):
        pass

    one, other = trained(tiny, SFT(**COMMON), NONE), trained(tiny, Local(**COMMON), TWO)
    assert same(one, other) and "others cannot be started for it" in caplog.text


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", (NONE, TWO), ids=("here", "ahead"))
def test_an_error_is_raised_at_its_own_step_as_it_is_here(machine, tiny, started):
    """Kills: an error of a step that is still ahead; another type; a page of another process's traceback."""
    steps = []
    with pytest.raises(LookupError, match=r"^there is no problem at step 5$"):
        trained(tiny, SFT(**COMMON | {"data": Failing(5)}), machine, observe=lambda _, line: steps.append(line["step"]))
    assert steps == [1, 2, 3, 4, 5] and not multiprocessing.active_children()
    assert started == ([(0, 2)] if machine is TWO else [])


def test_a_process_that_is_killed_costs_time_only(tiny, caplog):
    """Kills: waiting for ever for a batch that nobody makes; a step left out."""
    stage = Midtrain(**REPLAYED | {"steps": 16})

    def kill(share, line):
        if line["step"] == 2 and (found := multiprocessing.active_children()):
            os.kill(found[0].pid, signal.SIGKILL)

    one, other = trained(tiny, stage, NONE), trained(tiny, stage, TWO, observe=kill)
    assert same(one, other) and "Midtrain makes its batches in this process" in caplog.text


SCRIPT = """
import signal, sys
from pathlib import Path
from interlude.models.gpt import GPT
from interlude.models.optim import Optim
from interlude.models.stages.pretrain import Pretrain
from interlude.models.train import Machine, train
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

print("begun", flush=True)
asked = []
signal.signal(signal.SIGINT, lambda *of: asked.append(True))

def observe(share, line):
    if asked:
        asked.append(True)  # some steps more, for which processes that heard it too would be missing
    if len(asked) > 30:
        raise KeyboardInterrupt
    print(line["step"], flush=True)

data = Source(ops=(1, 1), modulus=3, names=6)
model = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, worlds=("zoo",), names=6))
stage = Pretrain(steps=10**6, batch_size=4, optim=Optim(), data=data)
machine = Machine(collectors=2, save_every=1e9)
train(model.build(0), stage, 0, machine, folder=Path(sys.argv[1]), observe=observe)
"""


def session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(sid) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up as on Linux")
@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGKILL), ids=("Ctrl-C", "killed"))
def test_ctrl_c_saves_and_leaves_no_process(how, tmp_path):
    """Kills: processes that end at a Ctrl-C, by which the step under way fails and nothing is saved; processes that
    live on; the script run again in each of them (it has no guard for that)."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), str(tmp_path / "run")]
    (tmp_path / "run").mkdir()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as p:
        try:
            assert [p.stdout.readline().strip() for _ in range(4)] == ["begun", "1", "2", "3"]
            assert len(session(p.pid)) >= 4  # this one, the server that forks, and two that collect
            if how == signal.SIGINT:
                os.killpg(p.pid, how)
            else:
                os.kill(p.pid, how)
            rest, errors = p.communicate(timeout=60)
        except BaseException:
            os.killpg(p.pid, signal.SIGKILL)
            raise
    assert "begun" not in rest
    if how == signal.SIGINT:
        assert errors.strip().splitlines()[-1] == "KeyboardInterrupt" and "in this process" not in errors, errors
        assert (tmp_path / "run" / "state.safetensors").exists()
        assert len(read_jsonl(tmp_path / "run" / "log.jsonl")) >= 33
    until = time.monotonic() + 30  # an orphan looks for its parent every five seconds
    while session(p.pid) and time.monotonic() < until:
        time.sleep(0.2)
    assert not session(p.pid)


# --- when it is worth it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("collecting", "training", "done", "processes"),
    (
        (0.126, 0.087, 10 / 700, 3),  # small on an H200
        (0.126, 0.500, 10 / 700, 2),
        (0.126, 0.001, 10 / 700, 7),
        (0.126, 0.087, 10 / 50, 0),  # few steps are left
        (0.004, 0.024, 10 / 500, 0),  # nano on an H200
        (0.126, 0.087, 0.0, 0),
    ),
)
def test_processes_are_started_where_they_save_more_than_they_cost(
    collecting, training, done, processes, tiny, monkeypatch
):
    """Kills: processes for a stage of seconds; more than keep up with the card, or than there are cores; the steps that
    are done taken for those that are left; deciding by one step."""
    monkeypatch.setattr(ahead, "most", lambda device: 7)
    asked = Ahead(SFT(**COMMON), 0, "cuda", None)
    asked.collecting.extend([collecting] * ahead.TRIED)
    asked.training.extend([training] * (ahead.TRIED - 1))
    assert asked.wanted(done, 10) == 0
    asked.training.append(training)
    assert asked.wanted(done, 10) == processes


def test_only_an_accelerator_has_batches_made_ahead_unasked(tiny, monkeypatch, started):
    """Kills: processes that take the CPU's cores from training; none where a card waits; steps measured wrongly."""
    stage = SFT(**COMMON)
    assert ahead.most("cpu") == 0
    assert ahead.most("cuda:1") == len(os.sched_getaffinity(0)) - 1
    trained(tiny, stage, replace(TWO, collectors=None))
    assert not started
    monkeypatch.setattr(ahead, "most", lambda device: 1)
    monkeypatch.setattr(ahead, "WORTH", 0.0)
    trained(tiny, stage, replace(TWO, collectors=None))
    assert started == [(ahead.TRIED + 1, 1)]


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="Machine.collectors must not be negative, got -1"):
        Machine(collectors=-1)


def test_what_is_sent_holds_no_weights(tiny):
    """Kills: a model sent whole, so that what reads its weights gets those of the first step."""
    sent = ahead.weightless(StageModels(tiny.build(0)))
    found = pickle.loads(sent).learner
    assert {weight.device.type for weight in found._parameters.values() if weight is not None} == {"meta"}
    assert found.flops(7, 9) == tiny.flops(7, 9) and found.pad == tiny.vocab.pad
