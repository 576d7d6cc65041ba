"""Executes what a worked solution claims, step by step, against the problem: what is right, what is not, and where.

The same verdict is the reward of RL and the measure of every exam. It is a pure function of problem and text, total
(any text has a verdict) and linear in the length of the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

from interlude.synth.approaches import breaches
from interlude.synth.graph import Node
from interlude.synth.moves import FACT
from interlude.synth.ops import compute, inverse
from interlude.synth.parse import Step, Trace, parse
from interlude.synth.problem import Problem
from interlude.synth.thoughts import unwrapped

FORMAT = "format"  # the text stops being a solution
UNKNOWN = "unknown"  # restates a statement that is not in the question
OPERAND = "operand"  # restates one with other operands
OPERATOR = "operator"  # or another operation
RECALL = "recall"  # recalls a wrong value, or a quantity that is not needed; or an approach's line is wrong
UNREADY = "unready"  # uses a quantity before it is found
SUBSTITUTION = "substitution"  # the equation does not follow from the statement and the recalled values
ARITHMETIC = "arithmetic"  # an equality that does not hold, or does more than one operation at once
RESULT = "result"  # names a wrong quantity or value as found
REPEATED = "repeated"  # uses a statement again
EXTRA = "extra"  # uses a true statement that the answer does not need
MISSING = "missing"  # never uses one that it needs
# True, but not the one next step, or not the one order of operands, of an ordered dialect;
# or not as an approach promises.
ORDER = "order"
ANSWER = "answer"  # no answer, or a wrong one
SECOND_ANSWER = "second_answer"
AFTER_END = "after_end"
TRUNCATED = "truncated"
KINDS = (
    FORMAT, UNKNOWN, OPERAND, OPERATOR, RECALL, UNREADY, SUBSTITUTION, ARITHMETIC, RESULT, REPEATED, EXTRA, MISSING,
    ORDER, ANSWER, SECOND_ANSWER, AFTER_END, TRUNCATED,
)  # fmt: skip

ORDERED = frozenset({"terse", "direct"})  # dialects in which the question fixes the whole solution (see Problem.moves)
COMMUTE = "+*"


class Fault(NamedTuple):
    """One thing that is wrong: its kind (one of ``KINDS``), the step it is in (None: outside any), the first character
    of that step or the place in the text, and a sentence."""

    kind: str
    step: int | None
    where: int
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What is right about a text.

    parsed: the whole text has a solution's form. answer: the last answer stated before its end is right. process: the
    share of the needed statements whose first use is wholly right, in any legal order, in [0, 1] (1 where none is
    needed); where steps may be skipped, the share of those used, the last being always needed. strict: no fault.

    Raise ``version`` when any text's verdict changes: it enters the key of every reward and sampled exam.
    """

    parsed: bool
    answer: bool
    process: float
    strict: bool
    faults: tuple[Fault, ...]
    version: ClassVar[int] = 2

    @property
    def any_order(self) -> bool:
        """Whether nothing is wrong but the order of steps, or of an equation's operands: strict, in any legal order."""
        return self.strict or (bool(self.faults) and all(fault.kind == ORDER for fault in self.faults))


def verify(problem: Problem, text: str) -> Verdict:
    """Judge ``text`` as a solution of ``problem``: every value is compared with the quantity's true value (in reverse
    mode too) and every equality is computed again modulo the problem's modulus.

    A terse solution is fixed by its question to the last token. Prose may take steps in any legal order and commute
    operands and recalled values. A problem's style may allow more: thoughts are ignored (``synth.thoughts`` says which
    are broken); any step but the last may be skipped, if every step shown is right and in legal (terse: canonical)
    order; any words may be chosen, and a remark must repeat a value the question gives; with approaches, steps come in
    any legal order, sums and products may be turned round, and every line's promise must be kept; unwrapped, the tags
    of thoughts are removed first and the whole solution must be there, faults giving places in that text.
    """
    if problem.unwrapped:
        text = unwrapped(text)
    trace = parse(text, problem.grammar)
    faults: list[Fault] = []
    right, due = judge_steps(problem, trace, faults)
    judge_remarks(problem, trace, faults)
    faults += [
        Fault(RECALL if breach.content else ORDER, breach.step, breach.where, breach.detail)
        for breach in breaches(problem, trace)
    ]
    judge_ending(problem, trace, text, faults)
    return Verdict(
        trace.junk is None and trace.ended and trace.answer is not None and trace.after is None,
        trace.answer == problem.answer,
        right / due if due else 1.0,
        not faults,
        tuple(faults),
    )


