"""A second opinion on worked solutions: it judges a text from the question's text alone, and shares no code with synth.

It is slow and obvious: regular expressions sentence by sentence, equations solved by trying every value. None of
``synth.parse``, ``synth.verify``, ``synth.ops`` and ``synth.render`` is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

SIGN = {"plus": "+", "minus": "-", "times": "*", "+": "+", "-": "-", "*": "*"}
COPY = "="  # the sign of a statement that repeats a quantity
VERB = {"+": "plus", "-": "minus", "*": "times"}
WHOLE = r"(?:0|[1-9][0-9]*)"


@dataclass
class Question:
    """A question as read: statements (noun -> sign and operands, in question order), values of all
    quantities, target, the statements needed, each with the quantity it finds, in the one canonical order,
    and all nouns in question order."""

    statements: dict[str, tuple[str, tuple[str, ...]]]
    given: dict[str, int]
    target: str
    values: dict[str, int] = field(default_factory=dict)
    needed: dict[str, str] = field(default_factory=dict)
    stated: list[str] = field(default_factory=list)
    dialect: str = "terse"


@dataclass
class Step:
    """A step as read, or as it is to be said."""

    noun: str
    sign: str
    operands: tuple[str, ...]
    recalled: tuple[tuple[str, int], ...]
    used: str
    rows: tuple[tuple[int, ...], ...]
    solved: str
    value: int


def value_of(sign: str, a: int, b: int, modulus: int | None) -> int | None:
    """One operation from its definition; a quotient is the number that times ``b`` gives ``a``."""
    if sign == "/":
        if modulus is None:
            return a // b if b and a % b == 0 else None
        fits = [x for x in range(modulus) if x * b % modulus == a % modulus]
        return fits[0] if len(fits) == 1 else None
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return value if modulus is None else value % modulus


def total(sign: str, numbers: list[int], modulus: int | None) -> int | None:
    result: int | None = numbers[0]
    for number in numbers[1:]:
        if result is not None:
            result = value_of(sign, result, number, modulus)
    return result


def read_expression(text: str) -> tuple[str, tuple[str, ...]] | None:
    """``foxes + owls + 3`` or ``the number of foxes plus 3`` as sign and operands."""
    if alone := re.fullmatch(r"(?:the number of )?([a-z]+)", text):
        return COPY, (alone[1],)
    bare = re.sub(r"\bthe number of (?=[a-z])", "", text)
    words = bare.split(" ")
    signs = {SIGN.get(word) for word in words[1::2]}
    if len(words) < 3 or len(words) % 2 == 0 or len(signs) != 1 or None in signs:
        return None
    if not all(re.fullmatch(rf"[a-z]+|{WHOLE}", word) for word in words[0::2]):
        return None
    if "the number of" in text or " plus " in text or " minus " in text or " times " in text:  # prose says it in full
        full = [word if word[0].isdigit() else f"the number of {word}" for word in words[0::2]]
        if text != f" {words[1]} ".join(full) or words[1] not in VERB.values():
            return None
    return signs.pop(), tuple(words[0::2])


@lru_cache(maxsize=64)
def read_question(question: str, dialect: str, modulus: int | None) -> Question:
    """The question's text taken apart, solved, and its canonical order found."""
    asked = Question({}, {}, "", dialect=dialect)
    if dialect != "prose":
        *sentences, last = question.split(" ; ")
        asked.target = last.split(" ")[0]
    else:
        sentences = question.split(". ")
        asked.target = sentences.pop().split(" ")[2]
    for sentence in sentences:
        words = sentence.split(" ")
        if words[0] != "Count":
            asked.stated.append(words[3] if dialect == "prose" else words[0])
        if dialect != "prose" and len(words) == 2 and words[1].isdigit():
            asked.given[words[0]] = int(words[1])
        elif dialect == "terse":
            assert words[1] == "="
            asked.statements[words[0]] = read_expression(" ".join(words[2:]))
        elif dialect == "direct":
            asked.statements[words[0]] = read_expression(" ".join(words[1:]))
        elif words[0] == "There":
            asked.given[words[3]] = int(words[2])
        elif words[0] == "The":
            asked.statements[words[3]] = read_expression(" ".join(words[5:]))
    found_by = solve(asked, modulus)
    due = [asked.target]
    needed = set()
    while due:
        noun = due.pop()
        if noun in found_by and found_by[noun] not in needed:
            needed.add(found_by[noun])
            due += nouns_of(asked, found_by[noun])
    known = set(asked.given)
    while len(asked.needed) < len(needed):
        for noun in asked.statements:  # the first in the question that is needed and has one unknown
            unknown = [n for n in nouns_of(asked, noun) if n not in known]
            if noun in needed and noun not in asked.needed and len(unknown) == 1:
                asked.needed[noun] = unknown[0]
                known.add(unknown[0])
                break
        else:
            raise AssertionError(f"the question cannot be answered: {question}")
    return asked


