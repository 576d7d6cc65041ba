"""One seed of a study on compiled kernels beside torch's: the CPU time of its stages, of its exams, and of all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from interlude.models.bench.machine import describe
from interlude.models.bench.report import Race, Report, lines
from interlude.models.bench.run import say
from interlude.models.bench.timing import Side, Turn, race
from interlude.models.bench.workload import Setup, kernels, no_native
from interlude.models.key import canonical, remembering
from interlude.models.lm import LM
from interlude.models.optim import make
from interlude.models.recipe import Recipe, dependencies, references
from interlude.models.stage import StageModels
from interlude.models.train import State, frozen, one_step
from interlude.studies.exam import Exam
from interlude.studies.price import priced, samples
from interlude.studies.refusal import Refused
from interlude.studies.run import load, stage_seed
from interlude.studies.study import Run, Study, plan

CHOICES = ("native", "torch")
EXAMINED = 10  # one problem in so many of each exam is asked
WHOLE = "one seed in all"


@dataclass(frozen=True)
class Part:
    """What a seed does once or more: a stage or a kind of exam.

    amount: MFLOPs of all stages of this kind, or problems of all exams. side: from kernels, what does some of it in a
    turn and returns how much it was.
    """

    name: str
    unit: str
    amount: float
    side: Callable[[str], Side]


@remembering()
def compare(study: Study, setup: Setup, note: Callable[[str], None] = say) -> Report:
    """Measure some steps of each kind of stage, and a part of each kind of exam, in alternating turns, and add them up
    by the FLOPs of the plan. Stages begin from the weights that the seed's own runs left. At Ctrl-C the report is of
    what was measured by then, without the sum. Raises Refused where these weights are not there, or where only torch's
    kernels run."""
    if reason := no_native(study.base.model.build(0), setup):
        raise Refused(f"there is nothing to compare: {reason}")
    machine, races, whole = describe(setup), [], {name: [] for name in CHOICES}
    try:
        for part in parts(study, setup):
            sides = {choice: part.side(choice) for choice in CHOICES}
            turns = race(sides, setup.clock, 0.0, setup.size.rounds, setup.threads)
            races.append(Race("study", part.name, part.unit, turns, setup.clock.load(), peers=("torch",)))
            for choice in CHOICES:
                whole[choice].append([scaled(turn, part.amount) for turn in turns[choice]])
            for line in lines(races[-1], setup.busy):
                note(line.sentence())
    except KeyboardInterrupt:
        return Report(machine, tuple(races), setup.busy, stopped=True)
    summed = {choice: tuple(map(added, zip(*whole[choice], strict=True))) for choice in CHOICES}
    races.append(Race("study", f"{study.name}, {WHOLE}", "seeds/day", summed, setup.clock.load(), peers=("torch",)))
    for line in lines(races[-1], setup.busy):
        note(line.sentence())
    return Report(machine, tuple(races), setup.busy)


def scaled(turn: Turn, amount: float) -> Turn:
    """A turn as if it had done ``amount``."""
    times = amount / turn.amount
    return Turn(amount, times * turn.cpu, times * turn.wall, None if turn.others is None else times * turn.others)


def added(turns: tuple[Turn, ...]) -> Turn:
    """All parts of one seed, as one turn."""
    others = None if any(turn.others is None for turn in turns) else sum(turn.others for turn in turns)
    return Turn(86400.0, sum(turn.cpu for turn in turns), sum(turn.wall for turn in turns), others)


def parts(study: Study, setup: Setup) -> Iterator[Part]:
    """Stages that differ in their budget only are one kind."""
    runs, kinds = begun(study), {}
    for recipe in dict.fromkeys(each for run in runs for each in dependencies(run.recipe)):
        stage = replace(recipe.stages[-1], steps=1, flops=None)
        kinds.setdefault(canonical(replace(recipe, stages=(stage,))), []).append(recipe)
    for recipes in kinds.values():
        recipe = next((each for each in recipes if each.parent.finished), None)
        if recipe is None:
            raise Refused(
                f"{recipes[0].parent.folder}, where {study.name} has a stage begin, is not trained: run it first"
            )
        flops = sum(priced(each).ledger.total_flops for each in recipes)
        name = f"{type(recipe.stages[-1]).__name__}, {flops / 1e12:.2f} TFLOPs"
        yield Part(name, "MFLOP/s", flops / 1e6, partial(steps_of, recipe, setup=setup))
    exams: dict[Exam, int] = {}
    for run in runs:
        for exam in run.exams:
            exams[exam] = exams.get(exam, 0) + exam.problems
    lm = load(study.base.with_seed(runs[0].seed))
    for kind in dict.fromkeys(type(exam) for exam in exams):
        asked = [exam for exam in exams if type(exam) is kind]
        amount = sum(exams[exam] for exam in asked)
        yield Part(f"{kind.__name__}, {amount} problems", "problems/s", amount, partial(taken, asked, lm))


def begun(study: Study) -> list[Run]:
    """The runs of the first seed whose base is trained."""
    for seed in study.seeds:
        if study.base.with_seed(seed).finished:
            return plan(study.with_seeds((seed,)))
    raise Refused(f"no seed of {study.name} has a trained base under $INTERLUDE_RUNS: run one first")


def steps_of(recipe: Recipe, choice: str, setup: Setup) -> Side:
    """Takes the training loop's own steps of a recipe's last stage: one a turn if it samples, else a few."""
    stage, lm = recipe.stages[-1], load(recipe.parent)
    others = {name: load(held).requires_grad_(False) for name, held in references(stage).items()}
    models = StageModels(lm, frozen(lm) if stage.needs_initial_model else None, others)
    optimiser, state = make(stage.optim, lm, choice), State(kernels=choice)

    def steps() -> float:
        before = state.ledger.total_flops
        with kernels(choice):
            for _ in range(1 if samples(stage) else setup.size.steps):
                one_step(models, stage, stage_seed(recipe), state, optimiser, setup.machine, recipe.precision, None)
                state.step += 1
        return (state.ledger.total_flops - before) / 1e6

    return steps


def taken(exams: list[Exam], lm: LM, choice: str) -> Side:
    """Takes a part of these exams."""
    lm = copy.deepcopy(lm)
    some = [replace(exam, problems=max(1, exam.problems // EXAMINED)) for exam in exams]

    def problems() -> float:
        with kernels(choice):
            for exam in some:
                exam.evaluate(lm)
        return sum(exam.problems for exam in some)

    return problems