def judge_steps(problem: Problem, trace: Trace, faults: list[Fault]) -> tuple[int, int]:
    """Add the faults of the steps; return how many needed statements were used rightly at their first use, and how many
    should have been."""
    nodes, words, graph, modulus = problem.nodes, problem.words, problem.graph, problem.graph.modulus
    values = [value for _, _, value in nodes]
    pairs = list(zip(words, values, strict=True))
    named = [name >= 0 for name in problem.names]
    index = dict(
        zip(words, range(len(words)), strict=True)
    )  # a literal's digits are there too: no noun is spelled in digits
    known = [not args for _, args, _ in nodes]
    if graph.unknown is not None:
        known[graph.unknown], known[graph.root] = False, True
    needed = len(graph.nodes)
    canonical = [statement for statement, _ in problem.moves]
    steps, free = trace.steps, problem.approached
    ordered = problem.dialect in ORDERED and not free
    tabulated = "tabulate" in [line.marker for line in trace.lines]
    gaps = Gaps(problem, known) if problem.skips else None
    turn = right = 0
    used: set[int] = set()
    for number, step in enumerate(steps):
        statement, solved = step[0], step[6]
        at = index.get(statement)
        if at is None or not nodes[at].args:
            faults.append(
                Fault(UNKNOWN, number, step.span[0], f"The question does not say how {statement} are computed.")
            )
            continue
        node = nodes[at]
        op, args, _ = node
        late = gaps is not None and at < needed and gaps.late(at)
        if len(args) == 2 and known[i := args[0]] and known[j := args[1]] and not known[at] and named[i] and named[j]:
            # Most steps: what the general case below says, written out.
            hidden, target, sign, terms = [at], at, op, args
            rows: tuple = (values[i], values[j]), (compute(op, values[i], values[j], modulus),)
            due: tuple = statement, op, (words[i], words[j]), (pairs[i], pairs[j]), op, rows, statement, values[at]
        else:
            hidden = [i for i in (*args, at) if not known[i]]
            target = hidden[0] if len(hidden) == 1 else claimed(index.get(solved), at, args, hidden)
            sign, terms = (op, args) if target == at else rearranged(node, at, target)
            operands = tuple([words[i] for i in args])
            recalled = tuple([pairs[i] for i in terms if named[i]])
            rows = executed(sign, tuple([values[i] for i in terms]), modulus)
            due = statement, op, operands, recalled, sign, rows, words[target], values[target]
        found: list[Fault] = []
        if len(hidden) != 1 or (step[:-1] != due and not (free and step[:-1] == turned(problem, at, target))):
            unready = [i for i in hidden if i != target]
            found = diagnose(problem, number, step, node, target, sign, terms, index, known, unready)
        if at in used:
            found.append(
                Fault(REPEATED, number, step.span[0], f"The statement about {step.statement} was used before.")
            )
        elif at >= needed and not tabulated:
            found.append(Fault(EXTRA, number, step.span[0], f"The answer does not need {step.statement}."))
        elif at < needed:
            right += not found or all(fault.kind == ORDER for fault in found)
            while turn < len(canonical) and canonical[turn] in used:
                turn += 1
            if late:
                found.append(Fault(ORDER, number, step.span[0], f"The step about {step.statement} comes too late."))
            elif gaps is None and ordered and canonical[turn] != at and len(hidden) == 1:
                expected = words[canonical[turn]]
                found.append(Fault(ORDER, number, step.span[0], f"The next step is {expected}, not {step.statement}."))
        used.add(at)
        if solved == words[target]:
            known[target] = True
        if found:
            faults += found
    where = steps[-1].span[1] if steps else 0
    due = canonical if gaps is None else [at for at in canonical if at in used or at == canonical[-1]]
    for at in due:
        if at not in used:
            faults.append(Fault(MISSING, None, where, f"The statement about {words[at]} is never used."))
    return right, len(due)


