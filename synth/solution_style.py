"""The form of a solution: its dialect, and what it may contain beyond its one plain form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from interlude.synth.checks import check_distribution, check_probability

DIALECTS = ("terse", "prose", "direct")
EQUALS = {"terse": ("=",), "direct": ()}  # between a noun and its operands
OPENINGS = ("next", "then", "now")  # words that may open a step, whatever comes of it
CONCLUSIONS = ("so", "hence", "thus", "therefore")  # before what a step finds
REMARK = "note"  # begins a remark on a given quantity, which is noise
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
THOUGHTS = (
    "none",
    "ignored",
    "oracle",
)  # no tags at all; a response may contain thoughts; the solution itself does too


class Grammar(NamedTuple):
    """What a text may contain.

    thoughts: thoughts, which are read as white space (``synth.thoughts``).
    worded: openings and conclusions of OPENINGS and CONCLUSIONS, and remarks between steps.
    approached: lines of approaches between steps (``synth.scripts``).
    """

    dialect: str
    thoughts: bool = False
    worded: bool = False
    approached: bool = False


PLAIN_GRAMMARS = {dialect: Grammar(dialect) for dialect in DIALECTS}


@dataclass(frozen=True)
class Words:
    """Which words the solutions of a source use, with what probability.

    openings, conclusions: probability of each of OPENINGS and of CONCLUSIONS; every step shown has one of each.
    remarks: probability that a remark on some given quantity, drawn uniformly, comes before a step (if any is given).
    error_rate: probability that a step finds a wrong number, drawn uniformly, which later steps use as if it was right.
        Nothing announces it.

    Raise ``version`` when other words are drawn: it enters the key of every source that has some.
    """

    openings: tuple[float, ...] = (0.4, 0.4, 0.2)
    conclusions: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    remarks: float = 0.0
    error_rate: float = 0.0
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        for name, words in (("openings", OPENINGS), ("conclusions", CONCLUSIONS)):
            check_distribution(f"Words.{name}", getattr(self, name), len(words))
        for name in ("remarks", "error_rate"):
            check_probability(f"Words.{name}", getattr(self, name))


class Wording(NamedTuple):
    """The words of one step: its opening, its conclusion, the node that the remark before it is on (None: none), and
    the wrong number that it finds (None: the right one for the numbers that it uses)."""

    opening: str
    conclusion: str
    remark: int | None
    slip: int | None = None


@dataclass(frozen=True)
class SolutionStyle:
    """How one problem's solution departs from the plain form, and what freedom that gives to responses. A problem whose
    only right solution is the plain one has no style.
    """

    # "none", or "ignored" where a response may contain thoughts (synth/thoughts.py); with "oracle" the solution itself
    # has its skipped steps in a thought, before the next step that it shows.
    thoughts: str = "none"
    # Statements (node indices) whose steps the solution leaves out; None where no step may be left out.
    skipped: tuple[int, ...] | None = None
    # The words of each step shown; None where only the plain ones may be used. With it, a response may use any opening
    # and any conclusion at each step, or the plain form, and remark on what the question states wherever a step may
    # begin.
    wording: tuple[Wording, ...] | None = None
    # The approach that the solution follows, or PLAIN; None where only the plain solution is right. With it, a response
    # may follow any approach, several or none (synth/scripts.py).
    approach: str | None = None
    # Whether the question asks for the approach by its name.
    tagged: bool = False
    # Whether a response must hold every step, in thoughts or outside them: it is judged without the tags of thoughts
    # (``synth.thoughts.unwrapped``), whatever the problem's own text leaves out.
    unwrapped: bool = False

    def __post_init__(self) -> None:
        if self.thoughts not in THOUGHTS:
            raise ValueError(f"SolutionStyle.thoughts must be one of {', '.join(THOUGHTS)}, got {self.thoughts!r}")
        if self.approach is not None and self.approach not in (PLAIN, *APPROACHES):
            raise ValueError(
                f"SolutionStyle.approach must be one of {', '.join((PLAIN, *APPROACHES))}, got {self.approach!r}"
            )
        if self.approach is not None and (self.skipped is not None or self.wording is not None):
            raise ValueError(
                "SolutionStyle.approach must be None where steps are skipped or words chosen: "
                "its lines count every step"
            )
        if self.tagged and self.approach in (None, PLAIN):
            raise ValueError(
                f"SolutionStyle.tagged needs an approach that has a tag, got SolutionStyle.approach {self.approach!r}"
            )
        if self.unwrapped and (self.thoughts == "none" or self.approach is not None):
            what = f"thoughts {self.thoughts!r} and approach {self.approach!r}"
            raise ValueError(f"SolutionStyle.unwrapped needs thoughts and no approach, got SolutionStyle.{what}")
