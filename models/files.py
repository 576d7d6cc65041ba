"""A run's folder: one owner at a time, whole files or none, and a seal over what is finished."""

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

CLAIM = "claim.json"
DONE = "done.json"
BEAT = 5.0  # seconds between two signs of life of a claim
STALE = 60.0  # seconds without one after which the holder counts as dead


class Corrupt(ValueError):
    """A file is not what was written: truncated, edited, missing, or a symbolic link."""


class Busy(RuntimeError):
    """The folder belongs to another process, or to another claim of this one: `holder`."""

    def __init__(self, folder: Path, holder: "Holder"):
        super().__init__(f"{folder} is claimed by process {holder.pid} on {holder.host}")
        self.folder, self.holder = folder, holder


class Lost(RuntimeError):
    """A claim of this process was silent too long, and another process took the folder over."""


@dataclass(frozen=True)
class Holder:
    """Who claims a folder; `started` tells a process from a later one with the same pid, `token` claim from claim."""

    host: str
    place: str
    pid: int
    started: str
    token: str


@dataclass(frozen=True)
class Claim:
    """A claim that is held, until its `with` block ends."""

    folder: Path
    holder: Holder

    def confirm(self) -> None:
        """Raise Lost if the folder was taken over, as it may be after this process was silent too long."""
        now = _sight(self.folder / CLAIM)
        if now is None or now[0].token != self.holder.token:
            by = f"process {now[0].pid} on {now[0].host}" if now else "a process that has left it since"
            raise Lost(f"{self.folder} was taken over by {by}")


# Whole files


