"""An approach is a way of working a problem out: lines between the steps, and a promise about the steps that they make.

Under any approach a solution takes every needed step in full. What an approach adds,
in the terse dialect (prose says the same with a capital and a full stop), and what its lines promise, which is judged:

levels     ``level ;`` before the steps that need only what is given, before those that need these, and so on
depth      ``find goats ;`` opens a goal: the one asked for, then what the innermost open goal needs; a step closes it
backward   ``need goats from seals , mice ;`` from the goal down, each quantity once;
           then the steps in the opposite order
subgoals   ``part seals ;`` before the steps towards one operand of the last step, ``merge goats ;`` before that step
symbolic   ``let seals = bears - bats ;`` for every step, solved for what it finds, before the first step
simplify   ``put seals = bears - 3 ;`` the same with every given value put in
plan       ``order bears , seals , goats ;`` and then the steps in just this order
restate    ``given cows 4 , mice 1 , bats 3 , asked goats ;``
           all that the question gives, in its order, before the steps
relevant   ``keep cows , mice , bats , bears , seals , goats ;`` all that the answer needs, in the question's order
table      ``tabulate ;`` and then a step for every statement, needed or not
check      ``undo bears , 5 - 1 = 4 ;`` after a step, for every step: its statement solved for another quantity
grouped    ``group + ;`` before steps of one operation, as many as are ready, until another operation's turn comes
running    ``hold bears 5 ;`` after every step: what was found and will be used or is asked for, with its value
commuted   sums and products with operands, recalled values and numbers in the opposite order; it has no lines
countdown  ``left bears , seals , goats ;`` before every step: what is still to be found, in the plain solution's order

Lines of several approaches may stand in one solution, which then is right if all their promises are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from interlude.synth.ops import compute
from interlude.synth.parse import Line, Step, Trace, parse
from interlude.synth.render import EQUALS, Move, equation, reductions
from interlude.synth.telling import APPROACHES, MARKERS, PLAIN, Telling

if TYPE_CHECKING:
    from interlude.synth.problem import Problem

__all__ = ["APPROACHES", "PLAIN", "asking", "coincides", "script", "signature"]

Words = tuple[str, ...]


def asking(problem: Problem, name: str, tagged: bool = True) -> Problem:
    """The same question, solved by the approach called ``name``, whose tag it shows (if ``tagged``; PLAIN has none).

    Raises ValueError for an unknown approach, and for a problem whose steps may be skipped or reworded.
    """
    if problem.skips or problem.worded:
        raise ValueError("asking needs a problem without skipped steps and chosen words: an approach says its own")
    thoughts = "none" if problem.telling is None else problem.telling.thoughts
    return replace(problem, telling=Telling(thoughts, approach=name, tagged=tagged and name != PLAIN))


def signature(problem: Problem, text: str) -> frozenset[str]:
    """The approaches that ``text`` shows as a response to ``problem``:
    those whose lines it has, with no promise broken.

    Wrong values do not matter, only the form. A text whose steps are the plain solution's shows none.
    Total: any text at all has a signature.
    """
    trace = parse(text, problem.dialect, problem.copies, problem.thinks, approached=True)
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


class Work:
    """What there is to do in a problem: for each needed statement, the quantity it finds and what it finds it from."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.words, self.nodes = problem.words, problem.nodes
        self.moves = problem.moves
        self.target = problem.graph.target
        self.index = {word: i for i, word in enumerate(self.words) if problem.names[i] >= 0}
        self.finder = {solves: statement for statement, solves in self.moves}
        self.solves = dict(self.moves)
        self.sign: dict[int, str] = {}
        self.terms: dict[int, tuple[int, ...]] = {}
        self.before: dict[int, tuple[int, ...]] = {}  # statement -> statements that find what it needs
        self.depth: dict[int, int] = {}
        for move in self.moves:
            at = move.statement
            self.sign[at], self.terms[at] = equation(problem, move)
            self.before[at] = tuple([self.finder[i] for i in self.terms[at] if i in self.finder])
            self.depth[at] = 1 + max([self.depth[b] for b in self.before[at]], default=0)
        needed = len(problem.graph.nodes)
        self.unneeded = [self.words[i] for i in range(needed, len(self.nodes)) if self.nodes[i].args]
        self.last = self.finder.get(self.target)
        self.deepest = max(self.depth.values(), default=0)

    def found(self, at: int) -> str:
        """The noun of what a statement finds."""
        return self.words[self.solves[at]]

    def named(self, at: int) -> Words:
        """The nouns that a statement finds its quantity from."""
        return tuple([self.words[i] for i in self.terms[at] if self.problem.names[i] >= 0])

    def cone(self, at: int) -> set[int]:
        """A statement and all that come before it."""
        reached, due = {at}, [at]
        while due:
            for each in self.before[due.pop()]:
                if each not in reached:
                    reached.add(each)
                    due.append(each)
        return reached

    def turnable(self, at: int) -> bool:
        """Whether a statement reads otherwise with its operands in the opposite order."""
        op, args, _ = self.nodes[at]
        words = [self.words[a] for a in args]
        return op in "+*" and words != words[::-1]

    # The lines, as words after the marker.

    def noun(self, at: int) -> Words:
        return (self.found(at),)

    def need(self, at: int) -> Words:
        named = self.named(at)
        return (self.found(at), *(("from", *commas(named)) if named else ()))

    def formula(self, at: int, values: bool) -> Words:
        """``goats = seals * mice`` (direct: ``goats seals * mice``), solved for what the statement finds; with
        ``values``, given ones are put in."""
        words = [str(self.nodes[i].value) if values and i not in self.finder else self.words[i] for i in self.terms[at]]
        signed = [words[0]]
        for word in words[1:]:
            signed += (self.sign[at], word)
        return (self.found(at), *EQUALS.get(self.problem.dialect, ("=",)), *signed)

    def restated(self) -> Words:
        given = [self.problem.graph.root if i < 0 else i for i in self.problem.order if i < 0 or not self.nodes[i].args]
        said: list[str] = []
        for i in given:
            said += (self.words[i], str(self.nodes[i].value), ",")
        return (*said, "asked", self.words[self.target])

    def relevant(self) -> Words:
        root, needed = self.problem.graph.root, len(self.problem.graph.nodes)
        stated = [root if i < 0 else i for i in self.problem.order if i < needed]
        return commas(tuple(dict.fromkeys([self.words[i] for i in stated])))

    def undone(self, at: int) -> Words:
        """``bears , 5 - 1 = 4``: a statement found forwards is solved for the first operand that its inverse can find,
        or, where none can (a product that is nought), turned round; one found backwards is computed forwards."""
        op, args, _ = self.nodes[at]
        problem, modulus = self.problem, self.problem.graph.modulus
        sign, terms = op, args
        if self.solves[at] == at:
            terms = args[::-1]
            for arg in dict.fromkeys(args):
                inverse, others = equation(problem, Move(at, arg))
                if self.exists(inverse, others):
                    sign, terms = inverse, others
                    break
        rows = reductions(sign, [self.nodes[i].value for i in terms], modulus)
        said: list[str] = []
        for row in rows:
            said += ("=", str(row[0]))
            for value in row[1:]:
                said += (sign, str(value))
        return (self.words[at], ",", *said[1:])

    def exists(self, sign: str, terms: tuple[int, ...]) -> bool:
        total: int | None = self.nodes[terms[0]].value
        for i in terms[1:]:
            if total is not None:
                total = compute(sign, total, self.nodes[i].value, self.problem.graph.modulus)
        return total is not None

    def held(self, done: list[int]) -> Words:
        """What the statements ``done`` found and another still uses, or the question asks for."""
        wanted = {self.target}
        for at in self.terms:
            if at not in done:
                wanted.update(self.terms[at])
        said: list[str] = []
        for at in done:
            if self.solves[at] in wanted:
                said += (",", self.found(at), str(self.nodes[self.solves[at]].value))
        return tuple(said[1:])

    def left(self, done: list[int]) -> Words:
        return commas(tuple([self.found(at) for at, _ in self.moves if at not in done]))


