"""The command line, run as a person runs it: in a copy of the packages, so that it may write tables."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("synth", "models", "studies")
COMMANDS = {
    "list": {"--json", "--scale", "--runs"},
    "plan": {"--json", "--scale", "--seeds", "--arms", "--device", "--threads", "--on", "--dry-run"},
    "run": {
        "--json", "--scale", "--seeds", "--arms", "--device", "--threads", "--workers", "--executor", "--address",
        "--partition", "--minutes",
    },
    "reproduce": {"--json", "--seeds", "--workers", "--out", "--plan"},
    "leaderboard": {"--all", "--json", "--method", "--scale", "--seeds", "--device", "--threads", "--plan"},
    "export": {
        "--json", "--study", "--arm", "--seed", "--scale", "--ops", "--world", "--mode", "--dialect", "--modulus",
        "--split", "--problems", "--conversational", "--max-new-tokens",
    },
    "show": {"--all", "--json", "--scale"},
    "report": {"--json", "--scale", "--html"},
    "problem": {"--json", "--ops", "--world", "--mode", "--dialect", "--modulus", "--seed", "--approach"},
    "verify": {"--json"},
    "audit": {"--json", "--scale", "--ops", "--world", "--mode", "--dialect", "--modulus", "--problems"},
    "bench": {"--json", "--scale", "--only", "--study", "--busy", "--quick", "--device", "--threads", "--precision"},
}  # fmt: skip
TINY = """
'''A study of seconds.'''
from dataclasses import replace
from interlude.models.gpt import GPT
from interlude.models.optim import Optim
from interlude.models.stages.pretrain import Pretrain
from interlude.studies.exams.exact import ExactExam
from interlude.models.recipe import Recipe
from interlude.studies.study import Arm, Study
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

def study(scale):
    data = Source(ops=(1, 1), modulus=3, names=6)
    vocab = Vocabulary(modulus=3, worlds=("zoo",), names=6)
    model = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=64, vocab=vocab)
    base = Recipe(model) + Pretrain(steps=2, batch_size=2, optim=Optim(), data=data)
    more = base + Pretrain(flops=2e6, batch_size=2, optim=Optim(), data=data)
    other = base + Pretrain(flops=2e6, batch_size=4, optim=Optim(), data=data)
    LONG
    exams = (ExactExam("zoo-ops1", replace(data, split="any"), 4),)
    return Study("tiny/one", scale.name, "Does it run?", "Yes.", "It ran.", (Arm("a", more), Arm("b", other)), exams,
        (0,), base, unequal="steps differ", contrasts=(("b", "a"),), headline=("zoo-ops1",))
"""
LONG = "more = base + Pretrain(steps=100_000, batch_size=2, optim=Optim(), data=data)"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the packages with a study of its own, "tiny/one"."""
    root = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, root / "interlude" / package, ignore=shutil.ignore_patterns("__pycache__", "results")
        )
    add_study(root, "one", "")
    return root


def add_study(root: Path, name: str, long: str) -> None:
    folder = root / "interlude" / "studies" / "tiny"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text('"""Studies for tests."""\n')
    text = TINY.replace("LONG", long or "pass").replace("tiny/one", f"tiny/{name}")
    (folder / f"{name}.py").write_text(text.strip() + "\n")


def environment(root: Path) -> dict:
    return {**os.environ, "INTERLUDE_RUNS": str(root / "runs"), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}


def interlude(root: Path, *words: str, text: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "interlude.studies", *words], cwd=root, env=environment(root), input=text,
        capture_output=True,
        text=True, timeout=600,
    )  # fmt: skip


