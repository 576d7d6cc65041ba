"""The commands that need no training: list studies, print a problem, verify responses, and audit training data."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar

from rich.text import Text

from interlude.studies import console as show_
from interlude.studies import places
from interlude.studies.console import print_json
from interlude.studies.find import SCALE_NAMES, StudySpec, constant, names, question, scale_named, the_study
from interlude.studies.refusal import Refused
from interlude.synth.audit import audit, draws
from interlude.synth.export import problem_from_dict
from interlude.synth.graph import Shape
from interlude.synth.problem import Problem
from interlude.synth.roles import ROLES, roles
from interlude.synth.solution_style import PLAIN, Words
from interlude.synth.source import Source
from interlude.synth.verify import verify

COLOURS = {
    "statement": "default", "distractor": "bright_black", "question": "bold", "planning": "magenta", "copy": "cyan",
    "retrieval": "yellow", "arithmetic": "green", "format": "bright_black", "stop": "bright_black",
    "answer": "bold green", "inferred": "red", "slip": "bold red", "connective": "blue", "remark": "bright_black",
    "thought": "italic", "strategy": "blue",
}  # fmt: skip
ASKED = ("ops", "world", "mode", "dialect", "modulus")  # options that are fields of Source
K = TypeVar("K")


def list_(args, screen) -> None:
    """Every study with its question and how many runs its tables contain. ``--runs`` also counts the runs done on this
    machine, which takes seconds."""
    known = list(dict.fromkeys((*SCALE_NAMES, *tabled())))
    chosen = known
    if args.scale:  # one that is neither named here nor has a table is built, which loads torch
        chosen = [args.scale if args.scale in known else scale_named(args.scale).name]
    rows = [about(name, chosen, args.runs) for name in names()]
    if args.json:
        return print_json(rows)
    if not (args.scale or args.runs):  # a narrow terminal has no room for columns without a number
        chosen = [scale for scale in chosen if any(row["scales"][scale]["in_table"] for row in rows)]
    cells = [
        [
            row["study"],
            "\n".join([row["question"], *row["figures"]]),
            *(extent(row["scales"][scale]) for scale in chosen),
        ]
        for row in rows
    ]
    heads = ["study", "question, and its figures (see `interlude reproduce`)", *chosen]
    caption = "by scale: runs (arms x seeds) in the results table" + ("; done here/planned" if args.runs else "")
    screen.print(show_.table("", heads, cells, caption))


def tabled() -> list[str]:
    """The scales that have tables, including those of real models, whose names contain a budget."""
    return sorted({path.parent.name for path in places.FOLDER.glob("*/*.csv")})


def about(name: str, scales: list[str], counted: bool) -> dict:
    """A study's question and, for each scale, how many runs its table contains and, if ``counted``, how many are done
    on this machine."""
    row = {"study": name, "question": question(name), "figures": list(constant(name, "FIGURES") or ()), "scales": {}}
    for scale in scales:
        row["scales"][scale] = {"in_table": in_table(name, scale)}
        if counted:
            row["scales"][scale] |= progress(name, scale)
    return row


def progress(name: str, scale: str) -> dict:
    """How many runs of a study are done on this machine, and how many there are."""
    from interlude.studies.study import plan

    try:
        runs = plan(the_study(StudySpec(name, scale)))
    except ValueError as reason:
        return {"unavailable": str(reason)}
    return {"done": sum(run.examined for run in runs), "total": len(runs)}


def in_table(name: str, scale: str) -> int:
    """How many runs a study's table contains, without checking the table (``show`` checks it)."""
    path = places.path(name, scale)
    if not path.exists():
        return 0
    csv.field_size_limit(2**31 - 1)
    with path.open(newline="", encoding="utf-8") as file:
        return len({tuple(row[:2]) for row in csv.reader(file) if len(row) > 2} - {("arm", "seed")})


def extent(data: dict) -> str:
    """A cell of the list: runs in the table and, if counted, runs done and planned."""
    if "unavailable" in data:
        return "–"
    done = f"; {data['done']}/{data['total']}" if "total" in data else ""
    return f"{data['in_table'] or '–'}{done}"


def problem_(args, screen) -> None:
    """Prints a problem, its solution and the role of each token."""
    approach = {"approach": args.approach, "tagged": args.approach != PLAIN} if args.approach else {}
    source = described_by(args, split="any", **approach)
    problem = source.problem("problem", args.seed)
    written = problem.written
    tokens, kinds = written.question_tokens + written.solution_tokens, roles(problem)
    if args.json:
        return print_json(
            {
                "question": problem.question,
                "solution": problem.solution,
                "answer": problem.answer,
                "ops": problem.ops,
                "depth": problem.graph.depth,
                "held_out": problem.held_out,
                "tokens": list(tokens),
                "roles": list(kinds),
            }
        )
    screen.print(Text("question", "bold"))
    screen.print(coloured(written.question_tokens, written.question_roles))
    screen.print(Text("solution", "bold"))
    screen.print(coloured(written.solution_tokens, written.solution_roles))
    screen.print(Text("roles", "bold"))
    for role, meaning in ROLES.items():
        those = [token for token, kind in zip(tokens, kinds, strict=True) if kind == role]
        if those:
            screen.print(Text.assemble((f"{role:11}", COLOURS[role]), f"{len(those):4}  ", " ".join(those)))
            screen.print(Text(f"{'':17}{meaning}", "dim"))


