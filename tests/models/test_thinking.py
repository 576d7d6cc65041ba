"""Methods that think before a token: what is paid, what is trained, when, and what it costs, each by another route."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from thinkers import GAPS, INFORMATION, KEPT, MATCHING, SOME, collected, nats, own, places, thinking_models

from interlude.models.gpt import GPT
from interlude.models.ledger import JUDGE, REFERENCE, ROLLOUT, decode_cost, forward_cost
from interlude.models.lm import SamplingParams, tags
from interlude.models.policy_gradient import sampled
from interlude.models.stage import StageModels, logprobs
from interlude.models.stages.rmt import RMT
from interlude.models.thought_rl import document, think, unsure
from interlude.models.train import Machine, backward, frozen, train
from interlude.synth.rng import uniforms
from interlude.synth.roles import roles
from interlude.synth.source import Mixture
from interlude.synth.tokens import Vocabulary


@pytest.fixture
def models(thinker):
    return thinking_models(thinker)


# Sampling thoughts


@pytest.mark.parametrize("stage", (INFORMATION, MATCHING), ids=("RLP", "RMT"))
def test_other_rollouts_are_other_thoughts_at_the_same_places(stage, models):
    # Kills: a rollout_seed that thoughts do not depend on; one that moves the places; other streams than before for 0.
    every = dataclasses.replace(stage, objective=dataclasses.replace(KEPT, kl=1e-9))  # all groups stay in the rows
    first, second = (own(collected(dataclasses.replace(every, rollout_seed=n), models), models.learner) for n in (0, 1))
    assert [prompt for prompt, _, _ in first] == [prompt for prompt, _, _ in second]
    assert [response for _, response, _ in first] != [response for _, response, _ in second]
    params = SamplingParams(max_new_tokens=1)
    stream = uniforms("thought", 5, 3, 0, 0, n=1)[None]
    assert models.learner.sample([first[0][0]], stream, params).ids == [first[0][1][:1]]


@pytest.mark.parametrize("after", (0, 1))
def test_a_thought_ends_after_its_closing_tag(models, after):
    # Mutants: sampling on to the end token; a token more or less after the tag; another row's stream after compaction.
    lm = models.learner
    opening, closing = tags(lm)
    texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution") for row in range(6)]
    prefixes = [ids[:first] for ids, first in texts]
    groups = think(INFORMATION, lm, prefixes, 5, 3, range(6), after)
    closed = 0
    for row, group in enumerate(groups):
        assert group.prompt == prefixes[row] + [opening]
        for member, (response, logps) in enumerate(zip(group.responses, group.logprobs, strict=True)):
            streams = uniforms("thought", 5, 3, row, member, n=26)[None]
            whole = lm.sample([group.prompt], streams, SamplingParams(max_new_tokens=26)).ids[0]
            if closing in whole:
                whole = whole[: whole.index(closing) + 1 + after]
                closed += 1
            assert response == whole and len(logps) == len(response)
    assert closed > 8


def test_sampling_does_no_work_after_the_thought(models):
    # Mutants: decoding on to ``max_new_tokens`` (one token too far too) and cutting afterwards, which no ledger would
    # see.
    lm, steps = models.learner, []
    decoder = lm.decoder

    def counted(prompts, room):
        found = decoder(prompts, room)
        step = found.step
        found.step = lambda ids_B: steps.append(len(ids_B)) or step(ids_B)
        return found

    lm.decoder = counted
    opening, closing = tags(lm)
    ids, first = document(lm, GAPS.problem("think", 5, 3, 0), "solution")
    for row in range(8):
        for after in (0, 1):
            steps.clear()
            streams = uniforms("work", row, n=60)[None]
            params = SamplingParams(max_new_tokens=60, stop_token=closing, tokens_after_stop=after)
            found = lm.sample([[*ids[:first], opening]], streams, params).ids[0]
            assert len(steps) == len(found) - 1


# RLP


@pytest.mark.parametrize("plain", ("start", "learner"))
def test_information_gain_by_hand(models, plain):
    # Mutants: the two predictions exchanged; the token before or after; the start's prediction with the thought; the
    # learner's for the start's; the closing tag forgotten, or given twice.
    lm, stage = models.learner, dataclasses.replace(INFORMATION, plain=plain, objective=KEPT)
    closing, found = tags(lm)[1], own(collected(stage, models), lm)
    assert len(found) == 24 and {response[-1] == closing for _, response, _ in found} == {True, False}
    texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution") for row in range(6)]
    for nth, (prompt, response, gain) in enumerate(found):
        ids, first = texts[nth // 4]
        place = len(prompt) - 1
        assert prompt[:-1] == ids[:place] and first <= place < len(ids)
        thought = response if response[-1] == closing else [*response, closing]
        other = models.start if plain == "start" else lm
        expected = nats(lm, [*prompt, *thought, ids[place]]) - nats(other, ids[: place + 1])
        assert gain == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("targets", ("solution", "all"))
def test_every_token_may_be_the_place(models, targets):
    # Mutants: places from the token before, or to the one before the last; one place a text for ever.
    stage = dataclasses.replace(
        INFORMATION, targets=targets, objective=KEPT, batch_size=40, num_samples=2, max_new_tokens=1
    )
    found, expected = set(), set()
    for step in range(8):
        texts = [document(models.learner, GAPS.problem("think", 5, step, row), targets) for row in range(40)]
        prompts = [prompt for prompt, _, _ in own(collected(stage, models, step), models.learner)[::2]]
        found |= {len(ids) - len(prompt) + 1 for (ids, _), prompt in zip(texts, prompts, strict=True)}  # from the end
        expected |= {len(ids) - t for ids, first in texts for t in range(first, len(ids))}
        assert all(len(prompt) - 1 >= first for (_, first), prompt in zip(texts, prompts, strict=True))
    assert found <= expected and min(found) == 1 and len(found) > 0.9 * len(expected)


def test_no_gradient_goes_through_the_reward(models):
    # Mutants: the reward as part of the loss; the predicted token or a tag nobody sampled as a target.
    lm = models.learner
    batch = collected(INFORMATION, models)
    backward(models, INFORMATION, batch, Machine(), "float32")
    found = {name: weight.grad.clone() for name, weight in lm.named_parameters()}
    lm.zero_grad()
    loss = 0.0
    for prompt, response, gain in own(batch, lm):  # REINFORCE on thought tokens, with numbers for advantages
        ids_1T = torch.tensor([prompt + response])
        chosen_1T = torch.arange(ids_1T.shape[1])[None] >= len(prompt)
        loss = loss - gain * logprobs(lm, ids_1T, chosen_1T).sum() / (24 * 26)
    loss.backward()
    for name, weight in lm.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-3, atol=1e-6)
    assert all(weight.grad is None for weight in models.start.parameters())


def test_advantages_compare_thoughts_at_one_place(models):
    # Mutant: the mean over all places, which differ far more than thoughts do.
    kept = own(collected(dataclasses.replace(INFORMATION, objective=KEPT), models), models.learner)
    usual = own(collected(INFORMATION, models), models.learner)
    rewards_PG = np.array([gain for *_, gain in kept]).reshape(6, 4)
    expected = rewards_PG - rewards_PG.mean(1, keepdims=True)
    assert np.array([gain for *_, gain in usual]).reshape(6, 4) == pytest.approx(expected, abs=1e-5)


def test_every_pass_is_charged(models):
    # Mutants: scoring, the plain pass or the entropy pass forgotten, or charged at another length; one rollout only.
    lm = models.learner
    for stage in (INFORMATION, MATCHING):
        batch = collected(dataclasses.replace(stage, objective=KEPT), models)
        kept = own(batch, lm) if stage is INFORMATION else None
        by_kind = {kind: [each for each in batch.spent if each.kind == kind] for kind in (ROLLOUT, JUDGE, REFERENCE)}
        texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution") for row in range(6)]
        if stage is INFORMATION:
            closing = tags(lm)[1]
            scored = [len(p) + len(r) + (r[-1] != closing) for p, r, _ in kept]  # all that is read to predict one token
            assert by_kind[JUDGE] == [forward_cost(lm, JUDGE, scored, logits=24)]
            assert by_kind[REFERENCE] == [forward_cost(lm, REFERENCE, [len(p) - 1 for p, *_ in kept[::4]], logits=6)]
            runs = [kept[n : n + 4] for n in range(0, 24, 4)]
            assert by_kind[ROLLOUT] == [decode_cost(lm, len(run[0][0]), [len(r) for _, r, _ in run]) for run in runs]
        else:
            candidates = sum(len(ids) - first for ids, first in texts)
            asked = forward_cost(lm, REFERENCE, [len(ids) - 1 for ids, _ in texts], logits=candidates)
            assert by_kind[REFERENCE] == [asked] and not by_kind[JUDGE] and len(by_kind[ROLLOUT]) == 6


def test_thoughts_may_stand_only_where_their_token_can_be_inferred(models):
    # Mutants: any place taken; the role of the token before; a text without such a token thought about; another text
    # where the first has one; the texts that were passed over left out of what is read, or those thought about read.
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, thoughts=True)).build(0)
    models, passed = StageModels(lm.eval(), frozen(lm)), 0
    for stage in (INFORMATION, MATCHING):
        stage = dataclasses.replace(stage, data=SOME, places="inferable", batch_size=24, objective=KEPT, num_samples=2)
        batch = collected(stage, models)
        rows = [stage.text(lm, 5, 3, row) for row in range(24)]
        for row, (problem, (ids, first), found) in enumerate(rows):
            assert ids[first:] == lm.encode(problem.solution)
            assert found == [t for t, role in enumerate(roles(problem)) if role == "inferred"] and found
            corpus = SOME.problem("think", 5, 3, row)
            if "inferred" in roles(corpus):
                assert problem == corpus
            else:
                passed += 1
                assert problem == next(
                    other
                    for other in (SOME.problem("think", 5, 3, row, "again", n) for n in range(1, 99))
                    if "inferred" in roles(other)
                )
        texts = {tuple(ids[:t]) for _, (ids, _), found in rows for t in found}
        asked = {tuple(prompt[:-1]) for prompt, _, _ in own(batch, lm)}
        assert asked and asked <= texts
        if stage.places == "inferable" and isinstance(stage, RMT):
            read = [row for row in range(len(batch.lengths)) if not sampled(batch)[row].any()]
            corpus = [document(lm, SOME.problem("think", 5, 3, row), "solution") for row in range(24)]
            assert [batch.ids_BT[row, : batch.lengths[row]].tolist() for row in read] == [ids for ids, _ in corpus]
            held = {
                (n, t)
                for n, (row, (ids, first)) in enumerate(zip(read, corpus, strict=True))
                for t in range(first, len(ids))
                if batch.gain_BT[row, t] == 0
            }
            entropy_N = np.concatenate(unsure(models.start, [text for _, text, _ in rows]), axis=1)[0]
            draws = stage.drawn(0.0, [text for _, text, _ in rows], entropy_N, 5, 3, [found for *_, found in rows])
            assert {(n, t) for _, n, t in draws if rows[n][1] == corpus[n]} == held and held
            assert all(t in rows[n][2] for _, n, t in draws)
            line = collected(stage, models).metrics
            assert line["drawn_inferred"] == 48
    assert passed > 4
    everywhere = dataclasses.replace(INFORMATION, data=SOME)
    assert len(everywhere.text(lm, 5, 3, 0)[2]) == len(lm.encode(everywhere.text(lm, 5, 3, 0)[0].solution))
    with pytest.raises(ValueError, match="RLP.places must be one of any, inferable"):
        dataclasses.replace(INFORMATION, places="hard")
    with pytest.raises(ValueError, match="nothing can be inferred in 1000 texts of row 0: RLP.data"):
        rare = Mixture(((1e-9, SOME), (1 - 1e-9, dataclasses.replace(SOME, skip_prob=0.0))))
        dataclasses.replace(INFORMATION, data=rare, places="inferable").text(lm, 5, 3, 0)


# RMT


def test_the_length_reward_is_a_triangle():
    # Mutants: a plateau; 2B rewarded; a slope of 1/(2B); peak ignored.
    stage = dataclasses.replace(MATCHING, peak=3.0)
    for budget in (1, 7, 60):
        assert [stage.length_reward(n, budget) for n in (0, budget, 2 * budget, 5 * budget)] == [0, 3, 0, 0]
    assert stage.length_reward(3, 12) == pytest.approx(0.75) and stage.length_reward(18, 12) == pytest.approx(1.5)


def test_the_budget_shrinks_to_its_end():
    # Mutants: rounding; a linear schedule; the least ignored; a budget that grows.
    paper = dataclasses.replace(MATCHING, budget=800)
    assert [paper.tokens(done) for done in (0, 0.3, 0.5, 0.7, 1)] == [800, 493, 357, 259, 160]
    for budget, least, shrink in ((60, 1, 0.2), (20, 9, 0.1), (5, 1, 1.0)):
        stage = dataclasses.replace(MATCHING, budget=budget, least=least, shrink=shrink)
        told = [stage.tokens(done) for done in np.linspace(0, 1, 200)]
        assert told == sorted(told, reverse=True) and told[0] == budget
        assert told[-1] == max(least, math.floor(budget * shrink))
    assert dataclasses.replace(MATCHING, budget=None).tokens(0.5) is None


def test_the_curriculum_is_continuous():
    # Mutants: a jump at either turn; early and late exchanged; mass lost between.
    for done in np.linspace(0, 1, 101):
        assert sum(MATCHING.chances(done)) == pytest.approx(1) and min(MATCHING.chances(done)) >= 0
    for turn, chances in zip((0.3, 0.7), (MATCHING.early, MATCHING.late), strict=True):
        for side in (-1e-9, 0, 1e-9):
            assert MATCHING.chances(turn + side) == pytest.approx(chances, abs=1e-7)
    assert MATCHING.chances(0) == MATCHING.early and MATCHING.chances(0.5) == pytest.approx((0.35, 0.3, 0.35))


def test_draws_come_from_the_tier_they_name(models):
    # Mutants: tiers in ascending order; entropy of the learner for the start's; places off by one; a fixed place.
    lm = models.learner
    texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution") for row in range(6)]
    measured = {}
    for n, (ids, first) in enumerate(texts):
        with torch.no_grad():
            logp_TV = models.start.forward(torch.tensor([ids]))[0].double().log_softmax(-1)
        measured |= {(n, t): -float((logp_TV[t - 1].exp() * logp_TV[t - 1]).sum()) for t in range(first, len(ids))}
    found, plain = np.concatenate(unsure(models.start, texts), axis=1)
    assert found == pytest.approx(list(measured.values()), abs=1e-4)
    expected = [math.exp(nats(models.start, texts[n][0][: t + 1])) for n, t in measured]
    assert plain == pytest.approx(expected, abs=1e-4)
    ranked = sorted(measured, key=measured.get, reverse=True)
    size = round(0.2 * len(ranked))
    tiers = np.array_split(np.arange(size), 3)  # hard, medium, easy
    seen = set()
    for step in range(60):
        for tier, *place in MATCHING.drawn(step / 60, texts, found, 5, step):
            assert ranked.index(tuple(place)) in tiers[2 - tier]
            seen.add(tuple(place))
    assert len(seen) > 0.9 * size
    only = dataclasses.replace(MATCHING, early=(0.0, 0.0, 1.0), late=(0.0, 0.0, 1.0))
    assert {tier for tier, *_ in only.drawn(0.0, texts, found, 5, 3)} == {2}


def test_the_named_model_ranks_the_tokens(models):
    """Kills: the field ignored; the learner's entropy where the paper has the start's; a probability without a thought
    that is another model's than the ranking's."""
    lm, other = models.learner, dataclasses.replace(models, start=spoilt(models.start))
    for ranked_by, ranking in (("start", other.start), ("learner", lm)):
        stage = dataclasses.replace(MATCHING, ranked_by=ranked_by)
        texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution") for row in range(6)]
        with torch.no_grad():
            entropy_N, plain_N = np.concatenate(unsure(ranking, texts), axis=1)
        draws = stage.drawn(0.0, texts, entropy_N, 5, 3)
        batch = collected(stage, other)
        prompts = {tuple(texts[n][0][:t]) for _, n, t in draws}
        assert {tuple(prompt[:-1]) for prompt, *_ in own(batch, lm)} <= prompts
        places = [(n, t) for n, (ids, first) in enumerate(texts) for t in range(first, len(ids))]
        due = np.mean([plain_N[places.index((n, t))] for _, n, t in draws])
        assert batch.metrics["plain"] == pytest.approx(due, abs=1e-6)
    with pytest.raises(ValueError, match="RMT.ranked_by must be one of start, learner, got 'base'"):
        dataclasses.replace(MATCHING, ranked_by="base")


def spoilt(lm):
    """A copy of a model with other weights."""
    other = copy.deepcopy(lm)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(7)))
    return other


@pytest.mark.parametrize("budget", (20, None))
def test_reward_of_matching_by_hand(models, budget):
    # Mutants: the weights of match and length exchanged; tags counted as thought; an unclosed thought paid; the token
    # after the place for the one at it; the schedule's share of the stage ignored; a length reward without a budget.
    lm, kept = models.learner, dataclasses.replace(KEPT, kl=1e-9)  # with KL, groups that earn nothing stay in the rows
    stage = dataclasses.replace(MATCHING, budget=budget, batch_size=24, objective=kept)
    models = dataclasses.replace(models, done=0.25)
    opening, closing = tags(lm)
    batch = collected(stage, models)
    texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution")[0] for row in range(24)]
    told = stage.tokens(0.25)
    assert told == (13 if budget else None) and len(own(batch, lm)) == 96
    kinds = set()
    for prompt, response, gain in own(batch, lm):
        (target,) = {ids[len(prompt) - 1] for ids in texts if ids[: len(prompt) - 1] == prompt[:-1]}
        expected = 0.0
        if len(response) >= 2 and response[-2] == closing and opening not in response:
            match, tokens = float(response[-1] == target), len(response) - 2
            size = max(0.0, 1 - abs(tokens - told) / told) if budget else None
            expected = 0.8 * match + 0.2 * size if budget else match
            kinds.add(match)
        else:
            kinds.add("broken")
        assert gain == pytest.approx(expected, abs=1e-6)
    assert kinds == {0.0, 1.0, "broken"}


def test_places_thought_about_are_not_read(models):
    # Mutants: no mask; the mask off by one; only a row's own draw masked; question tokens read.
    lm = models.learner
    batch = collected(MATCHING, models)
    texts = [document(lm, GAPS.problem("think", 5, 3, row), "solution") for row in range(6)]
    drawn = {(n, t) for _, n, t in places(MATCHING, models, texts)}
    read = [row for row in range(len(batch.lengths)) if not sampled(batch)[row].any()]
    assert len(read) == 6 and len(drawn) >= 2
    targets = set()
    for n, row in enumerate(read):
        assert batch.ids_BT[row, : batch.lengths[row]].tolist() == texts[n][0]
        targets |= {(n, t) for t in batch.gain_BT[row].nonzero()[:, 0].tolist()}
    assert not targets & drawn
    assert targets | drawn == {(n, t) for n, (ids, first) in enumerate(texts) for t in range(first, len(ids))}


@pytest.mark.parametrize("aggregate", ("sum", "mean"))
def test_the_loss_is_the_sum_of_both(models, aggregate):
    # RMT prints L = L_RL + lambda L_NTP with L_NTP = -sum_S m_pos log p(x_pos): a sum over a text's tokens, as L_RL's
    # is over a response's. Mutants: a mean for the sum of L_NTP, or a sum over texts; lambda squared or forgotten; a
    # temperature on L_NTP; L_RL over tokens.
    lm, stage = models.learner, dataclasses.replace(MATCHING, ntp=0.3, temperature=1.5, ntp_aggregate=aggregate)
    batch = collected(stage, models)
    backward(models, stage, batch, Machine(), "float32")
    found = {name: weight.grad.clone() for name, weight in lm.named_parameters()}
    lm.zero_grad()
    loss, nats_, targets = 0.0, 0.0, 0
    for row, end in enumerate(batch.lengths):
        ids_1T, chosen_1T = batch.ids_BT[row : row + 1, :end], batch.gain_BT[row : row + 1, :end] != 0
        if sampled(batch)[row].any():
            gain_N = batch.gain_BT[row : row + 1, :end][chosen_1T]
            loss = loss - (gain_N * logprobs(lm, ids_1T, chosen_1T, 1.5)).sum() / 24  # six places, four responses each
        else:
            nats_, targets = nats_ - logprobs(lm, ids_1T, chosen_1T).sum(), targets + int(chosen_1T.sum())
    (loss + 0.3 * nats_ / (6 if aggregate == "sum" else targets)).backward()
    for name, weight in lm.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-3, atol=1e-6)
    bare = collected(dataclasses.replace(stage, ntp=0.0), models)
    assert [r for _, r, _ in own(bare, lm)] == [r for _, r, _ in own(batch, lm)] and bool(sampled(bare).any(1).all())


def test_the_log_follows_the_budget(thinker):
    # Mutant: a share of the stage that stays 0 in training.
    lines = []
    train(thinker(), MATCHING, 3, Machine(), observe=lambda _, line: lines.append(line))
    assert [line["budget"] for line in lines] == [MATCHING.tokens(step / 10) for step in range(10)]
    assert {"match", "length_reward", "thought_tokens", "closed", "rollouts"} <= lines[0].keys()
    assert all(line["rollouts"] == 24 for line in lines)
