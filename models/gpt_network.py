"""The network of a small GPT: training, scoring and cached sampling."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interlude.models import native
from interlude.models.kernels import attention, norm, rotate, swiglu
from interlude.models.lm import Samples, SamplingParams
from interlude.models.meter import count_rows
from interlude.models.sample import sample

# Shapes: B rows, T positions, D width, H query heads, K key heads, A = H + K, W head width, F hidden, V tokens,
# N chosen positions, E = H * W.

POSITIONS = 4096  # rows of the rotation table; far beyond any problem here, and a table of 0.5 MB at head width 32
# Prompts are read in groups of similar length, so that little of a group is padding, and of so many tokens at a time:
# on CPU what stays in cache, on an accelerator what fills it.
PREFILL_TOKENS = {"cpu": 2048}
PREFILL_TOKENS_ELSEWHERE = 131_072


class Layer(nn.Module):
    """Attention, then a gated feed-forward, each read from a norm and added to the residual stream.

    sizes: a ``models.gpt.GPT``, which builds this.
    """

    def __init__(self, sizes) -> None:
        super().__init__()
        self.sizes = sizes
        width, attention = sizes.width, sizes.qkv_rows[0]
        self.attention_norm = nn.Parameter(torch.ones(width))
        self.qkv = nn.Parameter(torch.zeros(sum(sizes.qkv_rows), width))
        self.qkv_bias = nn.Parameter(torch.zeros(sum(sizes.qkv_rows))) if sizes.qkv_bias else None
        self.q_norm = nn.Parameter(torch.ones(sizes.head_width)) if sizes.qk_norm else None
        self.k_norm = nn.Parameter(torch.ones(sizes.head_width)) if sizes.qk_norm else None
        self.out = nn.Parameter(torch.zeros(width, attention))
        self.mlp_norm = nn.Parameter(torch.ones(width))
        self.gate_up = nn.Parameter(torch.zeros(2 * sizes.hidden, width))
        self.down = nn.Parameter(torch.zeros(width, sizes.hidden))

    def project(self, x_BTD: Tensor, turn_TA: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q_BHTW, k_BKTW, v_BKTW with queries and keys normalised and rotated."""
        s = self.sizes
        qkv = F.linear(norm(x_BTD, self.attention_norm, s.norm_eps), self.qkv, self.qkv_bias)
        qk, v = qkv.split((sum(s.qkv_rows[:2]), s.qkv_rows[2]), -1)
        if qk.device.type == "cpu":
            qk = qk.float()  # as torch has no bfloat16 complex numbers to rotate; norms gain precision on the way
        qk_BTAW = qk.unflatten(-1, (-1, s.head_width))
        if s.qk_norm:
            weight_AW = torch.cat((self.q_norm.expand(s.heads, -1), self.k_norm.expand(s.kv_heads, -1)))
            qk_BTAW = norm(qk_BTAW, weight_AW, s.norm_eps)
        q_BTHW, k_BTKW = rotate(qk_BTAW, turn_TA).to(v.dtype).split((s.heads, s.kv_heads), 2)
        v_BTKW = v.unflatten(-1, (-1, s.head_width))
        return q_BTHW.transpose(1, 2), k_BTKW.transpose(1, 2), v_BTKW.transpose(1, 2)

    def attend(self, q_BHTW: Tensor, k_BKTW: Tensor, v_BKTW: Tensor) -> Tensor:
        """The causal weighted sums y_BTE, heads side by side in the last dimension."""
        return attention(q_BHTW, k_BKTW, v_BKTW).transpose(1, 2).flatten(2)

    def finish(self, x: Tensor, y: Tensor) -> Tensor:
        """The residual stream (..., D) after what attention gathered, y (..., E),
        is written and the feed-forward run."""
        x = x + F.linear(y, self.out)
        return x + F.linear(swiglu(F.linear(norm(x, self.mlp_norm, self.sizes.norm_eps), self.gate_up)), self.down)


