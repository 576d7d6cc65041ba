"""Log lines to TensorBoard, always and without its packages, and to wandb or trackio where they are asked for."""

from __future__ import annotations

import os
import struct
import time
from importlib import import_module
from pathlib import Path

ASKED = "INTERLUDE_TRACK"  # the environment variable that names one of these
TRACKERS = ("wandb", "trackio")
EVENTS = "events.out.tfevents.interlude"
POLYNOMIAL = 0x82F63B78  # of CRC-32C, reversed


def table() -> list[int]:
    """What each byte does to a CRC-32C."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return found


TABLE = table()


class Tracker:
    """Takes the log lines of one stage. TensorBoard's file lies in the stage's folder: ``tensorboard --logdir runs``.

    After a resume it holds the steps since the last save twice, of which TensorBoard shows the later.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ValueError, before any work, where $INTERLUDE_TRACK names no tracker or one that is not installed."""
        self.path, self.run = folder / EVENTS, None
        name = os.environ.get(ASKED, "")
        if name and name not in TRACKERS:
            raise ValueError(f"${ASKED} must be one of {', '.join(TRACKERS)} or empty, got {name!r}")
        if name:
            try:
                self.run = import_module(name).init(project="interlude", name=folder.name)
            except ModuleNotFoundError:
                raise ValueError(f"${ASKED} is {name}, which is not installed") from None
        if not self.path.exists():
            self.write(event(b"\x1a" + sized(b"brain.Event:2")))

    def log(self, line: dict) -> None:
        """One step: every number of its log line."""
        numbers = {name: float(x) for name, x in line.items() if isinstance(x, (int, float)) and name != "step"}
        values = b"".join(b"\x0a" + sized(scalar(name, number)) for name, number in numbers.items())
        self.write(event(b"\x10" + varint(line["step"]) + b"\x2a" + sized(values)))
        if self.run is not None:
            self.run.log(numbers, step=line["step"])

    def finish(self) -> None:
        if self.run is not None:
            self.run.finish()

    def write(self, record: bytes) -> None:
        """Append one record in TensorFlow's format: its length and itself, each with a checksum."""
        length = struct.pack("<Q", len(record))
        with self.path.open("ab") as file:
            file.write(length + checksum(length) + record + checksum(record))


def event(content: bytes) -> bytes:
    """tensorflow.Event at this time: 1 wall_time, then ``content``."""
    return b"\x09" + struct.pack("<d", time.time()) + content


def scalar(name: str, number: float) -> bytes:
    """tensorflow.Summary.Value: 1 tag, 2 simple_value."""
    return b"\x0a" + sized(name.encode()) + b"\x15" + struct.pack("<f", number)


def sized(content: bytes) -> bytes:
    """The bytes with their length before them, as protocol buffers have it."""
    return varint(len(content)) + content


def varint(number: int) -> bytes:
    """A whole number as protocol buffers write it: seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def checksum(content: bytes) -> bytes:
    """The masked CRC-32C of TensorFlow's records."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
