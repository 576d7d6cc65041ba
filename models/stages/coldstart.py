"""The cold start: imitate solutions with thoughts at any place, so that a base knows the formats methods ask for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

from interlude.models.lm import LM, tags
from interlude.models.stage import Batch, Stage, StageModels, pack
from interlude.models.thought_rl import Bins, check_told
from interlude.synth.added_field import added_field
from interlude.synth.problem import Problem
from interlude.synth.render import CLOSE, END, THINK, THOUGHT, join
from interlude.synth.rng import below, rng
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.tasks import SEGMENTS


@dataclass(frozen=True, kw_only=True)
class ColdStart(Stage):
    """Solutions that hold their skipped steps in thoughts, each moved to a token drawn uniformly among those of the
    step it precedes: after the thought the text goes on where it was.

    The bases of RLP (arXiv 2510.01265) and RMT (2509.24375) reason already; a GPT from scratch earns no reward before
    it has seen the format. Loss on solution tokens except opening tags, as the methods open thoughts themselves and a
    solution without a request for thoughts stays plain, and except tokens of a step before its thought, which would
    teach to skip without having thought. Raises ValueError naming the field; at the first collection, if the model's
    tokens have no tags or numbers.
    """

    # Of ``thoughts="oracle"``, at depths that pre-training has shown in full, so that only the format is new.
    data: Source | Mixture
    # Share of the steps without a skipped one before them that hold an empty thought: after a thought the text must go
    # on where it was left, which a model learns slowly from the few thoughts with contents (closed 0.98 instead of 0.68
    # after 80 steps).
    idle: float = added_field(0.0)
    # What ``replay_share`` of rows are drawn from instead, unchanged, so that solutions without thoughts are not
    # forgotten.
    replay: Source | Mixture | None = added_field(None)
    replay_share: float = added_field(0.0)
    # Bins of length: right after an opening tag stands the number of the bin of the thought that follows; it is read
    # and is no target. None: nothing stands there.
    told: Bins | None = added_field(None)
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(source.thoughts != "oracle" for source in parts(self.data, drawn=True)):
            raise ValueError("ColdStart.data must hold thoughts (Source.thoughts 'oracle')")
        if not 0 <= self.idle <= 1 or not 0 <= self.replay_share <= 1:
            what = f"{self.idle} and {self.replay_share}"
            raise ValueError(f"ColdStart.idle and ColdStart.replay_share must be between 0 and 1, got {what}")
        if (self.replay is None) != (self.replay_share == 0):
            raise ValueError("ColdStart.replay must be given with ColdStart.replay_share above 0, and only then")
        check_told(self)

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SEGMENTS,)

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        lm, opening, ids, gains = models.learner, tags(models.learner)[0], [], []
        for row in rows:
            other = self.replay is not None and rng("replay", seed, step, row).random() < self.replay_share
            problem = (self.replay if other else self.data).problem("coldstart", seed, step, row)
            words = [(problem.solution, 1.0)] if other else moved(problem, self.idle, seed, step, row)
            question, (solution, worth) = lm.encode_prompt(problem.question), encoded(lm, words, problem.dialect)
            worth = [gain * (token != opening) for token, gain in zip(solution, worth, strict=True)]
            if self.told is not None:
                solution, worth = told(lm, self.told, solution, worth)
            ids.append(question + solution)
            gains.append([0.0] * len(question) + worth)
        return pack(ids, gains, float(sum(map(sum, gains))), lm.pad)


def encoded(lm: LM, words: list[tuple[str, float]], dialect: str) -> tuple[list[int], list[float]]:
    """The ids of words, and each one's worth. Raises ValueError if words of different worth share a token."""
    ids: list[int] = []
    gains: list[float] = []
    text, at = join([word for word, _ in words], dialect), 0
    for worth, run in groupby(words, key=itemgetter(1)):
        end = at
        for word, _ in run:
            end = text.index(word, end) + len(word)
        piece = lm.encode(text[at:end])  # with the whitespace before it
        at = end
        ids += piece
        gains += [worth] * len(piece)
    if ids != lm.encode(text):
        raise ValueError("this model's tokenizer joins what is a target and what is none: it cannot have a cold start")
    return ids, gains


def told(lm: LM, bins: Bins, solution: list[int], gains: list[float]) -> tuple[list[int], list[float]]:
    """A solution's tokens with the number of its bin in front of each thought, and what each is worth as a target."""
    (opening, closing), names = tags(lm), bins.names(lm)
    ids: list[int] = []
    worth: list[float] = []
    for at, (token, gain) in enumerate(zip(solution, gains, strict=True)):
        more = [names[bins.of(solution.index(closing, at) - at - 1)]] if token == opening else []
        ids += [token, *more]
        worth += [gain, *(0.0 for _ in more)]
    return ids, worth


def moved(problem: Problem, idle: float, *path: str | int) -> list[tuple[str, float]]:
    """The solution's words with their worth as targets: each thought moved to before a word of the statement it
    preceded, whose words before it are worth nothing; empty thoughts in the share ``idle`` of the other statements."""
    tokens, roles = problem.written.solution_tokens, problem.written.solution_roles
    found: list[tuple[str, float]] = []
    draw, at = rng("moved", *path), 0
    while at < len(tokens):
        first = at
        while roles[at] == THOUGHT:
            at += 1
        thought, first = tokens[first:at], at
        while at < len(tokens) and (roles[at] != THOUGHT) and (at == first or tokens[at - 1] not in (";", ".")):
            at += 1
        step, owed = tokens[first:at], bool(thought)
        if idle and not thought and draw.random() < idle:
            thought = (THINK, CLOSE)
        # What is thought before the answer is what it follows from: it comes before the answer's value.
        room = len(step) if step[-1:] != (END,) or not owed else 1 + step.index("answer")
        place = below(draw, room + (room < len(step))) if thought else 0
        found += [(word, float(not owed)) for word in step[:place]]
        found += [(word, 1.0) for word in (*thought, *step[place:])]
    return found
