"""A second opinion on worked solutions, and every way we know to spoil one.

``correct`` judges a text from the question's text alone. It is slow and obvious (regular expressions sentence by
sentence, equations solved by trying every value) and shares no code with ``synth.parse``, ``synth.verify``,
``synth.ops`` or ``synth.render``. ``mutant`` spoils a right solution; ``rewriting`` changes one that stays right;
``campaign``, and this file as a script, let both judge such texts and arbitrary ones.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from random import Random

from interlude.synth.approaches import APPROACHES, asking
from interlude.synth.approaches import PLAIN as PLAIN_APPROACH
from interlude.synth.graph import Shape
from interlude.synth.problem import Problem
from interlude.synth.solution_style import SolutionStyle, Wording
from interlude.synth.source import Source
from interlude.synth.verify import verify

# --- the second opinion ----------------------------------------------------------------------------------------------

SIGN = {"plus": "+", "minus": "-", "times": "*", "+": "+", "-": "-", "*": "*"}
COPY = "="  # the sign of a statement that repeats a quantity
VERB = {"+": "plus", "-": "minus", "*": "times"}
WHOLE = r"(?:0|[1-9][0-9]*)"


@dataclass
class Asked:
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
class Said:
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
def read_question(question: str, dialect: str, modulus: int | None) -> Asked:
    """The question's text taken apart, solved, and its canonical order found."""
    asked = Asked({}, {}, "", dialect=dialect)
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


def solve(asked: Asked, modulus: int | None) -> dict[str, str]:
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


def nouns_of(asked: Asked, noun: str) -> list[str]:
    return [noun, *(o for o in asked.statements[noun][1] if not o.isdigit())]


def read_steps(text: str, dialect: str) -> tuple[list[Said], int] | None:
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
            steps.append(Said(match[1], COPY, (match[2],), pairs, COPY, rows, match["solved"], int(match["value"])))
            continue
        match = re.fullmatch(form, chunk)
        expression = match and read_expression(match[2])
        pairs = match and read_pairs(match[3], dialect)
        equation = match and read_equation(match[4])
        if expression is None or pairs is None or equation is None or not match or expression[0] == COPY:
            return None
        if (dialect == "prose") != any(verb in match[2] for verb in VERB.values()):
            return None
        steps.append(Said(match[1], *expression, pairs, *equation, match["solved"], int(match["value"])))
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


def plain_terse(text: str, asked: Asked) -> str:
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


def plain_prose(text: str, asked: Asked) -> str:
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


def follow(asked: Asked, known: set[str], skipped: set[str]) -> None:
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


def step_correct(asked: Asked, step: Said, known: set[str], dialect: str, modulus: int | None) -> bool:
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


def equation_for(asked: Asked, noun: str, solved: str) -> tuple[str, list[str]]:
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


# --- the second opinion on approaches --------------------------------------------------------------------------------

LINES = (
    "level", "find", "need", "part", "merge", "let", "put", "order",
    "given", "keep", "tabulate", "undo", "group", "hold", "left",
)  # fmt: skip


def units(text: str, dialect: str) -> list[str]:
    """A text cut after each step, line or sentence."""
    text = re.sub(r"[ \n\t]+", " ", text).strip(" ")
    if dialect != "prose":
        return [part for part in re.split("(?<= ;) ", text) if part]
    text = re.sub(" +(?=[.,])", "", text)
    return re.findall(
        r" ?(The number of [^.]*\. (?:There|So)\b[^.]*\.|The answer is [^.]*\. <end>$|[^.]*\.|[^.]+$)", text
    )


def line_of(unit: str, dialect: str) -> list[str] | None:
    """The words of a line of an approach, or None for any other unit."""
    unit = unit.strip(" ")
    stop = "." if dialect == "prose" else " ;"
    words = unit.removesuffix(stop).replace(",", " ,").split()
    first = words[0] if words else ""
    marker = first[:1].lower() + first[1:] if dialect == "prose" else first
    if not unit.endswith(stop) or marker not in LINES or (dialect == "prose" and not first[0].isupper()):
        return None
    return [marker, *words[1:]]


def correct_approach(question: str, text: str, dialect: str, modulus: int | None) -> bool:
    """Whether the text is a right solution by any approaches: each line is one that the rules at the top of
    ``synth.approaches`` allow where it stands, every needed step is right, and nothing else is said."""
    asked = read_question(question, dialect, modulus)
    events: list[tuple[str, list[str]]] = []
    steps_text = []
    for unit in units(text, dialect):
        line = line_of(unit, dialect)
        if line is None:
            steps_text.append(unit.strip(" "))
            events.append(("", []))
        else:
            if events and "answer" in steps_text[-1:]:
                return False
            events.append((line[0], line[1:]))
    said = read_steps(" ".join(steps_text), dialect)
    if said is None or said[1] != asked.values[asked.target] or len(said[0]) + 1 != len(steps_text) or events[-1][0]:
        return False
    events.pop()  # the answer
    known = set(asked.given)
    for step in said[0]:
        if step.noun not in asked.statements or not any(
            step_correct(each, step, known, dialect, modulus) for each in (asked, opposite(asked, step.noun))
        ):
            return False
        known.add(step.solved)
    due = list(asked.statements) if any(marker == "tabulate" for marker, _ in events) else list(asked.needed)
    if sorted(step.noun for step in said[0]) != sorted(due):
        return False
    steps = iter(said[0])
    told = [(marker, words) if marker else ("", [next(steps).noun]) for marker, words in events]
    return all(rule(asked, told, modulus) for rule in RULES)


def opposite(asked: Asked, noun: str) -> Asked:
    sign, operands = asked.statements[noun]
    return replace(asked, statements={**asked.statements, noun: (sign, operands[::-1] if sign in "+*" else operands)})


