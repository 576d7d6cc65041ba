"""The network is causal, equals transformers' own, survives a round trip, and refuses what is damaged."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from interlude.models.gpt import GPT
from interlude.models.gpt_network import POSITIONS, GPTModel
from interlude.models.hf_checkpoint import load_pretrained, save_pretrained
from interlude.models.kernels import Attention, Norm, rotate, swiglu
from interlude.models.lm import SamplingParams
from interlude.synth.rng import uniforms
from interlude.synth.tokens import Vocabulary

VOCAB = Vocabulary(worlds=("zoo",), names=8)
QWEN3 = GPT(layers=2, width=64, heads=2, kv_heads=2, hidden=96, vocab=VOCAB)
QWEN2 = dataclasses.replace(QWEN3, qk_norm=False, qkv_bias=True, kv_heads=1, tied=True)
LLAMA = dataclasses.replace(QWEN3, qk_norm=False, heads=4, width=128, kv_heads=2)
TIED = dataclasses.replace(QWEN3, tied=True, rope_theta=500.0)
FAMILIES = {"qwen3": QWEN3, "qwen2": QWEN2, "llama": LLAMA, "tied": TIED}


def shaken(sizes: GPT, seed: int = 0) -> GPTModel:
    """A model in which no weight is at its initial zero or one, so that every one of them can be wrong."""
    model, draw = sizes.build(seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=draw) * 0.1)
    return model


def rows(seed: int = 0, count: int = 3, length: int = 20) -> torch.Tensor:
    return torch.randint(0, VOCAB.size, (count, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sizes", FAMILIES.values(), ids=FAMILIES)
def test_parameters_count_is_the_network(sizes):
    # Mutant: forgetting a norm, a bias or the untied head in the formula.
    assert sizes.parameters_count == sum(weight.numel() for weight in sizes.build(0).parameters())


@pytest.mark.parametrize("sizes", FAMILIES.values(), ids=FAMILIES)
def test_causal_by_gradient(sizes):
    # Mutant: is_causal=False. Position 9's logits must have gradient from embeddings 0..9, and none from 10 on.
    model, ids_BT = shaken(sizes), rows(count=1)
    assert len(set(ids_BT[0].tolist())) > 10
    (grad_VD,) = torch.autograd.grad(model.forward(ids_BT)[0, 9].logsumexp(0), model.embed)
    untied = model.head is not None  # a tied table also has gradient as the head
    seen, unseen = set(ids_BT[0, :10].tolist()), set(ids_BT[0, 10:].tolist()) - set(ids_BT[0, :10].tolist())
    assert all(grad_VD[i].abs().sum() > 0 for i in seen)
    assert not untied or all(grad_VD[i].abs().sum() == 0 for i in unseen)


def test_padding_on_the_right_changes_nothing():
    # Mutant: positions or attention counted from the right end.
    model, ids_BT = shaken(QWEN3), rows()
    padded = F.pad(ids_BT, (0, 7), value=VOCAB.pad)
    torch.testing.assert_close(model(padded)[:, :20], model(ids_BT), rtol=0, atol=1e-5)


def test_logits_at_is_forward_at_those_positions():
    # Mutant: indexing (t, b) instead of (b, t).
    model, ids_BT = shaken(QWEN3), rows()
    index_N = torch.tensor([0, 21, 59])
    chosen = model.logits_at(ids_BT, index_N)
    torch.testing.assert_close(chosen, model(ids_BT).flatten(0, 1)[index_N], rtol=0, atol=1e-5)


def test_first_loss_is_uniform_and_build_leaves_the_global_random_state():
    # Mutants: head not zero; torch.manual_seed in build.
    before = torch.get_rng_state()
    model = QWEN3.build(5)
    assert torch.equal(before, torch.get_rng_state())
    ids_BT = rows()
    loss = F.cross_entropy(model(ids_BT).flatten(0, 1), ids_BT.flatten())
    assert loss.item() == pytest.approx(math.log(VOCAB.size), abs=1e-6)
    same, other = QWEN3.build(5), QWEN3.build(6)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))
    assert not torch.equal(model.layers[1].qkv, other.layers[1].qkv)


def test_norm_against_torch_and_its_gradient_against_differences():
    # Mutants in the hand-written backward: a missing mean, a weight applied twice.
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 8, generator=draw, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 8, generator=draw, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(Norm.apply(x, weight, 1e-6), F.rms_norm(x, (8,), None, 1e-6) * weight)
    assert torch.autograd.gradcheck(lambda x, weight: Norm.apply(x, weight, 1e-3), (x, weight))
    one = weight[0].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, weight: Norm.apply(x, weight, 1e-3), (x, one))


def test_swiglu_by_hand():
    # Mutant: gate and up exchanged.
    assert swiglu(torch.tensor([2.0, 3.0])).item() == pytest.approx(3 * 2 / (1 + math.exp(-2)))


def test_gradients_are_those_of_transformers(tmp_path):
    # Mutant: any backward that is right in isolation but wired to the wrong tensor.
    from transformers import AutoModelForCausalLM

    model, ids_BT = shaken(QWEN3), rows()
    save_pretrained(model, tmp_path)
    other = AutoModelForCausalLM.from_pretrained(tmp_path)
    F.cross_entropy(model(ids_BT).flatten(0, 1), ids_BT.flatten()).backward()
    F.cross_entropy(other(ids_BT).logits.flatten(0, 1), ids_BT.flatten()).backward()
    table_VD = other.model.embed_tokens.weight.grad[1:]  # transformers gives padding, token 0, no gradient
    torch.testing.assert_close(model.embed.grad[1:], table_VD, rtol=1e-3, atol=1e-6)
    down = other.model.layers[0].mlp.down_proj.weight.grad
    torch.testing.assert_close(model.layers[0].down.grad, down, rtol=1e-3, atol=1e-6)
    gate_up = other.model.layers[1].mlp
    expected = torch.cat((gate_up.gate_proj.weight.grad, gate_up.up_proj.weight.grad))
    torch.testing.assert_close(model.layers[1].gate_up.grad, expected, rtol=1e-3, atol=1e-6)
    assert model.layers[0].q_norm.grad.abs().sum() > 0


def gradients(model: GPTModel, ids_BT: torch.Tensor, bfloat16: bool) -> dict[str, torch.Tensor]:
    """Of the next-token loss, by parameter."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits_BTV = model(ids_BT[:, :-1])
    loss = F.cross_entropy(logits_BTV.float().flatten(0, 1), ids_BT[:, 1:].flatten())
    return dict(zip(dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters())), strict=True))


