"""Result tables: plain CSV with a schema and a checksum, so that an edited or truncated table is refused.

The file is UTF-8: one line of column names, one line a row, and the footer `# rows=N sha256=...` over all lines
before it. Floats are written by `repr` and read back to the same bits. The same rows give the same bytes.
"""

import csv
import hashlib
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

from interlude.models.files import write_atomic

REMEDY = "delete it, as trained runs are kept and `interlude run` writes it again, or restore it where it was committed"
FOOTER = re.compile(r"# rows=(0|[1-9][0-9]*) sha256=([0-9a-f]{64})")


@dataclass(frozen=True)
class Column:
    """One column: its name, type (str, int, float or bool), unit ("" for none), meaning, and whether NaN may stand.

    fill: for a column added when tables existed, what those tables hold in it; None for the first columns.
    """

    name: str
    type: type
    unit: str
    meaning: str
    nan: bool = False
    fill: str | int | float | bool | None = None

    def __post_init__(self):
        if self.type not in (str, int, float, bool):
            raise ValueError(f"column {self.name}: type must be str, int, float or bool, not {self.type!r}")
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_@.]*", self.name) is None:
            raise ValueError(f"column name must be one word of letters, digits, '_', '@' and '.', not {self.name!r}")
        if self.nan and self.type is not float:
            raise ValueError(f"column {self.name}: only a float column may hold NaN")


def write(path, rows, columns: tuple[Column, ...], key_columns: tuple[str, ...], open_ended: bool = False) -> None:
    """Write a table atomically; rows keep their order, columns take the schema's.

    Each row is a flat dict with exactly the schema's names and Python values of exactly its types (float(x), not a
    numpy scalar). `key_columns` together name a row. Raises ValueError, naming table, row and column, otherwise.

    open_ended: rows may hold further columns of text, each empty in the rows that lack it; they come last, by name.
    """
    place = str(path)
    _check_schema(columns, key_columns)
    rows = list(rows)
    if open_ended:
        more = _text_columns({name for row in rows for name in row}, columns)
        columns = columns + more
        rows = [dict.fromkeys([column.name for column in more], "") | row for row in rows]
    _check_rows(rows, columns, place)
    _check_keys(rows, key_columns, place)
    body = _body(rows, columns)
    digest = hashlib.sha256(body.encode("utf-8")).hexdigest()
    write_atomic(path, f"{body}# rows={len(rows)} sha256={digest}\n".encode())


def read(path, columns: tuple[Column, ...], key_columns: tuple[str, ...], open_ended: bool = False) -> list[dict]:
    """The rows of a table, as written.

    A table written before a column was added (``Column.fill``) holds that column's value for such tables.
    Raises ValueError, naming the table, if it was truncated or edited, if its columns are not the schema's in the
    schema's order, or if a value has the wrong type, is NaN where that may not be, or repeats a key. Columns beyond the
    schema, which only an open table may have, are text.
    """
    place = str(path)
    _check_schema(columns, key_columns)
    body, count = _checked_body(Path(path).read_bytes(), place)
    head, *lines = _lines(body, place)
    more = {column.name: column for column in (_text_columns(set(head), columns) if open_ended else ())}
    known = [column for column in columns if column.fill is None or column.name in head]
    names = [column.name for column in known]
    if [name for name in head if name not in more] != names or len(set(head)) < len(head):
        missing, unknown = [n for n in names if n not in head], [n for n in head if n not in names and n not in more]
        raise ValueError(f"{place}: columns differ from the schema: missing {missing}, unknown {unknown}, order {head}")
    schema = {column.name: column for column in known} | more
    written = tuple(schema[name] for name in head)
    if len(lines) != count:
        raise ValueError(f"{place}: {len(lines)} rows where the footer says {count}")
    filled = {column.name: column.fill for column in columns if column.name not in head}
    rows = [_row(cells, written, f"{place}, row {number}") | filled for number, cells in enumerate(lines, start=1)]
    _check_keys(rows, key_columns, place)
    return rows