def commas(words: Words) -> Words:
    said: list[str] = []
    for word in words:
        said += (",", word)
    return tuple(said[1:])


# --- writing ---------------------------------------------------------------------------------------------------------


def script(problem: Problem, name: str) -> tuple[Move | Words, ...]:
    """The solution by an approach: its steps, and its lines as words with the marker first."""
    work = Work(problem)
    if not work.moves and name not in ("restate", "relevant", "table"):
        return ()
    return tuple(WRITERS.get(name, lambda work: work.moves)(work))


def by_levels(work: Work) -> Iterator[Move | Words]:
    for level in range(1, work.deepest + 1):
        yield ("level",)
        yield from [move for move in work.moves if work.depth[move.statement] == level]


def by_depth(work: Work) -> Iterator[Move | Words]:
    done: set[int] = set()
    due: list[tuple[int, bool]] = [(work.last, False)]
    while due:
        at, opened = due.pop()
        if opened:
            done.add(at)
            yield Move(at, work.solves[at])
        elif at not in done:
            yield ("find", work.found(at))
            due.append((at, True))
            due += [(each, False) for each in work.before[at][::-1]]


def backward(work: Work) -> Iterator[Move | Words]:
    uses = {at: sum(at in before for before in work.before.values()) for at in work.terms}
    order = [work.last]
    for at in order:  # grows while it is read: a statement follows all that use what it finds
        for each in work.before[at]:
            uses[each] -= 1
            if not uses[each]:
                order.append(each)
    yield from [("need", *work.need(at)) for at in order]
    yield from [Move(at, work.solves[at]) for at in order[::-1]]