class Gaps:
    """What a text has passed over so far, where steps may be skipped. ``known`` is the judge's own list."""

    def __init__(self, problem: Problem, known: list[bool]) -> None:
        self.nodes, self.known = problem.nodes, known
        self.finds = dict(problem.moves)
        self.found_by = {solves: statement for statement, solves in problem.moves}
        self.turn = {move.statement: nth for nth, move in enumerate(problem.moves)}
        self.ordered = problem.dialect in ORDERED
        self.furthest = -1
        self.passed: set[int] = set()

    def late(self, at: int) -> bool:
        """Take as known all that the statement ``at`` needs; say whether it was passed over itself."""
        due = [at]
        while due:
            statement = due.pop()
            for quantity in (*self.nodes[statement].args, statement):
                if quantity != self.finds[statement] and not self.known[quantity]:
                    self.known[quantity] = True
                    due.append(self.found_by[quantity])
                    self.passed.add(due[-1])
        behind = self.ordered and self.turn[at] < self.furthest
        self.furthest = max(self.furthest, self.turn[at])
        return behind or at in self.passed


def judge_remarks(problem: Problem, trace: Trace, faults: list[Fault]) -> None:
    """Add the faults of remarks: each must say what the question says."""
    if not trace.remarks:
        return
    stated = [problem.graph.root if i == FACT else i for i in problem.order if i == FACT or not problem.nodes[i].args]
    given = {problem.words[i]: problem.nodes[i].value for i in stated}
    for noun, value, where in trace.remarks:
        if noun not in given:
            faults.append(Fault(RECALL, None, where, f"The question does not say how many {noun} there are."))
        elif value != given[noun]:
            faults.append(Fault(RECALL, None, where, f"There are {given[noun]} {noun}, not {value}."))


def judge_ending(problem: Problem, trace: Trace, text: str, faults: list[Fault]) -> None:
    """Add the faults outside the steps."""
    where = trace.steps[-1].span[1] if trace.steps else 0
    if trace.junk is not None:
        faults.append(Fault(FORMAT, None, trace.junk, f"{text[trace.junk : trace.junk + 20]!r} cannot stand here."))
    if trace.answer is None:
        faults.append(Fault(ANSWER, None, where, "No answer is stated."))
    elif trace.answer != problem.answer:
        faults.append(Fault(ANSWER, None, where, f"The answer is {problem.answer}, not {trace.answer}."))
    if trace.answers > 1:
        faults.append(Fault(SECOND_ANSWER, None, where, f"{trace.answers} answers are stated."))
    if trace.after is not None:
        faults.append(Fault(AFTER_END, None, trace.after, "Text follows the end."))
    if not trace.ended:
        faults.append(Fault(TRUNCATED, None, len(text), "The text does not end."))


def claimed(solved: int | None, at: int, args: tuple[int, ...], hidden: list[int]) -> int:
    """Which quantity a step is about that does not have exactly one to find: the one it names, if it can be meant."""
    if solved is not None and (solved in hidden or (not hidden and (solved == at or solved in args))):
        return solved
    return at


def rearranged(node: Node, at: int, target: int) -> tuple[str, tuple[int, ...]]:
    """The operation, and its operands in order, that solves the statement of ``at`` for its argument ``target``."""
    op, result_first = inverse(node.op, node.args.index(target), len(node.args))
    others = tuple([a for a in node.args if a != target])
    return op, (at, *others) if result_first else (*others, at)


def turned(problem: Problem, at: int, target: int) -> tuple:
    """What a step claims that uses the statement of ``at`` with its operands in the opposite order, if it is a sum or a
    product, and as it stands if not."""
    nodes, words = problem.nodes, problem.words
    node = nodes[at]
    if node.op in COMMUTE:
        node = node._replace(args=node.args[::-1])
    sign, terms = (node.op, node.args) if target == at else rearranged(node, at, target)
    operands = tuple([words[i] for i in node.args])
    recalled = tuple([(words[i], nodes[i].value) for i in terms if problem.names[i] >= 0])
    rows = executed(sign, tuple([nodes[i].value for i in terms]), problem.graph.modulus)
    return words[at], node.op, operands, recalled, sign, rows, words[target], nodes[target].value


