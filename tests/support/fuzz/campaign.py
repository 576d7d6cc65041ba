"""Lets the verifier and the second opinion judge spoiled, right and arbitrary texts."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from interlude.synth.problem import Problem
from interlude.synth.verify import verify

from .drafts import draft
from .mutations import LINE_MUTATIONS, TEXTUAL, mutant, remarked, reworded, tag
from .problems import SOURCES
from .right import STYLES, agreed, noise, right_text, styled


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