@pytest.mark.parametrize("sizes", FAMILIES.values(), ids=FAMILIES)
def test_bfloat16_gradients_are_close_to_float32(sizes):
    # Mutants, in Attention: no scale or no mask, forward or backward; a gradient of another head, or transposed; key
    # heads repeated in another order. An error of 1 in 2^8 at each of a dozen products is a cosine of .999 or so.
    model, ids_BT = shaken(sizes), rows()
    exact, found = (gradients(model, ids_BT, bfloat16) for bfloat16 in (False, True))
    for name, gradient in found.items():
        assert gradient.dtype == torch.float32 and not torch.equal(gradient, exact[name])
        assert F.cosine_similarity(gradient.flatten(), exact[name].flatten(), dim=0) > 0.99, name
        assert 0.9 < gradient.norm() / exact[name].norm() < 1.1, name


def test_bfloat16_attention_against_torch_in_float32():
    # Mutants: as above; unlike there, nothing else can hide an error.
    draw = torch.Generator().manual_seed(0)
    q, k, v, grad = (torch.randn(2, 3, 40, 32, generator=draw).bfloat16() for _ in range(4))
    both = []
    for attend, dtype in ((Attention.apply, torch.bfloat16), (F.scaled_dot_product_attention, torch.float32)):
        inputs = [z.to(dtype).requires_grad_() for z in (q * 2, k, v)]
        y = attend(*inputs) if dtype == torch.bfloat16 else attend(*inputs, is_causal=True)
        both.append([y.detach(), *torch.autograd.grad(y, inputs, grad.to(dtype))])
    for found, exact in zip(*both, strict=True):
        assert found.dtype == torch.bfloat16 and (found - exact).norm() < 0.01 * exact.norm()


