"""A worked solution back to the steps it claims: the inverse of ``render``, for every dialect and for any text at all.

Parsing never judges and never raises: what is not a solution becomes ``Trace.junk``. Two texts with the same tokens
(``render.split``) parse alike, so white space between tokens never matters. Letters and digits are ASCII only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from interlude.synth.ops import LIMIT, SAME
from interlude.synth.render import END, VERBS
from interlude.synth.solution_style import CONCLUSIONS, MARKERS, OPENINGS, PLAIN_GRAMMARS, REMARK, Grammar
from interlude.synth.thoughts import without


class Step(NamedTuple):
    """One claimed step. Words and numbers stand as the text has them; positions count characters.

    statement, op, operands: the restated statement (``bears``, ``+``, ``("foxes", "owls")``; a literal is its digits).
    recalled: the quantities named, with their values. used, lines: the operator of the equation and its rows of
    numbers, the last of which has one, ``((4, 3), (0,))``. solved, value: what the step says it found. span: the first
    character of the step and one past its last. A copy has SAME for its operators and the recalled value for its one
    row, ``((4,),)``. Where operators are mixed, ``op`` and ``used`` hold each once (``+-``).
    """

    statement: str
    op: str
    operands: tuple[str, ...]
    recalled: tuple[tuple[str, int], ...]
    used: str
    lines: tuple[tuple[int, ...], ...]
    solved: str
    value: int
    span: tuple[int, int]


class Remark(NamedTuple):
    """A claim about one quantity that is no step; ``where`` is its first character."""

    noun: str
    value: int
    where: int


class Line(NamedTuple):
    """A line of an approach (see ``synth.approaches``): its marker, the words after it, and its first character."""

    marker: str
    words: tuple[str, ...]
    where: int


class Trace(NamedTuple):
    """What a text claims.

    answer: the last answer stated before END, even after junk; None if there is none. answers: how many are stated. To
    be stated, a number must end where the answer ends: at END, at the end of the text, at a full stop, comma or
    semicolon that no digit follows, or where another answer begins ("4.5", "4,500", "4e3" and "4 4" state none).
    junk: the first character that cannot belong to a solution (steps, one answer, END); None if there is none, also in
    a text that merely stops too early. ended: whether END occurs. after: where the text after the first END begins.
    remarks: what stands between steps, where words may be chosen. lines: the same, where an approach may be.
    """

    steps: tuple[Step, ...]
    answer: int | None
    answers: int
    junk: int | None
    ended: bool
    after: int | None
    remarks: tuple[Remark, ...] = ()
    lines: tuple[Line, ...] = ()


# Possessive quantifiers (++, *+, ?+) throughout: no pattern backtracks into what it matched, so parsing is linear.
DIGITS = "(?:0|[1-9][0-9]{0,17}+)(?![0-9])"  # no leading zero, as we write them; 18 digits keep ``int`` cheap
NUMBER = DIGITS + " "
NOUN = "[a-z]++_"
LETTER = "A-Za-z\u017f\u212a"  # what ``split`` takes for letters: ignoring case lets in the long s and the kelvin sign


def then(*pieces: str) -> str:
    """Pieces one after the other, where the text may also stop: a truncated step is no junk."""
    return "".join(rf"(?:{piece}|\Z)" for piece in pieces)


def sums() -> str:
    """``4 + 5 + 6 = 9 + 6 = 15``."""
    row = rf"{NUMBER}(?:(?:[-+*/] {then(NUMBER)})++{then('= ')}|\Z)"
    return f"(?P<lines>(?:{row})++{then(NUMBER)})"


# The grammars. A space is any white space or none, an underscore is the end of a word;
# @ and & are where a step's opening and its conclusion stand. Each step is a list of pieces.
ITEM = f"(?:{NOUN}|{NUMBER})"
TERSE_STEP = (
    "@",
    f"(?P<statement>{NOUN})",
    "= ",
    f"(?P<expression>{ITEM}(?:[-+*] {then(ITEM)})*+)",
    ", ",
    f"(?P<recalled>(?:{NOUN}{then(NUMBER)})++{then(', ')})?+",
    sums(),
    ", ",
    "&",
    f"(?P<solved>{NOUN})",
    f"(?P<value>{DIGITS}) ",
    "(?P<stop>;) ",
)
# The same for a step with two operands, up to two recalled values and one sum. Most steps are such, and when every
# word has its own group there is nothing left to take apart. A first group takes the step, a last one the gap after it;
# where no such step follows, the rest of the text is taken at once and all groups are empty, so that one ``findall``
# reads a run of steps without a search. All this makes parsing six times as fast.
TERSE_USUAL = (
    f"(@([a-z]++)_= ([a-z]++|{DIGITS})_([-+*]) ([a-z]++|{DIGITS})_, "
    f"(?:([a-z]++)_({DIGITS}) (?:([a-z]++)_({DIGITS}) )?+, )?+"
    f"({DIGITS}) ([-+*/]) ({DIGITS}) = ({DIGITS}) , &([a-z]++)_({DIGITS}) ;)( )|(?s:.+)"
)
TERSE_COPY = (
    "@", f"(?P<statement>{NOUN})", "= ", f"(?P<operand>{NOUN})", ", ",
    f"(?P<noun>{NOUN})", f"(?P<recalled>{DIGITS}) ", ", ",
    "&", f"(?P<solved>{NOUN})", f"(?P<value>{DIGITS}) ", "(?P<stop>;) ",
)  # fmt: skip
# Without the sign between a noun and its operands.
DIRECT_STEP, DIRECT_COPY = (tuple(piece for piece in pieces if piece != "= ") for pieces in (TERSE_STEP, TERSE_COPY))
DIRECT_USUAL = TERSE_USUAL.replace("(@([a-z]++)_= ", "(@([a-z]++)_", 1)
TERSE_REMARK = (f"{REMARK}_", f"(?P<noun>{NOUN})", f"(?P<value>{DIGITS}) ", "; ")
TERSE_ANSWER = ("answer_", f"({DIGITS}) ")
TERSE_WORDS = f"(?:(?:{'|'.join(OPENINGS)})_)?+", f"(?:(?:{'|'.join(CONCLUSIONS)})_)?+"

QUANTITY = f"(?:the_{then('number_', 'of_', NOUN)}|{NUMBER})"
COUNTED = then(NUMBER, NOUN)
PROSE_STEP = (
    "@",
    "number_",
    "of_",
    f"(?P<statement>{NOUN})",
    "is_",
    f"(?P<expression>{QUANTITY}(?:(?:plus|minus|times)_{then(QUANTITY)})*+)",
    r"\. ",
    f"(?:There_{then('are_')}(?P<recalled>{COUNTED}(?:and_{COUNTED})*+){then(', ', 'and_')}|So_)",
    sums(),
    ", ",
    "&",
    "there_",
    "are_",
    f"(?P<value>{DIGITS}) ",
    f"(?P<solved>{NOUN})",
    r"(?P<stop>\.) ",
)
PROSE_USUAL = (
    f"(@number_of_([a-z]++)_is_(?:the_number_of_(?=[a-z])|(?=[0-9]))([a-z]++|{DIGITS})_(plus|minus|times)_"
    rf"(?:the_number_of_(?=[a-z])|(?=[0-9]))([a-z]++|{DIGITS})_\. "
    f"(?:There_are_({DIGITS}) ([a-z]++)_(?:and_({DIGITS}) ([a-z]++)_)?+, and_|So_)"
    rf"({DIGITS}) ([-+*/]) ({DIGITS}) = ({DIGITS}) , &there_are_({DIGITS}) ([a-z]++)_\.)( )|(?s:.+)"
)
PROSE_COPY = (
    "@", "number_", "of_", f"(?P<statement>{NOUN})", "is_", "the_", "number_", "of_", f"(?P<operand>{NOUN})", r"\. ",
    "There_", "are_", f"(?P<recalled>{DIGITS}) ", f"(?P<noun>{NOUN})", ", ",
    "&", "there_", "are_", f"(?P<value>{DIGITS}) ", f"(?P<solved>{NOUN})", r"(?P<stop>\.) ",
)  # fmt: skip
PROSE_REMARK = (
    f"{REMARK.capitalize()}_", "that_", "there_", "are_", f"(?P<value>{DIGITS}) ", f"(?P<noun>{NOUN})", r"\. ",
)  # fmt: skip
PROSE_ANSWER = ("The_", "answer_", "is_", f"({DIGITS}) ", r"\. ")


PROSE_WORDS = (
    f"(?:(?:{'|'.join(OPENINGS).title()})_{then(', ', 'the_')}|The_)",
    f"(?:{'|'.join(CONCLUSIONS)})_",
)


class Patterns(NamedTuple):
    """How one dialect is read: a step of the usual form or the rest, any step, as much of a step as fits, a copy, as
    much of one, a stated answer, as much of an ending as fits; then the lists inside a step. ``symbols`` turns the
    dialect's operators into ours. Where words may be chosen: a remark, and as much of one as fits; elsewhere None."""

    usual: re.Pattern[str]
    step: re.Pattern[str]
    step_so_far: re.Pattern[str]
    copy: re.Pattern[str]
    copy_so_far: re.Pattern[str]
    answer: re.Pattern[str]
    ending_so_far: re.Pattern[str]
    items: re.Pattern[str]
    pairs: re.Pattern[str]
    noun_first: bool
    symbols: dict[str, str]
    remark: re.Pattern[str] | None
    remark_so_far: re.Pattern[str] | None


