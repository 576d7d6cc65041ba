"""Thinking mid-training on plain text: sentences for segments, a teacher that writes thoughts, a model that judges."""

from __future__ import annotations

import dataclasses
import json

import pretrained
import pytest
import torch
from pretrained import EASY

from interlude.models import graders
from interlude.models.annotator import chunk, first_sentence, sentences
from interlude.models.graders import LMJudge
from interlude.models.hf import HF
from interlude.models.ledger import JUDGE, REFERENCE
from interlude.models.lm import tags
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.stage import StageModels
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.thinking import SAME, Judge, Thinking
from interlude.models.teacher import Teacher, inserted, places, thought_text
from interlude.models.train import frozen, train
from interlude.synth.render import CLOSE, THINK
from interlude.synth.tasks import GymTask, TextTask

pytest.importorskip("transformers")
pytest.importorskip("math_verify")
OPTIM = Optim(kind="adamw", other_lr=1e-3, warmup=0)
WORKED = "There are {n} bears. Each eats 3.5 apples a day!\nSo they eat {n} * 3.5."


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return pretrained.save_model(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    """A model that reads with another tokenizer."""
    return pretrained.save_model(tmp_path_factory.mktemp("other"), vocab_size=300, seed=3)


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> TextTask:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = [{"question": f"How many apples do {n} bears eat?", "answer": f"{n * 3.5}", "w": WORKED.format(n=n)}
            for n in range(40)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TextTask(str(path), solution="w", split="any")


@pytest.fixture(scope="module")
def lm(folder):
    return HF(folder, thoughts=True).build(0)


# Sentences


def test_a_text_is_cut_after_sentences_and_lines(lm, task):
    # Mutants: a cut within a number; a line that does not end a segment; tokens lost or told twice; an end by itself.
    each = chunk(lm, task.problem("p", 0))
    ids = lm.encode(each.problem.solution)
    assert each.solution == ids and each.question == lm.encode_prompt(each.problem.question)
    words = [lm.decode(part) for part in each.segments]
    assert [text.strip().split()[0] for text in words] == ["There", "Each", "So", "The"]
    assert words[1] == " Each eats 3.5 apples a day!" and words[3].endswith(". <end>")
    assert each.segments[-1][-1] == lm.end and all(each.segments)
    assert sentences(lm, lm.encode("no stop")) == [lm.encode("no stop")]


def test_a_token_across_a_boundary_stays_whole(lm):
    # Mutant: a refusal, or a token cut in two, where a full stop and a line break are one token, as in Llama and Qwen.
    twin = type(lm)(lm.network, pretrained.tokenizer())
    twin.tokenizer.add_tokens([".\n\n"])
    ids = twin.encode("It is two.\n\nSo is this!) And too")
    assert twin.tokenizer.convert_tokens_to_ids(".\n\n") in ids
    assert [twin.decode(part) for part in sentences(twin, ids)] == ["It is two.\n\n", "So is this!)", " And too"]


def test_the_first_sentence_must_be_whole(lm):
    # Mutants: a sentence that was cut off taken for a whole one; the second sentence too; text after the end.
    first = lm.encode(" It is two.")
    for more in (lm.encode(" And more"), lm.encode("\nAnd"), [], [lm.end], [lm.end, *lm.encode(" x. y")]):
        found = first_sentence(lm, first + more)
        assert (first + more)[:found] == first + ([lm.end] if more[:1] == [lm.end] else [])
    assert first_sentence(lm, lm.encode(" It is two")) is None is first_sentence(lm, [])
    assert first_sentence(lm, [*lm.encode(" It is two"), lm.end]) == len(lm.encode(" It is two")) + 1


# The first stage


def annotated(task, annotator, **more) -> Annotate:
    return Annotate(steps=2, batch_size=4, optim=OPTIM, data=task, annotator=annotator, max_thought=12, **more)


def without_thoughts(lm, ids: list[int]) -> list[int]:
    found, inside = [], False
    for token in ids:
        inside = inside or token == tags(lm)[0]
        found += [] if inside else [token]
        inside = inside and token != tags(lm)[1]
    return found


def test_a_teacher_of_another_family_writes_thoughts(lm, other, task, monkeypatch):
    # Mutants: text that is changed; a thought at the wrong place; places that do not follow the teacher's yes; thoughts
    # beyond the budget; text around the place that is not that of the place.
    asked = []

    def odds(self, texts, device):
        asked.extend(texts)
        return [20.0 if each["after"].startswith(("Each", "So")) else -20.0 for each in texts], []

    monkeypatch.setattr(graders.LMJudge, "odds", odds)
    writer, requests = graders.loaded(HF(other), torch.device("cpu")), []

    def listening(prompts, streams, params):
        requests.extend(writer.decode(prompt) for prompt in prompts)
        return type(writer).sample(writer, prompts, streams, params)

    monkeypatch.setattr(writer, "sample", listening)
    stage = annotated(task, Teacher(HF(other)))
    batch = stage.collect(StageModels(lm), 3, 0, range(4))
    opening, closing = tags(lm)
    spent = {each.kind for each in batch.spent}
    assert spent == {REFERENCE} and len(asked) == 16
    assert asked[1]["before"].startswith("There are") and asked[1]["before"].endswith("bears.")
    assert len(requests) == 8  # whose thoughts may turn out empty
    after = [request.partition("It goes on: ")[2].split()[0] for request in requests]
    assert after == ["Each", "So"] * 4
    assert asked[1]["question"].startswith("How many") and "<end>" not in asked[3]["after"]
    thoughts = 0
    for row, length in zip(batch.ids_BT.tolist(), batch.lengths, strict=True):
        ids = row[:length]
        plain = lm.decode(without_thoughts(lm, ids))
        number = plain.split()[4]
        assert plain == f"How many apples do {number} bears eat?\n{WORKED.format(n=number)}\n" + plain.splitlines()[-1]
        spans, at = [], -1
        while opening in ids[at + 1 :]:
            at = ids.index(opening, at + 1)
            close = ids.index(closing, at)
            spans.append(ids[at + 1 : close])
            assert lm.decode(ids[close + 1 :]).strip().startswith(("Each", "So"))
        assert sum(map(len, spans)) <= 12 and all(spans)
        thoughts += len(spans)
    assert 4 <= thoughts <= 8 and batch.metrics["thoughts"] == thoughts / 4
    again = stage.collect(StageModels(lm), 3, 0, range(4))
    assert torch.equal(again.ids_BT, batch.ids_BT)
    half = stage.collect(StageModels(lm), 3, 0, range(2, 4))
    assert half.ids_BT.tolist()[0][: half.lengths[0]] == batch.ids_BT.tolist()[2][: batch.lengths[2]]


def test_what_a_teacher_says_is_made_a_thought(lm, task):
    # Mutants: its tags or its end kept, so that a thought breaks; an empty thought; a budget per thought.
    assert thought_text(f" {THINK}so {CLOSE} it is <end> more") == "so   it is"
    each = chunk(lm, task.problem("p", 0))
    opening, closing = tags(lm)
    text = "one two three four"
    size = len(lm.encode(text))
    ids = inserted(lm, each, 7, {(7, 0): text, (7, 2): text, (7, 3): text, (6, 1): text}, size + 2)
    assert ids[:1] == [opening] and ids.count(opening) == ids.count(closing) == 2
    assert without_thoughts(lm, ids) == each.solution and ids[ids.index(closing, size + 2) - 2 :][0] != opening
    assert len(ids) == len(each.solution) + 4 + size + 2
    assert places(lm, each)[0]["before"] == "" and len(places(lm, each)) == 4


@pytest.mark.parametrize("kind", ("recipe", "teacher"))
@pytest.mark.parametrize("name", ("text", "gym"))
def test_the_first_stage_trains_on_text(kind, name, folder, other, task):
    # Mutants: steps, styles or roles asked of a problem that has none; an annotator that sees other tokens.
    data = task if name == "text" else pytest.importorskip("reasoning_gym") and GymTask("chain_sum", size=60)
    learner = HF(folder, thoughts=True).build(0)
    start, lines = frozen(learner), []
    annotator = Teacher(HF(other)) if kind == "teacher" else Recipe(HF("the fixture"))
    stage = annotated(data, annotator, replay=task, replay_share=0.5, content="shuffled")
    train(learner, stage, 3, references={"annotator": start}, observe=lambda share, line: lines.append(line))
    assert all(not torch.equal(a, b) for a, b in zip(learner.parameters(), start.parameters(), strict=True))
    assert sum(line["thoughts"] for line in lines) > 0 and lines[0]["flops"] > 0


# The second stage


def thinking(task, **more) -> Thinking:
    own = {"annotator": "any", "judge": Judge("exact"), "num_samples": 4, "max_new_tokens": 60, "margin": 4}
    return Thinking(steps=2, batch_size=2, optim=OPTIM, data=task, **own | more)


def scripted(lm, *texts):
    """A sampler that answers every group with these texts in turn."""
    from interlude.models.lm import Samples

    def sample(prompts, streams, params):
        ids = [lm.encode(texts[n % len(texts)]) for n in range(len(prompts))]
        return Samples(ids, [[0.0] * len(each) for each in ids], [lm.end in each for each in ids])

    return sample


def test_a_model_judges_what_follows_the_thought(folder, other, task, monkeypatch):
    # Mutants: the thought shown to the judge; the original in the place of the continuation; a verdict of the wrong
    # row; a sentence that is not whole judged; more than one sentence trained on.
    learner, asked = HF(folder, thoughts=True).build(0), []

    def odds(self, texts, device):
        asked.extend(texts)
        return [1.0 if each["continuation"] == "Yes it is." else -1.0 for each in texts], []

    monkeypatch.setattr(graders.LMJudge, "odds", odds)
    stage = thinking(task, judge=LMJudge(HF(other), SAME))
    learner.sample = scripted(
        learner, f"I think.{CLOSE} Yes it is. More", f"a{CLOSE} No it is not. More", f"b{CLOSE} cut off", "no close."
    )
    groups, _ = stage.rolled(StageModels(learner), 3, 0, [0, 1], 0)
    for group in groups:
        assert group.rewards.tolist() == [1, 0, 0, 0] and [v.parsed for v in group.verdicts] == [
            True,
            True,
            False,
            False,
        ]
        assert learner.decode(group.responses[0]) == f"I think.{CLOSE} Yes it is."
        assert group.prompt[-1] == tags(learner)[0]
        assert group.prompt[: len(learner.encode_prompt(group.problem.question))] == learner.encode_prompt(
            group.problem.question
        )
    assert [each["continuation"] for each in asked] == ["Yes it is.", "No it is not."] * 2
    for group, each in zip(groups, asked[::2], strict=True):
        parts = [learner.decode(p).removesuffix("<end>").strip() for p in chunk(learner, group.problem).segments]
        before = learner.decode(group.prompt[:-1]).removeprefix(f"{group.problem.question}\n").strip()
        assert each["original"] in parts
        assert "".join(parts[: parts.index(each["original"])]).replace(" ", "") == "".join(before.split())


def test_words_are_compared_where_nobody_judges(folder, task):
    # Mutants: any continuation accepted; spaces that make a difference; an answer that is always right.
    learner = HF(folder, thoughts=True).build(0)
    stage = thinking(task)
    (problem, cut), *_ = stage.cuts(StageModels(learner), 3, 0, [0], 0)[0]
    right = learner.decode(cut.segment)
    learner.sample = scripted(learner, f"x{CLOSE}{right}", f"x{CLOSE}  {right.strip()}", f"x{CLOSE} Else. ", CLOSE)
    (group,), _ = stage.rolled(StageModels(learner), 3, 0, [0], 0)
    assert group.rewards.tolist() == [1, 1, 0, 0] and [v.answer for v in group.verdicts] == [True, True, False, False]
    assert group.problem == problem


@pytest.mark.parametrize("annotator", ("any", "recipe", "teacher"))
def test_the_second_stage_trains_on_text(annotator, folder, other, task):
    # Mutants: a judge or a teacher whose work is not charged; an annotator that is not asked.
    learner = HF(folder, thoughts=True).build(0)
    start, lines = frozen(learner), []
    chosen = {"any": "any", "recipe": Recipe(HF("the fixture")), "teacher": Teacher(HF(other))}[annotator]
    stage = thinking(task, annotator=chosen, judge=LMJudge(HF(other), SAME), num_samples=8)
    closing, plainly = tags(learner)[1], learner.sample

    def closed(prompts, streams, params):  # a fixture that has had no cold start closes no thought
        found = plainly(prompts, streams, params)
        stop = learner.encode(" It is so. And")
        ids = [[*row[: n % 5], closing, *stop] for n, row in enumerate(found.ids)]
        return dataclasses.replace(found, ids=ids, logprobs=[[-1.0] * len(row) for row in ids])

    learner.sample = closed
    held = {"annotator": start} if annotator == "recipe" else {}
    state = train(learner, stage, 3, references=held, observe=lambda share, line: lines.append(line))
    spent = state.ledger.as_dict()
    assert spent[f"{JUDGE}_tokens"] > 0 and (spent[f"{REFERENCE}_tokens"] > 0) == (annotator != "any")
    assert len(lines) == 2 and all(0 <= line["reward"] <= 1 for line in lines)


def test_what_text_cannot_do_is_refused(folder, task):
    # Mutant: each check removed in turn.
    held = HF(folder)
    for make, message in (
        (lambda: annotated(task, "oracle"), "Annotate.data must be a task with segments, which a TextTask has not"),
        (lambda: annotated(EASY, "any"), "Annotate.annotator must be a Recipe, a Teacher or 'oracle'"),
        (lambda: thinking(task, judge=Judge()), "Thinking.data must be a task with segments"),
        (lambda: thinking(task, judge=Judge("value")), "Thinking.data must be a task with segments"),
        (lambda: thinking(task, annotator="oracle"), "Thinking.data must be a task with segments"),
        (
            lambda: thinking(task, judge=LMJudge(held, "{original}?")),
            r"Thinking.judge.question must hold \{continuation\}",
        ),
        (lambda: Teacher(held, needed="well?"), r"Teacher.needed must hold \{before\}"),
        (lambda: Teacher(held, written="{before}"), r"Teacher.written must hold \{after\}"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    # Another tokenizer than the learner's is no matter for a teacher or a judge.
    Recipe(held, (annotated(task, Teacher(HF("elsewhere", "0" * 40))),))


def test_teacher_and_judge_are_in_the_key(folder, other, task):
    # Mutants: runs of another judge, teacher or question under one key.
    stages = [
        thinking(task), thinking(task, judge=LMJudge(HF(other), SAME)), thinking(task, judge=LMJudge(HF(folder), SAME)),
        thinking(task, judge=LMJudge(HF(other), SAME + " Be strict.")), thinking(task, annotator=Teacher(HF(other))),
        annotated(task, Teacher(HF(other))), annotated(task, Teacher(HF(folder))),
    ]  # fmt: skip
    assert len({(Recipe(HF(folder)) + stage).key for stage in stages}) == len(stages)
