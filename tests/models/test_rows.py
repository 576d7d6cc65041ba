"""Rows of the arena with a file each: distillation that switches, RL between texts, RL from withdrawn beginnings."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from interlude.models.gpt import GPT
from interlude.models.key import canonical, key
from interlude.models.ledger import REFERENCE, forward_cost
from interlude.models.optim import Optim
from interlude.models.policy_gradient import sampled
from interlude.models.recipe import Recipe
from interlude.models.rollouts import Reward
from interlude.models.stage import StageModels, logprobs
from interlude.models.stages.interleave import Interleave
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.rl import RL
from interlude.models.stages.switch import Switch, surest
from interlude.models.stages.withdraw import Withdraw
from interlude.models.train import frozen
from interlude.synth.segments import unthought
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

EASY = Source(ops=(1, 1), modulus=3, names=6)
TWO = dataclasses.replace(EASY, ops=(2, 2))
STOPS = Source(ops=(2, 2), modulus=3, names=6, split="any", dialect="direct", thoughts="ignored", unwrapped=True)
COMMON = {"steps": 12, "batch_size": 4, "optim": Optim(warmup=1)}
ROLLS = COMMON | {"data": EASY, "num_samples": 4, "max_new_tokens": 48}
MODEL = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, worlds=("zoo",), names=6))
SWITCH = Switch(**COMMON, data=TWO, replay=EASY, reference=Recipe(MODEL))


class Asked:
    """A task of questions alone."""

    capabilities, title = frozenset(), "asked"

    def problem(self, *path): ...


def loss(stage, learner, reference, batch) -> torch.Tensor:
    return stage.loss(StageModels(learner, references={"reference": reference}), batch)


def test_switch_by_hand():
    # "switch": reverse KL at temperature 2 on the fifth of tokens where the teacher is surest, cross-entropy elsewhere.
    # Mutants: forward KL; temperature 1, or no tau^2; the least sure fifth; the fifth of the batch; both losses on it.
    learner, reference = MODEL.build(0).eval(), MODEL.build(1).eval()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for lm in (learner, reference):
            for weight in lm.parameters():
                weight.add_(0.3 * torch.randn(weight.shape, generator=noise))
    stage = dataclasses.replace(SWITCH, weight=1.5)
    batch = stage.collect(StageModels(learner, references={"reference": reference}), 5, 0, range(4))
    total = 0.0
    with torch.no_grad():
        for ids_T, gain_T in zip(batch.ids_BT, batch.gain_BT, strict=True):
            targets = [t for t in range(1, len(ids_T)) if gain_T[t]]
            own_TV, other_TV = (lm.forward(ids_T[None])[0].double() for lm in (learner, reference))
            p_TV = other_TV.softmax(-1)
            nats = {t: -float((p_TV[t - 1] * p_TV[t - 1].log()).sum()) for t in targets}
            sure = sorted(targets, key=nats.get)[: math.ceil(0.2 * len(targets))]
            for t in targets:
                if t in sure:
                    p_V, q_V = (x[t - 1].div(2).softmax(-1) for x in (own_TV, other_TV))
                    total += 1.5 * 4 * float((p_V * (p_V.log() - q_V.log())).sum())
                else:
                    total -= float(own_TV[t - 1].log_softmax(-1)[ids_T[t]])
    assert loss(stage, learner, reference, batch).item() == pytest.approx(total / batch.total, rel=1e-4)


def test_switch_without_sure_tokens_is_next_token_prediction():
    # Mutants: another divisor; a share of 0 that keeps one token; a divergence of equal models above zero.
    learner = MODEL.build(0).eval()
    plain = Midtrain(**COMMON, data=TWO, replay=EASY)
    models = StageModels(learner, references={"reference": MODEL.build(1).eval()})
    batch, same = (stage.collect(models, 5, 0, range(4)) for stage in (SWITCH, plain))
    assert torch.equal(batch.ids_BT, same.ids_BT) and [each.kind for each in batch.spent] == [REFERENCE]
    none = dataclasses.replace(SWITCH, share=0.0)
    assert none.loss(models, batch).item() == pytest.approx(plain.loss(models, same).item(), rel=1e-5)
    assert loss(dataclasses.replace(SWITCH, share=1.0), learner, learner, batch).item() == pytest.approx(0, abs=1e-6)
    chosen_BT = torch.tensor([[True, True, False], [True, True, True]])
    assert surest(torch.tensor([0.5, 0.1, 0.3, 0.2, 0.9]), chosen_BT, 0.4).tolist() == [False, True, True, True, False]


def test_reading_and_rl_take_turns(learned):
    # Mutants: RL first; reading once more or less; other texts or rollouts than the stages alone have; one loss.
    lm = learned().eval()
    stage = Interleave(**ROLLS, text=TWO, replay=EASY, reading=3)
    read, rl = Midtrain(**COMMON, data=TWO, replay=EASY), RL(**ROLLS)
    for step in range(9):
        with torch.no_grad():
            batch = stage.collect(StageModels(lm), 5, step, range(4))
        turn = rl if step % 4 == 3 else read
        with torch.no_grad():
            alone = turn.collect(StageModels(lm), 5, step, range(4))
        assert torch.equal(batch.ids_BT, alone.ids_BT) and torch.equal(batch.gain_BT, alone.gain_BT)
        assert batch.total == alone.total and batch.spent == alone.spent
        assert bool(batch.old_BT is not None and sampled(batch).any()) == (turn is rl)
        assert torch.equal(stage.loss(StageModels(lm), batch), turn.loss(StageModels(lm), alone))
        assert len(stage.updates(batch)) == 1 and stage.target_count(batch) == turn.target_count(alone)


def test_a_step_of_reading_is_one_update_whatever_the_groups(learned):
    # Kills: rows of text cut into groups of responses, of which fewer rows than num_samples make none.
    stage = Interleave(**ROLLS | {"batch_size": 2}, text=TWO, replay=EASY, reading=1)
    with torch.no_grad():
        batch = stage.collect(StageModels(learned().eval()), 5, 0, range(2))
    assert [part is batch for part in stage.updates(batch)] == [True]


def test_beginnings_are_withdrawn(learned):
    # Mutants: withdrawn at once, or never; a part of a step given; a step that the corpus leaves out given.
    stage = Withdraw(**ROLLS | {"data": TWO})
    counts = [stage.given(done, 10) for done in np.linspace(0, 1, 101)]
    assert counts[0] == 9 and counts == sorted(counts, reverse=True) and set(counts[80:]) == {0} and counts[40] == 4
    lm = learned().eval()
    early = {"thoughts": "ignored", "unwrapped": True, "dialect": "direct"}
    stops = Source(ops=(4, 4), modulus=3, split="any", stop_prob=1.0, **early)
    words = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, thoughts=True)).build(0)
    for n in range(20):
        problem = stops.problem("given", n)
        shown = words.decode(stage.prefix(words, problem, 0.0))
        steps = problem.solution.count(";")
        assert shown.count(";") == math.floor(0.9 * steps) and problem.solution.startswith(shown)
    assert stage.prefix(lm, TWO.problem("given", 0), 1.0) == []


def test_responses_are_judged_with_what_was_given_and_learn_alone(learned):
    # Mutants: the response judged alone; the prefix a target; the prefix left out of the prompt.
    lm = learned().eval()
    stage = Withdraw(**ROLLS | {"data": TWO, "batch_size": 8}, solved=1.0, begin=1.0)
    paid = 0
    with torch.no_grad():
        groups = stage.rolled(StageModels(lm, frozen(lm)), [], 5, 0, list(range(8)), 0)
        batch = stage.collect(StageModels(lm, frozen(lm)), 5, 0, range(8))
    for group in groups:
        question = lm.encode_prompt(group.problem.question)
        given = group.prompt[len(question) :]
        assert group.prompt[: len(question)] == question and given
        assert group.problem.solution.startswith(lm.decode(given))
        for ids, reward in zip(group.responses, group.rewards, strict=True):
            assert reward == verify(group.problem, f"{lm.decode(given)} {lm.decode(ids)}").strict
            paid += reward
    assert paid > 0 and batch.metrics["prefix_tokens"] > 0
    prompts = {tuple(group.prompt) for group in groups}
    for row, flags_T in enumerate(sampled(batch)):
        first = int(flags_T.nonzero()[0])
        assert tuple(batch.ids_BT[row, :first].tolist()) in prompts and not batch.gain_BT[row, :first].any()


def test_problems_that_are_solved_are_passed_over(learned):
    # Mutants: problems solved kept; those never solved passed over; passing over free of charge, or endless.
    lm = learned().eval()
    with torch.no_grad():
        for solved, kept in ((1.0, True), (0.0, False)):
            stage, costs = Withdraw(**ROLLS, solved=solved, tries=3), []
            problem = stage.unsolved(lm, costs, "x", 0)
            assert problem == (EASY.problem("x", 0) if kept else EASY.problem("x", 0, 3))
            assert [cost.kind for cost in costs] == [REFERENCE] * (1 if kept else 3)
    for bad in ({"begin": 1.5}, {"free": 0.0}, {"solved": -1.0}, {"tries": 0}, {"reward": Reward("answer")}):
        with pytest.raises(ValueError, match="Withdraw.*"):
            Withdraw(**ROLLS, **bad)
    for bad in ({"share": 2.0}, {"temperature": 0.0}, {"weight": -1.0}):
        with pytest.raises(ValueError, match="Switch.share"):
            dataclasses.replace(SWITCH, **bad)
    for bad in ({"reading": 0}, {"updates_per_batch": 2}, {"text": Asked()}, {"replay": Asked()}):
        with pytest.raises(ValueError, match=f"Interleave.{next(iter(bad))} must be"):
            Interleave(**ROLLS | {"text": TWO, "replay": EASY} | bad)


@pytest.fixture(scope="module")
def solver():
    """A source whose texts all stop early, and a model that solves its problem ("x", 0): it gives the text of that
    problem next to nothing."""
    stops = dataclasses.replace(STOPS, stop_prob=1.0)
    lm = dataclasses.replace(MODEL, vocab=dataclasses.replace(MODEL.vocab, thoughts=True)).build(0)
    problem = stops.problem("x", 0)
    question, solution = lm.encode_prompt(problem.question), lm.encode(STOPS.problem("x", 0).solution)
    ids_1T = torch.tensor([question + solution])
    chosen_1T = torch.arange(ids_1T.shape[1])[None] >= len(question)
    optim = torch.optim.Adam(lm.parameters(), lr=0.01)
    for _ in range(120):
        optim.zero_grad()
        (-logprobs(lm, ids_1T, chosen_1T).sum()).backward()
        optim.step()
    return stops, lm.eval()


@pytest.mark.parametrize("thoughts", ("ignored", "oracle"))
def test_a_problem_is_solved_by_its_whole_solution_whatever_its_text_leaves_out(solver, thoughts):
    # Kills: `judged` ignored; the stopped text, or one with its last steps in a thought, taken for the whole solution;
    # the cost of the other text charged; a default that moves the keys of committed results.
    stops, lm = solver
    stops = dataclasses.replace(stops, thoughts=thoughts)
    problem, later = stops.problem("x", 0), stops.problem("x", 0, 1)
    plain = dataclasses.replace(STOPS, thoughts="ignored").problem("x", 0).solution
    assert verify(problem, plain).strict and not verify(unthought(problem), unthought(problem).solution).strict
    with torch.no_grad():
        for judged, taken in (("text", problem), ("solution", later)):
            stage, costs = Withdraw(**ROLLS | {"data": stops}, tries=1, judged=judged), []
            assert stage.unsolved(lm, costs, "x", 0) == taken
            read, asked = plain if judged == "solution" else problem.solution, len(lm.encode_prompt(problem.question))
            count = len(lm.encode(read))
            assert costs == [forward_cost(lm, REFERENCE, [asked + count], logits=count)]
    stage = Withdraw(**ROLLS)
    assert "judged" not in canonical(stage) and key(stage) == key(dataclasses.replace(stage, judged="text"))
    assert key(stage) != key(dataclasses.replace(stage, judged="solution"))
    with pytest.raises(ValueError, match="Withdraw.judged must be one of text, solution, got 'answer'"):
        Withdraw(**ROLLS, judged="answer")


def test_withdrawal_without_room_for_whole_solutions_is_refused(learned):
    # Mutants: no check; room for what follows the prefix alone, which is withdrawn to nothing.
    lm = learned().eval()
    stage = Withdraw(**ROLLS | {"max_new_tokens": 5})
    with torch.no_grad(), pytest.raises(ValueError, match="Withdraw allows max_new_tokens=5, but 4 of 4 reference"):
        stage.rolled(StageModels(lm, frozen(lm)), [], 5, 0, list(range(4)), 0)
