"""Policy-gradient losses equal the formulas written out by hand, and their gradients reinforce what is rewarded."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from interlude.models import policy_gradient
from interlude.models.files import read_jsonl
from interlude.models.key import canonical, key
from interlude.models.ledger import REFERENCE, ROLLOUT
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim
from interlude.models.policy_gradient import DAPO, DR_GRPO, GRPO, REINFORCE, Objective, advantages, sampled, weigh
from interlude.models.rollouts import Group, Reward
from interlude.models.stage import StageModels, logprobs
from interlude.models.stages.rl import RL
from interlude.models.train import Diverged, Machine, frozen, train
from interlude.synth.rng import uniforms
from interlude.synth.source import Source
from interlude.synth.verify import EXTRA, KINDS, REPEATED, UNKNOWN, Fault, Verdict

EASY = Source(ops=(1, 1), modulus=3, names=6)
OPTIM = Optim(matrix_lr=1e-3, other_lr=1e-3, warmup=2)
STAGE = RL(steps=4, batch_size=4, optim=OPTIM, data=EASY, num_samples=4, max_new_tokens=30)
PPO = dataclasses.replace(STAGE, updates_per_batch=2)
MORE = Fault(EXTRA, 0, 0, "made up")
JUDGED = {"parsed": True, "answer": False, "process": 0.0, "strict": False, "faults": ()}


def verdict(**changes) -> Verdict:
    return Verdict(**JUDGED | changes)


def group(rewards, lengths=None, logp: float = -1.0, prompt=(5, 6, 7)) -> Group:
    """A group whose response tokens are all made up."""
    lengths = lengths or [2] * len(rewards)
    responses = [[3 + (i + t) % 9 for t in range(n)] for i, n in enumerate(lengths)]
    old = [[logp] * n for n in lengths]
    return Group(None, list(prompt), responses, old, [verdict()] * len(rewards), np.array(rewards, dtype=float))


def weights(stage: RL, lm, *groups: Group):
    """What each sampled token's log-probability is multiplied by in -loss, a list a response."""
    batch = weigh(stage, lm, list(groups), list(groups))
    mask_BT = sampled(batch)
    return [(batch.gain_BT[b][mask_BT[b]] / batch.total).tolist() for b in range(len(batch.lengths))]


# Advantages and aggregation


@pytest.mark.parametrize(
    ("objective", "expected"),
    (
        (GRPO, (0.7302967, -1.0954451, -1.0954451, 0.7302967, 0.7302967)),
        (DAPO, (0.7302967, -1.0954451, -1.0954451, 0.7302967, 0.7302967)),
        (DR_GRPO, (0.4, -0.6, -0.6, 0.4, 0.4)),
        (REINFORCE, (1, 0, 0, 1, 1)),
    ),
    ids=("grpo", "dapo", "dr-grpo", "reinforce"),
)
def test_advantages_by_hand(objective, expected):
    # Mutants: the biased standard deviation; no division; the mean subtracted where it must not be.
    # Rewards 1 0 0 1 1: mean 3/5, squared deviations sum to 6/5, unbiased variance 3/10.
    assert advantages(objective, np.array([1.0, 0, 0, 1, 1])) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    (
        ("sequence", (0.5 / 4 / 2, -0.5 / 4 / 4, 0.25 / 4 / 1, -0.25 / 4 / 3)),
        ("token", (0.5 / 10, -0.5 / 10, 0.25 / 10, -0.25 / 10)),
        ("constant", (0.5 / 4 / 30, -0.5 / 4 / 30, 0.25 / 4 / 30, -0.25 / 4 / 30)),
    ),
)
def test_aggregation_by_hand(aggregate, expected, learned):
    # Mutants: lengths of the wrong response; padding in the divisor; the longest response for the allowed length.
    stage = dataclasses.replace(STAGE, objective=Objective(scale="none", aggregate=aggregate))
    found = weights(stage, learned(), group([1, 0], [2, 4]), group([0.5, 0], [1, 3]))
    assert [len(row) for row in found] == [2, 4, 1, 3]
    for row, weight in zip(found, expected, strict=True):
        assert row == pytest.approx([weight] * len(row), rel=1e-6)


def test_a_group_is_compared_with_itself_only(learned):
    # Mutant: the mean over the batch, which would reward easy prompts and punish hard ones.
    found = weights(dataclasses.replace(STAGE, objective=DR_GRPO), learned(), group([1, 1]), group([0, 0]))
    assert not np.any(found)


