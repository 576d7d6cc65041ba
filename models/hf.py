"""Any causal language model of transformers behind the same few methods as our own."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interlude.models.lm import Samples
from interlude.models.sample import sample

# Shapes: B rows, T positions, D width, V tokens, N chosen positions.

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class HF:
    """A pretrained model by folder or hub name; pin ``revision`` for a hub name, it is part of the identity."""

    name: str
    revision: str = ""
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("HF.name must name a folder or a hub model, got an empty string")
        if self.dtype not in DTYPES:
            raise ValueError(f"HF.dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")

    def build(self, seed: int) -> HFModel:
        """The pretrained weights; ``seed`` is accepted because every model has one, and changes nothing.

        Raises ValueError if the files lack weights (transformers would draw them at random), if there is no end token,
        or if the logits are not simply the head applied to the last hidden state.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

        pinned = {"revision": self.revision} if self.revision else {}
        # AutoTokenizer may choose by model_type (qwen2) and silently ignore what the folder declares.
        generic = _declared_tokenizer(self.name) in ("TokenizersBackend", "PreTrainedTokenizerFast")
        tokenizer = (PreTrainedTokenizerFast if generic else AutoTokenizer).from_pretrained(self.name, **pinned)
        network, loading = AutoModelForCausalLM.from_pretrained(
            self.name, dtype=DTYPES[self.dtype], output_loading_info=True, **pinned
        )
        missing = sorted(loading["missing_keys"])
        if missing:
            raise ValueError(f"{self.name} lacks weights, for example {missing[0]}")
        if tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer of {self.name} has no end-of-sequence token")
        return HFModel(network.eval(), tokenizer)


def _declared_tokenizer(name: str) -> str | None:
    """The tokenizer class that a local folder declares; None for a hub name or a folder that declares none."""
    path = Path(name) / "tokenizer_config.json"
    return json.loads(path.read_text()).get("tokenizer_class") if path.is_file() else None


class HFModel(nn.Module):
    """An ``LM`` around a transformers model and its tokenizer."""

    def __init__(self, network: nn.Module, tokenizer: object) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.places = "position_ids" in inspect.signature(network.base_model.forward).parameters
        probe = torch.tensor([[self.end, self.end]], device=network.device)
        with torch.no_grad():
            split, whole = self.logits_at(probe, torch.tensor([0, 1], device=network.device)), self.forward(probe)[0]
        if not torch.allclose(split, whole, rtol=1e-3, atol=1e-3):
            raise ValueError(f"{type(network).__name__} changes its logits after the head, which is not supported")

    @property
    def pad(self) -> int:
        """Padding is never attended to, so a tokenizer without a pad token (GPT-2, Llama) pads with ``end``."""
        return self.end if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id

    @property
    def end(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def vocab_size(self) -> int:
        return self.network.get_output_embeddings().weight.size(0)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def decode(self, ids: list[int]) -> str:
        """Text of ``ids``, up to the first padding."""
        if self.pad != self.end and self.pad in ids:
            ids = ids[: ids.index(self.pad)]
        return self.tokenizer.decode(ids)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """logits_BTV; rows are padded on the right, where causality keeps padding out of sight."""
        return self.network(input_ids=ids_BT, use_cache=False).logits

    def logits_at(self, ids_BT: Tensor, index_N: Tensor) -> Tensor:
        """logits_NV at the flat positions ``b * T + t``."""
        hidden_BTD = self.network.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
        return self._logits(hidden_BTD.flatten(0, 1)[index_N])

    def _logits(self, hidden: Tensor) -> Tensor:
        return self.network.get_output_embeddings()(hidden)

    def sample(
        self,
        prompts: list[list[int]],
        streams: np.ndarray,
        *,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: tuple[int, int] | None = None,
    ) -> Samples:
        return sample(self, prompts, streams, max_new_tokens, temperature, top_p, stop)

    def decoder(self, prompts: list[list[int]], room: int) -> HFDecoder:
        return HFDecoder(self, prompts)

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> int:
        """See ``GPT.flops``: the same formula, for a dense model (of a mixture of experts it counts every expert)."""
        sizes = self.network.config.get_text_config()
        head_width = sizes.to_dict().get("head_dim") or sizes.hidden_size // sizes.num_attention_heads
        weights = sum(self.get_parameter(name).numel() for name in self.matrices())
        head = self.network.get_output_embeddings().weight.numel() * (tokens if logits is None else logits)
        attention = 4 * sizes.num_hidden_layers * sizes.num_attention_heads * head_width * attended
        return 2 * (weights * tokens + head) + attention

    def matrices(self) -> dict[str, tuple[int, ...]]:
        """All 2-D weights except embeddings and head. A fused weight (GPT-2's c_attn) counts as one matrix."""
        tables = {id(module.weight) for module in self.network.modules() if isinstance(module, nn.Embedding)}
        tables.add(id(self.network.get_output_embeddings().weight))
        return {
            name: (weight.size(0),)
            for name, weight in self.named_parameters()
            if weight.ndim == 2 and id(weight) not in tables
        }


class HFDecoder:
    """transformers' own cache, for rows padded on the left with a mask: the form every architecture supports."""

    def __init__(self, model: HFModel, prompts: list[list[int]]) -> None:
        self.model = model
        length, device = max(map(len, prompts)), model.network.device
        rows = [[*[model.pad] * (length - len(prompt)), *prompt] for prompt in prompts]
        self.ids_BT = torch.tensor(rows, device=device)
        lengths_B = torch.tensor([len(prompt) for prompt in prompts], device=device)
        self.mask_BT = (torch.arange(length, device=device) >= length - lengths_B[:, None]).long()
        self.past = None

    def begin(self) -> Tensor:
        return self._advance(self.ids_BT, (self.mask_BT.cumsum(1) - 1).clamp(min=0))

    def step(self, ids_B: Tensor) -> Tensor:
        position_B1 = self.mask_BT.sum(1, keepdim=True)
        self.mask_BT = F.pad(self.mask_BT, (0, 1), value=1)
        return self._advance(ids_B[:, None], position_B1)

    def _advance(self, ids_BT: Tensor, position_BT: Tensor) -> Tensor:
        places = {"position_ids": position_BT} if self.model.places else {}
        output = self.model.network.base_model(
            input_ids=ids_BT, attention_mask=self.mask_BT, past_key_values=self.past, use_cache=True, **places
        )
        self.past = output.past_key_values
        return self.model._logits(output.last_hidden_state[:, -1])

    def keep(self, rows_K: Tensor) -> None:
        self.past.batch_select_indices(rows_K)
        self.mask_BT = self.mask_BT[rows_K]