def terms_of(asked: Asked, noun: str) -> list[str]:
    return equation_for(asked, noun, asked.needed[noun])[1]


def finder_of(asked: Asked, quantity: str) -> str | None:
    return next((noun for noun, solved in asked.needed.items() if solved == quantity), None)


def earlier(asked: Asked, noun: str) -> list[str]:
    """The statements that find what a statement needs."""
    return [f for term in terms_of(asked, noun) if (f := finder_of(asked, term))]


def height(asked: Asked, noun: str) -> int:
    return 1 + max([height(asked, each) for each in earlier(asked, noun)], default=0)


def below(asked: Asked, noun: str) -> set[str]:
    return {noun}.union(*(below(asked, each) for each in earlier(asked, noun)))


def blocks(asked: Asked, told: list, markers: tuple[str, ...]) -> list[tuple[str, list[str], list[str]]] | None:
    """Needed steps under the heading they follow; None where there is no such heading, the first being no heading's."""
    found: list[tuple[str, list[str], list[str]]] = [("", [], [])]
    for marker, words in told:
        if marker in markers:
            found.append((marker, words, []))
        elif not marker and words[0] in asked.needed:
            found[-1][2].append(words[0])
    return found if len(found) > 1 else None


def rule_levels(asked: Asked, told: list, modulus: int | None) -> bool:
    parts = blocks(asked, told, ("level",))
    if parts is None:
        return True
    heights = {noun: height(asked, noun) for noun in asked.needed}
    due = [{n for n in heights if heights[n] == level} for level in range(max(heights.values(), default=0) + 1)]
    return [set(nouns) for _, _, nouns in parts] == due and all(not words for _, words, _ in parts)


def rule_depth(asked: Asked, told: list, modulus: int | None) -> bool:
    events = [(m, w) for m, w in told if m == "find" or (not m and w[0] in asked.needed)]
    if not any(m for m, _ in events):
        return True
    if events[0][0] != "find" or sum(bool(m) for m, _ in events) != len(asked.needed):
        return False
    outer: list[str] = []
    for nth, (marker, words) in enumerate(events):
        if marker:
            if len(words) != 1 or (noun := finder_of(asked, words[0])) is None:
                return False
            if (nth == 0 and words[0] != asked.target) or (
                nth and (not outer or noun not in earlier(asked, outer[-1]))
            ):
                return False
            outer.append(noun)
        elif not outer or outer.pop() != words[0]:
            return False
    return not outer


def before_steps(told: list, marker: str) -> list[list[str]] | None:
    """The lines of this marker, or None if a step comes before one of them."""
    places = [nth for nth, (m, _) in enumerate(told) if m == marker]
    if places and any(not m for m, _ in told[: places[-1]]):
        return None
    return [told[nth][1] for nth in places]


def listed(words) -> list[str]:
    return " , ".join(words).split()


def steps_in(asked: Asked, told: list) -> list[str]:
    return [words[0] for marker, words in told if not marker and words[0] in asked.needed]


def rule_backward(asked: Asked, told: list, modulus: int | None) -> bool:
    lines = before_steps(told, "need")
    if not lines:
        return lines is not None
    nouns = [finder_of(asked, words[0]) if words else None for words in lines]
    if None in nouns or nouns[0] != finder_of(asked, asked.target) or nouns != steps_in(asked, told)[::-1]:
        return False
    for nth, (noun, words) in enumerate(zip(nouns, lines, strict=True)):
        named = [term for term in terms_of(asked, noun) if not term.isdigit()]
        if words != [asked.needed[noun], *(["from", *listed(named)] if named else [])]:
            return False
        if nth and not any(noun in earlier(asked, other) for other in nouns[:nth]):
            return False
    return True


def rule_subgoals(asked: Asked, told: list, modulus: int | None) -> bool:
    parts = blocks(asked, told, ("part", "merge"))
    if parts is None:
        return True
    last = finder_of(asked, asked.target)
    if last is None or parts[0][2] or [m for m, _, _ in parts[1:]] != ["part"] * (len(parts) - 2) + ["merge"]:
        return False
    if parts[-1][1:] != ([asked.target], [last]):
        return False
    done: set[str] = set()
    for _, words, nouns in parts[1:-1]:
        noun = finder_of(asked, words[0]) if len(words) == 1 else None
        if (
            noun not in earlier(asked, last)
            or noun in done
            or nouns[-1:] != [noun]
            or not set(nouns) <= below(asked, noun)
        ):
            return False
        done.update(nouns)
    return True


def rule_formulas(asked: Asked, told: list, modulus: int | None) -> bool:
    for marker in ("let", "put"):
        lines = before_steps(told, marker)
        if lines is None:
            return False
        due = []
        for noun, solved in asked.needed.items():
            sign, terms = equation_for(asked, noun, solved)
            if marker == "put":
                terms = [str(asked.given.get(term, term)) for term in terms]
            equals = [] if asked.dialect == "direct" else ["="]
            due.append([solved, *equals, *f" {sign} ".join(terms).split()])
        if lines and sorted(lines) != sorted(due):
            return False
    return True


def rule_heads(asked: Asked, told: list, modulus: int | None) -> bool:
    """Plans, restatements, lists of what is needed, tables: one line, before the steps."""
    given = [word for noun, value in asked.given.items() for word in (noun, str(value), ",")]
    used = {asked.target, *(n for noun in asked.needed for n in nouns_of(asked, noun))}
    for marker, due in (
        ("order", listed([asked.needed[noun] for noun in steps_in(asked, told)])),
        ("given", [*given, "asked", asked.target]),
        ("keep", listed([noun for noun in dict.fromkeys(asked.stated) if noun in used])),
        ("tabulate", []),
    ):
        if (lines := before_steps(told, marker)) is None or lines not in ([], [due]):
            return False
    return True