@pytest.mark.parametrize("objective", (GRPO, DR_GRPO, DAPO), ids=("grpo", "dr-grpo", "dapo"))
def test_a_solved_group_contributes_nothing(objective, learned):
    # Mutant: an advantage of 0/0.
    kept = dataclasses.replace(objective, zero_variance="keep", kl=0.0)
    stage, lm = dataclasses.replace(STAGE, objective=kept), learned()
    solved, mixed = group([1, 1, 1]), group([1, 0, 0])
    found = [row for row in weights(stage, lm, solved, mixed) if any(row)]
    assert np.isfinite(found).all() and len(found) == 3 and found[0][0] > 0 > found[1][0]
    # It still counts in the divisor: half of what the other group weighs alone.
    assert found == pytest.approx(np.array(weights(stage, lm, mixed)) / 2)


@pytest.mark.parametrize("scale", ("none", "std"))
def test_equal_rewards_have_no_advantage(scale, learned):
    # Kills: the rounding of a mean taken for an advantage, which Muon would make a whole step of.
    rewards = np.full(6, 0.2 + 0.8 / 3)
    assert np.any(rewards - rewards.mean())
    objective = Objective(scale=scale, aggregate="token")
    assert not advantages(objective, rewards).any()
    stage, lm = dataclasses.replace(STAGE, objective=objective), learned()
    found = weights(stage, lm, group(rewards.tolist()), group([1, 0, 0, 0, 0, 0]))
    assert len(found) == 6 and all(map(any, found))
    unscaled = advantages(Objective(baseline="none", scale="none"), rewards)
    assert unscaled.tolist() == rewards.tolist()


# The clipped ratio


def surrogate(stage: RL, lm, ratio: float, gain: float) -> tuple[float, float]:
    """Loss and largest gradient of one sampled token whose probability has changed by ``ratio``, with this gain."""
    one = group([0, 0], [1, 1])
    batch = weigh(stage, lm, [one], [one]).rows([0])
    mask_BT = sampled(batch)
    with torch.no_grad():
        now_N = logprobs(lm, batch.ids_BT, mask_BT)
    old_BT, gain_BT = batch.old_BT.clone(), torch.zeros_like(batch.gain_BT)
    old_BT[mask_BT], gain_BT[mask_BT] = now_N - math.log(ratio), gain
    lm.zero_grad()
    loss = stage.loss(StageModels(lm), dataclasses.replace(batch, old_BT=old_BT, gain_BT=gain_BT, total=1.0))
    loss.backward()
    return float(loss.detach()), max(float(weight.grad.abs().max()) for weight in lm.parameters())


@pytest.mark.parametrize(
    ("ratio", "gain", "objective", "expected", "moves"),
    (
        (1.5, 1.0, GRPO, -1.2, False),  # already more likely by more than clip_high
        (1.1, 1.0, GRPO, -1.1, True),
        (0.5, 1.0, GRPO, -0.5, True),  # good but less likely: always push
        (0.5, -1.0, GRPO, 0.8, False),  # bad and already less likely by more than clip_low
        (1.5, -1.0, GRPO, 1.5, True),  # bad but more likely: always push
        (1.25, 1.0, DAPO, -1.25, True),  # DAPO's higher ceiling
        (1.25, 1.0, DR_GRPO, -1.2, False),
        (1.4, 1.0, DAPO, -1.28, False),
        (0.75, -1.0, DAPO, 0.8, False),  # its floor is the usual one
    ),
)
def test_clipping_off_policy(ratio, gain, objective, expected, moves, learned):
    # Mutants: max for min; clip_low and clip_high exchanged; a ratio upside down.
    stage = dataclasses.replace(PPO, objective=dataclasses.replace(objective, kl=0.0))
    loss, gradient = surrogate(stage, learned(), ratio, gain)
    assert loss == pytest.approx(expected, rel=1e-5) and (gradient > 1e-6) is moves


@pytest.mark.parametrize("gain", (1.0, -2.0))
def test_on_policy_the_clip_is_idle(gain, learned):
    # Mutant: the sampler's log-probabilities, with their rounding, used where the ratio is 1 by definition.
    loss, gradient = surrogate(dataclasses.replace(STAGE, objective=DR_GRPO), learned(), 3.0, gain)
    assert loss == pytest.approx(-gain, rel=1e-6) and gradient > 1e-6


# The KL term