def executed(op: str, values: tuple[int, ...], modulus: int | None) -> tuple[tuple[int | None, ...], ...]:
    """The rows of ``v1 op v2 op v3``, one operation at a time from the left; a quotient that does not exist is None."""
    if len(values) == 2:
        return values, (compute(op, *values, modulus),)
    rows: list[tuple[int | None, ...]] = [values]
    total: int | None = values[0]
    for nth in range(1, len(values)):
        total = None if total is None else compute(op, total, values[nth], modulus)
        rows.append((total, *values[nth + 1 :]))
    return tuple(rows)


def diagnose(
    problem: Problem,
    number: int,
    step: Step,
    node: Node,
    target: int,
    sign: str,
    terms: tuple[int, ...],
    index: dict[str, int],
    known: list[bool],
    unready: list[int],
) -> list[Fault]:
    """What is wrong with a step that is not exactly the canonical one. Nothing may be, except in an ordered dialect.

    ``sign`` and ``terms`` are the operation and the operands that find ``target``; ``unready`` are operands not known.
    """
    nodes, words = problem.nodes, problem.words
    ordered = problem.dialect in ORDERED
    found: list[Fault] = []

    def fault(kind: str, detail: str) -> None:
        found.append(Fault(kind, number, step.span[0], detail))

    def compare(kind: str, what: str, claim: tuple, due: tuple, fixed: int) -> None:
        """Equal, or equal up to the order of all but the first ``fixed`` items."""
        if claim != due:
            commuted = len(claim) == len(due) and claim[:fixed] == due[:fixed] and sorted(claim) == sorted(due)
            if not commuted:
                fault(kind, f"{what} {spoken(claim)}, not {spoken(due)}.")
            elif ordered:
                fault(ORDER, f"{what} {spoken(due)} in this order.")

    due_operands = tuple([words[a] for a in node.args])
    compare(OPERAND, "The statement is about", step.operands, due_operands, 0 if node.op in COMMUTE else len(node.args))
    if step.op != node.op:
        fault(OPERATOR, f"The statement says {node.op}, not {step.op}.")
    for i in unready:
        fault(UNREADY, f"The number of {words[i]} is not known yet.")
    named = [i for i in terms if problem.names[i] >= 0]
    compare(
        RECALL,
        "The values needed are of",
        tuple([noun for noun, _ in step.recalled]),
        tuple([words[i] for i in named]),
        0,
    )
    for noun, value in step.recalled:
        at = index.get(noun)
        if at is None:
            fault(RECALL, f"The question does not mention {noun}.")
        elif value != nodes[at].value:
            fault(RECALL, f"There are {nodes[at].value} {noun}, not {value}.")
        if at is not None and not known[at] and at not in unready:
            fault(UNREADY, f"The number of {noun} is not known yet.")
    if step.used != sign:
        fault(SUBSTITUTION, f"The equation needs {sign}, not {step.used}.")
    values = dict(step.recalled)
    numbers = tuple([values.get(words[i], nodes[i].value) for i in terms])
    compare(SUBSTITUTION, "The numbers are", step.lines[0], numbers, 0 if sign in COMMUTE else 1)
    if len(step.used) == 1:
        judge_arithmetic(step, problem.graph.modulus, fault)
    if step.solved != words[target]:
        fault(RESULT, f"The step finds {words[target]}, not {step.solved}.")
    if step.value != nodes[target].value:
        fault(RESULT, f"There are {nodes[target].value} {words[target]}, not {step.value}.")
    elif step.value != step.lines[-1][0]:
        fault(RESULT, f"The equation gives {step.lines[-1][0]}, not {step.value}.")
    return found


def judge_arithmetic(step: Step, modulus: int | None, fault) -> None:
    """Every row must be the one before with its first operation done."""
    for row, after in pairwise(step.lines):
        first = compute(step.used, row[0], row[1], modulus)
        if after != (first, *row[2:]):
            fault(
                ARITHMETIC, f"{row[0]} {step.used} {row[1]} is {first}; {spoken(row)} does not become {spoken(after)}."
            )


def spoken(items: tuple) -> str:
    """A list in a sentence, shortened: a model may write thousands."""
    return " ".join(map(str, items[:8])) + (" ..." if len(items) > 8 else "") if items else "nothing"