def rule_check(asked: Asked, told: list, modulus: int | None) -> bool:
    if not any(marker == "undo" for marker, _ in told):
        return True
    done: list[str] = []
    waiting = set(asked.needed)
    for marker, words in told:
        if not marker:
            done.append(words[0])
        elif marker == "undo":
            noun = words[0] if words else ""
            if noun not in done or noun not in waiting or words[1:] != [",", *undoing(asked, noun, modulus).split()]:
                return False
            waiting.remove(noun)
    return not waiting


def undoing(asked: Asked, noun: str, modulus: int | None) -> str:
    """A statement solved for another quantity than its step found, or turned round where no other can be."""
    sign, operands = asked.statements[noun]
    ways = [(sign, list(operands[::-1]))]
    if asked.needed[noun] != noun:
        ways = [(sign, list(operands))]
    elif sign == COPY:
        ways = [(COPY, [noun])]
    else:
        nth = {"+": "-", "*": "/", "-": "+"}
        for at in range(len(operands) - 1, -1, -1):
            others = [*operands[:at], *operands[at + 1 :]]
            way = ("-", [*others, noun]) if sign == "-" and at else (nth[sign], [noun, *others])
            ways.append(way)
    for used, terms in ways[::-1]:
        numbers = [int(term) if term.isdigit() else asked.values[term] for term in terms]
        if total(used, numbers, modulus) is not None:
            rows = rows_of(used, numbers, modulus)
            return " = ".join(f" {used} ".join(map(str, row)) for row in rows)
    raise AssertionError(noun)


def rule_grouped(asked: Asked, told: list, modulus: int | None) -> bool:
    parts = blocks(asked, told, ("group",))
    if parts is None:
        return True
    if parts[0][2]:
        return False
    done: set[str] = set()
    before = None
    for _, words, nouns in parts[1:]:
        signs = {equation_for(asked, noun, asked.needed[noun])[0] for noun in nouns}
        if len(signs) != 1 or words != [*signs] or words == before:
            return False
        done.update(nouns)
        more = [n for n in asked.needed if n not in done and equation_for(asked, n, asked.needed[n])[0] in signs]
        if any(done.issuperset(earlier(asked, noun)) for noun in more):
            return False
        before = words
    return True


def rule_turns(asked: Asked, told: list, modulus: int | None) -> bool:
    """What is held comes after every needed step, what is left before."""
    events = [(m, w) for m, w in told if m in ("hold", "left") or (not m and w[0] in asked.needed)]
    for marker, first in (("hold", 0), ("left", 1)):
        mine = [(m, w) for m, w in events if m in ("", marker)]
        if not any(m for m, _ in mine):
            continue
        if len(mine) != 2 * len(asked.needed) or any(
            bool(m) != ((nth + first) % 2 == 1) for nth, (m, _) in enumerate(mine)
        ):
            return False
        done: list[str] = []
        for m, words in mine:
            open_ = [noun for noun in asked.needed if noun not in done]
            if not m:
                done.append(words[0])
            elif m == "left":
                if words != listed([asked.needed[noun] for noun in open_]):
                    return False
            else:
                wanted = {asked.target, *(term for noun in open_ for term in terms_of(asked, noun))}
                live = [asked.needed[noun] for noun in done if asked.needed[noun] in wanted]
                if words != " , ".join(f"{noun} {asked.values[noun]}" for noun in live).split():
                    return False
    return True


RULES = (
    rule_levels, rule_depth, rule_backward, rule_subgoals, rule_formulas,
    rule_heads, rule_check, rule_grouped, rule_turns,
)  # fmt: skip


# --- saying a solution -----------------------------------------------------------------------------------------------


def say_step(step: Said, dialect: str) -> str:
    rows = " = ".join(f" {step.used} ".join(map(str, row)) for row in step.rows)
    if dialect != "prose":
        pairs = "".join(f"{noun} {value} " for noun, value in step.recalled)
        start = f"{step.noun} =" if dialect == "terse" else step.noun
        if step.used == COPY:
            return f"{start} {' + '.join(step.operands)} , {pairs}, {step.solved} {step.value} ;"
        return (
            f"{start} {f' {step.sign} '.join(step.operands)} , {pairs + ', ' if pairs else ''}"
            f"{rows} , {step.solved} {step.value} ;"
        )
    full = [o if o.isdigit() else f"the number of {o}" for o in step.operands]
    pairs = " and ".join(f"{value} {noun}" for noun, value in step.recalled)
    if step.used == COPY:
        said = f"The number of {step.noun} is {' plus '.join(full)}. There are {pairs}"
        return f"{said}, so there are {step.value} {step.solved}."
    given = f"There are {pairs}, and" if pairs else "So"
    return (
        f"The number of {step.noun} is {f' {VERB[step.sign]} '.join(full)}. {given} "
        f"{rows}, so there are {step.value} {step.solved}."
    )


def say(steps: list[Said], answer: int, dialect: str) -> str:
    ending = f"The answer is {answer}. <end>" if dialect == "prose" else f"answer {answer} <end>"
    return " ".join([*(say_step(step, dialect) for step in steps), ending])


def rows_of(used: str, numbers: list[int], modulus: int | None) -> tuple[tuple[int, ...], ...]:
    rows = [tuple(numbers)]
    while len(rows[-1]) > 1:
        first = value_of(used, rows[-1][0], rows[-1][1], modulus)
        rows.append((0 if first is None else first, *rows[-1][2:]))
    return tuple(rows)


# --- spoiling one ----------------------------------------------------------------------------------------------------