def write_atomic(path, content: bytes) -> None:
    """Write a file so that, whatever happens, its name leads to the old content or the new, on the disk and whole.

    The folder must exist and the name must not be a symbolic link (ValueError).
    """
    path = Path(path)
    _refuse_link(path)
    draft = path.with_name(f".tmp-{secrets.token_hex(8)}")
    try:
        _write_new(draft, content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_json(path, value) -> None:
    """Write a value as JSON (sorted names, final newline), atomically; NaN and infinities are a ValueError."""
    write_atomic(path, (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii"))


def read_json(path):
    """The value in a JSON file; Corrupt, naming the file, if it is anything else."""
    path = Path(path)
    return _parse(_read(path), str(path))


# Logs, a row a line


def append_jsonl(path, row: dict) -> None:
    """Append one row to a log and put it on the disk.

    Raises ValueError for a row that is not a dict of JSON values, Corrupt if the log does not end with a whole line.
    """
    path = Path(path)
    if type(row) is not dict:
        raise ValueError(f"row must be a dict, not {type(row).__name__}")
    line = (json.dumps(row, allow_nan=False) + "\n").encode("ascii")
    _refuse_link(path)
    fresh = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            raise Corrupt(f"{path} ends in a truncated line; read it with trim=True before appending")
        _write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        _sync_folder(path.parent)


def read_jsonl(path, trim: bool = False) -> list[dict]:
    """The rows of a log, in order.

    A last line without its newline is what a killed writer leaves: it is dropped, and the file rewritten without it,
    only with `trim=True`, on resume. Any other line that is not a JSON object is Corrupt, naming file and line.
    """
    path = Path(path)
    content = _read(path)
    *lines, rest = content.split(b"\n")
    if rest and not trim:
        raise Corrupt(f"{path}, line {len(lines) + 1}: truncated")
    rows = [_row(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
    if rest:
        write_atomic(path, content[: len(content) - len(rest)])
    return rows


def _row(line: bytes, place: str) -> dict:
    row = _parse(line, place)
    if type(row) is not dict:
        raise Corrupt(f"{place}: not a JSON object")
    return row


def _parse(content: bytes, place: str):
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{place}: not JSON ({error})") from None


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a JSON number")


# Finished folders


def seal(folder, names) -> None:
    """Declare a folder finished: the size and SHA-256 of each named file, in `done.json`, written last.

    `names` are paths of regular files relative to the folder. Raises ValueError for an empty, repeated or outside
    name, for a symbolic link, and for a folder that is sealed already.
    """
    folder, names = _folder(folder), sorted(names)
    if sealed(folder):
        raise ValueError(f"{folder} is sealed already")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"names must be at least one and all different, not {names}")
    files = {}
    for name in names:
        path = _inside(folder, name)
        files[name] = _measure(path)
        _sync(path)
        _sync_folder(path.parent)
    write_json(folder / DONE, {"files": files, "sha256": digest(files)})


def sealed(folder) -> bool:
    """Whether the folder was declared finished; `check` says whether it still is what was sealed."""
    done = _folder(folder) / DONE
    _refuse_link(done)
    return done.exists()


def check(folder) -> tuple[str, ...]:
    """The names of the files under a folder's seal, once each is found to be what was sealed.

    Raises Corrupt naming the first file that is missing, truncated, edited or a symbolic link, the manifest included;
    FileNotFoundError if the folder is not sealed.
    """
    folder = _folder(folder)
    manifest = read_json(folder / DONE)
    if type(manifest) is not dict or set(manifest) != {"files", "sha256"} or type(manifest["files"]) is not dict:
        raise Corrupt(f"{folder / DONE}: not a manifest")
    if manifest["sha256"] != digest(manifest["files"]):
        raise Corrupt(f"{folder / DONE}: edited")
    for name, sealed_as in manifest["files"].items():
        path = _inside(folder, name)
        found = _measure(path)
        if found["size"] != sealed_as["size"]:
            raise Corrupt(f"{path}: {found['size']} bytes where {sealed_as['size']} were sealed")
        if found != sealed_as:
            raise Corrupt(f"{path}: edited since it was sealed")
    return tuple(manifest["files"])


def digest(value) -> str:
    """SHA-256 of a JSON value, 64 hexadecimal digits: the same before it is written and after it is read."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode("ascii")).hexdigest()


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name != "/".join(parts) or ".." in parts or name in (CLAIM, DONE):
        raise ValueError(f"name must be the plain path of a file inside the folder, not {name!r}")
    for depth in range(1, len(parts) + 1):
        _refuse_link(folder.joinpath(*parts[:depth]))
    return folder.joinpath(*parts)


def _measure(path: Path) -> dict:
    if not path.is_file():
        raise Corrupt(f"{path}: missing, or not a regular file")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"sha256": digest, "size": file.tell()}


# Claims
#
# A claim is taken by giving a finished draft the name claim.json with a hard link, which fails if the name exists:
# O_EXCL, but nobody ever reads a claim that is half written.
#
# A claim whose token is T is ended, by its holder or by whoever takes it over, only by the process that owns T's
# grave: the file .grave-T, made the same way, holding its owner's own record. While it stands, no other process may
# touch claim.json. Its owner looks at claim.json once more: if that still says T, it replaces or removes it; if not,
# T was ended before this grave was dug, and the owner begins again. Tokens never return, so a slow taker can never
# end the claim that came after T. A grave whose owner died before acting is ended in turn by that owner's own grave.


@contextmanager
def claim(folder, *, beat: float = BEAT, stale: float = STALE) -> Iterator[Claim]:
    """Hold a folder exclusively for the `with` block; yields the Claim.

    Raises Busy, naming the holder, while another claim stands. A claim is stale, and taken over, when its process is
    dead on this machine or when its last beat is more than `stale` seconds old (by the file system's clock, so
    machines may disagree about the time). A daemon thread beats every `beat` seconds. Leaving the block raises Lost
    if the folder was taken over meanwhile; before a step that matters, ask `Claim.confirm`. Half-written files of dead
    owners directly inside the folder (`.tmp-*`) are removed.
    """
    folder = _folder(folder)
    if not 0 < beat < stale:
        raise ValueError(f"beat must be positive and below stale, not {beat} and {stale}")
    me = _myself()
    _take(folder, me, stale)
    # The beat goes to the file that is ours, whatever name it has: never to a successor's claim.
    descriptor = os.open(folder / CLAIM, os.O_RDONLY | os.O_NOFOLLOW)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(descriptor, beat, ended), daemon=True)
    heart.start()
    try:
        _sweep(folder, me, stale)
        yield Claim(folder, me)
    finally:
        ended.set()
        heart.join()
        os.close(descriptor)
        _release(folder, me)


def _beat(descriptor: int, seconds: float, ended: threading.Event) -> None:
    while not ended.wait(seconds):
        os.utime(descriptor)


def _take(folder: Path, me: Holder, stale: float) -> None:
    while not _publish(folder / CLAIM, me):
        held = _sight(folder / CLAIM)
        if held is not None and _take_over(folder, held, me, stale):
            return


def _take_over(folder: Path, held: tuple[Holder, float], me: Holder, stale: float) -> bool:
    """Replace a stale claim by mine; False if it was ended meanwhile, Busy if anyone lives who may act on it."""
    first, graves = held[0], []
    while held is not None:
        if not _abandoned(folder, *held, stale):
            raise Busy(folder, held[0])
        graves.append(_grave(folder, held[0]))
        if _publish(graves[-1], me):
            return _end(folder, first, graves, successor=me)
        held = _sight(graves[-1])
    return False


def _release(folder: Path, me: Holder) -> None:
    grave = _grave(folder, me)
    if not _publish(grave, me):
        raise Lost(f"{folder} is being taken over")
    if not _end(folder, me, [grave], successor=None):
        Claim(folder, me).confirm()


def _end(folder: Path, holder: Holder, graves: list[Path], successor: Holder | None) -> bool:
    """End the claim of `holder`, whose last grave is mine; False if it had been ended already."""
    try:
        now = _sight(folder / CLAIM)
        if now is None or now[0].token != holder.token:
            return False
        if successor is None:
            (folder / CLAIM).unlink()
        else:
            write_atomic(folder / CLAIM, _record(successor))
        return True
    finally:
        for grave in graves:
            grave.unlink(missing_ok=True)


def _publish(path: Path, me: Holder) -> bool:
    """Give my record this name, all at once; False if the name is taken."""
    draft = path.with_name(f".draft-{me.token}")
    _write_new(draft, _record(me))
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def _sight(path: Path) -> tuple[Holder, float] | None:
    """The holder in a claim or grave and the time of its last beat, or None if the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        record, beat = _parse(file.read(), str(path)), os.fstat(descriptor).st_mtime
    if type(record) is not dict or set(record) != set(Holder.__dataclass_fields__):
        raise Corrupt(f"{path}: not a claim; remove it if no run is using the folder")
    return Holder(**record), beat


def _abandoned(folder: Path, holder: Holder, beat: float, stale: float) -> bool:
    if holder.place == _place() and _started(holder.pid) != holder.started:
        return True
    return _file_system_time(folder) - beat > stale


def _file_system_time(folder: Path) -> float:
    probe = folder / f".draft-{secrets.token_hex(8)}"
    _write_new(probe, b"")
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _sweep(folder: Path, me: Holder, stale: float) -> None:
    """Remove what dead processes left; a young draft (.draft-*) may be that of a living claimant."""
    now = _file_system_time(folder)
    old = [draft for draft in folder.glob(".draft-*") if now - _modified(draft, now) > stale]
    for left in [*folder.glob(".tmp-*"), *folder.glob(".grave-*"), *old]:
        if left != _grave(folder, me):
            left.unlink(missing_ok=True)


def _modified(path: Path, gone: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return gone


def _grave(folder: Path, holder: Holder) -> Path:
    return folder / f".grave-{holder.token}"


def _record(holder: Holder) -> bytes:
    return (json.dumps(asdict(holder), sort_keys=True, indent=1) + "\n").encode("ascii")


def _myself() -> Holder:
    pid = os.getpid()
    return Holder(socket.gethostname(), _place(), pid, _started(pid), secrets.token_hex(16))


def _place() -> str:
    """Where a pid means something: this boot of this machine, and inside it this container."""
    if not sys.platform.startswith("linux"):
        return socket.gethostname()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _started(pid: int) -> str:
    """When the process with this pid started, in the words of the system; empty if there is none or it is a zombie."""
    if not sys.platform.startswith("linux"):
        return subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]  # proc(5): fields 3 (state) and 22 (starttime)


# Bytes


def _folder(folder) -> Path:
    folder = Path(folder)
    _refuse_link(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    return folder


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise Corrupt(f"{path}: a symbolic link")


def _read(path: Path) -> bytes:
    _refuse_link(path)
    return path.read_bytes()


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    _sync(folder)
