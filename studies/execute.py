"""Execute a study's plan: in this process, in worker processes, on a Ray cluster or through Slurm, to the same table.

A plan is cut into tasks: one for every shared beginning (a base or a reference that several runs have), trained first
and once, and one for every run. The process that was started by the user hands tasks out, follows the logs in the run
folder and alone writes the table; a task that died with its worker is handed out again and goes on from its last save.

On several machines ``$INTERLUDE_RUNS`` must be one folder that all of them mount: models and exam results are handed
over there and nowhere else. Assumed of it are atomic renames, hard links, fsync, and flock(2) that reaches across
machines (NFS 4, or 3 with lockd; Lustre with -o flock; see ``models.files``). A new file may take as long as VISIBLE to
be seen elsewhere, as NFS caches folders. Numbers are equal byte for byte where processors, libraries and kernels are
alike; with INTERLUDE_KERNELS=torch a stage may go on where no compiler is.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from interlude.models.files import DONE, Busy, lock
from interlude.models.key import remembering
from interlude.models.native import choice
from interlude.models.provenance import code
from interlude.models.recipe import Recipe, dependencies, root
from interlude.models.train import Machine
from interlude.studies.console import Stop, Watch
from interlude.studies.exam import cached_result, kept_at
from interlude.studies.find import Wanted, the_study
from interlude.studies.price import cores
from interlude.studies.refusal import Refused, expected, sentence
from interlude.studies.run import Observe, train_or_load
from interlude.studies.study import Run, Study, examine, keep, plan, wasted

POLL = 1.0  # seconds between looks at what workers have done
RETRIES = 3  # times a task is handed out again after its worker died
VISIBLE = 90.0  # seconds in which what a worker wrote must be seen here
GRACE = 120.0  # seconds that workers have to save after Ctrl-C
RESULT, STOPPED = "done", "stopped"  # what a task comes to


# --- what there is to do ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A recipe to train, and, if it is a run's, exams to take. ``needs``: folders of the shared beginnings that come
    first. Naming a folder hashes a whole recipe, so it is done once."""

    name: str
    recipe: Recipe
    folder: Path
    stages: tuple[tuple[Recipe, Path], ...]
    needs: tuple[Path, ...]
    run: Run | None = None
    results: tuple[Path, ...] = ()

    @property
    def ready(self) -> bool:
        return all((folder / DONE).exists() for folder in self.needs)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return (self.folder / DONE).exists() and all(path.exists() for path in self.results)

    @property
    def waiting(self) -> Iterator[tuple[Recipe, Path]]:
        """The stages that are not finished."""
        return ((recipe, folder) for recipe, folder in self.stages if not (folder / DONE).exists())

    def __str__(self) -> str:
        return f"seed {self.recipe.seed}, {self.run.arm if self.run else 'shared ' + self.folder.name}"


@remembering()
def tasks(study: Study) -> list[Task]:
    """The tasks of a plan in its order, each after the shared beginnings that it needs.

    Of shared stages that the same runs share, only the last is a task: it trains those before it.
    """
    runs = plan(study)
    chains = [tuple((recipe, recipe.folder) for recipe in dependencies(run.recipe)) for run in runs]
    users: dict[Path, list[int]] = {}
    for nth, chain in enumerate(chains):
        for _, folder in chain:
            users.setdefault(folder, []).append(nth)
    shared: dict[Path, tuple[tuple[Recipe, Path], ...]] = {}
    for chain in chains:
        for recipe, folder in chain:
            if len(users[folder]) > 1 and folder not in shared:
                inner = {each.folder for each in dependencies(recipe)}
                shared[folder] = tuple(pair for pair in chain if pair[1] in inner)
    covered = {inner for folder, chain in shared.items() for _, inner in chain[:-1] if users[inner] == users[folder]}
    first = {folder: chain for folder, chain in shared.items() if folder not in covered}
    found, listed = [], set()
    for run, chain in zip(runs, chains, strict=True):
        for recipe, folder in chain:
            if folder in first and folder not in listed:
                listed.add(folder)
                needs = tuple(each for _, each in first[folder][:-1] if each in first)
                found.append(Task(folder.name, recipe, folder, first[folder], needs))
        needs = tuple(folder for _, folder in chain if folder in first and folder != chain[-1][1])
        results = tuple(kept_at(run.recipe, exam) for exam in run.exams)
        name = f"{run.recipe.folder.name} {run.seed} {run.arm}"
        found.append(Task(name, run.recipe, chain[-1][1], chain, needs, run, results))
    return found