@dataclass
class Draft:
    """A right solution, its question, and what to draw with."""

    random: Random
    asked: Asked
    steps: list[Said]
    answer: int
    text: str
    dialect: str
    modulus: int | None

    def say(self, steps: list[Said]) -> str:
        return say(steps, self.answer, self.dialect)

    def say_with(self, nth: int, step: Said) -> str:
        return self.say([*self.steps[:nth], step, *self.steps[nth + 1 :]])

    def pick(self) -> int:
        return self.random.randrange(len(self.steps))

    def noun(self) -> str:
        return self.random.choice([*self.asked.values, "unicorns"])

    def number(self) -> int:
        return self.random.randrange((self.modulus or 30) + 2)

    def replace_token(self, pattern: str, new) -> str:
        """One random match of ``pattern`` in the text replaced by ``new(match)``."""
        spots = list(re.finditer(pattern, self.text))
        if not spots:
            return self.text
        spot = self.random.choice(spots)
        return self.text[: spot.start()] + new(spot[0]) + self.text[spot.end() :]


def draft(problem: Problem, random: Random) -> Draft:
    modulus = problem.graph.modulus
    asked = read_question(problem.question, problem.dialect, modulus)
    said = read_steps(problem.solution, problem.dialect)
    assert said is not None, problem.solution
    return Draft(random, asked, said[0], said[1], problem.solution, problem.dialect, modulus)


def digit(d: Draft) -> str:
    return d.replace_token("[0-9]+", lambda old: str(d.number()))


def noun(d: Draft) -> str:
    return d.replace_token("|".join(rf"\b{n}\b" for n in d.asked.values), lambda old: d.noun())


def operator(d: Draft) -> str:
    return d.replace_token(
        r" [-+*/] | plus | minus | times ",
        lambda old: d.random.choice(
            [" + ", " - ", " * ", " / "] if len(old) == 3 else [" plus ", " minus ", " times "]
        ),
    )


def operand(d: Draft) -> str:
    """Another operand in the restatement only."""
    nth = d.pick()
    operands = list(d.steps[nth].operands)
    operands[d.random.randrange(len(operands))] = d.noun()
    return d.say_with(nth, replace(d.steps[nth], operands=tuple(operands)))


def parent(d: Draft) -> str:
    """Another operand throughout the step, with its true value and right arithmetic."""
    nth = d.pick()
    step = d.steps[nth]
    named = [noun for noun, _ in step.recalled]
    if not named:
        return d.text
    old, new = d.random.choice(named), d.random.choice(list(d.asked.values))
    recalled = tuple((new, d.asked.values[new]) if noun == old else (noun, value) for noun, value in step.recalled)
    operands = tuple(new if o == old else o for o in step.operands)
    numbers = [d.asked.values[new] if n == d.asked.values[old] else n for n in step.rows[0]]
    rows = rows_of(step.used, numbers, d.modulus)
    return d.say_with(nth, replace(step, operands=operands, recalled=recalled, rows=rows, value=rows[-1][0]))


def swapped(d: Draft) -> str:
    steps = list(d.steps)
    a, b = d.pick(), d.pick()
    steps[a], steps[b] = steps[b], steps[a]
    return d.say(steps)


def dropped(d: Draft) -> str:
    nth = d.pick()
    return d.say(d.steps[:nth] + d.steps[nth + 1 :])


def repeated(d: Draft) -> str:
    steps = list(d.steps)
    steps.insert(d.random.randrange(len(steps) + 1), d.steps[d.pick()])
    return d.say(steps)


def contradicted(d: Draft) -> str:
    """A step said again with another result, before or after the right one."""
    steps = list(d.steps)
    step = d.steps[d.pick()]
    number = d.number()
    steps.insert(d.random.randrange(len(steps) + 1), replace(step, rows=(*step.rows[:-1], (number,)), value=number))
    return d.say(steps)


def distractor(d: Draft) -> str:
    """A true step that the answer does not need, anywhere."""
    unneeded = [n for n in d.asked.statements if n not in d.asked.needed and n in d.asked.values]
    if not unneeded:
        return invented(d)
    noun = d.random.choice(unneeded)
    sign, operands = d.asked.statements[noun]
    steps = list(d.steps)
    steps.insert(d.random.randrange(len(steps) + 1), true_step(d, noun, sign, operands))
    return d.say(steps)


def invented(d: Draft) -> str:
    """A step for a statement the question does not make, computed rightly."""
    operands = (d.random.choice(list(d.asked.values)), d.random.choice(list(d.asked.values)))
    steps = list(d.steps)
    steps.insert(d.random.randrange(len(steps) + 1), true_step(d, d.noun(), d.random.choice("+-*"), operands))
    return d.say(steps)


def true_step(d: Draft, noun: str, sign: str, operands: tuple[str, ...]) -> Said:
    numbers = [int(o) if o.isdigit() else d.asked.values[o] for o in operands]
    rows = rows_of(sign, numbers, d.modulus)
    recalled = tuple((o, d.asked.values[o]) for o in operands if not o.isdigit())
    return Said(noun, sign, operands, recalled, sign, rows, noun, abs(rows[-1][0]))


INJECTIONS = (
    "wait", "so we know that", "; ;", "answer", ",", ".", "<end>", "<pad>", "<bos>", "+ 1", "= 0", "= 0 = 0",
    "The", "0", "and", "There are 3 bears.", "bears 3 ;", "bears 3 ,", "\x00", "\ud800", "#", "eval ( 1 )",
    "\u00e9", "-1", "1e3", "0.5",
)  # fmt: skip


def injected(d: Draft) -> str:
    words = d.text.split(" ")
    words.insert(d.random.randrange(len(words) + 1), d.random.choice(INJECTIONS))
    return " ".join(words)


