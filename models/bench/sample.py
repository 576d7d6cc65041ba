"""Speed of sampling, compared with transformers' generate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch

from interlude.models.bench.peer import missing, padded_left, twin
from interlude.models.bench.report import Race
from interlude.models.bench.timing import Side, race
from interlude.models.bench.workload import Setup, Workload, endless, kernels, no_native
from interlude.models.gpt_network import GPTModel
from interlude.models.lm import SamplingParams
from interlude.synth.rng import uniforms

DEFAULT, STATIC = "generate, default cache", "generate, static cache"


def races(work: Workload, setup: Setup) -> Iterator[Race]:
    """Several responses a prompt, as RL and exams ask for them, and all prompts different. Ending is disabled on all
    sides, so that all make as many tokens."""
    size = setup.size
    model = endless(work.model, setup.device)
    native, absent = no_native(model, setup), missing("transformers")
    for group in (size.group, 1):
        prompts = [model.encode(work.prompts.problem("bench", row // group).question) for row in range(size.batch)]
        sides, skipped = {}, {}
        for choice in ("native", "torch"):
            if choice == "native" and native:
                skipped[f"ours, {choice} kernels"] = native
            else:
                sides[f"ours, {choice} kernels"] = our_sampler(model, prompts, choice, size.max_new_tokens)
        for name, cache in ((DEFAULT, None), (STATIC, "static")):
            if absent:
                skipped[name] = absent
            else:
                sides[name] = plain_sampler(model, prompts, cache, size.max_new_tokens)
        asked = f"{group} responses a prompt" if group > 1 else "all prompts different"
        what = f"batch {size.batch}, {asked}, {size.max_new_tokens} new tokens a row"
        turns = race(sides, setup.clock, size.seconds, size.rounds, setup.threads)
        yield Race("sample", what, "tokens/s", turns, setup.clock.load(), setup.device, (DEFAULT, STATIC), skipped)


def our_sampler(model: GPTModel, prompts: list[list[int]], choice: str, room: int) -> Side:
    """Continues all prompts a turn; each row's stream is drawn in the time."""
    counter = count()

    def tokens() -> float:
        turn = next(counter)
        streams = np.stack([uniforms("bench", turn, row, n=room) for row in range(len(prompts))])
        with kernels(choice):
            ids = model.sample(prompts, streams, SamplingParams(max_new_tokens=room)).ids
        return full(sum(map(len, ids)), len(prompts), room)

    return tokens


def plain_sampler(model: GPTModel, prompts: list[list[int]], cache: str | None, room: int) -> Side:
    """Continues all prompts a turn with ``generate``: temperature 1, neither top-k nor top-p."""
    device = str(model.embed.device)
    peer = twin(model).eval()
    peer.generation_config.eos_token_id = None
    ids_BT, mask_BT = padded_left(prompts, model.pad, device)
    more = {"cache_implementation": cache} if cache else {}

    def tokens() -> float:
        with torch.inference_mode():
            made_BT = peer.generate(
                input_ids=ids_BT,
                attention_mask=mask_BT,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=room,
                pad_token_id=model.pad,
                **more,
            )
        return full(made_BT.size(0) * (made_BT.size(1) - ids_BT.size(1)), len(prompts), room)

    return tokens


def full(tokens: int, rows: int, room: int) -> int:
    """``tokens``; raises ArithmeticError if some row stopped early, for then the sides did not do equal work."""
    if tokens != rows * room:
        raise ArithmeticError(f"{rows} rows of {room} tokens were asked for, {tokens} tokens came back")
    return tokens
