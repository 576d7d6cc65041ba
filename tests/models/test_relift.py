"""ReLIFT is RL, and one step of imitation on what a collection could not solve."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from interlude.models.files import read_jsonl
from interlude.models.optim import Optim
from interlude.models.stage import StageModels, imitate
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.rl import RL
from interlude.models.train import Machine, train
from interlude.studies.scoring import solution_logprobs
from interlude.synth.source import Mixture, Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
HARD = dataclasses.replace(EASY, ops=(2, 2))  # ``learned`` has seen one operation only: it solves none of these
FIELDS = {
    "steps": 2,
    "batch_size": 6,
    "optim": Optim(matrix_lr=1e-3, other_lr=1e-3, warmup=1),
    "num_samples": 4,
    "max_new_tokens": 60,
}
STAGE = ReLIFT(**FIELDS, data=Mixture(((0.5, EASY), (0.5, HARD))))


def collected(stage, lm, step: int = 0):
    with torch.no_grad():
        return stage.collect(StageModels(lm.eval()), 3, step, range(stage.batch_size))


def test_what_nobody_solved_is_imitated(learned):
    # Mutants: solved prompts taught; a prompt as target; failures of another step; RL's rows or divisor changed.
    lm = learned()
    batch, plain = collected(STAGE, lm), collected(RL(**FIELDS, data=STAGE.data), lm)
    with torch.no_grad():
        groups, _ = STAGE.groups(lm, 3, 0, range(6))
    failed = [group.problem for group in groups if group.rewards.max() == 0]
    assert 0 < len(failed) == batch.metrics["taught"] < 6 and batch.total == plain.total
    *own, taught = STAGE.updates(batch)
    n = len(plain.lengths)
    assert [part.lengths for part in own] == [plain.lengths] and batch.lengths[:n] == plain.lengths
    assert torch.equal(own[0].ids_BT, plain.ids_BT) and torch.equal(own[0].gain_BT, plain.gain_BT)
    gold = imitate(lm, failed, "solution")
    assert torch.equal(taught.ids_BT, gold.ids_BT) and torch.equal(taught.gain_BT, gold.gain_BT)
    assert (taught.total, taught.lengths, taught.spent) == (gold.total, gold.lengths, ()) and batch.spent == plain.spent
    # Each update has its own loss: RL's, and a mean over solution tokens.
    models = StageModels(lm)
    assert torch.equal(STAGE.loss(models, own[0]), RL(**FIELDS, data=STAGE.data).loss(models, plain))
    with torch.no_grad():
        nats = -sum(float(logp_T.sum()) for logp_T in solution_logprobs(lm, failed))
    tokens = sum(len(lm.encode(problem.solution)) for problem in failed)
    assert STAGE.loss(models, taught).item() == pytest.approx(nats / tokens, rel=1e-4)
    assert STAGE.target_count(taught) == tokens


def test_where_everything_is_solved_it_is_rl(learned):
    # Mutants: an empty step of imitation; a group with equal rewards taken for a failed one.
    lm = learned()
    one = dataclasses.replace(STAGE, data=EASY, batch_size=1)
    solved = next(step for step in range(50) if not collected(one, lm, step).metrics["taught"])
    batch = collected(one, lm, solved)
    plain = collected(RL(**FIELDS | {"batch_size": 1}, data=EASY), lm, solved)
    assert torch.equal(batch.ids_BT, plain.ids_BT) and STAGE.updates(batch) == (batch,)


def test_it_learns_what_rl_cannot(learned, tmp_path):
    # Mutants: gold rows dropped from the update; the sign of their loss. RL alone has nothing to learn from here.
    paper, found = [HARD.problem("relift-exam", n) for n in range(20)], {}
    for kind in (RL, ReLIFT):
        lm = learned()
        folder = tmp_path / kind.__name__
        folder.mkdir()
        train(lm, kind(**FIELDS | {"steps": 5}, data=HARD), 3, Machine(), folder=folder)
        with torch.no_grad():
            found[kind] = sum(float(logp_T.sum()) for logp_T in solution_logprobs(lm.eval(), paper)) / len(paper)
    assert found[ReLIFT] > found[RL] + 1
    assert all(line["taught"] == 6 and line["strict"] == 0 for line in read_jsonl(tmp_path / "ReLIFT" / "log.jsonl"))


def test_bad_stages_are_refused():
    # Mutant: a check that names RL.
    with pytest.raises(ValueError, match="ReLIFT.num_samples must be at least 2"):
        dataclasses.replace(STAGE, num_samples=1)
