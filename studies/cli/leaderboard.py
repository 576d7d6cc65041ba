"""The leaderboard command: print the comparison of mid-training methods, or add a method of your own."""

from __future__ import annotations

import inspect
import math
import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from interlude.models.policy_gradient import Policy
from interlude.models.stage import Stage
from interlude.models.stages.midtrain import Midtrain
from interlude.models.train import Machine
from interlude.studies import console as show_
from interlude.studies import results
from interlude.studies.board import CONTROL, FREE, NOTES, OPENED, OPENS, RANKED, THEN, claims, rows, tables
from interlude.studies.cli.read import print_tables
from interlude.studies.cli.reproduce import cost, print_cost
from interlude.studies.cli.runs import check_writable, entry, interruptible
from interlude.studies.console import print_json
from interlude.studies.execute.conduct import here
from interlude.studies.find import bands, defined, scale_named
from interlude.studies.methods import Row, alike, arena
from interlude.studies.midtraining import confirmation
from interlude.studies.midtraining import leaderboard as board
from interlude.studies.places import COMMITTED
from interlude.studies.refusal import Refused
from interlude.studies.study import Study, check_budget, measured, plan
from interlude.studies.verdicts import Claim, Measured, comparisons, decide


def leaderboard(args, screen) -> None:
    """The leaderboard: rank, differences with intervals, verdicts and cost. With ``--method``, first says what training
    that method and its controls takes, does it, and shows only these."""
    for name in ("seeds", "device", "threads", "plan"):
        if not args.method and getattr(args, name):
            raise Refused(f"--{name} is only for --method, which trains; without it the committed table is printed")
    if args.method:
        study, asked = put_beside(args)
        out = show_.console(sys.stderr) if args.json and not args.plan else screen
        priced, reach = cost(study), half_width(args.scale, len(study.seeds))
        if args.plan and args.json:
            return print_json(priced | {"half_width": reach})
        print_cost(f"{method(args.method)[0]} and its controls", priced, out)
        if not math.isnan(reach):
            told = f"a method's difference to {CONTROL[0]} after RL is known to ± {reach:.2f} with so many seeds"
            out.print(Text(f"{told} (median of the leaderboard's methods)", "dim"))
        if args.plan:
            return None
        train(args, study)
    else:
        study, asked = board.study(scale_named(args.scale)), board.CLAIMS
        if not results.path(study.name, study.scale).exists():
            raise Refused(
                f"the leaderboard has no results at scale {args.scale} yet; "
                f"run: {entry()} run {study.name} --scale {args.scale}"
            )
    notes = noted(study) if args.method or results.FOLDER == COMMITTED else {}
    if args.json:
        ranks = ranking(study, asked, table_of(study), rivals(args, study.seeds))
        return print_json([row | {"note": notes.get(row["method"], "")} for row in ranks])
    title = f"{method(args.method)[0]} on the leaderboard" if args.method else "the leaderboard"
    printed(screen, title, study, asked, every=args.all or bool(args.method), among=rivals(args, study.seeds))
    for name, note in notes.items():
        screen.print(Text(f"{name}: {note}", "dim"))
    again = confirmation.study(scale_named(args.scale))
    if not args.method and results.path(again.name, again.scale).exists():
        printed(screen, "its best methods again", again, confirmation.CLAIMS, every=args.all)
    return None


def noted(study: Study) -> dict[str, str]:
    """What a reader of a row must know and its numbers do not say, for the rows that a study has."""
    arms = {arm.name for arm in study.arms}
    return {name: note for name, note in NOTES.items() if study.scale == "nano" and name in arms}


def rivals(args, seeds: tuple[int, ...]) -> list[tuple[Claim, Measured]]:
    """The comparisons of the committed leaderboard on these seeds, among which those of a method of the user's own are
    judged, as if it were one more row. None without ``--method``, at a scale that has no such table, or on other seeds:
    those confirm what was found before, and a method's own comparisons are the family."""
    found = committed(args.scale) if args.method else None
    if found is None or not set(seeds) <= set(found.seeds):
        return []
    return comparisons(board.CLAIMS, of_seeds(found, seeds), bands(found.scale))


def half_width(scale: str, seeds: int) -> float:
    """Half of the interval of a method's difference to the first control after RL, as the committed leaderboard has it
    with this many of its seeds: the median over methods. NaN where it has none, or where seeds are too few."""
    found = committed(scale)
    if found is None or seeds < 2:
        return math.nan
    kept = found.seeds[:seeds]
    asked = [claim for claim in board.CLAIMS if claim.name.endswith(RANKED)]
    known = decide(asked, of_seeds(found, kept), bands(found.scale))
    against = [part for each in known if f"> {CONTROL[0]}: " in each.claim.name for part in each.measured]
    return statistics.median(part.half_width for part in against) * math.sqrt(len(kept) / seeds)


def committed(scale: str) -> results.Results | None:
    """The committed leaderboard at a scale, wherever results of the user's own are kept; None if it has none."""
    study = board.study(scale_named(scale))
    there = results.path(study.name, study.scale, COMMITTED).exists()
    return results.load(study.name, study.scale, COMMITTED) if there else None


def of_seeds(found: results.Results, seeds: tuple[int, ...]) -> results.Results:
    """The rows of these seeds."""
    return replace(found, rows=tuple(row for row in found.rows if row["seed"] in seeds))


