"""Run folders under real kills: one owner, whole files, and seals that break when a byte does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from models import files as store
from models.files import (
    Busy, Corrupt, Lost, append_jsonl, check, claim, read_json, read_jsonl, seal, sealed, write_atomic, write_json,
)  # fmt: skip

ROOT = Path(__file__).parents[1]
HOLD = """
import sys, time
from contextlib import ExitStack
from models.files import claim
with ExitStack() as stack:
    for folder in sys.argv[1:]:
        stack.enter_context(claim(folder))
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def running(code: str, *arguments):
    """A real process, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def dead_claims(folders) -> None:
    """Leave in each folder the claim of a process that was killed."""
    with running(HOLD, *folders) as holder:
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()


def names(folder) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def test_a_claim_excludes_others_until_its_holder_is_killed(tmp_path):
    """Kills: no exclusion; a dead holder who blocks for ever; a zombie taken for a living process."""
    with running(HOLD, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"process {holder.pid} on") as caught, claim(tmp_path):
            pytest.fail("two holders")
        assert caught.value.holder.pid == holder.pid
        os.kill(holder.pid, signal.SIGKILL)
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet reaped
        with claim(tmp_path) as mine:
            mine.confirm()
            assert mine.holder.pid == os.getpid()
            with pytest.raises(Busy), claim(tmp_path):
                pytest.fail("two holders in one process")
    assert names(tmp_path) == set()


def test_a_claim_ends_with_its_block_also_by_an_error(tmp_path):
    """Kills: a claim left behind by an exception; its heart beating on."""
    before = store.threading.active_count()
    with pytest.raises(ZeroDivisionError), claim(tmp_path):
        raise ZeroDivisionError
    assert names(tmp_path) == set() and store.threading.active_count() == before
    with claim(tmp_path):
        assert names(tmp_path) == {"claim.json"}


def test_a_pid_that_was_given_to_a_new_process_is_not_its_old_holder(tmp_path):
    """Kills: asking only whether the pid exists."""
    me = store._myself()
    record = store._record(store.Holder(me.host, me.place, me.pid, "long ago", "t"))
    (tmp_path / "claim.json").write_bytes(record)
    with claim(tmp_path):
        pass
    (tmp_path / "claim.json").write_bytes(store._record(me))
    with pytest.raises(Busy), claim(tmp_path):
        pass


def test_a_claim_from_elsewhere_is_judged_by_its_heartbeat(tmp_path):
    """Kills: judging another machine's pid here; a limit other than 60 s; a beat that does not reach the file."""
    path = tmp_path / "claim.json"
    path.write_bytes(store._record(store.Holder("far", "another boot", 1, "", "t")))
    now = time.time()
    os.utime(path, (now - 50, now - 50))
    with pytest.raises(Busy, match="process 1 on far"), claim(tmp_path):
        pass
    os.utime(path, (now - 70, now - 70))
    with claim(tmp_path, beat=0.01) as mine:
        os.utime(path, (now - 70, now - 70))
        time.sleep(0.3)
        assert path.stat().st_mtime > now - 60
        mine.confirm()


def test_a_holder_silent_too_long_loses_its_claim_and_is_told(tmp_path):
    """Kills: a stale claim of a living process that blocks; a loser who unlinks or beats for its successor's claim."""
    path = tmp_path / "claim.json"
    slow = claim(tmp_path)
    held = slow.__enter__()
    os.utime(path, (0, 0))
    with claim(tmp_path) as quick:
        with pytest.raises(Lost, match=f"by process {os.getpid()} on"):
            held.confirm()
        quick.confirm()
        os.utime(path, (0, 0))
        with pytest.raises(Lost, match=f"by process {os.getpid()} on"):
            slow.__exit__(None, None, None)
        quick.confirm()
    with pytest.raises(Lost, match="by a process that has left it"):
        held.confirm()
    assert names(tmp_path) == set()


def test_a_lost_claim_beats_for_nobody(tmp_path):
    """Kills: a heartbeat by file name, which would keep a successor's claim alive after its death."""
    path = tmp_path / "claim.json"
    slow = claim(tmp_path, beat=0.01)
    slow.__enter__()
    stale = store._sight(path)[0]
    store._publish(store._grave(tmp_path, stale), store._myself())
    store._end(tmp_path, stale, [store._grave(tmp_path, stale)], successor=store._myself())
    os.utime(path, (0, 0))
    time.sleep(0.1)
    assert path.stat().st_mtime == 0
    with pytest.raises(Lost):
        slow.__exit__(None, None, None)


