"""What is asked of a command reaches those who do the work: device, cores, kernels, limits; or it is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import socket
import sys
import time
from types import SimpleNamespace

import pytest

from interlude.models.train import Machine
from interlude.studies.__main__ import main, parser
from interlude.studies.cli import runs as commands
from interlude.studies.console import Stop, Watch, console
from interlude.studies.execute import conduct as conductor
from interlude.studies.execute import ray_cluster
from interlude.studies.execute.conduct import conduct
from interlude.studies.execute.ray_cluster import Ray
from interlude.studies.execute.slurm import Submitit
from interlude.studies.execute.tasks import perform, tasks
from interlude.studies.execute.work import RESULT, order, work
from interlude.studies.find import StudySpec, the_study
from interlude.studies.refusal import Refused

WANTED = StudySpec("stages/quickstart", "smoke", arms=("pre-training",))
STUDY = ("quickstart", "--scale", "smoke")


class Here:
    """A crew that does a task in this process, whenever it is asked how far it is."""

    capacity = 1

    def begin(self, task, threads):
        return task

    def poll(self, task):
        perform(task, Machine(threads=1), None)
        return RESULT

    def stop(self): ...

    def close(self): ...


def test_how_far_workers_are_is_shown(monkeypatch, tmp_path, runs):
    """Mutants: logs not followed; those of a stage that has just finished left out; a half-written line shown."""
    monkeypatch.setattr(conductor, "POLL", 0)
    watch = Watch(console(io.StringIO()), 0, Stop())
    study = dataclasses.replace(the_study(WANTED), results=tmp_path / "results")
    stages = {folder for task in tasks(study) for _, folder in task.stages}
    conduct(study, Here(), watch)
    said = watch.screen.file.getvalue()
    assert stages
    for folder in stages:
        assert f"{folder.name[-12:]}: 100% in " in said, said
    assert "loss " in said


def test_a_worker_takes_the_kernels_of_the_order(monkeypatch, runs):
    """Mutant: the worker's own $INTERLUDE_KERNELS, so that a stage could not go on elsewhere."""
    made = order(WANTED, "cpu")
    monkeypatch.setenv("INTERLUDE_KERNELS", "torch")
    assert order(WANTED, "cpu").kernels == "torch"
    monkeypatch.setenv("INTERLUDE_KERNELS", "native")  # of the worker's machine
    task = tasks(the_study(WANTED))[0]
    assert work(dataclasses.replace(made, kernels="torch").text, task.name, 1) == RESULT
    lines = [json.loads(line) for path in runs.glob("*/log.jsonl") for line in path.read_text().splitlines()]
    assert {line["kernels"] for line in lines} == {"torch"}


# --- clusters, in place of which something else notes what is asked of them -------------------------------------------


class Cluster:
    """Ray, or submitit, as far as a crew touches it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked, self.error = {}, error
        self.core = SimpleNamespace(utils=SimpleNamespace(UncompletedJobError=RuntimeError))

    def is_initialized(self) -> bool:
        return False

    def init(self, **how) -> None:
        if self.error:
            raise self.error
        self.asked |= how

    def remote(self, **needs):
        self.asked |= needs
        return lambda function: function

    def AutoExecutor(self, **how) -> Cluster:
        self.asked |= how
        return self

    def update_parameters(self, **needs) -> None:
        self.asked |= needs


@pytest.fixture
def asked(monkeypatch) -> dict:
    """What is asked of Ray and of submitit."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cluster = Cluster()
    monkeypatch.setitem(sys.modules, "ray", cluster)
    monkeypatch.setitem(sys.modules, "submitit", cluster)
    return cluster.asked


@pytest.mark.parametrize("device, gpus", [("cpu", 0), ("cuda", 1), ("cuda:0", 1)])
def test_a_task_asks_for_its_cores_and_its_gpu(device, gpus, asked, runs):
    """Mutants: a GPU not asked for, or asked for by a CPU's task; one core whatever was given; no memory."""
    Ray(order(WANTED, device), None, 3)
    assert (asked["num_cpus"], asked["num_gpus"]) == (3, gpus)
    asked.clear()
    Submitit(order(WANTED, device), "slurm", 4, 3, 2.5, {"timeout_min": 7})
    assert (asked["cpus_per_task"], asked.get("gpus_per_node", 0), asked["mem_gb"]) == (3, gpus, 2.5)
    assert asked["timeout_min"] == 7 and asked["cluster"] == "slurm"


def crew(*words: str):
    """The crew of ``run`` with these words."""
    args = parser().parse_args(["run", *STUDY, *words])
    return commands.crew_of(args, WANTED, the_study(WANTED), Watch(console(io.StringIO()), 0, Stop()))


def test_workers_are_the_most_at_once_of_every_executor(asked, runs):
    """Mutants: --workers ignored by Ray; a limit where none was asked for."""
    for executor in ("ray", "slurm"):
        assert crew("--executor", executor, "--workers", "3").capacity == 3
        assert crew("--executor", executor).capacity == sys.maxsize


