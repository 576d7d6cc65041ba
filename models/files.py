"""A run's folder: one owner at a time, whole files or none, and a seal over what is finished."""

import fcntl
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

CLAIM = "claim.json"
DONE = "done.json"


class Corrupt(ValueError):
    """A file is not what was written: truncated, edited, missing, or a symbolic link."""


class Busy(RuntimeError):
    """The folder belongs to another process, or to another claim of this one: `holder`."""

    def __init__(self, folder: Path, holder: "Holder"):
        super().__init__(f"{folder} is claimed by process {holder.pid} on {holder.host}")
        self.folder, self.holder = folder, holder


class Lost(RuntimeError):
    """A claim of this process was removed or replaced from outside."""


@dataclass(frozen=True)
class Holder:
    """Who claims a folder: a process, by its number on a machine."""

    host: str
    pid: int


@dataclass(frozen=True)
class Lock:
    """A claim that is held, until its `with` block ends; `descriptor` is that of the locked file."""

    folder: Path
    holder: Holder
    descriptor: int

    def confirm(self) -> None:
        """Raise Lost if the claim is no longer this one: somebody removed its file,
        or restored the folder from a copy."""
        if not _leads_to(self.folder / CLAIM, self.descriptor):
            raise Lost(f"{self.folder / CLAIM} was removed or replaced while process {self.holder.pid} held it")


# Whole files


def write_atomic(path, content: bytes | Sequence[bytes | memoryview]) -> None:
    """Write a file so that, whatever happens, its name leads to the old content or the new, on the disk and whole.

    content: the bytes, or parts of them in order. The folder must exist and the name must not be a symbolic link
    (ValueError).
    """
    path = Path(path)
    _refuse_link(path)
    draft, descriptor = _draft(path.parent, ".tmp-", locks=False)
    try:
        for part in (content,) if isinstance(content, bytes) else content:
            _write_all(descriptor, part, draft)
        os.fsync(descriptor)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
        os.close(descriptor)
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
        _write_all(descriptor, line, path)
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
# A claim is claim.json, locked: flock(2) holds as long as its process lives, stopped or asleep too, and the kernel ends
# it with the process, however that dies. So nothing here measures time, and what the file says is for people to read.
#
# The file is written and locked as a draft and then given its name, by a hard link, which fails if the name is taken;
# so nobody sees a claim that is half written or not yet locked. Who finds the name taken tries to lock that file. If
# that fails, its owner lives. If it succeeds, the owner is dead, or has just left and unlinked the file: whoever has a
# lock looks whether the name still leads to the file, and otherwise begins again. Only the lock of the file that has
# the name allows to replace it, or to remove it on leaving.
#
# Children share a lock if they are forked without exec: the claim then ends with the last of them. On NFS Linux turns
# flock into a lock at the server (NFSv4, or v3 with lockd), so machines exclude each other; a machine that crashes or
# is cut off holds its claims until its lease ends (90 s by default), after which its process gets I/O errors or, at
# the latest, Lost. File systems mounted without locks (Lustre without -o flock) are refused; those whose locks reach
# one machine only (Lustre with -o localflock, NFS with local_lock=flock) protect that machine's processes only.


@contextmanager
def lock(folder) -> Iterator[Lock]:
    """Hold a folder exclusively for the `with` block; yields the Lock.

    Raises Busy, naming the holder, while another process, or this one, holds it; a claim whose process is dead is taken
    over at once. Leaving the block raises Lost if the claim was taken from outside meanwhile; before a step that
    matters, ask `Lock.confirm`. Half-written files of dead owners directly inside the folder (`.tmp-*`, `.draft-*`)
    are removed. Raises OSError where the file system has no locks.
    """
    folder = _folder(folder)
    me = Holder(socket.gethostname(), os.getpid())
    held = Lock(folder, me, _take(folder, me))
    try:
        _sweep(folder)
        yield held
    finally:
        try:
            held.confirm()
            (folder / CLAIM).unlink()
        finally:
            os.close(held.descriptor)


def _take(folder: Path, me: Holder) -> int:
    """A descriptor of claim.json, which is mine and locked."""
    draft, mine = _draft(folder, ".draft-")
    try:
        _write_all(mine, (json.dumps(asdict(me), sort_keys=True, indent=1) + "\n").encode("ascii"), draft)
        while not _publish(draft, folder):
            pass  # the claim there was ended in the meantime
    except BaseException:
        os.close(mine)
        raise
    finally:
        draft.unlink(missing_ok=True)
    return mine


def _draft(folder: Path, prefix: str, locks: bool = True) -> tuple[Path, int]:
    """A new file, locked; one that is swept away before it is locked is replaced by another.

    locks: whether they are needed. A file system without them has no claims, so nobody sweeps there.
    """
    while True:
        draft = folder / f"{prefix}{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        ours = False
        try:
            ours = _lock(descriptor, draft) and _leads_to(draft, descriptor)
        except OSError:
            if locks:
                raise
            ours = True
        finally:
            if not ours:
                draft.unlink(missing_ok=True)
                os.close(descriptor)
        if ours:
            return draft, descriptor


def _publish(draft: Path, folder: Path) -> bool:
    """Make my locked draft the claim; Busy if a claim stands, False if one was ended before I could look at it."""
    path = folder / CLAIM
    try:
        os.link(draft, path)
        return True
    except FileExistsError:
        pass
    try:
        theirs = os.open(path, os.O_RDWR | os.O_NOFOLLOW)  # for writing: NFS locks nothing else exclusively
    except FileNotFoundError:
        return False
    try:
        locked = _lock(theirs, path)
        if not _leads_to(path, theirs):
            return False
        if not locked:
            raise Busy(folder, _holder(theirs, path))
        os.replace(draft, path)
        return True
    finally:
        os.close(theirs)


def _lock(descriptor: int, path: Path) -> bool:
    """Lock an open file, without waiting; False if somebody else has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OSError(
            error.errno, "this file system has no locks, so runs on it cannot be protected", str(path)
        ) from error
    return True


def _leads_to(path: Path, descriptor: int) -> bool:
    """Whether a name is that of an open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int, path: Path) -> Holder:
    record = _parse(os.pread(descriptor, os.fstat(descriptor).st_size, 0), str(path))
    if type(record) is not dict or set(record) != set(Holder.__dataclass_fields__):
        raise Corrupt(f"{path}: not a claim, yet a process holds it")
    return Holder(**record)


def _sweep(folder: Path) -> None:
    """Remove what dead processes left; a draft that is locked is that of a living writer or claimant."""
    for draft in (*folder.glob(".tmp-*"), *folder.glob(".draft-*")):
        try:
            descriptor = os.open(draft, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        try:
            if _lock(descriptor, draft):
                draft.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


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


def _write_all(descriptor: int, content: bytes | memoryview, path: Path) -> None:
    """Write everything. Raises OSError naming the file, as a full disk's error names none."""
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    _sync(folder)
