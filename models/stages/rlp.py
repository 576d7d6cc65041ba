"""RLP: RL on thoughts before corpus tokens; the reward is how much a thought raises the token's log-probability."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from interlude.models.ledger import JUDGE, REFERENCE, forward_cost
from interlude.models.lm import tags
from interlude.models.stage import Batch, StageModels
from interlude.models.thought_rl import Reasoning, last_logprobs, length, think, thought_batch
from interlude.synth.rng import below, rng


@dataclass(frozen=True, kw_only=True)
class RLP(Reasoning):
    """One place per row, drawn uniformly from those that ``places`` allows, and a group of thoughts c before its token
    x_t. The reward, in nats, is the information gain log p_learner(x_t | x_<t, c) - log p_plain(x_t | x_<t); the second
    term has no thought (arXiv 2510.01265). No gradient flows through the reward. The clipped policy-gradient loss is on
    thought tokens only.

    Where the paper is silent: advantages are rewards minus the group mean, unscaled (DR_GRPO). A thought still open at
    ``max_new_tokens`` is closed by a tag that is scored but not trained on. The predicted token comes from the corpus
    and is never sampled. Other fields and errors are Reasoning's.
    """

    # The model of the baseline p_plain. The paper uses a moving average of the learner with decay 0.999. A stage here
    # is a pure function of weights and step and keeps no average. "start" is the stage's initial model, which has most
    # of the weight of that average in a stage of some hundred steps (0.999^100 = 0.90). "learner" is the current
    # learner, the average with decay 0.
    plain: str = "start"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plain not in ("start", "learner"):
            raise ValueError(f"RLP.plain must be one of start, learner, got {self.plain!r}")

    @property
    def needs_initial_model(self) -> bool:  # type: ignore[override]
        return self.plain == "start" or self.objective.kl > 0

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        lm, plain = models.learner, models.start if self.plain == "start" else models.learner
        closing = tags(lm)[1]
        seen = []  # each text up to and including the token to predict
        for row in rows:
            _, (ids, _), places = self.text(lm, seed, step, row)
            seen.append(ids[: places[below(rng("place", seed, step, row), len(places))] + 1])
        groups = think(self, lm, [ids[:-1] for ids in seen], seed, step, rows, after=0)
        thought = [
            group.prompt + response[: length(response, closing)] + [closing, ids[-1]]
            for group, ids in zip(groups, seen, strict=True)
            for response in group.responses
        ]
        with_NG = np.array(last_logprobs(lm, thought)).reshape(len(groups), self.num_samples)
        without_N1 = np.array(last_logprobs(plain, seen))[:, None]
        groups = [replace(group, rewards=gain_G) for group, gain_G in zip(groups, with_NG - without_N1, strict=True)]
        costs = (
            forward_cost(lm, JUDGE, [len(ids) - 1 for ids in thought], logits=len(thought)),
            forward_cost(plain, REFERENCE, [len(ids) - 1 for ids in seen], logits=len(seen)),
        )
        return thought_batch(self, lm, groups, costs, {"helped": float((with_NG > without_N1).mean())})