@pytest.mark.parametrize("aggregate", ("sequence", "token", "constant"))
def test_kl_term_and_its_gradient(aggregate, learned):
    # Mutants: the other direction of KL; tokens without advantage left out; 1/n missing under "sequence".
    lm, start, beta = learned(), learned(), 0.3
    with torch.no_grad():
        for weight in lm.parameters():
            weight.mul_(1.05)
    objective = Objective(kl=beta, aggregate=aggregate, scale="none")
    stage = dataclasses.replace(STAGE, objective=objective)
    groups = [group([1, 1], [2, 4]), group([1, 0], [1, 3])]  # the first has no advantage, but it has a KL
    batch, models = weigh(stage, lm, groups, groups), StageModels(lm, frozen(start))
    mask_BT = sampled(batch)
    assert int(mask_BT.sum()) == 10 and int((batch.gain_BT != 0).sum()) == 4
    each_N = 1 / mask_BT.sum(1, keepdim=True).expand_as(mask_BT)[mask_BT] if aggregate == "sequence" else torch.ones(10)
    with torch.no_grad():
        gap_N = logprobs(start, batch.ids_BT, mask_BT) - logprobs(lm, batch.ids_BT, mask_BT)
    assert gap_N.abs().max() > 0.01
    loss = stage.loss(models, batch)
    without = dataclasses.replace(stage, objective=dataclasses.replace(objective, kl=0.0)).loss(models, batch)
    expected = beta * float((each_N * (gap_N.exp() - gap_N - 1)).sum()) / batch.total
    assert float((loss - without).detach()) == pytest.approx(expected, rel=1e-3) and expected > 1e-6
    found = torch.autograd.grad(loss - without, lm.head)[0]
    # d/dlogp of k3 is 1 - exp(gap).
    slope_N = beta * each_N * (1 - gap_N.exp()) / batch.total
    closed = torch.autograd.grad((slope_N * logprobs(lm, batch.ids_BT, mask_BT)).sum(), lm.head)[0]
    torch.testing.assert_close(found, closed, rtol=1e-3, atol=1e-6)


def test_kl_is_zero_at_the_start(learned):
    # Mutant: the reference at another temperature than the learner.
    lm = learned()
    stage = dataclasses.replace(STAGE, objective=Objective(kl=1.0), temperature=0.7)
    alike = [group([1, 1], [2, 4])]
    loss = stage.loss(StageModels(lm, frozen(lm)), weigh(stage, lm, alike, alike))
    assert float(loss.detach()) == pytest.approx(0, abs=1e-7)


def test_updates_split_whole_groups_with_their_own_divisors(learned):
    # Mutants: a group cut in two; the divisor of the whole batch, which would halve every step; a row lost.
    stage = dataclasses.replace(PPO, objective=dataclasses.replace(DAPO, zero_variance="keep"), num_samples=2)
    groups = [group([0, 1], [2, 4]), group([1, 0], [1, 3])]
    batch = weigh(stage, learned(), groups, groups)
    first, second = stage.updates(batch)
    assert (batch.total, first.total, second.total) == (10, 5, 5)
    assert (first.lengths, second.lengths) == ((5, 7), (4, 6))
    assert torch.equal(second.ids_BT, batch.ids_BT[2:, :6]) and torch.equal(second.gain_BT, batch.gain_BT[2:, :6])
    assert torch.equal(first.ids_BT, batch.ids_BT[:2]) and len(stage.updates(batch.rows([0, 1]))) == 1
    three = weigh(stage, learned(), groups + groups[:1], groups)
    assert [len(part.lengths) for part in stage.updates(three)] == [2, 4]


# Groups without variance


def dealt(monkeypatch, deals):
    """Replaces sampling by made-up groups: ``deals[attempt]`` lists the rewards of each group.
    Returns what was asked."""
    asked = []

    def rollouts(stage, lm, seed, step, rows, attempt):
        asked.append((attempt, list(rows)))
        return [group(rewards) for rewards in deals[attempt][: len(rows)]]

    monkeypatch.setattr(policy_gradient, "rollouts", rollouts)
    return asked


SOLVED, FAILED, MIXED = [1, 1], [0, 0], [1, 0]