def perform(task: Task, machine: Machine, observe: Observe | None) -> None:
    """Do one task here. Another command may be at the same: then this one waits for it."""
    lm = train_or_load(task.recipe, machine, observe)
    if task.run is not None:
        where = task.folder / "exams"
        where.mkdir(exist_ok=True)
        with turn(where):
            for exam in task.run.exams:
                cached_result(task.recipe, exam, lm)


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Hold a folder for the block, after whoever holds it now."""
    while True:
        try:
            held = lock(folder)
            held.__enter__()
            break
        except Busy:
            time.sleep(POLL)
    try:
        yield
    finally:
        held.__exit__(None, None, None)


# --- here ------------------------------------------------------------------------------------------------------------


def here(study: Study, machine: Machine, watch: Watch) -> None:
    """Train and examine run by run in this process."""
    runs = plan(study)
    finished, todo = [run for run in runs if run.examined], [run for run in runs if not run.examined]
    if finished:
        keep(study, *finished)
    for nth, run in enumerate(todo, start=1):
        examine(study, run, machine, watch.observe, watch.note)
        watch.stop.training = False
        warn(run, watch)
        # Arms that share their models finish together; planning anew would hash every recipe again.
        watch.runs_done(len(finished) + nth + sum(each.examined for each in todo[nth:]))


def warn(run: Run, watch: Watch) -> None:
    for said in wasted(run):
        watch.note(f"warning: {said}")


# --- elsewhere -------------------------------------------------------------------------------------------------------


class Died(Exception):
    """A worker ended without an answer; what it did since its last save is to be done again."""


class Crew(Protocol):
    """Workers, wherever they are. ``most``: tasks at once."""

    most: int

    def begin(self, task: Task, threads: int) -> Any:
        """Hand out a task; returns what ``poll`` is asked with."""

    def poll(self, handle: Any) -> str | None:
        """RESULT, STOPPED, or None while it goes on. Raises Died, Refused or the worker's own error."""

    def stop(self) -> None:
        """Ask everybody to save and return."""

    def close(self) -> None:
        """End everybody, at once."""


@dataclass(frozen=True)
class Order:
    """What a worker is told beside its task's name: how to build the same plan, where runs lie, and with what.

    stop: a file whose presence asks workers to save and return. kernels: $INTERLUDE_KERNELS, as where one machine has
    compiled kernels and another has not, a stage could not be moved. code: the digest the worker's code must have.
    """

    wanted: Wanted
    runs: str
    stop: str
    device: str = "cpu"
    kernels: str = field(default_factory=choice)
    code: str = field(default_factory=code)

    @property
    def text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str) -> Order:
        row = json.loads(text)
        lists = {
            name: None if row["wanted"][name] is None else tuple(row["wanted"][name]) for name in ("seeds", "arms")
        }
        return Order(**row | {"wanted": Wanted(**row["wanted"] | lists)})


def order(wanted: Wanted, device: str) -> Order:
    """The order for a plan, in words that hold on every machine that mounts the run folder."""
    runs = root().resolve()
    runs.mkdir(parents=True, exist_ok=True)
    return Order(wanted.absolute(), str(runs), str(runs / f".stop-{secrets.token_hex(8)}"), device)