def compiled(grammar: str, words: tuple[str, str] = ("", "")) -> re.Pattern[str]:
    """A pattern, with our signs for a step's words, for white space and for the end of a word spelled out."""
    grammar = grammar.replace("@", words[0]).replace("&", words[1])
    return re.compile(grammar.replace("_", rf"(?![{LETTER}]) ").replace(" ", r"\s*+"))


def so_far(pieces: tuple[str, ...]) -> str:
    """As many of the pieces, in order, as fit: the match ends where the first piece that does not would begin."""
    nested = ""
    for piece in reversed(pieces):
        nested = f"(?:{piece}{nested})?+"
    return nested


def patterns(
    usual: str,
    step: tuple[str, ...],
    copy: tuple[str, ...],
    answer: tuple[str, ...],
    items: str,
    pairs: str,
    noun_first: bool,
    symbols: dict[str, str],
    words: tuple[str, str],
    remark: tuple[str, ...] = (),
) -> Patterns:
    """One dialect, compiled, with the two words of a step, and remarks if there may be any. The answer is looked for
    anywhere, so its first word must not be the end of another."""
    first = answer[0].rstrip("_")
    stated = f"{first}(?<![{LETTER}]{first})_" + "".join(piece for piece in answer[1:] if piece != r"\. ")
    stated += rf"(?=\Z|{END}|[.,;] (?![0-9])|{first}_)"
    return Patterns(
        compiled(usual, words),
        compiled("".join(step), words),
        compiled(so_far(step), words),
        compiled("".join(copy), words),
        compiled(so_far(copy), words),
        compiled(stated),
        compiled(f"{END} |" + so_far((*answer, END + " "))),
        compiled(items),
        compiled(pairs),
        noun_first,
        symbols,
        compiled("".join(remark)) if remark else None,
        compiled(so_far(remark)) if remark else None,
    )


