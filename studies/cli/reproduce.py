"""The reproduce command: print what the studies of a figure cost, do the missing runs, and draw the figure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from interlude.studies.cli.runs import planned
from interlude.studies.console import duration, print_json
from interlude.studies.find import StudySpec, figures, the_study
from interlude.studies.price import pretrained, price, priceable
from interlude.studies.refusal import Interrupted, Refused, meant
from interlude.studies.speed import this_machine
from interlude.studies.study import Study


def reproduce(args, screen) -> None:
    """Runs a figure's studies with their seeds, or ``--seeds``, and draws the figure from the new tables only."""
    known = figures()
    if args.figure not in known:
        hint = meant(args.figure, known) or "; `interlude list` prints all, below their studies"
        raise Refused(f"there is no figure {args.figure!r}{hint}")
    priced = [cost(the_study(StudySpec(name, scale, args.seeds))) for name, scale in known[args.figure]]
    if args.json:
        return print_json({"figure": args.figure, "studies": priced})
    for one in priced:
        print_cost(args.figure, one, screen)
    if args.plan:
        return None
    out = Path(args.out).resolve()
    where = {**os.environ, "INTERLUDE_RESULTS": str(out)}
    seeds = ["--seeds", ",".join(map(str, args.seeds))] if args.seeds else []
    workers = ["--workers", str(args.workers)] if args.workers else []
    again = " ".join(["interlude", "reproduce", args.figure, *seeds, "--out", args.out])
    for one in priced:
        words = [one["study"], "--scale", one["scale"]]
        call(["interlude.studies", "run", *words, *seeds, *workers], where, again)
        call(["interlude.studies", "show", *words], where, again)
    call(["interlude.figures", args.figure], where, again)
    drawn = out / f"{args.figure}.svg"
    if not drawn.exists():
        raise Refused(f"{drawn} was not drawn; see the messages above")
    screen.print(f"drawn from your own runs: {drawn}", highlight=False, soft_wrap=True)


def cost(study: Study) -> dict:
    """A study's arms, seeds and runs, how many of these are missing, and their hours on one core here; None hours where
    the size of a model or the speed of this machine with it is not known."""
    runs = planned(study)["runs"]
    todo = sum(not run["examined"] for run in runs)
    known = priceable(study) and not pretrained(study)
    hours = this_machine(study).hours(price(study).total) * todo / len(runs) if known else None
    return {
        "study": study.name, "scale": study.scale, "arms": len(study.arms), "seeds": len(study.seeds),
        "runs": len(runs), "missing": todo, "hours": hours,
    }  # fmt: skip


def print_cost(what: str, one: dict, screen) -> None:
    """Prints what ``cost`` found, and what for."""
    took = "an unknown time" if one["hours"] is None else f"about {duration(3600 * one['hours'])}"
    screen.print(
        f"{what}: study {one['study']} at {one['scale']}, {one['arms']} arms x {one['seeds']} seeds\n"
        f"{one['runs'] - one['missing']} of {one['runs']} runs are done in "
        f"{Path(os.environ.get('INTERLUDE_RUNS', 'runs'))}; "
        f"the others take {took} in one process here (estimated from the average run)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


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
