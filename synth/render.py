"""A problem as text: a question and its worked solution, in one of two dialects of few tokens or in plain prose.

Every dialect restates a statement, recalls values, computes, and names the result:

terse    bears = foxes + owls , foxes 4 owls 3 , 4 + 3 = 0 , bears 0 ;
direct   the same without the first =
prose    The number of bears is the number of foxes plus the number of owls. There are 4 foxes and 3 owls, and
         4 + 3 = 0, so there are 0 bears.

A statement may also repeat a quantity (terse: ``bears = foxes , foxes 4 , bears 4 ;``).

In both short dialects a value follows its noun, so that recalling one is a single associative look-up (one induction
step, arXiv 2209.11895); in the direct dialect the operands of a statement do too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from interlude.synth import worlds
from interlude.synth.blueprint import Blueprint
from interlude.synth.moves import Move, equation, reductions
from interlude.synth.ops import SAME, fold
from interlude.synth.scripts import script
from interlude.synth.solution_style import APPROACHES, CONCLUSIONS, EQUALS, INSIDE, MARKERS, OPENINGS, REMARK

# What a token is for. Question: STATEMENT, DISTRACTOR, QUESTION. Solution: the rest.
STATEMENT, DISTRACTOR, QUESTION = "statement", "distractor", "question"
PLANNING, COPY, RETRIEVAL, ARITHMETIC, FORMAT, STOP, ANSWER, INFERRED, CONNECTIVE, REMARKED, THOUGHT, STRATEGY, SLIP = (
    "planning", "copy", "retrieval", "arithmetic", "format", "stop",
    "answer", "inferred", "connective", "remark", "thought", "strategy", "slip",
)  # fmt: skip
ROLES = (
    STATEMENT, DISTRACTOR, QUESTION, PLANNING, COPY, RETRIEVAL, ARITHMETIC, FORMAT, STOP, ANSWER, INFERRED, CONNECTIVE,
    REMARKED, THOUGHT, STRATEGY, SLIP,
)  # fmt: skip

END = "<end>"  # closes every solution
THINK, CLOSE = "<think>", "</think>"  # what stands between is no part of the solution
VERBS = {"+": "plus", "-": "minus", "*": "times"}
PIECES = re.compile(r"<[a-z/_0-9]+>|[a-z]+|[0-9]+|[^\sa-z0-9]", re.IGNORECASE)


@dataclass(frozen=True)
class Written:
    """A rendered problem: tokens and their roles, for question and solution (the solution's last token is END).

    Raise ``version`` when a token or a role changes: it enters the key of every source and vocabulary.
    """

    question_tokens: tuple[str, ...]
    question_roles: tuple[str, ...]
    solution_tokens: tuple[str, ...]
    solution_roles: tuple[str, ...]
    dialect: str
    version: ClassVar[int] = 1

    @property
    def question(self) -> str:
        return join(self.question_tokens, self.dialect)

    @property
    def solution(self) -> str:
        return join(self.solution_tokens, self.dialect)


def join(tokens: tuple[str, ...] | list[str], dialect: str) -> str:
    """Tokens as text. Prose closes up punctuation, which ``split`` undoes."""
    text = " ".join(tokens)
    return re.sub(r" ([.,?])", r"\1", text) if dialect == "prose" else text


def split(text: str) -> list[str]:
    """Text as tokens: words, whole numbers, tags and single marks."""
    return PIECES.findall(text)


def write(problem: Blueprint) -> Written:
    """Render ``problem`` in its dialect."""
    question, question_roles = [], []
    solution, roles = [], []
    stated = as_stated(problem) if problem.worded else problem
    if problem.dialect == "prose":
        prose_question(problem, question, question_roles)
        prose_solution(stated, solution, roles)
    else:
        terse_question(problem, question, question_roles)
        terse_solution(stated, solution, roles)
    return Written(tuple(question), tuple(question_roles), tuple(solution), tuple(roles), problem.dialect)


def styled_script(problem: Blueprint, step, out: list[str], roles: list[str]) -> None:
    """The steps and lines of the problem's approach; ``step`` writes a step in full."""
    terse = problem.dialect != "prose"
    stepped = turned(problem) if problem.style.approach == "commuted" else problem
    for each in script(problem, problem.style.approach):
        if isinstance(each, Move):
            step(stepped, each, out, roles)
            continue
        out += each if terse else (each[0].capitalize(), *each[1:])
        out.append(";" if terse else ".")
        roles += (STRATEGY,) * (len(each) + 1)


def turned(problem: Blueprint) -> Blueprint:
    """The problem with the operands of every sum and product in the opposite order, for its steps to be written
    from."""
    nodes = tuple(
        [node._replace(args=node.args[::-1]) if node.op in ("+", "*") else node for node in problem.graph.nodes]
    )
    return replace(problem, graph=replace(problem.graph, nodes=nodes))


def tag(problem: Blueprint, out: list[str], roles: list[str]) -> None:
    """What asks for an approach, at the end of a question."""
    if problem.style is not None and problem.style.tagged:
        name = problem.style.approach
        out += (TAGGED, name, ".") if problem.dialect == "prose" else (name,)
        roles += (QUESTION,) * (3 if problem.dialect == "prose" else 1)


def styled_steps(problem: Blueprint, step, out: list[str], roles: list[str]) -> None:
    """The steps as the problem's style has them; ``step`` writes one in full."""
    style = problem.style
    skipped = frozenset(style.skipped or ())
    wording = iter(style.wording or ())
    passed: list[Move] = []
    unseen: set[int] = set()
    for move in problem.moves:
        if move.statement in skipped:
            passed.append(move)
            continue
        if style.thoughts == "oracle" and passed:
            think(problem, step, passed, out, roles)
        else:
            unseen.update([each.solves for each in passed])
        passed.clear()
        tokens: list[str] = []
        kinds: list[str] = []
        step(problem, move, tokens, kinds)
        values = [at for at, kind in enumerate(kinds) if kind == RETRIEVAL]
        for at, index in zip(
            values, [i for i in equation(problem.nodes, move)[1] if problem.names[i] >= 0], strict=True
        ):
            if index in unseen:
                kinds[at] = INFERRED
                unseen.remove(index)
        if style.wording is not None:
            opening, conclusion, remark, slip = next(wording)
            if slip is not None:
                found, result = (-3, -8) if problem.dialect == "prose" else (-2, -5)
                result = found if problem.nodes[move.statement].op == SAME else result
                tokens[found] = tokens[result] = str(slip)
                kinds[result] = SLIP
            if remark is not None:
                note(problem, remark, out, roles)
            dress(problem.dialect, tokens, kinds, opening, conclusion)
        out += tokens
        roles += kinds
    if passed and style.thoughts == "oracle":  # the last steps are left out: they stand in a thought before the answer
        think(problem, step, passed, out, roles)


def think(problem: Blueprint, step, moves: list[Move], out: list[str], roles: list[str]) -> None:
    """Append a thought that holds the steps of ``moves`` as ``step`` writes them, tags included, and their roles."""
    before = len(out)
    out.append(THINK)
    for move in moves:
        step(problem, move, out, [])
    out.append(CLOSE)
    roles += (THOUGHT,) * (len(out) - before)


def stops_early(problem: Blueprint) -> bool:
    """Whether the solution leaves out its last step, without a thought that has it."""
    style = problem.style
    return bool(style and style.skipped and style.thoughts != "oracle") and problem.moves[-1].statement in style.skipped


def as_stated(problem: Blueprint) -> Blueprint:
    """The problem with the numbers that its solution finds, each computed from those before it, slips among them.

    Raises ValueError where a slip is the right number.
    """
    graph, shown = problem.graph, iter(problem.style.wording)
    if all(words.slip is None for words in problem.style.wording):
        return problem
    nodes = list(graph.nodes)
    for move in problem.moves:
        op, terms = equation(nodes, move)
        found = fold(op, tuple([nodes[i].value for i in terms]), graph.modulus)
        slip = None if move.statement in (problem.style.skipped or ()) else next(shown).slip
        if slip == found:
            raise ValueError(f"a slip must be a wrong number, but {slip} is what step {move.statement} finds")
        nodes[move.solves] = nodes[move.solves]._replace(value=found if slip is None else slip)
    return replace(problem, graph=replace(graph, nodes=tuple(nodes)))


def dress(dialect: str, tokens: list[str], kinds: list[str], opening: str, conclusion: str) -> None:
    """Put a step's two words where they belong: before it, and before what it finds."""
    if dialect == "prose":
        tokens[-6], kinds[-6] = conclusion, CONNECTIVE
        tokens[:1], kinds[:1] = (opening.capitalize(), ",", "the"), (CONNECTIVE, FORMAT, FORMAT)
    else:
        tokens[-3:-3], kinds[-3:-3] = (conclusion,), (CONNECTIVE,)
        tokens[:0], kinds[:0] = (opening,), (CONNECTIVE,)


def note(problem: Blueprint, index: int, out: list[str], roles: list[str]) -> None:
    """A remark on the given quantity ``index``."""
    noun, value = problem.words[index], str(problem.nodes[index].value)
    terse = problem.dialect != "prose"
    said = (REMARK, noun, value, ";") if terse else (REMARK.capitalize(), "that", "there", "are", value, noun, ".")
    out += said
    roles += (REMARKED,) * len(said)


# --- terse and direct -----------------------------------------------------------------------------------------------


def terse_question(problem: Blueprint, out: list[str], roles: list[str]) -> None:
    """Appends the tokens of a question in a terse dialect to ``out``, and the role of each to ``roles``."""
    words, nodes, needed = problem.words, problem.nodes, len(problem.graph.nodes)
    equals = EQUALS[problem.dialect]
    signs = len(equals)
    for index in problem.order:
        if index < 0:
            out += (words[needed - 1], str(nodes[needed - 1].value), ";")
            roles += (STATEMENT,) * 3
            continue
        node = nodes[index]
        role = STATEMENT if index < needed else DISTRACTOR
        if len(node.args) == 2:
            out += (words[index], *equals, words[node.args[0]], node.op, words[node.args[1]], ";")
            roles += (role,) * (5 + signs)
        elif node.args:
            op, args, _ = node
            out += (words[index], *equals, words[args[0]])
            for arg in args[1:]:
                out += (op, words[arg])
            out.append(";")
            roles += (role,) * (1 + signs + 2 * len(args))
        else:
            out += (words[index], str(node.value), ";")
            roles += (role, role, role)
    out += (words[problem.graph.target], "?")
    roles += (QUESTION, QUESTION)
    tag(problem, out, roles)


def terse_solution(problem: Blueprint, out: list[str], roles: list[str]) -> None:
    """Appends the tokens of a solution in a terse dialect to ``out``, and the role of each to ``roles``."""
    if problem.approached:
        styled_script(problem, terse_step, out, roles)
    elif problem.style is not None:
        styled_steps(problem, terse_step, out, roles)
    else:
        terse_steps(problem, out, roles)
    out += ("answer", str(problem.answer), END)
    roles += (STOP, INFERRED if stops_early(problem) else ANSWER, STOP)


def terse_steps(problem: Blueprint, out: list[str], roles: list[str]) -> None:
    """Every step in full."""
    words, nodes, names = problem.words, problem.nodes, problem.names
    numbers = [str(node.value) for node in nodes]
    equals, two_named = EQUALS[problem.dialect], TWO_NAMED[problem.dialect]
    for move in problem.moves:
        statement, solves = move
        sign, args, _ = nodes[statement]
        op, used = (sign, args) if solves == statement else equation(problem.nodes, move)
        if len(used) == 2 and names[used[0]] >= 0 and names[used[1]] >= 0:  # most steps: what ``terse_step`` says
            (a, b), (i, j), solved, value = args, used, words[solves], numbers[solves]
            x, y = numbers[i], numbers[j]
            out += (words[statement], *equals, words[a], sign, words[b], ",", words[i], x, words[j], y, ",")
            out += (x, op, y, "=", value, ",", solved, value, ";")
            roles += two_named
        else:
            terse_step(problem, move, out, roles)


def terse_step(problem: Blueprint, move: Move, out: list[str], roles: list[str]) -> None:
    """One step in full."""
    words, nodes, names = problem.words, problem.nodes, problem.names
    sign, args, _ = nodes[move.statement]
    op, used = equation(problem.nodes, move)
    equals = EQUALS[problem.dialect]
    out += (words[move.statement], *equals, words[args[0]])
    roles += (PLANNING, FORMAT, COPY) if equals else (PLANNING, COPY)
    for arg in args[1:]:
        out += (sign, words[arg])
        roles += (COPY, COPY)
    out.append(",")
    roles.append(FORMAT)
    named = [index for index in used if names[index] >= 0]
    for index in named:
        out += (words[index], str(nodes[index].value))
        roles += (COPY, RETRIEVAL)
    if named:
        out.append(",")
        roles.append(FORMAT)
    solved, value = words[move.solves], str(nodes[move.solves].value)
    if len(used) == 1:  # a copy
        out += (solved, value, ";")
        roles += (FORMAT,) * 3
    elif len(used) == 2:  # one sum, whose result is the solved quantity's value: no need to reduce
        out += (str(nodes[used[0]].value), op, str(nodes[used[1]].value), "=", value, ",", solved, value, ";")
        roles += ONE_SUM
    else:
        for line in reductions(op, [nodes[i].value for i in used], problem.graph.modulus):
            if len(line) > 1:
                terse_sum(op, line, len(line) < len(used), out, roles)
            else:
                out += (str(line[0]), ",", solved, value, ";")
                roles += (ARITHMETIC, FORMAT, FORMAT, FORMAT, FORMAT)


ONE_SUM = (FORMAT,) * 4 + (ARITHMETIC,) + (FORMAT,) * 4
OPERANDS = (COPY, COPY, COPY, FORMAT, COPY, RETRIEVAL, COPY, RETRIEVAL, FORMAT)
TWO_NAMED = {"terse": (PLANNING, FORMAT, *OPERANDS, *ONE_SUM), "direct": (PLANNING, *OPERANDS, *ONE_SUM)}


def terse_sum(op: str, line: list[int], partial: bool, out: list[str], roles: list[str]) -> None:
    """``4 + 5 + 6 =``; the first number of a later line is a result."""
    out.append(str(line[0]))
    roles.append(ARITHMETIC if partial else FORMAT)
    for value in line[1:]:
        out += (op, str(value))
        roles += (FORMAT, FORMAT)
    out.append("=")
    roles.append(FORMAT)


# --- prose -----------------------------------------------------------------------------------------------------------


def prose_question(problem: Blueprint, out: list[str], roles: list[str]) -> None:
    """Appends the tokens of a question in prose to ``out``, and the role of each to ``roles``."""
    words, nodes, needed = problem.words, problem.nodes, len(problem.graph.nodes)
    place = worlds.world(problem.world).place.split()
    for index in problem.order:
        before = len(out)
        if index < 0:
            out += ("There", "are", str(nodes[needed - 1].value), words[needed - 1], *place, ".")
        elif nodes[index].args:
            prose_statement(problem, index, "equals", out)
        else:
            out += ("There", "are", str(nodes[index].value), words[index], *place, ".")
        roles += (STATEMENT if index < needed else DISTRACTOR,) * (len(out) - before)
    before = len(out)
    if problem.graph.modulus is not None:
        out += ("Count", "modulo", str(problem.graph.modulus), ".")
    out += ("How", "many", words[problem.graph.target], "are", "there", "?")
    roles += (QUESTION,) * (len(out) - before)
    tag(problem, out, roles)


def quantity(problem: Blueprint, index: int) -> tuple[str, ...]:
    """An operand in prose: ``the number of foxes``, or a bare number."""
    return ("the", "number", "of", problem.words[index]) if problem.names[index] >= 0 else (problem.words[index],)


def prose_statement(problem: Blueprint, index: int, verb: str, out: list[str]) -> None:
    """``The number of bears equals the number of foxes plus 3.``"""
    node = problem.nodes[index]
    out += ("The", "number", "of", problem.words[index], verb, *quantity(problem, node.args[0]))
    for arg in node.args[1:]:
        out += (VERBS[node.op], *quantity(problem, arg))
    out.append(".")


def prose_solution(problem: Blueprint, out: list[str], roles: list[str]) -> None:
    """Appends the tokens of a solution in prose to ``out``, and the role of each to ``roles``."""
    if problem.approached:
        styled_script(problem, prose_step, out, roles)
    elif problem.style is not None:
        styled_steps(problem, prose_step, out, roles)
    else:
        for move in problem.moves:
            prose_step(problem, move, out, roles)
    out += ("The", "answer", "is", str(problem.answer), ".", END)
    roles += (STOP, FORMAT, FORMAT, ANSWER, FORMAT, STOP)


def prose_step(problem: Blueprint, move: Move, out: list[str], roles: list[str]) -> None:
    """One step in full."""
    words, nodes, names = problem.words, problem.nodes, problem.names
    before = len(out)
    prose_statement(problem, move.statement, "is", out)
    roles += (FORMAT, FORMAT, FORMAT, PLANNING, FORMAT)
    roles += (COPY if token in words or token in VERBS.values() else FORMAT for token in out[before + 5 :])
    op, used = equation(problem.nodes, move)
    recalled = [i for i in used if names[i] >= 0]
    for nth, index in enumerate(recalled):
        out += ("There", "are") if nth == 0 else ("and",)
        out += (str(nodes[index].value), words[index])
        roles += (FORMAT, FORMAT) if nth == 0 else (FORMAT,)
        roles += (RETRIEVAL, COPY)
    if len(used) == 1:  # a copy
        out += (",", "so", "there", "are", str(nodes[move.solves].value), words[move.solves], ".")
        roles += (FORMAT,) * 7
        return
    out += (",", "and") if recalled else ("So",)
    roles += (FORMAT, FORMAT) if recalled else (FORMAT,)
    for line in reductions(op, [nodes[i].value for i in used], problem.graph.modulus):
        if len(line) > 1:
            terse_sum(op, line, len(line) < len(used), out, roles)
        else:
            out += (str(line[0]), ",", "so", "there", "are", str(line[0]), words[move.solves], ".")
            roles += (ARITHMETIC,) + (FORMAT,) * 7


PROSE_WORDS = (
    "The", "the", "number", "of", "equals", "is", "plus", "minus", "times", "There", "are", "and", "So", "so", "there",
    "How", "many", "Count", "modulo", "answer",
)  # fmt: skip
# What ``dress`` and ``note`` add to a dialect.
WORDS = {
    "terse": (*OPENINGS, *CONCLUSIONS, REMARK),
    "direct": (*OPENINGS, *CONCLUSIONS, REMARK),
    "prose": (*(opening.capitalize() for opening in OPENINGS), *CONCLUSIONS, REMARK.capitalize(), "that"),
}
TAGGED = "Use"  # before the name of an approach that a question in prose asks for
# What ``tag`` and ``styled_script`` add.
APPROACH_WORDS = {
    "terse": (*APPROACHES, *MARKERS, *INSIDE),
    "direct": (*APPROACHES, *MARKERS, *INSIDE),
    "prose": (*APPROACHES, TAGGED, *(marker.capitalize() for marker in MARKERS), *INSIDE),
}
