"""The peers: the equal transformers model, trained and sampled as anyone would write it."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interlude.models.gpt_network import GPTModel
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.optim import Optim
from interlude.models.stage import Batch
from interlude.models.train import Machine, autocast


def missing(*names: str) -> str | None:
    """Which of these packages is not installed, in words; None if all are."""
    absent = [name for name in names if find_spec(name) is None]
    return f"{absent[0]} is not installed" if absent else None


def twin(model: GPTModel) -> nn.Module:
    """The transformers model with the same weights, on the same device; attention is SDPA, its default."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with tempfile.TemporaryDirectory() as folder:
            save_pretrained(model, folder, tokenizer=False)
            return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa").to(model.embed.device)
    finally:
        if bars:
            logging.enable_progress_bar()


def plain_adam(peer: nn.Module, optim: Optim) -> torch.optim.AdamW:
    """Fused, with our rate, betas and decay."""
    return torch.optim.AdamW(
        peer.parameters(), lr=optim.other_lr, betas=optim.betas, weight_decay=optim.weight_decay, fused=True
    )


def plain_step(
    peer: nn.Module, adam: torch.optim.AdamW, optim: Optim, batch: Batch, multiplier: float, precision: str, device: str
) -> float:
    """One step on the whole padded batch; returns the loss. Padding is on the right, so causality needs no mask."""
    batch = batch.to(device)
    with autocast(Machine(device=device), precision):
        logits_BTV = peer(input_ids=batch.ids_BT[:, :-1], use_cache=False).logits.float()
    targets_BT = batch.ids_BT[:, 1:].masked_fill(batch.gain_BT[:, 1:] == 0, -100)
    loss = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-100)
    loss.backward()
    nn.utils.clip_grad_norm_(peer.parameters(), optim.clip)
    for group in adam.param_groups:
        group["lr"] = optim.other_lr * multiplier
    adam.step()
    adam.zero_grad()
    return loss.item()


def padded_left(prompts: list[list[int]], pad: int, device: str) -> tuple[Tensor, Tensor]:
    """ids_BT and the mask of what is not padding, as ``generate`` wants them."""
    longest = max(map(len, prompts))
    ids_BT = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    mask_BT = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids_BT, mask_BT