def good(root: Path, *words: str, text: str = ""):
    """The standard output of a command that must succeed."""
    done = interlude(root, *words, text=text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(root: Path, *words: str, text: str = "") -> str:
    """The one sentence of a command that must be refused."""
    done = interlude(root, *words, text=text)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("interlude: "), done.stderr
    return done.stderr


def test_commands_and_options_are_frozen():
    """Mutant: a command or option added, renamed or lost without a decision."""
    from interlude.studies.__main__ import parser

    commands = parser()._subparsers._group_actions[0].choices
    found = {
        name: {o for a in made._actions for o in a.option_strings if o.startswith("--")}
        for name, made in commands.items()
    }
    assert found == {name: options | {"--help"} for name, options in COMMANDS.items()}


@pytest.mark.parametrize(
    "words", [("list",), ("problem", "--json"), ("audit", "--ops", "2", "--problems", "20"), ("verify", "-")]
)
def test_looking_never_loads_torch(copy, words):
    """Mutant: an import of torch at the top of __main__ or of anything it imports."""
    program = (
        "import sys; sys.argv = ['interlude'] + sys.argv[1:]\nfrom interlude.studies.__main__ import main\n"
        "code = main(); assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=copy,
        env=environment(copy),
        input="",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_problem_prints_question_solution_and_a_line_for_every_role(copy):
    """Mutants: an option not passed on; a role left out; tokens and roles out of step."""
    words = ("problem", "--ops", "3", "--world", "school", "--mode", "reverse", "--modulus", "5", "--seed", "4")
    row = json.loads(good(copy, *words, "--json"))
    assert row["ops"] == 3 and len(row["tokens"]) == len(row["roles"])
    assert row["answer"] < 5 and f"answer {row['answer']} <end>" in row["solution"]
    text = good(copy, *words)
    assert "\x1b" not in text
    for role in set(row["roles"]):
        assert f"\n{role}" in text
    assert good(copy, "problem", "--seed", "5", "--json") != good(copy, "problem", "--seed", "6", "--json")


def test_verify_judges_a_line_at_a_time(copy):
    """Mutants: the verdict of another line; a source's path ignored; a wrong response accepted."""
    from interlude.synth.export import problem_to_dict
    from interlude.synth.source import Source

    source = Source(ops=(2, 2))
    one, two = source.problem("a", 1), source.problem("a", 2)
    named = {"source": {"ops": [2, 2]}, "path": ["a", 2]}
    lines = [
        {"problem": problem_to_dict(one), "response": one.solution},
        {"problem": named, "response": two.solution},
        {"problem": named, "response": one.solution},
        {"problem": problem_to_dict(one), "response": "I do not know"},
    ]
    out = good(copy, "verify", "-", text="".join(json.dumps(line) + "\n" for line in lines))
    verdicts = [json.loads(line) for line in out.splitlines()]
    assert [v["strict"] for v in verdicts] == [True, True, False, False]
    assert not verdicts[0]["faults"] and verdicts[3]["faults"]
    assert set(verdicts[0]) == {"parsed", "answer", "process", "strict", "faults"}


@pytest.mark.parametrize(
    "words, text, named",
    [
        (("plan", "mine"), "", "; did you mean ./mine.py?"),
        (("run", "tiny/one", "--seeds", "0,x"), "", "0,x"),
        (("run", "tiny/one", "--seeds", "1,1"), "", "1,1"),
        (("run", "tiny/one", "--seeds", "1", "2", "3"), "", "--seeds takes one list such as 1,2,3"),
        (("leaderboard", "--threads", "2"), "", "--threads is only for --method"),
        (("leaderboard", "--seeds", "1-3"), "", "--seeds is only for --method"),
        (("run", "tiny/one", "--seeds", "18446744073709551616"), "", "below 2^64"),
        (("plan", "tiny/one", "--seeds", "18446744073709551616"), "", "below 2^64"),
        (("plan", "tiny/one", "--on", "h1000"), "", "h1000"),
        (("run", "tiny/one", "--executor", "cloud"), "", "cloud"),
        (("verify", "-"), "[" * 100_000, "line 1"),
        (("run", "tiny/one", "--arms", "a,nothing*"), "", "nothing*"),
        (("run", "tiny/one", "--scale", "smoke", "--device", "tpu"), "", "tpu"),
        (("show", "tiny/one", "--scale", "nano"), "", "run it first"),
        (("verify", "absent.jsonl"), "", "absent.jsonl"),
        (("verify", "-"), "{}\n", "line 1"),
        (("verify", "-"), "not json\n", "line 1"),
        (("verify", "-"), '{"problem": {"source": {"opps": [1, 1]}, "path": [1]}, "response": ""}\n', "opps"),
        (
            ("verify", "-"),
            '{"problem": {"source": {"ops": [1, 1], "shape": 3}, "path": [1]}, "response": ""}\n',
            "shape",
        ),
        (
            ("verify", "-"),
            '{"problem": {"source": {"ops": [1, 1], "words": {"slip": 1}}, "path": [1]}, "response": ""}\n',
            "slip",
        ),
        (("verify", "-"), '{"problem": {"source": {"ops": [1, 1]}, "path": 3}, "response": ""}\n', "path"),
        (("show", "tiny"), "", "tiny/one"),
        (("report", "tiny/one", "--html", "nowhere/page.html"), "", "nowhere/page.html"),
        (("report", "tiny/one", "--html", "interlude"), "", "--html interlude: cannot be written"),
        (("run", "tiny/one", "--device", "cudaX"), "", "cuda:N"),
        (("problem", "--seed", "-1"), "", "-1"),
        (("nonsense",), "", "nonsense"),
    ],
)
def test_every_bad_request_gets_one_sentence_and_code_2(copy, words, text, named):
    """Mutants: a traceback for a user's mistake; exit code 1; the offending value not named."""
    (copy / "mine.py").touch()
    assert named in refused(copy, *words, text=text)


def test_seeds_are_a_list_of_numbers_and_ranges():
    """Kills: a range without its last seed; ranges that overlap; one that is empty, open, backwards or endless."""
    from interlude.studies.__main__ import seeds

    assert seeds("1-3") == (1, 2, 3) and seeds("1-3,7") == (1, 2, 3, 7) and seeds("4") == (4,) == seeds("4-4")
    for wrong in ("", "1-3,2", "3-1", "1-", "-1", "1-2-3", "0-99999999"):
        with pytest.raises(argparse.ArgumentTypeError, match="such as 0,1,2 or 0-2,7"):
            seeds(wrong)


def test_durations_can_be_read():
    """Kills: 2.38e-05 hours; a tenth of a second printed as 0 s."""
    from interlude.studies.console import duration

    found = [duration(seconds) for seconds in (0, 0.03, 0.4, 0.99, 59, 65, 3720)]
    assert found == ["0 s", "under 0.1 s", "0.4 s", "1 s", "59 s", "1 min 05 s", "1 h 02 min"]


@pytest.mark.parametrize("words", [("list",), ("problem",)])
def test_looking_loads_nothing_heavy(words):
    """Mutants: every study built at every scale; torch or scipy imported: each takes longer than all the rest."""
    program = (
        "import sys; from interlude.studies.__main__ import main; main(sys.argv[1:])\n"
        "assert not {'torch', 'scipy', 'transformers', 'matplotlib', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [("list",), ("problem",)])
def test_looking_takes_less_than_a_second_of_cpu(words):
    """Mutant: an import of scipy or torch, or every study built: 2 to 6 seconds. The least of three, as what shares a
    core costs time too."""
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run([sys.executable, '-m', 'interlude.studies', *sys.argv[1:]], check=True, capture_output=True); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    )
    call = [sys.executable, "-c", code, *words]
    took = [float(subprocess.run(call, capture_output=True, text=True, check=True).stdout) for _ in range(3)]
    assert min(took) < 1.0, took


def test_nobody_has_to_read_the_output(copy):
    """Mutants: AttributeError without a standard output; a traceback when the reader leaves."""
    for shell in ("{} list >&-", "{} list | head -1", "{} problem --json | true"):
        call = shell.format(f"{sys.executable} -m interlude.studies")
        done = subprocess.run(["bash", "-c", call], cwd=copy, env=environment(copy), capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_list_counts_runs_where_asked(copy):
    """Mutants: runs planned not counted; every list waits for it."""
    row = next(r for r in json.loads(good(copy, "list", "--scale", "smoke", "--runs", "--json")) if "one" in r["study"])
    assert row["scales"]["smoke"]["total"] == 2


def test_more_workers_than_there_is_room_for_are_not_hired(copy):
    """Mutant: six processes for two runs."""
    said = good(copy, "run", "one", "--scale", "smoke", "--seeds", "31", "--workers", "60", "--arms", "a")
    assert "60 workers" not in said and "done" in said  # one run: one process, nothing to explain
    good(copy, "run", "one", "--scale", "smoke", "--seeds", "32", "--workers", "60")


def test_a_study_is_priced_before_it_is_begun(copy):
    """Mutants: no hours, here or on a card; a card's name not looked up; a dry run that leaves runs behind."""
    row = json.loads(good(copy, "plan", "one", "--scale", "smoke", "--on", "h100,a100", "--json"))
    assert list(row["price"]["hours"]) == ["one core here", "H100 SXM", "A100 SXM 80 GB"]
    assert row["price"]["hours"]["H100 SXM"]["mfu"] > 0
    assert row["price"]["parts"]["total"]["flops"] > 0
    text = good(copy, "plan", "quickstart", "--scale", "paper", "--on", "h200")
    words = " ".join(text.split())
    assert "time, H200 SXM" in words and "time, one core here" in words and re.search(r"\d h \d\d min", words)
    assert "GB of disk" in words and "cores here" in words and "of its peak (MFU)" in words
    before = set((copy / "runs").glob("*"))
    steps = json.loads(good(copy, "plan", "one", "--scale", "smoke", "--seeds", "77", "--dry-run", "--json"))
    assert [each["stage"] for each in steps] == ["Pretrain"] * 3 and set((copy / "runs").glob("*")) == before


def test_a_step_that_was_not_taken_is_printed_with_its_reason(monkeypatch, capsys):
    """Mutants: the reason left out; a stage that was not tried printed as one that took no time."""
    from interlude.studies.__main__ import main
    from interlude.studies.cli import runs as commands
    from interlude.studies.speed import Stepped

    refused_ = Stepped("RL", "RL edge", flops=1e12, why_not="it needs about 90 GB of memory, and 2 GB are free")
    monkeypatch.setattr(commands, "dry_run", lambda *_: [refused_, Stepped("SFT", "SFT", 2.0, 10, 1e9, 1e9, steps=3)])
    assert main(["plan", "quickstart", "--scale", "smoke", "--dry-run"]) == 0
    first, second = (line for line in capsys.readouterr().out.splitlines() if line.split()[:1] in (["RL"], ["SFT"]))
    assert "not taken" in first and "90 GB" in first and "not taken" not in second and " 2 " in second


def test_a_file_that_is_not_text_is_refused(copy):
    """Mutant: the reader's UnicodeDecodeError let through."""
    (copy / "bytes.jsonl").write_bytes(b"\xff\xfe\n")
    assert "bytes.jsonl, line 1" in refused(copy, "verify", "bytes.jsonl")


def test_bugs_keep_their_traceback():
    """Mutant: every ValueError taken for the user's mistake, so that bugs hide."""
    from interlude.studies.refusal import expected
    from interlude.studies.results import numbers

    def caught(call) -> Exception:
        try:
            call()
        except Exception as error:
            return error
        raise AssertionError("nothing raised")

    from interlude.synth.source import Source

    assert expected(caught(lambda: Source(ops=(0, 0))))
    assert expected(caught(lambda: open("/nowhere/at/all")))
    assert not expected(caught(lambda: int("x")))
    assert expected(caught(lambda: numbers("not a number")))  # a damaged table
    assert not expected(caught(lambda: {}["x"]))
    assert not expected(caught(lambda: None + 1))


def test_a_study_is_listed_planned_run_shown_and_reported(copy):
    """Mutants: done flags not read; the table not written; NaN in JSON; a study found only by its whole name."""
    listed = {row["study"]: row for row in json.loads(good(copy, "list", "--scale", "smoke", "--json"))}
    assert listed["tiny/one"]["scales"]["smoke"].keys() == {"in_table"}
    assert listed["tiny/one"]["question"] == "A study of seconds."
    before = json.loads(good(copy, "plan", "one", "--scale", "smoke", "--json"))
    assert [run["flops"] for run in before["runs"]] == [2e6, 2e6] and before["max_ratio"] == 1
    assert not any(run["finished"] for run in before["runs"])
    assert "loss" in good(copy, "run", "one", "--scale", "smoke", "--threads", "1")
    after = json.loads(good(copy, "plan", "one", "--scale", "smoke", "--json"))
    assert all(run["finished"] and run["examined"] and run["in_table"] for run in after["runs"])
    assert all(run["flops"] >= 2e6 for run in after["runs"])
    shown = json.loads(good(copy, "show", "one", "--scale", "smoke", "--json"))
    assert {row["arm"] for row in shown["scores"]} == {"a", "b"} and shown["contrasts"][0]["over"] == "a"
    text = " ".join(good(copy, "show", "tiny/one", "--scale", "smoke").split())
    assert "by band, exact: strict pass@k" in text and "pass@128" in text
    good(copy, "report", "one", "--scale", "smoke", "--html", "page.html")
    assert "Does it run?" in (copy / "page.html").read_text()


def test_a_topic_with_claims_is_shown_as_them(copy):
    """Mutants: a topic taken for a study's name; claims of a table whose recipes are not the study's; a verdict where
    there is no result at all."""
    from crafted import rows

    from interlude.studies import results

    assert "no study of the topic tiny has claims" in refused(copy, "show", "tiny")
    told = json.loads(good(copy, "show", "interplay", "--scale", "smoke", "--json"))
    assert {row["verdict"] for rows_ in told.values() for row in rows_} == {"not run"}
    assert any(row["published"] and "Figure 3" in row["place"] for row in told["interplay/edge"])
    where = results.store(
        "interplay/edge", "smoke", rows(arms=("none", "RL edge")), copy / "interlude" / "studies" / "results"
    )
    assert "another recipe" in refused(copy, "show", "interplay", "--scale", "smoke", "--json")
    where.unlink()


def test_an_edited_table_is_refused_by_name(copy):
    """Mutants: show prints whatever the file says; rows of another recipe pass for the study's."""
    from crafted import rows

    from interlude.studies import results

    where = results.store("tiny/one", "nano", rows(arms=("a", "b")), copy / "interlude" / "studies" / "results")
    assert "another recipe" in refused(copy, "show", "one", "--scale", "nano", "--json")
    where.write_text(where.read_text().replace("0.25", "0.35", 1))
    said = refused(copy, "show", "one", "--scale", "nano")
    assert where.name in said and "delete it, as trained runs are kept and `interlude run` writes it again" in said
    where.unlink()


def test_workers_share_a_plan_and_leave_the_same_table(copy):
    """Mutants: workers writing over each other's rows; a worker's numbers differing from one process's."""
    from interlude.studies.results import COLUMNS, KEYS
    from interlude.studies.table import read

    tables = {}
    for seed, words in ((5, ("--workers", "2")), (6, ())):
        good(copy, "run", "one", "--scale", "smoke", "--seeds", str(seed), *words)
        rows = read(copy / "interlude/studies/results/smoke/tiny.one.csv", COLUMNS, KEYS, True)
        tables[seed] = [row for row in rows if row["seed"] == seed]
    assert len(tables[5]) == len(tables[6]) == 2
    kept = {row["arm"]: row["logp"] for row in tables[5]}
    (copy / "interlude/studies/results/smoke/tiny.one.csv").unlink()  # what is trained already is stored again
    good(copy, "run", "one", "--scale", "smoke", "--seeds", "5")
    assert len(read(copy / "interlude/studies/results/smoke/tiny.one.csv", COLUMNS, KEYS, True)) == 2
    good(copy, "run", "one", "--scale", "smoke", "--seeds", "7", "--workers", "2", "--arms", "b*")
    rows = read(copy / "interlude/studies/results/smoke/tiny.one.csv", COLUMNS, KEYS, True)
    assert {row["arm"] for row in rows if row["seed"] == 7} == {"b"}  # mutant: workers not told which arms
    shutil.rmtree(copy / "runs")
    good(copy, "run", "one", "--scale", "smoke", "--seeds", "5", "--threads", "1")
    rows = read(copy / "interlude/studies/results/smoke/tiny.one.csv", COLUMNS, KEYS, True)
    assert {row["arm"]: row["logp"] for row in rows if row["seed"] == 5} == kept


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_saves_and_says_how_to_go_on(copy, workers):
    """Mutants: the signal ends the process in the middle of a step; nothing saved; no word on how to go on."""
    name = f"long{workers}"
    add_study(copy, name, LONG)
    words = ["run", name, "--scale", "smoke", "--threads", "1", "--workers", workers, "--seeds", workers]
    before = set((copy / "runs").glob("*"))
    started = subprocess.Popen(
        [sys.executable, "-m", "interlude.studies", *words], cwd=copy, env=environment(copy), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for(lambda: training(copy, before))
        started.send_signal(signal.SIGINT)
        said = started.communicate(timeout=600)[1]
    finally:
        started.kill()
        started.wait()
    assert started.returncode == 130, said
    assert f"run {name} --scale smoke --seeds {workers} --threads 1" in said and "Traceback" not in said
    folder = training(copy, before)[0]
    assert (folder / "state.safetensors").exists() and not (folder / "claim.json").exists()
    (copy / "interlude" / "studies" / "tiny" / f"{name}.py").unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who is alive")
def test_workers_end_when_their_parent_is_killed(copy):
    """Mutant: workers that ask who their parent is only once they have started, and then train for ever."""
    add_study(copy, "orphan", LONG)
    words = ["run", "orphan", "--scale", "smoke", "--seeds", "9", "--workers", "2"]
    started = subprocess.Popen(
        [sys.executable, "-m", "interlude.studies", *words], cwd=copy, env=environment(copy), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: workers_of(started.pid))
        orphans = workers_of(started.pid)
    finally:
        started.kill()
        started.wait()
    wait_for(lambda: not any(alive(pid) for pid in orphans))
    (copy / "interlude" / "studies" / "tiny" / "orphan.py").unlink()


def workers_of(pid: int) -> list[int]:
    """The processes started by ``pid``, from Linux's own list; empty until there are two."""
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found if len(found) == 2 else []


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def training(root: Path, before: set) -> list[Path]:
    """Folders of stages that are in training and have taken some steps."""
    new = [
        folder for folder in (root / "runs").glob("*") if folder not in before and not (folder / "done.json").exists()
    ]
    return [f for f in new if (f / "log.jsonl").exists() and (f / "log.jsonl").read_bytes().count(b"\n") > 3]


def wait_for(condition, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)