def solve(asked: Question, modulus: int | None) -> dict[str, str]:
    """Find every value that can be found, trying all numbers; return which statement found each quantity."""
    asked.values.update(asked.given)
    found_by: dict[str, str] = {}
    changed = True
    while changed:
        changed = False
        for noun, (sign, operands) in asked.statements.items():
            unknown = [n for n in nouns_of(asked, noun) if n not in asked.values]
            if len(unknown) != 1:
                continue
            for guess in range(modulus or 1000):
                trial = {**asked.values, unknown[0]: guess}
                numbers = [int(o) if o.isdigit() else trial[o] for o in operands]
                if total(sign, numbers, modulus) == trial[noun]:
                    asked.values[unknown[0]] = guess
                    found_by[unknown[0]] = noun
                    changed = True
                    break
    return found_by


def nouns_of(asked: Question, noun: str) -> list[str]:
    return [noun, *(o for o in asked.statements[noun][1] if not o.isdigit())]


def read_steps(text: str, dialect: str) -> tuple[list[Step], int] | None:
    """All steps and the answer, or None if the text is not exactly steps, one answer, and the end."""
    text = re.sub(r"[ \n\t]+", " ", text).strip(" ")
    if dialect != "prose":
        parts = re.fullmatch(rf"((?:[^;]+ ; )*)answer ({WHOLE}) <end>", text)
        chunks = parts and parts[1].split(" ; ")[:-1]
        equals = " =" if dialect == "terse" else ""
        found = rf"(?P<solved>[a-z]+) (?P<value>{WHOLE})"
        form = rf"([a-z]+){equals} ([^,=]+) , (?:((?:[a-z]+ {WHOLE} )+), )?([^,a-z]+) , {found}"
    else:
        parts = re.fullmatch(rf"((?:[^.]+\. [^.]+\. )*)The answer is ({WHOLE})\. <end>", text)
        chunks = parts and re.findall(r"[^.]+\. [^.]+\. ", parts[1])
        form = (
            r"The number of ([a-z]+) is ([^.,]+)\. (?:There are ([0-9a-z ]+), and|So) ([^a-z,]+), "
            rf"so there are (?P<value>{WHOLE}) (?P<solved>[a-z]+)\. "
        )
    copy = COPIES[dialect]
    if not parts:
        return None
    steps = []
    for chunk in chunks:
        if match := re.fullmatch(copy, chunk):
            value = int(match["recalled"])
            pairs, rows = ((match["noun"], value),), ((value,),)
            steps.append(Step(match[1], COPY, (match[2],), pairs, COPY, rows, match["solved"], int(match["value"])))
            continue
        match = re.fullmatch(form, chunk)
        expression = match and read_expression(match[2])
        pairs = match and read_pairs(match[3], dialect)
        equation = match and read_equation(match[4])
        if expression is None or pairs is None or equation is None or not match or expression[0] == COPY:
            return None
        if (dialect == "prose") != any(verb in match[2] for verb in VERB.values()):
            return None
        steps.append(Step(match[1], *expression, pairs, *equation, match["solved"], int(match["value"])))
    return steps, int(parts[2])


COPIES = {
    "terse": rf"([a-z]+) = ([a-z]+) , (?P<noun>[a-z]+) (?P<recalled>{WHOLE}) , (?P<solved>[a-z]+) (?P<value>{WHOLE})",
    "direct": rf"([a-z]+) ([a-z]+) , (?P<noun>[a-z]+) (?P<recalled>{WHOLE}) , (?P<solved>[a-z]+) (?P<value>{WHOLE})",
    "prose": rf"The number of ([a-z]+) is the number of ([a-z]+)\. There are (?P<recalled>{WHOLE}) (?P<noun>[a-z]+), "
    rf"so there are (?P<value>{WHOLE}) (?P<solved>[a-z]+)\. ",
}


def read_pairs(text: str | None, dialect: str) -> tuple[tuple[str, int], ...] | None:
    if text is None:
        return ()
    if dialect != "prose":
        words = text.split()
        return tuple(zip(words[0::2], map(int, words[1::2]), strict=False))
    pairs = [re.fullmatch(rf"({WHOLE}) ([a-z]+)", part) for part in text.split(" and ")]
    return tuple((p[2], int(p[1])) for p in pairs) if all(pairs) else None


def read_equation(text: str) -> tuple[str, tuple[tuple[int, ...], ...]] | None:
    rows = []
    signs = set()
    for part in text.split(" = "):
        words = part.split(" ")
        if len(words) % 2 == 0 or not all(re.fullmatch(WHOLE, word) for word in words[0::2]):
            return None
        if not set(words[1::2]) <= set("+-*/"):
            return None
        signs |= set(words[1::2])
        rows.append(tuple(map(int, words[0::2])))
    return (signs.pop(), tuple(rows)) if len(signs) == 1 else None