def ranking(study: Study, asked: tuple[Claim, ...], found: results.Results, among=()) -> list[dict]:
    """The methods of a study's table, the best first; see ``board.rows``, and ``decide`` for ``among``."""
    spans = bands(study.scale)
    names = [arm.name for arm in study.arms if not arm.name.endswith(THEN[1])]
    scores = [(name, OPENED if name in OPENS else FREE) for name in names]
    return rows(found, decide(asked, found, spans, among), spans, scores)


def table_of(study: Study) -> results.Results:
    """A study's table; of a method of the user's own only the seeds that were asked for and that it and its controls
    all have, as the table also holds other methods, and seeds on which it was tuned."""
    found = measured(study)
    return found if study.results is None else of_seeds(found, study.seeds).common(*(arm.name for arm in study.arms))


def printed(screen, title: str, study: Study, asked: tuple[Claim, ...], every: bool, among=()) -> None:
    """Prints the ranking (``every``: all differences) under a title with the study's seeds and question, and where its
    results are. among: see ``decide``."""
    found = table_of(study)
    seeds = ", ".join(map(str, found.seeds))
    screen.print(Text.assemble((f"{title} at {study.scale}, seeds {seeds}\n", "bold"), study.question))
    if found.note:
        screen.print(Text(found.note, "yellow"))
    print_tables(screen, tables(ranking(study, asked, found, among), every=every))
    if study.results is not None:
        family = "this method's among the leaderboard's" if among else "this method's alone"
        screen.print(Text(f"verdicts after Holm over {len(asked) + len(among)} comparisons, {family}", "dim"))
    screen.print(f"table: {results.path(study.name, study.scale, study.results or results.FOLDER)}\n", soft_wrap=True)


def put_beside(args) -> tuple[Study, tuple[Claim, ...]]:
    """The study of a method and its controls, and the claims about the method."""
    name, row = method(args.method)
    study = with_method(args.scale, name, row, Path(args.method.rpartition(":")[0]))
    study = study.with_seeds(args.seeds or study.seeds)
    check_budget(study, plan(study))
    return study, claims(name)


def train(args, study: Study) -> None:
    """Trains and evaluates a method and its controls."""
    check_writable(study)
    seeds = f" --seeds {','.join(map(str, args.seeds))}" if args.seeds else ""
    again = f"{entry()} leaderboard --method {args.method} --scale {args.scale}{seeds}"
    screen = show_.console(sys.stderr) if args.json else show_.console()
    with interruptible(again) as stop, show_.Watch(screen, len(plan(study)), stop) as watch:
        here(study, Machine(device=args.device or "cpu", threads=args.threads), watch)
        check_budget(study, plan(study))


def method(text: str) -> tuple[str, Row]:
    """A method's name, and its stages after the base as a function of the scale and a budget in FLOPs.

    text: "FILE.py:NAME". NAME is a subclass of Midtrain or of an RL stage (it gets the scale's data, budget and
    learning rates for that kind), or a function ``NAME(scale, flops)`` that returns a stage or a tuple of stages.
    Raises Refused for anything else, and for the name of a method that is already on the leaderboard.
    """
    name, made = defined(text, "method", "a class of stages, or a function (scale, flops) that returns stages")
    if name in board.ROWS:
        raise Refused(f"{text}: the leaderboard already has a method {name!r}; choose another name")
    if isinstance(made, type) and issubclass(made, Stage) and "__dataclass_fields__" not in vars(made):
        raise Refused(f"{text} must be decorated with @dataclass(frozen=True, kw_only=True): its fields enter its key")
    if isinstance(made, type) and issubclass(made, Midtrain):
        return name, lambda scale, flops: (alike(made, scale.midtrain(flops)),)
    if isinstance(made, type) and issubclass(made, Policy):
        return name, lambda scale, flops: (alike(made, scale.rl(flops)),)
    if isinstance(made, type) or not callable(made):
        raise Refused(
            f"{text} must be a subclass of Midtrain or of an RL stage, or a function (scale, flops) that returns "
            "stages: other stages have required fields without a default"
        )
    try:
        inspect.signature(made).bind(None, 0.0)
    except TypeError as error:
        raise Refused(f"{text} must be a function of two arguments, (scale, flops): {error}") from None
    return name, lambda scale, flops: stages(text, made(scale, flops))


def stages(text: str, made: object) -> tuple[Stage, ...]:
    """One or several stages as a tuple. Raises Refused for anything else."""
    found = made if isinstance(made, tuple) else (made,)
    if not found or not all(isinstance(stage, Stage) for stage in found):
        raise Refused(f"{text} must return a Stage or a tuple of them, not {made!r}")
    return found


def with_method(scale: str, name: str, row: Row, path: Path) -> Study:
    """The leaderboard with only the method and its controls. Its table is in the folder ``results`` next to the
    method's file, or "methods" in $INTERLUDE_RESULTS, apart from the whole board. The controls are trained here too, as
    arms are paired on one machine."""
    study = board.study(scale_named(scale), {control: board.ROWS[control] for control in CONTROL} | {name: row})
    study = replace(study, exams=(*study.exams, *arena(scale_named(scale)).divergence_exams(study.base)))
    kept = (name, *CONTROL, "base")
    pairs = [(name + then, over + then) for then in THEN for over in CONTROL]
    elsewhere = os.environ.get("INTERLUDE_RESULTS")
    where = Path(elsewhere) / "methods" if elsewhere else path.resolve().parent / "results"
    study = study.with_arms(tuple(arm.name for arm in study.arms if arm.name.removesuffix(THEN[1]) in kept))
    return replace(study, contrasts=tuple(pairs), results=where, whole=None)
