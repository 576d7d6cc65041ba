"""The commands that read what was measured: a study's results, a topic's claims, an HTML report, and the benchmark."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from rich.text import Text

from interlude.studies import console as show_
from interlude.studies import report, results
from interlude.studies.bench import bench
from interlude.studies.claims import Claim, Finding, decide
from interlude.studies.console import print_json
from interlude.studies.find import HERE, Wanted, bands, full_name, is_file, names, the_study, topics
from interlude.studies.refusal import Refused
from interlude.studies.scales import SCALES
from interlude.studies.study import measured


def claims_of(topic: str) -> tuple[Claim, ...]:
    """The claims of a topic, from its file ``claims``; none where it has no such file."""
    if topic not in topics() or not (HERE / topic / "claims.py").exists():
        return ()
    return importlib.import_module(f"interlude.studies.{topic}.claims").CLAIMS


def show(args, screen) -> None:
    if claims := claims_of(args.study):
        found = decisions(claims)
        if not found:
            raise Refused(f"no study of {args.study} has results yet; run one first")
        rows = report.claim_rows(claims, found)
        return print_json(rows) if args.json else screen.print(show_.table(*report.claim_table(rows)))
    if args.study in topics():
        own = [name for name in names() if name.startswith(f"{args.study}/")]
        raise Refused(f"{args.study} is a topic without claims; show one of its studies: {', '.join(own)}")
    study = the_study(Wanted(args.study, args.scale))
    found = report.summary(study, measured(study), bands(args.scale))
    if args.json:
        return print_json(found)
    screen.print(Text.assemble((f"{found['study']} at {found['scale']}\n", "bold"), found["question"]))
    for title, heads, rows, caption in report.tables(found):
        screen.print()
        for part in show_.tables(screen, title, heads, rows, caption):
            screen.print(part)


def decisions(claims: tuple[Claim, ...]) -> dict[str, list[Finding]]:
    """What the tables of every scale that has some say of each claim."""
    asked = {claim.study for claim in claims}
    found = {}
    for scale in SCALES:
        done = [name for name in asked if results.path(name, scale).exists()]
        tables = {name: measured(the_study(Wanted(name, scale))) for name in done}
        curves = {name: results.load_curves(name, scale) for name in done if results.curves_path(name, scale).exists()}
        if done:
            found[scale] = [
                decide(c, tables.get(c.study), bands(scale), tuple(curves.get(c.study, ()))) for c in claims
            ]
    return found


def report_(args, screen) -> None:
    where = Path(args.html)
    if where.is_dir() or not os.access(where if where.exists() else where.parent, os.W_OK):
        raise Refused(f"--html {where}: cannot be written")
    pages = []
    for asked in args.study or topics():
        there = [name for name in names() if name.startswith(f"{asked}/") and results.path(name, args.scale).exists()]
        for name in there if asked in topics() else [asked if is_file(asked) else full_name(asked)]:
            study = the_study(Wanted(name, args.scale))
            pages.append((study, measured(study)))
    if not pages:
        raise Refused(f"no study has results at scale {args.scale} yet; run one first")
    asked = [claims for topic in args.study or topics() if (claims := claims_of(topic))]
    tables = [report.claim_rows(claims, found) for claims in asked if (found := decisions(claims))]
    where.write_text(report.page(pages, bands(args.scale), tables), encoding="utf-8")
    if args.json:
        return print_json(
            {"html": str(where), "studies": [study.name for study, _ in pages], "bytes": where.stat().st_size}
        )
    screen.print(f"{where}: {len(pages)} {'study' if len(pages) == 1 else 'studies'}", markup=False)


def bench_(args, screen) -> None:
    rows = [measure.as_dict() for measure in bench(args.parts)]
    if args.json:
        return print_json(rows)
    cells = [
        [
            row["part"], row["what"], f"{show_.large(row['rate'])} {row['unit']}", f"± {row['spread']:.0%}",
            row["peer"] or "", "" if row["ratio"] is None else f"{row['ratio']:.1f}x", row["target"],
        ]
        for row in rows
    ]  # fmt: skip
    screen.print(show_.table("", ["part", "what", "rate", "spread", "peer", "ratio", "target"], cells))
