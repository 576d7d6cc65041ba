"""Self-generated data on text: heuristics are asked for in words, and a model ranks what follows them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pretrained
import pytest
import torch
from pretrained import EASY

from interlude.models import graders
from interlude.models.graders import LMJudge, RewardModel, filled
from interlude.models.heuristics import POLYA
from interlude.models.hf import HF
from interlude.models.key import key
from interlude.models.ledger import JUDGE, ROLLOUT
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stage import StageModels
from interlude.models.stages.selfgen import SelfGen
from interlude.models.train import frozen, train
from interlude.synth.rng import uniforms
from interlude.synth.tasks import GymTask, Question, TextTask, judge

pytest.importorskip("transformers")
pytest.importorskip("math_verify")
SUMS = [(1, 2), (2, 3), (3, 1), (4, 4), (5, 2), (6, 3)]
WAYS = ("{question}\nFirst say it again.", "{question}\nAnswer at once.")
OPTIM = Optim(kind="adamw", other_lr=1e-3, warmup=0)


def asked_of(a: int, b: int) -> str:
    return f"What is {a} + {b}?"


def told(a: int, b: int, way: int) -> str:
    return ("What we want is the sum. " if way == 0 else "") + f"\\boxed{{{a + b}}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A model that answers the sums as it is asked to, and in either way where it is not asked."""
    pairs = [(filled(WAYS[way], {"question": asked_of(*s)}), told(*s, way)) for s in SUMS for way in (0, 1)]
    pairs += [(asked_of(*s), told(*s, way)) for s in SUMS for way in (0, 1)]
    return pretrained.taught(tmp_path_factory.mktemp("hub"), pairs, 300)


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> TextTask:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": asked_of(a, b), "answer": str(a + b)}) + "\n" for a, b in SUMS))
    return TextTask(str(path), split="any")


def stage(task, **more) -> SelfGen:
    own = {"heuristics": WAYS, "n": 2, "samples": 6, "instances": 8, "max_new_tokens": 30, "attempts": 8}
    return SelfGen(steps=2, batch_size=4, optim=OPTIM, data=task, **own | more)


def test_solutions_by_heuristics_are_asked_for_in_words(folder, task):
    # Mutants: tags in place of words; both heuristics in one prompt; the request left in what is trained on; wrong
    # answers kept; the worst of the right ones.
    learner = HF(folder).build(0)
    start, words = frozen(learner), stage(task)
    prompts = []
    plainly = start.sample

    def listening(asked, streams, params):
        prompts.append([start.tokenizer.decode(prompt) for prompt in asked])
        return plainly(asked, streams, params)

    start.sample = listening
    batch = words.collect(StageModels(learner, start), 3, 0, range(4))
    found = words.pool_entry(start, 3, 0)
    questions = [filled(way, {"question": found.problem.question}) + "\n" for way in WAYS]
    assert prompts[found.dropped] == [question for question in questions for _ in range(6)]
    assert [trace.approach for trace in found.traces] == list(WAYS)
    for nth, trace in enumerate(found.traces):
        text = learner.decode(trace.response)
        assert judge(found.problem, text).answer and trace.strict and not trace.shown
        assert text.startswith("What we") == (nth == 0) or trace.adherence < 0
    for row in batch.ids_BT.tolist():
        text = learner.decode(row)
        assert text.startswith("What is") and "First say" not in text and "at once" not in text
    kinds = {each.kind for each in batch.spent}
    assert kinds == {ROLLOUT, JUDGE} and "kept_adherent" not in batch.metrics
    assert batch.metrics["kept_strict"] == 1 and batch.metrics["adherence"] != 0


@pytest.mark.parametrize("kind", ("itself", "reward", "asked"))
def test_the_scorer_chooses(kind, folder, task, tmp_path, monkeypatch):
    # Mutants: the first right response; every response called right; a scorer that is not
    # asked; its scores given to other responses.
    seen = []

    def reward(self, pairs, device):
        seen.extend(pairs)
        return [float(len(response)) for _, response in pairs], []

    def odds(self, texts, device):
        seen.extend((t["question"], t["heuristic"], t["response"]) for t in texts)
        return [-float(len(t["response"])) for t in texts], []

    monkeypatch.setattr(graders.RewardModel, "scores", reward)
    monkeypatch.setattr(graders.LMJudge, "odds", odds)
    scorer = {
        "itself": None,
        "reward": RewardModel(folder),
        "asked": LMJudge(HF(folder), "{question} {heuristic} {response}?"),
    }[kind]
    words, start = stage(task, scorer=scorer, samples=8, temperature=1.5), frozen(HF(folder).build(0))
    chosen = words.pool_entry(start, 5, 1)
    path, wrong = ("selfgen", 5, 1, chosen.dropped), 0
    for group, trace in zip(words.groups(start, chosen.problem, 1, path), chosen.traces, strict=True):
        assert group.right == [judge(chosen.problem, text).answer for text in group.texts]
        wrong += group.right.count(False)
        right = [n for n, good in enumerate(group.usable) if good]
        texts = [group.texts[n].removesuffix("<end>").rstrip() for n in right]
        request = filled(group.approach, {"question": chosen.problem.question})
        if kind == "itself":
            prompts = start.encode_prompt(chosen.problem.question), start.encode_prompt(request)
            scores, _ = graders.raised(start, *prompts, [group.ids[n] for n in right])
        else:
            scores = [len(text) * (1 if kind == "reward" else -1) for text in texts]
            way = group.approach.replace("{question}\n", "")
            expected = [(request, text) for text in texts]
            if kind == "asked":
                expected = [(chosen.problem.question, way, text) for text in texts]
            assert set(expected) <= set(seen)
        best = int(np.argmax(scores))
        assert trace.response == group.ids[right[best]] and trace.adherence == pytest.approx(scores[best])
    assert wrong


