"""A study is a question: the arms to train, the exams that evaluate them, the seeds, and the budget that arms share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from interlude.models.files import read_jsonl
from interlude.models.key import key, remembering
from interlude.models.ledger import TRAIN, interplay_rl_tokens
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.rollouts import REASONS
from interlude.models.stage import Stage
from interlude.models.stages.rl import RL
from interlude.models.train import Machine
from interlude.studies import results
from interlude.studies.curves import curves, mean
from interlude.studies.exam import Exam, ExamResult, answered, cached_result, span
from interlude.studies.refusal import meant
from interlude.studies.run import Cost, Observe, costs, train_or_load
from interlude.synth.graph import nearest
from interlude.synth.source import Mixture, Source

WASTED = 0.9  # share of groups without variance in a stage from which on a run is worth a warning
TOLERANCE = 0.05  # how far the FLOPs of compared arms may lie apart
LAST_STEPS_TOLERANCE = 0.10  # and where last steps are given as the reason; the committed tables at nano need 0.085
WAYS = "give arms the same flops, take one out of the comparison by Arm(equal=False), or say why in Study(unequal=...)"


@dataclass(frozen=True)
class Arm:
    """One thing compared. equal: whether its compute must equal the other equal arms' of the same ``budget`` (where a
    study has several, each has a name). base, exams: its own, where they differ from the study's (other pre-training,
    another modulus)."""

    name: str
    recipe: Recipe
    equal: bool = True
    base: Recipe | None = None
    exams: tuple[Exam, ...] | None = None
    budget: str = ""

    def __post_init__(self) -> None:
        for name, given in (("recipe", self.recipe), ("base", self.base)):
            if not isinstance(given, Recipe) and (given is not None or name == "recipe"):
                raise ValueError(
                    f"Arm.{name} of {self.name!r} must be a Recipe, such as base + stage, not a {type(given).__name__}"
                )


@dataclass(frozen=True)
class Study:
    """A study at one scale. Raises ValueError naming the field and the study."""

    name: str
    scale: str
    question: str
    # Written before the run: what is expected, and which number decides.
    prediction: str
    rule: str
    arms: tuple[Arm, ...]
    exams: tuple[Exam, ...]
    seeds: tuple[int, ...]
    # What all arms share; compute is compared after it.
    base: Recipe
    # Why budgets differ, where they have to.
    unequal: str = ""
    # Why measured FLOPs differ although budgets are equal, and the largest share by which they may.
    last_steps: str = ""
    last_steps_tolerance: float = LAST_STEPS_TOLERANCE
    # Pairs of arms (arm, over) whose paired difference is reported.
    contrasts: tuple[tuple[str, str], ...] = ()
    # The exams shown first.
    headline: tuple[str, ...] = ()
    # Sets of training problems, one for each number of operations, that every examined problem is compared with (see
    # ``similarities``).
    gold: tuple[Exam, ...] = ()
    # The folder of its table (None: ``results.FOLDER``).
    results: Path | None = None
    # The study that this one is some arms of, as its rows keep their places in the table.
    whole: Study | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for what, kind in (("arms", Arm), ("exams", Exam), ("seeds", int)):
            given = getattr(self, what)
            wrong = given if not isinstance(given, tuple) else next((e for e in given if not isinstance(e, kind)), None)
            if wrong is not None:
                raise ValueError(
                    f"Study.{what} of {self.name} must be a tuple of {kind.__name__}, such as (one,) with its comma, "
                    f"and holds or is a {type(wrong).__name__}"
                )
        if not isinstance(self.base, Recipe):
            raise ValueError(f"Study.base of {self.name} must be a Recipe, not a {type(self.base).__name__}")
        sat = [(f"exams of arm {a.name!r}", [e.name for e in a.exams]) for a in self.arms if a.exams is not None]
        for what, names in (("arms", [a.name for a in self.arms]), ("exams", [e.name for e in self.exams]), *sat):
            if not names or len(set(names)) < len(names):
                raise ValueError(f"Study.{what} of {self.name} must be one or more with different names, got {names}")
        for arm in self.arms:
            base = self.base_of(arm)
            if arm.recipe.stages[: len(base.stages)] != base.stages or arm.recipe.model != base.model:
                raise ValueError(f"arm {arm.name!r} of {self.name} does not begin with its base")
            for exam in self.exams_of(arm):
                if any(held not in dependencies(arm.recipe) for held in references(exam).values()):
                    what = f"exam {exam.name!r} of {self.name}"
                    raise ValueError(f"{what} compares arm {arm.name!r} with a model it does not begin with")
                exam.check(arm.recipe)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"Study.seeds of {self.name} must be different non-negative integers, got {self.seeds}")
        for pair in self.contrasts:
            if any(name not in [a.name for a in self.arms] for name in pair):
                raise ValueError(f"Study.contrasts of {self.name} names an arm it does not have: {pair}")
            if pair[0] == pair[1]:
                raise ValueError(f"Study.contrasts of {self.name} compares arm {pair[0]!r} with itself")

    def with_seeds(self, seeds: tuple[int, ...]) -> Study:
        return replace(self, seeds=seeds)

    def with_arms(self, patterns: tuple[str, ...]) -> Study:
        """The study with only the arms whose names match one of ``patterns`` (as in a shell: * and ?), and the
        contrasts among them. Raises ValueError if a pattern matches no arm."""
        names = [arm.name for arm in self.arms]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                hint = meant(pattern.strip("*"), names) or f"; its arms: {', '.join(names)}"
                raise ValueError(f"{self.name} has no arm {pattern!r}{hint}")
        kept = {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}
        pairs = tuple(pair for pair in self.contrasts if kept.issuperset(pair))
        arms = tuple(arm for arm in self.arms if arm.name in kept)
        return replace(self, arms=arms, contrasts=pairs, whole=self.whole or self)

    def base_of(self, arm: Arm) -> Recipe:
        """What comes before the arm's own stages."""
        return self.base if arm.base is None else arm.base

    def exams_of(self, arm: Arm) -> tuple[Exam, ...]:
        return self.exams if arm.exams is None else arm.exams