def test_bfloat16_attention_sees_no_later_token():
    # Mutant: a mask that lets position t see t + 1.
    model, ids_BT = shaken(LLAMA), rows()
    other_BT = torch.cat((ids_BT[:, :12], rows(seed=1)[:, 12:]), 1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits_BTV, others_BTV = model(ids_BT), model(other_BT)
    assert torch.equal(logits_BTV[:, :12], others_BTV[:, :12]) and not torch.equal(logits_BTV[:, 12], others_BTV[:, 12])


@pytest.mark.parametrize("sizes", FAMILIES.values(), ids=FAMILIES)
def test_sampled_log_probabilities_are_those_of_training_in_bfloat16(sizes):
    # Mutants: a decoder that leaves autocast, or loses precision (keys and values scaled twice).
    model = shaken(sizes)
    prompts = [row[: 4 + 3 * n].tolist() for n, row in enumerate(rows())]
    streams = np.stack([uniforms("bfloat16", row, n=20) for row in range(len(prompts))])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = model.sample(prompts, streams, SamplingParams(max_new_tokens=20))
        for prompt, ids, logprobs in zip(prompts, found.ids, found.logprobs, strict=True):
            index_N = torch.arange(len(prompt) - 1, len(prompt) + len(ids) - 1)
            logp_NV = model.logits_at(torch.tensor([prompt + ids]), index_N).float().log_softmax(-1)
            gap_N = logp_NV[torch.arange(len(ids)), ids] - torch.tensor(logprobs)
            assert gap_N.square().mean().sqrt() < 0.05


def test_the_two_forms_of_rotation_agree():
    # Mutant: a sign in the accelerator's form, which no float32 CPU run would notice (float64 takes that form here).
    model = shaken(QWEN3)
    x = torch.randn(2, 5, 4, 32, generator=torch.Generator().manual_seed(0))
    turn = model.turn(torch.arange(5))
    torch.testing.assert_close(rotate(x, turn), rotate(x.double(), turn).float())
    assert not torch.allclose(rotate(x, turn)[:, 1:], x[:, 1:])


def test_bfloat16_autocast_runs_forward_and_backward():
    # Mutants: a complex product of bfloat16 numbers (torch has none); a residual stream in bfloat16.
    model, ids_BT = shaken(QWEN3), rows()
    exact = model(ids_BT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden_BTD, _ = model._hidden(ids_BT)
        logits_BTV = model(ids_BT)
    assert (hidden_BTD.dtype, logits_BTV.dtype) == (torch.float32, torch.bfloat16)
    assert 0 < (logits_BTV - exact).norm() < 0.05 * exact.norm()
    F.cross_entropy(logits_BTV.float().flatten(0, 1), ids_BT.flatten()).backward()
    assert all(weight.grad.isfinite().all() and weight.grad.abs().sum() > 0 for weight in model.parameters())


@pytest.mark.parametrize("sizes", FAMILIES.values(), ids=FAMILIES)
def test_transformers_loads_what_we_save_with_equal_logits(sizes, tmp_path):
    # Mutants: rows of q or k not permuted, gate and up exchanged, a norm left out, rope_theta not written.
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, ids_BT = shaken(sizes), rows()
    save_pretrained(model, tmp_path)
    other, loading = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading.values())
    with torch.no_grad():
        assert (other(ids_BT).logits - model(ids_BT)).abs().max() < 1e-5
    # A folder of model_type qwen2 would get Qwen2's own tokenizer, which drops our words.
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (VOCAB.pad, VOCAB.bos, VOCAB.end)
    text = VOCAB.decode([VOCAB.end + 1, VOCAB.size - 1])
    assert tokenizer.encode(text, add_special_tokens=False) == VOCAB.encode(text)
    again = load_pretrained(tmp_path, VOCAB)
    assert again.sizes == sizes
    assert torch.equal(again(ids_BT), model(ids_BT))


@pytest.mark.parametrize("family", ["Qwen3", "Qwen2", "Llama"])
def test_we_load_what_transformers_saves_with_equal_logits(family, tmp_path):
    # Mutant: head_dim guessed, biases dropped, the other pairing of rotated features.
    import transformers

    config = getattr(transformers, f"{family}Config")(
        vocab_size=VOCAB.size, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 777.0},
        max_position_embeddings=256, **({"head_dim": 32} if family != "Qwen2" else {}),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = getattr(transformers, f"{family}ForCausalLM")(config)
        for weight in other.parameters():
            torch.nn.init.normal_(weight, 0.5 if weight.ndim == 1 else 0, 0.1)
    other.save_pretrained(tmp_path)
    ids_BT = rows()
    with torch.no_grad():
        assert (load_pretrained(tmp_path, VOCAB)(ids_BT) - other(ids_BT).logits).abs().max() < 1e-5


def test_a_bias_that_gpt_has_not_is_refused(tmp_path):
    # Mutant: the output bias of a Llama with attention_bias dropped on loading, whatever it holds.
    biased = next(sizes for sizes in FAMILIES.values() if sizes.qkv_bias)
    save_pretrained(shaken(biased), tmp_path, tokenizer=False)
    (tmp_path / "manifest.json").unlink()
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.layers.1.self_attn.o_proj.bias"][3] = 0.5
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="layers.1.self_attn.o_proj.bias is not zero"):
        load_pretrained(tmp_path, VOCAB)


