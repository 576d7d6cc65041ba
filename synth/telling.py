"""How a solution may be told beyond its one plain form: which liberties there are, and which its own text takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

OPENINGS = ("next", "then", "now")  # words that may open a step, whatever comes of it
CONCLUSIONS = ("so", "hence", "thus", "therefore")  # before what a step finds; a wrong solution has the first
REMARK = "note"  # opens a remark on a given quantity, which helps no one
PLAIN = "plain"  # the solution by no approach in particular
APPROACHES = (  # see ``synth.approaches``; a question asks for one by its name, one token
    "levels", "depth", "backward", "subgoals", "symbolic", "simplify", "plan", "restate", "relevant", "table", "check",
    "grouped", "running", "commuted", "countdown",
)  # fmt: skip
MARKERS = {  # the word that opens a line of an approach: the approach
    "level": "levels", "find": "depth", "need": "backward", "part": "subgoals", "merge": "subgoals", "let": "symbolic",
    "put": "simplify", "order": "plan", "given": "restate", "keep": "relevant", "tabulate": "table", "undo": "check",
    "group": "grouped", "hold": "running", "left": "countdown",
}  # fmt: skip
INSIDE = ("from", "asked")  # other words of such lines
THOUGHTS = ("none", "ignored", "oracle")  # no tags at all; spans that a response may hold; and that its own text holds


@dataclass(frozen=True)
class Words:
    """Which words the solutions of a source use, with what probability.

    openings, conclusions: probability of each of OPENINGS and of CONCLUSIONS; every step shown has one of each.
    remarks: probability that a remark on some given quantity, drawn uniformly, comes before a step (if any is given).
    error_rate: share of solutions that go wrong: the last step finds another number, drawn uniformly, which is the
    answer
        given. All their conclusions are the first, so that the others tell of a solution that is right to its end.
    """

    openings: tuple[float, ...] = (0.4, 0.4, 0.2)
    conclusions: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    remarks: float = 0.0
    error_rate: float = 0.0

    def __post_init__(self) -> None:
        for name, words in (("openings", OPENINGS), ("conclusions", CONCLUSIONS)):
            chances = getattr(self, name)
            if len(chances) != len(words) or not all(c >= 0 for c in chances) or abs(sum(chances) - 1) > 1e-9:
                raise ValueError(f"Words.{name} must hold {len(words)} probabilities that sum to 1, got {chances!r}")
        for name in ("remarks", "error_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Words.{name} must be a probability, got {getattr(self, name)!r}")


class Wording(NamedTuple):
    """The words of one step: its opening, its conclusion, and the node that the remark before it is on (None: none)."""

    opening: str
    conclusion: str
    remark: int | None


@dataclass(frozen=True)
class Telling:
    """The liberties of one problem. A problem without any has no telling.

    thoughts: "none", or "ignored" where a response may hold thoughts (see ``synth.thoughts``);
        with "oracle" the solution itself has its skipped steps in a thought, before the next step that it shows.
    skipped: statements (node indices) whose steps the solution leaves out; None where no step may be left out.
    wording: the words of each step shown; None where only the plain ones may be used. Elsewhere a
        response may use any opening and any conclusion at each step, or the plain form, and remark on
        what is given wherever a step may begin.
    slip: the wrong number that the solution ends in; None if it is right.
    approach: the one that the solution follows, or PLAIN; None where only the plain solution is right. Elsewhere a
        response may follow any, several or none (see ``synth.approaches``).
    tagged: whether the question asks for the approach by its name.
    """

    thoughts: str = "none"
    skipped: tuple[int, ...] | None = None
    wording: tuple[Wording, ...] | None = None
    slip: int | None = None
    approach: str | None = None
    tagged: bool = False

    def __post_init__(self) -> None:
        if self.thoughts not in THOUGHTS:
            raise ValueError(f"Telling.thoughts must be one of {', '.join(THOUGHTS)}, got {self.thoughts!r}")
        if self.approach is not None and self.approach not in (PLAIN, *APPROACHES):
            raise ValueError(
                f"Telling.approach must be one of {', '.join((PLAIN, *APPROACHES))}, got {self.approach!r}"
            )
        if self.approach is not None and (self.skipped is not None or self.wording is not None):
            raise ValueError(
                "Telling.approach must be None where steps are skipped or words chosen: its lines count every step"
            )
        if self.tagged and self.approach in (None, PLAIN):
            raise ValueError(f"Telling.tagged needs an approach that has a tag, got Telling.approach {self.approach!r}")
