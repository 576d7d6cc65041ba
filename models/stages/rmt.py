"""RMT: RL on thoughts before uncertain corpus tokens, with a shrinking length budget, plus next-token prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, forward_cost
from interlude.models.lm import LM, tags
from interlude.models.policy_gradient import Objective, sampled
from interlude.models.stage import Batch, Stage, StageModels, pack, stacked
from interlude.models.thought_rl import (
    Bins,
    Reasoning,
    Text,
    check_bins,
    document,
    length,
    think,
    thought_batch,
    unsure,
)
from interlude.synth.added_field import added_field
from interlude.synth.rng import below, rng, weighted
from interlude.synth.tasks import roles_of

if TYPE_CHECKING:
    from torch import Tensor

TIERS = ("easy", "medium", "hard")
RANKED_BY = ("start", "learner")
Draw = tuple[int, int, int]  # a drawn place: its tier, its text, and its token in that text


@dataclass(frozen=True, kw_only=True)
class RMT(Reasoning):
    """Each of ``batch_size`` draws picks an entropy tier, then a token of that tier among the step's texts. A group of
    responses thinks before this token and predicts it. One step minimises L_RL + ntp * L_NTP, with L_NTP = -sum_pos
    m_pos log p(x_pos | x_<pos); m_pos is 0 at drawn places, else 1 (arXiv 2509.24375, from public notes on the paper).

    Our choices: one update per batch, as no ratio clip is given; advantages divided by std + 1e-8 (Objective); no KL;
    a loss on the predicted token too. The reward is 0 if the thought is not closed before the prediction or contains
    another opening tag. Other fields and errors are Reasoning's.

    Metrics by tier and by token role (if each word is one token): ``drawn_``, the number of responses; ``match_``, the
    share that match; ``plain_``, its probability without a thought under the model that ranks the tokens.
    """

    objective: Objective = Objective(aggregate="sum")
    max_new_tokens: int = 154
    # The target length of a thought is B_t = max(least, floor(budget * shrink^done)) tokens, where done is the finished
    # share of the stage. 60 has room for three steps of 19 tokens, the most that texts of the studies leave out (39 in
    # the mean); 1 and 0.2 are the paper's. None: no budget; the reward is r_match only.
    budget: int | None = 60
    least: int = 1
    shrink: float = 0.2
    # r = (1 - weight) r_match + weight r_len. r_len is a triangle: peak at B_t tokens, 0 at 0 and from 2 B_t on. 0.2
    # and 1 are ours: with a weight below 0.5 no length is worth more than a match.
    weight: float = 0.2
    peak: float = 1.0
    # Probabilities of (easy, medium, hard): ``early`` up to the first share of the stage in ``turn``, ``late`` from the
    # second on, linear in between (0.3 and 0.7 are the paper's, the rest ours). Equal probabilities: no curriculum. RPT
    # (arXiv 2506.08007) is budget None, early and late (0, 0, 1) and ntp 0. Differences to that paper: one token
    # instead of a prefix of bytes, the hard tier instead of fixed entropy thresholds, and no resampling from step 500.
    early: tuple[float, float, float] = (0.6, 0.3, 0.1)
    late: tuple[float, float, float] = (0.1, 0.3, 0.6)
    turn: tuple[float, float] = (0.3, 0.7)
    # The pool is this share of the step's candidate tokens: those with the highest entropy under the model that
    # ``ranked_by`` names. Its thirds are the tiers (our choice), so that no tier is empty. With "inferable" ``places``,
    # the pool is all of them, and a row whose text has none uses another text.
    pool: float = 0.2
    # Weight lambda of L_NTP (0.1 is the paper's; 0 leaves it out).
    ntp: float = 0.1
    # "sum", as in the paper, sums over the tokens of a text and averages over texts, like L_RL over responses. "mean"
    # averages over all tokens, which makes the term smaller by a factor of the text length.
    ntp_aggregate: str = "sum"
    # States the budget in the prompt: the number of B_t's bin follows the opening tag (the paper asks for B_t tokens in
    # words); it does not count as thought. The cold start must use the same bins. None: the budget is only in the
    # reward.
    told: Bins | None = added_field(None)
    # Whose entropy ranks tokens: the stage's initial model's ("start", as in the paper), or the model's as it is
    # ("learner"), which finds what it has come to be unsure of by reading.
    ranked_by: str = added_field("start")
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.updates_per_batch != 1:
            raise ValueError(f"RMT.updates_per_batch must be 1, got {self.updates_per_batch}: the losses share a step")
        if self.budget is not None and not 1 <= self.least <= self.budget:
            raise ValueError(f"RMT.least must be between 1 and RMT.budget, got {self.least} and {self.budget}")
        if not 0 < self.shrink <= 1 or not 0 <= self.weight < 1 or not self.peak > 0 or not 0 < self.pool <= 1:
            raise ValueError(
                "RMT.shrink and pool must be above 0 and at most 1, peak above 0, weight at least 0 and below 1, "
                f"got {self.shrink}, {self.pool}, {self.peak} and {self.weight}"
            )
        for name in ("early", "late"):
            chances = getattr(self, name)
            if len(chances) != len(TIERS) or min(chances) < 0 or abs(sum(chances) - 1) > 1e-9:
                raise ValueError(f"RMT.{name} must hold 3 probabilities that sum to 1, got {chances!r}")
        if len(self.turn) != 2 or not 0 <= self.turn[0] < self.turn[1] <= 1:
            raise ValueError(f"RMT.turn must be two ascending shares of the stage, got {self.turn!r}")
        if not self.ntp >= 0:
            raise ValueError(f"RMT.ntp must not be negative, got {self.ntp}")
        if self.ntp_aggregate not in ("sum", "mean"):
            raise ValueError(f"RMT.ntp_aggregate must be one of sum, mean, got {self.ntp_aggregate!r}")
        if self.ranked_by not in RANKED_BY:
            raise ValueError(f"RMT.ranked_by must be one of {', '.join(RANKED_BY)}, got {self.ranked_by!r}")
        if self.told is not None and (self.budget is None or self.budget > self.told.longest):
            raise ValueError(f"RMT.told needs an RMT.budget of at most {self.told.longest}, got {self.budget}")
        check_bins(self)

    @property
    def needs_initial_model(self) -> bool:  # type: ignore[override]
        return True

    def tokens(self, done: float) -> int | None:
        """B_t, the target length of a thought when the share ``done`` of the stage is over."""
        return None if self.budget is None else max(self.least, math.floor(self.budget * self.shrink**done))

    def chances(self, done: float) -> tuple[float, ...]:
        """p_t, the probability of each tier."""
        u = min(1.0, max(0.0, (done - self.turn[0]) / (self.turn[1] - self.turn[0])))
        return tuple((1 - u) * a + u * b for a, b in zip(self.early, self.late, strict=True))

    def length_reward(self, tokens: int, budget: int) -> float:
        """r_len, a triangle over the length of a thought."""
        return self.peak * max(0.0, 1 - abs(tokens - budget) / budget)

    def drawn(
        self,
        done: float,
        texts: list[Text],
        entropy_N: np.ndarray,
        seed: int,
        step: int,
        inferable: list[list[int]] | None = None,
    ) -> list[Draw]:
        """C, the draws of a step. entropy_N: the entropy of every candidate token. inferable: if given, the pool is
        these places of each text; if None, it is the share ``pool`` of candidates with the highest entropy."""
        places = [(n, t) for n, (ids, first) in enumerate(texts) for t in range(first, len(ids))]
        order = np.argsort(-entropy_N, kind="stable")
        size = max(len(TIERS), round(self.pool * len(order)))
        if inferable is not None:
            order = np.array([n for n in order if places[n][1] in inferable[places[n][0]]])
            size = len(order)
        hardest = [tier if len(tier) else order for tier in np.array_split(order[:size], len(TIERS))]
        found = []
        for row in range(self.batch_size):
            draw = rng("place", seed, step, row)
            tier = weighted(draw, self.chances(done))
            chosen = hardest[-1 - tier]
            found.append((tier, *places[chosen[below(draw, len(chosen))]]))
        return found

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        lm, budget = models.learner, self.tokens(models.done)
        opening, closing = tags(lm)
        # Tiers rank the tokens of all texts of the step, even if this call collects only some of its rows.
        problems, texts, places = zip(*(self.text(lm, seed, step, row) for row in range(self.batch_size)), strict=True)
        ranking = models.start if self.ranked_by == "start" else lm
        before = unsure(ranking, texts)
        allowed = None if self.places == "any" else places
        every = self.drawn(models.done, texts, np.concatenate(before, axis=1)[0], seed, step, allowed)
        asked = [every[row] for row in rows]
        word = () if self.told is None else (self.told.names(lm)[self.told.of(budget)],)
        groups = think(self, lm, [texts[n][0][:t] for _, n, t in asked], seed, step, rows, after=1, hint=word)
        matches, fits, judged = [], [], []
        for group, (_, n, t) in zip(groups, asked, strict=True):
            whole = [predicts(response, opening, closing) for response in group.responses]
            answers = [response[-1] for response in group.responses]
            match_G = np.array([ok and y == texts[n][0][t] for ok, y in zip(whole, answers, strict=True)], float)
            rewards = match_G
            if budget is not None:
                fits_G = [self.length_reward(length(response, closing), budget) for response in group.responses]
                fit_G = np.array(whole) * fits_G
                rewards = (1 - self.weight) * match_G + self.weight * fit_G
                fits.append(fit_G)
            matches.append(match_G)
            judged.append(replace(group, rewards=rewards))
        plain = [before[n][1, t - texts[n][1]] for _, n, t in asked]
        line = {"match": float(np.mean(matches)), "plain": float(np.mean(plain))}
        if budget is not None:
            line |= {"budget": float(budget), "length_reward": float(np.mean(fits))}
        line |= by_kind([TIERS[tier] for tier, _, _ in asked], matches, plain)
        purposes = [roles_of(problem) for problem in problems]
        if all(len(roles_T) == len(ids) for roles_T, (ids, _) in zip(purposes, texts, strict=True)):
            line |= by_kind([purposes[n][t] for _, n, t in asked], matches, plain)
        candidates = sum(len(ids) - first for ids, first in texts)
        cost = forward_cost(ranking, REFERENCE, [len(ids) - 1 for ids, _ in texts], logits=candidates)
        batch = thought_batch(self, lm, judged, (cost,), line)
        if not self.ntp:
            return batch
        # Next-token prediction uses the corpus unfiltered, including texts without a place to think.
        corpus = [document(lm, self.data.problem("think", seed, step, row), self.targets) for row in rows]
        held_out = {(n, t) for _, n, t in every if n in rows and texts[n] == corpus[n - rows.start]}
        gold = self.read(lm, corpus, {(n - rows.start, t) for n, t in held_out}, batch.total)
        return stacked(batch, gold, lm.pad)

    def read(self, lm: LM, corpus: list[Text], held_out: set[tuple[int, int]], total: float) -> Batch:
        """Texts for next-token prediction, without the places in C. The gains are scaled so that the loss, divided by
        ``total`` as L_RL is, equals ntp * L_NTP."""
        gains = [
            [float(t >= first and (n, t) not in held_out) for t in range(len(ids))]
            for n, (ids, first) in enumerate(corpus)
        ]
        scale = self.ntp * total / (len(corpus) if self.ntp_aggregate == "sum" else sum(map(sum, gains)))
        return pack([ids for ids, _ in corpus], [[scale * gain for gain in row] for row in gains], total, lm.pad)

    def chosen(self, batch: Batch) -> Tensor:
        return super().chosen(batch) | (batch.gain_BT != 0)

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """The policy-gradient loss on responses plus next-token prediction on texts, both divided by ``total``."""
        own_B = sampled(batch).any(1)
        loss = torch.zeros((), device=batch.gain_BT.device)
        if bool(own_B.any()):
            loss = loss + super().loss(models, batch.rows(own_B.nonzero()[:, 0].tolist()))
        if not bool(own_B.all()):
            loss = loss + Stage.loss(self, models, batch.rows((~own_B).nonzero()[:, 0].tolist()))
        return loss


def by_kind(kinds: list[str], matches: list[np.ndarray], plain: list[float]) -> dict[str, float]:
    """By kind of place: the number of responses, the share that match, and the probability without a thought."""
    line = {}
    for kind in sorted(set(kinds)):
        own = [nth for nth, each in enumerate(kinds) if each == kind]
        line[f"drawn_{kind}"] = float(sum(len(matches[nth]) for nth in own))
        line[f"match_{kind}"] = float(np.mean([matches[nth] for nth in own]))
        line[f"plain_{kind}"] = float(np.mean([plain[nth] for nth in own]))
    return line


def predicts(response: list[int], opening: int, closing: int) -> bool:
    """Whether a response is one closed thought and a predicted token."""
    return len(response) > 1 and response[-2] == closing and opening not in response[:-2]