@pytest.mark.parametrize(
    ("rule", "deals", "kept", "seen", "asked"),
    (
        ("keep", [[SOLVED, MIXED, FAILED]], 3, 3, [3]),
        ("drop", [[SOLVED, MIXED, FAILED]], 1, 3, [3]),
        # Nothing to learn: one group with no gain keeps the batch whole.
        ("drop", [[SOLVED, SOLVED, FAILED]], 1, 3, [3]),
        ("resample", [[SOLVED, MIXED, FAILED], [MIXED, FAILED], [MIXED]], 3, 6, [3, 2, 1]),
        ("resample", [[FAILED] * 3] * 3, 1, 9, [3, 3, 3]),
    ),
)
def test_zero_variance(rule, deals, kept, seen, asked, learned, monkeypatch):
    # Mutants: dropped groups not paid for; more groups than rows after resampling; endless resampling.
    requests = dealt(monkeypatch, deals)
    objective = Objective(kl=0.1, zero_variance=rule)
    stage = dataclasses.replace(STAGE, batch_size=3, num_samples=2, attempts=3, objective=objective)
    batch = stage.collect(StageModels(learned()), 0, 0, range(3))
    assert [len(rows) for _, rows in requests] == asked
    assert [attempt for attempt, _ in requests] == list(range(len(asked)))
    assert len(batch.lengths) == 2 * kept and batch.metrics["groups"] == kept
    paid = {kind: sum(entry.tokens for entry in batch.spent if entry.kind == kind) for kind in (ROLLOUT, REFERENCE)}
    one = group(MIXED)  # its prompt is read once, its responses without their last tokens
    read = len(one.prompt) + sum(len(response) - 1 for response in one.responses)
    assert paid == {ROLLOUT: seen * read, REFERENCE: 2 * kept * 5}
    if rule != "keep" and kept > 1:
        assert bool((batch.gain_BT[sampled(batch)] != 0).all())
    flat = sum(rewards[0] == rewards[1] for deal, n in zip(deals, asked, strict=True) for rewards in deal[:n])
    assert batch.metrics["zero_variance"] == pytest.approx(flat / seen)


def test_resampled_prompts_are_new(learned):
    # Mutant: the same prompt drawn again, with the same streams, on every attempt.
    lm = learned()
    first, again = (policy_gradient.rollouts(STAGE, lm, 0, 0, [0, 1], attempt) for attempt in (0, 1))
    assert all(a.prompt != b.prompt for a, b in zip(first, again, strict=True))


# Sampling and judging


@pytest.mark.parametrize("temperature", (1.0, 0.7, 1.4))
def test_recorded_logprobs_are_the_models(temperature, learned):
    # Mutants: log-probabilities at temperature 1; shifted by one token; of another row.
    lm = learned()
    stage = dataclasses.replace(STAGE, temperature=temperature)
    with torch.no_grad():
        batch = stage.collect(StageModels(lm), 0, 0, range(4))
        mask_BT = sampled(batch)
        forced_N = logprobs(lm, batch.ids_BT, mask_BT, temperature)
    assert int(mask_BT.sum()) > 80 and forced_N.std() > 0.1
    torch.testing.assert_close(batch.old_BT[mask_BT], forced_N, rtol=0, atol=1e-4)


def test_responses_of_a_group_differ(learned):
    # Mutant: one random stream for the whole group.
    groups = policy_gradient.rollouts(STAGE, learned(), 0, 0, [0, 1, 2], 0)
    assert sum(len({tuple(response) for response in each.responses}) for each in groups) > 6


@pytest.mark.parametrize("objective", (GRPO, DR_GRPO, DAPO, REINFORCE), ids=("grpo", "dr-grpo", "dapo", "reinforce"))
@pytest.mark.parametrize("updates", (1, 2))
def test_the_gradient_points_to_the_better_arm(objective, updates, tiny):
    # Mutant: the sign of the loss.
    lm, prompt, arms = tiny.build(1), [5, 6, 7], 64
    better = 9
    streams = np.stack([uniforms("arm", i, n=1) for i in range(arms)])
    drawn = lm.sample([prompt] * arms, streams, SamplingParams(max_new_tokens=1))
    rewards = np.array([float(ids == [better]) for ids in drawn.ids])
    assert 0 < rewards.mean() < 1
    group_ = Group(None, prompt, drawn.ids, drawn.logprobs, [verdict()] * arms, rewards)
    stage = dataclasses.replace(
        STAGE, objective=objective, num_samples=arms, batch_size=2, updates_per_batch=updates, max_new_tokens=1
    )

    def chance() -> float:
        with torch.no_grad():
            return float(lm.forward(torch.tensor([prompt]))[0, -1].softmax(-1)[better])

    before = chance()
    stage.loss(StageModels(lm, frozen(lm)), weigh(stage, lm, [group_], [group_])).backward()
    with torch.no_grad():
        for weight in lm.parameters():
            weight -= 1e-2 * (weight.grad / (weight.grad.norm() + 1e-12))
    assert chance() > before * 1.0001


