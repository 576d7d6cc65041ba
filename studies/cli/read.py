"""The commands that show results: a study's tables, the claims of a topic, and an HTML report."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from rich.text import Text

from interlude.studies import console as show_
from interlude.studies import results
from interlude.studies.console import print_json
from interlude.studies.find import StudySpec, bands, full_name, is_file, loaded, names, own_scale, the_study, topics
from interlude.studies.layout import Table
from interlude.studies.refusal import Refused
from interlude.studies.report import tables
from interlude.studies.report.page import page
from interlude.studies.study import measured
from interlude.studies.verdicts import Claim, decide
from interlude.synth.tasks import NotInstalled


def claims_of(name: str) -> tuple[Claim, ...]:
    """The claims of a study, given its full name or its file: CLAIMS of its module, or none."""
    ours = f"interlude.studies.{name.replace('/', '.')}"
    return vars(loaded(Path(name)) if is_file(name) else importlib.import_module(ours)).get("CLAIMS", ())


def show(args, screen) -> None:
    """Prints a study's results, or the claims of a topic."""
    if args.study in topics():
        return show_claims(args, screen)
    scale = args.scale or own_scale(args.study)
    study = the_study(StudySpec(args.study, scale))
    claims = claims_of(args.study if is_file(args.study) else study.name)
    table = measured(study)
    found = tables.summary(
        study, table, bands(scale), claims, results.curves_of(table, study.results or results.FOLDER)
    )
    if args.json:
        return print_json(found)
    screen.print(Text.assemble((f"{found['study']} at {found['scale']}\n", "bold"), found["question"]))
    if found["left_out"]:
        screen.print(Text(table.note, "yellow"))
    print_tables(screen, tables.full(found, tables.kinds_of(study)) if args.all else tables.short(found))
    if not args.all:
        screen.print(Text("--all shows all claims and differences, all exams, further measures, and costs", "dim"))


def show_claims(args, screen) -> None:
    """The claims of every study of a topic, with the verdicts of its table at this scale or else its own."""
    rows, scales, notes = {}, {}, []
    for name in (name for name in names() if name.startswith(f"{args.study}/") and claims_of(name)):
        scale = scales[name] = args.scale or own_scale(name)
        there = results.path(name, scale).exists()
        found = measured(the_study(StudySpec(name, scale))) if there else None
        notes += [f"{name}: {found.note}"] if found and found.note else []
        rows[name] = [tables.verdict_row(verdict) for verdict in decide(claims_of(name), found, bands(scale))]
    if not rows:
        own = [name for name in names() if name.startswith(f"{args.study}/")]
        raise Refused(f"no study of the topic {args.study} has claims; show one of its studies: {', '.join(own)}")
    if args.json:
        return print_json(rows)
    for note in notes:
        screen.print(Text(note, "yellow"))
    if args.all:
        return print_tables(screen, [(name, *tables.claim_table(found)[1:]) for name, found in rows.items()])
    print_tables(screen, tables.topic_tables(rows, scales))
    screen.print(Text("--all, or show with the name of a study, prints every claim", "dim"))
    return None


def print_tables(screen, shown: list[Table]) -> None:
    """Prints tables, split if they are too wide; a first cell equal to the one above it is left empty."""
    for title, heads, rows, caption in shown:
        screen.print()
        for part in show_.tables(screen, title, heads, named_once(rows), caption):
            screen.print(part)


def named_once(rows: list[list]) -> list[list]:
    """Rows of a table with at least three columns; a first cell that repeats the one above it is emptied."""
    above = [None, *(row[0] for row in rows)]
    return [
        ["", *row[1:]] if len(row) > 2 and row[0] == before else row for row, before in zip(rows, above, strict=False)
    ]


def report_(args, screen) -> None:
    """Writes one HTML page about the studies that have results."""
    where = Path(args.html)
    if where.is_dir() or not os.access(where if where.exists() else where.parent, os.W_OK):
        raise Refused(f"--html {where}: cannot be written")
    pages, left_out = [], []
    for asked in args.study or topics():
        named = asked not in topics()
        for name in [asked if is_file(asked) else full_name(asked)] if named else ran(asked, args.scale):
            scale = args.scale or own_scale(name)
            try:
                study = the_study(StudySpec(name, scale))
                pages.append((study, measured(study), bands(scale), claims_of(name)))
            except NotInstalled as error:
                if named:
                    raise
                left_out.append(f"{name} is left out: {error}")
    if not pages:
        raise Refused(f"no study has results{f' at scale {args.scale}' * bool(args.scale)} yet; run a study first")
    where.write_text(page(pages), encoding="utf-8")
    notes = [f"{study.name}: {found.note}" for study, found, *_ in pages if found.note] + left_out
    if args.json:
        return print_json(
            {"html": str(where), "studies": [study.name for study, *_ in pages], "bytes": where.stat().st_size}
            | {"notes": notes}
        )
    for note in notes:
        screen.print(Text(note, "yellow"))
    screen.print(f"{where}: {len(pages)} {'study' if len(pages) == 1 else 'studies'}", markup=False)


def ran(topic: str, scale: str | None) -> list[str]:
    """The studies of a topic that have results at a scale; None: each at its own."""
    own = [name for name in names() if name.startswith(f"{topic}/")]
    return [name for name in own if results.path(name, scale or own_scale(name)).exists()]
