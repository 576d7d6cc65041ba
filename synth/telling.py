"""How a solution may be told beyond its one plain form: which liberties there are, and which of them its own text takes."""

from __future__ import annotations

from dataclasses import dataclass

THOUGHTS = ("none", "ignored", "oracle")  # no tags at all; spans that a response may hold; and that its own text holds


@dataclass(frozen=True)
class Telling:
    """The liberties of one problem. A problem without any has no telling.

    thoughts: "none", or "ignored" where a response may hold thoughts (see ``synth.thoughts``); with "oracle" the solution
        itself has its skipped steps in a thought, before the next step that it shows.
    skipped: statements (node indices) whose steps the solution leaves out; None where no step may be left out.
    """

    thoughts: str = "none"
    skipped: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.thoughts not in THOUGHTS:
            raise ValueError(f"Telling.thoughts must be one of {', '.join(THOUGHTS)}, got {self.thoughts!r}")
