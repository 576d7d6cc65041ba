"""Log lines reach TensorBoard's own reader, and the trackers that are asked for."""

from __future__ import annotations

import struct
import sys
from types import ModuleType

import pytest
from effort import at_most_lines

from interlude.models.optim import Optim
from interlude.models.stages.pretrain import Pretrain
from interlude.models.track import EVENTS, Tracker, checksum, varint
from interlude.models.train import train


def test_checksums_and_numbers_are_the_formats():
    # Mutants: another polynomial; no mask; bits in the other order. CRC-32C of "123456789" is E3069283.
    crc = 0xE3069283
    assert checksum(b"123456789") == struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    assert [varint(n) for n in (0, 127, 128, 300)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xac\x02"]


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_what_was_logged(tmp_path, tiny, source):
    # Mutants: a number of another step; a log that is written at the end alone; words among the numbers.
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    lines = []
    stage = Pretrain(steps=3, batch_size=4, optim=Optim(), data=source)
    train(tiny.build(0), stage, 0, folder=tmp_path, observe=lambda share, line: lines.append(line))
    found = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert {"loss", "norm", "rate", "flops"} <= set(found.Tags()["scalars"]) and "kernels" not in found.Tags()[
        "scalars"
    ]
    for name in ("loss", "flops"):
        assert [each.step for each in found.Scalars(name)] == [1, 2, 3]
        assert [each.value for each in found.Scalars(name)] == pytest.approx([line[name] for line in lines])


def test_a_line_costs_little(tmp_path):
    # Mutant: a checksum bit by bit, which costs as much as a small model's step.
    tracker = Tracker(tmp_path)
    line = {f"name_{n}": n / 7 for n in range(20)} | {"step": 1}
    with at_most_lines(50 * 1200):
        for _ in range(50):
            tracker.log(line)
    assert (tmp_path / EVENTS).stat().st_size > 50 * 20 * 10


@pytest.mark.parametrize("name", ("wandb", "trackio"))
def test_trackers_are_told_when_asked(name, tmp_path, tiny, source, monkeypatch):
    # Mutants: a tracker that nobody asked for; steps left out; a run that is never finished.
    said = []

    class Run:
        def log(self, numbers, step):
            said.append((step, numbers["loss"]))

        def finish(self):
            said.append("finished")

    module = ModuleType(name)
    module.init = lambda project, name: said.append((project, name)) or Run()
    monkeypatch.setitem(sys.modules, name, module)
    stage = Pretrain(steps=2, batch_size=4, optim=Optim(), data=source)
    (tmp_path / "quiet").mkdir()
    train(tiny.build(0), stage, 0, folder=tmp_path / "quiet")
    assert said == []
    monkeypatch.setenv("INTERLUDE_TRACK", name)
    lines = []
    (tmp_path / "told").mkdir()
    train(tiny.build(0), stage, 0, folder=tmp_path / "told", observe=lambda share, line: lines.append(line))
    assert said == [("interlude", "told"), (1, lines[0]["loss"]), (2, lines[1]["loss"]), "finished"]


def test_a_tracker_that_is_not_there_is_refused(tmp_path, monkeypatch):
    # Mutants: training without what was asked for; an ImportError at the first step.
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setenv("INTERLUDE_TRACK", "wandb")
    with pytest.raises(ValueError, match="INTERLUDE_TRACK is wandb, which is not installed"):
        Tracker(tmp_path)
    monkeypatch.setenv("INTERLUDE_TRACK", "mlflow")
    with pytest.raises(ValueError, match="must be one of wandb, trackio or empty, got 'mlflow'"):
        Tracker(tmp_path)
