"""A study's plan cut into tasks: shared beginnings first and once, then every run with its exams.

Naming a folder hashes a whole recipe, so a task keeps its folders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interlude.models.files import DONE, Busy, lock
from interlude.models.key import remembering
from interlude.models.recipe import Recipe, dependencies
from interlude.models.train import Machine
from interlude.studies.exam import cached_result, kept_at
from interlude.studies.run import Observe, train_or_load
from interlude.studies.study import Run, Study, plan

POLL = 1.0  # seconds between looks at what others have done


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
        trained = not self.stages or (self.folder / DONE).exists()  # a model as it is has no stage
        return trained and all(path.exists() for path in self.results)

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
        own = chain[-1][1] if chain else run.recipe.folder
        needs = tuple(folder for _, folder in chain if folder in first and folder != own)
        results = tuple(kept_at(run.recipe, exam) for exam in run.exams)
        name = f"{own.name} {run.seed} {run.arm}"
        found.append(Task(name, run.recipe, own, chain, needs, run, results))
    return found


def perform(task: Task, machine: Machine, observe: Observe | None, waiting: Callable[[], None] = lambda: None) -> None:
    """Do one task here. Another command may be at the same: then this one waits for it, and calls ``waiting`` every
    second, which may raise to end that."""
    lm = train_or_load(task.recipe, machine, observe, waiting)
    if task.run is not None:
        where = task.folder / "exams"
        where.mkdir(parents=True, exist_ok=True)
        with turn(where, waiting):
            for exam in task.run.exams:
                cached_result(task.recipe, exam, lm)


@contextmanager
def turn(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a folder for the block, after whoever holds it now; ``waiting`` as in ``perform``."""
    while True:
        try:
            held = lock(folder)
            held.__enter__()
            break
        except Busy:
            time.sleep(POLL)
            waiting()
    try:
        yield
    finally:
        held.__exit__(None, None, None)
