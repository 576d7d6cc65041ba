"""The name of the processor or GPU that a run used: equal seeds need not give equal bits on different machines."""

from __future__ import annotations

import platform
from pathlib import Path

from interlude.models.lazy import torch

CPU = Path("/proc/cpuinfo")


def hardware(device: str = "cpu") -> str:
    """The processor (or GPU) and the version of torch, such as "AMD EPYC 7B13, torch 2.13.0"."""
    kind = torch.device(device)
    name = torch.cuda.get_device_name(kind) if kind.type == "cuda" else processor()
    return f"{name}, torch {torch.__version__}"


def processor() -> str:
    """The CPU's model name; the architecture where the system does not say."""
    lines = CPU.read_text(encoding="utf-8", errors="replace").splitlines() if CPU.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join((names[0] if names else platform.processor() or platform.machine()).split())
