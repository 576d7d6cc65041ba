"""Run folders under real kills: one owner, whole files, and seals that break when a byte does."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from interlude.models import files as store
from interlude.models.files import (
    Busy,
    Corrupt,
    Lost,
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

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from contextlib import ExitStack
from interlude.models.files import lock
with ExitStack() as stack:
    for folder in sys.argv[1:]:
        stack.enter_context(lock(folder))
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
        with pytest.raises(Busy, match=f"process {holder.pid} on") as caught, lock(tmp_path):
            pytest.fail("two holders")
        assert caught.value.holder.pid == holder.pid
        os.kill(holder.pid, signal.SIGKILL)
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet reaped
        with lock(tmp_path) as mine:
            mine.confirm()
            assert mine.holder.pid == os.getpid()
            with pytest.raises(Busy), lock(tmp_path):
                pytest.fail("two holders in one process")
    assert names(tmp_path) == set()


def test_a_claim_ends_with_its_block_also_by_an_error(tmp_path):
    """Kills: a claim left behind by an exception; a descriptor left open, whose lock would stay."""
    for _ in range(3):
        before = len(os.listdir("/dev/fd"))
        with pytest.raises(ZeroDivisionError), lock(tmp_path):
            raise ZeroDivisionError
        with lock(tmp_path), pytest.raises(Busy), lock(tmp_path):
            pass
        assert names(tmp_path) == set() and len(os.listdir("/dev/fd")) == before
    with lock(tmp_path):
        assert names(tmp_path) == {"claim.json"} and read_json(tmp_path / "claim.json")["pid"] == os.getpid()


def test_a_holder_that_sleeps_keeps_its_claim(tmp_path):
    """Kills: any limit of time after which a living process counts as dead, and two then write."""
    with running(HOLD, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGSTOP)
        os.utime(tmp_path / "claim.json", (0, 0))
        with pytest.raises(Busy, match=f"process {holder.pid} on"), lock(tmp_path):
            pytest.fail("took a sleeper's claim")


def test_a_claim_nobody_locks_is_nobodys(tmp_path):
    """Kills: believing what the file says: a pid given to a new process, another machine, or nothing legible."""
    mine = json.dumps({"host": store.socket.gethostname(), "pid": os.getpid()})
    for said in (mine, '{"host": "far", "pid": 1}', "{}", ""):
        (tmp_path / "claim.json").write_text(said)
        with lock(tmp_path) as held:
            held.confirm()
    assert names(tmp_path) == set()


def test_a_claim_removed_by_hand_is_lost_and_its_successor_unharmed(tmp_path):
    """Kills: a confirm that looks at the name only; a loser who removes its successor's claim on leaving."""
    slow = lock(tmp_path)
    held = slow.__enter__()
    (tmp_path / "claim.json").unlink()
    with pytest.raises(Lost, match=r"claim\.json was removed or replaced while process"):
        held.confirm()
    with lock(tmp_path) as quick:
        with pytest.raises(Lost):
            slow.__exit__(None, None, None)
        quick.confirm()
        with pytest.raises(Busy), lock(tmp_path):
            pytest.fail("two holders")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("rival_releases", [False, True])
@pytest.mark.parametrize("dead", [False, True])
def test_a_slow_taker_never_ends_the_claim_that_came_after(tmp_path, monkeypatch, dead, rival_releases):
    """Kills: acting on the lock of a file that is claim.json no more,
    left by a dead process or by one that just went."""
    leaver = lock(tmp_path)
    if dead:
        dead_claims([tmp_path])
    else:
        leaver.__enter__()
    inner, rivals = store._lock, []

    def lock_late(descriptor, path):
        if path.name == "claim.json":
            monkeypatch.setattr(store, "_lock", inner)
            if not dead:
                leaver.__exit__(None, None, None)
            rivals.append(lock(tmp_path))
            rivals[0].__enter__()
            if rival_releases:
                rivals[0].__exit__(None, None, None)
        return inner(descriptor, path)

    monkeypatch.setattr(store, "_lock", lock_late)
    if rival_releases:
        with lock(tmp_path) as held:
            held.confirm()
    else:
        with pytest.raises(Busy), lock(tmp_path):
            pytest.fail("two takers won")
        rivals[0].__exit__(None, None, None)
    assert len(rivals) == 1 and names(tmp_path) == set()


def test_a_claim_is_locked_before_it_has_its_name(tmp_path, monkeypatch):
    """Kills: locking after naming, when another may take the claim for a dead one's in between."""
    link, tries = os.link, []

    def link_and_look(source, target):
        monkeypatch.setattr(os, "link", link)
        link(source, target)
        with pytest.raises(Busy, match=f"process {os.getpid()} on"), lock(tmp_path):
            pytest.fail("two holders")
        tries.append(target)

    monkeypatch.setattr(os, "link", link_and_look)
    with lock(tmp_path) as held:
        held.confirm()
    assert len(tries) == 1


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    """Kills: going on unprotected; a draft left behind."""

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(store.fcntl, "flock", flock)
    with pytest.raises(OSError, match="this file system has no locks"), lock(tmp_path):
        pytest.fail("unprotected")
    assert names(tmp_path) == set()


RACE = """
import os, sys, time
from pathlib import Path
from interlude.models.files import Busy, lock
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
        with lock(folder) as held:
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
    """Kills: half-written files that pile up; clearing what is not ours to clear, such as a living claimant's draft."""
    for name in (".tmp-dead", ".draft-dead", "tmp-mine", "weights"):
        (tmp_path / name).touch()
    living, descriptor = store._draft(tmp_path)
    with lock(tmp_path):
        assert names(tmp_path) == {living.name, "tmp-mine", "weights", "claim.json"}
    os.close(descriptor)


def test_a_draft_that_is_swept_away_too_soon_is_made_again(tmp_path, monkeypatch):
    """Kills: a claimant who fails, or names a file that is gone,
    because a new owner swept between making and locking."""
    take, swept = store._lock, []

    def sweep_first(descriptor, path):
        if not swept:
            swept.append(path)
            store._sweep(tmp_path)
        return take(descriptor, path)

    monkeypatch.setattr(store, "_lock", sweep_first)
    with lock(tmp_path) as held:
        held.confirm()
    assert len(swept) == 1 and names(tmp_path) == set()


def test_nonsense_claims_are_refused(tmp_path):
    """Kills: naming a holder nobody can read; a folder made on the way."""
    with lock(tmp_path):
        (tmp_path / "claim.json").write_text("{}")
        with pytest.raises(Corrupt, match=r"claim\.json: not a claim"), lock(tmp_path):
            pass
    with pytest.raises(ValueError, match="not a folder"), lock(tmp_path / "gone"):
        pass


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
