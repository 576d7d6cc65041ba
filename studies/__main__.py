"""The command line: list, plan, run and show studies, write reports, and look at problems, verdicts and sources."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import linecache
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

# Intervals multiply thousands of tiny matrices: threads would only wait for each other. Read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.text import Text

from interlude.models.files import DONE, Busy, lock
from interlude.studies import console as show_
from interlude.studies import results
from interlude.studies.key import remembering
from interlude.synth.audit import audit, draws
from interlude.synth.export import problem_from_dict
from interlude.synth.graph import Shape
from interlude.synth.problem import Problem
from interlude.synth.roles import ROLES, roles
from interlude.synth.solution_style import APPROACHES, DIALECTS, PLAIN, Words
from interlude.synth.source import MODES, Source
from interlude.synth.verify import verify

if TYPE_CHECKING:
    from interlude.studies.exam import Exam
    from interlude.studies.run import Recipe
    from interlude.studies.study import Run
    from interlude.studies.verdicts import Claim

# Whatever loads torch is imported inside the command that needs it: looking at a problem must not take seconds.

HERE = Path(__file__).parent
OURS = tuple(str(HERE.parent / layer) + os.sep for layer in ("synth", "models", "studies", "figures"))
COLOURS = {
    "statement": "default", "distractor": "bright_black", "question": "bold", "planning": "magenta", "copy": "cyan",
    "retrieval": "yellow", "arithmetic": "green", "format": "bright_black", "stop": "bright_black",
    "answer": "bold green", "inferred": "red", "connective": "blue", "remark": "bright_black", "thought": "italic",
    "strategy": "blue",
}  # fmt: skip
POLL = 1.0  # seconds between looks at what workers have done
K = TypeVar("K")


class Refused(ValueError):
    """A request that cannot be met, said in one sentence."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what to do next."""


# --- finding studies -------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """Every study as "topic/file": the modules in the folders of this package that define ``study(scale)``."""
    found = sorted(path for path in HERE.glob("*/*.py") if defines_study(path))
    return [f"{path.parent.name}/{path.stem}" for path in found]


def defines_study(path: Path) -> bool:
    """Whether a module has a top-level function ``study``, from its text alone."""
    body = ast.parse(path.read_text(encoding="utf-8"), str(path)).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "study" for node in body)


def full_name(name: str) -> str:
    """The study's whole name, given that or its unique last part."""
    known = names()
    found = [each for each in known if name in (each, each.split("/")[1])]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"study {name!r} is ambiguous: it may be {' or '.join(found)}")
    raise Refused(f"there is no study {name!r}; known studies: {', '.join(known) or 'none'}")


def claims_of(name: str) -> tuple[Claim, ...]:
    """The claims of a study, which stand in its file as CLAIMS; none where it has none."""
    return getattr(importlib.import_module(f"interlude.studies.{name.replace('/', '.')}"), "CLAIMS", ())


def topics() -> list[str]:
    return list(dict.fromkeys(name.split("/")[0] for name in names()))


def scale_named(name: str):
    from interlude.studies.scales import SCALES

    if name not in SCALES:
        raise Refused(f"there is no scale {name!r}; known scales: {', '.join(SCALES)}")
    return SCALES[name]


def the_study(args):
    """The study that the arguments name, at their scale and with their seeds and arms."""
    name = full_name(args.study)
    scale = scale_named(args.scale)
    study = importlib.import_module(f"interlude.studies.{name.replace('/', '.')}").study(scale)
    if study.name != name:
        raise Refused(f"studies/{name}.py calls its study {study.name!r}; it must be {name!r}")
    study = study.with_seeds(args.seeds) if args.seeds else study
    return study.with_arms(args.arms) if getattr(args, "arms", None) else study


def bands(scale_name: str) -> dict[str, tuple[int, int]]:
    """The fewest and most operations of each band of a scale."""
    scale = scale_named(scale_name)
    return {"ID": scale.band, "edge": scale.edge, "hard": scale.hard}


# --- commands on studies ---------------------------------------------------------------------------------------------


def list_(args, screen) -> None:
    from interlude.studies.scales import SCALES

    chosen = [scale_named(args.scale).name] if args.scale else list(SCALES)
    rows = [about(name, chosen) for name in names()]
    if args.json:
        return print_json(rows)
    cells = [[row["study"], row["question"], *(told(row["scales"][scale]) for scale in chosen)] for row in rows]
    heads = ["study", "question", *chosen]
    screen.print(show_.table("", heads, cells, "runs done here/planned; (n) runs in the committed table"))


