"""The machine that a speed was measured on: processor, threads, versions, and how busy it was."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

from interlude.models.bench.workload import Setup

CPUINFO = Path("/proc/cpuinfo")


def describe(setup: Setup) -> dict[str, str | int | float]:
    """By name. load: processes that want to run, averaged over the minute before."""
    found: dict[str, str | int | float] = {"CPU": cpu(), "cores": os.cpu_count() or 1, "threads": setup.threads}
    if setup.device != "cpu":
        found["card"] = torch.cuda.get_device_name(setup.device)
    found |= {"precision": setup.precision, "Python": platform.python_version(), "torch": torch.__version__}
    found |= {name: version(name) for name in ("transformers", "trl") if find_spec(name)}
    return found | {"load": round(setup.clock.load(), 2)}


def cpu() -> str:
    """The processor's model, as it calls itself."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
