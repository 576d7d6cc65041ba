"""TRL's own trainers run on our rows, with our reward, on a model as one finds them on a hub."""

from __future__ import annotations

import functools
import warnings

import pretrained
import pytest
from pretrained import EASY

from interlude.models.hf import HF
from interlude.models.optim import Optim
from interlude.models.stages.sft import SFT
from interlude.models.train import train
from interlude.synth.export import reward, trl, unpack

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The folder of a model that answers most of the easiest problems."""
    folder = tmp_path_factory.mktemp("hub")
    lm = HF(pretrained.save_model(folder)).build(0)
    train(lm, SFT(steps=200, batch_size=32, optim=Optim(schedule="linear", floor=0.0), data=EASY), seed=0)
    lm.network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def libraries():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("trl"), pytest.importorskip("datasets")


def options(folder, **more) -> dict:
    return {
        "output_dir": str(folder), "max_steps": 2, "per_device_train_batch_size": 4, "use_cpu": True, "bf16": False,
        "report_to": "none", "save_strategy": "no", "logging_steps": 1, "gradient_checkpointing": False,
        "learning_rate": 1e-4, **more,
    }  # fmt: skip


def rewarded(**more):
    """``reward`` as TRL calls it, and what it was called with."""
    calls = []

    @functools.wraps(reward)
    def paid(prompts, completions, **columns):
        found = reward(prompts, completions, **columns, **more)
        calls.append((prompts, completions, columns, found))
        return found

    return paid, calls


@pytest.mark.parametrize("conversational", (False, True))
@pytest.mark.parametrize("by_tokens", (False, True))
def test_grpo(learned, libraries, conversational, by_tokens, tmp_path):
    # Mutants: right texts that earn nothing by default, as TRL takes their end away; the problem of another row; a
    # prompt in which the model has never been asked.
    library, datasets = libraries
    tokenizer = pretrained.tokenizer()
    paid, calls = rewarded(**{"end_id": tokenizer.eos_token_id} if by_tokens else {})
    rows = list(trl(EASY, 8, ("trainers",), conversational=conversational))
    trainer = library.GRPOTrainer(
        model=str(learned),
        reward_funcs=paid,
        args=library.GRPOConfig(**options(tmp_path), num_generations=2, max_completion_length=40, temperature=1.0),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=HF(str(learned)).build(0).tokenizer,
    )
    trainer.train()
    assert trainer.state.global_step == 2 and len(calls) == 2
    for prompts, completions, columns, _ in calls:
        for prompt, problem in zip(prompts, columns["problem"], strict=True):
            text = prompt[0]["content"] if conversational else prompt.removesuffix("\n")
            assert text == unpack(problem).question
        assert all("<|im_end|>" not in str(each) for each in completions)
    earned = sum(sum(found) for *_, found in calls)
    assert conversational or earned >= 2  # it was never asked in a chat template


@pytest.mark.parametrize("conversational", (False, True))
def test_sft(learned, libraries, conversational, tmp_path):
    # Mutants: rows without a completion; a loss on the question; an end that is spelled, or that is left out.
    library, datasets = libraries
    lm = HF(str(learned)).build(0)
    trainer = library.SFTTrainer(
        model=str(learned),
        args=library.SFTConfig(**options(tmp_path), max_length=256),
        train_dataset=datasets.Dataset.from_list(list(trl(EASY, 8, ("trainers",), conversational=conversational))),
        processing_class=lm.tokenizer,
    )
    (batch,) = [next(iter(trainer.get_train_dataloader()))]
    solutions = {unpack(row["problem"]).solution for row in trl(EASY, 8, ("trainers",))}
    targets = [row[row != -100].tolist() for row in batch["labels"]]
    assert {lm.decode(ids).rstrip() for ids in targets} <= solutions
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert trainer.state.global_step == 2 and len(losses) == 2
    assert conversational or max(losses) < 0.3  # as it has learned from rows of ours