def about(name: str, scales: list[str]) -> dict:
    """A study's question and, for each scale, how many of its runs are done."""
    from interlude.studies.study import plan

    row = {"study": name, "question": "", "scales": {}}
    for scale in scales:
        try:
            study = the_study(argparse.Namespace(study=name, scale=scale, seeds=None))
        except ValueError as reason:
            row["scales"][scale] = {"unavailable": str(reason)}
            continue
        runs = plan(study)
        done = sum(run.examined for run in runs)
        row["question"] = study.question
        row["scales"][scale] = {"done": done, "total": len(runs), "in_table": len(measured(study))}
    return row


def told(progress: dict) -> str:
    if "unavailable" in progress:
        return "–"
    return f"{progress['done']}/{progress['total']} ({progress['in_table']})"


def measured(study) -> set[tuple[str, int]]:
    """The (arm, seed) pairs that the committed table holds."""
    if not results.path(study.name, study.scale).exists():
        return set()
    return {(row["arm"], row["seed"]) for row in results.load(study.name, study.scale).rows}


def plan_(args, screen) -> None:
    study = the_study(args)
    row = planned(study)
    if args.json:
        return print_json(row)
    screen.print(Text.assemble((f"{study.name} at {study.scale}\n", "bold"), study.question))
    heads = ["run", "stages (key)", "FLOPs after the base", "trained", "examined", "in table"]
    cells = [
        [
            f"{run['arm']}, seed {run['seed']}",
            "\n".join(
                f"{stage['stage']} {stage['key'][:12]}{' done' if stage['finished'] else ''}" for stage in run["stages"]
            ),
            show_.large(run["flops"]) + (" measured" if run["finished"] else " planned"),
            *("yes" if run[flag] else "no" for flag in ("finished", "examined", "in_table")),
        ]
        for run in row["runs"]
    ]
    screen.print(show_.table("", heads, cells))
    ratio = row["max_ratio"]
    screen.print("most over fewest FLOPs among equal arms: " + ("unknown" if ratio is None else f"{ratio:.3f}"))
    if row["budget"]:
        screen.print(Text(f"budget: {row['budget']}", "bold"))


@remembering()
def planned(study) -> dict:
    """Everything a plan says, as JSON-able values."""
    from interlude.studies.run import dependencies
    from interlude.studies.study import check_budget, plan

    runs, in_table = plan(study), measured(study)
    problem = ""
    try:
        check_budget(study, runs)
    except ValueError as reason:
        problem = str(reason)
    rows = []
    for run in runs:
        stages = [
            {"stage": type(each.stages[-1]).__name__, "key": each.key, "finished": each.finished, "seed": each.seed}
            for each in dependencies(run.recipe)
        ]
        rows.append(
            {
                "arm": run.arm,
                "seed": run.seed,
                "key": run.recipe.key,
                "stages": stages,
                "flops": run.flops,
                "equal": run.equal,
                "budget": run.budget,
                "finished": run.finished,
                "examined": run.examined,
                "in_table": (run.arm, run.seed) in in_table,
            }
        )
    return {
        "study": study.name, "scale": study.scale, "question": study.question, "seeds": list(study.seeds),
        "exams": [exam.name for exam in study.exams], "runs": rows, "max_ratio": most_over_fewest(runs),
        "budget": problem,
    }  # fmt: skip


def most_over_fewest(runs: list) -> float | None:
    """The largest ratio of FLOPs between two equal arms of one seed and budget; None if there are none or one is not
    known."""
    ratios = []
    for seed, budget in {(run.seed, run.budget) for run in runs}:
        spent = [run.flops for run in runs if (run.seed, run.budget) == (seed, budget) and run.equal]
        if None in spent:
            return None
        if spent and min(spent) > 0:
            ratios.append(max(spent) / min(spent))
    return max(ratios, default=None)