TERSE = (
    TERSE_USUAL,
    TERSE_STEP,
    TERSE_COPY,
    TERSE_ANSWER,
    "[a-z]++|[0-9]++|[-+*]",
    "([a-z]++) ([0-9]++)",
    True,
    {op: op for op in VERBS},
)
DIRECT = (DIRECT_USUAL, DIRECT_STEP, DIRECT_COPY, *TERSE[3:])
PROSE = (
    PROSE_USUAL,
    PROSE_STEP,
    PROSE_COPY,
    PROSE_ANSWER,
    "(?:the_number_of_)?+([a-z]++|[0-9]++)",
    "([0-9]++) ([a-z]++)",
    False,
    {verb: op for op, verb in VERBS.items()},
)
GRAMMARS = {
    "terse": patterns(*TERSE, ("", "")),
    "direct": patterns(*DIRECT, ("", "")),
    "prose": patterns(*PROSE, ("The_", "so_")),
}
WORDED = {
    "terse": patterns(*TERSE, TERSE_WORDS, TERSE_REMARK),
    "direct": patterns(*DIRECT, TERSE_WORDS, TERSE_REMARK),
    "prose": patterns(*PROSE, PROSE_WORDS, PROSE_REMARK),
}
LINE_WORDS = f"(?:{NOUN}|{NUMBER}|[-+*/=,] )*+"
LINES = {
    dialect: (compiled("".join(pieces)), compiled(so_far(pieces)))
    for dialect, pieces in (
        ("terse", (f"(?P<marker>{'|'.join(MARKERS)})_", f"(?P<words>{LINE_WORDS})", "; ")),
        ("direct", (f"(?P<marker>{'|'.join(MARKERS)})_", f"(?P<words>{LINE_WORDS})", "; ")),
        ("prose", (f"(?P<marker>{'|'.join(MARKERS).title()})_", f"(?P<words>{LINE_WORDS})", r"\. ")),
    )
}
LINE_PIECES = re.compile("[a-z]+|[0-9]+|[-+*/=,]")
LONGEST = 100_000  # characters in which steps are read: ours take a tenth, and a megabyte must not take half a second
NUMBERS = re.compile("[0-9]++")
SIGNS = re.compile("[-+*/]")
SPACE = re.compile(r"\s*+")


