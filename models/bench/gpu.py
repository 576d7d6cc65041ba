"""Everything to run on one CUDA GPU in twelve minutes: tests, the quickstart, speed, then a longer calibration.

It runs with the interpreter that is there and installs nothing: ``python3 models/bench/gpu.py``. Every part has a limit
of its own, a part that fails does not stop the next, and results are written as each ends, to $OUT or runs/gpu.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Of the standard library alone: nothing of ours can be imported before ``linked`` has said where it is.

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("synth", "models", "studies", "figures")
TOTAL = 720.0  # seconds
GRACE = 15.0  # seconds in which a part that is stopped may save its work
CARD = "import torch; print(torch.cuda.get_device_name(0), '; torch', torch.__version__, '; CUDA', torch.version.cuda)"


@dataclass(frozen=True)
class Part:
    """Commands that run one after the other until one fails.

    limit: seconds for all of them. Their output goes to ``<text>.txt`` (text: ``name`` where it is empty), which parts
    may share; with ``json``, what they print on standard output is kept in that file, under the part's name. tables:
    files that are copied beside it when the part ends, however it ends.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    limit: float
    text: str = ""
    json: str = ""
    tables: tuple[Path, ...] = ()


def parts(work: Path, rehearsal: bool) -> tuple[Part, ...]:
    """What is run, the longest last. rehearsal: the same commands on the CPU at scale smoke.

    Limits are a quarter or more above what an H200 took, where that is known. Of the bench, training comes last, as its
    peer is compiled for minutes.
    """
    python, device = sys.executable, "cpu" if rehearsal else "cuda"
    first, second = ("smoke", "smoke") if rehearsal else ("nano", "small")
    interlude = (python, "-m", "interlude.studies")
    results, committed = work / "results", ROOT / "studies" / "results"
    run = (*interlude, "run", "--device", device)
    show = (*interlude, "show", "stages/quickstart", "--scale", first)
    quickstart = [(*run, "stages/quickstart", "--scale", first, "--seeds", "0"), show]
    if (committed / first / "stages.quickstart.csv").exists():
        quickstart.append(("env", f"INTERLUDE_RESULTS={committed}", *show))
    # Warnings of other versions of other libraries are no faults of ours on this card.
    tests = (python, "-m", "pytest", "-m", "gpu", "-rs", "-W", "default", "--continue-on-collection-errors")
    quick = ("--quick",) if rehearsal else ()
    bench = (*interlude, "bench", "--json", "--device", device, "--scale", first, *quick, "--only")

    def measured(part: str, limit: float) -> Part:
        return Part(f"bench-{part}", ((*bench, part),), limit, text="bench", json="bench.json")

    return (
        Part("tests", (tests,), 80),
        Part("quickstart", tuple(quickstart), 210, tables=(results / first / "stages.quickstart.csv",)),
        measured("rl", 60),
        measured("exam", 50),
        measured("sample", 70),
        measured("train", 110),
        Part(
            "calibration",
            ((*run, "stages/ladder", "--scale", second, "--seeds", "0"),),
            TOTAL,
            tables=(results / second / "stages.ladder.csv",),
        ),
    )


def linked(folder: Path) -> Path:
    """A folder that makes ``interlude.synth`` and the others importable: links to the folders of this repository."""
    package = folder / "interlude"
    package.mkdir(parents=True, exist_ok=True)
    for layer in LAYERS:
        (package / layer).unlink(missing_ok=True)
        (package / layer).symlink_to(ROOT / layer, target_is_directory=True)
    return folder


def environment(work: Path, links: Path) -> dict[str, str]:
    """Our packages first, and runs and tables of this card's own."""
    paths = os.pathsep.join(filter(None, (str(links), os.environ.get("PYTHONPATH"))))
    own = {"INTERLUDE_RUNS": str(work / "runs"), "INTERLUDE_RESULTS": str(work / "results")}
    return os.environ | own | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}