def run_(args, screen) -> None:
    from interlude.models.train import Machine
    from interlude.studies.study import check_budget, plan

    study = the_study(args)
    one_thread = args.workers > 1 or args.worker_index is not None
    machine = Machine(device=args.device, threads=args.threads or (1 if one_thread else None))
    check_budget(study, plan(study))
    if args.worker_index is not None:
        return work(study, machine, args)
    with interruptible(command(args)) as stop, show_.Watch(screen, len(plan(study)), stop) as watch:
        if args.workers == 1:
            alone(study, machine, watch)
        else:
            together(study, args, watch)
        check_budget(study, plan(study))
    screen.print(f"done; see it with: {entry()} show {study.name} --scale {study.scale}", markup=False)


def alone(study, machine, watch) -> None:
    """Train and examine run by run in this process."""
    from interlude.studies.study import examine, keep, plan

    finished, todo = parted(plan(study))
    if finished:
        keep(study, *finished)
    for nth, run in enumerate(todo, start=1):
        examine(study, run, machine, watch.observe, watch.note)
        watch.stop.training = False
        # Arms that share their models finish together; planning anew would hash every recipe again.
        watch.runs_done(len(finished) + nth + sum(each.examined for each in todo[nth:]))


def parted(runs: list) -> tuple[list, list]:
    """Those that are examined, and those that are not."""
    sat = [(run, run.examined) for run in runs]
    return [run for run, done in sat if done], [run for run, done in sat if not done]


@dataclass(frozen=True)
class Job:
    """A run with the stages it needs and where each lies: naming a folder hashes a whole recipe, so it is done once."""

    run: Run
    stages: tuple[tuple[Recipe, Path], ...]
    exams: tuple[Exam, ...]

    @property
    def waiting(self) -> Iterator[tuple[Recipe, Path]]:
        """The stages that are not finished."""
        return ((recipe, folder) for recipe, folder in self.stages if not (folder / DONE).exists())

    @cached_property
    def kept(self) -> list[Path]:
        """Where the answers to its exams lie, named once as its folders are."""
        from interlude.studies.exam import kept_at

        return [kept_at(self.run.recipe, exam) for exam in self.exams]

    @property
    def examined(self) -> bool:
        """Whether every exam was taken. Files are counted first: that is cheap, and says no nearly always."""
        files = sum(path.suffix == ".json" for path in self.stages[-1][1].glob("exams/*"))
        return files >= len(self.exams) and all(path.exists() for path in self.kept)


@remembering()
def jobs(study) -> list[Job]:
    """The plan of a study, with its folders."""
    from interlude.studies.run import dependencies
    from interlude.studies.study import plan

    return [Job(run, tuple((each, each.folder) for each in dependencies(run.recipe)), run.exams) for run in plan(study)]


def together(study, args, watch) -> None:
    """Let worker processes train and examine; this process alone writes the table and shows their progress."""
    from interlude.studies.study import keep

    watch.stop.training = True  # the first Ctrl-C is passed on, and waits until every worker has saved
    todo = jobs(study)
    seen: dict[Path, int] = {}
    workers = [hire(args, index) for index in range(args.workers)]
    try:
        while todo:
            working = any(worker.poll() is None for worker in workers)
            finished, todo = parted(todo)
            if finished:
                keep(study, *(job.run for job in finished))
            for job in finished:
                watch.note(f"seed {job.run.seed}, {job.run.arm}: done")
            for folder, recipe in {folder: recipe for job in todo for recipe, folder in job.waiting}.items():
                draw_log(recipe, folder, seen, watch)
            watch.runs_done(watch.total - len(todo))
            watch.stop.check()
            failed = [worker for worker in workers if worker.poll() not in (None, 0)]
            if failed:
                raise Refused(f"a worker failed: {failed[0].stderr.read().decode(errors='replace').strip()}")
            if not working and todo:
                raise Refused(
                    f"every worker ended, but seed {todo[0].run.seed}, {todo[0].run.arm} has not been examined"
                )
            time.sleep(POLL if todo else 0)
    finally:
        dismiss(workers)


def draw_log(recipe, folder: Path, seen: dict[Path, int], watch) -> None:
    """Show the last line of a stage's log if it has grown."""
    path = folder / "log.jsonl"
    size = path.stat().st_size if path.exists() else 0
    if size == seen.get(path, 0):
        return
    seen[path] = size
    with path.open("rb") as file:
        file.seek(max(0, size - 4096))
        lines = file.read().split(b"\n")[:-1]  # what follows the last newline is still being written
    if not lines or not lines[-1].startswith(b"{"):
        return
    line = json.loads(lines[-1])
    name = f"{type(recipe.stages[-1]).__name__} seed {recipe.seed} {folder.name[-12:]}"
    watch.draw(name, recipe.stages[-1].progress(line["step"], line["flops"]), line)