@dataclass(frozen=True)
class Run:
    """One line of a plan: an arm with a seed, its recipe and exams, and what it will cost or did cost after the base.

    shared: how many stages of the recipe are the base's. planned: the FLOPs budgets of the others (None: one of them
    has none). measured: the FLOPs they took, once they are finished.
    """

    arm: str
    seed: int
    recipe: Recipe
    exams: tuple[Exam, ...]
    shared: int
    finished: bool
    examined: bool
    planned: float | None
    measured: float | None
    equal: bool
    budget: str = ""

    @property
    def flops(self) -> float | None:
        """FLOPs after the base: measured if the run is finished, else planned."""
        return self.planned if self.measured is None else self.measured


@remembering()
def plan(study: Study) -> list[Run]:
    """Every run of a study, seed by seed, in the order in which shared work comes first."""
    runs, known = [], {}
    for seed in study.seeds:
        for arm in study.arms:
            recipe = arm.recipe.with_seed(seed)
            done = recipe.finished
            exams = tuple(exam.with_seed(seed) for exam in study.exams_of(arm))
            shared = len(study.base_of(arm).stages)
            examined = done and all(answered(recipe, exam) for exam in exams)
            budgets = [stage.flops for stage in recipe.stages[shared:]]
            planned = None if None in budgets else float(sum(budgets))
            measured = sum(cost.ledger.total_flops for cost in costs(recipe, known)[shared:]) if done else None
            flops = planned, measured
            runs.append(Run(arm.name, seed, recipe, exams, shared, done, examined, *flops, arm.equal, arm.budget))
    return runs