def test_weights_in_several_files(tmp_path):
    # Mutants: the first file alone; a shard that is missing, or an index that is none, without its name.
    from transformers import AutoModelForCausalLM

    model = shaken(QWEN3)
    save_pretrained(model, tmp_path / "one", tokenizer=False)
    many = tmp_path / "many"
    AutoModelForCausalLM.from_pretrained(tmp_path / "one").save_pretrained(many, max_shard_size="40KB")
    shards = sorted(many.glob("*.safetensors"))
    assert len(shards) > 1 and not (many / "model.safetensors").exists()
    assert torch.equal(load_pretrained(many, VOCAB)(rows()), model(rows()))
    content = shards[1].read_bytes()
    shards[1].unlink()
    with pytest.raises(ValueError, match=f"{shards[1].name} is missing"):
        load_pretrained(many, VOCAB)
    shards[1].write_bytes(content[:-1])
    with pytest.raises(ValueError, match=f"{shards[1].name} is damaged"):
        load_pretrained(many, VOCAB)
    (many / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ValueError, match="index.json is damaged"):
        load_pretrained(many, VOCAB)


@pytest.mark.parametrize("tied", (False, True))
def test_a_padded_vocabulary_is_cut(tied, tmp_path):
    # Mutants: refused; the first rows cut instead of the last; the head left as it is.
    import transformers

    padded = VOCAB.size + 9
    config = transformers.LlamaConfig(
        vocab_size=padded, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, rms_norm_eps=1e-5, head_dim=32, tie_word_embeddings=tied,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = transformers.LlamaForCausalLM(config)
    other.save_pretrained(tmp_path)
    model, ids_BT = load_pretrained(tmp_path, VOCAB), rows()
    with torch.no_grad():
        assert (model(ids_BT) - other(ids_BT).logits[..., : VOCAB.size]).abs().max() < 1e-5


@pytest.mark.parametrize("rope", ({"rope_parameters": None}, {"rope_parameters": {}}, {}))
def test_a_config_without_a_base_of_rotation(rope, tmp_path):
    # Mutants: an AttributeError or a KeyError; another base than the one transformers takes.
    from transformers import AutoModelForCausalLM

    model = shaken(QWEN3)
    save_pretrained(model, tmp_path, tokenizer=False)
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["rope_parameters"]
    path.write_text(json.dumps(config | rope))
    other, ids_BT = AutoModelForCausalLM.from_pretrained(tmp_path), rows()
    with torch.no_grad():
        assert (load_pretrained(tmp_path, VOCAB)(ids_BT) - other(ids_BT).logits).abs().max() < 1e-5
    path.write_text(json.dumps(config | {"rope_theta": 777.0}))
    assert load_pretrained(tmp_path, VOCAB).sizes.rope_theta == 777.0


def test_every_cut_of_the_weights_is_refused(tmp_path):
    # Mutant: trusting the header. Without the manifest safetensors itself must notice; with it, one bit is enough.
    save_pretrained(shaken(QWEN3), tmp_path, tokenizer=False)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    manifest = tmp_path / "manifest.json"
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:5], b"", bytes(flipped)):
        weights.write_bytes(damaged)
        with pytest.raises(ValueError, match="model.safetensors is damaged"):
            load_pretrained(tmp_path, VOCAB)
    manifest.unlink()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:5], b""):
        weights.write_bytes(damaged)
        with pytest.raises(ValueError, match="model.safetensors is damaged"):
            load_pretrained(tmp_path, VOCAB)
    weights.write_bytes(whole)
    load_pretrained(tmp_path, VOCAB)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 1}, "model.safetensors does not hold"),
        ({"intermediate_size": 95}, "shape"),
        ({"head_dim": 48}, "GPT.head_width must be"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type"),
        ({"attention_bias": True}, "attention_bias"),
        ({"model_type": "gpt2"}, "model_type"),
        ({"vocab_size": 7}, "vocab_size"),
        ({"rms_norm_eps": "small"}, "config.json cannot be used"),
        ({"hidden_size": None}, "config.json"),
    ],
)
def test_an_edited_config_is_refused(changes, message, tmp_path):
    # Mutant: each check removed in turn; first with the manifest, which notices any edit, then without.
    save_pretrained(shaken(QWEN3), tmp_path, tokenizer=False)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match="config.json is damaged or was edited"):
        load_pretrained(tmp_path, VOCAB)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ValueError, match=message):
        load_pretrained(tmp_path, VOCAB)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    # Mutant: loading a run that had diverged.
    model = shaken(QWEN3)
    with torch.no_grad():
        model.layers[1].down[3, 4] = torch.nan
    save_pretrained(model, tmp_path, tokenizer=False)
    with pytest.raises(ValueError, match="model.safetensors: model.layers.1.mlp.down_proj.weight holds numbers"):
        load_pretrained(tmp_path, VOCAB)


