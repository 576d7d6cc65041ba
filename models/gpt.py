"""A small GPT shaped like Qwen3, Qwen2 or Llama, so that its weights cross over to transformers and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from interlude.models.lazy import torch
from interlude.synth.tokens import Vocabulary

if TYPE_CHECKING:
    from interlude.models.gpt_network import GPTModel


@dataclass(frozen=True)
class GPT:
    """Sizes of a decoder-only transformer: RMSNorm before each half-layer, rotary positions, SwiGLU, grouped heads.

    qk_norm normalises queries and keys per head (Qwen3); qkv_bias adds a bias to them (Qwen2); neither is Llama. Both
    together exist in no transformers model and are refused, as are sizes that fast kernels or transformers refuse:
    ValueError names the field.
    """

    layers: int = 4
    width: int = 128
    heads: int = 4
    kv_heads: int = 4
    head_width: int = 32
    hidden: int = 384
    rope_theta: float = 10_000.0
    qk_norm: bool = True
    qkv_bias: bool = False
    tied: bool = False
    norm_eps: float = 1e-6
    vocab: Vocabulary = field(default_factory=Vocabulary)
    version: ClassVar[int] = 1  # raise it when initial weights or any logit change: it enters the key of every recipe

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "kv_heads", "head_width", "hidden"):
            value = vars(self)[name]
            if type(value) is not int or value < 1:
                raise ValueError(f"GPT.{name} must be an integer of at least 1, got {value!r}")
        for name in ("qk_norm", "qkv_bias", "tied"):
            if type(vars(self)[name]) is not bool:
                raise ValueError(f"GPT.{name} must be True or False, got {vars(self)[name]!r}")
        if self.head_width not in (32, 64, 128):
            raise ValueError(f"GPT.head_width must be 32, 64 or 128 (for attention kernels), got {self.head_width}")
        if self.heads % self.kv_heads:
            raise ValueError(f"GPT.kv_heads must divide heads = {self.heads}, got {self.kv_heads}")
        if not 1 < self.rope_theta < 1e12:
            raise ValueError(f"GPT.rope_theta must be between 1 and 1e12, got {self.rope_theta!r}")
        if not 0 < self.norm_eps < 1e-2:
            raise ValueError(f"GPT.norm_eps must be between 0 and 0.01, got {self.norm_eps!r}")
        if self.qk_norm and self.qkv_bias:
            raise ValueError("GPT.qkv_bias must be False with qk_norm: transformers has no such model")
        if self.qkv_bias and self.heads * self.head_width != self.width:
            raise ValueError(f"GPT.width must be heads * head_width = {self.heads * self.head_width} with qkv_bias")
        if not self.qk_norm and self.width % self.heads:
            raise ValueError(f"GPT.width must be a multiple of heads = {self.heads} without qk_norm, got {self.width}")

    @property
    def qkv_rows(self) -> tuple[int, int, int]:
        """Rows of the query, key and value matrices."""
        return self.heads * self.head_width, self.kv_heads * self.head_width, self.kv_heads * self.head_width

    @property
    def _layer_matrices(self) -> int:
        return self.width * (sum(self.qkv_rows) + self.qkv_rows[0] + 3 * self.hidden)

    @property
    def parameters_count(self) -> int:
        """Trained numbers; tied embeddings count once."""
        vectors = 2 * self.width + 2 * self.head_width * self.qk_norm + sum(self.qkv_rows) * self.qkv_bias
        tables = self.vocab.size * self.width * (1 if self.tied else 2)
        return self.layers * (self._layer_matrices + vectors) + tables + self.width

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> int:
        """Forward FLOPs for ``tokens`` tokens that look at ``attended`` positions in all (each token's own included).

        2 N tokens + 4 layers heads head_width attended, with N the weights of all matrices but the embeddings: a
        multiplication and an addition for each weight, and for each feature of a head in scores and in the weighted sum
        (Kaplan et al. 2020, arXiv 2001.08361, table 1; Chowdhery et al. 2022, PaLM, arXiv 2204.02311, appendix B). A
        backward pass costs twice this. logits: how many tokens are predicted from (None: all of them); only these pay
        the output head and what follows attention in the last layer (``GPTModel.logits_at``).
        """
        wanted = tokens if logits is None else logits
        finish = self.width * (self.qkv_rows[0] + 3 * self.hidden)
        weights = self.layers * self._layer_matrices * tokens - finish * (tokens - wanted)
        attention = 4 * self.layers * self.heads * self.head_width * attended
        return 2 * (weights + self.width * self.vocab.size * wanted) + attention

    def build(self, seed: int) -> GPTModel:
        """A model with fresh weights; the global random state is not touched.

        Matrices that write to the residual stream, and an untied head, start at zero, so the first loss is log(V).
        """
        if type(seed) is not int or seed < 0:
            raise ValueError(f"seed must be an integer of at least 0, got {seed!r}")
        from interlude.models.gpt_network import GPTModel

        model = GPTModel(self)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            model.embed.normal_(0, 0.02 if self.tied else 0.5, generator=draw)
            for layer in model.layers:
                layer.qkv.uniform_(-(self.width**-0.5), self.width**-0.5, generator=draw)
                layer.gate_up.uniform_(-(self.width**-0.5), self.width**-0.5, generator=draw)
        return model