@native.computes
class GPTModel(nn.Module):
    """The network of a ``GPT`` with its vocabulary: an ``LM``. Use ``GPT.build`` to make one, or
    ``models.hf_checkpoint.load_pretrained``."""

    def __init__(self, sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embed = nn.Parameter(torch.zeros(sizes.vocab.size, sizes.width))
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.Parameter(torch.ones(sizes.width))
        self.head = None if sizes.tied else nn.Parameter(torch.zeros(sizes.vocab.size, sizes.width))
        self.register_buffer("turns", _turns(sizes.head_width, sizes.rope_theta), persistent=False)

    @property
    def pad(self) -> int:
        return self.sizes.vocab.pad

    @property
    def end(self) -> int:
        return self.sizes.vocab.end

    @property
    def vocab_size(self) -> int:
        return self.sizes.vocab.size

    def encode(self, text: str) -> list[int]:
        return self.sizes.vocab.encode(text)

    def encode_prompt(self, question: str) -> list[int]:
        return self.encode(question)

    def decode(self, ids: list[int]) -> str:
        return self.sizes.vocab.decode(ids)

    def turn(self, positions: Tensor) -> Tensor:
        """The rotation of every head at these positions, copied per head so that rotating is one long product."""
        heads = self.sizes.heads + self.sizes.kv_heads if self.turns.device.type == "cpu" else 1
        return self.turns[positions].unsqueeze(-3).expand(*positions.shape, heads, -1, -1).contiguous()

    def forward(self, ids_BT: Tensor) -> Tensor:
        """logits_BTV; rows are padded on the right, where causality keeps padding out of sight."""
        count_rows(self, ids_BT)
        return self._logits(self.layers[-1].finish(*self._hidden(ids_BT)))

    def logits_at(self, ids_BT: Tensor, index_N: Tensor) -> Tensor:
        """logits_NV at the flat positions ``b * T + t``; the rest of the last layer is not computed elsewhere."""
        count_rows(self, ids_BT, index_N)
        x_BTD, y_BTE = self._hidden(ids_BT)
        chosen = [z.flatten(0, 1).index_select(0, index_N) for z in (x_BTD, y_BTE)]
        return self._logits(self.layers[-1].finish(*chosen))

    def _hidden(self, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The residual stream before the last layer, and what the last layer's attention gathered (see ``finish``).

        Raises ValueError if a row is longer than ``POSITIONS`` tokens.
        """
        if ids_BT.size(1) > POSITIONS:
            raise ValueError(f"a row of {ids_BT.size(1)} tokens is longer than the {POSITIONS} positions of the model")
        x_BTD = F.embedding(ids_BT, self.embed)
        turn_TA = self.turn(torch.arange(ids_BT.size(1), device=ids_BT.device))
        for layer in self.layers:
            y_BTE = layer.attend(*layer.project(x_BTD, turn_TA))
            if layer is self.layers[-1]:
                return x_BTD, y_BTE
            x_BTD = layer.finish(x_BTD, y_BTE)
        raise AssertionError("a GPT has at least one layer")

    def _logits(self, hidden: Tensor) -> Tensor:
        table_VD = self.embed if self.head is None else self.head
        return F.linear(norm(hidden, self.norm, self.sizes.norm_eps), table_VD)

    def sample(self, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> Samples:
        return sample(self, prompts, streams, params)

    def decoder(self, prompts: list[list[int]], max_new_tokens: int) -> GPTDecoder:
        return GPTDecoder(self, prompts, max_new_tokens)

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> int:
        """See ``GPT.flops``."""
        return self.sizes.flops(tokens, attended, logits)

    def matrices(self) -> dict[str, tuple[int, ...]]:
        """Query, key and value are three matrices in one tensor, gate and up are two."""
        s = self.sizes
        rows = {"qkv": s.qkv_rows, "out": (s.width,), "gate_up": (s.hidden, s.hidden), "down": (s.width,)}
        return {f"layers.{i}.{name}": rows[name] for i in range(s.layers) for name in rows}


def _turns(head_width: int, theta: float) -> Tensor:
    """(POSITIONS, head_width / 2, 2) cosines and sines, in float32 exactly as transformers computes them."""
    frequency = 1.0 / (theta ** (torch.arange(0, head_width, 2, dtype=torch.float32) / head_width))
    angle = torch.arange(POSITIONS, dtype=torch.float32)[:, None] * frequency
    return torch.stack((angle.cos(), angle.sin()), -1)


class GPTDecoder:
    """Cached decoding. Rows with equal prompts share one copy of the prompt's keys and values.

    Prompts are read once each, padded on the right, exactly as in ``_hidden``. A step's attention has two parts, over
    the prompt (one product for all rows of a prompt) and over the row's own tokens, under one softmax. Decoding at this
    size is bound by memory traffic, and a group of 16 rows reads its prompt once instead of 16 times. Where no two rows
    share a prompt, a row's prompt lies before its own tokens, and one product covers both.

    Shapes: U distinct prompts of up to P tokens, G rows of a prompt at most, R query heads of a key head, M = G * R, S
    scores of a row: P of its prompt and then those of its own tokens. Keys lie transposed, which is faster to read.
    """

    def __init__(self, model: GPTModel, prompts: list[list[int]], room: int) -> None:
        self.model, self.room, self.filled = model, room, 0
        rows: dict[tuple[int, ...], list[int]] = {}
        for row, prompt in enumerate(prompts):
            rows.setdefault(tuple(prompt), []).append(row)
        self.prompts = sorted(rows, key=len)
        self.longest = len(self.prompts[-1])
        if self.longest + room > POSITIONS:
            raise ValueError(f"{self.longest} prompt and {room} new tokens exceed the model's {POSITIONS} positions")
        device = model.embed.device
        self.position_B = torch.tensor([len(prompt) for prompt in prompts], device=device)
        self.group_B = [0] * len(prompts)
        for u, prompt in enumerate(self.prompts):
            for row in rows[prompt]:
                self.group_B[row] = u
        length_U1 = torch.tensor([[len(prompt)] for prompt in self.prompts], device=device)
        past_UP = torch.arange(self.longest, device=device) >= length_U1
        self.mask_UP = torch.zeros(past_UP.shape, device=device).masked_fill_(past_UP, -torch.inf)
        self._arrange()
        # Of each layer, keys and values: of prompts (U, K, W, P) and (U, K, P, W), empty where each is one row's; of
        # rows (B, K, W, n) and (B, K, n, W), n tokens of which the first ``before`` are the prompt where it is theirs.
        self.shared: list[tuple[Tensor, Tensor]] = []
        self.own: list[tuple[Tensor, Tensor]] = []
        self.before = self.longest if self.group_rows == 1 else 0
        if self.before:
            self.row_U = torch.tensor([rows[prompt][0] for prompt in self.prompts], device=device)
            self.mask_BS = F.pad(self.mask_UP[self.group_B], (0, room))

    def _arrange(self) -> None:
        """The place of every row in a grid of U prompts by G rows; no places where the rows fill it in order."""
        counts = [0] * len(self.prompts)
        nth = []
        for u in self.group_B:
            nth.append(counts[u])
            counts[u] += 1
        self.group_rows = max(counts)
        places = [u * self.group_rows + n for u, n in zip(self.group_B, nth, strict=True)]
        in_order = places == list(range(len(self.prompts) * self.group_rows))
        self.place_B = None if in_order else torch.tensor(places, device=self.position_B.device)

    def begin(self) -> Tensor:
        device = self.model.embed.device
        group = max(1, PREFILL_TOKENS.get(device.type, PREFILL_TOKENS_ELSEWHERE) // self.longest)
        last = [self._prefill(start, start + group) for start in range(0, len(self.prompts), group)]
        return self.model._logits(torch.cat(last))[torch.tensor(self.group_B, device=device)]

    def _prefill(self, first: int, end: int) -> Tensor:
        """Read these prompts into the cache; the hidden states (U, D) after their last tokens."""
        model, device, s = self.model, self.model.embed.device, self.model.sizes
        prompts = self.prompts[first:end]
        length = len(prompts[-1])
        ids_UT = torch.tensor([[*prompt, *[model.pad] * (length - len(prompt))] for prompt in prompts], device=device)
        last_U = torch.tensor([len(prompt) - 1 for prompt in prompts], device=device)
        all_U = torch.arange(len(prompts), device=device)
        turn_TA = model.turn(torch.arange(length, device=device))
        x_UTD = F.embedding(ids_UT, model.embed)
        for depth, layer in enumerate(model.layers):
            q, k, v = layer.project(x_UTD, turn_TA)
            if depth == len(self.own):
                self.own.append(self._store(k, len(self.group_B), self.before, self.room))
                self.shared.append(self._store(k, len(self.prompts), 0 if self.before else self.longest, 0))
            rows = self.row_U[first:end] if self.before else slice(first, end)
            keys, values = self.own[depth] if self.before else self.shared[depth]
            keys[rows, :, :, :length], values[rows, :, :length] = k.mT, v
            if layer is not model.layers[-1]:
                x_UTD = layer.finish(x_UTD, layer.attend(q, k, v))
        # Only the last token of a prompt goes through the rest of the last layer.
        mask_U11T = self.mask_UP[first:end, None, None, :length].to(q.dtype)
        q = q[all_U, :, last_U].unsqueeze(2)
        y_UH1W = F.scaled_dot_product_attention(q, k, v, mask_U11T, enable_gqa=s.heads != s.kv_heads)
        return layer.finish(x_UTD[all_U, last_U], y_UH1W.flatten(1))

    @staticmethod
    def _store(like: Tensor, rows: int, before: int, room: int) -> tuple[Tensor, Tensor]:
        """Room for keys and values of ``before`` tokens of a prompt, some masked, and of ``room`` others."""
        heads, width = like.size(1), like.size(3)
        keys, values = (like.new_empty(rows, heads, *n) for n in ((width, before + room), (before + room, width)))
        # Masked columns must hold numbers: they get weight 0, which does not cancel a NaN.
        keys[..., :before], values[..., :before, :] = 0, 0
        return keys, values

    def step(self, ids_B: Tensor) -> Tensor:
        model, t = self.model, self.before + self.filled
        turn_B = model.turn(self.position_B)[:, None]
        x_BD = F.embedding(ids_B, model.embed)
        for layer, shared, (keys, values) in zip(model.layers, self.shared, self.own, strict=True):
            q, k, v = layer.project(x_BD[:, None], turn_B)
            keys[:, :, :, t], values[:, :, t] = k[:, :, 0], v[:, :, 0]
            own = keys[:, :, :, : t + 1], values[:, :, : t + 1]
            x_BD = layer.finish(x_BD, self._attend(q[:, :, 0], shared, own))
        self.filled, self.position_B = self.filled + 1, self.position_B + 1
        return model._logits(x_BD)

    def _attend(self, q_BHW: Tensor, shared: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor]) -> Tensor:
        """What one new token a row gathers from its prompt and its own tokens: y_BE."""
        s = self.model.sizes
        rows, ratio = len(q_BHW), s.heads // s.kv_heads
        q_BHW = q_BHW * s.head_width**-0.5
        own_k, own_v = (x.flatten(0, 1) for x in own)
        score_BHT = torch.bmm(q_BHW.reshape(-1, ratio, s.head_width), own_k).view(rows, s.heads, -1)
        if self.before:
            weight_BHS = (score_BHT + self.mask_BS[:, None, : score_BHT.size(-1)]).softmax(-1).to(own_v.dtype)
            return torch.bmm(weight_BHS.view(-1, ratio, weight_BHS.size(-1)), own_v).view(rows, -1)
        shared_k, shared_v = (x.flatten(0, 1) for x in shared)
        grid_UKMP = torch.bmm(self._to_grid(q_BHW), shared_k).unflatten(0, (-1, s.kv_heads))
        score_BHP = self._from_grid((grid_UKMP + self.mask_UP[:, None, None]).flatten(0, 1))
        # Scores of the prompt first; under autocast a softmax is float32.
        weight_BHS = torch.cat((score_BHP, score_BHT), -1).softmax(-1).to(own_v.dtype)
        weight_BHP, weight_BHT = weight_BHS.split((score_BHP.size(-1), score_BHT.size(-1)), -1)
        y_BHW = self._from_grid(torch.bmm(self._to_grid(weight_BHP), shared_v))
        y_BHW = y_BHW + torch.bmm(weight_BHT.reshape(-1, ratio, weight_BHT.size(-1)), own_v).view_as(y_BHW)
        return y_BHW.flatten(1)

    def _to_grid(self, x_BHX: Tensor) -> Tensor:
        """(U * K, G * R, X): what belongs to one prompt and key head side by side; empty places hold zeros."""
        s, shape = self.model.sizes, (len(self.prompts), self.group_rows)
        if self.place_B is not None:
            x_BHX = x_BHX.new_zeros(shape[0] * shape[1], *x_BHX.shape[1:]).index_copy_(0, self.place_B, x_BHX)
        x = x_BHX.unflatten(0, shape).unflatten(2, (s.kv_heads, -1))
        return x.transpose(1, 2).flatten(2, 3).flatten(0, 1)

    def _from_grid(self, x: Tensor) -> Tensor:
        """The inverse of ``_to_grid``."""
        s, shape = self.model.sizes, (len(self.prompts), self.group_rows)
        x = x.unflatten(0, (shape[0], s.kv_heads)).unflatten(2, (shape[1], -1)).transpose(1, 2)
        x_BHX = x.flatten(2, 3).flatten(0, 1)
        return x_BHX if self.place_B is None else x_BHX.index_select(0, self.place_B)

    def keep(self, rows_K: Tensor) -> None:
        kept, filled = rows_K.tolist(), slice(0, self.before + self.filled)
        self.own = [
            (self._packed(keys.mT, rows_K, filled).mT, self._packed(values, rows_K, filled))
            for keys, values in self.own
        ]
        if self.before:
            self.mask_BS = self.mask_BS[rows_K]
        self.position_B = self.position_B[rows_K]
        left = sorted({self.group_B[row] for row in kept})
        renamed = {u: n for n, u in enumerate(left)}
        self.group_B = [renamed[self.group_B[row]] for row in kept]
        if len(left) < len(self.prompts):
            index = torch.tensor(left, device=rows_K.device)
            self.shared = [(keys[index], values[index]) for keys, values in self.shared]
            self.mask_UP = self.mask_UP[index]
            self.prompts = [self.prompts[u] for u in left]
        self._arrange()

    @staticmethod
    def _packed(store: Tensor, rows_K: Tensor, filled: slice) -> Tensor:
        """Move the kept rows to the front, only the filled columns of them."""
        store[: len(rows_K), :, filled] = store[rows_K, :, filled]
        return store[: len(rows_K)]
