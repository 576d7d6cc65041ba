"""The commands that plan and run a study."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.text import Text

from interlude.models.key import remembering
from interlude.models.recipe import dependencies
from interlude.models.recipe import root as runs_root
from interlude.models.train import Machine
from interlude.studies import console as show_
from interlude.studies import results
from interlude.studies.console import print_json
from interlude.studies.execute.conduct import conduct, here
from interlude.studies.execute.processes import Processes
from interlude.studies.execute.ray_cluster import Ray
from interlude.studies.execute.slurm import Submitit
from interlude.studies.execute.work import Crew, order
from interlude.studies.find import StudySpec, own_scale, the_study
from interlude.studies.price import Price, cores, pretrained, price, priceable, worker_count
from interlude.studies.refusal import Interrupted, Refused
from interlude.studies.speed import CARDS, Speed, dry_run, on_card, this_machine
from interlude.studies.study import Run, Study, check_budget, plan

UNKNOWN_BYTES = 8e9  # assumed memory of a worker if the size of its model is not known
MINUTES = 720  # time limit of a job of submitit
ONLY = {"address": ("ray",), "partition": ("slurm",), "minutes": ("slurm", "local-submitit")}  # option: its executors


def study_spec(args) -> StudySpec:
    """The study that the arguments name, at its own scale unless they name one."""
    return StudySpec(args.study, args.scale or own_scale(args.study), args.seeds, args.arms)


def refuse_unused(args) -> None:
    """Raises Refused for an option of ``plan`` or ``run`` that would change nothing, rather than ignore it."""
    if args.command == "plan":
        if args.dry_run and args.on:
            raise Refused("--on estimates hours on GPUs, which --dry-run does not: give one of the two")
        for name in ("device", "threads"):
            if not args.dry_run and getattr(args, name) is not None:
                raise Refused(f"--{name} is only for --dry-run, which takes the steps that it is for")
        return
    for name, executors in ONLY.items():
        if getattr(args, name) is not None and args.executor not in executors:
            raise Refused(f"--{name} is only for --executor {' or '.join(executors)}")


def plan_(args, screen) -> None:
    """Prints the runs of a study and what they cost."""
    refuse_unused(args)
    study = the_study(study_spec(args))
    if args.dry_run:
        return dry(study, args, screen)
    row = planned(study)
    cost, speeds = None, []
    if priceable(study):
        cost = price(study)
        speeds = [] if pretrained(study) else [this_machine(study)]
        speeds += [on_card(CARDS[name], cost.parameters) for name in args.on or ()]
        hours = {
            each.name: {
                "hours": each.hours(cost.total),
                "training_flops": each.training,
                "sampling_flops": each.sampling,
                "how": each.how,
                "mfu": each.mfu,
            }
            for each in speeds
        }
        row["price"] = cost.as_dict() | {"hours": hours}
    if args.json:
        return print_json(row)
    screen.print(Text.assemble((f"{study.name} at {study.scale}\n", "bold"), study.question))
    heads = ["run", "stages (key)", "FLOPs after the base", "trained", "evaluated", "in table"]
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
    screen.print(
        "largest ratio of FLOPs between arms with equal budgets: " + ("unknown" if ratio is None else f"{ratio:.3f}")
    )
    if cost is None:
        screen.print(
            "no cost estimate: the config of a transformers model is not here, or transformers is not installed"
        )
    else:
        print_price(cost, speeds, args, screen)
    if row["budget"]:
        screen.print(Text(f"budget: {row['budget']}", "bold"))


def print_price(cost: Price, speeds: list[Speed], args, screen) -> None:
    """The cost of the whole study from scratch, and the memory and disk that it needs."""
    heads = ["from scratch", "training tokens", "rollout tokens", "FLOPs", *(f"time, {each.name}" for each in speeds)]
    other = {name: f"{name} (counted as {where})" for name, where in cost.counted_as.items()}
    named = [(other.get(name, name), each) for name, each in cost.arms.items()]
    parts = [("base, and what arms share", cost.base), *named, ("exams", cost.exams), ("total", cost.total)]
    cells = [
        [
            name,
            *(show_.large(each.as_dict()[f"{kind}_tokens"]) for kind in ("train", "rollout")),
            show_.large(each.total_flops),
            *(show_.duration(3600 * speed.hours(each)) for speed in speeds),
        ]
        for name, each in parts
    ]
    where = "; ".join(
        f"{each.name}: {show_.large(each.training)}FLOP/s in training, {show_.large(each.sampling)}FLOP/s in sampling, "
        f"{each.how}"
        for each in speeds
    )
    time = f"times are for one core or GPU ({where})" if speeds else "--on h100 estimates the time on a GPU"
    once = "a stage counts once: what an arm begins with or learns from is in another line"
    caption = f"{once}; token counts are estimates; {time}"
    screen.print(show_.table("", heads, cells, caption))
    cards = ", ".join(f"{CARDS[n].name} has {CARDS[n].memory / 1e9:.0f} GB" for n in args.on or ())
    screen.print(
        f"{show_.large(cost.parameters)} parameters; about {cost.cpu_bytes / 1e9:.2g} GB of memory per process "
        f"({cores()} cores here)"
        + (f", {cost.gpu_bytes / 1e9:.2g} GB on a GPU ({cards})" if cards else "")
        + f"; about {cost.disk_bytes / 1e9:.2g} GB of disk under $INTERLUDE_RUNS"
    )


def dry(study: Study, args, screen) -> None:
    """Prints the measured cost of one step of every stage."""
    machine = Machine(device=args.device or "cpu", threads=args.threads)
    steps = dry_run(study, machine)
    if args.json:
        return print_json([vars(each) for each in steps])
    of = "CPU" if machine.device == "cpu" else "GPU"
    heads = ["stage", "first arm", f"{of} s/step", "tokens", "FLOPs", "FLOP/s", "steps", f"{of} time", "peak memory"]
    cells = [
        [each.stage, each.arm, "not taken", each.why_not, "", "", "", "", ""]
        if each.why_not
        else [
            each.stage,
            each.arm,
            f"{each.seconds:.3g}",
            show_.large(each.tokens),
            show_.large(each.flops),
            show_.large(each.flops / each.seconds),
            str(each.steps),
            show_.duration(each.steps * each.seconds),
            f"{each.peak_bytes / 1e9:.2g} GB",
        ]
        for each in steps
    ]
    caption = (
        "one step per stage, from untrained weights; their responses rarely end, so the cost of sampling is an upper "
        "bound"
    )
    screen.print(show_.table("", heads, cells, caption))


@remembering()
def planned(study: Study) -> dict:
    """Everything that ``plan`` prints, as JSON values."""
    runs, in_table = plan(study), stored(study)
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
                "in_table": (run.arm, run.seed, run.recipe.key[:16]) in in_table,
            }
        )
    return {
        "study": study.name, "scale": study.scale, "question": study.question, "seeds": list(study.seeds),
        "exams": [exam.name for exam in study.exams], "runs": rows, "max_ratio": most_over_fewest(runs),
        "budget": problem,
    }  # fmt: skip


def most_over_fewest(runs: list[Run]) -> float | None:
    """The largest ratio of FLOPs between two arms that must have equal budgets, with the same seed and budget; None if
    there are no such arms or the FLOPs of one are not known."""
    ratios = []
    for seed, budget in {(run.seed, run.budget) for run in runs}:
        spent = [run.flops for run in runs if (run.seed, run.budget) == (seed, budget) and run.equal]
        if None in spent:
            return None
        if spent and min(spent) > 0:
            ratios.append(max(spent) / min(spent))
    return max(ratios, default=None)


def stored(study: Study) -> set[tuple[str, int, str]]:
    """The arm, seed and first 16 digits of the recipe's key of every run in the study's table."""
    folder = study.results or results.FOLDER
    if not results.path(study.name, study.scale, folder).exists():
        return set()
    return {(row["arm"], row["seed"], row["key"]) for row in results.load(study.name, study.scale, folder).rows}


def run_(args, screen) -> None:
    """Trains and evaluates the missing runs of a study."""
    refuse_unused(args)
    spec = study_spec(args)
    study = the_study(spec)
    runs = plan(study)
    check_budget(study, runs)
    check_writable(study)
    with interruptible(command(args)) as stop, show_.Watch(screen, len(runs), stop) as watch:
        crew = crew_of(args, spec, study, watch)
        if crew is None:
            here(study, Machine(device=args.device, threads=args.threads), watch)
        else:
            conduct(study, crew, watch)
        check_budget(study, plan(study))
    where = results.path(study.name, study.scale, study.results or results.FOLDER)
    screen.print(f"done; table: {where}", markup=False, highlight=False, soft_wrap=True)
    screen.print(f"to see the results: {entry()} show {args.study} --scale {spec.scale}", markup=False, soft_wrap=True)


def check_writable(study: Study) -> None:
    """Raises Refused where results or trained models cannot be written, before anything is trained."""
    for folder, variable in ((study.results or results.FOLDER, "INTERLUDE_RESULTS"), (runs_root(), "INTERLUDE_RUNS")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise Refused(
                f"{folder} cannot be written ({error.strerror}): set ${variable} to a folder that can"
            ) from None


def crew_of(args, spec: StudySpec, study: Study, watch: show_.Watch) -> Crew | None:
    """The workers that do the runs; None if this process does them."""
    if args.executor == "ray":
        return Ray(order(spec, args.device), args.address, args.threads, args.workers or sys.maxsize)
    todo = sum(not run.examined for run in plan(study))
    needs = price(study).cpu_bytes if priceable(study) else UNKNOWN_BYTES
    if args.executor == "slurm":
        options = {"slurm_partition": args.partition} if args.partition else {}
        options |= {"timeout_min": args.minutes or MINUTES}
        sent, gigabytes = order(spec, args.device), 1 + needs / 1e9
        return Submitit(sent, "slurm", args.workers or sys.maxsize, args.threads, gigabytes, options)
    Machine(device=args.device)  # raises if this machine lacks the device, before any worker starts
    count = 1 if args.device != "cpu" and args.workers is None else worker_count(args.workers, todo, needs)
    if args.workers is not None and count < min(args.workers, todo):
        watch.note(f"{count} of {args.workers} workers: {cores()} cores, and about {needs / 1e9:.2g} GB per worker")
    if args.executor == "local-submitit":
        options = {"timeout_min": args.minutes or MINUTES}
        sent = order(spec, args.device)
        return Submitit(sent, "local", count, args.threads, 1 + needs / 1e9, options)
    if count == 1 and args.executor is None:
        return None
    return Processes(order(spec, args.device), count, args.threads)


@contextmanager
def interruptible(again: str) -> Iterator[show_.Stop]:
    """Inside the block ``console.Stop`` handles SIGINT; a KeyboardInterrupt becomes a message how to continue."""
    stop = show_.Stop()
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stop
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; finished work is kept. To continue: {again}") from None
    finally:
        signal.signal(signal.SIGINT, before)


def entry() -> str:
    """The command with which this program was started."""
    return "python -m interlude.studies" if Path(sys.argv[0]).name == "__main__.py" else Path(sys.argv[0]).name


def command(args) -> str:
    """The command to continue: ``run`` with those arguments that are not defaults."""
    words = [entry(), "run", args.study, "--scale", args.scale or own_scale(args.study)]
    words += ["--seeds", ",".join(map(str, args.seeds))] if args.seeds else []
    words += ["--arms", ",".join(args.arms)] if args.arms else []
    words += ["--device", args.device] if args.device != "cpu" else []
    for name in ("threads", "workers", "executor", "address", "partition", "minutes"):
        given = getattr(args, name)
        words += [f"--{name}", str(given)] if given is not None else []
    return " ".join(words)
