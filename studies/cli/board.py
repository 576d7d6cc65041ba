"""The command that prints the board of mid-training methods, and tries a user's own method against its controls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from interlude.models.stage import Stage
from interlude.models.train import Machine
from interlude.studies import board, results
from interlude.studies import console as show_
from interlude.studies.cli.read import print_tables
from interlude.studies.cli.runs import interruptible
from interlude.studies.console import print_json
from interlude.studies.execute.conduct import here
from interlude.studies.find import bands, loaded, scale_named
from interlude.studies.midtraining import leaderboard as arena
from interlude.studies.refusal import Refused
from interlude.studies.scales import Scale
from interlude.studies.study import Study, check_budget, measured, plan
from interlude.studies.verdicts import decide

FIRST = 3  # seeds of the board that a user's method is tried with, unless others are asked for


def leaderboard(args, screen) -> None:
    scale = scale_named(args.scale)
    if args.method:
        study, claims = tried(args, scale)
        run(study, show_.console(sys.stderr) if args.json else screen)
    else:
        study, claims = arena.study(scale), arena.CLAIMS
        if not results.path(study.name, study.scale).exists():
            raise Refused(
                f"the board has not been run at scale {args.scale}: interlude run {study.name} --scale {args.scale}"
            )
    found, spans = measured(study), bands(args.scale)
    names = [arm.name for arm in study.arms if not arm.name.endswith(" + RL")]
    scores = [(name, arena.OPENED if name in arena.OPENS else arena.FREE) for name in names]
    made = board.rows(found, decide(claims, found, spans), spans, scores, arena.BANDS)
    if args.json:
        return print_json(made)
    seeds = ", ".join(map(str, found.seeds))
    screen.print(Text.assemble((f"{study.name} at {study.scale}, seeds {seeds}\n", "bold"), study.rule))
    print_tables(screen, board.tables(made))


def tried(args, scale: Scale) -> tuple[Study, tuple]:
    """A study of the user's method and of the controls, which run beside it so that pairs are of one machine. Its table
    lies in the folder ``results`` beside the method's file."""
    path, _, name = args.method.rpartition(":")
    made = vars(loaded(Path(path))).get(name) if path else None
    if not callable(made):
        raise Refused(f"--method {args.method}: must be FILE.py:NAME, a function (scale, flops) of that file")
    if name in arena.ROWS:
        raise Refused(f"--method {args.method}: the board has a method of this name; rename the function")
    rows = {each: arena.ROWS[each] for each in arena.CONTROL} | {name: stages_of(made, args.method)}
    study = arena.study(scale, rows)
    kept = tuple(arm for arm in study.arms if arm.name.removesuffix(" + RL") in rows)
    seeds = args.seeds or study.seeds[:FIRST]
    study = replace(study, name=f"leaderboard_{name}", arms=kept, seeds=seeds)
    return replace(study, results=Path(path).resolve().parent / "results"), arena.claims(name)


def stages_of(made: Callable, where: str) -> Callable[[Scale, float], tuple[Stage, ...]]:
    """A user's method as the board has its own: one stage or several. Raises Refused where it gives anything else."""

    def row(scale: Scale, flops: float) -> tuple[Stage, ...]:
        found = made(scale, flops)
        found = (found,) if isinstance(found, Stage) else found
        if not isinstance(found, tuple) or not found or not all(isinstance(each, Stage) for each in found):
            raise Refused(f"--method {where}: must return a Stage or a tuple of them, got {found!r}")
        return found

    return row


def run(study: Study, screen) -> None:
    """Train and examine what is missing, in this process."""
    runs = plan(study)
    check_budget(study, runs)
    with interruptible("the same command") as stop, show_.Watch(screen, len(runs), stop) as watch:
        here(study, Machine(), watch)
        check_budget(study, plan(study))