def by_subgoals(work: Work) -> Iterator[Move | Words]:
    done: set[int] = set()
    for part in work.before[work.last]:
        if part not in done:
            yield ("part", work.found(part))
            cone = work.cone(part) - done
            yield from [move for move in work.moves if move.statement in cone]
            done |= cone
    yield ("merge", work.words[work.target])
    yield Move(work.last, work.target)


def symbolically(work: Work) -> Iterator[Move | Words]:
    yield from [("let", *work.formula(at, values=False)) for at, _ in work.moves]
    yield from work.moves


def simplified(work: Work) -> Iterator[Move | Words]:
    yield from [("put", *work.formula(at, values=True)) for at, _ in work.moves]
    yield from work.moves


def planned(work: Work) -> Iterator[Move | Words]:
    yield ("order", *work.left([]))
    yield from work.moves


def restated(work: Work) -> Iterator[Move | Words]:
    yield ("given", *work.restated())
    yield from work.moves


def relevant(work: Work) -> Iterator[Move | Words]:
    yield ("keep", *work.relevant())
    yield from work.moves


def tabulated(work: Work) -> Iterator[Move | Words]:
    """Every statement as early as the question's order and its operands allow."""
    yield ("tabulate",)
    nodes, order = work.nodes, work.problem.order
    moves = dict(work.moves)
    moves |= {i: i for i in range(len(work.problem.graph.nodes), len(nodes)) if nodes[i].args}
    unknown = set(moves.values())
    waiting = [i for i in order if i in moves]
    while waiting:
        at = next(i for i in waiting if unknown & {*nodes[i].args, i} == {moves[i]})
        waiting.remove(at)
        unknown.remove(moves[at])
        yield Move(at, moves[at])


def checked(work: Work) -> Iterator[Move | Words]:
    yield from work.moves
    yield from [("undo", *work.undone(at)) for at, _ in work.moves]


