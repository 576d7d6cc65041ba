"""Another engine behind ``LM.sample``: vLLM writes the responses, from the weights as they are at every call."""

from __future__ import annotations

import os
import tempfile
from importlib import import_module

import numpy as np
from torch import nn

from interlude.models.lm import Samples, SamplingParams
from interlude.models.meter import count_samples
from interlude.models.sample import check

MEMORY = 0.4  # share of the GPU that vLLM takes, as the learner and its optimiser need the rest


class VLLM:
    """vLLM (0.10 and newer) with a copy of a model's weights, which is renewed whenever these have moved.

    A row's stream only seeds vLLM's own: the same call gives the same rows on the same machine and version, and other
    rows than the local loop. Log-probabilities are under the sampling temperature, as everywhere here. A copy of the
    model (``models.train.frozen``) shares the engine, which then takes turns between their weights.
    """

    def __init__(self, model: nn.Module, dtype: str) -> None:
        """model: an ``HFModel``. Raises ValueError where vLLM is not installed."""
        # vLLM hands a function such as ``renew``'s to its own process only if this is set before it is imported.
        os.environ["VLLM_ALLOW_INSECURE_SERIALIZATION"] = "1"
        try:
            self.vllm = import_module("vllm")
        except ModuleNotFoundError:
            raise ValueError("HF.engine 'vllm' needs the package vllm, which is not installed (extra vllm)") from None
        with tempfile.TemporaryDirectory() as folder:  # as it is built: with thought tags, if any
            model.network.save_pretrained(folder)
            model.tokenizer.save_pretrained(folder)
            self.llm = self.vllm.LLM(
                model=folder, dtype=dtype, seed=0, enable_prefix_caching=True, gpu_memory_utilization=MEMORY,
                logprobs_mode="processed_logprobs",
            )  # fmt: skip
        self.held = self.state(model)

    def __deepcopy__(self, memo: dict) -> VLLM:
        return self

    @staticmethod
    def state(model: nn.Module) -> tuple[int, ...]:
        """What changes with a model's weights: an update in place raises a tensor's version."""
        return tuple(number for weight in model.parameters() for number in (weight.data_ptr(), weight._version))

    def renew(self, model: nn.Module) -> None:
        """Hand over the weights, unless they are those that vLLM has."""
        now = self.state(model)
        if now != self.held:
            weights = [(name, weight.detach()) for name, weight in model.network.named_parameters()]
            self.llm.apply_model(lambda inner: inner.load_weights(iter(weights)))
            self.llm.reset_prefix_cache()  # its keys and values are those of the old weights
            self.held = now

    def sample(
        self, model: nn.Module, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams
    ) -> Samples:
        """As ``models.sample.sample``, whose errors it raises, and ValueError for what vLLM has not: top_p below 1,
        whose log-probabilities would be those after the cut, and a stop token with more tokens after it."""
        check(model, prompts, streams, params)
        if params.top_p < 1 or params.tokens_after_stop:
            raise ValueError("HF.engine 'vllm' samples with top_p 1 and stops at a token, with nothing after it")
        if not prompts:
            return Samples([], [], [])
        self.renew(model)
        ends = [model.end] if params.stop_token is None else [model.end, params.stop_token]
        own = [
            self.vllm.SamplingParams(
                max_tokens=params.max_new_tokens, temperature=params.temperature, seed=int(stream[0] * 2**53),
                logprobs=0, stop_token_ids=ends, detokenize=False,
            )
            for stream in streams
        ]  # fmt: skip
        inputs = [{"prompt_token_ids": prompt} for prompt in prompts]
        outputs = [each.outputs[0] for each in self.llm.generate(inputs, own, use_tqdm=False)]
        ids = [list(each.token_ids) for each in outputs]
        logprobs = [
            [float(at[token].logprob) for token, at in zip(row, each.logprobs, strict=True)]
            for row, each in zip(ids, outputs, strict=True)
        ]
        count_samples(model, prompts, ids)
        return Samples(ids, logprobs, [model.end in row for row in ids])