def second_answer(d: Draft) -> str:
    """Another answer, right or wrong, before, after or instead of the end."""
    one = d.answer if d.random.random() < 0.5 else d.number()
    more = f"The answer is {one}." if d.dialect == "prose" else f"answer {one}"
    place = d.random.randrange(3)
    if place == 0:
        return f"{more} {d.text}"
    return f"{d.text} {more}" if place == 1 else d.text.replace("<end>", f"{more} <end>")


def wrong_answer(d: Draft) -> str:
    return say(d.steps, d.number(), d.dialect)


def truncated(d: Draft) -> str:
    return d.text[: d.random.randrange(len(d.text))]


LOOK_ALIKE = str.maketrans(
    "aceops0123456789+-*=;,.",
    "\u0430\u0441\u0435\u043e\u0440\u0455"
    "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\uff19"
    "\uff0b\u2212\u2217\uff1d\u037e\u201a\u2024",
)


def look_alike(d: Draft) -> str:
    """One character replaced by another that looks the same: Cyrillic letters, Arabic digits, a Greek question mark."""
    return d.replace_token(r"[aceops0-9+\-*=;,.]", lambda old: old.translate(LOOK_ALIKE))


def wrong_recall(d: Draft) -> str:
    """A wrong value recalled, and the step consistent with it."""
    nth = d.pick()
    step = d.steps[nth]
    if not step.recalled:
        return d.text
    which = d.random.randrange(len(step.recalled))
    noun, old = step.recalled[which]
    new = d.number()
    recalled = (*step.recalled[:which], (noun, new), *step.recalled[which + 1 :])
    rows = rows_of(step.used, [new if n == old else n for n in step.rows[0]], d.modulus)
    return d.say_with(nth, replace(step, recalled=recalled, rows=rows, value=abs(rows[-1][0])))


def followed_up(d: Draft) -> str:
    """A wrong result that every later step believes: each equality holds, but for one."""
    believed = dict(d.asked.values)
    at = d.pick()
    steps = []
    for nth, step in enumerate(d.steps):
        literals = [int(t) if t.isdigit() else believed[t] for t in equation_for(d.asked, step.noun, step.solved)[1]]
        rows = rows_of(step.used, literals, d.modulus)
        if nth == at:
            rows = (*rows[:-1], (d.number(),))
        believed[step.solved] = abs(rows[-1][0])
        recalled = tuple((noun, believed[noun]) for noun, _ in step.recalled)
        steps.append(replace(step, recalled=recalled, rows=rows, value=abs(rows[-1][0])))
    return say(steps, believed[d.asked.target], d.dialect)


def case(d: Draft) -> str:
    return d.replace_token("[A-Za-z]", str.swapcase)


def partial(d: Draft) -> str:
    """One number of the equation changed: a partial sum where there is one."""
    nth = d.pick()
    rows = [list(row) for row in d.steps[nth].rows]
    if len(rows) == 1:  # a copy
        return d.text
    row = d.random.choice(rows[1:])
    row[d.random.randrange(len(row))] = d.number()
    return d.say_with(nth, replace(d.steps[nth], rows=tuple(map(tuple, rows))))


def skipped(d: Draft) -> str:
    """A row of the equation left out, or said twice."""
    nth = d.pick()
    rows = list(d.steps[nth].rows)
    which = d.random.randrange(len(rows))
    rows[which : which + 1] = [] if d.random.random() < 0.5 and len(rows) > 1 else [rows[which]] * 2
    return d.say_with(nth, replace(d.steps[nth], rows=tuple(rows)))


def commuted(d: Draft) -> str:
    """Operands, recalled values or numbers in another order: wrong for a difference, and in the terse dialect."""
    nth = d.pick()
    step = d.steps[nth]
    part = d.random.randrange(3)
    if part == 0:
        return d.say_with(nth, replace(step, operands=shuffled(d, step.operands)))
    if part == 1:
        return d.say_with(nth, replace(step, recalled=shuffled(d, step.recalled)))
    return d.say_with(nth, replace(step, rows=rows_of(step.used, list(shuffled(d, step.rows[0])), d.modulus)))


def shuffled(d: Draft, items: tuple) -> tuple:
    return tuple(d.random.sample(items, len(items)))


def spelled(d: Draft) -> str:
    """A number with a leading zero, a sign, or the modulus added: the same residue, another number."""
    return d.replace_token(
        "[0-9]+",
        lambda old: d.random.choice([f"0{old}", f"+{old}", f"-{old}", str(int(old) + (d.modulus or 10)), old + "0"]),
    )


def renamed(d: Draft) -> str:
    """Two nouns exchanged throughout."""
    a, b = d.random.choice(list(d.asked.values)), d.noun()
    return re.sub(rf"\b(?:{a}|{b})\b", lambda m: b if m[0] == a else a, d.text)


def token_lost(d: Draft) -> str:
    words = d.text.split(" ")
    del words[d.random.randrange(len(words))]
    return " ".join(words)


def token_doubled(d: Draft) -> str:
    words = d.text.split(" ")
    nth = d.random.randrange(len(words))
    return " ".join([*words[: nth + 1], *words[nth:]])


def result_noun(d: Draft) -> str:
    nth = d.pick()
    return d.say_with(nth, replace(d.steps[nth], solved=d.noun()))


def assumed(d: Draft) -> str:
    """A reverse problem checked forwards from its answer: every equation is true, but the unknown is assumed."""
    known = {*d.asked.given, d.asked.target} - {step.noun for step in d.steps}
    waiting = [step.noun for step in d.steps]
    steps = []
    while waiting:
        noun = next(n for n in waiting if known.issuperset(nouns_of(d.asked, n)[1:]))
        waiting.remove(noun)
        known.add(noun)
        steps.append(true_step(d, noun, *d.asked.statements[noun]))
    return d.say(steps)