def hire(args, index: int) -> subprocess.Popen:
    """A worker in a session of its own, so that a terminal's Ctrl-C reaches it only through its parent."""
    words = [sys.executable, "-m", "interlude.studies", *sys_arguments(args)]
    words += ["--worker-index", str(index), "--parent", str(os.getpid())]
    words += [] if args.threads else ["--threads", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads or 1)}
    return subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=Path.cwd(),
        env=environment,
    )


def dismiss(workers: list[subprocess.Popen]) -> None:
    """Ask whoever still works to save and stop, and wait for it; a second Ctrl-C kills."""
    try:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGINT)
        for worker in workers:
            worker.wait()
    except KeyboardInterrupt:
        for worker in workers:
            worker.kill()
            worker.wait()
        raise
    finally:
        for worker in workers:
            worker.stderr.close()


def work(study, machine, args) -> None:
    """A worker: take whichever run nobody else is busy with, until all are examined."""

    def heartbeat() -> None:
        if os.getppid() != args.parent:  # the parent is gone, and with it whoever could stop us
            raise KeyboardInterrupt

    screen = show_.console(sys.stderr)
    with interruptible(command(args)) as stop, show_.Watch(screen, 0, stop, heartbeat, silent=True) as watch:
        todo = jobs(study)
        # Each worker begins elsewhere, so that two do not follow each other from claim to claim.
        turn = args.worker_index * len(todo) // args.workers
        todo = todo[turn:] + todo[:turn]
        while todo := [job for job in todo if not job.examined]:
            advanced = any(advance(job, machine, watch) for job in todo)
            heartbeat()
            if not advanced:
                time.sleep(POLL)