def described_by(args, **more) -> Source:
    """The source of the options in ASKED, and ``more`` of its fields. Raises Refused naming what is wrong as the option
    that it is, and not as the field."""
    try:
        return Source(**{name: getattr(args, name) for name in ASKED}, **more)
    except ValueError as wrong:
        options = "|".join((*ASKED, *more))
        raise Refused(re.sub(rf"Source\.({options})\b", r"--\1", str(wrong))) from None


def coloured(tokens: tuple[str, ...], kinds: tuple[str, ...]) -> Text:
    """Tokens in the colours of their roles, one line per statement."""
    text = Text()
    for token, role in zip(tokens, kinds, strict=True):
        text.append(token, COLOURS[role])
        text.append("\n" if token in (";", ".", "?") else " ")
    text.rstrip()
    return text


def verify_(args, screen) -> None:
    """One verdict per line, always as JSON, for other programs to read."""
    lines = sys.stdin.buffer if args.file == "-" else Path(args.file).open("rb")
    with lines:
        for number, line in enumerate(lines, start=1):
            place = f"{args.file}, line {number}"
            problem, response = judged(line, place)
            verdict = verify(problem, response)
            row = asdict(verdict) | {"faults": [fault._asdict() for fault in verdict.faults]}
            print(json.dumps(row, allow_nan=False))


def judged(line: bytes, place: str) -> tuple[Problem, str]:
    """The problem and the response of one line. Raises Refused naming the line."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{place}: not JSON ({error})") from None
    if type(row) is not dict or set(row) != {"problem", "response"} or type(row["response"]) is not str:
        raise Refused(f"{place}: must be an object with 'problem' and the string 'response'")
    given = row["problem"]
    try:
        if type(given) is dict and set(given) == {"source", "path"}:
            if type(given["path"]) is not list:
                raise ValueError(f"path must be a list, got {given['path']!r}")
            return source_from(given["source"]).problem(*given["path"]), row["response"]
        return problem_from_dict(given), row["response"]
    except (ValueError, TypeError) as error:
        raise Refused(f"{place}: {error}") from None


def source_from(row) -> Source:
    """A Source from its fields in JSON: lists for tuples, objects for ``shape`` and ``words``."""
    return described(Source, row, "source", {"shape": Shape, "words": Words})


def described(kind: type[K], row, name: str, inner: dict[str, type] | None = None) -> K:
    """A dataclass of type ``kind`` from a JSON object of its fields. Raises Refused naming what is wrong."""
    if type(row) is not dict:
        raise Refused(f"{name} must be an object, got {row!r}")
    unknown = set(row) - {field.name for field in fields(kind)}
    if unknown:
        raise Refused(f"{name} has unknown fields {', '.join(sorted(unknown))}")
    values = {field: tuple(value) if type(value) is list else value for field, value in row.items()}
    for field, part in (inner or {}).items():
        if values.get(field) is not None:
            values[field] = described(part, values[field], field)
    return kind(**values)


def audit_(args, screen) -> None:
    """Prints what the pre-training data and exams of a scale contain."""
    if args.ops is not None:
        source = described_by(args, split="train")
        exams, name = (), f"ops {args.ops[0]}-{args.ops[1]}"
    else:
        scale = scale_named(args.scale)
        source, exams, name = scale.pretraining(), scale.exams(), f"pre-training at {scale.name}"
    report = audit(source, args.problems)
    rows = [audited(exam, source, args.problems) for exam in exams]
    if args.json:
        return print_json({"source": name, "audit": report.as_dict(), "floor": report.floor, "exams": rows})
    screen.print(Text(name, "bold"))
    screen.print(report.as_text(), markup=False)
    if rows:
        cells = [[r["exam"], r["problems"], f"{r['guess_floor']:.3f}", r["overlap"], r["repeated"]] for r in rows]
        caption = (
            "constant answer: best score of one fixed answer; overlap: problems with the same graph as one of "
            f"{args.problems} pre-training problems; repeated: duplicate questions"
        )
        heads = ["exam", "problems", "constant answer", "overlap", "repeated"]
        screen.print(show_.table("exams", heads, cells, caption))


def audited(exam, source, problems: int) -> dict:
    """For an exam: the score of the best constant answer, the number of problems whose graph occurs in pre-training,
    and the number of duplicate questions."""
    paper = exam.draw_problems()
    trained = {problem.graph.canonical for problem in draws(source, problems, ("audit",))}
    return {
        "exam": exam.name,
        "problems": len(paper),
        "guess_floor": float(exam.guess_floor),
        "overlap": sum(problem.graph.canonical in trained for problem in paper),
        "repeated": len(paper) - len({problem.question for problem in paper}),
    }
