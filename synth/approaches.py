"""Which approaches a solution follows, and whether it keeps what their lines promise (see ``synth.scripts``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from interlude.synth.moves import Move
from interlude.synth.parse import Line, Step, Trace, parse
from interlude.synth.problem import Problem
from interlude.synth.scripts import Words, Work, commas, script
from interlude.synth.solution_style import APPROACHES, MARKERS, PLAIN, SolutionStyle

__all__ = ["APPROACHES", "PLAIN", "breaches", "coincides", "script", "signature", "with_approach"]


def with_approach(problem: Problem, name: str, tagged: bool = True) -> Problem:
    """The same problem with a solution by the approach ``name``, for which its question asks by a tag if ``tagged``
    (PLAIN has no tag).

    Raises ValueError for an unknown approach, and for a problem whose steps may be skipped or reworded.
    """
    if problem.skips or problem.worded:
        raise ValueError(
            "with_approach needs a problem without skipped steps and chosen words: the lines of an approach count "
            "every step"
        )
    thoughts = "none" if problem.style is None else problem.style.thoughts
    return replace(problem, style=SolutionStyle(thoughts, approach=name, tagged=tagged and name != PLAIN))


def signature(problem: Problem, text: str) -> frozenset[str]:
    """The approaches that ``text`` shows as a response to ``problem``:
    those whose lines it has, with no promise broken.

    Wrong values do not matter, only the form. A text whose steps are the plain solution's shows none.
    Total: any text at all has a signature.
    """
    trace = parse(text, problem.grammar._replace(worded=False, approached=True))
    work = Work(problem)
    shown = {MARKERS[line.marker] for line in trace.lines}
    broken = {breach.approach for breach in breaches(problem, trace) if not breach.content}
    return frozenset(shown - broken | ({"commuted"} if commutes(work, trace.steps) else set()))


def coincides(problem: Problem, name: str) -> bool:
    """Whether the solution by this approach is the plain one: a problem without steps has nothing to approach, and one
    without sums and products nothing to commute."""
    return all(isinstance(each, Move) for each in script(problem, name)) and (
        name != "commuted" or not any(Work(problem).turnable(move.statement) for move in problem.moves)
    )


class Breach(NamedTuple):
    """Something wrong with the lines of an approach: a word or number in one (``content``), or a promise not kept.
    ``step`` is the number of the step that breaks it, if one does; ``where`` is a character."""

    approach: str
    content: bool
    step: int | None
    where: int
    detail: str


class Event(NamedTuple):
    """A line, or a step on the statement ``at`` (None: on none that is needed and new)."""

    line: Line | None
    number: int | None
    at: int | None
    where: int


def breaches(problem: Problem, trace: Trace) -> list[Breach]:
    """What is wrong with a text's lines, approach by approach; nothing if it has none."""
    if not trace.lines:
        return []
    work, found = Work(problem), []
    shown = {MARKERS[line.marker] for line in trace.lines}
    for name in APPROACHES:
        if name in shown:
            JUDGES[name](Book(work, trace, name, found))
    return found


class Book:
    """What one judge reads, and where it writes: the text's steps and its lines of one approach, in order."""

    def __init__(self, work: Work, trace: Trace, name: str, found: list[Breach]) -> None:
        self.work, self.trace, self.name, self.found = work, trace, name, found
        events = [Event(line, None, None, line.where) for line in trace.lines if MARKERS[line.marker] == name]
        seen: set[int] = set()
        for number, step in enumerate(trace.steps):
            at = work.index.get(step.statement)
            at = at if at in work.terms and at not in seen else None
            seen.add(at)
            events.append(Event(None, number, at, step.span[0]))
        self.events = sorted(events, key=lambda event: event.where)
        self.end = trace.steps[-1].span[1] if trace.steps else 0

    def broken(self, event: Event | None, detail: str, content: bool = False) -> None:
        """Records a promise not kept, at an event or, without one, at the whole solution."""
        number, where = (None, self.end) if event is None else (event.number, event.where)
        self.found.append(Breach(self.name, content, number, where, detail))

    def compare(self, event: Event, due: Words) -> None:
        """A line says ``due``; with other nouns it is not the line it should be, with other numbers it is wrong."""
        words = event.line.words
        if words != due:
            nouns = [w for w in words if w.isalpha()] == [w for w in due if w.isalpha()]
            self.broken(event, f"The line should say {event.line.marker} {' '.join(due)}.", content=nouns)

    def statement(self, event: Event, due: Callable[[int], Words]) -> int | None:
        """The statement that finds the quantity which a line names first; the line should say what is ``due`` of it. A
        breach if there is none, or the line says otherwise."""
        noun = event.line.words[0] if event.line.words else ""
        at = self.work.finder.get(self.work.index.get(noun, -1))
        if at is None:
            self.broken(event, f"There is no {noun or 'quantity'} to be found.")
        else:
            self.compare(event, due(at))
        return at


