"""Thoughts: spans of a response between two tags, which are not part of the solution and are not judged.

Everything between ``<think>`` and the next ``</think>`` is ignored, anywhere in a response. A thought that never
closes, one opened inside another, a closing tag without an opening one, and a thought that contains the end mark are
broken: from the outermost tag concerned on, the text is ignored, including any answer or end mark in it. An answer
stated only in a thought is therefore not stated. After the end mark, tags are ordinary text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from interlude.synth.render import CLOSE, END, THINK

TAG = re.compile(f"{THINK}|{CLOSE}|{END}")


def spans(text: str) -> tuple[list[tuple[int, int]], int | None]:
    """Where thoughts stand in ``text`` (first character of the one tag, one past the other's last), up to END or to a
    broken one; and where that begins, or None."""
    found: list[tuple[int, int]] = []
    opened = None
    for tag in TAG.finditer(text):
        if tag[0] == END:
            break
        if (tag[0] == THINK) == (opened is not None):
            return found, tag.start() if opened is None else opened
        if opened is None:
            opened = tag.start()
        else:
            found.append((opened, tag.end()))
            opened = None
    return found, opened


def without(text: str) -> tuple[str, int | None]:
    """``text`` up to a broken thought, with spaces for each thought,
    so that no character moves; and where it breaks."""
    found, broken = spans(text)
    pieces, at = [], 0
    for first, last in found:
        pieces += (text[at:first], " " * (last - first))
        at = last
    return "".join([*pieces, text[at:broken]]), broken


def unwrapped(text: str) -> str:
    """``text`` without the tags of thoughts, up to a broken one. What is thought within a step of a terse or direct
    solution comes before that step, as it was written before what it serves; a space stands where it was."""
    found, broken = spans(text)
    if not found and broken is None:
        return text
    finished, step, at = [], "", 0  # the steps before the last semicolon, with thoughts; what follows it, without

    def outside(piece: str) -> str:
        whole, mark, rest = piece.rpartition(";")
        if mark:
            finished.append(step + whole + mark)
            return rest
        return step + piece

    for first, last in found:
        step = outside(text[at:first]) + " "
        finished.append(f" {text[first + len(THINK) : last - len(CLOSE)]} ")
        at = last
    rest = outside(text[at:broken])
    return "".join([*finished, rest])


def length(tokens: Sequence[str | int], opening: str | int = THINK, closing: str | int = CLOSE) -> int:
    """How many tokens of a response are thought: those between tags, the tags not counted.

    A thought that never closes lasts to the end of the response. Give the tags as ids where ``tokens`` are ids.
    """
    total, inside = 0, False
    for token in tokens:
        if token == closing:
            inside = False
        elif token == opening:
            inside = True
        else:
            total += inside
    return total