def test_a_missing_file_and_a_broken_config_name_the_file(tmp_path):
    # Mutant: an OSError or KeyError from deep inside instead of one sentence.
    with pytest.raises(ValueError, match="config.json is missing"):
        load_pretrained(tmp_path, VOCAB)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="model.safetensors is missing"):
        load_pretrained(tmp_path, VOCAB)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="config.json cannot be used"):
        load_pretrained(tmp_path, VOCAB)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="config.json is damaged: it lacks model_type"):
        load_pretrained(tmp_path, VOCAB)


@pytest.mark.parametrize(
    "field",
    [
        {"layers": 0}, {"width": 64.0}, {"heads": True}, {"head_width": 48}, {"kv_heads": 3}, {"rope_theta": 0.5},
        {"norm_eps": 0.0}, {"tied": 1}, {"qkv_bias": True}, {"rope_theta": math.nan}, {"hidden": -1},
    ],
)  # fmt: skip
def test_nonsense_sizes_are_refused_by_name(field):
    # Mutant: each check removed in turn.
    with pytest.raises(ValueError, match=f"GPT.{next(iter(field))} "):
        GPT(**field)


def test_a_row_longer_than_the_rotation_table_is_refused():
    # Mutant: silent indexing past the table.
    with pytest.raises(ValueError, match=f"{POSITIONS} positions"):
        QWEN3.build(0)(torch.zeros(1, POSITIONS + 1, dtype=torch.long))


def test_flops_against_counting_every_multiplication():
    # Mutants: attention counted at the full square, the embedding lookup counted as a product, a factor 2.
    sizes, length = LLAMA, 12
    counted = 0
    for weight in (weight for layer in sizes.build(0).layers for weight in layer.parameters() if weight.ndim == 2):
        counted += 2 * weight.numel() * length
    counted += 2 * sizes.width * VOCAB.size * length
    counted += sizes.layers * sizes.heads * sum(4 * sizes.head_width * (t + 1) for t in range(length))
    assert sizes.flops(length, length * (length + 1) // 2) == counted
    unread = sizes.width * (VOCAB.size + sizes.heads * sizes.head_width + 3 * sizes.hidden)
    assert sizes.flops(length, 0) - sizes.flops(length, 0, logits=2) == 2 * unread * (length - 2)


def test_flops_of_some_positions_are_what_torch_counts():
    # Mutants: the last layer's output and feed-forward charged for every token, or for none.
    model, ids_BT, index_N = shaken(QWEN3), rows(), torch.tensor([0, 21, 59])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.logits_at(ids_BT, index_N)
    counted = {str(operator): flops for operator, flops in counter.get_flop_counts()["Global"].items()}
    matrices = sum(flops for operator, flops in counted.items() if "attention" not in operator)
    assert matrices == model.flops(ids_BT.numel(), 0, logits=3)
