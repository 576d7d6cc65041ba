"""Run folders under real kills: whole files, and seals that break when a byte does."""

import errno
import json
import os
import re
import signal

import pytest
from processes import names, running

from interlude.models import files as store
from interlude.models.files import (
    Corrupt,
    append_jsonl,
    check,
    lock,
    read_json,
    read_jsonl,
    seal,
    sealed,
    write_atomic,
    write_json,
)

WRITE = """
import sys
from interlude.models.files import write_atomic
print("writing", flush=True)
for i in range(10**9):
    write_atomic(sys.argv[1], bytes([65 + i % 26]) * 200_000)
"""


def test_a_killed_writer_leaves_the_old_file_or_the_new(tmp_path):
    """Kills: writing in place."""
    path = tmp_path / "weights"
    write_atomic(path, b"A" * 200_000)
    for _ in range(4):
        with running(WRITE, path) as writer:
            writer.stdout.readline()
            for _ in range(20):
                content = path.read_bytes()
                assert len(content) == 200_000 and len(set(content)) == 1
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
        content = path.read_bytes()
        assert len(content) == 200_000 and len(set(content)) == 1


def test_write_atomic_syncs_before_it_renames(tmp_path, monkeypatch):
    """Kills: a rename before the bytes are on the disk; a folder never synced; a draft left by a failure."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        calls.append("folder" if os.path.isdir(f"/dev/fd/{descriptor}") else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_atomic(tmp_path / "x", b"1")
    assert calls == ["file", "rename", "folder"] and (tmp_path / "x").read_bytes() == b"1"
    monkeypatch.setattr(os, "replace", lambda a, b: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomic(tmp_path / "x", b"2")
    assert names(tmp_path) == {"x"} and (tmp_path / "x").read_bytes() == b"1"


def test_json_is_deterministic_and_garbage_is_refused_by_name(tmp_path):
    """Kills: NaN in, NaN out, order by insertion, an error that does not say which file."""
    path = tmp_path / "state.json"
    write_json(path, {"b": [1, 2.5, None], "a": "ü"})
    first = path.read_bytes()
    assert read_json(path) == {"a": "ü", "b": [1, 2.5, None]}
    write_json(path, {"a": "ü", "b": [1, 2.5, None]})
    assert path.read_bytes() == first
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert path.read_bytes() == first
    for garbage in (b"", b"{", b"\xff", b"NaN", b'{"a": Infinity}', first[:-3], first + first, b"[" * 100_000):
        path.write_bytes(garbage)
        with pytest.raises(Corrupt, match=re.escape(str(path))):
            read_json(path)


def test_a_log_is_read_whole_and_trimmed_only_when_asked(tmp_path):
    """Kills: skipping bad lines; trimming unasked or anything but the last line; a trim that is not written back."""
    path = tmp_path / "log.jsonl"
    for step in range(3):
        append_jsonl(path, {"step": step, "loss": 0.1})
    whole = path.read_bytes()
    rows = [{"step": step, "loss": 0.1} for step in range(3)]
    assert read_jsonl(path) == rows
    for cut in range(1, len(whole) // 3):
        path.write_bytes(whole[:-cut])
        with pytest.raises(Corrupt, match=r"log\.jsonl, line 3: truncated"):
            read_jsonl(path)
        with pytest.raises(Corrupt, match="truncated line"):
            append_jsonl(path, {"step": 3})
        assert path.read_bytes() == whole[:-cut]
        assert read_jsonl(path, trim=True) == rows[:2]
        assert read_jsonl(path) == rows[:2]
    append_jsonl(path, {"step": 2, "loss": 0.1})
    assert path.read_bytes() == whole


@pytest.mark.parametrize("bad", [b"{", b"", b"1", b"[]", b'{"loss": NaN}', b"\xff", b'{"a":1}{"b":2}'])
def test_any_other_bad_line_is_refused_with_its_number(tmp_path, bad):
    """Kills: forgiving the middle of a log because `trim` was asked; forgiving a whole last line that is garbage."""
    path = tmp_path / "log.jsonl"
    for content, line in ((b'{"a": 1}\n' + bad + b'\n{"a": 2}\n{"a"', 2), (b'{"a": 1}\n' + bad + b"\n", 2)):
        path.write_bytes(content)
        with pytest.raises(Corrupt, match=rf"log\.jsonl, line {line}: not"):
            read_jsonl(path, trim=True)
        assert path.read_bytes() == content


def test_rows_that_no_log_may_hold(tmp_path):
    """Kills: NaN in a log; rows that are not objects; a file made by a refused row."""
    for row in ({"loss": float("nan")}, [1], "x"):
        with pytest.raises(ValueError):
            append_jsonl(tmp_path / "log.jsonl", row)
    with pytest.raises(TypeError):
        append_jsonl(tmp_path / "log.jsonl", {"loss": object()})
    assert names(tmp_path) == set()


APPEND = """
import sys
from interlude.models.files import append_jsonl
for step in range(10**9):
    append_jsonl(sys.argv[1], {"step": step, "text": "x" * 20_000})
    if step == 5:
        print("going", flush=True)