def test_a_holder_does_not_release_what_is_being_taken_over(tmp_path):
    """Kills: unlinking claim.json while a taker, who owns the grave, may have replaced it the moment before."""
    slow = claim(tmp_path)
    held = slow.__enter__()
    store._publish(store._grave(tmp_path, held.holder), store._myself())
    with pytest.raises(Lost, match="is being taken over"):
        slow.__exit__(None, None, None)
    assert names(tmp_path) == {"claim.json", f".grave-{held.holder.token}"}


@pytest.mark.parametrize("rival_releases", [False, True])
def test_a_slow_taker_never_ends_the_claim_that_came_after(tmp_path, monkeypatch, rival_releases):
    """Kills: renaming or unlinking whatever claim.json is now, on a verdict about what it was."""
    dead_claims([tmp_path])
    judge, rivals = store._abandoned, []

    def judge_slowly(*arguments):
        verdict = judge(*arguments)
        monkeypatch.setattr(store, "_abandoned", judge)
        rivals.append(claim(tmp_path))
        rivals[0].__enter__()
        if rival_releases:
            rivals[0].__exit__(None, None, None)
        return verdict

    monkeypatch.setattr(store, "_abandoned", judge_slowly)
    if rival_releases:
        with claim(tmp_path):
            pass
    else:
        with pytest.raises(Busy), claim(tmp_path):
            pytest.fail("two takers won")
        rivals[0].__exit__(None, None, None)
    assert len(rivals) == 1 and names(tmp_path) == set()


def test_a_taker_killed_half_way_does_not_block_the_next(tmp_path):
    """Kills: a grave that outlives its owner; and taking over while that owner lives."""
    dead_claims([tmp_path])
    stale = store._sight(tmp_path / "claim.json")[0]
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    with running(HOLD, elsewhere) as owner:
        assert owner.stdout.readline() == "held\n"
        half_way = store.Holder(stale.host, stale.place, owner.pid, store._started(owner.pid), "half-way")
        store._publish(store._grave(tmp_path, stale), half_way)
        with pytest.raises(Busy, match=f"process {owner.pid} on"), claim(tmp_path):
            pytest.fail("took over from a taker at work")
    with claim(tmp_path):
        assert names(tmp_path) == {"claim.json"}
    assert names(tmp_path) == set()


RACE = """
import os, sys, time
from pathlib import Path
from models.files import Busy, claim
root, me, rival = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def wait(path):
    until = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > until:
            sys.exit(f"{path} never came")

for folder in sorted(root.glob("run*")):
    (root / f"ready-{folder.name}-{me}").touch()
    wait(root / f"ready-{folder.name}-{rival}")
    try:
        with claim(folder) as held:
            print(folder.name, flush=True)
            (root / f"tried-{folder.name}-{me}").touch()
            wait(root / f"tried-{folder.name}-{rival}")
            held.confirm()
    except Busy:
        (root / f"tried-{folder.name}-{me}").touch()
"""


def test_two_processes_race_for_twenty_claims_and_each_is_won_once(tmp_path):
    """Kills: two takers who both win (ten of the claims are stale), and two who both lose."""
    folders = [tmp_path / f"run{i:02}" for i in range(20)]
    for folder in folders:
        folder.mkdir()
    dead_claims(folders[::2])
    with running(RACE, tmp_path, "a", "b") as a, running(RACE, tmp_path, "b", "a") as b:
        won = [*a.communicate(timeout=90)[0].split(), *b.communicate(timeout=90)[0].split()]
        assert (a.returncode, b.returncode) == (0, 0)
    assert sorted(won) == [folder.name for folder in folders]
    assert all(names(folder) == set() for folder in folders)


def test_a_new_owner_clears_what_a_dead_writer_left(tmp_path):
    """Kills: half-written files that pile up; and clearing what is not ours to clear."""
    for name in (".tmp-dead", ".grave-old", ".draft-young", ".draft-old", "tmp-mine", "weights"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".draft-old", (0, 0))
    with claim(tmp_path):
        assert names(tmp_path) == {".draft-young", "tmp-mine", "weights", "claim.json"}


def test_nonsense_claims_are_refused(tmp_path):
    """Kills: taking over a claim nobody can read; a folder made on the way; a beat slower than its limit."""
    (tmp_path / "claim.json").write_text("{}")
    with pytest.raises(Corrupt, match=r"claim\.json: not a claim"), claim(tmp_path):
        pass
    with pytest.raises(ValueError, match="not a folder"), claim(tmp_path / "gone"):
        pass
    with pytest.raises(ValueError, match="beat must"), claim(tmp_path, beat=60.0):
        pass


WRITE = """
import sys
from models.files import write_atomic
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
from models.files import append_jsonl
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
        lambda: claim(finished.parent / f"{finished.name}-link").__enter__(),
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
