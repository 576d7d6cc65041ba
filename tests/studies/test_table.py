"""Result tables: the same bytes for the same rows, and no edited, truncated or mistyped table is ever read."""

import hashlib
import math
import re

import pytest

from interlude.studies.table import Column, merge, read, write

COLUMNS = (
    Column("arm", str, "", "which recipe"),
    Column("seed", int, "", "which seed"),
    Column("logp", float, "nats", "log-probability of the solution", nan=True),
    Column("done", bool, "", "whether the run finished"),
)
KEY = ("arm", "seed")
ROWS = [
    {"arm": 'comma, "quote" | pipe', "seed": 0, "logp": 0.1 + 0.2, "done": True},
    {"arm": "# rows=2 sha256=", "seed": -1, "logp": -1e-300, "done": False},
    {"arm": " spaces\\ ", "seed": 10**20, "logp": 5e-324, "done": False},
    {"arm": "", "seed": 0, "logp": 1.7976931348623157e308, "done": True},
]


def forge(path, body: str, count: int) -> None:
    """A table with this body and a footer that vouches for it."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    path.write_bytes(f"{body}# rows={count} sha256={digest}\n".encode())


def test_what_is_written_is_read_and_the_bytes_are_pinned(tmp_path):
    """Kills: rounded floats, other line ends, another column order, rows sorted, a missing footer."""
    path = tmp_path / "t.csv"
    write(path, ROWS, COLUMNS, KEY)
    assert read(path, COLUMNS, KEY) == ROWS
    body = (
        "arm,seed,logp,done\n"
        '"comma, ""quote"" | pipe",0,0.30000000000000004,true\n'
        "# rows=2 sha256=,-1,-1e-300,false\n"
        " spaces\\ ,100000000000000000000,5e-324,false\n"
        ",0,1.7976931348623157e+308,true\n"
    )
    footer = f"# rows=4 sha256={hashlib.sha256(body.encode()).hexdigest()}\n"
    assert path.read_bytes() == (body + footer).encode()
    write(path, [dict(reversed(row.items())) for row in ROWS], COLUMNS, KEY)
    assert path.read_bytes() == (body + footer).encode()
    assert list(tmp_path.iterdir()) == [path]


def test_nan_is_read_back_where_it_may_stand_and_an_empty_table_is_a_table(tmp_path):
    """Kills: NaN refused everywhere; the count of an empty table off by one."""
    write(tmp_path / "t.csv", [ROWS[0] | {"logp": math.nan}], COLUMNS, KEY)
    assert math.isnan(read(tmp_path / "t.csv", COLUMNS, KEY)[0]["logp"])
    write(tmp_path / "t.csv", [], COLUMNS, KEY)
    assert read(tmp_path / "t.csv", COLUMNS, KEY) == []


def test_every_truncation_and_every_changed_byte_is_refused_by_name(tmp_path):
    """Kills: a footer without count or checksum, a checksum of the rows alone, a missing final newline forgiven."""
    path = tmp_path / "results.csv"
    write(path, ROWS[:2], COLUMNS, KEY)
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    damaged += [
        whole + b"\n",
        whole + whole,
        whole.replace(b"\n", b"\r\n"),
        whole.replace(b"rows=2", b"rows=3"),
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read(path, COLUMNS, KEY)


@pytest.mark.parametrize(
    "body, said",
    [
        ("arm,seed,logp\na,1,0.5\n", "missing ['done']"),
        ("arm,seed,logp,done,more\na,1,0.5,true,1\n", "unknown ['more']"),
        ("seed,arm,logp,done\n1,a,0.5,true\n", "order ['seed', 'arm'"),
        ("arm,seed,logp,done\na,1.0,0.5,true\n", "column seed: '1.0' is not a int"),
        ("arm,seed,logp,done\na, 1,0.5,true\n", "' 1' is not a int"),
        ("arm,seed,logp,done\na,1_0,0.5,true\n", "'1_0' is not a int"),
        ("arm,seed,logp,done\na,1,0.50,true\n", "'0.50' is not a float"),
        ("arm,seed,logp,done\na,1,1,true\n", "'1' is not a float"),
        ("arm,seed,logp,done\na,1,inf,true\n", "inf may not stand here"),
        ("arm,seed,logp,done\na,1,0.5,True\n", "'True' is not a bool"),
        ("arm,seed,logp,done\na,1,0.5\n", "3 values for 4 columns"),
        ("arm,seed,logp,done\na,1,0.5,true,\n", "5 values for 4 columns"),
        ("arm,seed,logp,done\n\na,1,0.5,true\n", "2 rows where the footer says 1"),
        ('arm,seed,logp,done\n"a"b,1,0.5,true\n', "not CSV"),
    ],
)
def test_a_table_that_vouches_for_nonsense_is_refused(tmp_path, body, said):
    """Kills: each check of reading, behind a checksum that is right."""
    path = tmp_path / "t.csv"
    forge(path, body, 1)
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        read(path, COLUMNS, KEY)
    assert str(path) in str(caught.value)


def test_nan_where_it_may_not_stand_is_refused_both_ways(tmp_path):
    """Kills: the check on one side only."""
    strict = (*COLUMNS[:2], Column("logp", float, "nats", "always measured"), COLUMNS[3])
    write(tmp_path / "t.csv", [ROWS[0] | {"logp": math.nan}], COLUMNS, KEY)
    with pytest.raises(ValueError, match="row 1, column logp: nan may not stand here"):
        read(tmp_path / "t.csv", strict, KEY)
    with pytest.raises(ValueError, match="row 1, column logp: nan may not stand here"):
        write(tmp_path / "u.csv", [ROWS[0] | {"logp": math.nan}], strict, KEY)
    assert not (tmp_path / "u.csv").exists()


@pytest.mark.parametrize(
    "change",
    [{"seed": 1.0}, {"seed": True}, {"logp": 1}, {"done": 1}, {"arm": None}, {"arm": "two\nlines"}, {"more": 1}],
)
def test_rows_that_do_not_fit_are_not_written(tmp_path, change):
    """Kills: silent conversion, extra columns dropped; and a table half replaced by a failed write."""
    write(tmp_path / "t.csv", ROWS, COLUMNS, KEY)
    with pytest.raises(ValueError, match="row 2"):
        write(tmp_path / "t.csv", [ROWS[0], ROWS[1] | change], COLUMNS, KEY)
    with pytest.raises(ValueError, match=r"missing \['arm'\]"):
        write(tmp_path / "t.csv", [{name: ROWS[0][name] for name in ("seed", "logp", "done")}], COLUMNS, KEY)
    assert read(tmp_path / "t.csv", COLUMNS, KEY) == ROWS


def test_a_key_stands_once(tmp_path):
    """Kills: duplicates kept, on either side; keys compared by one column."""
    path = tmp_path / "t.csv"
    write(path, [ROWS[0], ROWS[0] | {"seed": 1}], COLUMNS, KEY)
    with pytest.raises(ValueError, match="stands twice"):
        write(path, [ROWS[0], ROWS[0] | {"logp": 0.0}], COLUMNS, KEY)
    with pytest.raises(ValueError, match="stands twice"):
        read(path, COLUMNS, ("arm",))


def test_merge_replaces_in_place_and_appends():
    """Kills: old winning over new, replaced rows moved to the end, duplicates let in."""
    a, b, c = ({"arm": arm, "seed": 0, "logp": 0.0, "done": True} for arm in "abc")
    newer = a | {"logp": 1.0}
    assert merge([a, b], [c, newer], KEY) == [newer, b, c]
    assert merge([], [a], KEY) == merge([a], [], KEY) == [a]
    with pytest.raises(ValueError, match="new: the key"):
        merge([], [a, newer], KEY)
    with pytest.raises(ValueError, match="old: the key"):
        merge([a, newer], [], KEY)


def test_an_open_table_holds_columns_of_text_beyond_its_schema(tmp_path):
    """Kills: further columns refused, or taken where the table is not open; a row without one refused; the schema's own
    columns out of order accepted; columns in the order in which rows happen to come."""
    path = tmp_path / "t.csv"
    rows = [ROWS[1] | {"b": "1 2"}, ROWS[2] | {"a": "x:3"}, ROWS[3]]
    write(path, rows, COLUMNS, KEY, open_ended=True)
    assert path.read_text().splitlines()[0] == "arm,seed,logp,done,a,b"
    assert read(path, COLUMNS, KEY, open_ended=True) == [{"a": "", "b": ""} | row for row in rows]
    write(path, rows[::-1], COLUMNS, KEY, open_ended=True)
    assert path.read_text().splitlines()[0] == "arm,seed,logp,done,a,b"
    with pytest.raises(ValueError, match=r"columns differ .* unknown \['a', 'b'\]"):
        read(path, COLUMNS, KEY)
    with pytest.raises(ValueError, match="unknown"):
        write(path, rows, COLUMNS, KEY)
    with pytest.raises(ValueError, match="is a int, not a str"):
        write(path, [ROWS[1] | {"b": 3}], COLUMNS, KEY, open_ended=True)
    forge(path, "arm,a,logp,seed,done\nx,1,0.5,1,true\n", 1)
    with pytest.raises(ValueError, match="columns differ"):
        read(path, COLUMNS, KEY, open_ended=True)
    forge(path, "arm,a,seed,logp,done\nx,1,1,0.5,true\n", 1)  # older tables have them in between
    assert read(path, COLUMNS, KEY, open_ended=True) == [{"arm": "x", "a": "1", "seed": 1, "logp": 0.5, "done": True}]


def test_a_schema_is_checked():
    """Kills: types without an exact text; NaN where it cannot be or in a key, where it equals nothing."""
    for wrong in (("x", list, "", ""), ("x y", int, "", ""), ("", int, "", ""), ("x", int, "", "", True)):
        with pytest.raises(ValueError, match="column"):
            Column(*wrong)
    twice = COLUMNS + COLUMNS[:1]
    for columns, key in (((), ()), (COLUMNS, ()), (COLUMNS, ("gone",)), (twice, KEY), (COLUMNS, ("logp",))):
        with pytest.raises(ValueError, match="columns"):
            write("never.csv", [], columns, key)