def advance(job: Job, machine, watch) -> bool:
    """Do the first thing this run still needs, unless another process does it; whether anything was done."""
    from interlude.studies.exam import cached_result
    from interlude.studies.run import load, train_last

    stage, folder = next(job.waiting, (None, job.stages[-1][1] / "exams"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with lock(folder) as held:
            if stage is not None:
                if not stage.finished:
                    train_last(stage, machine, watch.observe, held)
            else:
                watch.stop.training = False
                lm = load(job.run.recipe, machine.device)
                for exam in job.exams:
                    cached_result(job.run.recipe, exam, lm)
    except Busy:
        return False
    return True


@contextmanager
def interruptible(again: str):
    """SIGINT by ``console.Stop`` inside the block; a KeyboardInterrupt leaves it saying how to go on."""
    stop = show_.Stop()
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stop
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; nothing finished is lost. To go on: {again}") from None
    finally:
        signal.signal(signal.SIGINT, before)


def entry() -> str:
    """How this program was called."""
    return "python -m interlude.studies" if Path(sys.argv[0]).name == "__main__.py" else Path(sys.argv[0]).name


def sys_arguments(args) -> list[str]:
    """The arguments of ``run`` written out again, without those that say what is so anyway."""
    words = ["run", args.study, "--scale", args.scale]
    words += ["--seeds", ",".join(map(str, args.seeds))] if args.seeds else []
    words += ["--arms", ",".join(args.arms)] if args.arms else []
    words += ["--device", args.device] if args.device != "cpu" else []
    words += ["--threads", str(args.threads)] if args.threads else []
    return words + (["--workers", str(args.workers)] if args.workers > 1 else [])


def command(args) -> str:
    """What to type to go on."""
    return " ".join([entry(), *sys_arguments(args)])


def show(args, screen) -> None:
    from interlude.studies.report import tables
    from interlude.studies.study import measured

    if args.study in topics():
        return show_claims(args, screen)
    args.seeds = None
    study = the_study(args)
    found = tables.summary(study, measured(study), bands(args.scale), claims_of(study.name))
    if args.json:
        return print_json(found)
    screen.print(Text.assemble((f"{found['study']} at {found['scale']}\n", "bold"), found["question"]))
    shown = tables.full(found, tables.kinds_of(study)) if args.all else tables.short(found)
    print_tables(screen, shown)
    if not args.all:
        screen.print(Text("--all shows every exam, what each kind of exam adds, and costs", "dim"))


def show_claims(args, screen) -> None:
    """The claims of every study of a topic that has results at this scale."""
    from interlude.studies.report import tables
    from interlude.studies.study import measured
    from interlude.studies.verdicts import decide

    rows = {}
    for name in (name for name in names() if name.startswith(f"{args.study}/") and claims_of(name)):
        there = results.path(name, args.scale).exists()
        study = the_study(argparse.Namespace(study=name, scale=args.scale, seeds=None)) if there else None
        found = decide(claims_of(name), measured(study) if there else None, bands(args.scale))
        rows[name] = [tables.verdict_row(verdict) for verdict in found]
    if not rows:
        own = [name for name in names() if name.startswith(f"{args.study}/")]
        raise Refused(f"{args.study} is a topic without claims; show one of its studies: {', '.join(own)}")
    if args.json:
        return print_json(rows)
    for name, found in rows.items():
        _, *rest = tables.verdict_table(found)
        print_tables(screen, [(name, *rest)])


def print_tables(screen, shown: list) -> None:
    """Tables below each other, cut where they are too wide."""
    for title, heads, rows, caption in shown:
        screen.print()
        for part in show_.tables(screen, title, heads, rows, caption):
            screen.print(part)


def report_(args, screen) -> None:
    from interlude.studies.report.page import page
    from interlude.studies.study import measured

    where = Path(args.html)
    if where.is_dir() or not os.access(where if where.exists() else where.parent, os.W_OK):
        raise Refused(f"--html {where}: cannot be written")
    pages = []
    for asked in args.study or topics():
        there = [name for name in names() if name.startswith(f"{asked}/") and results.path(name, args.scale).exists()]
        for name in there if asked in topics() else [full_name(asked)]:
            study = the_study(argparse.Namespace(study=name, scale=args.scale, seeds=None))
            pages.append((study, measured(study), claims_of(name)))
    if not pages:
        raise Refused(f"no study has results at scale {args.scale} yet; run one first")
    where.write_text(page(pages, bands(args.scale)), encoding="utf-8")
    if args.json:
        return print_json(
            {"html": str(where), "studies": [study.name for study, *_ in pages], "bytes": where.stat().st_size}
        )
    screen.print(f"{where}: {len(pages)} {'study' if len(pages) == 1 else 'studies'}", markup=False)


# --- commands on problems --------------------------------------------------------------------------------------------


def problem_(args, screen) -> None:
    source = Source(
        ops=args.ops, world=args.world, mode=args.mode, dialect=args.dialect, modulus=args.modulus, split="any"
    )
    if args.approach:
        source = replace(source, approach=args.approach, tagged=args.approach != PLAIN)
    problem = source.problem("problem", args.seed)
    written = problem.written
    tokens, kinds = written.question_tokens + written.solution_tokens, roles(problem)
    if args.json:
        return print_json(
            {
                "question": problem.question,
                "solution": problem.solution,
                "answer": problem.answer,
                "ops": problem.ops,
                "depth": problem.graph.depth,
                "held_out": problem.held_out,
                "tokens": list(tokens),
                "roles": list(kinds),
            }
        )
    screen.print(Text("question", "bold"))
    screen.print(coloured(written.question_tokens, written.question_roles))
    screen.print(Text("solution", "bold"))
    screen.print(coloured(written.solution_tokens, written.solution_roles))
    screen.print(Text("roles", "bold"))
    for role, meaning in ROLES.items():
        those = [token for token, kind in zip(tokens, kinds, strict=True) if kind == role]
        if those:
            screen.print(Text.assemble((f"{role:11}", COLOURS[role]), f"{len(those):4}  ", " ".join(those)))
            screen.print(Text(f"{'':17}{meaning}", "dim"))


def coloured(tokens: tuple[str, ...], kinds: tuple[str, ...]) -> Text:
    """Tokens in the colours of their roles, a line for every statement."""
    text = Text()
    for token, role in zip(tokens, kinds, strict=True):
        text.append(token, COLOURS[role])
        text.append("\n" if token in (";", ".", "?") else " ")
    text.rstrip()
    return text


def verify_(args, screen) -> None:
    """One verdict a line, always as JSON: it is meant to be read by programs."""
    lines = sys.stdin.buffer if args.file == "-" else Path(args.file).open("rb")
    with lines:
        for number, line in enumerate(lines, start=1):
            place = f"{args.file}, line {number}"
            problem, response = judged(line, place)
            verdict = verify(problem, response)
            row = asdict(verdict) | {"faults": [fault._asdict() for fault in verdict.faults]}
            print(json.dumps(row, allow_nan=False))


def judged(line: bytes, place: str) -> tuple[Problem, str]:
    """The problem and the response of one line. Raises Refused naming the line."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{place}: not JSON ({error})") from None
    if type(row) is not dict or set(row) != {"problem", "response"} or type(row["response"]) is not str:
        raise Refused(f"{place}: must be an object with 'problem' and the string 'response'")
    given = row["problem"]
    try:
        if type(given) is dict and set(given) == {"source", "path"}:
            if type(given["path"]) is not list:
                raise ValueError(f"path must be a list, got {given['path']!r}")
            return source_from(given["source"]).problem(*given["path"]), row["response"]
        return problem_from_dict(given), row["response"]
    except (ValueError, TypeError) as error:
        raise Refused(f"{place}: {error}") from None


def source_from(row) -> Source:
    """A Source from its fields as JSON has them: lists for tuples, objects for ``shape`` and ``words``."""
    return described(Source, row, "source", {"shape": Shape, "words": Words})


def described(kind: type[K], row, name: str, inner: dict[str, type] | None = None) -> K:
    """A description from an object with its fields. Raises Refused naming it and what is wrong."""
    if type(row) is not dict:
        raise Refused(f"{name} must be an object, got {row!r}")
    unknown = set(row) - {field.name for field in fields(kind)}
    if unknown:
        raise Refused(f"{name} has unknown fields {', '.join(sorted(unknown))}")
    values = {field: tuple(value) if type(value) is list else value for field, value in row.items()}
    for field, part in (inner or {}).items():
        if values.get(field) is not None:
            values[field] = described(part, values[field], field)
    return kind(**values)


def audit_(args, screen) -> None:
    if args.ops is not None:
        source = Source(
            ops=args.ops,
            world=args.world,
            mode=args.mode,
            dialect=args.dialect,
            modulus=args.modulus,
            split="train",
        )
        exams, name = (), f"ops {args.ops[0]}-{args.ops[1]}"
    else:
        scale = scale_named(args.scale)
        source, exams, name = scale.pretraining(), scale.exams(), f"pre-training at {scale.name}"
    report = audit(source, args.problems)
    rows = [audited(exam, source, args.problems) for exam in exams]
    if args.json:
        return print_json({"source": name, "audit": report.as_dict(), "floor": report.floor, "exams": rows})
    screen.print(Text(name, "bold"))
    screen.print(report.as_text(), markup=False)
    if rows:
        cells = [[r["exam"], r["problems"], f"{r['guess_floor']:.3f}", r["overlap"], r["repeated"]] for r in rows]
        caption = (
            f"overlap: problems whose structure is among {args.problems} of pre-training; repeated: same question twice"
        )
        screen.print(show_.table("exams", ["exam", "problems", "guess floor", "overlap", "repeated"], cells, caption))


def audited(exam, source, problems: int) -> dict:
    """An exam's guess floor, how much of its paper pre-training could contain, and questions asked twice."""
    paper = exam.draw_problems()
    trained = {problem.graph.canonical for problem in draws(source, problems, ("audit",))}
    return {
        "exam": exam.name,
        "problems": len(paper),
        "guess_floor": float(exam.guess_floor),
        "overlap": sum(problem.graph.canonical in trained for problem in paper),
        "repeated": len(paper) - len({problem.question for problem in paper}),
    }


def bench_(args, screen) -> None:
    from interlude.studies.bench import bench

    rows = [measure.as_dict() for measure in bench(args.parts)]
    if args.json:
        return print_json(rows)
    cells = [
        [
            row["part"], row["what"], f"{show_.large(row['rate'])} {row['unit']}", f"± {row['spread']:.0%}",
            row["peer"] or "", "" if row["ratio"] is None else f"{row['ratio']:.1f}x", row["target"],
        ]
        for row in rows
    ]  # fmt: skip
    screen.print(show_.table("", ["part", "what", "rate", "spread", "peer", "ratio", "target"], cells))


# --- arguments -------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str):
        self.exit(2, f"interlude: {message}; {self.prog} --help lists what there is\n")


def seeds(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(f"must be different non-negative integers such as 0,1,2, got {text!r}")
    return tuple(int(part) for part in parts)


def span(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not low.isdigit() or (high and not high.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a number such as 4 or a range such as 2-5, got {text!r}")
    return int(low), int(high or low)


def modulus(text: str) -> int | None:
    if text != "none" and not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a prime or none, got {text!r}")
    return None if text == "none" else int(text)


def natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a non-negative integer, got {text!r}")
    return int(text)


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return int(text)


def parts(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def parser() -> Parser:
    """Every command and option; a test holds the list."""
    root = Parser(prog="interlude", description=__doc__, allow_abbrev=False)
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, do, about_: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about_, description=about_, allow_abbrev=False)
        made.set_defaults(do=do)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    def scaled(made, default: str | None = "nano") -> None:
        made.add_argument("--scale", default=default, help=f"smoke, nano, small or paper (default: {default or 'all'})")

    def sourced(made, ops: tuple[int, int] | None) -> None:
        made.add_argument("--ops", type=span, default=ops, help="operations, such as 4 or 2-5")
        made.add_argument("--world", default="zoo", help="the world a problem is told in")
        made.add_argument("--mode", default="forward", choices=MODES)
        made.add_argument("--dialect", default="terse", choices=DIALECTS)
        made.add_argument("--modulus", type=modulus, default=7, help="a prime, or none for plain integers")

    made = add("list", list_, "list every study with its question and how far it has been run")
    scaled(made, None)
    for name, do, about_ in (
        ("plan", plan_, "say what a study would train, and what it costs"),
        ("run", run_, "train and examine whatever of a study is missing"),
    ):
        made = add(name, do, about_)
        made.add_argument("study")
        scaled(made)
        made.add_argument("--seeds", type=seeds, help="such as 0,1,2 (default: the study's)")
        made.add_argument(
            "--arms", type=parts, help="such as 'RL,mid*'; write ? for a comma in a name (default: the study's)"
        )
        if name == "run":
            made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
            made.add_argument("--threads", type=positive, help="CPU threads of one process")
            made.add_argument("--workers", type=positive, default=1, help="processes that share the runs")
            made.add_argument("--worker-index", type=int, help=argparse.SUPPRESS)
            made.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    made = add("show", show, "print a study's results with intervals, or the claims of a topic")
    made.add_argument("study", help="a study, or a topic for the claims of all its studies")
    made.add_argument("--all", action="store_true", help="every table, not only those that answer the question")
    scaled(made)
    made = add("report", report_, "write one HTML page about studies that were run")
    made.add_argument("study", nargs="*", help="studies or topics (default: all)")
    made.add_argument("--html", required=True, metavar="FILE")
    scaled(made)
    made = add("problem", problem_, "print a problem, its solution and what each token is for")
    sourced(made, (4, 4))
    made.add_argument(
        "--approach", choices=(PLAIN, *APPROACHES), metavar="NAME", help=f"work it out by {', '.join(APPROACHES)}"
    )
    made.add_argument("--seed", type=natural, default=0)
    made = add("verify", verify_, "judge responses: JSON lines of problem and response in, a verdict a line out")
    made.add_argument("file")
    made = add("audit", audit_, "report what a scale's pre-training and exams, or any source, contain")
    scaled(made)
    sourced(made, None)
    made.add_argument("--problems", type=positive, default=2000)
    made = add("bench", bench_, "measure the speed of this machine against peers")
    made.add_argument("--parts", type=parts, default=("generate", "verify", "train", "sample", "exam"))
    return root


def print_json(value) -> None:
    print(json.dumps(without_nan(value), indent=2, allow_nan=False))


def without_nan(value):
    """The value with null for what was not measured."""
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def expected(error: Exception) -> bool:
    """Whether an error is an answer to the user rather than a bug: one of our classes, the operating system's, or a
    ValueError or KeyError that our own code raised on purpose."""
    if isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("models", "studies", "synth", "__main__"):
        return True
    if not isinstance(error, (ValueError, KeyError)):
        return False
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    where = last.tb_frame.f_code.co_filename
    return where.startswith(OURS) and linecache.getline(where, last.tb_lineno).strip().startswith("raise ")


def main(words: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for a request that cannot be met, 130 for Ctrl-C."""
    args = parser().parse_args(words)
    try:
        args.do(args, show_.console())
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if not expected(error):
            raise
        sentence = error.args[0] if isinstance(error, KeyError) else str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            sentence = f"{error.filename}: {error.strerror}"
        print(f"interlude: {sentence}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
