"""RA3 against enumeration of all skill sequences, next-token prediction, and a corpus with two kinds of steps."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from interlude.models.annotator import chunk
from interlude.models.gpt import GPT
from interlude.models.ledger import JUDGE
from interlude.models.optim import Optim
from interlude.models.stage import StageModels, replays
from interlude.models.stages import ra3
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.ra3 import NONE, RA3, described, marked, mutual_information, operations, posterior_sample
from interlude.models.train import frozen
from interlude.synth.segments import segments
from interlude.synth.source import Source
from interlude.synth.tasks import SEGMENTS
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

SHOWN = Source(ops=(3, 3), modulus=3, names=8, thoughts="ignored", unwrapped=True)
PLAIN = dataclasses.replace(SHOWN, ops=(1, 1))
WORDS = Vocabulary(modulus=3, worlds=("zoo",), names=8, thoughts=True)
MODEL = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=WORDS)
COMMON = {"steps": 10, "batch_size": 4, "optim": Optim(warmup=1), "data": SHOWN, "replay": PLAIN}
STAGE = RA3(**COMMON, explore=0.0)


def strange() -> torch.nn.Module:
    """A learner whose predictions depend on everything, thoughts included."""
    lm, noise = MODEL.build(0).eval(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in lm.parameters():
            weight.add_(0.4 * torch.randn(weight.shape, generator=noise))
    return lm


def every_posterior(logp_KT: np.ndarray, cost: float) -> dict[tuple[int, ...], float]:
    """p(z | a) of every sequence of skills, by enumeration."""
    K, T = logp_KT.shape
    weights = {}
    for z in itertools.product(range(K), repeat=T):
        before = (NONE, *z[:-1])
        if any(now == NONE and last != NONE for now, last in zip(z, before, strict=True)):
            continue
        changes = sum(now != last for now, last in zip(z, before, strict=True))
        weights[z] = math.exp(sum(logp_KT[k, t] for t, k in enumerate(z)) - cost * changes)
    return {z: weight / sum(weights.values()) for z, weight in weights.items()}


def test_skills_are_drawn_from_their_posterior():
    # Mutants: messages without the next step's likelihood, or one step late; the cost per step and not per change; a
    # return to no skill; a first skill without cost; cumulative chances of the wrong row.
    rng = np.random.default_rng(0)
    logp_KT, cost, draws = rng.normal(0, 1.5, (3, 4)), 0.7, 40_000
    found: dict[tuple[int, ...], int] = {}
    for _ in range(draws):
        z = tuple(posterior_sample(logp_KT, cost, rng.random(4)))
        found[z] = found.get(z, 0) + 1
    expected = every_posterior(logp_KT, cost)
    assert set(found) <= set(expected)
    # Total variation distance; sampling alone gives about 0.5 sum sqrt(p / draws) = 0.01.
    assert sum(abs(found.get(z, 0) / draws - p) for z, p in expected.items()) / 2 < 0.02


def test_scores_are_log_probabilities_of_steps_after_their_skill():
    # Mutants: skill k written k + 1 times; the tags scored too; steps of another text; the question scored.
    lm = strange()
    problems = [SHOWN.problem("exam", n) for n in range(3)]
    chunks = [chunk(lm, problem) for problem in problems]
    found, spent = STAGE.scores(lm, chunks)
    opening, closing = lm.encode("<think>")[0], lm.encode("</think>")[0]
    for problem, logp_KT in zip(problems, found, strict=True):
        parts = [lm.encode(text) for text in segments(problem)]
        assert logp_KT.shape == (4, len(parts))
        for k in range(4):
            ids = lm.encode_prompt(problem.question)
            for t, part in enumerate(parts):
                ids = ids + [opening, closing] * k
                with torch.no_grad():
                    logp_TV = lm.forward(torch.tensor([ids + part]))[0].double().log_softmax(-1)
                own = sum(float(logp_TV[len(ids) + n - 1, token]) for n, token in enumerate(part))
                assert logp_KT[k, t] == pytest.approx(own, abs=2e-4)
                ids = ids + part
    assert spent[0].flops > 4 * lm.flops(1, 0) * sum(len(each.solution) for each in chunks)


def test_a_text_with_skills_is_its_plain_solution_once_unwrapped():
    # Mutants: a skill at every step, also where it goes on; a skill in a replayed text; its tags without gain.
    lm = strange()
    stage = dataclasses.replace(STAGE, cost=0.0, replay_share=0.4)
    batch = stage.collect(StageModels(lm, done=0.5), 3, 1, range(4))
    plain = Midtrain(**COMMON | {"replay_share": 0.4}).collect(StageModels(lm), 3, 1, range(4))
    opening, closing = lm.encode("<think>")[0], lm.encode("</think>")[0]
    begun = 0
    for row, (length, other) in enumerate(zip(batch.lengths, plain.lengths, strict=True)):
        ids, gain_T, plain_T = batch.ids_BT[row, :length].tolist(), batch.gain_BT[row], plain.ids_BT[row].tolist()
        assert [token for token in ids if token not in (opening, closing)] == plain_T[:other]
        assert float(gain_T.sum()) == float(gain_T.count_nonzero()) == length - gain_T[:length].tolist().index(1.0)
        begun += ids.count(opening)
        problem = (PLAIN if replays(stage, 3, 1, row) else SHOWN).problem("midtrain", 3, 1, row)
        assert verify(problem, lm.decode(ids[len(lm.encode_prompt(problem.question)) :])).strict
        assert opening not in ids or problem.ops == 3
    assert begun > 0 and batch.metrics["skills"] > 0


def test_a_skill_stands_only_where_it_begins():
    lm = strange()
    each = chunk(lm, SHOWN.problem("exam", 0))
    opening, closing = lm.encode("<think>")[0], lm.encode("</think>")[0]
    found = marked(lm, each, [NONE, 2, 2, 1])
    assert [text[: len(text) - len(part)] for text, part in zip(found, each.segments, strict=True)] == [
        [], [opening, closing] * 2, [], [opening, closing]
    ]  # fmt: skip


def test_skills_that_cost_too_much_leave_next_token_prediction():
    # Mutants: the cost added instead of subtracted; other problems than Midtrain's.
    lm = strange()
    batch = dataclasses.replace(STAGE, cost=math.inf).collect(StageModels(lm, done=0.5), 3, 2, range(4))
    plain = Midtrain(**COMMON).collect(StageModels(lm), 3, 2, range(4))
    assert torch.equal(batch.ids_BT, plain.ids_BT) and torch.equal(batch.gain_BT, plain.gain_BT)
    assert batch.metrics["skills"] == 0 and batch.metrics["skill_nats"] == 0


def test_skills_are_drawn_at_random_at_first_and_rows_do_not_depend_on_each_other(monkeypatch):
    # Mutants: draws of the place in the call and not of the row; the same skills explored in all rows; the choice among
    # skills free of cost; exploration that ends one step late.
    lm = MODEL.build(0).eval()  # predicts all tokens alike, so that skills are what is drawn
    stage = dataclasses.replace(STAGE, explore=0.5, cost=0.1)
    first, later = (stage.collect(StageModels(lm, done=done), 3, 1, range(4)) for done in (0.4, 0.5))
    assert not first.spent and later.spent and "skill_nats" not in first.metrics and later.metrics["skills"] > 0
    for done in (0.4, 0.5):
        whole = stage.collect(StageModels(lm, done=done), 3, 1, range(4))
        for row in range(4):
            part = stage.collect(StageModels(lm, done=done), 3, 1, range(row, row + 1))
            assert part.ids_BT[0].tolist() == whole.ids_BT[row, : part.lengths[0]].tolist()
    paths = [(3, 1, 0), (3, 1, 1), (3, 2, 0), (4, 1, 0)]
    assert len({tuple(stage.explored(12, *path)) for path in paths}) == 4
    costs = []
    monkeypatch.setattr(ra3, "posterior_sample", lambda logp_KT, cost, draws_T: costs.append(cost) or [NONE] * 4)
    stage.collect(StageModels(lm, done=0.5), 3, 1, range(1))
    assert costs == [pytest.approx(0.1 + math.log(3))]


def test_the_skills_of_a_learner_that_profits_from_them_are_its_own():
    # A learner that is sure of a step only after the right skill: its posterior must find these skills.
    logp_KT = np.full((3, 6), -9.0)
    truth = [1, 1, 2, 2, 2, 1]
    logp_KT[truth, range(6)] = -1.0
    assert posterior_sample(logp_KT, 1.0, np.full(6, 0.5)) == truth
    assert posterior_sample(logp_KT, 50.0, np.full(6, 0.5)) == [NONE] * 6


def test_metrics_by_hand():
    # Mutants: steps before the first skill counted; skills counted at every step; operations from the other end; the
    # answer left out, or the passes of scoring charged as training.
    lm = strange()
    each = chunk(lm, SHOWN.problem("exam", 0))
    line = described([(each, [NONE, 2, 2, 1])])
    assert line["skills"] == 2 and line["steps_per_skill"] == 1.5
    names = operations(each)
    assert names[-1] == "answer" and names[:-1] == [node.op for node in each.problem.nodes if node.op in "+-*"]
    texts = [chunk(lm, SHOWN.problem("exam", n)) for n in range(6)]
    pairs = [pair for text in texts for pair in zip(operations(text), [1, 1, 1, 2], strict=True)]
    expected = mutual_information(pairs)  # by hand below
    assert described([(text, [1, 1, 1, 2]) for text in texts])["operation_nats"] == pytest.approx(expected)
    assert STAGE.scores(lm, [each])[1][0].kind == JUDGE
    assert described([]) == {}


def test_mutual_information_by_hand():
    assert mutual_information([("+", 1), ("-", 2)] * 5) == pytest.approx(math.log(2))
    assert mutual_information([("+", 1), ("+", 2), ("-", 1), ("-", 2)]) == pytest.approx(0.0)


def test_it_needs_segments_and_sensible_numbers():
    assert STAGE.data_needs == (SEGMENTS,)
    for change in ({"skills": 0}, {"cost": -1.0}, {"explore": 1.5}):
        with pytest.raises(ValueError, match="RA3.skills"):
            dataclasses.replace(STAGE, **change)


def test_it_trains():
    lm = frozen(MODEL.build(0))
    batch = STAGE.collect(StageModels(lm), 0, 0, range(4))
    assert math.isfinite(float(STAGE.loss(StageModels(lm), batch)))