def conduct(study: Study, crew: Crew, watch: Watch) -> None:
    """Hand out the tasks of a plan until all are complete, and keep the table; this process alone writes it.

    A task that cannot be done (a loss that diverged) does not stop the others: it is told at the end. Raises Refused
    for it, or after a task's worker died too often.
    """
    watch.stop.training = True  # the first Ctrl-C is passed on, and waits until every worker has saved
    every = tasks(study)
    todo = [task for task in every if not task.complete]
    total = sum(task.run is not None for task in every)
    store(study, [task for task in every if task.run is not None and task not in todo], watch)
    running: dict[Task, Any] = {}
    deaths: Counter[str] = Counter()
    failed: dict[Task, str] = {}
    seen: dict[Path, int] = {}
    shown: dict[Path, Recipe] = {}  # stages that are, or were just now, in training
    try:
        while todo or running:
            finished = []
            for task, handle in list(running.items()):
                try:
                    outcome = crew.poll(handle)
                except Died as death:
                    deaths[task.name] += 1
                    if deaths[task.name] > RETRIES:
                        raise Refused(f"{task}: its worker died {deaths[task.name]} times ({death})") from death
                    watch.note(f"{task}: its worker died ({death}); it is begun again from its last save")
                    outcome = STOPPED
                except Refused as reason:
                    failed[task] = str(reason)
                    watch.note(f"{task}: {reason}")
                    del running[task]
                    continue
                if outcome is not None:
                    follow(shown, seen, watch)  # before what is finished leaves the screen
                    del running[task]
                    finished += [task] if outcome == RESULT else []
                    todo = todo if outcome == RESULT else [task, *todo]
            confirm(finished)
            store(study, [task for task in finished if task.run is not None], watch)
            lost = {task.folder for task in failed}
            for task in [task for task in todo if lost & set(task.needs)]:
                todo.remove(task)
                failed[task] = "what it begins with failed"
            watch.stop.check()
            for task in [task for task in todo if task.ready]:
                if len(running) < crew.most:
                    todo.remove(task)
                    alone = not running and not any(each.ready for each in todo)
                    running[task] = crew.begin(task, cores() if alone else 1)
            if todo and not running:
                raise Refused(f"{todo[0]} begins with {todo[0].needs[0]}, which was there and is gone")
            follow(shown, seen, watch)
            shown = {folder: recipe for task in running for recipe, folder in task.waiting}
            left = {task for task in (*todo, *running, *failed) if task.run is not None}
            watch.runs_done(total - len(left))
            time.sleep(POLL if running else 0)
    except KeyboardInterrupt:
        crew.stop()
        settle(crew, running)
        raise
    finally:
        crew.close()
    if failed:
        task, reason = next(iter(failed.items()))
        others = f", and {len(failed) - 1} more failed" if len(failed) > 1 else ""
        raise Refused(f"{task}: {reason}{others}")


def settle(crew: Crew, running: dict[Task, Any]) -> None:
    """Wait until every worker has saved and returned, or GRACE is over."""
    end, waiting = time.monotonic() + GRACE, list(running.values())
    while waiting and time.monotonic() < end:
        for handle in list(waiting):
            with suppress(Died, Refused):
                if crew.poll(handle) is None:
                    continue
            waiting.remove(handle)
        time.sleep(0.1)


def confirm(finished: list[Task]) -> None:
    """Raises Refused if what a worker says it wrote is not seen here."""
    end = time.monotonic() + VISIBLE
    for task in finished:
        while not task.complete:
            if time.monotonic() > end:
                raise Refused(
                    f"{task}: a worker finished it, but {task.folder} does not show it here; $INTERLUDE_RUNS must be "
                    "one folder that every machine mounts"
                )
            time.sleep(POLL)


def store(study: Study, finished: list[Task], watch: Watch) -> None:
    """Keep the rows of finished runs, and say so."""
    if finished:
        keep(study, *(task.run for task in finished))
    for task in finished:
        watch.note(f"{task}: done")
        warn(task.run, watch)


def follow(stages: dict[Path, Recipe], seen: dict[Path, int], watch: Watch) -> None:
    """Show the last line of each log that has grown."""
    for folder, recipe in stages.items():
        path = folder / "log.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if size == seen.get(path, 0):
            continue
        seen[path] = size
        with path.open("rb") as file:
            file.seek(max(0, size - 4096))
            lines = file.read().split(b"\n")[:-1]  # what follows the last newline is still being written
        with suppress(ValueError, KeyError, TypeError, IndexError):  # only shown: whoever trains checks the log
            line = json.loads(lines[-1])
            name = f"{type(recipe.stages[-1]).__name__} seed {recipe.seed} {folder.name[-12:]}"
            watch.draw(name, recipe.stages[-1].progress(line["step"], line["flops"]), line)


