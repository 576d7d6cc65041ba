"""A model as one finds them on a hub reads and writes text as its tokenizer does, or is refused in a sentence."""

from __future__ import annotations

import dataclasses
import logging
import shutil

import pretrained
import pytest
import torch
from pretrained import COMMON, EASY

from interlude.models.annotator import chunk
from interlude.models.hf import HF, HFModel
from interlude.models.lm import tags
from interlude.models.recipe import Recipe
from interlude.models.stage import imitate
from interlude.models.stages.distil import Distil
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.sft import SFT
from interlude.models.train import train
from interlude.synth.render import CLOSE, END, THINK
from interlude.synth.segments import segments
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(hub) -> str:
    return hub


@pytest.fixture(scope="module")
def lm(folder) -> HFModel:
    return HF(folder, thoughts=True).build(0)


# Text and tokens


@pytest.mark.parametrize("dialect", ("terse", "prose"))
def test_a_solution_ends_with_the_models_own_end(lm, dialect):
    # Mutants: <end> spelled out, in either direction; a space token before the end; an end in the middle taken away.
    problem = dataclasses.replace(EASY, dialect=dialect).problem("end", 0)
    ids = lm.encode(problem.solution)
    assert ids[-1] == lm.end and lm.end not in ids[:-1] and lm.tokenizer.decode(ids[-2:-1]).strip()
    assert lm.decode(ids) == problem.solution and verify(problem, lm.decode(ids)).strict
    assert [fault.kind for fault in verify(problem, lm.decode(ids[:-1])).faults] == ["truncated"]
    assert [fault.kind for fault in verify(problem, lm.decode([*ids, *lm.encode(" bears")])).faults] == ["after_end"]
    assert lm.encode(f"{problem.solution} bears") == [*ids, *lm.encode(" bears")]
    assert lm.decode([*ids, lm.pad, lm.pad]) == problem.solution
    batch = imitate(lm, [problem], "solution")
    assert batch.ids_BT[0, -1] == lm.end and batch.gain_BT[0, -1] == 1


def test_text_that_only_spells_the_end_does_not_end(lm):
    # Mutant: the five tokens <, e, n, d, > of a response taken for its end.
    problem = EASY.problem("end", 0)
    ids = lm.tokenizer.encode(problem.solution, add_special_tokens=False)
    assert lm.end not in ids and lm.tokenizer.decode(ids) == problem.solution
    assert END not in lm.decode(ids) and not verify(problem, lm.decode(ids)).strict


def test_a_model_that_pads_with_its_end(lm):
    # Mutants: text up to the first end alone, or a second end for the padding.
    same = pretrained.tokenizer()
    same.pad_token = same.eos_token
    twin = HFModel(lm.network, same)
    problem = EASY.problem("end", 0)
    ids = twin.encode(problem.solution)
    assert twin.pad == twin.end and twin.decode([*ids, twin.pad, twin.pad]) == problem.solution
    assert twin.decode([]) == "" and twin.decode([twin.end]) == END


def test_a_token_without_a_meaning_is_seen(lm):
    # Mutant: a row of a padded head, sampled, that leaves no trace in the text.
    problem = EASY.problem("end", 0)
    ids = lm.encode(problem.solution)
    assert len(lm.tokenizer) < lm.vocab_size == pretrained.PADDED
    assert not verify(problem, lm.decode([*ids[:-1], lm.vocab_size - 1, lm.end])).strict


def test_questions_are_asked_in_the_chat_template(folder, lm):
    # Mutants: no template, or one without the opening of the answer; the question and its answer in one word.
    question = EASY.problem("chat", 0).question
    chat = HF(folder, chat=True).build(0)
    asked = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    assert chat.tokenizer.decode(chat.encode_prompt(question)) == asked
    assert lm.tokenizer.decode(lm.encode_prompt(question)) == f"{question}\n"
    assert chat.encode(question) == lm.encode(question)


def test_a_template_that_is_not_there_is_refused(tmp_path):
    # Mutant: transformers' own error at the first question.
    pretrained.save_model(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="HF.chat: the tokenizer of .* has no chat template"):
        HF(str(tmp_path), chat=True).build(0)


def test_thought_tags_become_tokens(folder, tmp_path, caplog):
    # Mutants: tags that are special tokens, which trainers take out of texts; rows left as they were, or equal; a table
    # that grows although it has room, or not where it has none; nothing said.
    with pytest.raises(ValueError, match="must be one token each.*HF.thoughts"):
        tags(HF(folder).build(0))
    with caplog.at_level(logging.WARNING, logger="interlude.models.hf"):
        lm = HF(folder, thoughts=True).build(0)
    assert "added <think> and </think> to the tokenizer; it had rows left over" in caplog.text
    opening, closing = tags(lm)
    assert lm.vocab_size == pretrained.PADDED
    size = len(pretrained.tokenizer())
    tight = HF(pretrained.save_model(tmp_path, padded=size), thoughts=True)
    caplog.clear()
    grown = tight.build(0)
    assert f"its embeddings grew from {size} to {size + 2} rows" in caplog.text and grown.vocab_size == size + 2
    assert torch.equal(grown.state_dict()["network.model.embed_tokens.weight"][:size], raw_table(tmp_path))
    table = lm.causal.get_input_embeddings().weight.detach()
    spread = table[:opening].std(0).mean()
    for tag in (opening, closing):
        assert 0 < (table[tag] - table[:opening].mean(0)).std() < 0.2 * spread
    assert not torch.equal(table[opening], table[closing])
    again = HF(folder, thoughts=True).build(7)
    assert all(torch.equal(a, b) for a, b in zip(lm.parameters(), again.parameters(), strict=True))
    text = f"a {THINK} b {CLOSE} c"
    assert lm.decode(lm.encode(text)) == text
    assert lm.tokenizer.decode(lm.encode(text), skip_special_tokens=True) == text


