"""``make gpu`` ends every part by its limit, goes on after one that fails, and says what ran and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interlude.models.bench import gpu
from interlude.models.bench.gpu import Part
from interlude.studies import places

PYTHON = sys.executable


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C as in a terminal, wherever the tests run; in a shell's background it is ignored, also by children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def said(path):
    """What a part's commands wrote, without the lines that say which they were."""
    return [line for line in path.read_text().splitlines() if not line.startswith("$")]


def says(text):
    return (PYTHON, "-c", f"print({text!r})")


def parts_run(tmp_path, chosen, total=60.0):
    """Run them; whether all ended well, and the summary."""
    out = tmp_path / "out"
    well = gpu.run_parts(chosen, out, tmp_path / "work", {"card": "none"}, total, dict(os.environ))
    return well, json.loads((out / "summary.json").read_text()), out


def test_a_part_that_fails_does_not_stop_the_next(tmp_path):
    """Kills: ending at a failure; calling it well; a later command of the part that failed; lost output."""
    broken = (PYTHON, "-c", "import sys; print('before', flush=True); sys.exit('because')")
    well, summary, out = parts_run(
        tmp_path, [Part("bad", (broken, says("never")), 20), Part("good", (says("one"), says("two")), 20)]
    )
    assert not well and summary["card"] == "none"
    assert [(row["part"], row["ended"]) for row in summary["parts"]] == [
        ("bad", "failed with exit code 1"), ("good", "ok"),
    ]  # fmt: skip
    assert said(out / "bad.txt") == ["before", "because"] and said(out / "good.txt") == ["one", "two"]


