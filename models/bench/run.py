"""The bench: its parts measured one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from interlude.models.bench import exam, problems, rl, sample, train
from interlude.models.bench.machine import describe
from interlude.models.bench.report import Report, lines
from interlude.models.bench.workload import Setup, Workload

PARTS = {
    "problems": problems.races, "train": train.races, "sample": sample.races, "rl": rl.races, "exam": exam.races,
}  # fmt: skip


def say(line: str) -> None:
    """Progress goes to standard error, so that JSON on standard output stays whole."""
    print(line, file=sys.stderr, flush=True)


def bench(
    work: Workload, setup: Setup, parts: tuple[str, ...] = tuple(PARTS), note: Callable[[str], None] = say
) -> Report:
    """Measure these parts. note: is given each result, in words, as it comes. torch's threads and random state are left
    as they were found. At Ctrl-C the report is of what was measured by then. Raises ValueError for an unknown part."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ValueError(f"parts must be among {', '.join(PARTS)}, got {unknown[0]!r}")
    machine = describe(setup)  # first, as the load at the start is not ours
    races, stopped = [], False
    try:
        for part in parts:
            with torch.random.fork_rng(devices=[]):
                for race in PARTS[part](work, setup):
                    races.append(race)
                    for line in lines(race, setup.busy):
                        note(line.sentence())
    except KeyboardInterrupt:
        stopped = True
    return Report(machine, tuple(races), setup.busy, stopped)
