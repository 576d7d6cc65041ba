"""Vendi scores against matrix logarithms and closed forms, and compositions against hand-made signatures."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.linalg import logm

from models.gpt import GPT
from models.lm import Samples
from studies.diversity import composition, diversity, pairs_of, similarity, token_runs, vendi
from synth.approaches import PLAIN, asking
from synth.problem import Source
from synth.tokens import Vocabulary

SOURCE = Source(ops=(2, 2), modulus=3, names=6, approach=PLAIN)


def test_vendi_is_the_exponential_of_an_entropy():
    # Mutants: K not divided by m; base 2; singular values of K; zero eigenvalues as NaN. The slow way: -tr(R log R).
    draw = np.random.Generator(np.random.PCG64(1))
    for m in (2, 5, 9):
        rows = draw.random((m, m + 3))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        share = rows @ rows.T / m
        assert vendi(share * m) == pytest.approx(math.exp(-float(np.trace(share @ logm(share)).real)), rel=1e-6)
    assert vendi(np.ones((6, 6))) == pytest.approx(1) and vendi(np.eye(6)) == pytest.approx(6)
    blocks = np.kron(np.eye(2), np.ones((3, 3)))  # two kinds, three texts each
    assert vendi(blocks) == pytest.approx(2)
    uneven = np.block([[np.ones((3, 3)), np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]])
    assert vendi(uneven) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


@pytest.mark.parametrize(
    "wrong", (np.zeros((2, 2)), np.ones((2, 3)), np.array([[1, 2.0], [2, 1]]), np.array([[1, 0.5], [0, 1]]))
)
def test_what_is_no_similarity_is_refused(wrong):
    with pytest.raises(ValueError, match="a similarity must be"):
        vendi(wrong)


def test_similarity_is_a_cosine():
    # Mutants: counts not normalised; texts that show nothing unlike each other, or like all others.
    counts = [Counter(a=1), Counter(a=3), Counter(a=1, b=1), Counter(), Counter()]
    root = 1 / math.sqrt(2)
    expected = [[1, 1, root, 0, 0], [1, 1, root, 0, 0], [root, root, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    assert np.allclose(similarity(counts), expected)
    assert token_runs("x y x", 2) == Counter({("x",): 2, ("y",): 1, ("x", "y"): 1, ("y", "x"): 1})


def test_compositions_and_unseen_pairs():
    # Mutants: one approach taken for two; pairs in two orders; a trained pair called unseen.
    shown = [frozenset(), frozenset({"plan"}), frozenset({"plan", "check"}), frozenset({"check", "plan", "levels"})]
    assert composition(shown) == 0.5 and composition([]) == 0
    assert pairs_of(shown) == {("check", "plan"): 2, ("check", "levels"): 1, ("levels", "plan"): 1}


def test_diversity_of_a_model_that_says_what_it_is_told(monkeypatch):
    # Mutants: wrong responses counted in the composition rate; Vendi over all problems at once; another problem's text.
    vocab = Vocabulary(modulus=3, worlds=("zoo",), names=6, approaches=True)
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=vocab).build(0)
    problems = [SOURCE.problem("diversity-test", n) for n in range(3)]
    texts = {}
    for problem in problems:
        plan, check = (asking(problem, name, tagged=False).solution for name in ("plan", "check"))
        both = plan[: plan.index(";") + 2] + check
        wrong = both.replace(f"answer {problem.answer}", f"answer {(problem.answer + 1) % 3}")
        texts[problem.question] = [problem.solution, plan, both, wrong]

    def sample(self, prompts, streams, *, max_new, temperature=1.0, top_p=1.0):
        told = texts[lm.decode(prompts[0])]
        assert streams.shape == (4, 200) and len({row.tobytes() for row in streams}) == 4
        ids = [lm.encode(text) for text in told]
        return Samples(ids, [[0.0] * len(each) for each in ids], [True] * len(ids))

    monkeypatch.setattr(type(lm), "sample", sample)
    found = diversity(lm, problems, samples=4, max_new=200)
    assert found.correct == 0.75 and found.composition == pytest.approx(1 / 3)
    assert found.pairs == ((("check", "plan"), 3),)
    assert found.unseen([frozenset({"plan"}), frozenset({"check"})]) == found.pairs
    assert found.unseen([frozenset({"plan", "check"})]) == ()
    kinds = [Counter(), Counter(plan=1), Counter(plan=1, check=1), Counter(plan=1, check=1)]
    assert found.vendi_approaches == pytest.approx(vendi(similarity(kinds)))
    assert 1 < found.vendi_runs < 4