@cache
def workplace(text: str) -> tuple[Order, dict[str, Task]]:
    """An order and its tasks by name, where $INTERLUDE_RUNS is its own.

    Raises Refused if this worker's code is not that of the command that gave the order."""
    ordered = Order.of(text)
    if code() != ordered.code:
        raise Refused("a worker has other code (models/ or synth/) than the command that sent it; install the same")
    return ordered, {task.name: task for task in tasks(the_study(ordered.wanted))}


def work(text: str, name: str, threads: int, heartbeat: Callable[[], None] = lambda: None) -> str:
    """Do one task of an order in this process: RESULT, or STOPPED once it was saved because somebody asked.

    ``heartbeat`` is called after every step and raises KeyboardInterrupt to end it. A task that cannot be done raises
    Refused; anything else is a bug.
    """
    try:
        row = json.loads(text)
        os.environ |= {"INTERLUDE_RUNS": row["runs"], "INTERLUDE_KERNELS": row["kernels"]}
        ordered, known = workplace(text)
        asked = [0.0]

        def observe(*_) -> None:
            heartbeat()
            now = time.monotonic()
            if now - asked[0] >= POLL:  # a look at a shared disk is not free
                asked[0] = now
                if os.path.exists(ordered.stop):
                    raise KeyboardInterrupt

        perform(known[name], Machine(device=ordered.device, threads=threads), observe)
    except KeyboardInterrupt:
        return STOPPED
    except Exception as error:
        if expected(error):
            raise Refused(sentence(error)) from None
        raise
    return RESULT


# --- worker processes ------------------------------------------------------------------------------------------------


class Worker:
    """A process on this machine that does one task after another. It is in a session of its own, so that a terminal's
    Ctrl-C reaches it only through the one who hired it, and ends with that one."""

    def __init__(self, order: Order) -> None:
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "interlude.studies.execute", str(os.getpid()), order.text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "INTERLUDE_RUNS": order.runs},
        )
        self.busy = False

    def begin(self, name: str, threads: int) -> None:
        self.busy = True
        with suppress(BrokenPipeError):  # it died: the next poll says so
            self.process.stdin.write(json.dumps([name, threads]).encode() + b"\n")
            self.process.stdin.flush()

    def poll(self) -> str | None:
        if not select.select([self.process.stdout], [], [], 0)[0]:
            return None
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            self.said.seek(max(0, self.said.tell() - 2000))
            last = self.said.read().decode(errors="replace").strip().split("\n")[-1]
            raise Died(f"exit code {self.process.returncode}{', ' if last else ''}{last}")
        self.busy = False
        kind, text = json.loads(answer)
        if kind == "refused":
            raise Refused(text)
        if kind == "bug":
            raise RuntimeError(f"in a worker:\n{text}")
        return kind

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdout, self.said):
            file.close()
        with suppress(BrokenPipeError):
            self.process.stdin.close()


class Processes:
    """Worker processes on this machine, hired when there is something to do."""

    def __init__(self, order: Order, count: int, threads: int | None = None) -> None:
        self.order, self.most, self.threads = order, count, threads
        self.workers: list[Worker] = []

    def begin(self, task: Task, threads: int) -> Worker:
        """``threads`` is what a task may use that is alone at the moment; the number of threads changes no bit."""
        worker = next((each for each in self.workers if not each.busy), None)
        if worker is None:
            worker = Worker(self.order)
            self.workers.append(worker)
        worker.begin(task.name, self.threads or threads)
        return worker

    def poll(self, handle: Worker) -> str | None:
        try:
            return handle.poll()
        except Died:
            self.workers.remove(handle)
            handle.end()
            raise

    def stop(self) -> None:
        for worker in self.workers:
            worker.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers.clear()


