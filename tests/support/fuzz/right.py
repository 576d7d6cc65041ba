"""Texts that stay right in every style, and texts that are nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from interlude.synth.approaches import APPROACHES, with_approach
from interlude.synth.approaches import PLAIN as PLAIN_APPROACH
from interlude.synth.problem import Problem
from interlude.synth.solution_style import SolutionStyle, Wording

from .approaches import correct_approach
from .drafts import Draft, rows_of, say, say_step
from .judge import CONCLUSIONS, OPENINGS, correct, nouns_of, read_steps
from .mutations import shuffled


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


STYLES = ("plain", "words", "skips", "thoughts", "approach")
NOISE = ("", "hm", "answer 3", "bears 4 ; owls", "1 + 1 = 3", "The answer is 2.", "\n", "so", "?!", "\u00e9\u4e2d")


def styled(problem: Problem, style: str, random: Random) -> Problem:
    """The problem with responses free to differ in this respect."""
    if style == "plain":
        return problem
    if style == "approach":
        return with_approach(problem, random.choice([*APPROACHES, PLAIN_APPROACH]), tagged=random.random() < 0.5)
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
