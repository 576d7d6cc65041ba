"""vLLM behind ``LM.sample``, by its interface: a stand-in takes what vLLM takes and returns what it returns."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pretrained
import pytest
import torch
from pretrained import EASY

from interlude.models import engine
from interlude.models.hf import HF
from interlude.models.ledger import decode_cost
from interlude.models.lm import SamplingParams
from interlude.models.meter import Meter, uncounted
from interlude.models.optim import Optim
from interlude.models.sample import sample
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.train import frozen, train
from interlude.synth.rng import uniforms

PICKLES = "VLLM_ALLOW_INSECURE_SERIALIZATION"
transformers = pytest.importorskip("transformers")


@dataclass
class Params:
    max_tokens: int
    temperature: float
    seed: int
    logprobs: int
    stop_token_ids: list[int]
    detokenize: bool


class LLM:
    """Answers with the model in its folder, and takes weights as vLLM's models do."""

    made: ClassVar[list] = []

    def __init__(self, model, dtype, **more):
        self.inner = HF(model, dtype=dtype).build(0)
        self.loads, self.resets, self.asked, self.more = 0, 0, [], more
        LLM.made.append(self)

    def apply_model(self, change):
        if not sys.modules["vllm"].pickles:
            raise TypeError("Object of type function is not serializable")  # by the engine of vLLM's version 1

        def load_weights(weights):
            self.loads += 1
            own = dict(self.inner.network.named_parameters())
            with torch.no_grad():
                for name, weight in weights:
                    own[name].copy_(weight)

        return [change(SimpleNamespace(load_weights=load_weights))]

    def reset_prefix_cache(self):
        self.resets += 1

    def generate(self, prompts, params, use_tqdm):
        self.asked += params
        streams = np.stack([uniforms("vllm", each.seed, n=each.max_tokens) for each in params])
        ids = [prompt["prompt_token_ids"] for prompt in prompts]
        (room,), (heat,) = {p.max_tokens for p in params}, {p.temperature for p in params}
        other = [token for token in params[0].stop_token_ids if token != self.inner.end]
        stop = other[0] if other else None
        own = SamplingParams(max_new_tokens=room, temperature=heat, stop_token=stop)
        with uncounted():  # the real one computes elsewhere
            found = sample(self.inner, ids, streams, own)
        return [
            SimpleNamespace(
                outputs=[
                    SimpleNamespace(
                        token_ids=tuple(row),
                        logprobs=[{t: SimpleNamespace(logprob=p)} for t, p in zip(row, logps, strict=True)],
                    )
                ]
            )
            for row, logps in zip(found.ids, found.logprobs, strict=True)
        ]


@pytest.fixture
def vllm(monkeypatch):
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, Params
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setenv(PICKLES, "0")

    def imported(name):
        module.pickles = os.environ[PICKLES] == "1"  # vLLM looks at it once
        return import_module(name)

    monkeypatch.setattr(engine, "import_module", imported)
    LLM.made.clear()
    return LLM.made


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return pretrained.save_model(tmp_path_factory.mktemp("hub"))


def prompts_of(lm, n: int = 3):
    return [lm.encode_prompt(EASY.problem("v", i).question) for i in range(n)]


def streams_of(n: int = 3):
    return np.stack([uniforms("v", i, n=8) for i in range(n)])


def test_it_samples_from_the_weights_as_they_are(folder, vllm):
    # Kills: functions that vLLM refuses to hand on.
    # Mutants: weights of the beginning; a hand-over at every call; keys and values of the old weights; the wrong seed.
    lm = HF(folder, engine="vllm", thoughts=True).build(0)
    (llm,) = vllm
    assert llm.more["enable_prefix_caching"] and llm.more["logprobs_mode"] == "processed_logprobs"
    found = lm.sample(prompts_of(lm), streams_of(), SamplingParams(max_new_tokens=8, temperature=0.7))
    assert llm.loads == 0 and len({each.seed for each in llm.asked}) == 3
    assert {(p.max_tokens, p.temperature, *p.stop_token_ids) for p in llm.asked} == {(8, 0.7, lm.end)}
    with torch.no_grad():
        for prompt, ids, logprobs in zip(prompts_of(lm), found.ids, found.logprobs, strict=True):
            logp_TV = torch.log_softmax(lm(torch.tensor([prompt + ids]))[0].float() / 0.7, -1)
            forced = [logp_TV[len(prompt) - 1 + t, token].item() for t, token in enumerate(ids)]
            assert logprobs == pytest.approx(forced, abs=1e-3)
        for weight in lm.parameters():
            weight.mul_(1.5)
    lm.sample(prompts_of(lm), streams_of(), SamplingParams(max_new_tokens=8))
    lm.sample(prompts_of(lm), streams_of(), SamplingParams(max_new_tokens=8))
    assert llm.loads == llm.resets == 1
    assert all(torch.equal(a, b) for a, b in zip(lm.parameters(), llm.inner.parameters(), strict=True))


