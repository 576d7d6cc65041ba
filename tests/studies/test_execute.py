"""A plan is executed to the same table wherever its tasks run, and goes on when a worker is killed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from own_study import MINE

from interlude.models.files import CLAIM, DONE, lock
from interlude.models.recipe import dependencies
from interlude.models.train import Machine
from interlude.studies import results
from interlude.studies.console import Stop, Watch, console
from interlude.studies.execute import conduct as conductor
from interlude.studies.execute import work as working
from interlude.studies.execute.conduct import conduct, here
from interlude.studies.execute.processes import Processes
from interlude.studies.execute.ray_cluster import Ray
from interlude.studies.execute.slurm import Submitit
from interlude.studies.execute.tasks import perform, tasks
from interlude.studies.execute.work import RESULT, STOPPED, Died, Order, order, work
from interlude.studies.find import StudySpec, names, the_study
from interlude.studies.refusal import Refused
from interlude.studies.run import train_or_load
from interlude.studies.study import keep, places, plan


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that writes such a study, with so many steps a stage, and returns which one it is."""
    monkeypatch.syspath_prepend("")
    monkeypatch.delenv("INTERLUDE_RESULTS", raising=False)
    written = []

    def write(steps: int) -> StudySpec:
        path = tmp_path / f"mine{steps}_{random.randrange(10**9)}.py"
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / "__init__.py").write_text("")
        (tmp_path / "models" / "sizes.py").write_text("WIDTH = 32\n")
        path.write_text(MINE.replace("STEPS", str(steps)))
        written.append(path.stem)
        return StudySpec(str(path), "smoke")

    before, there = list(sys.path), set(sys.modules)
    yield write
    sys.path[:] = before
    for name in set(sys.modules) - there:
        if name.split(".")[0] in (*written, "models"):
            del sys.modules[name]


def watch(stop: Stop | None = None) -> Watch:
    return Watch(console(io.StringIO()), 0, stop or Stop())


def said(seen: Watch) -> str:
    return seen.screen.file.getvalue()


def at(study, folder: Path):
    """The same study with its table elsewhere."""
    return dataclasses.replace(study, results=folder)


def table(study, folder: Path) -> list[dict]:
    """A table's rows in their order, without the wall time, which no two runs share."""
    rows = results.load(study.name, study.scale, folder).rows
    return [{name: repr(value) for name, value in row.items() if name != "seconds"} for row in rows]


def local(study, folder: Path, monkeypatch) -> list[dict]:
    """The table that this process makes from nothing."""
    with monkeypatch.context() as patch:
        patch.setenv("INTERLUDE_RUNS", str(folder / "runs-here"))
        here(at(study, folder / "here"), Machine(threads=1), watch())
    return table(study, folder / "here")


def busy(runs: Path) -> list[int]:
    """The processes that hold a stage which has taken some steps."""
    found = []
    for path in runs.glob(f"*/{CLAIM}"):
        log = path.parent / "log.jsonl"
        if not (path.parent / DONE).exists() and log.exists() and log.read_bytes().count(b"\n") > 20:
            try:
                found.append(json.loads(path.read_text())["pid"])
            except (FileNotFoundError, ValueError):  # it has just been released
                continue
    return found


def once_busy(runs: Path, act) -> threading.Thread:
    """Call ``act`` with a process that is in the middle of a stage, as soon as there is one."""

    def wait() -> None:
        while not (found := busy(runs)):
            time.sleep(0.05)
        act(found[0])

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_shared_beginnings_are_tasks_of_their_own_and_come_first(mine, runs):
    """Mutants: a base trained by every run; a task for each stage of the base; a run that does not wait."""
    study = the_study(mine(5))
    found = tasks(study)
    shared = [task for task in found if task.run is None]
    assert [len(task.recipe.stages) for task in shared] == [2, 2]
    assert [task.recipe.seed for task in shared] == [0, 1]
    assert [(t.run.seed, t.run.arm) for t in found if t.run] == [(r.seed, r.arm) for r in plan(study)]
    for task in found:
        before = [each.folder for each in found[: found.index(task)]]
        assert all(folder in before for folder in task.needs)
        assert len(task.needs) == (0 if task.run is None else 1)
        assert not task.complete and task.ready == (task.run is None)
    assert len({task.name for task in found}) == len(found)


def test_a_model_as_it_is_is_a_task_of_exams_alone(mine, runs):
    """Mutants: a recipe without stages has no task, or one that is never complete, or no folder for its results."""
    trained = the_study(mine(2)).with_seeds((0,))
    bare = dataclasses.replace(trained.base, stages=())
    arms = (dataclasses.replace(trained.arms[0], name="as it is", recipe=bare, equal=False), trained.arms[1])
    found = tasks(dataclasses.replace(trained, arms=arms, base=bare, contrasts=()))
    task = next(task for task in found if task.run is not None and task.run.arm == "as it is")
    assert task.stages == task.needs == () and task.ready and not task.complete
    perform(task, Machine(threads=1), None)
    assert task.complete and len(list((task.folder / "exams").glob("*.json"))) == len(task.results) == 2


