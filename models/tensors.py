"""Named tensors in one safetensors file with a checksum, written without copying them."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from interlude.models.files import write_atomic
from interlude.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}
ALIGNMENT = 8  # bytes: where the data begin


def write_tensors(path: Path, tensors: dict[str, Tensor], about: str = "") -> None:
    """Write ``tensors`` and the text ``about`` to ``path``, whole or not at all; ``safetensors`` reads the file too.

    The header holds a checksum over ``about``, names, types, shapes and data, which safetensors itself does not check.
    Raises ValueError for a type of number that this format is not used for.
    """
    index, data = _layout(tensors)
    described = {"state": about, "checksum": _checksum(index, data, about), "format": "pt"}
    header = json.dumps({"__metadata__": described} | index).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    write_atomic(path, [len(header).to_bytes(8, "little"), header, *data])


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors and the text that ``write_tensors`` wrote.

    Raises ValueError, KeyError or SafetensorError where the file is not what was written.
    """
    from safetensors.torch import load_file

    tensors = load_file(path)
    with path.open("rb") as file:
        described = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    if described["checksum"] != _checksum(*_layout(tensors), described["state"]):
        raise ValueError("its checksum is that of another save")
    return tensors, described["state"]


def _layout(tensors: dict[str, Tensor]) -> tuple[dict[str, dict], list[memoryview]]:
    """What the header says of each tensor, and the bytes of each, in the order of the file: wide numbers first, so that
    each is aligned. Tensors on CPU are not copied."""
    index, data, at = {}, [], 0
    for name, tensor in sorted(tensors.items(), key=lambda pair: (-pair[1].element_size(), pair[0])):
        kind = str(tensor.dtype).removeprefix("torch.")
        if kind not in CODES:
            raise ValueError(f"{name} holds {tensor.dtype}, which no save is made of")
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        index[name] = {"dtype": CODES[kind], "shape": list(tensor.shape)}
        index[name]["data_offsets"] = [at, at + flat.numel()]
        data.append(memoryview(flat.numpy()))
        at += flat.numel()
    return index, data


def _checksum(index: dict[str, dict], data: list[memoryview], about: str) -> str:
    """A SHA-256 of the header and the CRC-32 of each tensor: damage is noticed at a quarter of what SHA-256 of all the
    data takes."""
    return hashlib.sha256(json.dumps([index, [zlib.crc32(each) for each in data], about]).encode()).hexdigest()