def correct(
    question: str,
    text: str,
    dialect: str,
    modulus: int | None,
    thoughts: bool = False,
    skips: bool = False,
    worded: bool = False,
) -> bool:
    """Whether the text is a right and complete solution: every claim true, nothing missing, nothing more.

    thoughts: whether it may think in between. skips: whether it may skip any step but the last. worded: whether
    it may use other words than the plain ones, and remark on what is given.
    """
    asked = read_question(question, dialect, modulus)
    if thoughts:
        text = unthought(text)
        if dialect == "prose":  # a mark stands close to the word before it, also where a thought was between them
            text = re.sub(" +(?=[.,])", "", text)
    if worded:
        text = PLAIN[dialect](re.sub(r"[ \n\t]+", " ", text).strip(" "), asked)
    said = read_steps(text, dialect)
    if said is None or said[1] != asked.values[asked.target]:
        return False
    nouns = [step.noun for step in said[0]]
    due = [noun for noun in asked.needed if noun in nouns or noun == [*asked.needed][-1]] if skips else [*asked.needed]
    if sorted(nouns) != sorted(due) or (dialect != "prose" and nouns != due):
        return False
    known = set(asked.given)
    for step in said[0]:
        follow(asked, known, set(asked.needed) - set(due))
        if not step_correct(asked, step, known, dialect, modulus):
            return False
        known.add(step.solved)
    return True


OPENINGS = ("next", "then", "now")
CONCLUSIONS = ("so", "hence", "thus", "therefore")


def plain_terse(text: str, asked: Question) -> str:
    """The text in plain words, without true remarks; whatever else differs stays as it is."""
    kept = []
    for part in text.split(" ; "):
        words = part.split(" ")
        if len(words) == 3 and words[0] == "note" and words[2] == str(asked.given.get(words[1], "")):
            continue
        if words[0] in OPENINGS and "," in words:
            del words[0]
        if len(words) > 4 and words[-4] == "," and words[-3] in CONCLUSIONS:
            del words[-3]
        kept.append(" ".join(words))
    return " ; ".join(kept)


def plain_prose(text: str, asked: Question) -> str:
    """The same in prose, where a step has two sentences and remarks stand between steps."""
    kept: list[str] = []
    inside = False
    for sentence in re.split(r"(?<=\.) ", re.sub(" +(?=[.,])", "", text)):
        noted = re.fullmatch(rf"Note that there are ({WHOLE}) ([a-z]+)\.", sentence)
        if noted and not inside and asked.given.get(noted[2]) == int(noted[1]):
            continue
        sentence = re.sub("^(?:Next|Then|Now), the number", "The number", sentence)
        kept.append(re.sub(", (?:hence|thus|therefore) there are", ", so there are", sentence))
        inside = sentence.startswith("The answer") or (not inside and sentence.startswith("The number"))
    return " ".join(kept)


PLAIN = {"terse": plain_terse, "direct": plain_terse, "prose": plain_prose}


def follow(asked: Question, known: set[str], skipped: set[str]) -> None:
    """Add what the skipped statements tell of what is known, of what they tell, and so on."""
    while ready := [u[0] for n in skipped if len(u := [q for q in nouns_of(asked, n) if q not in known]) == 1]:
        known.update(ready)


def unthought(text: str) -> str:
    """The text without its thoughts; what cannot be one stays where it is, and is no part of a solution."""
    body, end, rest = text.partition("<end>")
    while "<think>" in body:
        before, _, inside = body.partition("<think>")
        thought, closed, after = inside.partition("</think>")
        if not closed or "<think>" in thought or "</think>" in before:
            return text
        body = f"{before} {after}"
    return body + end + rest


def step_correct(asked: Question, step: Step, known: set[str], dialect: str, modulus: int | None) -> bool:
    free = dialect == "prose"
    sign, operands = asked.statements[step.noun]
    same = step.operands == operands or (free and sign in "+*" and sorted(step.operands) == sorted(operands))
    if not same or step.sign != sign:
        return False
    unknown = [noun for noun in nouns_of(asked, step.noun) if noun not in known]
    if unknown != [step.solved] or step.value != asked.values[step.solved]:
        return False
    used, terms = equation_for(asked, step.noun, step.solved)
    recalled = [(term, asked.values[term]) for term in terms if not term.isdigit()]
    if list(step.recalled) != recalled and not (free and sorted(step.recalled) == sorted(recalled)):
        return False
    numbers = [int(term) if term.isdigit() else asked.values[term] for term in terms]
    first = list(step.rows[0])
    pinned = 0 if used in "+*" else 1  # the minuend or dividend stays in front
    permuted = free and first[:pinned] == numbers[:pinned] and sorted(first) == sorted(numbers)
    if step.used != used or not (first == numbers or permuted):
        return False
    for row, after in pairwise(step.rows):
        if len(row) < 2 or list(after) != [value_of(used, row[0], row[1], modulus), *row[2:]]:
            return False
    return step.rows[-1] == (step.value,)


def equation_for(asked: Question, noun: str, solved: str) -> tuple[str, list[str]]:
    """The sign and the terms that give ``solved`` from the statement of ``noun``."""
    sign, operands = asked.statements[noun]
    if solved == noun:
        return sign, list(operands)
    if sign == COPY:
        return COPY, [noun]
    others = [o for o in operands if o != solved]
    if sign == "+":
        return "-", [noun, *others]
    if sign == "*":
        return "/", [noun, *others]
    return ("+", [noun, *others]) if operands[0] == solved else ("-", [*others, noun])