def turned(d: Draft) -> str:
    """One step of a reverse problem computed forwards: its statement's own result, true but perhaps known already."""
    nth = d.pick()
    noun = d.steps[nth].noun
    return d.say_with(nth, true_step(d, noun, *d.asked.statements[noun]))


def tag(d: Draft) -> str:
    """A tag of a thought lost, doubled, turned round, or where none belongs. For solutions that may hold thoughts."""
    if d.random.random() < 0.5:
        return d.replace_token(
            "</?think>", lambda old: d.random.choice(["", f"{old} {old}", "<think>", "</think>", "<THINK>"])
        )
    words = d.text.split(" ")
    words.insert(d.random.randrange(len(words) + 1), d.random.choice(["<think>", "</think>", "<think> </think>"]))
    return " ".join(words)


CHOSEN = r"\b(?:[Nn]ext|[Tt]hen|[Nn]ow|so|hence|thus|therefore|[Nn]ote)\b"


def reworded(d: Draft) -> str:
    """A chosen word exchanged, lost, doubled or put elsewhere. For solutions that may choose theirs."""
    word = d.random.choice([*OPENINGS, *CONCLUSIONS, "note", "Next", "Note", "Now,", "So"])
    if d.random.random() < 0.6:
        return d.replace_token(CHOSEN, lambda old: d.random.choice(["", word, f"{old} {word}"]))
    words = d.text.split(" ")
    words.insert(d.random.randrange(len(words) + 1), word)
    return " ".join(words)


def remarked(d: Draft) -> str:
    """A remark anywhere, of any value."""
    noun = d.noun()
    value = d.asked.values.get(noun, 0) if d.random.random() < 0.7 else d.number()
    remark = f"Note that there are {value} {noun}." if d.dialect == "prose" else f"note {noun} {value} ;"
    ends = [spot.end() for spot in re.finditer(r"[;.] " if d.random.random() < 0.8 else " ", d.text)] or [0]
    at = d.random.choice([0, *ends])
    return f"{d.text[:at]}{remark} {d.text[at:]}"


def lost(d: Draft) -> str:
    """A step or line left out. This and the next ones are for solutions by approaches."""
    parts = units(d.text, d.dialect)
    del parts[d.random.randrange(len(parts))]
    return " ".join(part.strip(" ") for part in parts)


def doubled(d: Draft) -> str:
    parts = units(d.text, d.dialect)
    nth = d.random.randrange(len(parts))
    return " ".join(part.strip(" ") for part in [*parts[: nth + 1], *parts[nth:]])


def moved(d: Draft) -> str:
    """A step or line put elsewhere."""
    parts = units(d.text, d.dialect)
    part = parts.pop(d.random.randrange(len(parts)))
    parts.insert(d.random.randrange(len(parts) + 1), part)
    return " ".join(part.strip(" ") for part in parts)


def changed(d: Draft) -> str:
    """A word or number within a line exchanged, lost or doubled."""
    parts = units(d.text, d.dialect)
    lines = [nth for nth, part in enumerate(parts) if line_of(part, d.dialect)]
    if not lines:
        return moved(d)
    nth = d.random.choice(lines)
    words = parts[nth].strip(" ").split(" ")
    at = d.random.randrange(len(words))
    stop = words[at][-1] if words[at][-1] in ",." and len(words[at]) > 1 else ""
    other = d.random.choice(LINES)
    new = d.random.choice([d.noun(), str(d.number()), d.random.choice("+-*/="), other, other.capitalize(), "from", ""])
    words[at : at + 1] = d.random.choice([[new + stop], [new + stop], [], [words[at]] * 2])
    parts[nth] = " ".join(words)
    return " ".join(part.strip(" ") for part in parts)


def borrowed(d: Draft, other: str) -> str:
    """A line or step of another solution put in."""
    parts = units(d.text, d.dialect)
    parts.insert(d.random.randrange(len(parts)), d.random.choice(units(other, d.dialect)))
    return " ".join(part.strip(" ") for part in parts)


def merged(d: Draft, other: str) -> str:
    """All lines of another solution put in where they stand there, counted in steps:
    right if both keep their promises."""
    after: list[list[str]] = [[]]
    for unit in units(other, d.dialect):
        if line_of(unit, d.dialect):
            after[-1].append(unit.strip(" "))
        else:
            after.append([])
    parts = []
    for unit in units(d.text, d.dialect):
        if not line_of(unit, d.dialect) and after:
            parts += after.pop(0)
        parts.append(unit.strip(" "))
    return " ".join(parts)


LINE_MUTATIONS = (lost, doubled, moved, changed, borrowed, merged)
MUTATIONS = (
    digit, noun, operator, operand, parent, swapped, dropped, repeated, contradicted, distractor, invented, injected,
    second_answer, wrong_answer, truncated, look_alike, wrong_recall, followed_up, case, partial, skipped, commuted,
    spelled, renamed, token_lost, token_doubled, result_noun, assumed, turned,
)  # fmt: skip
TEXTUAL = (
    digit, noun, operator, token_lost, token_doubled, injected, truncated,
    spelled, second_answer, case, look_alike, renamed,
)  # fmt: skip
STEPLESS = (
    digit, noun, injected, second_answer, wrong_answer, truncated, look_alike, case, spelled, token_lost,
    token_doubled, invented,
)  # fmt: skip


# --- what stays right ------------------------------------------------------------------------------------------------