@pytest.mark.parametrize("name", names())
def test_every_stage_of_every_study_belongs_to_a_task(name, runs):
    """Mutant: a reference or a base that no task trains before a run needs it."""
    if name.startswith("real/"):
        pytest.importorskip("reasoning_gym")
    study = the_study(StudySpec(name, "smollm2" if name.startswith("real/") else "smoke"))
    found = tasks(study)
    assert len({task.name for task in found}) == len(found)
    users: dict = {}
    for run in plan(study):
        for recipe in dependencies(run.recipe):
            users.setdefault(recipe.folder, set()).add(run.recipe.key)
    covered = set()
    for task in found:
        fresh = {folder for _, folder in task.stages} - covered
        alone = task.run is not None
        assert all(len(users[folder]) == 1 or folder == task.folder for folder in fresh if alone), (name, str(task))
        covered |= fresh
    assert covered == set(users)


def test_an_order_survives_being_text(runs):
    """Mutants: seeds or arms that come back as lists; a relative folder, which means another one elsewhere."""
    made = order(StudySpec("quickstart", "smoke", (1, 2), ("a", "b*")), "cpu")
    assert Order.of(made.text) == made and made.spec.study == "stages/quickstart"
    assert Path(made.runs).is_absolute() and made.spec.seeds == (1, 2)
    assert order(StudySpec("quickstart", "smoke"), "cpu").spec.arms is None


def test_a_worker_with_other_code_refuses(mine, runs):
    """Mutant: two versions of the code in one table."""
    made = dataclasses.replace(order(mine(2), "cpu"), code="0" * 16)
    with pytest.raises(Refused, match="other code"):
        work(made.text, "any", 1)


