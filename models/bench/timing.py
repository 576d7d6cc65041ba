"""Two sides take turns at the same work; each turn is timed, with the load of the rest of the machine."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interlude.models.lazy import torch

STAT = Path("/proc/stat")
BUSY_FIELDS = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal; guests are part of user and nice

Side = Callable[[], float]  # does some work and returns how much it was


def machine_busy() -> float | None:
    """CPU seconds that all processes together have used since the machine started; None where nobody counts them.

    The counters have a resolution of one tick (10 ms on Linux). A sandbox that shows only zeros does not count.
    """
    if not STAT.exists():
        return None
    fields = STAT.read_text().split("\n", 1)[0].split()[1:]
    ticks = sum(int(fields[i]) for i in BUSY_FIELDS if i < len(fields))
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else None


def nothing() -> None:
    """On the CPU all work is done when a call returns."""


@dataclass(frozen=True)
class Clock:
    """Where time is read from; tests put their own in its place.

    cpu: CPU seconds of this process with all its threads. wall: seconds. busy: CPU seconds of the whole machine, or
    None. load: processes that want to run, averaged over a minute. finish: waits for work that was only launched.
    """

    cpu: Callable[[], float] = time.process_time
    wall: Callable[[], float] = time.perf_counter
    busy: Callable[[], float | None] = machine_busy
    load: Callable[[], float] = lambda: os.getloadavg()[0]
    finish: Callable[[], None] = nothing


def clock(device: str) -> Clock:
    """The clock for work on this device."""
    return Clock() if device == "cpu" else Clock(finish=lambda: torch.cuda.synchronize(device))


@dataclass(frozen=True)
class Turn:
    """One turn of one side: the amount of work, CPU seconds of this process, seconds on the wall, and the CPU seconds
    that other processes took meanwhile (None where nobody counts them)."""

    amount: float
    cpu: float
    wall: float
    others: float | None

    def rate(self, device: str) -> float:
        """Work per CPU second on the CPU, where waiting for a busy core must not count; per second on a GPU, whose
        time the CPU does not see."""
        return self.amount / (self.cpu if device == "cpu" else self.wall)


def timed(side: Side, clock: Clock) -> Turn:
    """One turn."""
    clock.finish()
    busy, cpu, wall = clock.busy(), clock.cpu(), clock.wall()
    amount = side()
    clock.finish()
    wall, cpu, after = clock.wall() - wall, clock.cpu() - cpu, clock.busy()
    others = None if busy is None or after is None else max(0.0, after - busy - cpu)
    return Turn(amount, cpu, wall, others)


def race(
    sides: dict[str, Side], clock: Clock, seconds: float, rounds: int, threads: int = 1
) -> dict[str, tuple[Turn, ...]]:
    """The turns of each side. Each has a warm-up first, which does not count.

    Sides alternate, in turned order every other round, so that a change of the machine's speed meets all of them, and
    turn n of one side may be compared with turn n of another. It ends after ``rounds`` rounds or once all sides
    together had ``seconds`` each, whichever is later.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    order = list(sides)
    with quiet(threads):
        for name in order:
            sides[name]()
        began = clock.wall()
        while len(turns[order[0]]) < rounds or clock.wall() - began < seconds * len(sides):
            for name in order:
                turns[name].append(timed(sides[name], clock))
            order.reverse()
            gc.collect()
    return {name: tuple(found) for name, found in turns.items()}


@contextmanager
def quiet(threads: int) -> Iterator[None]:
    """No garbage collection and exactly so many torch threads inside; both as before outside.

    What lives already is frozen, so that a side which collects by itself does not search all sides' objects.
    """
    before, collecting = torch.get_num_threads(), gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        gc.unfreeze()
        if collecting:
            gc.enable()