@pytest.mark.parametrize(
    ("judged", "answer", "process", "strict", "printed", "released"),
    (
        ({}, 0, 0, 0, 0, 0),
        ({"answer": True, "process": 1.0, "strict": True}, 1, 1, 1, 1, 1),
        ({"answer": True, "process": 0.5}, 1, 0.5, 0, 0.2 + 0.8 * 0.5, 0.2 + 0.8 * 0.5),
        ({"process": 0.75}, 0, 0.75, 0, 0.8 * 0.75, 0),  # a wrong answer: the released code pays nothing
        ({"answer": True, "process": 1.0, "faults": (MORE,)}, 1, 1, 0, 1, 0.2 + 0.8 * 0.75),
        ({"answer": True, "process": 0.5, "faults": (MORE,) * 9}, 1, 0.5, 0, 0.6, 0.2),
    ),
)
def test_rewards_by_hand(judged, answer, process, strict, printed, released):
    # Mutants: the weights of outcome and process exchanged; the gate missing; extra steps unpunished or below zero.
    paid = [
        Reward(kind).of(verdict(**judged), gold_steps=4)
        for kind in ("answer", "process", "strict", "printed", "released")
    ]
    assert paid == pytest.approx([answer, process, strict, printed, released])


@pytest.mark.parametrize(
    ("judged", "paid"),
    (
        ({"process": 0.75}, 0.75),  # a wrong answer costs nothing: partial working is paid
        ({"answer": True, "process": 1.0, "faults": (MORE,)}, 0.75),
        ({"process": 0.5, "faults": (MORE,) * 9}, 0.0),
    ),
)
def test_the_dense_reward_is_ungated_and_charges_surplus_steps(judged, paid):
    # Mutants: zero without a right answer; surplus steps unpunished; a reward below zero; a part for the outcome.
    assert Reward("dense").of(verdict(**judged), gold_steps=4) == pytest.approx(paid)


def test_a_random_reward_looks_at_no_response(learned, monkeypatch):
    # Mutants: the strict reward; one coin for the whole group; the same coins at every step.
    lm, stage = learned(), dataclasses.replace(STAGE, reward=Reward("random"), num_samples=64)
    paid = [
        [group.rewards.tolist() for group in policy_gradient.rollouts(stage, lm, 0, step, [0, 1], 0)] for step in (0, 1)
    ]
    monkeypatch.setattr("interlude.models.rollouts.judge", lambda problem, text: verdict())
    again = [group.rewards.tolist() for group in policy_gradient.rollouts(stage, lm, 0, 0, [0, 1], 0)]
    assert again == paid[0] and paid[0] != paid[1] and paid[0][0] != paid[0][1]
    coins = np.array(paid).ravel()
    assert set(coins) == {0.0, 1.0} and 0.38 < coins.mean() < 0.62  # 256 coins: four standard deviations
    with pytest.raises(ValueError, match="depends on no verdict"):
        stage.reward.of(verdict(), 4)


def test_other_rollouts_answer_the_same_prompts(learned):
    # Mutants: a field that changes nothing; other prompts; a key that changes for runs without it.
    lm, other = learned(), dataclasses.replace(STAGE, rollout_seed=1)
    first, second = (policy_gradient.rollouts(stage, lm, 0, 0, [0, 1, 2], 0) for stage in (STAGE, other))
    assert [g.prompt for g in first] == [g.prompt for g in second]
    assert [g.logprobs for g in first] != [g.logprobs for g in second]
    assert "rollout_seed" not in canonical(STAGE) and key(other) != key(STAGE)


def test_the_faults_that_lower_the_released_reward_exist():
    # Mutant: a fault renamed in the verifier, and extra steps paid for ever after.
    right = verdict(answer=True, process=1.0)
    paid = {
        kind: Reward("released").of(dataclasses.replace(right, faults=(Fault(kind, 0, 0, ""),)), 4) for kind in KINDS
    }
    assert {kind for kind, reward in paid.items() if reward < 1} == {EXTRA, REPEATED, UNKNOWN}


@pytest.mark.parametrize("outcome", (0.0, 0.5, 1.0))
def test_outcome_weight(outcome):
    mixed = verdict(answer=True, process=0.25)
    assert Reward("printed", outcome).of(mixed, 4) == pytest.approx(outcome + (1 - outcome) * 0.25)


