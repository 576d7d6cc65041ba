"""The reproduce command: print what the study of a figure costs, do the missing runs, and draw the figure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from interlude.studies.cli.runs import planned
from interlude.studies.console import print_json
from interlude.studies.find import StudySpec, figures, the_study
from interlude.studies.price import price
from interlude.studies.refusal import Interrupted, Refused
from interlude.studies.speed import this_machine

SCALE = "nano"  # the scale of every figure


def reproduce(args, screen) -> None:
    """Runs a figure's study with its seeds, or ``--seeds``, and draws the figure from the new table only."""
    known = figures()
    if args.figure not in known:
        raise Refused(f"there is no figure {args.figure!r}; known figures: {', '.join(known)}")
    name = known[args.figure]
    seeds = ["--seeds", ",".join(map(str, args.seeds))] if args.seeds else []
    study = the_study(StudySpec(name, SCALE, args.seeds))
    runs = planned(study)["runs"]
    todo = [run for run in runs if not run["examined"]]
    hours = this_machine(study).hours(price(study).total) * len(todo) / len(runs)
    out = Path(args.out).resolve()
    if args.json:
        return print_json(
            {"figure": args.figure, "study": name, "runs": len(runs), "missing": len(todo), "hours": hours}
        )
    screen.print(
        f"{args.figure}: study {name} at {SCALE}, {len(study.arms)} arms x {len(study.seeds)} seeds\n"
        f"{len(runs) - len(todo)} of {len(runs)} runs are done in {Path(os.environ.get('INTERLUDE_RUNS', 'runs'))}; "
        f"the others take about {hours:.2g} hours in one process here (estimated from the average run)",
        highlight=False,
        soft_wrap=True,
    )
    if args.plan:
        return None
    where = {**os.environ, "INTERLUDE_RESULTS": str(out)}
    workers = ["--workers", str(args.workers)] if args.workers else []
    again = " ".join(["interlude", "reproduce", args.figure, *seeds, "--out", args.out])
    call(["interlude.studies", "run", name, "--scale", SCALE, *seeds, *workers], where, again)
    call(["interlude.studies", "show", name, "--scale", SCALE], where, again)
    call(["interlude.figures", args.figure], where, again)
    drawn = out / f"{args.figure}.svg"
    if not drawn.exists():
        raise Refused(f"{drawn} was not drawn; see the messages above")
    screen.print(f"drawn from your own runs: {drawn}", highlight=False, soft_wrap=True)


def call(words: list[str], where: dict[str, str], again: str) -> None:
    """Runs one command in a new process, as $INTERLUDE_RESULTS is read at import. Raises Refused if it fails, and
    Interrupted if it was stopped."""
    try:
        code = subprocess.run([sys.executable, "-m", *words], env=where, check=False).returncode
    except KeyboardInterrupt:
        code = 130
    if code == 130:
        raise Interrupted(f"stopped; finished work is kept. To continue: {again}")
    if code:
        raise Refused(f"`python -m {' '.join(words)}` failed with exit code {code}; see the messages above")