def rewriting(d: Draft) -> str:
    """Prose in another legal order of steps, operands, recalled values and numbers."""
    waiting = list(d.steps)
    known = set(d.asked.given)
    steps = []
    while waiting:
        ready = [s for s in waiting if sum(n not in known for n in nouns_of(d.asked, s.noun)) == 1]
        step = d.random.choice(ready)
        waiting.remove(step)
        known.add(step.solved)
        operands = shuffled(d, step.operands) if step.sign in "+*" else step.operands
        first, rest = ((), step.rows[0]) if step.used in "+*" else (step.rows[0][:1], step.rows[0][1:])
        rows = rows_of(step.used, [*first, *shuffled(d, rest)], d.modulus)
        steps.append(replace(step, operands=operands, recalled=shuffled(d, step.recalled), rows=rows))
    return d.say(steps)


# --- the problems ----------------------------------------------------------------------------------------------------

WORLDS = ("zoo", "school", "festival")
WIDE = Shape(fan_in=3, literals=0.3, reuse=0.3, width=0.6)
KINDS = (
    {"modulus": 7, "connected": (0, 2), "filler": (0, 2)},
    {"modulus": 7, "shape": WIDE, "order": "shuffled", "connected": (0, 1)},
    {"modulus": 23, "shape": WIDE, "unconnected": (0, 1)},
    {"modulus": 3, "order": "shuffled", "connected": (1, 2), "unconnected": (0, 1)},
    {"modulus": None, "shape": Shape(literals=0.3, reuse=0.2), "connected": (0, 1)},
    {"modulus": None, "order": "shuffled", "filler": (0, 2)},
    {"modulus": 7, "shape": Shape(fan_in=4, literals=1.0)},
    {"modulus": 2, "shape": Shape(fan_in=3, width=1.0)},
)
SOURCES = (
    tuple(
        Source(ops=(1, 6), world=WORLDS[nth % 3], mode=mode, dialect=dialect, split="any", **kind)
        for nth, kind in enumerate(KINDS)
        for dialect in ("terse", "direct", "prose")
        for mode in ("forward", "reverse")
    )
    + tuple(
        Source(ops=(0, 0), copies=copies, world=world, dialect=dialect, split="any", order="shuffled", filler=(0, 3))
        for dialect, world in (("terse", "zoo"), ("direct", "festival"), ("prose", "school"))
        for copies in ((0, 0), (1, 4))
    )
    + tuple(
        Source(
            ops=(1 - nth % 2, 5), copies=(nth % 2, 6), copy_ratio=0.9, mode=mode, dialect=dialect, split="any",
            **{name: value for name, value in kind.items() if name != "unconnected"},
        )
        for nth, kind in enumerate(KINDS)
        for dialect in ("terse", "direct", "prose")
        for mode in ("forward", "reverse")
    )
)  # fmt: skip


def problem(nth: int) -> Problem:
    """The problems the tests use, cycling through every kind of source."""
    return SOURCES[nth * 37 % len(SOURCES)].problem("fuzz", nth)  # 37: neighbours differ in kind


def mutant(d: Draft, nth: int) -> tuple[str, str]:
    """The name of a mutation and a text spoiled (or, now and then, left alone) by it."""
    fitting = MUTATIONS if d.steps else STEPLESS
    mutation = fitting[nth % len(fitting)]
    return mutation.__name__, mutation(d)


# --- right texts in every style --------------------------------------------------------------------------------------

STYLES = ("plain", "words", "skips", "thoughts", "approach")
NOISE = ("", "hm", "answer 3", "bears 4 ; owls", "1 + 1 = 3", "The answer is 2.", "\n", "so", "?!", "\u00e9\u4e2d")


def styled(problem: Problem, style: str, random: Random) -> Problem:
    """The problem with responses free to differ in this respect."""
    if style == "plain":
        return problem
    if style == "approach":
        return asking(problem, random.choice([*APPROACHES, PLAIN_APPROACH]), tagged=random.random() < 0.5)
    wording = tuple(Wording("next", "so", None) for _ in problem.moves) if style == "words" else None
    skipped = () if style == "skips" else None
    return replace(problem, style=SolutionStyle("ignored" if style == "thoughts" else "none", skipped, wording))


def agreed(problem: Problem, text: str, style: str) -> bool:
    """The second opinion, on a text for a problem of this style."""
    modulus, question = problem.graph.modulus, problem.question
    if style == "approach":
        if problem.style.tagged:  # the tag is no part of what is asked
            question = replace(problem, style=replace(problem.style, tagged=False)).question
        return correct_approach(question, text, problem.dialect, modulus)
    free = {"thoughts": style == "thoughts", "skips": style == "skips", "worded": style == "words"}
    return correct(question, text, problem.dialect, modulus, **free)


def right_text(problem: Problem, d: Draft, style: str) -> str:
    """A random right response to a problem of this style, said by this file alone but for lines of approaches."""
    free = d.dialect == "prose"
    if style == "approach":
        return problem.solution
    text = rewriting(d) if free else d.text
    if style == "words":
        return reworded_right(d, text)
    if style == "skips" and d.steps:
        kept = [step for step in d.steps[:-1] if d.random.random() < 0.6]
        return d.say([*kept, d.steps[-1]])
    if style == "thoughts":
        words = text.split(" ")
        for _ in range(d.random.randrange(1, 4)):
            at = d.random.randrange(len(words) + 1)
            if "<end>" not in words[:at]:
                words.insert(at, f"<think> {d.random.choice(NOISE)} </think>")
        return " ".join(words)
    return text


def reworded_right(d: Draft, text: str) -> str:
    """Other openings and conclusions at random, and remarks on whatever the question states, wherever one may stand."""
    said = read_steps(text, d.dialect)[0]
    parts: list[str] = []
    for step in said:
        parts += remarks(d)
        whole = say_step(step, d.dialect)
        if d.random.random() < 0.7:
            opening = d.random.choice(OPENINGS)
            whole = f"{opening.title()}, t{whole[1:]}" if d.dialect == "prose" else f"{opening} {whole}"
        if d.random.random() < 0.7:
            conclusion = d.random.choice(CONCLUSIONS)
            if d.dialect == "prose":
                head, found = whole.rsplit(", so there are", 1)
                whole = f"{head}, {conclusion} there are{found}"
            else:
                words = whole.split(" ")
                whole = " ".join([*words[:-3], conclusion, *words[-3:]])
        parts.append(whole)
    parts += remarks(d)
    return " ".join([*parts, say([], d.answer, d.dialect)])