def grouped(work: Work) -> Iterator[Move | Words]:
    waiting = [at for at, _ in work.moves]
    done: set[int] = set()
    while waiting:
        ready = [at for at in waiting if done.issuperset(work.before[at])]
        signs = [work.sign[at] for at in ready]
        sign = max(signs, key=lambda each: (signs.count(each), -signs.index(each)))
        yield ("group", sign)
        while ready := [at for at in waiting if work.sign[at] == sign and done.issuperset(work.before[at])]:
            waiting.remove(ready[0])
            done.add(ready[0])
            yield Move(ready[0], work.solves[ready[0]])


def running(work: Work) -> Iterator[Move | Words]:
    done: list[int] = []
    for move in work.moves:
        yield move
        done.append(move.statement)
        yield ("hold", *work.held(done))


def counted_down(work: Work) -> Iterator[Move | Words]:
    done: list[int] = []
    for move in work.moves:
        yield ("left", *work.left(done))
        yield move
        done.append(move.statement)


WRITERS: dict[str, Callable[[Work], Iterator[Move | Words]]] = {
    "levels": by_levels, "depth": by_depth, "backward": backward, "subgoals": by_subgoals, "symbolic": symbolically,
    "simplify": simplified, "plan": planned, "restate": restated, "relevant": relevant, "table": tabulated,
    "check": checked, "grouped": grouped, "running": running, "countdown": counted_down,
}  # fmt: skip


# --- judging ---------------------------------------------------------------------------------------------------------


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
    work, goals, done = book.work, [], set()
    for event in book.events:
        if event.line:
            at = book.statement(event, work.noun)
            if at is None:
                continue
            if at in done or at in goals or at not in (work.before[goals[-1]] if goals else (work.last,)):
                book.broken(event, f"The innermost goal does not need {work.found(at)} to be found now.")
            goals.append(at)
        elif event.at is not None:
            done.add(event.at)
            if goals and goals[-1] == event.at:
                goals.pop()
            else:
                book.broken(event, f"The goal is not {work.found(event.at)}.")
    if goals:
        book.broken(None, f"The goal {work.found(goals[-1])} was never reached.")


def judge_backward(book: Book) -> None:
    work, listed, due, stepped = book.work, [], [book.work.last], False
    for event in book.events:
        if event.line:
            at = book.statement(event, work.need)
            if at is None:
                continue
            if stepped or at in listed or at not in due:
                book.broken(event, f"It is too late or too early to need {work.found(at)}.")
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
            book.broken(event, f"Another step than {book.work.found(event.at)} was promised here.")
    if sorted(order) != sorted(book.work.terms):
        book.broken(None, "What was promised is not just what is needed.")


def judge_subgoals(book: Book) -> None:
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
                book.broken(event, f"The part {work.found(at)} cannot begin here.")
            part = at
        elif event.at is not None:
            if part is None or part in done or event.at not in work.cone(part) or (event.at == work.last) != merged:
                book.broken(event, f"The step about {work.found(event.at)} is of no part that has begun.")
            done.add(event.at)
    if not merged:
        book.broken(None, "The parts are never merged.")


def judge_formulas(book: Book) -> None:
    work, listed, stepped = book.work, [], False
    due = partial(work.formula, values=book.name == "simplify")
    for event in book.events:
        if event.line:
            at = book.statement(event, due)
            if at is None:
                continue
            if stepped or at in listed:
                book.broken(event, f"A formula for {work.found(at)} comes too late or again.")
            listed.append(at)
        else:
            stepped = True
    if len(set(listed)) < len(work.terms):
        book.broken(None, "A formula is missing.")


def judge_plan(book: Book) -> None:
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
    head(book, ())
    used = {step.statement for step in book.trace.steps}
    for noun in book.work.unneeded:
        if noun not in used:
            book.broken(None, f"The table lacks {noun}.")


def judge_check(book: Book) -> None:
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
                book.broken(event, f"The step about {work.found(event.at)} is not of this group.")
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
    missing = "What the step before found is not held."
    judge_turns(
        book, False, book.work.held, missing, "There is nothing new to hold.", "What the last step found is not held."
    )


def judge_countdown(book: Book) -> None:
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
