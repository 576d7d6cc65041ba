"""One self-contained HTML page about studies: published and measured results, differences, plots, folded details."""

from __future__ import annotations

import importlib
from html import escape
from pathlib import Path

from interlude.studies.evidence import Bands
from interlude.studies.layout import Table
from interlude.studies.report import plots
from interlude.studies.report.examples import examples_html
from interlude.studies.report.recipes import recipe_tables
from interlude.studies.report.tables import contrast_table, full, kinds_of, short, summary, verdict_table
from interlude.studies.results import FOLDER, Results, curves_of

STYLE = Path(__file__).with_name("page.css")


def page(studies: list[tuple]) -> str:
    """One HTML page about (study, results, bands, claims) tuples, without scripts or external files."""
    parts = [study_html(*each) for each in studies]
    scales = ", ".join(dict.fromkeys(found.scale for _, found, *_ in studies))
    names = [study.name for study, *_ in studies]
    links = " · ".join(f'<a href="#{anchor(name)}">{escape(name)}</a>' for name in names)
    style = STYLE.read_text(encoding="utf-8").strip()
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Interlude: {escape(', '.join(names))}</title>\n"
        f"<style>\n{style}\n</style>\n</head>\n<body>\n<h1>{escape(heading(names))}</h1>\n"
        f'<p class="soft">Interlude, scale {escape(scales)}. All numbers are measured. Intervals of differences are '
        "95 % Student t over seeds. Intervals of one arm are 95 % bootstrap over seeds and problems; with three seeds "
        "they cover 75 % if seeds differ more than problems. Strict means that every step of a solution is right.</p>\n"
        f'<nav class="soft">{links}</nav>\n' + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def heading(names: list[str]) -> str:
    """The title of a page: the description of its topic, a general one for several topics, or the names of studies in
    files of the user's own, which have no topic."""
    if not any("/" in name for name in names):
        return ", ".join(names)
    found = {name.rpartition("/")[0] for name in names}
    topic = found.pop() if len(found) == 1 else "stages"
    doc = importlib.import_module(f"interlude.studies.{topic}").__doc__
    about = doc.splitlines()[0].removeprefix("Studies of ").rstrip(".")
    return about[0].upper() + about[1:]


def anchor(name: str) -> str:
    """The id of a study on the page."""
    return name.replace("/", "-")


def study_html(study, table: Results, bands: Bands, claims=()) -> str:
    """The section of one study: question, claims beside published results, differences, plots, example responses and,
    folded, the training recipes and all scores."""
    made = summary(study, table, bands, claims, curves_of(table, study.results or FOLDER))
    seeds = ", ".join(map(str, table.seeds))
    parts = [
        f'<section id="{anchor(study.name)}">\n<h2>{escape(study.question)}</h2>',
        f'<p class="soft">{escape(study.name)}, scale {escape(study.scale)}, seeds {seeds}.</p>',
    ]
    if table.note:
        parts.append(f'<p class="soft">{escape(table.note)}</p>')
    if made["verdicts"]:
        parts += ["<h3>Claims: published and measured</h3>", table_html(verdict_table(made["verdicts"]), "claims")]
    whole, single = first_differences(made["contrasts"])
    if whole:
        parts += ["<h3>Differences between arms</h3>", table_html(contrast_table(whole))]
    if single:
        parts.append(folded("differences on every exam", table_html(contrast_table(single))))
    drawn = ("by band, exact", "strict pass@1")
    parts += [table_html(each) for each in short(made) if each[0].startswith(drawn)]
    if len(table.arms) > plots.MOST:
        parts.append(f'<p class="soft">Plots show the first {plots.MOST} of {len(table.arms)} arms.</p>')
    parts += [
        drawing_html("pass@1 by number of operations", plots.by_ops(made, 1)),
        drawing_html("pass@k at the edge, for k up to a million", plots.by_k(table, bands)),
        drawing_html("Loss on the right solution by token role (nats, mean over seeds)", plots.by_role(table, bands)),
        drawing_html("Loss on the choice of each step (nats)", plots.by_step(made)),
        "<h3>What the models write</h3>",
        examples_html(study),
        "<h3>Details</h3>",
        folded(
            "prediction and rule, as written before the run",
            facts(
                [("Prediction", study.prediction), ("Rule", study.rule), ("Unequal", study.unequal or study.last_steps)]
            ),
        ),
        folded("how every arm was trained", "".join(table_html(each) for each in recipe_tables(study))),
        *(folded(each[0], table_html(each)) for each in full(made, kinds_of(study)) if each[0] != "claims"),
    ]
    return "\n".join(part for part in parts if part) + "\n</section>"


def first_differences(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """The differences that are shown at once, those over whole bands, and those on single exams; without bands, all are
    shown."""
    whole = [row for row in rows if "band" in row]
    return (whole, [row for row in rows if "band" not in row]) if whole else (rows, [])


def facts(pairs: list[tuple[str, str]]) -> str:
    """A list of terms and texts; empty texts are left out."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs if text)
    return f"<dl>{rows}</dl>"


def folded(title: str, inside: str) -> str:
    """A part of the page that is closed at first."""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def drawing_html(title: str, drawing: str) -> str:
    """A heading and a drawing; an empty string if there is no drawing."""
    return f"<h3>{escape(title)}</h3>\n{drawing}" if drawing else ""


def table_html(table: Table, kind: str = "") -> str:
    """A table with its caption; the page puts its title above it."""
    _, heads, rows, caption = table
    head = "".join(f"<th>{escape(str(each))}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell_html(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    below = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide {kind}"><table>{below}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell_html(text: str) -> str:
    """A cell whose lines after the first are in a softer style."""
    first, _, rest = text.partition("\n")
    return escape(first) + (f'\n<span class="range">{escape(rest)}</span>' if rest else "")
