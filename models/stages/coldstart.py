"""Cold start: SFT on solutions with thoughts at any position, so that the base knows the format that methods need."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

from interlude.models.lm import LM, tags
from interlude.models.stage import Batch, Stage, StageModels, pack
from interlude.models.thought_rl import Bins, check_bins
from interlude.synth.added_field import added_field
from interlude.synth.problem import Problem
from interlude.synth.render import CLOSE, END, THINK, THOUGHT, join
from interlude.synth.rng import below, rng
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.tasks import SEGMENTS


@dataclass(frozen=True, kw_only=True)
class ColdStart(Stage):
    """Solutions with their skipped steps in thoughts. Each thought is moved to a random position within the step that
    it precedes, drawn uniformly; after the thought the step continues where it was interrupted.

    The bases of RLP (arXiv 2510.01265) and RMT (2509.24375) can already reason; a GPT from scratch gets no reward until
    it knows the format. The loss is on solution tokens, with two exceptions. Opening tags: the methods open thoughts
    themselves, and other solutions shall stay without thoughts. Tokens of a step before its thought: they would teach
    the model to skip steps without thinking. Raises ValueError naming the field; at the first collection, if the model
    has no tokens for tags or numbers.
    """

    # With ``thoughts="oracle"``, at depths that pre-training has shown in full, so that only the format is new.
    data: Source | Mixture
    # Share of the steps that follow no skipped step and get an empty thought. After a thought the text must continue
    # where it was interrupted; a model learns this slowly from the few thoughts with content (closed: 0.98 instead of
    # 0.68 after 80 steps).
    idle: float = added_field(0.0)
    # A share ``replay_share`` of rows comes unchanged from ``replay``, so that solutions without thoughts are not
    # forgotten.
    replay: Source | Mixture | None = added_field(None)
    replay_share: float = added_field(0.0)
    # States the length of thoughts: the number of the bin of the thought follows its opening tag, without a loss on it.
    # None: no number.
    told: Bins | None = added_field(None)
    version: ClassVar[int] = 2
    reads_weights: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(source.thoughts != "oracle" for source in parts(self.data, drawn=True)):
            raise ValueError("ColdStart.data must hold thoughts (Source.thoughts 'oracle')")
        if not 0 <= self.idle <= 1 or not 0 <= self.replay_share <= 1:
            what = f"{self.idle} and {self.replay_share}"
            raise ValueError(f"ColdStart.idle and ColdStart.replay_share must be between 0 and 1, got {what}")
        if (self.replay is None) != (self.replay_share == 0):
            raise ValueError("ColdStart.replay must be given with ColdStart.replay_share above 0, and only then")
        check_bins(self)

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
                solution, worth = with_bins(lm, self.told, solution, worth)
            ids.append(question + solution)
            gains.append([0.0] * len(question) + worth)
        return pack(ids, gains, float(sum(map(sum, gains))), lm.pad)


def encoded(lm: LM, words: list[tuple[str, float]], dialect: str) -> tuple[list[int], list[float]]:
    """The token ids of words, and the loss weight of each token. Raises ValueError if a token spans two weights."""
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
        raise ValueError("ColdStart: this model's tokenizer joins a word with a loss and a word without one in a token")
    return ids, gains


def with_bins(lm: LM, bins: Bins, solution: list[int], gains: list[float]) -> tuple[list[int], list[float]]:
    """A solution's tokens with the bin number after the opening tag of each thought, and each token's loss weight."""
    (opening, closing), names = tags(lm), bins.names(lm)
    ids: list[int] = []
    worth: list[float] = []
    for at, (token, gain) in enumerate(zip(solution, gains, strict=True)):
        more = [names[bins.of(solution.index(closing, at) - at - 1)]] if token == opening else []
        ids += [token, *more]
        worth += [gain, *(0.0 for _ in more)]
    return ids, worth


def moved(problem: Problem, idle: float, *path: str | int) -> list[tuple[str, float]]:
    """The words of a solution with their loss weights. Each thought is moved into the statement that it precedes; the
    statement's words before it get weight 0. A share ``idle`` of the other statements get an empty thought."""
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
        # A thought before the answer contains the steps that the answer follows from: put it before the answer's value.
        room = len(step) if step[-1:] != (END,) or not owed else 1 + step.index("answer")
        place = below(draw, room + (room < len(step))) if thought else 0
        found += [(word, float(not owed)) for word in step[:place]]
        found += [(word, 1.0) for word in (*thought, *step[place:])]
    return found
