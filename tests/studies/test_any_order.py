"""An exact exam in any order of steps: it sums over the orders that the verifier calls nothing but out of order."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from interlude.models.gpt import GPT
from interlude.models.rollouts import Reward
from interlude.studies.exam import evaluate
from interlude.studies.exams import exact
from interlude.studies.exams.exact import AnyOrderExam, ExactExam, in_every_order
from interlude.studies.price import exam_price
from interlude.studies.scoring import solution_logprobs
from interlude.synth.graph import Shape
from interlude.synth.moves import canonical_moves, legal_orders
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import KINDS, ORDER, Fault, Verdict, verify

WIDE = Source(ops=(3, 5), names=16, shape=Shape(width=0.7), order="shuffled", dialect="direct", split="any")


@pytest.fixture(scope="module")
def lm():
    return (
        GPT(layers=1, width=32, heads=2, kv_heads=2, hidden=64, vocab=Vocabulary(names=16))
        .build(0)
        .eval()
        .requires_grad_(False)
    )


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_orders_are_those_in_which_the_verifier_finds_nothing_but_their_order(mode):
    # Mutants: an order in which something is used before it is found; one left out; one twice; reverse
    # mode solved forward.
    found = set()
    for nth in range(12):
        problem = replace(WIDE, mode=mode).problem("orders", nth)
        orders = list(legal_orders(problem.graph))
        assert canonical_moves(problem.graph, problem.order) in orders and len(set(orders)) == len(orders)
        texts = {variant.solution for variant in in_every_order(problem)}
        assert len(texts) == len(orders) and problem.solution in texts
        *steps, ending = problem.solution.split(" ; ")
        told = {" ; ".join([*some, ending]) for some in itertools.permutations(steps)}
        verdicts = {text: verify(problem, text) for text in told}
        right = {text for text, verdict in verdicts.items() if verdict.any_order}
        assert right == texts and {text for text in told if verdicts[text].strict} == {problem.solution}
        paid = {
            kind: {t for t, v in verdicts.items() if Reward(kind).of(v, 1) == 1} for kind in ("any_order", "strict")
        }
        assert paid == {"any_order": texts, "strict": {problem.solution}}
        found.add(len(texts))
    assert len(found) > 2


@pytest.mark.parametrize("other", [kind for kind in KINDS if kind != ORDER])
def test_a_reward_in_any_order_pays_for_no_other_fault(other):
    # Mutants: paid whatever the faults; paid where one fault is of order; paid where a judge names no fault.
    judged = partial(Verdict, parsed=True, answer=True, process=1.0)
    order, fault = (Fault(kind, 0, 0, "") for kind in (ORDER, other))
    wrong = (judged(strict=False, faults=faults) for faults in ((fault,), (order, fault), ()))
    right = (judged(strict=False, faults=(order, order)), judged(strict=True, faults=()))
    assert [Reward("any_order").of(verdict, 4) for verdict in (*wrong, *right)] == [0, 0, 0, 1, 1]


def test_the_score_is_the_sum_over_all_orders(lm):
    # Mutants: the canonical order's alone; the mean or the largest of them; a neighbour's orders.
    found = evaluate(lm, AnyOrderExam("any", WIDE, 6)).logp
    plain = evaluate(lm, ExactExam("one", WIDE, 6)).logp
    for nth, problem in enumerate(AnyOrderExam("any", WIDE, 6).draw_problems()):
        each = [logp_T.sum() for logp_T in solution_logprobs(lm, in_every_order(problem))]
        assert np.exp(found[nth]) == pytest.approx(np.exp(each).sum(), rel=1e-6) and found[nth] >= plain[nth]
    assert (found > plain + 0.1).any()
    chains = replace(WIDE, shape=Shape(width=0.0, reuse=0.0))
    same = [evaluate(lm, kind("e", chains, 6)).logp for kind in (AnyOrderExam, ExactExam)]
    assert same[0] == pytest.approx(same[1], abs=1e-6)


def test_it_is_priced_by_the_orders_that_it_reads(monkeypatch):
    # Mutants: one pass a problem; the canonical order read once less; orders beyond the bound left out in silence.
    exam = AnyOrderExam("any", WIDE, 6)
    assert exam.solutions == 6 + sum(len(in_every_order(problem)) for problem in exam.draw_problems()) > 12
    model = GPT(vocab=Vocabulary(names=16))
    plain, more = (exam_price(model, kind("e", WIDE, 6)).total_flops for kind in (ExactExam, AnyOrderExam))
    assert more / plain == pytest.approx(exam.solutions / 6, rel=0.01)
    monkeypatch.setattr(exact, "MOST_ORDERS", 2)
    wide = next(p for p in exam.draw_problems() if len(list(legal_orders(p.graph))) > 2)
    with pytest.raises(ValueError, match=f"a problem of {len(wide.moves)} operations has more than 2 legal orders"):
        in_every_order(wide)
