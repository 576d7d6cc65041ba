"""Fuzz tests of the verifier: a second opinion on worked solutions, and every way we know to spoil one."""

from .approaches import correct_approach, line_of, units
from .campaign import campaign
from .drafts import draft, say
from .judge import Step, correct, read_steps
from .mutations import (
    LINE_MUTATIONS,
    MUTATIONS,
    TEXTUAL,
    borrowed,
    followed_up,
    merged,
    mutant,
    remarked,
    reworded,
    tag,
    true_step,
)
from .problems import problem
from .right import rewriting

__all__ = (
    "LINE_MUTATIONS",
    "MUTATIONS",
    "TEXTUAL",
    "Step",
    "borrowed",
    "campaign",
    "correct",
    "correct_approach",
    "draft",
    "followed_up",
    "line_of",
    "merged",
    "mutant",
    "problem",
    "read_steps",
    "remarked",
    "reworded",
    "rewriting",
    "say",
    "tag",
    "true_step",
    "units",
)
