"""Which texts a stage trained on: a hash of every row, kept beside the stage's log, so that repeats can be counted."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interlude.models.files import Corrupt

if TYPE_CHECKING:
    from interlude.models.stage import Batch

FILE = "rows.u64"  # in a stage's folder, a hash a row in the order of training, without a header
WIDTH = 8  # bytes of a hash: among a million texts, two share one with a probability of 3e-8


def hashes(batch: Batch) -> bytes:
    """One hash of ``WIDTH`` bytes for the text of each row of a batch, in order.

    A text is the tokens of a row before the first that the model itself sampled, without padding: the whole row where
    none was sampled; in RL the prompt, so that all responses to a question share one text.
    """
    ids_BT = batch.ids_BT.cpu().numpy().astype("<i4")
    ends = list(batch.lengths)
    if batch.old_BT is not None:
        for row, sampled_T in enumerate(~np.isnan(batch.old_BT.cpu().numpy())):
            if sampled_T.any():
                ends[row] = int(sampled_T.argmax())
    texts = (ids_T[:end].tobytes() for ids_T, end in zip(ids_BT, ends, strict=True))
    return b"".join(blake2b(text, digest_size=WIDTH).digest() for text in texts)


def append(folder: Path, found: bytes) -> None:
    """Add hashes to a stage's file. They are on the disk only after ``sync``: waiting for it at every step would cost
    more than all hashing."""
    with (folder / FILE).open("ab") as file:
        file.write(found)


def sync(folder: Path) -> None:
    """Put the hashes on the disk: before a save that counts on them."""
    with (folder / FILE).open("rb") as file:
        os.fsync(file.fileno())


def trim(folder: Path, rows: int) -> None:
    """Keep only the hashes of the first ``rows`` rows: later ones will be written again. Raises Corrupt if there are
    fewer."""
    path = folder / FILE
    size = path.stat().st_size if path.exists() else 0
    if size < rows * WIDTH:
        raise lost(path, size, rows)
    if size:
        os.truncate(path, rows * WIDTH)


def counts(folder: Path, rows: int) -> dict[str, int]:
    """How many rows a stage trained on and how many distinct texts they had. Raises Corrupt unless its file has the
    hashes of exactly ``rows`` rows."""
    path = folder / FILE
    content = path.read_bytes() if path.exists() else b""
    if len(content) != rows * WIDTH:
        raise lost(path, len(content), rows)
    return {"rows": rows, "distinct": len(np.unique(np.frombuffer(content, "<u8")))}


def lost(path: Path, size: int, rows: int) -> Corrupt:
    """The error for a file of ``size`` bytes that should hold the hashes of ``rows`` rows."""
    return Corrupt(
        f"{path} has {size} bytes where the {rows} rows trained on need {rows * WIDTH}, so it was cut or edited; "
        f"delete it and {path.with_name('state.safetensors')} to start this stage again"
    )