def judge_levels(book: Book) -> None:
    """Every line opens the next level once the one before it is complete; steps belong to the level that is open."""
    work, level, done = book.work, 0, set()
    for event in book.events:
        if event.line:
            book.compare(event, ())
            if any(at not in done for at, depth in work.depth.items() if depth <= level) or level == work.deepest:
                book.broken(event, "A new level begins before the last one is complete, or after the deepest.")
            level += 1
        elif event.at is not None:
            done.add(event.at)
            if work.depth[event.at] != level:
                book.broken(event, f"The step is of level {work.depth[event.at]}, not {level}.")
    if level < work.deepest:
        book.broken(None, "A level was never begun.")


def judge_depth(book: Book) -> None:
    """Every line opens a goal that the innermost open goal needs; a step closes the innermost."""
    work, goals, done = book.work, [], set()
    for event in book.events:
        if event.line:
            at = book.statement(event, work.noun)
            if at is None:
                continue
            if at in done or at in goals or at not in (work.before[goals[-1]] if goals else (work.last,)):
                book.broken(event, f"The innermost goal does not need {work.result_name(at)} to be found now.")
            goals.append(at)
        elif event.at is not None:
            done.add(event.at)
            if goals and goals[-1] == event.at:
                goals.pop()
            else:
                book.broken(event, f"The goal is not {work.result_name(event.at)}.")
    if goals:
        book.broken(None, f"The goal {work.result_name(goals[-1])} was never reached.")


def judge_backward(book: Book) -> None:
    """Lines come before all steps, each quantity once and after a line that needs it."""
    work, listed, due, stepped = book.work, [], [book.work.last], False
    for event in book.events:
        if event.line:
            at = book.statement(event, work.need)
            if at is None:
                continue
            if stepped or at in listed or at not in due:
                book.broken(event, f"It is too late or too early to need {work.result_name(at)}.")
            listed.append(at)
            due += work.before[at]
        else:
            stepped = True
    promised(book, listed[::-1])


def promised(book: Book, order: list[int]) -> None:
    """The needed steps come in this order, and are all in it."""
    steps = [event for event in book.events if event.at is not None]
    for event, at in zip(steps, order, strict=False):
        if event.at != at:
            book.broken(event, f"Another step than {book.work.result_name(event.at)} was promised here.")
    if sorted(order) != sorted(book.work.terms):
        book.broken(None, "What was promised is not just what is needed.")


def judge_subgoals(book: Book) -> None:
    """Lines name the operand of the last step that the next steps work towards; ``merge`` comes before that step."""
    work, done, merged = book.work, set(), False
    part: int | None = None
    for event in book.events:
        if event.line:
            at = book.statement(event, work.noun)
            if at is None:
                continue
            if event.line.marker == "merge":
                if merged or at != work.last or not done.issuperset(work.before[work.last]):
                    book.broken(event, "It is not time to merge the parts.")
                merged = True
            elif merged or at in done or at not in work.before[work.last] or part not in {None, *done}:
                book.broken(event, f"The part {work.result_name(at)} cannot begin here.")
            part = at
        elif event.at is not None:
            if part is None or part in done or event.at not in work.cone(part) or (event.at == work.last) != merged:
                book.broken(event, f"The step about {work.result_name(event.at)} is of no part that has begun.")
            done.add(event.at)
    if not merged:
        book.broken(None, "The parts are never merged.")


def judge_formulas(book: Book) -> None:
    """Lines come before all steps and give a formula for each quantity once."""
    work, listed, stepped = book.work, [], False
    due = partial(work.formula, values=book.name == "simplify")
    for event in book.events:
        if event.line:
            at = book.statement(event, due)
            if at is None:
                continue
            if stepped or at in listed:
                book.broken(event, f"A formula for {work.result_name(at)} comes too late or again.")
            listed.append(at)
        else:
            stepped = True
    if len(set(listed)) < len(work.terms):
        book.broken(None, "A formula is missing.")