def check_budget(study: Study, runs: list[Run]) -> None:
    """Raises ValueError where arms that must be equal differ by more than 5 %, unless the study says why: ``unequal``
    excuses all, ``last_steps`` what arms took beyond equal budgets, up to ``last_steps_tolerance``.

    Budgets are compared with budgets, and what finished arms took with what others took: a stage ends with the step
    that spends its budget, so a finished arm may have taken a little more than an unfinished one is to take.
    """
    if study.unequal:
        return
    for seed, budget in dict.fromkeys((run.seed, run.budget) for run in runs):
        compared = [run for run in runs if (run.seed, run.budget) == (seed, budget) and run.equal]
        unknown = [run.arm for run in compared if run.flops is None]
        if unknown:
            raise ValueError(
                f"{study.name}: arm {unknown[0]!r} has a stage without a FLOPs budget and Study.unequal is empty; "
                f"{WAYS}"
            )
        planned = {run.arm: run.planned for run in compared if run.planned is not None}
        measured = {run.arm: run.measured for run in compared if run.measured is not None}
        most = study.last_steps_tolerance if study.last_steps else TOLERANCE
        for what, spent, limit in (("budgets", planned, TOLERANCE), ("measured FLOPs", measured, most)):
            if spent and max(spent.values()) > (1 + limit) * min(spent.values()):
                low, high = min(spent, key=spent.get), max(spent, key=spent.get)
                raise ValueError(
                    f"{study.name}: arms {high!r} and {low!r} differ in FLOPs by more than {limit:.0%} "
                    f"({what} {spent[high]:.3g} and {spent[low]:.3g}, seed {seed}) and Study.unequal does not say why; "
                    f"{WAYS}"
                )


def execute(
    study: Study, machine: Machine, observe: Observe | None = None, note: Callable[[str], None] = print
) -> None:
    """Train and examine every run that is missing, and store its rows as soon as they exist."""
    check_budget(study, plan(study))
    for run in plan(study):
        examine(study, run, machine, observe, note)
    check_budget(study, plan(study))


def examine(study: Study, run: Run, machine: Machine, observe: Observe | None, note: Callable[[str], None]) -> None:
    """Train one run if need be, evaluate its exams, and store the rows."""
    if not run.examined:
        note(f"seed {run.seed}, {run.arm}")
        lm = train_or_load(run.recipe, machine, observe)
        for exam in run.exams:
            cached_result(run.recipe, exam, lm)
    keep(study, run)


def keep(study: Study, *runs: Run) -> None:
    """Store the results of finished runs: their table rows, and training curves of those that sampled or weighed
    tokens. All at once, as each call reads and writes the whole table, which is kept in the order of the plan. What
    the table holds of these arms from other recipes, with whatever seed, is dropped."""
    how = {"order": places(study), "stale": outdated(study, {run.arm for run in runs})}
    how |= {} if study.results is None else {"folder": study.results}
    known: dict[Path, Cost] = {}
    found = [row for run in runs for row in rows(study, run, known)]
    results.store(study.name, study.scale, found, **how)
    points = [point for run in runs for point in curves(run.arm, run.seed, run.recipe)]
    if points or results.curves_path(study.name, study.scale, study.results or results.FOLDER).exists():
        results.store_curves(study.name, study.scale, points, **how)


def outdated(study: Study, names: set[str]) -> results.Stale:
    """Whether a row is of one of these arms and from another recipe than the arm's own with the row's seed."""
    recipes = {arm.name: arm.recipe for arm in study.arms if arm.name in names}

    @cache  # a table has many rows of a run, and a key hashes a whole recipe
    def now(arm: str, seed: int) -> str:
        return recipes[arm].with_seed(seed).key[:16]

    return lambda row: row["arm"] in recipes and row["key"] != now(row["arm"], row["seed"])


def places(study: Study) -> Callable[[dict], tuple]:
    """A key that sorts the rows of a table, or of training curves, as a plan has them: by seed, then arm, then exam (or
    stage and step), whoever finished first; arms and exams that the study no longer has come last, by name."""
    whole = study.whole or study
    arms = [arm.name for arm in whole.arms]
    exams = list(dict.fromkeys(exam.name for arm in whole.arms for exam in (*whole.exams, *whole.exams_of(arm))))

    def nth(known: list[str], name: str) -> tuple[int, str]:
        return (known.index(name), "") if name in known else (len(known), name)

    def place(row: dict) -> tuple:
        last = nth(exams, row["exam"]) if "exam" in row else (row["stage"], row["step"])
        return row["seed"], nth(arms, row["arm"]), last

    return place


