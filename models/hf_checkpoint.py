"""A small GPT to a folder that transformers loads with equal logits, and from such a folder back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from interlude.models.gpt import GPT
from interlude.models.gpt_network import POSITIONS, GPTModel, Layer
from interlude.synth.tokens import Vocabulary


def save_pretrained(model: GPTModel, folder: str | Path, tokenizer: bool = True) -> None:
    """Write ``folder`` so that stock ``AutoModelForCausalLM`` and ``AutoTokenizer`` load it with equal logits.

    model.safetensors (float32), config.json, the tokenizer, and last manifest.json with the SHA-256 of each file.
    Only the tokenizer needs transformers installed; without it the folder still loads by ``load_pretrained``. With
    qkv_bias the network is written as a Llama with attention_bias and an output bias of zero: for model_type qwen2
    AutoTokenizer ignores the folder's tokenizer and drops its words without an error.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_export(model), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(model.sizes), indent=2) + "\n")
    if tokenizer:
        model.sizes.vocab.hf_tokenizer().save_pretrained(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != "manifest.json")
    digests = {name: _digest(folder / name) for name in names}
    manifest = {"description": asdict(model.sizes), "sha256": digests}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def load_pretrained(folder: str | Path, vocab: Vocabulary) -> GPTModel:
    """The model in ``folder``, written by ``save_pretrained`` or by transformers (Qwen3, Qwen2 or Llama; the weights in
    one file or in several with model.safetensors.index.json).

    vocab: the meaning of the token ids. Where the model's tables are padded with more rows than it has tokens, those
    rows are left out. Raises ValueError naming the file that is missing, damaged, changed since ``manifest.json`` was
    written, or describes a network that GPT is not.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder / 'config.json'} is missing")
    if (folder / "manifest.json").is_file():
        _verify(folder)
    paths = _weight_files(folder)
    sizes = _sizes(folder / "config.json", vocab)
    weights: dict[str, Tensor] = {}
    for path in paths:
        try:
            weights |= load_file(path)
        except (SafetensorError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
    model = GPTModel(sizes)
    _import(model, weights, paths[0] if len(paths) == 1 else folder / INDEX)
    return model


WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def _weight_files(folder: Path) -> list[Path]:
    """The file that holds the weights, or all of them that an index names."""
    names = [WEIGHTS]
    if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
        try:
            names = sorted(set(json.loads((folder / INDEX).read_text())["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{folder / INDEX} is damaged: it does not say which file holds which weight") from None
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing")
    return [folder / name for name in names]


def _verify(folder: Path) -> None:
    path = folder / "manifest.json"
    try:
        digests = json.loads(path.read_text())["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged: it is not a manifest with SHA-256 digests") from None
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing")
        if _digest(folder / name) != digest:
            raise ValueError(f"{folder / name} is damaged or was edited: its SHA-256 is not the one in {path.name}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


FAMILIES = {"qwen3": "Qwen3ForCausalLM", "qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}
# Settings that change the computation and that GPT does not have: a config may name them only with these values.
REQUIRED = {
    "hidden_act": ("silu",),
    "mlp_bias": (False, None),
    "use_sliding_window": (False, None),
    "rope_scaling": (None,),
    "attention_dropout": (0, None),
    "pretraining_tp": (1, None),
}


THETA = 10_000.0  # what transformers takes for these families where a config names none


def _config(sizes: GPT) -> dict:
    family = "qwen3" if sizes.qk_norm else "llama"
    return {
        "architectures": [FAMILIES[family]],
        "model_type": family,
        "vocab_size": sizes.vocab.size,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": sizes.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": sizes.rope_theta},
        "tie_word_embeddings": sizes.tied,
        "attention_bias": sizes.qkv_bias,
        "attention_dropout": 0.0,
        "use_cache": True,
        "dtype": "float32",
        "pad_token_id": sizes.vocab.pad,
        "bos_token_id": sizes.vocab.bos,
        "eos_token_id": sizes.vocab.end,
    }


def _sizes(path: Path, vocab: Vocabulary) -> GPT:
    try:
        config = json.loads(path.read_text())
        family = config["model_type"]
        if family not in FAMILIES:
            raise ValueError(f"model_type {family!r} is none of {', '.join(FAMILIES)}")
        for name, values in REQUIRED.items():
            if name in config and config[name] not in values:
                raise ValueError(f"{name} = {config[name]!r} is not supported")
        biased = config.get("attention_bias") or False
        if biased and family != "llama":
            raise ValueError(f"attention_bias = {biased!r} is not supported")
        rope = config.get("rope_parameters") or {}
        if rope.get("rope_type", "default") != "default":
            raise ValueError(f"rope_type {rope['rope_type']!r} is not supported")
        if config["vocab_size"] < vocab.size:
            raise ValueError(f"vocab_size {config['vocab_size']} is less than the vocabulary's {vocab.size}")
        heads, width = config["num_attention_heads"], config["hidden_size"]
        return GPT(
            layers=config["num_hidden_layers"],
            width=width,
            heads=heads,
            kv_heads=config["num_key_value_heads"],
            head_width=config.get("head_dim") or width // heads,
            hidden=config["intermediate_size"],
            rope_theta=rope.get("rope_theta") or config.get("rope_theta") or THETA,
            qk_norm=family == "qwen3",
            qkv_bias=family == "qwen2" or biased,
            tied=config.get("tie_word_embeddings", False),
            norm_eps=config["rms_norm_eps"],
            vocab=vocab,
        )
    except KeyError as missing:
        raise ValueError(f"{path} is damaged: it lacks {missing.args[0]}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from None


def _halved(paired: Tensor, head_width: int) -> Tensor:
    """Rows of each head from neighbouring pairs (ours) to two halves (transformers)."""
    return paired.unflatten(0, (-1, head_width // 2, 2)).transpose(1, 2).flatten(0, 2).contiguous()


def _paired(halved: Tensor, head_width: int) -> Tensor:
    """The inverse of ``_halved``."""
    return halved.unflatten(0, (-1, 2, head_width // 2)).transpose(1, 2).flatten(0, 2).contiguous()


def _layer_tensors(sizes: GPT, layer: Layer) -> dict[str, tuple[Tensor, bool]]:
    """transformers' names of one layer's tensors: views of our weights, and whether their rows are rotated pairs."""
    q, k, v = layer.qkv.split(sizes.qkv_rows)
    gate, up = layer.gate_up.chunk(2)
    named = {
        "input_layernorm.weight": (layer.attention_norm, False),
        "self_attn.q_proj.weight": (q, True),
        "self_attn.k_proj.weight": (k, True),
        "self_attn.v_proj.weight": (v, False),
        "self_attn.o_proj.weight": (layer.out, False),
        "post_attention_layernorm.weight": (layer.mlp_norm, False),
        "mlp.gate_proj.weight": (gate, False),
        "mlp.up_proj.weight": (up, False),
        "mlp.down_proj.weight": (layer.down, False),
    }
    if sizes.qk_norm:
        named |= {"self_attn.q_norm.weight": (layer.q_norm, True), "self_attn.k_norm.weight": (layer.k_norm, True)}
    if sizes.qkv_bias:
        q, k, v = layer.qkv_bias.split(sizes.qkv_rows)
        named |= {"self_attn.q_proj.bias": (q, True), "self_attn.k_proj.bias": (k, True)}
        named |= {"self_attn.v_proj.bias": (v, False)}
    return named


def _tensors(model: GPTModel) -> dict[str, tuple[Tensor, bool]]:
    named = {"model.embed_tokens.weight": (model.embed, False), "model.norm.weight": (model.norm, False)}
    if model.head is not None:
        named["lm_head.weight"] = (model.head, False)
    for i, layer in enumerate(model.layers):
        named |= {f"model.layers.{i}.{name}": value for name, value in _layer_tensors(model.sizes, layer).items()}
    return named


OUT_BIAS = "model.layers.{}.self_attn.o_proj.bias"
TABLES = ("model.embed_tokens.weight", "lm_head.weight")  # one row a token


@torch.no_grad()
def _export(model: GPTModel) -> dict[str, Tensor]:
    width = model.sizes.head_width
    found = {
        name: (_halved(tensor, width) if pairs else tensor).detach().to("cpu", torch.float32).clone()
        for name, (tensor, pairs) in _tensors(model).items()
    }
    if model.sizes.qkv_bias:
        found |= {OUT_BIAS.format(i): torch.zeros(model.sizes.width) for i in range(model.sizes.layers)}
    return found


@torch.no_grad()
def _import(model: GPTModel, weights: dict[str, Tensor], path: Path) -> None:
    named = _tensors(model)
    for name in [OUT_BIAS.format(i) for i in range(model.sizes.layers)] if model.sizes.qkv_bias else ():
        if weights.pop(name, torch.zeros(1)).any():
            raise ValueError(f"{path}: {name} is not zero, and GPT has no bias there")
    if weights.keys() != named.keys():
        differing = sorted(weights.keys() ^ named.keys())
        raise ValueError(f"{path} does not hold what its config describes: {differing[0]} is missing or superfluous")
    for name, (tensor, pairs) in named.items():
        given = weights[name].float()
        if name in TABLES:
            given = given[: model.sizes.vocab.size]
        if given.shape != tensor.shape:
            raise ValueError(f"{path}: {name} has shape {tuple(given.shape)}, its config says {tuple(tensor.shape)}")
        if not given.isfinite().all():
            raise ValueError(f"{path}: {name} holds numbers that are not finite")
        tensor.copy_(_paired(given, model.sizes.head_width) if pairs else given)
