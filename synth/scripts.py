"""Approaches: solution strategies that add lines between the steps, each of which makes a promise about the steps.

With any approach, a solution takes every needed step in full. What an approach adds and what its lines promise stands
at the function that writes it, in the terse dialect: prose writes the same with a capital and a full stop, the direct
dialect drops the "=" after a noun. "commuted" adds no lines: sums and products have their operands, recalled values and
numbers in the opposite order.

Lines of several approaches may occur in one solution, which is right if all their promises are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from interlude.synth.blueprint import Blueprint
from interlude.synth.moves import Move, equation, reductions
from interlude.synth.ops import compute
from interlude.synth.solution_style import EQUALS

Words = tuple[str, ...]


class Work:
    """The steps of a problem: for each needed statement, the quantity it finds and the quantities it finds it from."""

    def __init__(self, problem: Blueprint) -> None:
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
            self.sign[at], self.terms[at] = equation(problem.nodes, move)
            self.before[at] = tuple([self.finder[i] for i in self.terms[at] if i in self.finder])
            self.depth[at] = 1 + max([self.depth[b] for b in self.before[at]], default=0)
        needed = len(problem.graph.nodes)
        self.unneeded = [self.words[i] for i in range(needed, len(self.nodes)) if self.nodes[i].args]
        self.last = self.finder.get(self.target)
        self.deepest = max(self.depth.values(), default=0)

    def result_name(self, at: int) -> str:
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
        """The name of the quantity that a statement finds."""
        return (self.result_name(at),)

    def need(self, at: int) -> Words:
        """A quantity and, if it has to be computed, those that it is found from."""
        named = self.named(at)
        return (self.result_name(at), *(("from", *commas(named)) if named else ()))

    def formula(self, at: int, values: bool) -> Words:
        """``goats = seals * mice`` (direct: ``goats seals * mice``), solved for what the statement finds; with
        ``values``, given ones are put in."""
        words = [str(self.nodes[i].value) if values and i not in self.finder else self.words[i] for i in self.terms[at]]
        signed = [words[0]]
        for word in words[1:]:
            signed += (self.sign[at], word)
        return (self.result_name(at), *EQUALS.get(self.problem.dialect, ("=",)), *signed)

    def restated(self) -> Words:
        """The values that the question gives, in its order, and the quantity that it asks for."""
        given = [self.problem.graph.root if i < 0 else i for i in self.problem.order if i < 0 or not self.nodes[i].args]
        said: list[str] = []
        for i in given:
            said += (self.words[i], str(self.nodes[i].value), ",")
        return (*said, "asked", self.words[self.target])

    def relevant(self) -> Words:
        """The quantities that the answer needs, in the question's order."""
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
                inverse, others = equation(problem.nodes, Move(at, arg))
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
        """Whether the operation has a result for the values of these quantities: a division may have none."""
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
                said += (",", self.result_name(at), str(self.nodes[self.solves[at]].value))
        return tuple(said[1:])

    def left(self, done: list[int]) -> Words:
        """The quantities that are still to be found, in the plain solution's order."""
        return commas(tuple([self.result_name(at) for at, _ in self.moves if at not in done]))


def commas(words: Words) -> Words:
    """The words with a comma between them."""
    said: list[str] = []
    for word in words:
        said += (",", word)
    return tuple(said[1:])


# --- writing ---------------------------------------------------------------------------------------------------------


def script(problem: Blueprint, name: str) -> tuple[Move | Words, ...]:
    """The solution by an approach: its steps, and its lines as words with the marker first."""
    work = Work(problem)
    if not work.moves and name not in ("restate", "relevant", "table"):
        return ()
    return tuple(WRITERS.get(name, lambda work: work.moves)(work))


def by_levels(work: Work) -> Iterator[Move | Words]:
    """levels: ``level ;`` before the steps that need only what is given, before those that need these, and so on."""
    for level in range(1, work.deepest + 1):
        yield ("level",)
        yield from [move for move in work.moves if work.depth[move.statement] == level]


def by_depth(work: Work) -> Iterator[Move | Words]:
    """depth: ``find goats ;`` opens a goal: the one asked for, then what the innermost open goal needs; a step closes
    it."""
    done: set[int] = set()
    due: list[tuple[int, bool]] = [(work.last, False)]
    while due:
        at, opened = due.pop()
        if opened:
            done.add(at)
            yield Move(at, work.solves[at])
        elif at not in done:
            yield ("find", work.result_name(at))
            due.append((at, True))
            due += [(each, False) for each in work.before[at][::-1]]


def backward(work: Work) -> Iterator[Move | Words]:
    """backward: ``need goats from seals , mice ;`` from the goal down, each quantity once; then the steps in the
    opposite order."""
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
    """subgoals: ``part seals ;`` before the steps towards one operand of the last step, ``merge goats ;`` before that
    step."""
    done: set[int] = set()
    for part in work.before[work.last]:
        if part not in done:
            yield ("part", work.result_name(part))
            cone = work.cone(part) - done
            yield from [move for move in work.moves if move.statement in cone]
            done |= cone
    yield ("merge", work.words[work.target])
    yield Move(work.last, work.target)


def symbolically(work: Work) -> Iterator[Move | Words]:
    """symbolic: ``let seals = bears - bats ;`` for every step, solved for what it finds, before the first step."""
    yield from [("let", *work.formula(at, values=False)) for at, _ in work.moves]
    yield from work.moves


def simplified(work: Work) -> Iterator[Move | Words]:
    """simplify: ``put seals = bears - 3 ;``, as symbolic with every given value put in."""
    yield from [("put", *work.formula(at, values=True)) for at, _ in work.moves]
    yield from work.moves


def planned(work: Work) -> Iterator[Move | Words]:
    """plan: ``order bears , seals , goats ;`` and then the steps in just this order."""
    yield ("order", *work.left([]))
    yield from work.moves


def restated(work: Work) -> Iterator[Move | Words]:
    """restate: ``given cows 4 , mice 1 , bats 3 , asked goats ;``, all that the question gives, in its order, before
    the steps."""
    yield ("given", *work.restated())
    yield from work.moves


def relevant(work: Work) -> Iterator[Move | Words]:
    """relevant: ``keep cows , mice , bats , bears , seals , goats ;``, all that the answer needs, in the question's
    order."""
    yield ("keep", *work.relevant())
    yield from work.moves


def tabulated(work: Work) -> Iterator[Move | Words]:
    """table: ``tabulate ;`` and then a step for every statement, needed or not, as early as the question's order and
    its operands allow."""
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
    """check: ``undo bears , 5 - 1 = 4 ;`` after a step, for every step: its statement solved for another quantity."""
    yield from work.moves
    yield from [("undo", *work.undone(at)) for at, _ in work.moves]


def grouped(work: Work) -> Iterator[Move | Words]:
    """grouped: ``group + ;`` before steps of one operation, as many as are ready, until another operation's turn
    comes."""
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
    """running: ``hold bears 5 ;`` after every step: what was found and will be used or is asked for, with its value."""
    done: list[int] = []
    for move in work.moves:
        yield move
        done.append(move.statement)
        yield ("hold", *work.held(done))


def counted_down(work: Work) -> Iterator[Move | Words]:
    """countdown: ``left bears , seals , goats ;`` before every step: what is still to be found, in the plain solution's
    order."""
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
