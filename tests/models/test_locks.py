"""A run folder has one owner at a time, also when owners are killed."""

import errno
import json
import os
import signal

import pytest
from processes import names, running

from interlude.models import files as store
from interlude.models.files import (
    Busy,
    Corrupt,
    Lost,
    lock,
    read_json,
)

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


def dead_claims(folders) -> None:
    """Leave in each folder the claim of a process that was killed."""
    with running(HOLD, *folders) as holder:
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()


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
    living, descriptor = store._draft(tmp_path, ".draft-")
    with lock(tmp_path):
        assert names(tmp_path) == {living.name, "tmp-mine", "weights", "claim.json"}
    os.close(descriptor)


def test_a_claim_leaves_a_living_writer_its_draft(tmp_path, monkeypatch):
    """Kills: a sweep that takes from under a writer without a claim what is about to get its name."""
    replace = os.replace

    def claimed_first(draft, path):
        if str(path).endswith("exam.json"):
            with lock(tmp_path):
                assert draft.exists()
        replace(draft, path)

    monkeypatch.setattr(os, "replace", claimed_first)
    store.write_atomic(tmp_path / "exam.json", b"{}")
    assert (tmp_path / "exam.json").read_bytes() == b"{}" and names(tmp_path) == {"exam.json"}


def test_files_are_written_where_there_are_no_locks(tmp_path, monkeypatch):
    """Kills: tables that cannot be kept on a file system where nobody claims anything."""

    def missing(descriptor, how):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(store.fcntl, "flock", missing)
    store.write_atomic(tmp_path / "table.csv", b"a")
    assert names(tmp_path) == {"table.csv"}
    with pytest.raises(OSError, match="has no locks"), lock(tmp_path):
        pass


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