def raw_table(path) -> torch.Tensor:
    from safetensors.torch import load_file

    return load_file(path / "model.safetensors")["model.embed_tokens.weight"]


def test_a_tokenizer_that_drops_words_is_refused(lm, tmp_path):
    # Mutant: what AutoTokenizer makes of another's tokenizer in a folder of model_type qwen2 goes unnoticed.
    vocab = Vocabulary(modulus=3, worlds=("zoo",), names=6)
    pretrained.save_model(tmp_path)
    vocab.hf_tokenizer().save_pretrained(tmp_path)
    wrong = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert type(wrong).__name__ == "Qwen2Tokenizer" and wrong.encode(vocab.tokens[-1]) == []
    broken = HFModel(lm.network, wrong)
    for encode in (broken.encode, broken.encode_prompt):
        with pytest.raises(ValueError, match="drops or changes text: it reads 'owls are owls"):
            encode("owls are owls")
    assert lm.decode(lm.encode("Ünïcode ① \n\t x")) == "Ünïcode ① \n\t x"


@pytest.mark.parametrize("dialect", ("terse", "prose"))
def test_segments_keep_their_whitespace(lm, dialect):
    # Mutant: segments stripped, so that none of their tokens are those of the whole solution.
    for n in range(20):
        problem = dataclasses.replace(EASY, ops=(2, 2), dialect=dialect).problem("segments", n)
        assert "".join(segments(problem)) == problem.solution
        each = chunk(lm, problem)
        assert each.solution == lm.encode(problem.solution) and each.question == lm.encode_prompt(problem.question)


# Identity


def test_a_model_is_what_its_files_are(folder, tmp_path):
    # Mutants: the path in the key; weights, tokenizer or template not in it; a digest that is not renewed.
    def copied(name: str):
        return shutil.copytree(folder, tmp_path / name)

    stage = SFT(**COMMON)
    key = (Recipe(HF(folder)) + stage).key
    assert (Recipe(HF(str(copied("elsewhere")))) + stage).key == key
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"):
        changed = copied(f"other-{name}")
        before = (Recipe(HF(str(changed))) + stage).key
        with (changed / name).open("ab") as file:
            file.write(b" ")
        assert before == key != (Recipe(HF(str(changed))) + stage).key
    (tmp_path / "elsewhere" / "README.md").write_text("about")
    assert (Recipe(HF(str(tmp_path / "elsewhere"))) + stage).key == key
    options = [HF(folder, chat=True), HF(folder, thoughts=True), HF(folder, lora=4), HF(folder, dtype="bfloat16")]
    assert len({Recipe(each).key for each in [HF(folder), *options]}) == 5


def test_a_hub_name_needs_a_commit():
    # Mutants: a branch in a key; the commit left out of it.
    first, second = ("0" * 40, "1" * 40)
    assert Recipe(HF("some/model", first)).key != Recipe(HF("some/model", second)).key
    assert Recipe(HF("some/model", first)).key != Recipe(HF("other/model", first)).key
    for revision in ("", "main"):
        with pytest.raises(ValueError, match="no folder here, and a hub name needs a commit"):
            _ = Recipe(HF("some/model", revision)).key


def test_a_reference_with_another_tokenizer_is_refused(folder, tmp_path):
    # Mutants: any two models of transformers taken for readers of the same tokens; a digest of the weights too.
    other = HF(pretrained.save_model(tmp_path / "other", vocab_size=300))
    same = HF(pretrained.save_model(tmp_path / "same", seed=1))
    replay = COMMON | {"replay": EASY}
    for kind in (ReMiT, Distil):
        with pytest.raises(ValueError, match=f"{kind.__name__}.reference reads other tokens than the model"):
            Recipe(HF(folder), (kind(**replay, reference=Recipe(other)),))
        Recipe(HF(folder), (kind(**replay, reference=Recipe(same)),))
    with pytest.raises(ValueError, match="reads other tokens"):
        Recipe(HF(folder), (ReMiT(**replay, reference=Recipe(HF(folder, thoughts=True))),))


def test_distillation_between_heads_of_other_sizes_is_refused(lm, tmp_path):
    # Mutant: tables padded differently meet in the KL, and torch complains of shapes.
    wide = HF(pretrained.save_model(tmp_path, padded=512)).build(0)
    stage = Distil(**COMMON, replay=EASY, reference=Recipe(HF(str(tmp_path))))
    with pytest.raises(ValueError, match="equal vocabulary sizes, got 512 and 448"):
        train(lm, stage, 0, references={"reference": wide})
