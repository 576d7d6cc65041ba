"""Do a plan: run by run in this process, or by handing its tasks to workers, while it keeps the table.

On several machines ``$INTERLUDE_RUNS`` must be one folder that all of them mount: models and exam results are handed
over there and nowhere else. Assumed of it are atomic renames, hard links, fsync, and flock(2) that reaches across
machines (NFS 4, or 3 with lockd; Lustre with -o flock; see ``models.files``). A new file may take as long as VISIBLE to
be seen elsewhere, as NFS caches folders. Numbers are equal byte for byte where processors, libraries and kernels are
alike; with INTERLUDE_KERNELS=torch a stage may go on where no compiler is.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from interlude.models.recipe import Recipe
from interlude.models.train import Machine
from interlude.studies.console import Watch
from interlude.studies.execute.tasks import POLL, Task, tasks
from interlude.studies.execute.work import RESULT, STOPPED, Crew, Died
from interlude.studies.price import cores
from interlude.studies.refusal import Refused
from interlude.studies.study import Run, Study, examine, keep, plan, wasted

RETRIES = 3  # times a task is handed out again after its worker died
VISIBLE = 90.0  # seconds in which what a worker wrote must be seen here
GRACE = 120.0  # seconds that workers have to save after Ctrl-C


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
    """Prints a warning for everything that a finished run wasted."""
    for said in wasted(run):
        watch.note(f"warning: {said}")


def conduct(study: Study, crew: Crew, watch: Watch) -> None:
    """Hand out the tasks of a plan until all are complete, and keep the table; this process alone writes it.

    A task that cannot be done (a loss that diverged) does not stop the others: it is reported at the end. Raises
    Refused for it, or after a task's worker died too often.
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
                if len(running) < crew.capacity:
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
