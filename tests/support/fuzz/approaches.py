"""A second opinion on solutions that follow an approach: a rule for each, which reads the lines between the steps."""

from __future__ import annotations

import re
from dataclasses import replace

from .drafts import rows_of
from .judge import COPY, Question, equation_for, nouns_of, read_question, read_steps, step_correct, total

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


def opposite(asked: Question, noun: str) -> Question:
    sign, operands = asked.statements[noun]
    return replace(asked, statements={**asked.statements, noun: (sign, operands[::-1] if sign in "+*" else operands)})


def terms_of(asked: Question, noun: str) -> list[str]:
    return equation_for(asked, noun, asked.needed[noun])[1]


def finder_of(asked: Question, quantity: str) -> str | None:
    return next((noun for noun, solved in asked.needed.items() if solved == quantity), None)


def earlier(asked: Question, noun: str) -> list[str]:
    """The statements that find what a statement needs."""
    return [f for term in terms_of(asked, noun) if (f := finder_of(asked, term))]


def height(asked: Question, noun: str) -> int:
    return 1 + max([height(asked, each) for each in earlier(asked, noun)], default=0)


def below(asked: Question, noun: str) -> set[str]:
    return {noun}.union(*(below(asked, each) for each in earlier(asked, noun)))


def blocks(asked: Question, told: list, markers: tuple[str, ...]) -> list[tuple[str, list[str], list[str]]] | None:
    """Needed steps under the heading they follow; None where there is no such heading, the first being no heading's."""
    found: list[tuple[str, list[str], list[str]]] = [("", [], [])]
    for marker, words in told:
        if marker in markers:
            found.append((marker, words, []))
        elif not marker and words[0] in asked.needed:
            found[-1][2].append(words[0])
    return found if len(found) > 1 else None


def rule_levels(asked: Question, told: list, modulus: int | None) -> bool:
    parts = blocks(asked, told, ("level",))
    if parts is None:
        return True
    heights = {noun: height(asked, noun) for noun in asked.needed}
    due = [{n for n in heights if heights[n] == level} for level in range(max(heights.values(), default=0) + 1)]
    return [set(nouns) for _, _, nouns in parts] == due and all(not words for _, words, _ in parts)


def rule_depth(asked: Question, told: list, modulus: int | None) -> bool:
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


def steps_in(asked: Question, told: list) -> list[str]:
    return [words[0] for marker, words in told if not marker and words[0] in asked.needed]


def rule_backward(asked: Question, told: list, modulus: int | None) -> bool:
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


def rule_subgoals(asked: Question, told: list, modulus: int | None) -> bool:
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


def rule_formulas(asked: Question, told: list, modulus: int | None) -> bool:
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


def rule_heads(asked: Question, told: list, modulus: int | None) -> bool:
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


def rule_check(asked: Question, told: list, modulus: int | None) -> bool:
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


def undoing(asked: Question, noun: str, modulus: int | None) -> str:
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


def rule_grouped(asked: Question, told: list, modulus: int | None) -> bool:
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


def rule_turns(asked: Question, told: list, modulus: int | None) -> bool:
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