def parse(text: str, grammar: Grammar | str) -> Trace:
    """The trace of ``text``, in time linear in its length. Raises ValueError only for an unknown dialect.

    grammar: ``problem.grammar``, or the name of a dialect for its plain grammar.

    A tag of a thought, a remark or a line of an approach that the grammar does not allow is junk.
    Steps are read in the first ``LONGEST`` characters; what follows is junk, but for the answer and END it may hold.
    """
    if isinstance(grammar, str):
        grammar = PLAIN_GRAMMARS.get(grammar, Grammar(grammar))
    dialect, thoughts, worded, approached = grammar
    if dialect not in GRAMMARS:
        raise ValueError(f"dialect must be one of {', '.join(GRAMMARS)}, got {dialect!r}")
    read, broken = (WORDED if worded else GRAMMARS)[dialect], None
    if thoughts:
        text, broken = without(text)
    head = text[:LONGEST]
    start = position = SPACE.match(head).end()
    steps: list[Step] = []
    remarks: list[Remark] = []
    lines: list[Line] = []
    while True:
        position = usual_steps(read, head, position, steps)
        match = read.step.match(head, position)
        if match and match["stop"] is not None:
            steps.append(step(read, match, position))
        elif match := read.copy.match(head, position):
            steps.append(copied(match, position))
        elif read.remark and (match := read.remark.match(head, position)):
            remarks.append(Remark(match["noun"].rstrip(), int(match["value"]), position))
        elif approached and (match := LINES[dialect][0].match(head, position)):
            words = tuple(LINE_PIECES.findall(match["words"]))
            lines.append(Line(match["marker"].lower(), words, position))
        else:
            break  # no step, or the text stops inside it
        position = match.end()
    stopped = read.ending_so_far.match(head, position).end()
    if stopped < len(text):
        stopped = max(
            stopped, read.step_so_far.match(head, position).end(), read.copy_so_far.match(head, position).end()
        )
        if read.remark_so_far:
            stopped = max(stopped, read.remark_so_far.match(head, position).end())
        if approached:
            stopped = max(stopped, LINES[dialect][1].match(head, position).end())
    end = text.find(END, start)
    after = None if end < 0 else SPACE.match(text, end + len(END)).end()
    stated = read.answer.findall(text, 0, len(text) if end < 0 else end)
    return Trace(
        tuple(steps),
        int(stated[-1]) if stated else None,
        len(stated),
        broken if stopped == len(text) or stopped == after else stopped,
        end >= 0,
        None if after == len(text) else after,
        tuple(remarks),
        tuple(lines),
    )


class Whole(dict[str, int]):
    """Digits to number: as ``int`` says, but at once for the numbers without a modulus or below most of them."""

    def __missing__(self, digits: str) -> int:
        return int(digits)


WHOLE = Whole((str(n), n) for n in range(LIMIT + 1))


def usual_steps(read: Patterns, text: str, position: int, steps: list[Step]) -> int:
    """Add the steps of the usual form that follow one another from ``position``;
    returns where the last one's gap ends."""
    symbols, noun_first, number = read.symbols, read.noun_first, WHOLE
    for whole, statement, a, op, b, x, y, z, w, left, used, right, result, u, v, gap in read.usual.findall(
        text, position
    ):
        if not whole:
            break
        if not noun_first:  # prose names the noun after the number
            x, y, z, w, u, v = y, x, w, z, v, u
        recalled = ((x, number[y]), (z, number[w])) if z else ((x, number[y]),) if x else ()
        lines, end = ((number[left], number[right]), (number[result],)), position + len(whole)
        steps.append(Step(statement, symbols[op], (a, b), recalled, used, lines, u, number[v], (position, end)))
        position = end + len(gap)
    return position


def step(read: Patterns, match: re.Match[str], start: int) -> Step:
    """A matched step, its lists taken apart."""
    statement, expression, recalled, lines, solved, value = match.group(
        "statement", "expression", "recalled", "lines", "solved", "value"
    )
    items = read.items.findall(expression)
    pairs = read.pairs.findall(recalled) if recalled else ()
    return Step(
        statement.rstrip(),
        joined([read.symbols[sign] for sign in items[1::2]]),
        tuple(items[0::2]),
        tuple([(a, int(b)) if read.noun_first else (b, int(a)) for a, b in pairs]),
        joined(SIGNS.findall(lines)),
        tuple([tuple([int(digits) for digits in NUMBERS.findall(row)]) for row in lines.split("=")]),
        solved.rstrip(),
        int(value),
        (start, match.end("stop")),
    )


def copied(match: re.Match[str], start: int) -> Step:
    """A matched copy."""
    statement, operand, noun, solved = (match[name].rstrip() for name in ("statement", "operand", "noun", "solved"))
    recalled = int(match["recalled"])
    span = start, match.end("stop")
    return Step(
        statement, SAME, (operand,), ((noun, recalled),), SAME, ((recalled,),), solved, int(match["value"]), span
    )


def joined(signs: list[str]) -> str:
    """The one operator of an expression, or each different one once."""
    return signs[0] if len(signs) == 1 else "".join(dict.fromkeys(signs))
