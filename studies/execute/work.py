"""What a worker is given, what it does with a task of a plan, and what it returns, wherever it runs."""

from __future__ import annotations

import json
import os
import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from interlude.models.native import choice
from interlude.models.provenance import code
from interlude.models.recipe import root
from interlude.models.train import Machine
from interlude.studies.execute.tasks import POLL, Task, perform, tasks
from interlude.studies.find import StudySpec, the_study
from interlude.studies.refusal import Refused, expected, sentence

RESULT, STOPPED, REFUSED, BUG = "done", "stopped", "refused", "bug"  # what a task comes to

Answer = tuple[str, str]  # what a task came to, and for REFUSED and BUG why


@dataclass(frozen=True)
class Order:
    """What a worker is given beside its task's name: how to build the same plan, where runs lie, and with what.

    stop: a file whose presence asks workers to save and return. kernels: $INTERLUDE_KERNELS, as where one machine has
    compiled kernels and another has not, a stage could not be moved. code: the digest the worker's code must have.
    """

    spec: StudySpec
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
        lists = {name: None if row["spec"][name] is None else tuple(row["spec"][name]) for name in ("seeds", "arms")}
        return Order(**row | {"spec": StudySpec(**row["spec"] | lists)})


def order(spec: StudySpec, device: str) -> Order:
    """The order for a plan, in words that hold on every machine that mounts the run folder."""
    runs = root().resolve()
    runs.mkdir(parents=True, exist_ok=True)
    return Order(spec.absolute(), str(runs), str(runs / f".stop-{secrets.token_hex(8)}"), device)


@cache
def workplace(text: str) -> tuple[Order, dict[str, Task]]:
    """An order and its tasks by name, where $INTERLUDE_RUNS is its own.

    Raises Refused if this worker's code is not that of the command that gave the order."""
    ordered = Order.of(text)
    if code() != ordered.code:
        raise Refused("a worker has other code (models/ or synth/) than the command that sent it; install the same")
    return ordered, {task.name: task for task in tasks(the_study(ordered.spec))}


def work(text: str, name: str, threads: int, heartbeat: Callable[[], None] = lambda: None) -> str:
    """Do one task of an order in this process: RESULT, or STOPPED once it was saved because somebody asked.

    ``heartbeat`` is called after every step, and while the task waits for another command; it raises KeyboardInterrupt
    to end the task. A task that cannot be done raises Refused; anything else is a bug.
    """
    try:
        row = json.loads(text)
        os.environ |= {"INTERLUDE_RUNS": row["runs"], "INTERLUDE_KERNELS": row["kernels"]}
        ordered, known = workplace(text)
        asked = [0.0]

        def stop_if_asked(*_) -> None:
            heartbeat()
            now = time.monotonic()
            if now - asked[0] >= POLL:  # a look at a shared disk is not free
                asked[0] = now
                if os.path.exists(ordered.stop):
                    raise KeyboardInterrupt

        if name not in known:
            raise Refused(
                f"a worker has no task {name}: a file of the study, its methods or its scale was edited after the "
                "command was given, or is another one where the worker runs; give the command again"
            )
        perform(known[name], Machine(device=ordered.device, threads=threads), stop_if_asked, stop_if_asked)
    except KeyboardInterrupt:
        return STOPPED
    except Exception as error:
        if expected(error):
            raise Refused(sentence(error)) from None
        raise
    return RESULT


def answer(text: str, name: str, threads: int, heartbeat: Callable[[], None] = lambda: None) -> Answer:
    """``work`` for a worker whose words go through a pipe or a file: nothing is raised."""
    try:
        return work(text, name, threads, heartbeat), ""
    except Refused as reason:
        return REFUSED, str(reason)
    except Exception:
        return BUG, traceback.format_exc()


def outcome(answered: Answer) -> str:
    """RESULT or STOPPED. Raises Refused with a worker's reason, and RuntimeError for a bug."""
    kind, text = answered
    if kind == REFUSED:
        raise Refused(text)
    if kind == BUG:
        raise RuntimeError(f"in a worker:\n{text}")
    return kind


# --- those who have workers ------------------------------------------------------------------------------------------


class Died(Exception):
    """A worker ended without an answer; what it did since its last save is to be done again."""


class Crew(Protocol):
    """Workers, wherever they are. ``capacity``: tasks at once."""

    capacity: int

    def begin(self, task: Task, threads: int) -> Any:
        """Hand out a task; returns what ``poll`` is asked with."""

    def poll(self, handle: Any) -> str | None:
        """RESULT, STOPPED, or None while it goes on. Raises Died, Refused or the worker's own error."""

    def stop(self) -> None:
        """Ask everybody to save and return."""

    def close(self) -> None:
        """End everybody, at once."""


class Cluster:
    """What crews share whose workers have only the run folder in common with this process. threads: of every task."""

    def __init__(self, order: Order, threads: int | None) -> None:
        self.order, self.threads = order, threads or 1

    def stop(self) -> None:
        """Workers look for this file."""
        Path(self.order.stop).touch()

    def close(self) -> None:
        Path(self.order.stop).unlink(missing_ok=True)
