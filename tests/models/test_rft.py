"""Rejection-sampling fine-tuning imitates the starting model's own correct responses, each once, and nothing else."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from interlude.models.ledger import ROLLOUT, decode_cost
from interlude.models.optim import Optim
from interlude.models.rollouts import check_room, rollouts
from interlude.models.stage import StageModels
from interlude.models.stages.rft import RFT, correct
from interlude.models.stages.rl import RL
from interlude.models.train import Machine, frozen, train
from interlude.studies.scoring import solution_logprobs
from interlude.synth.source import Source
from interlude.synth.tasks import Question, TextTask
from interlude.synth.verify import verify

EASY = Source(ops=(1, 1), modulus=3, names=6)
OPTIM = Optim(matrix_lr=1e-3, other_lr=1e-3, warmup=2)
STAGE = RFT(steps=3, batch_size=6, optim=OPTIM, data=EASY, num_samples=4, max_new_tokens=30)
HARD = Source(ops=(2, 2), modulus=3, names=6)  # ``learned`` has seen one operation only: it solves none of these


def collected(stage, learner, start, step: int = 0):
    with torch.no_grad():
        return stage.collect(StageModels(learner, frozen(start)), 3, step, range(stage.batch_size))


def test_imitates_what_the_start_gets_right(learned, tiny):
    # Mutants: sampled from the learner; wrong responses imitated; copies of a response imitated; a prompt as target.
    start, learner = learned(), tiny.build(1)
    batch = collected(STAGE, learner, start)
    with torch.no_grad():
        groups = rollouts(STAGE, start, 3, 0, list(range(STAGE.batch_size)), 0)
    expected, copies = [], 0
    for group in groups:
        right = [ids for ids in group.responses if verify(group.problem, start.decode(ids)).strict]
        copies += len(right)
        expected += [(group.prompt, ids) for n, ids in enumerate(right) if ids not in right[:n]]
    assert 0 < len(expected) < copies < STAGE.batch_size * STAGE.num_samples  # some right, some twice, some wrong
    assert batch.lengths == tuple(len(prompt) + len(ids) for prompt, ids in expected)
    for row, (prompt, ids) in enumerate(expected):
        n = len(prompt) + len(ids)
        assert batch.ids_BT[row, :n].tolist() == prompt + ids
        assert batch.gain_BT[row].tolist() == [0.0] * len(prompt) + [1.0] * len(ids) + [0.0] * (
            batch.ids_BT.shape[1] - n
        )
    assert batch.total == sum(len(ids) for _, ids in expected) and batch.metrics["taught"] == len(expected)
    assert batch.metrics["strict"] == copies / (STAGE.batch_size * STAGE.num_samples)
    paid = [decode_cost(start, len(g.prompt), [len(r) for r in g.responses]) for g in groups]
    assert list(batch.spent) == paid and {entry.kind for entry in paid} == {ROLLOUT}


def test_the_loss_is_a_mean_over_targets(learned):
    # Mutants: a mean over rows, over padding, or over all responses sampled.
    start = learned()
    batch = collected(STAGE, start, start)
    nats = []
    with torch.no_grad():
        for row, n in enumerate(batch.lengths):
            logp_TV = start.forward(batch.ids_BT[row : row + 1, :n])[0].double().log_softmax(-1)
            nats += [-float(logp_TV[t - 1, batch.ids_BT[row, t]]) for t in range(1, n) if batch.gain_BT[row, t]]
        assert float(STAGE.loss(StageModels(start), batch)) == pytest.approx(sum(nats) / len(nats), rel=1e-4)


def test_every_prompt_is_sampled_from_the_start_until_the_end(learned):
    # Mutant: the learner's own responses after the first step (that would be on-policy, another method).
    start, strict = learned(), []
    stage = dataclasses.replace(STAGE, optim=Optim(matrix_lr=0.5, other_lr=0.5, warmup=0), steps=2)
    train(learned(), stage, 3, Machine(), observe=lambda share, line: strict.append(line["strict"]))
    expected = [collected(stage, start, start, step).metrics["strict"] for step in range(2)]
    assert strict == expected and min(strict) > 0.1


def test_a_step_without_a_correct_response_moves_nothing(learned):
    # Mutants: wrong responses imitated where there is no right one; a step of Muon's size on no gradient; a free step;
    # learning rates added up where nothing was updated.
    lm, lines = learned(), []
    before = {name: tensor.clone() for name, tensor in lm.state_dict().items()}
    stage = dataclasses.replace(STAGE, data=HARD, steps=1, max_new_tokens=80)
    state = train(lm, stage, 3, Machine(), observe=lambda share, line: lines.append(line))
    assert lines[0]["strict"] == lines[0]["taught"] == lines[0]["loss"] == lines[0]["norm"] == lines[0]["lr_sum"] == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in lm.state_dict().items())
    assert state.ledger.as_dict()["rollout_flops"] > 0
    moved, lines[:] = learned(), []
    train(moved, dataclasses.replace(STAGE, steps=1), 3, Machine(), observe=lambda share, line: lines.append(line))
    assert lines[0]["taught"] > 0 and not torch.equal(moved.head, lm.head)


def test_it_learns(learned):
    # Mutant: the sign of the loss. Own correct samples raise the share that is right.
    lm, paper = learned(), [EASY.problem("rft-exam", n) for n in range(40)]

    def right() -> float:
        with torch.no_grad():
            return sum(math.exp(logp_T.sum()) for logp_T in solution_logprobs(lm.eval(), paper)) / len(paper)

    before = right()
    train(lm, dataclasses.replace(STAGE, steps=25, batch_size=16), 3)
    assert right() > before + 0.03


def test_bad_stages_are_refused():
    # Mutant: a field that is not checked.
    for change in ({"num_samples": 0}, {"temperature": 0.0}, {"max_new_tokens": 0}):
        with pytest.raises(ValueError, match="RFT.num_samples, temperature and max_new_tokens must be positive"):
            dataclasses.replace(STAGE, **change)


def test_correct_keeps_orders_apart(learned):
    # Mutant: one response a prompt. In prose two right solutions may differ, and both are kept.
    lm = learned()
    with torch.no_grad():
        group = rollouts(STAGE, lm, 3, 0, [0], 0)[0]
    yes, no = (dataclasses.replace(group.verdicts[0], strict=strict) for strict in (True, False))
    made = dataclasses.replace(group, responses=[[5], [6], [5], [7]], verdicts=[yes, yes, yes, no])
    assert correct(made) == [[5], [6]]


class Unsolved:
    """A task without solutions."""

    capabilities = frozenset()

    def problem(self, *path):
        raise AssertionError("asked for a problem")


class Spelt:
    """A model that reads a token a character."""

    def encode(self, text: str) -> list[int]:
        return [0] * len(text)


def test_room_for_solutions_is_demanded():
    # Mutants: no check; the longest alone decides; a limit of one token less; a tenth refused; no exception for tasks
    # without solutions.
    def problems(*lengths: int) -> list[Question]:
        return [Question("?", "x" * n, lambda text: False, "1") for n in lengths]

    task = TextTask("rows.jsonl")
    check_room("RL", Spelt(), task, problems(5, 7, 7), 7)
    check_room("RL", Spelt(), task, problems(*[7] * 9, 8), 7)
    with pytest.raises(ValueError, match=r"RL allows max_new_tokens=7, but 2 of 10 .* longer \(up to 9 tokens\)"):
        check_room("RL", Spelt(), task, problems(*[7] * 8, 8, 9), 7)
    check_room("RL", Spelt(), Unsolved(), problems(9), 7)


@pytest.mark.parametrize("kind", [RFT, RL])
def test_a_stage_without_room_is_refused(kind, learned):
    # Mutants: the check left out of one of the two; made at every step but the first.
    stage = dataclasses.replace(STAGE, steps=1, max_new_tokens=5)
    own = {field.name: getattr(stage, field.name) for field in dataclasses.fields(RL) if hasattr(stage, field.name)}
    with pytest.raises(ValueError, match=f"{kind.__name__} allows max_new_tokens=5, but 6 of 6 reference solutions"):
        train(learned(), stage if kind is RFT else RL(**own), 3, Machine())