def run_parts(chosen: Sequence[Part], out: Path, work: Path, about: dict, total: float, env: dict[str, str]) -> bool:
    """Run them in order and keep ``summary.json`` up to date; whether all ended well. A part has the time that is left
    of ``total`` at most, and is not begun when none is. What an earlier call left of their outputs goes."""
    out.mkdir(parents=True, exist_ok=True)
    for part in chosen:
        for name in (f"{part.text or part.name}.txt", part.json):
            if name:
                (out / name).unlink(missing_ok=True)
    began, ended = time.monotonic(), []
    for part in chosen:
        left = total - GRACE - (time.monotonic() - began)
        ended.append(run_part(part, out, min(part.limit, left), env))
        for table in part.tables:
            if table.exists():
                shutil.copy(table, out / table.name)
        summary = about | {"seconds": round(time.monotonic() - began, 1), "parts": ended, "stages": progress(work)}
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        print(f"{part.name}: {ended[-1]['ended']} after {ended[-1]['seconds']} s", flush=True)
    return all(row["ended"] == "ok" for row in ended)


def run_part(part: Part, out: Path, limit: float, env: dict[str, str]) -> dict:
    """One part: what ran, for how long, and how it ended."""
    began, how = time.monotonic(), "ok"
    with (out / f"{part.text or part.name}.txt").open("a") as text, tempfile.TemporaryFile("w+") as printed:
        for command in part.commands:
            left = limit - (time.monotonic() - began)
            if left <= 0:
                how = "not begun: no time was left" if command == part.commands[0] else stopped(limit)
                break
            print("$", *command, file=text, flush=True)
            code = run(command, printed if part.json else text, text, left, env)
            if code is None:
                how = stopped(limit)
                break
            if code:
                how = f"failed with exit code {code}"
                break
        printed.seek(0)
        if said := printed.read():
            keep(out / part.json, part.name, said)
    seconds = round(time.monotonic() - began, 1)
    return {"part": part.name, "ended": how, "seconds": seconds, "limit": round(limit, 1)}


def keep(path: Path, name: str, said: str) -> None:
    """Put what a part printed into a JSON file under its name: as it is where it was cut off, and is no JSON."""
    found = json.loads(path.read_text()) if path.exists() else {}
    try:
        found[name] = json.loads(said)
    except json.JSONDecodeError:
        found[name] = said
    path.write_text(json.dumps(found, indent=2) + "\n")


def stopped(limit: float) -> str:
    return f"stopped at its limit of {limit:.0f} s"


def run(command: tuple[str, ...], stdout, stderr, limit: float, env: dict[str, str]) -> int | None:
    """The exit code; None if it was stopped at its limit, with whatever it had started: first as by Ctrl-C, upon which
    training saves its work, then for good."""
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=stdout, stderr=stderr, start_new_session=True)
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def progress(work: Path) -> dict[str, dict]:
    """The last line of each stage's log, by the stage's folder: how far training came, and how fast."""
    found = {}
    for log in sorted((work / "runs").glob("*/log.jsonl")):
        lines = log.read_text().split("\n")[:-1]
        if lines:
            found[log.parent.name] = json.loads(lines[-1])
    return found


def card(env: dict[str, str]) -> str:
    """The card's name with the versions of torch and CUDA; empty without a card that torch can use."""
    asked = subprocess.run((sys.executable, "-c", CARD), env=env, capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def main(words: list[str] | None = None) -> int:
    """0 if every part ended well, 1 if one did not, 2 for a request that cannot be met."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    asked.add_argument("--only", help="such as tests,bench (default: all parts)")
    asked.add_argument("--minutes", type=float, default=TOTAL / 60, help="for all parts together (default: 12)")
    asked.add_argument("--rehearse", action="store_true", help="the same commands on the CPU at scale smoke")
    args = asked.parse_args(words)
    # Where Ctrl-C is ignored, as in a shell's background, children would ignore it too and be ended without saving.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = Path(os.environ.get("OUT") or ROOT / "runs" / "gpu").resolve()
    work = ROOT / "runs" / "gpu" / ("rehearsal" if args.rehearse else "work")
    known = parts(work, args.rehearse)
    names = args.only.split(",") if args.only else [part.name for part in known]
    if "bench" in names:
        names += [part.name for part in known if part.text == "bench"]
    if unknown := set(names) - {"bench", *(part.name for part in known)}:
        every = ", ".join(["bench", *(part.name for part in known)])
        print(f"--only must be among {every}, got {unknown.pop()!r}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        env = environment(work, linked(Path(folder)))
        found = "none: a rehearsal on the CPU" if args.rehearse else card(env)
        if not found:
            print("torch finds no CUDA card here; --rehearse runs the same commands on the CPU", file=sys.stderr)
            return 2
        chosen = [part for part in known if part.name in names]
        return 0 if run_parts(chosen, out, work, {"card": found}, args.minutes * 60, env) else 1


if __name__ == "__main__":
    sys.exit(main())
