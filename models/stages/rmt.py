"""RMT: think before uncertain tokens of the corpus and predict them, within a shrinking budget, and read the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from interlude.models.ledger import REFERENCE, forward_cost
from interlude.models.lm import LM, tags
from interlude.models.policy_gradient import Objective, sampled
from interlude.models.stage import Batch, Stage, StageModels, pack, stacked
from interlude.models.thought_rl import Bins, Reasoning, Text, check_told, document, length, paid, think, unsure
from interlude.synth.added_field import added_field
from interlude.synth.rng import below, rng, weighted
from interlude.synth.tasks import roles_of

TIERS = ("easy", "medium", "hard")
Draw = tuple[int, int, int]  # of a place: its tier, its text, and which token of that


@dataclass(frozen=True, kw_only=True)
class RMT(Reasoning):
    """Each of ``batch_size`` draws picks a tier of entropy, then a token of that tier among the step's texts; a group
    of responses thinks before it and predicts it. One step minimises L_RL + ntp * L_NTP, with L_NTP = -sum_pos m_pos
    log p(x_pos | x_<pos), m_pos being 0 at drawn places and 1 elsewhere (arXiv 2509.24375, from public notes on the
    paper).

    Choices: no ratio clip is printed, so one step a collection; advantages whitened with Objective's 1e-8; no KL; the
    predicted token learns with the response. A thought that is not closed before the prediction, or in which another is
    opened, earns nothing. Other fields and errors are Reasoning's.

    The log counts responses (``drawn_``) and the share that match (``match_``) by tier and by role of the token (where
    a word is a token); ``plain_`` is the probability that the start gives that token without a thought.
    """

    objective: Objective = Objective(aggregate="sum")
    max_new_tokens: int = 154
    # A thought should have B_t = max(least, floor(budget * shrink^done)) tokens. 60 is three times a derivation of some
    # 20 tokens; 1 and 0.2 are the paper's. None: no budget, and all reward is for the match.
    budget: int | None = 60
    least: int = 1
    shrink: float = 0.2
    # r = (1 - weight) r_match + weight r_len, with r_len = peak at B_t and 0 at 0 and from 2 B_t on. 0.2 and 1 are
    # ours: with a weight below 0.5 no length outbids a match.
    weight: float = 0.2
    peak: float = 1.0
    # Probabilities of easy, medium and hard until the first share of the stage in ``turn`` and from the second on,
    # linear between (0.3 and 0.7 are the paper's, the rest ours). Equal ones are no curriculum. RPT (arXiv 2506.08007)
    # is budget None, early and late (0, 0, 1) and ntp 0; its prefix of bytes is a token here, its fixed thresholds of
    # entropy become the hard tier, and its resampling from step 500 on is left out.
    early: tuple[float, float, float] = (0.6, 0.3, 0.1)
    late: tuple[float, float, float] = (0.1, 0.3, 0.6)
    turn: tuple[float, float] = (0.3, 0.7)
    # Share of the step's candidate tokens of highest entropy under the stage's initial model; its thirds are the tiers
    # (ours), so that no tier is ever empty. Where only "inferable" ``places`` may be drawn all of them are the pool,
    # and a row whose text has none thinks in another text.
    pool: float = 0.2
    # Weight lambda of L_NTP (0.1 is the paper's; 0 leaves it out).
    ntp: float = 0.1
    # "sum", as printed, adds up the tokens of a text and averages over texts, as L_RL adds up the tokens of a response
    # and averages over responses; "mean" averages over all tokens, which makes the term smaller by the length of a
    # text.
    ntp_aggregate: str = "sum"
    # Bins of length: the number of B_t's bin stands in the prompt right after the opening tag, where the paper asks for
    # B_t tokens in words; it is no part of the thought. The cold start must have used the same bins. None: only the
    # reward knows the budget.
    told: Bins | None = added_field(None)
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
        if self.told is not None and (self.budget is None or self.budget > self.told.longest):
            raise ValueError(f"RMT.told needs an RMT.budget of at most {self.told.longest}, got {self.budget}")
        check_told(self)

    @property
    def needs_initial_model(self) -> bool:  # type: ignore[override]
        return True

    def tokens(self, done: float) -> int | None:
        """B_t, how many tokens a thought should have when the share ``done`` of the stage is over."""
        return None if self.budget is None else max(self.least, math.floor(self.budget * self.shrink**done))

    def chances(self, done: float) -> tuple[float, ...]:
        """p_t, the probability of each tier."""
        u = min(1.0, max(0.0, (done - self.turn[0]) / (self.turn[1] - self.turn[0])))
        return tuple((1 - u) * a + u * b for a, b in zip(self.early, self.late, strict=True))

    def length_reward(self, tokens: int, budget: int) -> float:
        """r_len, a triangle over the tokens of a thought."""
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
        """C, the step's draws: for each the tier, the text and the place in it. entropy_N: of every candidate.
        inferable: the places of each text that may be drawn, all of them the pool; None: any of highest entropy."""
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
        # Tiers compare all texts of the step, whichever rows of it are asked for.
        problems, texts, places = zip(*(self.text(lm, seed, step, row) for row in range(self.batch_size)), strict=True)
        before = unsure(models.start, texts)
        allowed = None if self.places == "any" else places
        every = self.drawn(models.done, texts, np.concatenate(before, axis=1)[0], seed, step, allowed)
        asked = [every[row] for row in rows]
        word = () if self.told is None else (self.told.names(lm)[self.told.of(budget)],)
        groups = think(self, lm, [texts[n][0][:t] for _, n, t in asked], seed, step, rows, after=1, told=word)
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
        cost = forward_cost(models.start, REFERENCE, [len(ids) - 1 for ids, _ in texts], logits=candidates)
        batch = paid(self, lm, judged, (cost,), line)
        if not self.ntp:
            return batch
        # The corpus as it comes: texts that were passed over for their places are read all the same.
        corpus = [document(lm, self.data.problem("think", seed, step, row), self.targets) for row in rows]
        held_out = {(n, t) for _, n, t in every if n in rows and texts[n] == corpus[n - rows.start]}
        gold = self.read(lm, corpus, {(n - rows.start, t) for n, t in held_out}, batch.total)
        return stacked(batch, gold, lm.pad)

    def read(self, lm: LM, corpus: list[Text], held_out: set[tuple[int, int]], total: float) -> Batch:
        """Texts for next-token prediction, without the places in C. Gains are such that, over ``total``, the divisor of
        the other loss, they come to ntp times L_NTP."""
        gains = [
            [float(t >= first and (n, t) not in held_out) for t in range(len(ids))]
            for n, (ids, first) in enumerate(corpus)
        ]
        scale = self.ntp * total / (len(corpus) if self.ntp_aggregate == "sum" else sum(map(sum, gains)))
        return pack([ids for ids, _ in corpus], [[scale * gain for gain in row] for row in gains], total, lm.pad)

    def chosen(self, batch: Batch) -> Tensor:
        return super().chosen(batch) | (batch.gain_BT != 0)

    def loss(self, models: StageModels, batch: Batch) -> Tensor:
        """The surrogate on responses and next-token prediction on texts, each over the batch's divisor."""
        own_B = sampled(batch).any(1)
        loss = torch.zeros((), device=batch.gain_BT.device)
        if bool(own_B.any()):
            loss = loss + super().loss(models, batch.rows(own_B.nonzero()[:, 0].tolist()))
        if not bool(own_B.all()):
            loss = loss + Stage.loss(self, models, batch.rows((~own_B).nonzero()[:, 0].tolist()))
        return loss


def by_kind(kinds: list[str], matches: list[np.ndarray], plain: list[float]) -> dict[str, float]:
    """How many responses each kind of place had, which share matched, and how likely that was without a thought."""
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
