"""A transformers model behind our methods gives the numbers that transformers gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from interlude.models.gpt import GPT
from interlude.models.hf import HF, HFModel
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim, make
from interlude.synth.rng import uniforms
from interlude.synth.tokens import Vocabulary

transformers = pytest.importorskip("transformers")

VOCAB = Vocabulary(worlds=("zoo",), names=8)
FAMILIES = ("Qwen3", "Qwen2", "Llama", "GPT2")


def folder(path, family: str) -> str:
    """A tiny random model of ``family`` with our tokenizer, as anyone would save it."""
    common = {"vocab_size": VOCAB.size, "bos_token_id": VOCAB.bos, "eos_token_id": VOCAB.end}
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 1, "max_position_embeddings": 128}
    if family == "GPT2":
        sizes = {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 128}
    if family == "OPT":
        sizes = {"hidden_size": 64, "word_embed_proj_dim": 64, "ffn_dim": 96, "max_position_embeddings": 128}
        sizes |= {"num_hidden_layers": 2, "num_attention_heads": 2, "layerdrop": 0.5, "attention_dropout": 0.1}
    config = getattr(transformers, f"{family}Config")(**common, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = getattr(transformers, "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM")(config)
        for weight in network.parameters():
            torch.nn.init.normal_(weight, 0.5 if weight.ndim == 1 else 0, 0.1)
    network.save_pretrained(path)
    VOCAB.hf_tokenizer().save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory) -> HFModel:
    return HF(folder(tmp_path_factory.mktemp(request.param), request.param)).build(0)


def ragged(count: int) -> tuple[list[list[int]], np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(0))
    prompts = [draw.integers(3, VOCAB.size, size=1 + int(draw.integers(0, 12))).tolist() for _ in range(count)]
    return prompts, np.stack([uniforms("test", row, n=16) for row in range(count)])


def test_forward_and_logits_at_are_the_network(model):
    # Mutants: the norm applied twice or not at all before the head; (t, b) for (b, t).
    ids_BT = torch.randint(0, VOCAB.size, (3, 11), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.network(ids_BT).logits
        assert torch.equal(model(ids_BT), expected)
        index_N = torch.tensor([0, 12, 32])
        chosen = model.logits_at(ids_BT, index_N)
        torch.testing.assert_close(chosen, expected.flatten(0, 1)[index_N], rtol=0, atol=1e-5)
        padded = F.pad(ids_BT, (0, 4), value=model.pad)
        torch.testing.assert_close(model(padded)[:, :11], expected, rtol=0, atol=1e-5)


def test_sampling_with_a_cache_equals_teacher_forcing(model):
    # Mutants: no position ids beside the left padding, no mask, a cache not compacted with its rows.
    prompts, streams = ragged(12)
    found = model.sample(prompts, streams, SamplingParams(max_new_tokens=16, temperature=0.8))
    for prompt, ids, logprobs in zip(prompts, found.ids, found.logprobs, strict=True):
        with torch.no_grad():
            logp_TV = torch.log_softmax(model(torch.tensor([prompt + ids]))[0] / 0.8, -1)
        forced = [logp_TV[len(prompt) - 1 + t, token].item() for t, token in enumerate(ids)]
        assert logprobs == pytest.approx(forced, abs=1e-4)
    for prompt, stream, ids in zip(prompts, streams, found.ids, strict=True):
        assert model.sample([prompt], stream[None], SamplingParams(max_new_tokens=16, temperature=0.8)).ids == [ids]


def test_greedy_sampling_equals_generate(model):
    # Mutant: choosing from the wrong position of the logits.
    prompts, streams = ragged(4)
    found = model.sample(prompts, streams, SamplingParams(max_new_tokens=16, temperature=0.0))
    for prompt, ids in zip(prompts, found.ids, strict=True):
        ids_BT = torch.tensor([prompt])
        expected = model.network.generate(
            ids_BT, attention_mask=torch.ones_like(ids_BT), do_sample=False, max_new_tokens=16, pad_token_id=VOCAB.pad
        )
        assert ids == expected[0, len(prompt) :].tolist()


def test_encode_and_decode_are_the_vocabulary(model):
    # Mutant: special tokens added by the tokenizer.
    nouns = [VOCAB.size - 1, VOCAB.size - 2]
    assert model.encode(VOCAB.decode(nouns)) == nouns
    assert model.decode([*nouns, VOCAB.pad, VOCAB.pad]) == model.decode(nouns)
    assert (model.pad, model.end, model.vocab_size) == (VOCAB.pad, VOCAB.end, VOCAB.size)


def test_every_weight_can_be_trained(model):
    # Mutants: the head or a table among the matrices; names that are not the model's.
    named = dict(model.named_parameters())
    matrices = model.matrices()
    assert matrices and all(named[name].ndim == 2 and rows == (named[name].size(0),) for name, rows in matrices.items())
    assert not any(VOCAB.size in named[name].shape for name in matrices)
    before = {name: weight.detach().clone() for name, weight in named.items()}
    optimiser = make(Optim(), model)
    ids_BT = torch.randint(1, VOCAB.size, (2, 9), generator=torch.Generator().manual_seed(0))
    F.cross_entropy(model(ids_BT[:, :-1]).flatten(0, 1), ids_BT[:, 1:].flatten()).backward()
    assert math.isfinite(optimiser.clip().item())
    optimiser.step(1.0)
    assert [name for name, weight in named.items() if torch.equal(weight, before[name])] == []


def test_flops_are_those_of_our_own_formula(tmp_path):
    # Mutants: embeddings counted as a product, head_dim guessed as width / heads.
    sizes = GPT(layers=2, width=64, heads=4, kv_heads=2, hidden=96, vocab=VOCAB)
    save_pretrained(sizes.build(0), tmp_path)
    theirs = HF(str(tmp_path)).build(0)
    assert theirs.flops(100, 700) == sizes.flops(100, 700)
    skipped = 2 * 97 * sizes.width * (sizes.heads * sizes.head_width + 3 * sizes.hidden)  # by our last layer alone
    assert theirs.flops(100, 700, logits=3) == sizes.flops(100, 700, logits=3) + skipped


def test_our_own_export_behind_transformers(tmp_path):
    # Mutants: AutoTokenizer choosing Qwen2's tokenizer for a qwen2 folder; a seed that changes pretrained weights.
    sizes = GPT(layers=1, width=64, heads=2, kv_heads=2, hidden=96, qk_norm=False, qkv_bias=True, vocab=VOCAB)
    ours = sizes.build(0)
    save_pretrained(ours, tmp_path)
    theirs = HF(str(tmp_path)).build(3)
    text = VOCAB.decode([VOCAB.size - 1, 3, VOCAB.size - 2])
    assert theirs.encode(text) == ours.encode(text)
    ids_BT = torch.tensor([ours.encode(text)])
    torch.testing.assert_close(theirs(ids_BT), ours(ids_BT), rtol=0, atol=1e-5)


def test_missing_weights_and_nonsense_are_refused(tmp_path):
    # Mutant: transformers' habit of drawing what is missing at random.
    from safetensors.torch import load_file, save_file

    path = folder(tmp_path, "Llama")
    weights = load_file(f"{path}/model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, f"{path}/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks weights"):
        HF(path).build(0)
    with pytest.raises(ValueError, match="HF.dtype"):
        HF("x", dtype="int8")
    with pytest.raises(ValueError, match="HF.name"):
        HF("")


@pytest.mark.parametrize("family", ("GPT2", "OPT"))
@pytest.mark.parametrize("again", (False, True))
def test_training_draws_no_noise(family, again, tmp_path):
    # Kills: dropout in modules and configs (GPT-2) or in plain numbers of layers (OPT) left on in training.
    lm = HF(folder(tmp_path, family)).build(0)
    ids_BT = torch.randint(1, VOCAB.size, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = lm(ids_BT)
    lm.train()
    if again:
        lm.recompute()
    with torch.random.fork_rng():
        before = torch.get_rng_state()
        assert torch.equal(lm(ids_BT), expected)
        assert torch.equal(torch.get_rng_state(), before)
    assert not [name for name, value in vars(lm.causal.config).items() if "drop" in name and value]
