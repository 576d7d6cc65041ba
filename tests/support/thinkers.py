"""Stages whose models think, and what their batches hold, for tests of several files."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from interlude.models.lm import tags
from interlude.models.optim import Optim
from interlude.models.policy_gradient import Objective, sampled
from interlude.models.stage import StageModels
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.thought_rl import unsure
from interlude.models.train import frozen
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
GAPS = dataclasses.replace(EASY, ops=(2, 2), skip_prob=1.0)
FIELDS = {
    "steps": 10,
    "batch_size": 6,
    "optim": Optim(matrix_lr=1e-3, other_lr=1e-3, warmup=1),
    "data": GAPS,
    "num_samples": 4,
}
INFORMATION = RLP(**FIELDS, max_new_tokens=26)
MATCHING = RMT(**FIELDS, max_new_tokens=40, budget=20)
KEPT = Objective(baseline="none", scale="none", aggregate="sum")  # advantages are rewards, so that a test can read them
SOME = dataclasses.replace(GAPS, ops=(2, 3), skip_prob=0.4, names=None)  # some of whose texts leave nothing to infer


def thinking_models(thinker) -> StageModels:
    """A learner, and the start it has moved away from."""
    learner = thinker().eval()
    start = frozen(learner)
    with torch.no_grad():
        for weight in learner.parameters():
            weight.mul_(1.02)
    return StageModels(learner, start)


def collected(stage, models, step: int = 3):
    with torch.no_grad():
        return stage.collect(models, 5, step, range(stage.batch_size))


def places(stage, models, texts) -> list[tuple[int, int, int]]:
    """The draws of step 3."""
    return stage.drawn(models.done, texts, np.concatenate(unsure(models.start, texts), axis=1)[0], 5, 3)


def nats(lm, ids: list[int]) -> float:
    """log p of the last token given the others, by a whole forward pass of one row in float64."""
    with torch.no_grad():
        return float(lm.forward(torch.tensor([ids]))[0, -2].double().log_softmax(-1)[ids[-1]])


def own(batch, lm) -> list[tuple[list[int], list[int], float]]:
    """Each sampled row as prompt, response and the gain of its tokens, which must be one number."""
    found = []
    for row, flags_T in enumerate(sampled(batch)):
        if flags_T.any():
            first, last = int(flags_T.nonzero()[0]), batch.lengths[row]
            gains = batch.gain_BT[row, first:last].unique().tolist()
            assert len(gains) == 1 and bool(flags_T[first:last].all()) and not batch.gain_BT[row, :first].any()
            ids = batch.ids_BT[row].tolist()
            assert ids[first - 1] == tags(lm)[0]
            found.append((ids[:first], ids[first:last], gains[0]))
    return found