def test_jobs_have_a_time_limit(asked, runs):
    """Mutants: --minutes ignored; no limit without it."""
    for executor in ("slurm", "local-submitit"):
        crew("--executor", executor, "--minutes", "5")
        assert asked["timeout_min"] == 5
        crew("--executor", executor)
        assert asked["timeout_min"] == commands.MINUTES == 720


@pytest.mark.parametrize(
    "words, named",
    [
        (("run", *STUDY, "--address", "here:1"), "--address is only for --executor ray"),
        (("run", *STUDY, "--address", "here:1", "--executor", "slurm"), "--address is only for --executor ray"),
        (("run", *STUDY, "--partition", "fast"), "--partition is only for --executor slurm"),
        (
            ("run", *STUDY, "--partition", "fast", "--executor", "local-submitit"),
            "--partition is only for --executor slurm",
        ),
        (("run", *STUDY, "--minutes", "9"), "--minutes is only for --executor slurm or local-submitit"),
        (("run", *STUDY, "--minutes", "9", "--executor", "ray"), "--minutes is only for --executor slurm"),
        (("plan", *STUDY, "--on", "h100", "--dry-run"), "--on"),
        (("plan", *STUDY, "--device", "cuda"), "--device is only for --dry-run"),
        (("plan", *STUDY, "--threads", "2"), "--threads is only for --dry-run"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(words, named, monkeypatch, capsys):
    """Mutants: accepted and ignored; refused after the study was built."""
    monkeypatch.setattr(commands, "the_study", lambda _: pytest.fail("the study was built"))
    assert main(list(words)) == 2
    told = capsys.readouterr().err
    assert named in told and told.count("\n") == 1


def test_what_is_needed_is_named_as_it_was_typed(monkeypatch, runs):
    """Mutant: the name that submitit has for it."""
    monkeypatch.setitem(sys.modules, "submitit", None)
    for executor in ("slurm", "local-submitit"):
        with pytest.raises(Refused, match=f"^--executor {executor} needs submitit"):
            crew("--executor", executor)


def test_the_command_to_continue_is_the_one_that_was_given():
    """Mutants: an option left out; a default written."""
    given = (
        "--seeds 1,2 --arms RL --device cuda:0 --threads 2 --workers 3 --executor slurm --partition fast --minutes 5"
    )
    for words in (given, "", "--executor ray --address here:1"):
        args = parser().parse_args(["run", *STUDY, *words.split()])
        assert commands.command(args).partition(" run ")[2] == " ".join((*STUDY, *words.split()))


@pytest.mark.parametrize(
    "words, device", [((), "cpu"), (("--device", "cpu"), "cpu"), (("--device", "cuda:1"), "cuda:1")]
)
def test_a_dry_run_is_of_the_device(words, device, monkeypatch, capsys):
    """Mutants: always the CPU; seconds of a GPU printed as those of a CPU."""
    monkeypatch.setattr(commands.Machine, "__post_init__", lambda self: None)  # there may be no such GPU here
    machines = []
    monkeypatch.setattr(commands, "dry_run", lambda study, machine: machines.append(machine) or [])
    assert main(["plan", *STUDY, "--dry-run", "--threads", "3", *words]) == 0
    assert machines == [Machine(device=device, threads=3)]
    assert ("GPU time" if device != "cpu" else "CPU time") in capsys.readouterr().out


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "127.0.0.1:99999"])
def test_a_ray_cluster_that_is_not_there_is_named_at_once(address, asked, monkeypatch, runs):
    """Mutants: Ray's own minutes of trying; its traceback; $RAY_ADDRESS not looked at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = address.format(free.getsockname()[1])  # bound, and nobody listens
        began = time.monotonic()
        with pytest.raises(Refused, match=f"no Ray cluster can be reached at {nowhere}"):
            Ray(order(WANTED, "cpu"), nowhere, 1)
        monkeypatch.setenv("RAY_ADDRESS", nowhere)
        with pytest.raises(Refused, match=f"no Ray cluster can be reached at {nowhere}"):
            Ray(order(WANTED, "cpu"), None, 1)
        assert time.monotonic() - began < 60 and not asked and 2 * ray_cluster.CONNECT < 60


def test_a_ray_cluster_that_answers_is_taken(asked, monkeypatch, runs):
    """Mutants: every address refused; an address that only Ray understands; Ray's own refusal let through."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = f"127.0.0.1:{listening.getsockname()[1]}"
        Ray(order(WANTED, "cpu"), there, 1)
    assert asked["address"] == there
    Ray(order(WANTED, "cpu"), "auto", 1)
    assert asked["address"] == "auto"
    monkeypatch.setitem(sys.modules, "ray", Cluster(ConnectionError("Could not find any running Ray instance.\nMore")))
    with pytest.raises(Refused, match="^Ray finds no cluster at auto: Could not find any running Ray instance.$"):
        Ray(order(WANTED, "cpu"), "auto", 1)