def merge(old, new, key_columns: tuple[str, ...]) -> list[dict]:
    """The old rows, each replaced in its place by the new row with its key, then the new rows that replaced none.

    Raises ValueError if either side repeats a key.
    """
    old, new = list(old), list(new)
    _check_keys(old, key_columns, "old")
    _check_keys(new, key_columns, "new")
    newer = {_key(row, key_columns): row for row in new}
    kept = [newer.pop(_key(row, key_columns), row) for row in old]
    return kept + list(newer.values())


def _text_columns(names: set[str], columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns of text for the names that the schema does not have, in alphabetical order."""
    return tuple(Column(name, str, "", "a measure") for name in sorted(names - {column.name for column in columns}))


def _body(rows: list[dict], columns: tuple[Column, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([_cell(row[column.name]) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value) -> str:
    if type(value) is bool:
        return "true" if value else "false"
    return repr(value) if type(value) is float else str(value)


def _checked_body(content: bytes, place: str) -> tuple[str, int]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{place}: not UTF-8; {REMEDY}") from None
    body, _, footer = text.removesuffix("\n").rpartition("\n")
    found = FOOTER.fullmatch(footer)
    if found is None or not text.endswith("\n"):
        raise ValueError(f"{place}: truncated: the last line is not '# rows=N sha256=...'; {REMEDY}")
    body += "\n"
    if hashlib.sha256(body.encode("utf-8")).hexdigest() != found[2]:
        raise ValueError(f"{place}: edited: the checksum in its last line is that of another table; {REMEDY}")
    return body, int(found[1])


def _lines(body: str, place: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(body, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(f"{place}: not CSV ({error})") from None


def _row(cells: list[str], columns: tuple[Column, ...], place: str) -> dict:
    if len(cells) != len(columns):
        raise ValueError(f"{place}: {len(cells)} values for {len(columns)} columns")
    row = {column.name: _value(cell, column, place) for cell, column in zip(cells, columns, strict=True)}
    _check_row(row, columns, place)
    return row


def _value(cell: str, column: Column, place: str):
    try:
        value = {"true": True, "false": False}[cell] if column.type is bool else column.type(cell)
    except (ValueError, KeyError):
        value = None
    # Written back and compared: Python's int and float accept " 1_0 " and more.
    if value is None or _cell(value) != cell:
        raise ValueError(f"{place}, column {column.name}: {cell!r} is not a {column.type.__name__} as tables write it")
    return value


def _check_schema(columns: tuple[Column, ...], key_columns: tuple[str, ...]) -> None:
    names = [column.name for column in columns]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"columns must be at least one and have different names, not {names}")
    if not key_columns or not set(key_columns) <= set(names):
        raise ValueError(f"key_columns must be among {names}, not {key_columns}")
    if any(column.nan for column in columns if column.name in key_columns):
        raise ValueError(f"key_columns {key_columns} must not allow NaN, which equals nothing")


def _check_rows(rows: list[dict], columns: tuple[Column, ...], place: str) -> None:
    for number, row in enumerate(rows, start=1):
        _check_row(row, columns, f"{place}, row {number}")


def _check_row(row: dict, columns: tuple[Column, ...], place: str) -> None:
    names = {column.name for column in columns}
    if set(row) != names:
        raise ValueError(f"{place}: missing {sorted(names - set(row))}, unknown {sorted(set(row) - names)}")
    for column in columns:
        _check_value(row[column.name], column, f"{place}, column {column.name}")


def _check_value(value, column: Column, place: str) -> None:
    if type(value) is not column.type:
        raise ValueError(f"{place}: {value!r} is a {type(value).__name__}, not a {column.type.__name__}")
    if type(value) is float and not math.isfinite(value) and not (column.nan and math.isnan(value)):
        raise ValueError(f"{place}: {value!r} may not stand here")
    if type(value) is str and not value.isprintable():
        raise ValueError(f"{place}: {value!r} holds a control character")


def _check_keys(rows: list[dict], key_columns: tuple[str, ...], place: str) -> None:
    seen = set()
    for row in rows:
        key = _key(row, key_columns)
        if key in seen:
            raise ValueError(f"{place}: the key {dict(zip(key_columns, key, strict=True))} stands twice")
        seen.add(key)


def _key(row: dict, key_columns: tuple[str, ...]) -> tuple:
    return tuple(row[name] for name in key_columns)