def serve(parent: int, text: str) -> None:
    """What a worker process does: read [task, threads], do it, answer [kind, text]; until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that prints can spoil an answer
    stop = Stop()
    signal.signal(signal.SIGINT, stop)

    def heartbeat() -> None:
        stop.check()
        if os.getppid() != parent:  # whoever could stop this is gone
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt, BrokenPipeError):
        for line in iter(sys.stdin.readline, ""):
            name, threads = json.loads(line)
            stop.training = True
            try:
                answer = work(text, name, threads, heartbeat), ""
            except Refused as reason:
                answer = "refused", str(reason)
            except Exception:
                answer = "bug", traceback.format_exc()
            stop.training = False
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
            stop.check()


# --- clusters --------------------------------------------------------------------------------------------------------


class Ray:
    """Tasks of a Ray cluster, which finds each a machine with the cores and the GPU that it needs."""

    most = sys.maxsize

    def __init__(self, order: Order, address: str | None, threads: int | None) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise Refused("--executor ray needs Ray: pip install 'interlude[ray]'") from error
        self.ray, self.order, self.threads = ray, order, threads or 1
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level="error")
            self.mine = True
        else:
            self.mine = False
        needs = {"num_cpus": self.threads, "num_gpus": int(order.device.startswith("cuda"))}
        # Ray's own retries are off: a task is handed out again here, whatever it died of, so many times and no more.
        self.task = ray.remote(max_retries=0, **needs)(on_ray)

    def begin(self, task: Task, threads: int) -> Any:
        return self.task.remote(self.order.text, task.name, self.threads)

    def poll(self, handle: Any) -> str | None:
        from ray.exceptions import RayError, RayTaskError

        if not self.ray.wait([handle], timeout=0)[0]:
            return None
        try:
            kind, text = self.ray.get(handle)
        except RayTaskError as error:
            raise RuntimeError(f"in a Ray worker:\n{error}") from error
        except RayError as error:  # its process, its machine or its memory
            raise Died(f"{type(error).__name__}") from error
        if kind == "refused":
            raise Refused(text)
        return kind

    def stop(self) -> None:
        Path(self.order.stop).touch()

    def close(self) -> None:
        if self.mine:
            self.ray.shutdown()
        Path(self.order.stop).unlink(missing_ok=True)


def on_ray(text: str, name: str, threads: int) -> tuple[str, str]:
    """A task in a Ray worker."""
    try:
        return work(text, name, threads), ""
    except Refused as reason:
        return "refused", str(reason)


class Submitit:
    """Jobs of Slurm, or, to try that out, of processes on this machine that are handled in the same way."""

    def __init__(
        self, order: Order, cluster: str, most: int, threads: int | None, gigabytes: float, options: dict[str, Any]
    ) -> None:
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise Refused(f"--executor {cluster} needs submitit: pip install 'interlude[slurm]'") from error
        self.order, self.most, self.threads = order, most, threads or 1
        self.failures = submitit.core.utils.UncompletedJobError
        self.executor = submitit.AutoExecutor(folder=Path(order.runs) / ".submitit", cluster=cluster)
        gpus = {"gpus_per_node": 1} if order.device.startswith("cuda") else {}
        self.executor.update_parameters(
            cpus_per_task=self.threads, mem_gb=gigabytes, name="interlude", **gpus, **options
        )
        self.jobs: list[Any] = []

    def begin(self, task: Task, threads: int) -> Any:
        job = self.executor.submit(Job(self.order.text, task.name, self.threads))
        self.jobs.append(job)
        return job

    def poll(self, handle: Any) -> str | None:
        if not handle.done():
            return None
        self.jobs.remove(handle)
        try:
            kind, text = handle.result()
        except self.failures as error:  # killed, out of memory, out of time, its machine lost
            raise Died(str(error).strip().split("\n")[0]) from error
        if kind == "refused":
            raise Refused(text)
        return kind

    def stop(self) -> None:
        Path(self.order.stop).touch()

    def close(self) -> None:
        for job in self.jobs:
            job.cancel()
        Path(self.order.stop).unlink(missing_ok=True)


@dataclass(frozen=True)
class Job:
    """A task as a job: called where it runs, and again where Slurm moves it after a time-out or preemption."""

    text: str
    name: str
    threads: int

    def __call__(self) -> tuple[str, str]:
        return on_ray(self.text, self.name, self.threads)

    def checkpoint(self) -> Any:
        """What submitit submits again: the same, which goes on from its last save."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
