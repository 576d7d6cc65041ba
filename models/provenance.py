"""What a checkpoint must match before training resumes from it: recipe, seed, code and versions."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interlude.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).resolve().parent.parent
DECIDES = ("models", "synth")  # the folders whose code decides what is trained


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


def meaning(text: str) -> bytes:
    """What a Python source says, without its comments, layout and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str:
                node.body = node.body[1:]
    return ast.dump(tree).encode()


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