"""


def test_a_killed_log_resumes(tmp_path):
    """Kills: rows lost or repeated over a kill."""
    path = tmp_path / "log.jsonl"
    with running(APPEND, path) as writer:
        writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    rows = read_jsonl(path, trim=True)
    assert len(rows) > 5 and [row["step"] for row in rows] == list(range(len(rows)))
    append_jsonl(path, {"step": len(rows)})
    assert read_jsonl(path)[-1] == {"step": len(rows)}


@pytest.fixture
def finished(tmp_path):
    (tmp_path / "answers").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "answers" / "exam.json").write_bytes(b"{}")
    (tmp_path / "scratch").write_bytes(b"not sealed")
    seal(tmp_path, ["model.safetensors", "answers/exam.json"])
    return tmp_path


def test_a_seal_holds_for_the_files_it_names(finished):
    """Kills: a seal over everything or nothing; a manifest that depends on the order of names."""
    assert sealed(finished) and check(finished) == ("answers/exam.json", "model.safetensors")
    (finished / "scratch").write_bytes(b"changed")
    check(finished)
    manifest = read_json(finished / "done.json")
    assert manifest["files"]["model.safetensors"]["size"] == 7
    with pytest.raises(ValueError, match="sealed already"):
        seal(finished, ["scratch"])
    assert read_json(finished / "done.json") == manifest


@pytest.mark.parametrize(
    "content, said", [(b"weight", "6 bytes where 7 were sealed"), (b"Weights", "edited since"), (None, "missing")]
)
def test_a_broken_seal_names_the_file(finished, content, said):
    """Kills: checking existence only, size only, or digest of the name."""
    victim = finished / "model.safetensors"
    victim.unlink()
    if content is not None:
        victim.write_bytes(content)
    with pytest.raises(Corrupt, match=rf"model\.safetensors: .*{said}"):
        check(finished)


def test_an_edited_or_truncated_manifest_is_refused(finished):
    """Kills: a manifest that loses an entry unnoticed."""
    done = finished / "done.json"
    whole = done.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        done.write_bytes(whole[:length])
        with pytest.raises(Corrupt, match=r"done\.json"):
            check(finished)
    manifest = json.loads(whole)
    del manifest["files"]["model.safetensors"]
    write_json(done, manifest)
    with pytest.raises(Corrupt, match=r"done\.json: edited"):
        check(finished)
    done.unlink()
    assert not sealed(finished)
    with pytest.raises(FileNotFoundError):
        check(finished)


@pytest.mark.parametrize(
    "wanted", [[], ["a", "a"], ["../a"], ["/a"], ["./a"], [""], ["done.json"], ["claim.json"], ["gone"], ["."]]
)
def test_what_cannot_be_sealed(tmp_path, wanted):
    """Kills: a manifest written before its files were looked at; names that lead out of the folder."""
    (tmp_path / "a").touch()
    (tmp_path / "claim.json").touch()
    with pytest.raises(ValueError, match="name|missing"):
        seal(tmp_path, wanted)
    assert not sealed(tmp_path)


def test_symbolic_links_are_refused_everywhere(finished):
    """Kills: following a link, at a file, inside a path, or at the folder itself."""
    (finished / "link").symlink_to(finished / "scratch")
    (finished / "away").symlink_to(finished / "answers")
    (finished.parent / f"{finished.name}-link").symlink_to(finished)
    actions = [
        lambda: write_atomic(finished / "link", b""), lambda: write_json(finished / "link", 1),
        lambda: read_json(finished / "link"), lambda: append_jsonl(finished / "link", {}),
        lambda: read_jsonl(finished / "link"), lambda: check(finished.parent / f"{finished.name}-link"),
        lambda: lock(finished.parent / f"{finished.name}-link").__enter__(),
    ]  # fmt: skip
    (finished / "done.json").unlink()
    actions += [lambda: seal(finished, ["link"]), lambda: seal(finished, ["away/exam.json"])]
    for action in actions:
        with pytest.raises(Corrupt, match="symbolic link"):
            action()
    seal(finished, ["answers/exam.json"])
    (finished / "answers" / "exam.json").unlink()
    (finished / "answers" / "exam.json").symlink_to(finished / "scratch")
    with pytest.raises(Corrupt, match="symbolic link"):
        check(finished)
    assert (finished / "scratch").read_bytes() == b"not sealed"


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    """Kills: "No space left on device", and nobody knows on which."""

    def full(descriptor, view):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    for name, write in (("a.json", store.write_json), ("log.jsonl", store.append_jsonl)):
        with pytest.raises(OSError) as raised:
            write(tmp_path / name, {})
        assert raised.value.errno == errno.ENOSPC and str(tmp_path) in raised.value.filename
