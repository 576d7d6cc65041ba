"""Every way we know to make a right solution wrong."""

from __future__ import annotations

import re
from dataclasses import replace

from .approaches import LINES, line_of, units
from .drafts import Draft, rows_of, say
from .judge import CONCLUSIONS, OPENINGS, Step, equation_for, nouns_of


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


def true_step(d: Draft, noun: str, sign: str, operands: tuple[str, ...]) -> Step:
    numbers = [int(o) if o.isdigit() else d.asked.values[o] for o in operands]
    rows = rows_of(sign, numbers, d.modulus)
    recalled = tuple((o, d.asked.values[o]) for o in operands if not o.isdigit())
    return Step(noun, sign, operands, recalled, sign, rows, noun, abs(rows[-1][0]))


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


def mutant(d: Draft, nth: int) -> tuple[str, str]:
    """The name of a mutation and a text spoiled (or, now and then, left alone) by it."""
    fitting = MUTATIONS if d.steps else STEPLESS
    mutation = fitting[nth % len(fitting)]
    return mutation.__name__, mutation(d)
