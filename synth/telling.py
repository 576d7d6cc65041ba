"""How a solution may be told beyond its one plain form: which liberties there are, and which of them its own text takes."""

from __future__ import annotations

from dataclasses import dataclass

THOUGHTS = ("none", "ignored")  # no tags at all; spans that a response may hold


@dataclass(frozen=True)
class Telling:
    """The liberties of one problem. A problem without any has no telling.

    thoughts: "none" or "ignored": whether a response may hold thoughts (see ``synth.thoughts``).
    """

    thoughts: str = "none"

    def __post_init__(self) -> None:
        if self.thoughts not in THOUGHTS:
            raise ValueError(f"Telling.thoughts must be one of {', '.join(THOUGHTS)}, got {self.thoughts!r}")