def test_bad_fields_are_refused():
    with pytest.raises(ValueError, match="Reward.kind"):
        Reward("correct")
    with pytest.raises(ValueError, match="Reward.outcome"):
        Reward(outcome=1.1)
    for change in ({"baseline": "batch"}, {"scale": "var"}, {"aggregate": "mean"}, {"zero_variance": "skip"}):
        with pytest.raises(ValueError, match=f"Objective.{next(iter(change))}"):
            Objective(**change)
    for change in ({"clip_low": 0.0}, {"clip_high": 0.0}, {"kl": -0.1}):
        with pytest.raises(ValueError, match="Objective clips"):
            Objective(**change)
    nought = ({name: 0} for name in ("temperature", "top_p", "max_new_tokens", "attempts"))
    for change in ({"num_samples": 1}, {"updates_per_batch": 3}, *nought):
        with pytest.raises(ValueError, match="RL."):
            dataclasses.replace(STAGE, **change)


# In training


class Broken(Reward):
    """Pays NaN from the third call on."""

    calls = 0

    def of(self, verdict_, gold_steps):
        type(self).calls += 1
        return math.nan if self.calls > 2 * 16 else float(self.calls % 2)


def test_a_reward_that_is_no_number_stops_the_run(learned, tmp_path):
    # Mutants: NaN averaged away; the error without stage, step or save; the last good save overwritten.
    kept = []
    Broken.calls = 0
    stage = dataclasses.replace(STAGE, reward=Broken())

    def observe(share, line):
        kept.append((tmp_path / "state.safetensors").read_bytes())

    with pytest.raises(Diverged, match=r"RL step 2: a reward is not finite in row 0 .*state\.safetensors") as raised:
        train(learned(), stage, 3, Machine(save_every=0), folder=tmp_path, observe=observe)
    assert str(tmp_path) in str(raised.value) and len(kept) == 2
    assert (tmp_path / "state.safetensors").read_bytes() == kept[-1]
    Broken.calls = 40
    with pytest.raises(Diverged, match="RL step 0: .*no save of this stage yet"):
        train(learned(), stage, 3, folder=None)


def test_resume_amid_rl_with_rewards(learned, tmp_path):
    # Mutant: a KL reference taken from the resumed learner instead of the start.
    objective = dataclasses.replace(GRPO, kl=0.5)
    stage = dataclasses.replace(STAGE, steps=5, objective=objective, updates_per_batch=2)
    straight, before = learned(), learned()
    train(straight, stage, 7, Machine(save_every=0), folder=None)

    def interrupt(share, line):
        if line["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(learned(), stage, 7, Machine(), folder=tmp_path, observe=interrupt)
    resumed = learned()
    train(resumed, stage, 7, Machine(), folder=tmp_path)
    for a, b, c in zip(straight.parameters(), resumed.parameters(), before.parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
    log = read_jsonl(tmp_path / "log.jsonl")
    assert [row["step"] for row in log] == [1, 2, 3, 4, 5]
    assert 0 < np.mean([row["reward"] for row in log]) < 1 and any(row["zero_variance"] < 1 for row in log)


def test_stages_of_a_recipe_do_not_repeat_problems(runs, tiny, source):
    """Kills: a random path without the stage, which made two pre-training stages train on the same problems."""
    from interlude.models.optim import Optim
    from interlude.models.recipe import Recipe
    from interlude.models.stages.pretrain import Pretrain
    from interlude.studies.run import stage_seed

    wide = dataclasses.replace(source, ops=(1, 1))
    one = Pretrain(steps=2, batch_size=4, optim=Optim(), data=wide)
    recipe = Recipe(tiny) + one + one
    seeds = [stage_seed(recipe.parent), stage_seed(recipe)]
    assert len(set(seeds)) == 2 and seeds[0] != stage_seed(recipe.with_seed(1).parent)
    first, second = (one.collect(StageModels(tiny.build(0)), seed, 0, range(4)).ids_BT.tolist() for seed in seeds)
    assert first != second


def test_no_gradient_no_step(learned, tiny):
    """Kills: an optimiser step where every group is solved or failed; Muon would move the weights at full rate."""
    from interlude.models.train import train

    lm = learned()
    before = {name: tensor.clone() for name, tensor in lm.state_dict().items()}
    # None is right.
    own = {"data": dataclasses.replace(EASY, ops=(2, 2)), "reward": Reward("strict"), "max_new_tokens": 80}
    stage = dataclasses.replace(STAGE, steps=1, objective=Objective(), **own)
    train(lm, stage, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in lm.state_dict().items())