def remarks(d: Draft) -> list[str]:
    said = []
    while d.asked.given and d.random.random() < 0.3:
        noun, value = d.random.choice(list(d.asked.given.items()))
        said.append(f"Note that there are {value} {noun}." if d.dialect == "prose" else f"note {noun} {value} ;")
    return said


def noise(d: Draft, random: Random) -> str:
    """Any text at all: bytes, tokens in any order, and right text with either in it."""
    kind = random.randrange(4)
    if kind == 0:
        return bytes(random.randrange(256) for _ in range(random.randrange(60))).decode("latin-1")
    if kind == 1:
        return bytes(random.randrange(256) for _ in range(random.randrange(60))).decode("utf-8", "surrogateescape")
    if kind == 2:
        words = [*d.text.split(" "), "<end>", "<think>", "</think>", *"+-*/=;,.?", "answer", *map(str, range(12))]
        return random.choice([" ", "", "\x1c", "\n"]).join(random.choices(words, k=random.randrange(30)))
    at, stop = random.randrange(len(d.text) + 1), random.randrange(len(d.text) + 1)
    foreign = "".join(chr(random.choice([random.randrange(32), random.randrange(0x3000)])) for _ in range(3))
    return d.text[:at] + foreign[: random.randrange(4)] + d.text[stop if random.random() < 0.3 else at :]


def campaign(mutants: int, right: int, anything: int, seed: int) -> tuple[dict[str, int], list]:
    """Judge so many spoilt texts, right texts and arbitrary texts; return counts and the cases in which verify and the
    second opinion differ, or verify raised."""
    counts = dict.fromkeys(
        ("mutants", "of which right", "right", "arbitrary", "false accepts", "false rejects", "raised"), 0
    )
    bad: list = []

    def judge(problem: Problem, text: str, style: str, must: bool | None) -> bool:
        due = agreed(problem, text, style) if must is None else must
        try:
            strict = verify(problem, text).strict
        except Exception as error:  # whatever it is: verify must be total
            counts["raised"] += 1
            bad.append((style, problem.question, text, repr(error)))
            return due
        if strict != due:
            counts["false accepts" if strict else "false rejects"] += 1
            bad.append((style, problem.question, text, strict))
        return due

    done, nth = dict.fromkeys(("mutants", "right", "arbitrary"), 0), 0
    wanted = {"mutants": mutants, "right": right, "arbitrary": anything}
    while done != wanted:
        nth += 1
        random = Random(f"{seed} {nth}")
        base = SOURCES[random.randrange(len(SOURCES))].problem("campaign", seed, nth)
        style = STYLES[nth % len(STYLES)]
        problem = styled(base, style, random)
        d = draft(base, random)
        for _ in range(min(4, wanted["right"] - done["right"])):
            text = right_text(problem, d, style)
            done["right"] += 1
            if not agreed(problem, text, style):
                bad.append((style, problem.question, text, "the second opinion refuses a text that is right"))
            judge(problem, text, style, True)
        for k in range(min(40, wanted["mutants"] - done["mutants"])):
            source = replace(d, text=right_text(problem, d, style))
            if style == "approach":
                mutation = random.choice((*LINE_MUTATIONS[:4], *TEXTUAL))
                text = mutation(source)
            elif style != "plain" and k % 2:
                text = random.choice((tag, reworded, remarked, *TEXTUAL))(source)
            else:
                text = mutant(d, random.randrange(10**6))[1]
            counts["of which right"] += judge(problem, text, style, None)
            done["mutants"] += 1
        for _ in range(min(40, wanted["arbitrary"] - done["arbitrary"])):
            text = noise(d, random)
            done["arbitrary"] += 1
            try:
                strict = verify(problem, text).strict
            except Exception as error:  # whatever it is: verify must be total
                counts["raised"] += 1
                bad.append((style, problem.question, text, repr(error)))
                continue
            if strict and not agreed(problem, respaced(text, problem.dialect), style):
                counts["false accepts"] += 1
                bad.append((style, problem.question, text, strict))
    return counts | done, bad


def respaced(text: str, dialect: str) -> str:
    """The same tokens with one space between any two, none before a mark of prose, as the second opinion reads them."""
    said = " ".join(re.findall(r"<[a-z/_0-9]+>|[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]", text))
    return re.sub(r" (?=[.,])", "", said) if dialect == "prose" else said


def main() -> None:
    """``python tests/support/fuzz.py --mutants N --right N --bytes N``: print the counts; exit with 1 if any differ."""
    parser = argparse.ArgumentParser(description="judge texts with synth.verify and with the second opinion")
    for name, what in (("mutants", "spoilt texts"), ("right", "right texts"), ("bytes", "arbitrary texts")):
        parser.add_argument(f"--{name}", type=int, default=10_000, help=f"how many {what}")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other problems and texts")
    args = parser.parse_args()
    total: dict[str, int] = {}
    bad: list = []
    parts = max(1, max(args.mutants, args.right, args.bytes) // 50_000)
    for part in range(parts):
        share = [n * (part + 1) // parts - n * part // parts for n in (args.mutants, args.right, args.bytes)]
        counts, more = campaign(*share, seed=args.seed * 1_000_003 + part)
        total = {name: total.get(name, 0) + count for name, count in counts.items()}
        bad += more
        print(json.dumps(total), flush=True)
        for case in more[:5]:
            print(case, flush=True)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
