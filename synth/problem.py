"""A problem: a graph of quantities as a question in words, with its worked solution and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from interlude.synth.blueprint import Blueprint
from interlude.synth.render import Written, write

HELD_OUT_SHARE = 8  # one structure in eight is never trained on


@dataclass(frozen=True)
class Problem(Blueprint):
    """One problem (fields: see ``Blueprint``). Its texts, its answer and its side of the split are derived, never
    stored."""

    @property
    def held_out(self) -> bool:
        """Which side of the split this problem is on: decided by its canonical structure alone."""
        return self.graph.canonical % HELD_OUT_SHARE == 0

    @cached_property
    def written(self) -> Written:
        return write(self)

    @property
    def question(self) -> str:
        return self.written.question

    @property
    def solution(self) -> str:
        return self.written.solution