def test_what_a_worker_answers_is_raised_here(mine, monkeypatch, runs):
    """Mutants: a refusal or a bug of a worker taken for its result; a traceback that is lost on the way."""
    made = order(mine(2), "cpu")
    refused = dataclasses.replace(made, code="0" * 16)
    with pytest.raises(Refused, match="other code"):
        working.outcome(working.answer(refused.text, "any", 1))
    with pytest.raises(Refused, match="no task any"):
        working.outcome(working.answer(made.text, "any", 1))
    first, *_ = tasks(the_study(mine(2)))
    monkeypatch.setattr(working, "perform", lambda *_: 1 // 0)
    with pytest.raises(RuntimeError, match="(?s)in a worker:\\n.*ZeroDivisionError"):
        working.outcome(json.loads(json.dumps(working.answer(made.text, first.name, 1))))
    assert working.outcome((STOPPED, "")) == STOPPED


def test_worker_processes_leave_the_same_table_in_the_same_order(mine, tmp_path, monkeypatch, runs):
    """Mutants: rows in the order of finishing; a worker's numbers that differ; a base trained twice."""
    asked = mine(4)
    study = the_study(asked)
    expected = local(study, tmp_path, monkeypatch)
    seen = watch()
    conduct(at(study, tmp_path / "two"), Processes(order(asked, "cpu"), 2), seen)
    assert table(study, tmp_path / "two") == expected
    assert [(row["seed"], row["arm"], row["exam"]) for row in expected][:3] == [
        ("0", "'rows2'", "'z'"), ("0", "'rows2'", "'a'"), ("0", "'rows3'", "'z'"),
    ]  # fmt: skip
    assert said(seen).count("done") == 6
    some = study.with_arms(("rows3",)).with_seeds((1, 0))
    keep(at(some, tmp_path / "two"), *plan(some)[::-1])
    assert table(study, tmp_path / "two") == expected


def test_rows_of_arms_that_are_gone_come_last(mine, runs):
    """Mutant: an arm that the study no longer has ends the sorting."""
    place = places(the_study(mine(3)))
    rows = [{"seed": 0, "arm": arm, "exam": exam} for arm in ("rows3", "old", "rows2") for exam in ("a", "older", "z")]
    assert [(r["arm"], r["exam"]) for r in sorted(rows, key=place)] == [
        (arm, exam) for arm in ("rows2", "rows3", "old") for exam in ("z", "a", "older")
    ]


def test_a_killed_worker_is_replaced_and_its_task_goes_on(mine, tmp_path, monkeypatch, runs):
    """Mutants: a death that ends the study; a task that is lost with its worker."""
    asked = mine(60)
    study = the_study(asked)
    expected = local(study, tmp_path, monkeypatch)
    seen = watch()
    once_busy(runs, lambda pid: os.kill(pid, signal.SIGKILL))
    conduct(at(study, tmp_path / "two"), Processes(order(asked, "cpu"), 2), seen)
    assert "its worker died (exit code -9)" in said(seen)
    assert table(study, tmp_path / "two") == expected


def test_a_task_whose_worker_always_dies_is_given_up(mine, monkeypatch, runs):
    """Mutant: for ever."""

    class Doomed:
        capacity, begun = 1, 0

        def begin(self, task, threads):
            self.begun += 1

        def poll(self, handle):
            raise Died("no power")

        def stop(self): ...

        def close(self): ...

    monkeypatch.setattr(conductor, "POLL", 0)
    doomed = Doomed()
    with pytest.raises(Refused, match=r"its worker died 4 times \(no power\)"):
        conduct(the_study(mine(3)), doomed, watch())
    assert doomed.begun == 4


def test_what_cannot_be_done_does_not_stop_the_others(mine, tmp_path, monkeypatch, runs):
    """Mutants: one diverged arm ends all; it is not said at the end; runs that need what failed wait for ever."""
    study = the_study(mine(4))

    class Alone:
        capacity = 1

        def __init__(self, bad):
            self.bad = bad

        def begin(self, task, threads):
            return task

        def poll(self, task):
            if self.bad(task):
                raise Refused("it diverged")
            perform(task, Machine(threads=1), None)
            return RESULT

        def stop(self): ...

        def close(self): ...

    monkeypatch.setattr(conductor, "POLL", 0)
    one = Alone(lambda task: task.run is not None and (task.run.arm, task.run.seed) == ("rows3", 0))
    with pytest.raises(Refused, match="seed 0, rows3: it diverged$"):
        conduct(at(study, tmp_path / "a"), one, watch())
    assert len({(row["arm"], row["seed"]) for row in table(study, tmp_path / "a")}) == 5
    monkeypatch.setenv("INTERLUDE_RUNS", str(tmp_path / "other"))
    with pytest.raises(Refused, match="it diverged, and 3 more failed"):
        conduct(at(study, tmp_path / "b"), Alone(lambda task: task.run is None and task.recipe.seed == 1), watch())
    assert {row["seed"] for row in table(study, tmp_path / "b")} == {"0"}


def test_work_that_is_not_seen_here_is_refused(mine, monkeypatch, runs):
    """Mutant: a run folder of the worker's own, whose models nobody else ever sees."""

    class Elsewhere:
        capacity = 1

        def begin(self, task, threads): ...

        def poll(self, handle):
            return RESULT

        def stop(self): ...

        def close(self): ...

    monkeypatch.setattr(conductor, "VISIBLE", 0.0)
    monkeypatch.setattr(conductor, "POLL", 0)
    with pytest.raises(Refused, match="one folder that every machine mounts"):
        conduct(the_study(mine(3)), Elsewhere(), watch())


def test_a_beginning_that_vanishes_is_missed(mine, monkeypatch, runs):
    """Mutant: waiting for ever for what nobody trains."""
    study = the_study(mine(3))
    only = [dataclasses.replace(task, needs=(runs / "gone",)) for task in tasks(study) if task.run is not None]
    monkeypatch.setattr(conductor, "tasks", lambda study: only)
    with pytest.raises(Refused, match="seed 0, rows2 begins with .*gone, which was there and is gone"):
        conduct(study, Processes(order(StudySpec("quickstart", "smoke"), "cpu"), 1), watch())


def test_a_stop_file_ends_a_task_after_a_save(mine, runs, monkeypatch):
    """Mutants: nobody looks; the stage is lost; the file is looked for at every step of a shared disk."""
    monkeypatch.setattr(working, "POLL", 0)
    made = order(mine(100_000), "cpu")
    task = tasks(the_study(made.spec))[0]
    looked = []

    def exists(path):
        looked.append(path)
        return len(looked) > 5

    monkeypatch.setattr(working.os.path, "exists", exists)
    assert work(made.text, task.name, 1) == STOPPED
    assert [path.parent.name for path in runs.glob("*/state.safetensors")] == [task.folder.name]
    assert set(looked) == {made.stop} and len(looked) == 6


@pytest.mark.parametrize("where", (".", "exams"))
def test_a_worker_that_waits_for_another_command_hears_a_stop(where, mine, runs, monkeypatch):
    """Kills: waiting for somebody's training, or exams, deaf to Ctrl-C until the command that asked gives up."""
    monkeypatch.setattr(working, "POLL", 0)
    made = order(mine(1), "cpu")
    task = next(task for task in tasks(the_study(made.spec)) if task.run)
    if where == "exams":
        train_or_load(task.recipe, Machine(threads=1))
    held = task.folder / where
    held.mkdir(parents=True, exist_ok=True)
    beats, naps = [], []

    def nap(seconds):
        naps.append(seconds)
        assert len(naps) < 5, "it would wait for ever"

    with lock(held):
        if where == ".":
            train_or_load(task.recipe.parent, Machine(threads=1))
        monkeypatch.setattr(working.os.path, "exists", lambda path: bool(beats))
        monkeypatch.setattr(time, "sleep", nap)
        assert work(made.text, task.name, 1, lambda: beats.append(1)) == STOPPED
    assert len(beats) == 1


# --- clusters (slow) -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two machines beside a head that does no work."""
    pytest.importorskip("ray")
    os.environ["RAY_raylet_start_wait_time_s"] = "180"
    import ray
    from ray.cluster_utils import Cluster

    store = 100 * 2**20
    head = {"num_cpus": 0, "object_store_memory": store, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.nodes = [made.add_node(num_cpus=1, object_store_memory=store) for _ in range(2)]
    ray.init(address=made.address, log_to_driver=False, logging_level="error")
    yield made
    ray.shutdown()
    made.shutdown()


def timed(what: str, began: float) -> None:
    print(f"\n{what}: {time.monotonic() - began:.0f} s", file=sys.__stderr__)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_leaves_the_same_table_though_a_machine_is_lost(cluster, mine, tmp_path, monkeypatch, runs):
    """Mutants: a machine's death ends the study; its task is lost, or begun while the dead one holds its folder."""
    asked = mine(400)
    study = the_study(asked)
    expected = local(study, tmp_path, monkeypatch)
    seen, began = watch(), time.monotonic()

    def lose(pid: int) -> None:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        node = next(
            each for each in cluster.nodes if parent in [info.process.pid for info in each.all_processes["raylet"]]
        )
        cluster.remove_node(node, allow_graceful=False)
        cluster.nodes.remove(node)

    once_busy(runs, lose)
    conduct(at(study, tmp_path / "ray"), Ray(order(asked, "cpu"), None, 1), seen)
    timed("a study on two Ray machines, one lost", began)
    assert "its worker died" in said(seen)
    assert table(study, tmp_path / "ray") == expected
    assert len(cluster.nodes) == 1
    cluster.nodes.append(cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20))


# Its arms learn from a model's own right solutions, of which an untrained one has none.
UNTRAINABLE = "midtraining/selfgen"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in names() if name != UNTRAINABLE and not name.startswith("real/")])
def test_every_study_on_ray_leaves_the_table_that_it_leaves_here(name, cluster, tmp_path, monkeypatch, runs):
    """Mutant: a reference that is not trained before what needs it, or a stage that depends on its process."""
    asked = StudySpec(name, "smoke")
    study = the_study(asked)
    began = time.monotonic()
    expected = local(study, tmp_path, monkeypatch)
    timed(f"{name} here", began)
    began = time.monotonic()
    conduct(at(study, tmp_path / "ray"), Ray(order(asked, "cpu"), None, 1), watch())
    timed(f"{name} on Ray", began)
    assert table(study, tmp_path / "ray") == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_that_cannot_be_trained_here_cannot_on_ray_for_the_same_reason(cluster, tmp_path, monkeypatch, runs):
    """Mutant: a reason lost on the way."""
    asked = StudySpec(UNTRAINABLE, "smoke", arms=("approaches 4", "no mid-training"))
    study = the_study(asked)
    with pytest.raises(ValueError, match="pool is empty") as here:
        local(study, tmp_path, monkeypatch)
    with pytest.raises(Refused) as there:
        conduct(at(study, tmp_path / "ray"), Ray(order(asked, "cpu"), None, 1), watch())
    assert str(here.value) in str(there.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_says_what_a_worker_cannot_do(cluster, mine, runs):
    """Mutant: a refusal that arrives as Ray's traceback, or is taken for a death and tried again."""
    asked = mine(3)
    wrong = dataclasses.replace(order(asked, "cpu"), code="0" * 16)
    with pytest.raises(Refused, match="other code"):
        conduct(the_study(asked), Ray(wrong, None, 1), watch())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_submitit_leaves_the_same_table_though_a_job_is_killed(mine, tmp_path, monkeypatch, runs):
    """Mutants: a killed job ends the study; it is not submitted again."""
    pytest.importorskip("submitit")
    asked = mine(400)
    study = the_study(asked)
    expected = local(study, tmp_path, monkeypatch)
    seen, began = watch(), time.monotonic()
    once_busy(runs, lambda pid: os.kill(pid, signal.SIGKILL))
    crew = Submitit(order(asked, "cpu"), "local", 2, 1, 1.0, {"timeout_min": 10})
    conduct(at(study, tmp_path / "jobs"), crew, seen)
    timed("a study through submitit, one job killed", began)
    assert "its worker died" in said(seen)
    assert table(study, tmp_path / "jobs") == expected