def wasted(run: Run) -> list[str]:
    """A sentence for each of a finished run's own stages in which nearly all groups of responses had equal rewards."""
    found, recipe = [], run.recipe
    while len(recipe.stages) > run.shared:
        lines = [line for line in read_jsonl(recipe.folder / "log.jsonl") if "never_right" in line]
        without = mean(lines, "zero_variance") if lines else 0.0
        if without >= WASTED:
            shares = {name: mean(lines, name) for name in REASONS}
            why = ", ".join(f"{name.replace('_', ' ')} {each:.0%}" for name, each in shares.items() if each >= 0.005)
            found.append(
                f"seed {run.seed}, {run.arm}: in {without:.0%} of the groups of {type(recipe.stages[-1]).__name__} all "
                f"rewards were equal, which teaches nothing ({why})"
            )
        recipe = recipe.parent
    return found[::-1]


def rows(study: Study, run: Run, known: dict[Path, Cost] | None = None) -> list[dict]:
    """The table rows of a finished run, one an exam. known: see ``costs``."""
    spent = costs(run.recipe, known)
    own = spent[run.shared :]
    stages = run.recipe.stages[run.shared :]
    responses = sampled(run)
    ledger = {
        "tokens": sum(c.ledger.total_tokens for c in spent),
        "flops": float(sum(c.ledger.total_flops for c in spent)),
        "arm_flops": float(sum(c.ledger.total_flops for c in own)),
        "rollout_flops": float(sum(c.ledger.as_dict()["rollout_flops"] for c in own)),
        "seconds": float(sum(c.seconds for c in own)),
        "key": run.recipe.key[:16],
        "machine": each_once(cost.machine for cost in spent),
        "kernels": each_once(kernels(run.recipe)),
        "rollouts": sum(responses, 0.0),
        "paper_tokens": sum(map(paper_tokens, stages, own, responses), 0.0),
        "lr_sum": sum(lr_sums(run.recipe)[run.shared :], 0.0),
        "rows": float(sum(c.rows for c in own)),
        "distinct": float(sum(c.distinct for c in own)),
    }
    return [row(study, run, e, cached_result(run.recipe, e, None)) | ledger | compared(study, e) for e in run.exams]


def lr_sums(recipe: Recipe) -> list[float]:
    """What the learning rates of the hidden matrices add up to over each stage's updates; NaN where its log does not
    say."""
    found = []
    while recipe.stages:
        found.append(sum(line.get("lr_sum", math.nan) for line in read_jsonl(recipe.folder / "log.jsonl")))
        recipe = recipe.parent
    return found[::-1]


def kernels(recipe: Recipe) -> list[str]:
    """The kernels that each stage of a finished recipe was trained with, by the last line of its log; "" where it does
    not say."""
    found = []
    while recipe.stages:
        found.append(read_jsonl(recipe.folder / "log.jsonl")[-1].get("kernels", ""))
        recipe = recipe.parent
    return found[::-1]


def each_once(names: Iterable[str]) -> str:
    """Different names, those that are empty left out."""
    return " + ".join(dict.fromkeys(name for name in names if name))


def compared(study: Study, exam: Exam) -> dict:
    """The cell that only a study with gold problems fills."""
    return {"similarity": results.cell(similarities(exam, study.gold), 4)} if study.gold else {}


@cache  # the same for every arm and seed
def similarities(exam: Exam, gold: tuple[Exam, ...]) -> tuple[float, ...]:
    """For each problem of an exam, the similarity of its graph (synth.graph.similarity) to the nearest of the gold
    graphs with as many operations. Raises ValueError unless there is exactly one such set."""
    same = [each for each in gold if span(each.source) == span(exam.source)]
    if len(same) != 1:
        raise ValueError(
            f"Study.gold has {len(same)} sets of problems with as many operations as exam {exam.name!r}, it needs one"
        )
    return tuple(
        nearest(
            [problem.graph for problem in exam.draw_problems()], [problem.graph for problem in same[0].draw_problems()]
        )
    )


