"""Methods that think before a token: what is paid, what is trained, when, and what it costs, each by another route."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interlude.models.gpt import GPT
from interlude.models.ledger import JUDGE, REFERENCE, ROLLOUT, decode_cost, forward_cost
from interlude.models.lm import tags
from interlude.models.optim import Optim
from interlude.models.policy_gradient import Objective, sampled
from interlude.models.stage import StageModels, logprobs
from interlude.models.stages.coldstart import ColdStart, encoded, told
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT, TIERS
from interlude.models.thought_rl import Bins, document, length, think, unsure
from interlude.models.train import Machine, backward, frozen, train
from interlude.synth.rng import uniforms
from interlude.synth.roles import SOLUTION_ROLES, roles
from interlude.synth.source import Mixture, Source
from interlude.synth.thoughts import without
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

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


@pytest.fixture
def models(thinker):
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


# Sampling thoughts


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
            whole = lm.sample([group.prompt], streams, max_new_tokens=26).ids[0]
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
            found = lm.sample([[*ids[:first], opening]], streams, max_new_tokens=60, stop=(closing, after)).ids[0]
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


SOME = dataclasses.replace(GAPS, ops=(2, 3), skip_prob=0.4, names=None)  # some of whose texts leave nothing to infer


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


# The cold start


@pytest.mark.parametrize("dialect", ("terse", "prose"))
def test_the_cold_start_moves_thoughts_and_nothing_else(dialect):
    # Mutants: a thought lost, or moved past the statement that needs it; always at its first token; the tag a target.
    from interlude.models.stages.coldstart import moved

    source = dataclasses.replace(GAPS, ops=(3, 3), names=None, skip_prob=0.5, thoughts="oracle", dialect=dialect)
    places = set()
    for n in range(60):
        problem = source.problem("cold", n)
        tokens = [word for word, _ in moved(problem, 0.0, 0, 0, n)]
        text = " ".join(tokens)
        plain = dataclasses.replace(problem, style=dataclasses.replace(problem.style, thoughts="ignored"))
        assert verify(plain, text).strict
        assert without(text)[0].split() == list(plain.written.solution_tokens)
        assert tokens.count("<think>") == problem.written.solution_tokens.count("<think>")
        if "<think>" in tokens:
            places.add(tokens.index("<think>"))
    assert len(places) > 5


@pytest.mark.parametrize("idle", (0.5, 1.0))
def test_idle_thoughts_are_empty_and_say_where_to_go_on(idle):
    # Mutants: idle thoughts in every step whatever the share; in steps that have a thought; never within a step.
    from interlude.models.stages.coldstart import moved

    source = dataclasses.replace(GAPS, ops=(3, 3), names=None, skip_prob=0.5, thoughts="oracle")
    steps, thoughts, within = 0, 0, 0
    for n in range(80):
        problem = source.problem("idle", n)
        text = " ".join(word for word, _ in moved(problem, idle, 0, 0, n))
        plain = dataclasses.replace(problem, style=dataclasses.replace(problem.style, thoughts="ignored"))
        assert verify(plain, text).strict
        told = [part for part in without(text)[0].split(";") if part.strip()]
        steps += len(told)
        thoughts += text.count("<think>")
        within += sum("<think>" in part and not part.strip().startswith("<think>") for part in text.split(";"))
        assert text.count("<think> </think>") + problem.solution.count("<think>") == text.count("<think>")
    meant = sum(source.problem("idle", n).solution.count("<think>") for n in range(80))
    assert (thoughts - meant) / (steps - meant) == pytest.approx(idle, abs=0.12) and within > 80


def test_the_cold_start_shows_other_formats(thinker):
    # Mutants: the share ignored; the question of a shown text a target; thoughts moved into it.
    lm = thinker()
    data, shown = dataclasses.replace(GAPS, thoughts="oracle"), dataclasses.replace(GAPS, ops=(1, 1), skip_prob=0.0)
    fields = {"steps": 1, "batch_size": 200, "optim": FIELDS["optim"], "data": data, "idle": 1.0}
    found = ColdStart(**fields, replay=shown, replay_share=0.25).collect(StageModels(lm), 0, 0, range(200))
    opening = tags(lm)[0]
    other_B = ~(found.ids_BT == opening).any(1)
    assert float(other_B.double().mean()) == pytest.approx(0.25, abs=0.08)
    row = int(other_B.nonzero()[0])
    problem = shown.problem("coldstart", 0, 0, row)
    question, solution = lm.encode(problem.question), lm.encode(problem.solution)
    assert found.ids_BT[row, : len(question + solution)].tolist() == question + solution
    assert found.gain_BT[row, : len(question + solution)].tolist() == [0.0] * len(question) + [1.0] * len(solution)


def test_the_cold_start_never_opens_a_thought(thinker):
    # Mutant: the opening tag as a target, and plain solutions lose the probability of a thought at every step.
    lm = thinker()
    stage = ColdStart(steps=1, batch_size=8, optim=FIELDS["optim"], data=dataclasses.replace(GAPS, thoughts="oracle"))
    batch = stage.collect(StageModels(lm), 0, 0, range(8))
    opening, closing = tags(lm)
    assert bool((batch.ids_BT == opening).any()) and not batch.gain_BT[batch.ids_BT == opening].any()
    assert bool((batch.gain_BT[batch.ids_BT == closing] == 1).all()) and batch.total == float(batch.gain_BT.sum())


STOPPING = dataclasses.replace(EASY, ops=(1, 4), names=None, dialect="direct", split="any")
STOPPED = dataclasses.replace(STOPPING, thoughts="oracle", unwrapped=True, stop_prob=0.5)


def test_a_thought_that_ends_a_solution_comes_before_the_answers_value():
    # Mutants: the thought after the value, which it cannot then serve; always before the announcement; never within.
    from interlude.models.stages.coldstart import moved

    places = []
    for n in range(80):
        problem, plain = STOPPED.problem("stop", n), STOPPING.problem("stop", n)
        tokens = [word for word, _ in moved(problem, 0.0, 0, 0, n)]
        judged = dataclasses.replace(problem, style=dataclasses.replace(problem.style, thoughts="ignored"))
        assert verify(judged, " ".join(tokens)).strict and [t for t in tokens if "think" not in t][-1] == "<end>"
        if "<think>" in tokens:
            places.append(tokens[-3] == "answer")  # not split by the thought
            assert sorted(t for t in tokens if "think" not in t) == sorted(plain.written.solution_tokens)
            assert tokens[-1] == "<end>" and tokens[-2] == str(problem.answer)
    assert 0.25 < np.mean(places) < 0.75 and len(places) > 20


def test_nobody_is_taught_to_skip_a_step_before_thinking_it():
    # Mutants: words before a moved thought as targets; words before an idle thought none; words after a thought none.
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, thoughts=True)).build(0)
    source = dataclasses.replace(GAPS, ops=(3, 3), names=None, skip_prob=0.5, thoughts="oracle")
    opening, closing = tags(lm)
    kinds = set()
    stage = ColdStart(steps=1, batch_size=200, optim=FIELDS["optim"], data=source, idle=1.0)
    batch = stage.collect(StageModels(lm), 0, 0, range(200))
    for row, size in enumerate(batch.lengths):
        question = lm.encode(source.problem("coldstart", 0, 0, row).question)
        ids, gains = batch.ids_BT[row, :size].tolist(), batch.gain_BT[row, :size].tolist()
        ends = {lm.encode(mark)[0] for mark in (";", ".")}
        first = at = len(question)
        owed: list[int] = []
        while at < size:
            if ids[at] == opening:
                until = ids.index(closing, at)
                if until > at + 1:  # a thought that says something
                    owed += range(first, at)
                kinds.add((until > at + 1, first < at))
                owed += [at]
                at = until
            elif ids[at] in ends:
                first = at + 1
            at += 1
        assert gains == [float(t >= len(question) and t not in owed) for t in range(size)]
    assert len(kinds) == 4


def test_a_tokenizer_that_joins_targets_with_others_is_refused():
    # Mutant: the check left out, and what stands in a row is not the text.
    whole = SimpleNamespace(encode=lambda text: [len(text)])
    assert encoded(whole, [("one", 1.0), ("two", 1.0)], "terse") == ([7], [1.0])
    with pytest.raises(ValueError, match="tokenizer joins a word with a loss and a word without one"):
        encoded(whole, [("one", 1.0), ("two", 0.0)], "terse")


# Budgets in words

BINS = Bins(longest=26, count=3)
LONG = Bins(longest=150, count=3)  # a step's thought of some 20 tokens is in bin 1, two steps' in bin 2
TELLING = dataclasses.replace(MATCHING, told=BINS)


def test_bins_are_log_spaced():
    # Mutants: linear bins; a bin more or less; an edge that belongs to the bin below, or to rounding; 0 in no bin.
    seven = Bins(longest=128)
    assert [seven.of(n) for n in range(9)] == [0, 0, 1, 1, 2, 2, 2, 2, 3]
    assert [seven.of(2**k) for k in range(1, 8)] == [1, 2, 3, 4, 5, 6, 6] and seven.of(127) == seven.of(10**6) == 6
    assert [seven.of(2**k - 1) for k in range(1, 7)] == [0, 1, 2, 3, 4, 5]
    for bins in (BINS, seven, Bins(longest=154), Bins(longest=1000, count=5)):
        found = [bins.of(n) for n in range(bins.longest + 1)]
        assert found == sorted(found) and set(found) == set(range(bins.count))
        edges = [found.index(k) for k in range(1, bins.count)]
        assert edges == [math.ceil(bins.longest ** (k / bins.count) - 1e-9) for k in range(1, bins.count)]
    assert [Bins(longest=154).of(dataclasses.replace(MATCHING, budget=60).tokens(d)) for d in (0, 0.5, 1)] == [5, 4, 3]


def test_the_cold_start_tells_the_bin_of_what_follows():
    # Mutants: the bin shifted by one, or of the whole span with its tags; the number before the tag; the number a
    # target, or its thought not one; other problems, or another place for a thought, than without being told.
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=Vocabulary(modulus=3, thoughts=True)).build(0)
    oracle = dataclasses.replace(GAPS, ops=(2, 4), names=None, skip_prob=0.7, thoughts="oracle")
    plain = ColdStart(steps=1, batch_size=40, optim=FIELDS["optim"], data=oracle)
    bare, batch = (s.collect(StageModels(lm), 0, 0, range(40)) for s in (plain, dataclasses.replace(plain, told=LONG)))
    opening, closing = tags(lm)
    numbers, bins = [lm.encode(str(k))[0] for k in range(3)], set()
    for row, size in enumerate(batch.lengths):
        ids, gains = batch.ids_BT[row, :size].tolist(), batch.gain_BT[row, :size].tolist()
        for at in [at for at, token in enumerate(ids) if token == opening][::-1]:
            tokens = ids[at:].index(closing) - 2
            assert ids[at + 1] == numbers[LONG.of(tokens)] and gains[at : at + 2] == [0.0, 0.0]
            assert gains[at + 2 : at + 3 + tokens] == [1.0] * (tokens + 1)
            bins.add(LONG.of(tokens))
            del ids[at + 1], gains[at + 1]
        width = bare.lengths[row]
        assert (ids, gains) == (bare.ids_BT[row, :width].tolist(), bare.gain_BT[row, :width].tolist())
    assert batch.total == bare.total == float(batch.gain_BT.sum()) and bins == {1, 2}
    thought = [opening, *[numbers[0]] * 20, closing]
    for longest, k in ((20**3, 1), (21**3, 0)):  # the first edge is at 20 tokens, and at 21
        ids, worth = told(lm, Bins(longest=longest, count=3), thought, [0.0, *[1.0] * 21])
        assert ids == [opening, numbers[k], *thought[1:]] and worth == [0.0, 0.0, *[1.0] * 21]


def test_the_prompt_tells_the_bin_of_the_budget(thinker):
    # Mutants: the bin of B_0 for ever; shifted; told before the tag; a target, or counted as thought; not charged.
    lm = thinker().eval()
    models, stage, found = StageModels(lm, frozen(lm)), dataclasses.replace(TELLING, objective=KEPT), []
    opening, closing = tags(lm)
    for done in (0.0, 0.3, 0.6, 1.0):
        batch = collected(stage, dataclasses.replace(models, done=done))
        told, lengths = BINS.of(stage.tokens(done)), []
        for row, flags_T in enumerate(sampled(batch)):
            if flags_T.any():
                first, ids = int(flags_T.nonzero()[0]), batch.ids_BT[row, : batch.lengths[row]].tolist()
                assert ids[first - 2 : first] == [opening, lm.encode(str(told))[0]]
                assert not batch.gain_BT[row, :first].any()
                lengths.append(length(ids[first:], closing))
                rewards = [0.0, *(0.2 * stage.length_reward(lengths[-1], stage.tokens(done)) + m for m in (0.0, 0.8))]
                assert min(abs(float(batch.gain_BT[row, first]) - each) for each in rewards) < 1e-6
        assert lengths and batch.metrics["budget"] == stage.tokens(done)
        found.append(told)
        bare = collected(dataclasses.replace(stage, told=None), dataclasses.replace(models, done=done))
        read = [
            sum(each.tokens for each in b.spent if each.kind == ROLLOUT) - round(b.metrics["thought_tokens"] * 24)
            for b in (batch, bare)
        ]
        assert abs(read[0] - read[1] - 6) <= 24  # a token more in six prompts; closed thoughts read a tag more
    assert found == sorted(found, reverse=True) and len(set(found)) > 1


def test_the_log_tells_tiers_and_roles_apart(models):
    # Mutants: a role of the token before; responses counted as places; matches of all kinds in one; a tier's start.
    stage = dataclasses.replace(MATCHING, batch_size=24)
    line = collected(stage, models).metrics
    for kinds in (TIERS, SOLUTION_ROLES):
        count = {kind: line[f"drawn_{kind}"] for kind in kinds if f"drawn_{kind}" in line}
        assert sum(count.values()) == 24 * 4 and len(count) > 1
        for name in ("match", "plain"):
            assert sum(count[kind] * line[f"{name}_{kind}"] for kind in count) / 96 == pytest.approx(line[name])
    problems = [GAPS.problem("think", 5, 3, row) for row in range(24)]
    texts = [document(models.learner, problem, "solution") for problem in problems]
    expected = [roles(problems[n])[t] for _, n, t in places(stage, models, texts)]
    assert all(line[f"drawn_{role}"] == 4 * expected.count(role) for role in set(expected))
    plain = [math.exp(nats(models.start, texts[n][0][: t + 1])) for _, n, t in places(stage, models, texts)]
    assert line["plain"] == pytest.approx(np.mean(plain), abs=1e-4)


# Errors

BAD = {
    "data": EASY, "least": 0, "shrink": 0.0, "weight": 1.0, "peak": 0.0, "early": (0.5, 0.5), "late": (1.0, 0.5, -0.5),
    "turn": (0.7, 0.3), "pool": 0.0, "ntp": -1.0, "updates_per_batch": 2, "targets": "question", "num_samples": 1,
    "objective": Objective(zero_variance="resample"), "told": Bins(longest=150, count=7),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_stages_are_refused(name):
    # Mutant: a field that is not checked.
    with pytest.raises(ValueError, match=f"RMT.*{name}"):
        dataclasses.replace(MATCHING, **{name: BAD[name]})


def test_a_corpus_without_gaps_is_refused():
    # Mutants: one full part of a mixture refused; gaps where no step can be skipped; gold thoughts in the corpus.
    full = dataclasses.replace(GAPS, skip_prob=0.0)
    for bad in (full, dataclasses.replace(GAPS, ops=(1, 1)), Mixture(((0.0, GAPS), (1.0, full)))):
        with pytest.raises(ValueError, match="RLP.data has no solution that skips a step"):
            dataclasses.replace(INFORMATION, data=bad)
    dataclasses.replace(INFORMATION, data=Mixture(((0.5, GAPS), (0.5, full))))
    with pytest.raises(ValueError, match="RLP.data must not hold thoughts"):
        dataclasses.replace(INFORMATION, data=dataclasses.replace(GAPS, thoughts="oracle"))
    with pytest.raises(ValueError, match="RLP.plain must be one of"):
        dataclasses.replace(INFORMATION, plain="average")
    with pytest.raises(ValueError, match="ColdStart.data must hold thoughts"):
        ColdStart(steps=1, batch_size=1, optim=FIELDS["optim"], data=GAPS)
    cold = ColdStart(steps=1, batch_size=1, optim=FIELDS["optim"], data=dataclasses.replace(GAPS, thoughts="oracle"))
    for bad in ({"idle": 1.5}, {"replay_share": -0.1, "replay": GAPS}, {"replay_share": 0.1}, {"replay": GAPS}):
        with pytest.raises(ValueError, match="ColdStart.*replay" if "idle" not in bad else "ColdStart.idle"):
            dataclasses.replace(cold, **bad)


def test_a_model_without_tags_is_refused(learned):
    # Mutant: a tag of several tokens, or the padding, taken for one.
    with pytest.raises(ValueError, match="<think>"):
        collected(INFORMATION, StageModels(learned().eval(), learned().eval()))


def test_a_tag_must_be_written_as_it_is_read(models, monkeypatch):
    # Mutant: one token taken for a tag that is written as another, as the unknown token of many tokenizers is.
    assert tags(models.learner) == tuple(models.learner.encode("<think> </think>"))
    monkeypatch.setattr(models.learner, "decode", lambda ids: "<unk>")
    with pytest.raises(ValueError, match="<think> and </think> must be one token each"):
        tags(models.learner)


def test_bins_that_tell_nothing_are_refused():
    # Mutants: told without a budget, or with one beyond the bins; more bins than numbers; bins without a length.
    for change in ({"budget": None}, {"budget": 27}, {"told": Bins(longest=150)}):
        with pytest.raises(ValueError, match="RMT.told"):
            dataclasses.replace(TELLING, **change)
    with pytest.raises(ValueError, match="ColdStart.told has 7 bins"):
        data = dataclasses.replace(GAPS, thoughts="oracle")
        ColdStart(steps=1, batch_size=1, optim=FIELDS["optim"], data=data, told=Bins(longest=150))
    for bad, name in (
        ({"longest": 100}, "longest"),
        ({"longest": 100, "count": 1}, "count"),
        ({"longest": 999, "count": 8}, "count"),
    ):
        with pytest.raises(ValueError, match=f"Bins.{name}"):
            Bins(**bad)
