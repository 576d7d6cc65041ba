"""Which code a run stands on: ours, which a checkpoint must match to be resumed, and a user's, which enters its key."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interlude.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).resolve().parent.parent
DECIDES = ("models", "synth")  # the folders whose code decides what is trained
LIBRARIES = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}


@cache  # as it was when this process first asked: a run of hours must not take up what was edited meanwhile
def code() -> str:
    """A digest (16 hexadecimal digits) of the code that decides what is trained: ``models`` and ``synth``.

    Python counts by its syntax tree without docstrings, so that comments and layout do not matter; data files and
    other languages count byte by byte.
    """
    found = hashlib.sha256()
    for path in sorted(each for folder in DECIDES for each in (PACKAGE / folder).rglob("*")):
        if path.suffix in (".py", ".toml", ".cpp", ".h"):
            found.update(str(path.relative_to(PACKAGE)).encode() + b"\0")
            found.update(meaning(path.read_text("utf-8")) if path.suffix == ".py" else path.read_bytes())
    return found.hexdigest()[:16]


def meaning(text: str | bytes) -> bytes:
    """What a Python source says, without its comments, layout and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str:
                node.body = node.body[1:]
    return ast.unparse(tree).encode()  # not `ast.dump`, which Python versions write differently


@cache  # as for `code`; a file that is imported again makes another class
def own_code(kind: type) -> str | None:
    """A digest (16 hexadecimal digits) of the user's code behind a class: the files that define it and its bases, and
    whatever these import from the same folder; None for a class of this package or of an installed library.

    Where the files lie does not matter. Raises ValueError for a class that no readable file defines, as one typed at a
    prompt: with nothing to tell its versions apart, an edited class would be given the results of the old one.
    """
    waiting = [own_file(base) for base in kind.__mro__ if not supplied(base)]
    found: dict[Path, bytes] = {}
    while waiting:
        path, root = waiting.pop()
        if path not in found:
            found[path] = hashlib.sha256(said(path)).digest()
            waiting += [(each, root) for each in imported(path, root)]
    return hashlib.sha256(b"".join(sorted(set(found.values())))).hexdigest()[:16] if found else None


def supplied(kind: type) -> bool:
    """Whether a class is of this package, of Python, or of an installed library."""
    top = kind.__module__.partition(".")[0]
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if top == "interlude" or file is None:
        return top == "interlude" or top in sys.builtin_module_names or top in sys.stdlib_module_names
    path = Path(file).resolve()
    return "site-packages" in path.parts or any(path.is_relative_to(folder) for folder in LIBRARIES)


def own_file(kind: type) -> tuple[Path, Path]:
    """The file that defines a user's class, and the folder from which its module is imported. Raises ValueError if
    there is none."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None or not Path(file).is_file():
        raise ValueError(
            f"no file that can be read defines the class {kind.__qualname__} (module {kind.__module__!r}), so nothing "
            "would tell an edited version from this one; put it into a .py file and import it from there"
        )
    path = Path(file).resolve()
    return path, path.parents[kind.__module__.count(".") + (path.stem == "__init__")]


def said(path: Path) -> bytes:
    """The meaning of a Python file; the bytes of any other. Raises ValueError if it is not valid Python."""
    if path.suffix != ".py":
        return path.read_bytes()
    try:
        return meaning(path.read_bytes())
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from error


def imported(path: Path, root: Path) -> Iterator[Path]:
    """The files under ``root`` that a file's import statements name, wherever they stand in it, packages included."""
    for node in ast.walk(ast.parse(path.read_bytes())) if path.suffix == ".py" else ():
        if isinstance(node, ast.Import):
            start, names = root, [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = path.parents[node.level - 1] if node.level else root
            before = f"{node.module}." if node.module else ""
            names = [before + alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                module = start.joinpath(*parts[:length])
                found = (each for each in (module.with_name(f"{module.name}.py"), module / "__init__.py"))
                yield from (each.resolve() for each in found if each.is_file())


def types(tensors: dict[str, Tensor]) -> dict[str, str]:
    """The number type of every tensor, such as "float32", by name."""
    return {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()}


def check_origin(saved: dict[str, str], wanted: dict[str, str]) -> None:
    """Raises ValueError, naming everything in which a save's origin differs from what it is to be continued as."""
    names = dict.fromkeys((*saved, *wanted))
    differing = [name for name in names if saved.get(name) != wanted.get(name)]
    if differing:
        said = ", ".join(f"{n} {saved.get(n, 'unknown')} instead of {wanted.get(n, 'unknown')}" for n in differing)
        raise ValueError(f"it belongs to another run: {said}")


def check_types(tensors: dict[str, Tensor], said: dict[str, str], weights: dict[str, Tensor]) -> None:
    """Raises ValueError unless a save holds exactly the tensors it says, with their types, and those of the weights."""
    found = types(tensors)
    wrong = sorted(name for name in found.keys() | said.keys() if found.get(name) != said.get(name))
    if wrong:
        was, now = (each.get(wrong[0], "missing") for each in (said, found))
        raise ValueError(f"{wrong[0]} is {now}, and was {was} when it was saved")
    for name, weight in weights.items():
        tensor = tensors.get(f"model.{name}", weight)
        if tensor.dtype != weight.dtype:
            raise ValueError(f"model.{name} is {tensor.dtype}, and this model's is {weight.dtype}")


def versions() -> dict[str, str]:
    """The version of the library that does the arithmetic."""
    return {"torch": torch.__version__}
