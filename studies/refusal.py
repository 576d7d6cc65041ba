"""A request that cannot be met is answered in one sentence; a bug keeps its traceback."""

from __future__ import annotations

import difflib
import errno
import linecache
import os
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
OURS = tuple(str(HERE.parent / layer) + os.sep for layer in ("synth", "models", "studies", "figures"))
SHORTEST_PART = 3  # letters: fewer are part of nearly every name


class Refused(ValueError):
    """A request that cannot be met, said in one sentence."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what to do next."""


def meant(name: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?" for a name that is one of those known in other letters' case, or else close to one or two
    of them or a part of them, else nothing."""
    typed, names = name.casefold(), {each.casefold(): each for each in known}
    parts = [each for each in names if typed in each] if len(typed) >= SHORTEST_PART else []
    near = dict.fromkeys((*difflib.get_close_matches(typed, names, n=2), *parts))
    found = [typed] if typed in names else list(near)[:2]
    return f"; did you mean {' or '.join(names[each] for each in found)}?" if found else ""


def expected(error: BaseException) -> bool:
    """Whether an error is an answer to the user rather than a bug: one of our classes, the operating system's, or a
    ValueError or KeyError that our own code raised on purpose."""
    if isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("interlude", "__main__"):
        return True
    if not isinstance(error, (ValueError, KeyError)):
        return False
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    where = last.tb_frame.f_code.co_filename
    return where.startswith(OURS) and linecache.getline(where, last.tb_lineno).strip().startswith("raise ")


def sentence(error: BaseException) -> str:
    """What an expected error says."""
    if isinstance(error, OSError) and error.strerror:
        full = " (nothing finished is lost; make room and give the same command)" if error.errno == errno.ENOSPC else ""
        return (f"{error.filename}: " if error.filename else "") + error.strerror + full
    return str(error.args[0] if isinstance(error, KeyError) else error)