def test_what_hangs_is_stopped_with_all_that_it_started(tmp_path, monkeypatch):
    """Kills: waiting for ever; a child that lives on; a stop that is called a failure; the next part left out."""
    monkeypatch.setattr(gpu, "GRACE", 0.5)
    child = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    hang = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid, flush=True);"
    hang += child
    began = time.monotonic()
    well, summary, out = parts_run(tmp_path, [Part("hang", ((PYTHON, "-c", hang),), 3), Part("next", (says("x"),), 20)])
    assert time.monotonic() - began < 30 and not well
    assert [row["ended"] for row in summary["parts"]] == ["stopped at its limit of 3 s", "ok"]
    left = int((out / "hang.txt").read_text().splitlines()[-1])
    time.sleep(0.2)
    state = Path(f"/proc/{left}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_part_may_save_before_it_is_ended(tmp_path):
    """Kills: ending for good at once, by which training would lose up to half a minute."""
    script = tmp_path / "saving.py"
    script.write_text(
        "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    print('saved', flush=True)"
    )
    _, summary, out = parts_run(tmp_path, [Part("run", ((PYTHON, str(script)),), 3)])
    assert summary["parts"][0]["ended"].startswith("stopped") and said(out / "run.txt") == ["saved"]


def test_parts_share_the_time_there_is(tmp_path):
    """Kills: a part's own limit where less is left; beginning a part without time; leaving it out of the summary."""
    sleep = (PYTHON, "-c", "import time; time.sleep(600)")
    chosen = [Part("long", (sleep,), 600), Part("late", (says("x"),), 600)]
    _, summary, _ = parts_run(tmp_path, chosen, total=gpu.GRACE + 2)
    first, second = summary["parts"]
    assert first["ended"] == "stopped at its limit of 2 s" and first["seconds"] < 2 + gpu.GRACE
    assert second["ended"] == "not begun: no time was left"


def test_results_lie_there_when_a_part_ends(tmp_path):
    """Kills: JSON mixed with progress; a table that is not copied; a summary written only at the end."""
    table = tmp_path / "work" / "stages.quickstart.csv"
    both = (PYTHON, "-c", "import sys; print('{}'); print('progress', file=sys.stderr)")
    writes = (PYTHON, "-c", f"import pathlib; p = pathlib.Path({str(table)!r}); p.parent.mkdir(); p.write_text('a')")
    out = tmp_path / "out"
    looks = (PYTHON, "-c", f"print('seen', open({str(out / 'summary.json')!r}).read().count('ended'))")
    chosen = [
        Part("bench", (both,), 20, json="bench.json"),
        Part("table", (writes,), 20, tables=(table, tmp_path / "none.csv")),
        Part("look", (looks,), 20),
    ]
    well, _, _ = parts_run(tmp_path, chosen)
    assert well and json.loads((out / "bench.json").read_text()) == {"bench": {}}
    assert (out / "bench.txt").read_text().splitlines()[-1] == "progress"
    assert (out / table.name).read_text() == "a" and said(out / "look.txt") == ["seen 2"]


def test_parts_share_files(tmp_path):
    """Kills: a part that overwrites what another has written; what an earlier call wrote; JSON of the first alone; what
    was printed by a part that was stopped, whole or cut off."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "bench.txt").write_text("old\n")
    (out / "bench.json").write_text('{"old": 1}')
    prints = "import sys, time; print({!r}, flush=True); print({!r}, file=sys.stderr, flush=True); time.sleep({})"
    shared = {"text": "bench", "json": "bench.json"}
    chosen = [
        Part("bench-a", ((PYTHON, "-c", prints.format('{"a": 1}', "one", 0)),), 20, **shared),
        Part("bench-b", ((PYTHON, "-c", prints.format('{"b": 2}', "two", 600)),), 3, **shared),
        Part("bench-c", ((PYTHON, "-c", prints.format('{"c":', "three", 0)),), 20, **shared),
    ]
    well, summary, _ = parts_run(tmp_path, chosen)
    assert not well and [row["ended"][:7] for row in summary["parts"]] == ["ok", "stopped", "ok"]
    assert json.loads((out / "bench.json").read_text()) == {
        "bench-a": {"a": 1},
        "bench-b": {"b": 2},
        "bench-c": '{"c":\n',
    }
    assert [line for line in said(out / "bench.txt") if line in ("old", "one", "two", "three")] == [
        "one",
        "two",
        "three",
    ]


def test_a_bench_that_is_stopped_prints_json():
    """Kills: an empty file for minutes of a lent machine; JSON that is cut off; exit code 0."""
    words = (PYTHON, "-m", "interlude.studies", "bench", "--json", "--scale", "smoke", "--only", "problems,exam")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    assert first.startswith("problems: ") and said.strip().endswith("stopped; what was measured by then is printed")
    assert process.returncode == 130
    found = json.loads(printed)
    assert found["stopped"] and {row["part"] for row in found["turns"]} == {"problems"}


def test_the_summary_says_how_far_training_came(tmp_path):
    """Kills: the first line of a log, or half of the last."""
    for name, text in (("pretrain-1", '{"step": 1}\n{"step": 2}\n{"st'), ("rl-2", "")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_text(text)
    assert gpu.progress(tmp_path) == {"pretrain-1": {"step": 2}}


def test_our_packages_are_importable_without_being_installed(tmp_path):
    """Kills: another copy's packages; a layer that is not linked; links that cannot be made twice."""
    env = gpu.environment(tmp_path / "work", gpu.linked(gpu.linked(tmp_path / "links")))
    code = "import interlude.synth.rng, interlude.models.files, interlude.studies.stats, interlude.figures as f; "
    code += "print(interlude.synth.rng.__file__, interlude.models.files.__file__, f.__file__)"
    done = subprocess.run((PYTHON, "-c", code), env=env, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert all(path.startswith(str(tmp_path / "links")) for path in done.stdout.split())
    assert env["INTERLUDE_RUNS"] == str(tmp_path / "work" / "runs")


def test_what_is_run_fits_the_time_and_the_files_that_come_back(tmp_path):
    """Kills: the longest part not last; limits that leave it no time; more than eight files; a bench of one part, which
    a peer that compiles for minutes can use up; a part of the bench left out, or that peer before the others."""
    found = gpu.parts(tmp_path, rehearsal=False)
    bench = ["bench-rl", "bench-exam", "bench-sample", "bench-train"]
    assert [part.name for part in found] == ["tests", "quickstart", *bench, "calibration"]
    assert sum(part.limit for part in found[:-1]) + gpu.GRACE < gpu.TOTAL - 120
    files = {name for part in found for name in (f"{part.text or part.name}.txt", part.json) if name}
    assert len(files) + sum(len(part.tables) for part in found) + 1 <= 8  # and the summary
    words = [" ".join(command) for part in found for command in part.commands]
    assert any("run --device cuda stages/ladder --scale small" in line for line in words)
    beside = any(line.startswith("env INTERLUDE_RESULTS=") and "show stages/quickstart" in line for line in words)
    assert beside == places.path("stages/quickstart", "nano", places.COMMITTED).exists()  # nothing else to compare with
    assert not any("cuda" in " ".join(command) for part in gpu.parts(tmp_path, True) for command in part.commands)


def test_without_a_card_it_says_so(tmp_path, monkeypatch, capsys):
    """Kills: twelve minutes on the CPU under a card's name."""
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setattr(gpu, "card", lambda env: "")
    assert gpu.main([]) == 2 and "no CUDA card" in capsys.readouterr().err
    assert gpu.main(["--only", "speed"]) == 2 and "'speed'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_parts_can_save_also_where_ctrl_c_is_ignored(tmp_path, monkeypatch):
    """Kills: parts of a ``make gpu`` in the background that are ended without saving."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(gpu, "card", lambda env: "")
    gpu.main([])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_only_what_is_asked_for_is_run_and_written_to_out(tmp_path, monkeypatch):
    """Kills: another folder than $OUT; every part; exit code 0 for a part that failed."""
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    monkeypatch.setattr(gpu, "card", lambda env: "Some Card")
    fake = (Part("tests", (says("x"),), 20), Part("bench", ((PYTHON, "-c", "raise SystemExit(3)"),), 20))
    monkeypatch.setattr(gpu, "parts", lambda work, rehearsal: fake)
    assert gpu.main(["--only", "tests"]) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["card"] == "Some Card"
    assert gpu.main([]) == 1
    fake = (Part("tests", (says("x"),), 20), Part("bench-a", (says("y"),), 20, text="bench"))
    assert gpu.main(["--only", "bench"]) == 0
    assert said(tmp_path / "out" / "bench.txt") == ["y"] and said(tmp_path / "out" / "tests.txt") == ["x"]
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["parts"]) == 1


def test_every_command_is_one_that_exists(tmp_path):
    """Kills: an option that was renamed since: the card's minutes would be lost."""
    from interlude.studies.__main__ import parser

    for part in (*gpu.parts(tmp_path, False), *gpu.parts(tmp_path, True)):
        for command in part.commands:
            if "interlude.studies" in command:
                parser().parse_args(command[command.index("interlude.studies") + 1 :])


@pytest.mark.skipif(sys.platform != "linux", reason="process groups and links as on Linux")
def test_it_runs_as_a_script_that_imports_nothing_of_ours():
    """Kills: an import of interlude.* at its top, which fails before the links are made."""
    done = subprocess.run((PYTHON, "-S", "-I", gpu.__file__, "--help"), capture_output=True, text=True)
    assert done.returncode == 0 and "--rehearse" in done.stdout