def judge_plan(book: Book) -> None:
    """One line before all steps lists their order, and the steps follow it."""
    head(book, None)
    lines = [event for event in book.events if event.line]
    order = [book.work.finder.get(book.work.index.get(word, -1), -1) for word in lines[0].line.words[::2]]
    if lines[0].line.words != commas(lines[0].line.words[::2]):
        book.broken(lines[0], "A plan is a list of what is to be found.")
    promised(book, order)


def head(book: Book, due: Words | None) -> None:
    """One line, before any step; it says ``due``."""
    for nth, event in enumerate(book.events):
        if event.line and nth:
            book.broken(event, "This line belongs before the steps, and once.")
        elif event.line and due is not None:
            book.compare(event, due)


def judge_table(book: Book) -> None:
    """One line comes before all steps, and statements that the answer does not need have steps too."""
    head(book, ())
    used = {step.statement for step in book.trace.steps}
    for noun in book.work.unneeded:
        if noun not in used:
            book.broken(None, f"The table lacks {noun}.")


def judge_check(book: Book) -> None:
    """Each line checks a step that came before it, and every step is checked once."""
    work, done, listed = book.work, set(), set()
    for event in book.events:
        if event.line:
            noun = event.line.words[0] if event.line.words else ""
            at = work.index.get(noun, -1)
            if at not in done or at in listed:
                book.broken(event, f"There is no step about {noun or 'nothing'} to check, or it was checked before.")
                continue
            book.compare(event, work.undone(at))
            listed.add(at)
        elif event.at is not None:
            done.add(event.at)
    if len(listed) < len(work.terms):
        book.broken(None, "A step is not checked.")


def judge_grouped(book: Book) -> None:
    """A line names an operation; steps with it follow until no more of them can be done."""
    work, sign, done = book.work, None, set()

    def open_now() -> bool:
        return any(work.sign[at] == sign and at not in done and done.issuperset(work.before[at]) for at in work.terms)

    for event in book.events:
        if event.line:
            if len(event.line.words) != 1 or event.line.words[0] == sign or open_now():
                book.broken(event, "A group begins that is none, or before the last one is complete.")
            sign = event.line.words[0] if event.line.words else None
            if not open_now():
                book.broken(event, "A group is empty.")
        elif event.at is not None:
            if work.sign[event.at] != sign:
                book.broken(event, f"The step about {work.result_name(event.at)} is not of this group.")
            done.add(event.at)


def judge_turns(
    book: Book, first: bool, value: Callable[[list[int]], Words], missing: str, again: str, end: str
) -> None:
    """Lines and steps take turns, beginning with a line if ``first``; each line says ``value`` of the steps so far."""
    done, due = [], first
    for event in book.events:
        if event.line:
            if not due:
                book.broken(event, again)
            book.compare(event, value(done))
            due = False
        elif event.at is not None:
            if due:
                book.broken(event, missing)
            done.append(event.at)
            due = True
    if due is not first:
        book.broken(None, end)


def judge_running(book: Book) -> None:
    """After every step a line holds the values that are still needed."""
    missing = "What the step before found is not held."
    judge_turns(
        book, False, book.work.held, missing, "There is nothing new to hold.", "What the last step found is not held."
    )


def judge_countdown(book: Book) -> None:
    """Before every step a line lists the quantities that are still to be found."""
    judge_turns(
        book, True, book.work.left, "What is left was not said.", "What is left was said before.", "Nothing was left."
    )


JUDGES: dict[str, Callable[[Book], None]] = {
    "levels": judge_levels, "depth": judge_depth, "backward": judge_backward, "subgoals": judge_subgoals,
    "symbolic": judge_formulas, "simplify": judge_formulas, "plan": judge_plan,
    "restate": lambda book: head(book, book.work.restated()), "relevant": lambda book: head(book, book.work.relevant()),
    "table": judge_table, "check": judge_check, "grouped": judge_grouped, "running": judge_running,
    "countdown": judge_countdown,
}  # fmt: skip


def commutes(work: Work, steps: tuple[Step, ...]) -> bool:
    """Whether all sums and products restated can be turned round and are, and there is one."""
    turnable = []
    for step in steps:
        at = work.index.get(step.statement, -1)
        if at in work.terms and work.turnable(at):
            words = tuple([work.words[a] for a in work.nodes[at].args])
            turnable.append(step.operands == words[::-1])
    return bool(turnable) and all(turnable)
