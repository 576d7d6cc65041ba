"""Vendi scores against matrix logarithms and closed forms, and compositions against hand-made signatures."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
from crafted import UNRECORDED
from scipy.linalg import logm

from interlude.models.gpt import GPT
from interlude.models.key import key
from interlude.models.lm import Samples, SamplingParams
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stages.pretrain import Pretrain
from interlude.studies import results, scoring
from interlude.studies.exam import Exam, cached_result, evaluate
from interlude.studies.exams import diversity as diversity_
from interlude.studies.exams.diversity import (
    DiversityExam,
    Ways,
    diversity_of,
    sampled_ways,
    similarity,
    token_runs,
    vendi,
)
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.methods import arena
from interlude.studies.midtraining import leaderboard, selfgen
from interlude.studies.run import train_or_load
from interlude.studies.scales import SCALES
from interlude.studies.study import Arm, Study, plan, row
from interlude.synth.approaches import PLAIN, signature, with_approach
from interlude.synth.rng import uniforms
from interlude.synth.solution_style import SolutionStyle
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import Verdict, verify

SOURCE = Source(ops=(2, 2), modulus=3, names=6, approach=PLAIN)
EASY = Source(ops=(1, 2), modulus=3, names=6)
EXAM = DiversityExam("ways", EASY, problems=5, samples=6, max_new_tokens=44)


def slow_vendi(features: list[list]) -> float:
    """The same from the definition: cosines pair by pair, -tr(R log R). Texts without features share one."""
    counts = [Counter(each) or Counter({"nothing": 1}) for each in features]

    def cosine(a: Counter, b: Counter) -> float:
        inner = sum(a[name] * b[name] for name in a)
        return inner / math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))

    share = np.array([[cosine(a, b) for b in counts] for a in counts]) / len(counts) + 1e-13 * np.eye(len(counts))
    return math.exp(-float(np.trace(share @ logm(share)).real))


def slow_runs(text: str) -> list[str]:
    """Every run of one, two or three words, as a text."""
    words = text.split()
    return [" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, i + 4) if j <= len(words)]


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


def test_diversity_of_a_model_that_says_what_it_is_told(monkeypatch):
    # Mutants: wrong responses counted in the composition rate; Vendi over all problems at once; another problem's text.
    vocab = Vocabulary(modulus=3, worlds=("zoo",), names=6, approaches=True)
    lm = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=vocab).build(0)
    problems = [SOURCE.problem("diversity-test", n) for n in range(3)]
    texts = {}
    for problem in problems:
        plan, check = (with_approach(problem, name, tagged=False).solution for name in ("plan", "check"))
        both = plan[: plan.index(";") + 2] + check
        wrong = both.replace(f"answer {problem.answer}", f"answer {(problem.answer + 1) % 3}")
        texts[problem.question] = [problem.solution, plan, both, wrong]

    def sample(self, prompts, streams, params):
        assert streams.shape == (12, 200) and len({row.tobytes() for row in streams}) == 12
        ids = [lm.encode(texts[lm.decode(prompt)][n % 4]) for n, prompt in enumerate(prompts)]
        return Samples(ids, [[0.0] * len(each) for each in ids], [True] * len(ids))

    monkeypatch.setattr(type(lm), "sample", sample)
    kinds = [Counter(), Counter(plan=1), Counter(plan=1, check=1), Counter(plan=1, check=1)]
    for ways in sampled_ways(lm, problems, samples=4, params=SamplingParams(max_new_tokens=200)):
        assert ways.shown == (frozenset(), frozenset({"plan"}), frozenset({"plan", "check"})) and ways.composed == 1
        assert ways.vendi_approaches == pytest.approx(vendi(similarity(kinds)))
        assert 1 < ways.vendi_runs < 4


@pytest.mark.parametrize("k", (1, 2, 4))
def test_k_texts_equally_often_are_told_in_k_ways(k):
    # Mutants: rows of one text counted once; logarithms of another base; a text's own features left out.
    problem = SOURCE.problem("ways", 0)
    words = [["lions", "bears"], ["owls", "foxes"], ["seals", "mice"], ["goats"]]
    assert diversity_of(problem, [" ".join(words[n % k]) for n in range(4 * k)]).vendi_runs == pytest.approx(k)
    solved = [with_approach(problem, name, tagged=False).solution for name in (PLAIN, "plan", "check", "restate")]
    ways = diversity_of(problem, [solved[n % k] for n in range(4 * k)])
    assert ways.vendi_approaches == pytest.approx(k) and len(ways.shown) == 4 * k and ways.composed == 0
    assert 1 <= ways.vendi_runs <= k + 1e-9 and (ways.vendi_runs < k or k == 1)  # they share their steps


def test_no_approach_is_one_way_however_it_comes_about():
    # Mutants: empty or plain texts unlike each other; a broken approach counted.
    problem = SOURCE.problem("ways", 1)
    plan = with_approach(problem, "plan", tagged=False).solution
    backwards = " , ".join(plan.split(" ;")[0].split()[:0:-2])
    broken = f"order {backwards} ; {problem.solution}"  # takes the steps the other way
    texts = ["", "answer", problem.solution, broken]
    assert diversity_of(problem, texts).vendi_approaches == pytest.approx(1)
    assert diversity_of(problem, [*texts, *[plan] * 4]).vendi_approaches == pytest.approx(2)
    assert diversity_of(problem, texts).shown == (frozenset(), frozenset())


def test_thoughts_and_what_a_broken_one_hides_are_not_told():
    # Mutants: thoughts compared, or taken for steps; the text after a broken thought compared; a tag compared; answers
    # judged by another text than the response.
    source = Source(ops=(3, 3), modulus=7, names=8, skip_prob=0.5, thoughts="oracle")
    problem = next(p for p in (source.problem("ways", n) for n in range(99)) if len(p.style.skipped) == 2)
    assert "<think>" in problem.solution
    bare = " ".join(problem.solution[problem.solution.index("</think>") :].split()[1:])
    other = f"<think> bears 3 </think> {bare}"
    ways = diversity_of(problem, [problem.solution, bare, other])
    assert ways.vendi_runs == pytest.approx(1) and len(ways.shown) == 3
    start = f"{bare.split(';')[0]};"
    late = f"{start} <think> lions 1 ; answer {problem.answer} <end>"
    assert (
        diversity_of(problem, [late, start]).vendi_runs == pytest.approx(1)
        and diversity_of(problem, [late]).shown == ()
    )


def test_a_skipped_step_breaks_what_is_promised_of_every_step():
    # Mutants: promises judged of the shown steps alone; no approach at all where steps may be skipped.
    source = Source(ops=(3, 3), modulus=7, names=8)
    skipping = Source(ops=(3, 3), modulus=7, names=8, skip_prob=1.0, thoughts="ignored")
    for n in range(8):
        full, problem = source.problem("ways", n), skipping.problem("ways", n)
        assert full.question == problem.question and len(problem.style.skipped) == 2
        plan = with_approach(
            dataclasses.replace(full, style=SolutionStyle(approach=PLAIN)), "plan", tagged=False
        ).solution
        head = plan[: plan.index(";") + 2]
        assert diversity_of(problem, [plan]).shown == (frozenset({"plan"}),)
        assert diversity_of(problem, [head + problem.solution]).shown == (frozenset(),)  # the last step alone


def test_an_exam_of_diversity_against_the_slow_way(learned):
    # Mutants: a neighbour's responses; one stream for all; counts of all responses; scores over all problems.
    lm = learned()
    found = evaluate(lm, EXAM)
    for i, problem in enumerate(EXAM.draw_problems()):
        texts = []
        for n in range(6):
            streams = uniforms("diversity", 0, i, n, n=44)[None]
            sampled = lm.sample([lm.encode(problem.question)], streams, SamplingParams(max_new_tokens=44))
            texts.append(lm.decode(sampled.ids[0]))
        assert found.vendi_runs[i] == pytest.approx(slow_vendi([slow_runs(text) for text in texts]), abs=1e-6)
        slowly = slow_vendi([list(signature(problem, text)) for text in texts])
        assert found.vendi_approaches[i] == pytest.approx(slowly, abs=1e-6)
        right = [signature(problem, text) for text in texts if verify(problem, text).answer]
        assert (found.answer[i], found.composed[i]) == (len(right), sum(len(each) >= 2 for each in right))
    assert found.vendi_runs.max() > 1.2 and 0 < found.answer.sum() < 30 and found.samples == 6


def test_composed_counts_are_of_right_responses_alone(learned, monkeypatch):
    # Mutants: composed responses with a wrong answer counted; right ones by one approach counted.
    ways = Ways(1.5, 1.25, (frozenset(), frozenset({"plan"}), frozenset({"plan", "check"}), frozenset("abc")))
    assert ways.composed == 2
    monkeypatch.setattr(diversity_, "sampled_ways", lambda lm, problems, *rest: [ways] * len(problems))
    found = evaluate(learned(), EXAM)
    assert found.composed.tolist() == [2] * 5 and found.answer.tolist() == [4] * 5
    assert (found.vendi_runs.tolist(), found.vendi_approaches.tolist()) == ([1.5] * 5, [1.25] * 5)


def test_an_exam_of_diversity_is_pure_and_its_temperature_counts(learned, monkeypatch):
    # Mutants: torch's own random numbers; results that depend on the batch; temperature left out.
    lm = learned()
    first = evaluate(lm, EXAM).as_json()
    assert evaluate(lm, EXAM).as_json() == first
    monkeypatch.setattr(scoring, "SAMPLED", 7)
    assert evaluate(lm, EXAM).as_json() == first
    few = evaluate(lm, dataclasses.replace(EXAM, problems=3)).as_json()
    assert few["vendi_runs"] == first["vendi_runs"][:3]
    both = (dataclasses.replace(EXAM, temperature=t) for t in (0.01, 3.0))
    cold, hot = (evaluate(lm, exam).vendi_runs.mean() for exam in both)
    assert cold == pytest.approx(1) and hot > 3
    problems, params = EXAM.draw_problems(), SamplingParams(max_new_tokens=44)
    seeds = [[ways.vendi_runs for ways in sampled_ways(lm, problems, 6, params, seed)] for seed in (0, 1)]
    assert seeds[0] == first["vendi_runs"] != seeds[1]


def test_what_an_exam_of_diversity_found_is_kept_and_tabled(tiny, runs, tmp_path, monkeypatch):
    # Mutants: an array that is not stored; a rounded or exchanged one; a table cell of another column.
    recipe = Recipe(tiny) + Pretrain(steps=1, batch_size=2, optim=Optim(warmup=1), data=EASY)
    found = cached_result(recipe, EXAM, train_or_load(recipe))
    monkeypatch.setattr(Exam, "evaluate", None)
    again = cached_result(recipe, EXAM, None)
    for name in ("vendi_runs", "vendi_approaches", "answer", "composed"):
        assert getattr(again, name).tolist() == getattr(found, name).tolist() and len(getattr(again, name)) == 5
    assert again.samples == 6
    found = dataclasses.replace(found, composed=np.arange(5), answer=np.arange(1, 6))
    study = Study("a/b", "smoke", "q", "p", "r", (Arm("x", recipe),), (EXAM,), (0,), Recipe(tiny))
    made = row(study, plan(study)[0], EXAM, found)
    costs = {"tokens": 1, "flops": 1.0, "arm_flops": 1.0, "rollout_flops": 0.0, "seconds": 1.0, "key": "k"}
    made |= costs | UNRECORDED
    results.store("a/b", "smoke", [made], tmp_path)
    (loaded,) = results.load("a/b", "smoke", tmp_path).rows
    assert loaded["kind"] == "diversity" and loaded["samples"] == 6 and not {"strict", "logp"} & set(loaded)
    assert loaded["composed"] == "0 1 2 3 4" and loaded["correct"] == "1 2 3 4 5"
    for name in ("vendi_runs", "vendi_approaches"):
        assert results.numbers(loaded[name]) == pytest.approx(getattr(found, name), abs=1e-4)


def test_a_key_of_diversity_rests_on_verifier_and_measure(monkeypatch):
    # Mutants: kept scores after either changed; other kinds' keys moved by the measure.
    exams = EXAM, SampledExam("s", EASY)
    before = [key(exam) for exam in exams]
    with monkeypatch.context() as patch:
        patch.setattr(Ways, "version", Ways.version + 1)
        assert [key(exam) == was for exam, was in zip(exams, before, strict=True)] == [False, True]
    monkeypatch.setattr(Verdict, "version", Verdict.version + 1)
    assert [key(exam) == was for exam, was in zip(exams, before, strict=True)] == [False, False]


@pytest.mark.parametrize("samples", (-1, 0, 1))
def test_diversity_of_fewer_than_two_responses_is_refused(samples):
    with pytest.raises(ValueError, match=r"DiversityExam\.samples of 'ways' must be at least 2"):
        dataclasses.replace(EXAM, samples=samples)


@pytest.mark.parametrize("name", ("smoke", "nano"))
def test_scales_ask_for_ways_at_the_edge(name):
    # Mutants: the band; problems of training; an arena's responses that may not think.
    for scale in (SCALES[name], arena(SCALES[name])):
        exam, asked = scale.diversity_exam(), scale.sampled_exam()
        assert (exam.kind, exam.problems, exam.samples) == ("diversity", scale.problems // 4, 16)
        assert (
            exam.source == asked.source
            and exam.max_new_tokens == asked.max_new_tokens
            and exam.source.ops == scale.edge
        )
        assert exam.draw_problems() == asked.draw_problems()[: exam.problems]
    board = leaderboard.study(SCALES[name]).exams
    assert board == (*arena(SCALES[name]).exams(), *arena(SCALES[name]).arm_exams()) and asked in board
    own = {each.name: each for each in selfgen.study(SCALES[name]).exams}
    edge, ways = own["zoo-edge-sampled"], own["zoo-edge-diversity"]
    assert edge.source == ways.source and ways.source.approach == PLAIN
    assert ways.max_new_tokens == edge.max_new_tokens == 2 * SCALES[name].max_new_tokens


def test_an_exam_of_diversity_without_room_is_refused(learned):
    # Mutant: no check, so that every response is cut off and as unlike the others as chance has it.
    with pytest.raises(ValueError, match="exam 'ways' allows max_new_tokens=5, but 5 of 5 reference solutions"):
        evaluate(learned(), dataclasses.replace(EXAM, max_new_tokens=5))