def test_it_trains_on_every_kind_of_task(folder, task):
    # Mutants: what only the generator's problems have (a dialect, a grammar, an approach) asked of others.
    gym = pytest.importorskip("reasoning_gym") and GymTask("chain_sum", size=50)

    @dataclasses.dataclass(frozen=True)
    class Anything:
        """Whatever is said and ended is right."""

        inner: object
        capabilities = frozenset()
        title = "anything"

        def problem(self, *path):
            return Question(self.inner.problem(*path).question, "", lambda text: True)

    for data in (task, Anything(gym), Anything(EASY)):
        for more in ({}, {"source": "rejection", "heuristics": ()}):
            learner = HF(folder).build(0)
            with torch.no_grad():
                if data is not task:
                    learner.causal.get_input_embeddings().weight[learner.end] *= 3  # tied: it ends
            before, lines = frozen(learner), []
            train(learner, stage(data, **more), 3, observe=lambda share, line, lines=lines: lines.append(line))
            pairs = zip(learner.parameters(), before.parameters(), strict=True)
            assert all(not torch.equal(a, b) for a, b in pairs) and lines[0]["rollouts"] >= 48


def test_the_answer_is_a_hint_where_nothing_is_right(folder, task):
    # Mutants: a hint in a dialect that text has not; the answer of another question; the hint trained on.
    start, words = frozen(HF(folder).build(0)), stage(task, source="star", heuristics=(), n=1, samples=2)
    problem, asked = task.problem("p", 0), []
    started = start.sample

    def wrong(prompts, streams, params):
        asked.append(start.tokenizer.decode(prompts[0]))
        return started(prompts, np.stack([uniforms("w", n, n=streams.shape[1]) for n in range(len(prompts))]), params)

    start.sample = wrong
    monkeyed = dataclasses.replace(problem, right=lambda text: False)
    words.groups(start, monkeyed, 0, ("selfgen", 0, 0, 0))
    assert asked == [f"{problem.question}\n", f"The answer is {problem.answer}. {problem.question}\n"]
    learner = HF(folder).build(0)
    train(learner, words, 0)


def test_what_cannot_be_asked_for_is_refused(folder, task):
    # Mutant: each check removed in turn.
    held = LMJudge(HF(folder), "{heuristic} {response}?")
    for wrong, message in (
        ({"n": 3, "instances": 9}, r"at most the number of SelfGen.heuristics \(2\), got 3"),
        ({"heuristics": ("no name",), "n": 1}, r"each of SelfGen.heuristics must hold \{question\}"),
        ({"heuristics": (WAYS[0], WAYS[0])}, "must be different from each other"),
        ({"source": "rejection"}, "SelfGen.heuristics needs SelfGen.source \"approaches\", got 'rejection'"),
        ({"examples": EASY}, "SelfGen.examples must be given if"),
        ({"heuristics": ()}, "SelfGen.data must be a task with approaches, which a TextTask has not"),
        ({"heuristics": (), "source": "rejection", "scorer": held}, "SelfGen.scorer ranks responses"),
        ({"scorer": LMJudge(HF(folder), "{response}?")}, r"SelfGen.scorer.question must hold \{heuristic\}"),
    ):
        with pytest.raises(ValueError, match=message):
            stage(task, **wrong)
    for source in ("rejection", "star"):
        stage(task, source=source, heuristics=(), n=1)
    with pytest.raises(ValueError, match="SelfGen.data must be a task with solutions"):
        stage(Silent(), source="star", heuristics=(), n=1)
    with pytest.raises(ValueError, match="SelfGen.replay must be a task with solutions, which a Silent has not"):
        stage(task, replay=Silent(), replay_share=0.5)


@dataclasses.dataclass(frozen=True)
class Silent:
    """A task that knows no right response."""

    capabilities = frozenset()
    title = "silent"

    def problem(self, *path):
        return Question("Say yes.", "", lambda text: text == "yes")


def test_heuristics_and_scorer_are_in_the_key(folder, task):
    # Mutants: runs of other requests under one key; a model by its place.
    base = Recipe(HF(folder))
    keys = {
        (base + stage(task, **more)).key
        for more in ({}, {"heuristics": POLYA[:2]}, {"scorer": RewardModel(folder)}, {"samples": 5})
    }
    assert len(keys) == 4
    plain = stage(task, source="rejection", heuristics=())
    assert "heuristics" not in str(key(plain)) and dataclasses.replace(plain).heuristics == ()


@pytest.mark.slow
def test_smollm2_solves_sums_by_polyas_heuristics(tmp_path):
    # Mutant: a real model that is asked in words it cannot answer, so that the pool is empty.
    pytest.importorskip("gguf")
    from interlude.models import fetch

    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": asked_of(a, b), "answer": str(a + b)}) + "\n" for a, b in SUMS))
    data = TextTask(str(path), split="any")
    learner = HF(str(fetch.smollm2()), chat=True).build(0)
    more = {"heuristics": (POLYA[0], POLYA[4]), "samples": 4, "instances": 4, "max_new_tokens": 96, "temperature": 0.7}
    words = dataclasses.replace(stage(data, **more), steps=1, batch_size=2)
    lines = []
    train(learner, words, 0, observe=lambda share, line: lines.append(line))
    print(lines[0])
    assert lines[0]["rollouts_right"] >= 2 and np.isfinite(lines[0]["loss"])