def test_rows_end_where_they_should(folder, vllm):
    # Mutants: a row that was cut off taken for one that ended; the end token left out; what it does not counted.
    lm = HF(folder, engine="vllm").build(0)
    with torch.no_grad():
        lm.causal.get_input_embeddings().weight[lm.end] *= 30  # tied: it ends often
    with Meter(lm) as counted:
        found = lm.sample(prompts_of(lm, 12), streams_of(12), SamplingParams(max_new_tokens=8))
    pairs = zip(prompts_of(lm, 12), found.ids, strict=True)
    assert counted.flops == sum(decode_cost(lm, len(prompt), [len(ids)]).flops for prompt, ids in pairs)
    assert 0 < sum(found.stopped) < 12
    for ids, stopped in zip(found.ids, found.stopped, strict=True):
        assert (ids[-1] == lm.end) == stopped == (lm.end in ids) and (stopped or len(ids) == 8)
    word = found.ids[0][0] if found.ids[0][0] != lm.end else found.ids[1][0]
    halted = lm.sample(prompts_of(lm, 12), streams_of(12), SamplingParams(max_new_tokens=8, stop_token=word))
    assert all(word not in ids[:-1] for ids in halted.ids)


def test_stages_train_through_it(folder, vllm):
    # Mutants: a starting model that is sampled with the learner's weights; an engine copied with its model.
    optim = Optim(kind="adamw", other_lr=1e-3, warmup=0)
    common = {"steps": 2, "batch_size": 2, "num_samples": 2, "max_new_tokens": 60, "optim": optim, "data": EASY}
    for kind in (RL, RFT):
        lm = HF(folder, engine="vllm").build(0)
        train(lm, kind(**common), 0)
    lm = HF(folder, engine="vllm").build(0)
    twin, llm = frozen(lm), vllm[-1]
    assert twin.engine is lm.engine and len(vllm) == 3
    with torch.no_grad():
        for weight in lm.parameters():
            weight.mul_(1.5)
    for model in (lm, twin, lm):
        model.sample(prompts_of(lm), streams_of(), SamplingParams(max_new_tokens=8))
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), llm.inner.parameters(), strict=True))
    assert llm.loads == 3


def test_what_it_cannot_do_is_refused(folder, vllm, monkeypatch):
    # Mutant: each check removed in turn.
    lm = HF(folder, engine="vllm").build(0)
    for wrong in ({"top_p": 0.9}, {"stop_token": 5, "tokens_after_stop": 1}):
        with pytest.raises(ValueError, match="top_p 1 and stops at a token"):
            lm.sample(prompts_of(lm), streams_of(), SamplingParams(max_new_tokens=8, **wrong))
    with pytest.raises(ValueError, match="max_new_tokens must be at least 1"):
        lm.sample(prompts_of(lm), streams_of(), SamplingParams(max_new_tokens=0))
    assert lm.sample([], np.zeros((0, 8)), SamplingParams(max_new_tokens=8)).ids == []
    with pytest.raises(ValueError, match="HF.engine must be one of local, vllm"):
        HF(folder, engine="sglang")
    with pytest.raises(ValueError, match="whole weights"):
        HF(folder, engine="vllm", lora=4)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ValueError, match="needs the package vllm"):
        HF(folder, engine="vllm").build(0)


def test_the_engine_is_in_the_key(folder):
    # Mutant: runs that draw from other streams under one key.
    from interlude.models.recipe import Recipe

    assert Recipe(HF(folder)).key != Recipe(HF(folder, engine="vllm")).key