def sampled(run: Run) -> list[float]:
    """How many responses each of a finished run's own stages sampled; NaN where its log, of an older version, does not
    say."""
    found, recipe = [], run.recipe
    while len(recipe.stages) > run.shared:
        lines = read_jsonl(recipe.folder / "log.jsonl")
        found.append(float(sum(line.get("rollouts", math.nan if "reward" in line else 0.0) for line in lines)))
        recipe = recipe.parent
    return found[::-1]


def paper_tokens(stage: Stage, cost: Cost, responses: float) -> float:
    """What arXiv 2512.07783 charges for a stage: training tokens, or for RL their equivalent (appendix A.10.1).

    The paper charges a rollout 2,048 tokens, the longest prompt and the longest response it allows, 1,024 each,
    whatever was sampled; here that is twice ``max_new_tokens``. NaN for sampling stages that the formula does not
    cover.
    """
    if isinstance(stage, RL):
        prompts = responses / stage.num_samples
        return interplay_rl_tokens(
            prompts, stage.num_samples, 2 * stage.max_new_tokens, reference=stage.objective.kl > 0
        )
    return math.nan if responses else float(cost.ledger.as_dict()[f"{TRAIN}_tokens"])


def row(study: Study, run: Run, exam: Exam, result: ExamResult) -> dict:
    """One row without its costs; see ``results.COLUMNS``."""
    about = {"arm": run.arm, "seed": run.seed, "exam": exam.name, "kind": exam.kind}
    return about | described(exam) | distribution(exam) | dict.fromkeys(results.NUMBERS, math.nan) | exam.cells(result)


def described(exam: Exam) -> dict:
    """The cells of a row that say which exam it is of."""
    source = exam.source.parts[0][1] if isinstance(exam.source, Mixture) else exam.source
    known = isinstance(source, Source)  # of a task there is its name, and operations are not counted
    return {
        "exam_key": key(exam)[:16],
        "world": source.world if known else source.title,
        "mode": source.mode if known else "",
        "ops": "-".join(map(str, dict.fromkeys(span(exam.source)))) if known else "",
        "problems": exam.problems,
        "samples": exam.responses,
    }


def unmeasured(study: Study) -> results.Results:
    """A row for every arm and exam of a study that says which exam it is, and nothing of how the arm did: what claims
    may be about."""
    made = [
        {"arm": arm.name, "exam": exam.name, "kind": exam.kind} | described(exam)
        for arm in study.arms
        for exam in study.exams_of(arm)
    ]
    return results.Results(study.name, study.scale, tuple(made))


@cache  # the same for every arm and seed
def distribution(exam: Exam) -> dict:
    """The distribution of an exam's problems, as cells of a row."""
    return {"structures": exam.structures, "guess_floor": float(exam.guess_floor)}


@remembering()
def measured(study: Study) -> results.Results:
    """The study's table without arms that the study does not have; all rows must come from the recipes and the exams
    that it has now."""
    found = results.load(study.name, study.scale, study.results or results.FOLDER).known(a.name for a in study.arms)
    keys = {(a.name, seed): a.recipe.with_seed(seed).key for a in study.arms for seed in found.seeds}
    results.check_keys(found, keys)
    asked = {id(exam): exam for arm in study.arms for exam in study.exams_of(arm)}  # most are asked of every arm
    cells = {
        (at, seed): {"kind": exam.kind} | described(exam.with_seed(seed))
        for at, exam in asked.items()
        for seed in found.seeds
    }
    now = {
        (arm.name, seed, exam.name): cells[id(exam), seed]
        for arm in study.arms
        for seed in found.seeds
        for exam in study.exams_of(arm)
    }
    results.check_exams(found, now)
    return found


@remembering()
def missing(study: Study) -> list[Recipe]:
    """Every recipe a study still has to train, each once, in order."""
    needed = dict.fromkeys(recipe for run in plan(study) for recipe in dependencies(run.recipe))
    return [recipe for recipe in needed if not recipe.finished]
