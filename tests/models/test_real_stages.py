"""A model as one finds them on a hub goes through every stage and is saved, or is refused in a sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pretrained
import pytest
import torch
from pretrained import COMMON, EASY, GAPS

from interlude.models.gpt import GPT
from interlude.models.hf import HF, HFModel
from interlude.models.lm import SamplingParams
from interlude.models.optim import Optim, make
from interlude.models.policy_gradient import DAPO, GRPO
from interlude.models.recipe import Recipe
from interlude.models.stage import StageModels
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.selfgen import SelfGen
from interlude.models.stages.sft import SFT
from interlude.models.stages.thinking import Thinking
from interlude.models.thought_rl import Bins
from interlude.models.train import Machine, frozen, train
from interlude.studies.run import train_or_load
from interlude.synth.rng import uniforms
from interlude.synth.verify import verify

transformers = pytest.importorskip("transformers")


NEVER = Machine(save_every=1e9)


@pytest.fixture(scope="module")
def lm(hub) -> HFModel:
    return HF(hub, thoughts=True).build(0)


@pytest.fixture(scope="module")
def thinker(hub) -> dict:
    """Weights of the same model after a cold start: it closes thoughts, and goes on where the text was left."""
    lm = HF(hub, thoughts=True).build(0)
    data = dataclasses.replace(GAPS, thoughts="oracle")
    optim = Optim(schedule="linear", floor=0.0)
    train(lm, ColdStart(steps=150, batch_size=32, optim=optim, data=data, idle=0.5), seed=0)
    return lm.state_dict()


# Every stage

ROLLS = COMMON | {"num_samples": 4, "max_new_tokens": 40}


THINKS = ROLLS | {"data": GAPS}


LONG = {"num_samples": 8, "max_new_tokens": 64}


BINS = Bins(longest=40, count=3)


REPLAYED = COMMON | {"replay": EASY, "replay_share": 0.5}


SELF = Recipe(HF("the fixture"))  # its weights are handed to ``train``


STAGES = {
    "pretrain": Pretrain(**COMMON, targets="all"),
    "midtrain": Midtrain(**REPLAYED),
    "remit": ReMiT(**REPLAYED, reference=SELF),
    "remit-shuffled": ReMiT(**REPLAYED, reference=SELF, weights="shuffled", against="start"),
    "distil": Distil(**REPLAYED, reference=SELF),
    "sft": SFT(**COMMON),
    "rft": RFT(**ROLLS),
    "selfgen-rejection": SelfGen(**COMMON, source="rejection", n=2, samples=4, instances=8, max_new_tokens=40),
    "selfgen-star": SelfGen(**COMMON, source="star", n=1, samples=2, instances=8, max_new_tokens=40),
    "rl": RL(**ROLLS),
    "grpo": RL(**ROLLS, objective=dataclasses.replace(GRPO, kl=0.1)),
    "dapo": RL(**ROLLS, objective=DAPO, updates_per_batch=2),
    "relift": ReLIFT(**ROLLS),
    "coldstart": ColdStart(**COMMON | {"data": dataclasses.replace(GAPS, thoughts="oracle")}, idle=0.5),
    "coldstart-told": ColdStart(**COMMON | {"data": dataclasses.replace(GAPS, thoughts="oracle")}, told=BINS),
    "rlp": RLP(**THINKS),
    "rmt": RMT(**THINKS, budget=20),
    "rmt-told": RMT(**THINKS, budget=20, told=BINS),
    "annotate": Annotate(**COMMON, annotator=SELF, max_thought=20),
    "annotate-oracle": Annotate(**COMMON | {"data": GAPS}, annotator="oracle"),
    "thinking": Thinking(**THINKS | LONG, annotator=SELF),
    "thinking-oracle": Thinking(**THINKS | LONG, annotator="oracle"),
}


PROSE = {
    f"{name}-prose": dataclasses.replace(stage, data=dataclasses.replace(stage.data, dialect="prose"))
    for name, stage in STAGES.items()
    if name in ("sft", "coldstart", "annotate", "annotate-oracle", "thinking", "rlp")
}


@pytest.mark.parametrize("name", [*STAGES, *PROSE])
def test_every_stage_runs(name, hub, lm, thinker):
    # Mutants: a stage that encodes a question as if nothing followed it; whitespace lost between pieces of a text.
    stage, learner, lines = (STAGES | PROSE)[name], HF(hub, thoughts=True).build(0), []
    if isinstance(stage, Thinking):
        learner.load_state_dict(thinker)
    start = frozen(learner)
    held = {field.name for field in dataclasses.fields(stage) if getattr(stage, field.name) == SELF}
    references = {name: frozen(lm) for name in held}
    state = train(learner, stage, 3, references=references, observe=lambda share, line: lines.append(line))
    assert state.step == 2 and state.ledger.total_flops > 0
    moved = [not torch.equal(a, b) for a, b in zip(learner.parameters(), start.parameters(), strict=True)]
    # The fixture knows no prose, so that no segment of it is right.
    assert all(moved) or (name == "thinking-prose" and all(line["reward"] == 0 for line in lines)), lines


FAR = dataclasses.replace(EASY, world="school")  # of whose nouns the tokenizer has learned none


LACKING = {
    "roles of words": (Pretrain(**COMMON | {"data": FAR}, without=("arithmetic",)), "splits words"),
    **{name: (STAGES[name], "must be one token each") for name in ("coldstart", "rlp", "rmt", "annotate", "thinking")},
}


@pytest.mark.parametrize("stage, sentence", LACKING.values(), ids=LACKING)
def test_what_a_model_lacks_is_said(stage, sentence, hub):
    # Mutant: a stage that goes on without what it needs, or fails deep inside.
    learner = HF(hub).build(0)
    before = [weight.clone() for weight in learner.parameters()]
    with pytest.raises(ValueError, match=sentence):
        train(learner, stage, 3, references={"annotator": frozen(learner)})
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), before, strict=True))


def test_prompts_of_rollouts_are_chats(hub):
    # Mutant: rollouts of a chat model from bare questions.
    from interlude.models.rollouts import rollouts

    chat = HF(hub, chat=True).build(0)
    (group,) = rollouts(STAGES["rl"], chat, 3, 0, [0], 0)
    assert group.prompt == chat.encode_prompt(group.problem.question)


# Saving


def test_tied_weights_are_saved_once(hub, lm):
    # Mutants: both names saved, which safetensors refuses; the second forgotten on loading; names not checked.
    state = lm.state_dict()
    assert "network.model.embed_tokens.weight" in state and "network.lm_head.weight" not in state
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    other = HF(hub, thoughts=True).build(0)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(1)
    other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(lm.parameters(), other.parameters(), strict=True))
    head, table = (other.causal.get_output_embeddings().weight, other.causal.get_input_embeddings().weight)
    assert head.data_ptr() == table.data_ptr()
    copy = frozen(other).causal
    assert copy.get_output_embeddings().weight.data_ptr() == copy.get_input_embeddings().weight.data_ptr()
    for wrong in (state | {"more": torch.zeros(1)}, dict(list(state.items())[1:])):
        with pytest.raises(RuntimeError, match="is missing or superfluous"):
            other.load_state_dict(wrong)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("model", ({}, {"dtype": "bfloat16"}, {"lora": 2}, {"thoughts": True, "chat": True}), ids=str)
def test_a_run_is_resumed_and_found_again(model, hub, runs):
    # Mutants: tied weights, masters or adapters that are lost in a save; a model of other adapters at the second stage.
    if "lora" in model:
        pytest.importorskip("peft")
    stage = SFT(**COMMON | {"steps": 4})
    base = Recipe(HF(hub, **model))
    whole = train_or_load(base + stage)
    again = (base + stage).folder
    assert again.is_dir() and (again / "model.safetensors").exists() and not (again / "state.safetensors").exists()
    shutil.rmtree(again)

    def stop(recipe, share, line):
        if share == 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_or_load(base + stage, NEVER, stop)
    resumed = train_or_load(base + stage, NEVER)
    loaded = train_or_load(base + stage)
    assert len((again / "log.jsonl").read_text().splitlines()) == 4
    for a, b, c in zip(whole.parameters(), resumed.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)
    two = train_or_load(base + stage + dataclasses.replace(stage, steps=1))
    assert any(not torch.equal(a, b) for a, b in zip(whole.parameters(), two.parameters(), strict=True))


# Numbers


def test_bfloat16_weights_have_float32_masters(hub):
    # Mutants: steps taken on bfloat16 weights, most of which do not move then; masters not copied back; not saved.
    optim = Optim(kind="adamw", other_lr=1e-5, warmup=0, schedule="constant")
    shares = {}
    for dtype in ("float32", "bfloat16"):
        lm = HF(hub, dtype=dtype).build(0)
        optimiser = make(optim, lm)
        before = {name: weight.detach().float().clone() for name, weight in optimiser.moved.items()}
        models = StageModels(lm)
        for step in range(20):
            SFT(**COMMON).loss(models, SFT(**COMMON).collect(models, 0, step, range(4))).backward()
            optimiser.step(1.0)
            optimiser.zero_grad()
        moved = sum(int((optimiser.moved[name] != before[name]).sum()) for name in before)
        shares[dtype] = moved / sum(weight.numel() for weight in before.values())
        assert all(weight.dtype == torch.float32 for weight in optimiser.moved.values())
        for name, weight in lm.named_parameters():
            assert torch.equal(weight, optimiser.moved[name].to(weight.dtype))
    assert shares["bfloat16"] > 0.95 * shares["float32"] > 0.5
    twin = make(optim, HF(hub, dtype="bfloat16").build(0))
    with pytest.raises(ValueError, match="master.* is missing"):
        twin.load_state_dict({k: v for k, v in optimiser.state_dict().items() if not k.startswith("master.")})
    twin.load_state_dict({k: v.clone() for k, v in optimiser.state_dict().items()})
    assert all(torch.equal(twin.masters[name], master) for name, master in optimiser.masters.items())


@pytest.mark.parametrize("family", ("Qwen3Moe", "Mixtral"))
def test_flops_of_a_mixture_are_those_of_the_experts_that_work(family, tmp_path):
    # Mutants: every expert counted, or none; the head counted as one of them.
    from torch.utils.flop_counter import FlopCounterMode

    reads = pretrained.tokenizer()
    sizes = {
        "vocab_size": len(reads), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64,
        "num_experts_per_tok": 2, "eos_token_id": reads.eos_token_id, "bos_token_id": None,
        "experts_implementation": "eager",
    }  # fmt: skip
    sizes |= {"moe_intermediate_size": 40, "num_experts": 8} if family == "Qwen3Moe" else {"num_local_experts": 8}
    config = getattr(transformers, f"{family}Config")(**sizes)
    lm = HFModel(getattr(transformers, f"{family}ForCausalLM")(config).eval(), reads)
    length = 24
    ids_BT = torch.randint(3, len(reads), (1, length), generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        lm(ids_BT)
    assert lm.flops(length, 0) == counter.get_total_flops()  # which does not count attention on CPU
    assert lm.flops(length, length * length) == lm.flops(length, 0) + 4 * 2 * 2 * 16 * length * length
    stacked = [weight for weight in lm.parameters() if weight.ndim == 3]
    assert stacked and not set(map(id, stacked)) & {id(lm.get_parameter(name)) for name in lm.matrices()}
    lm.causal.config.num_experts_per_tok = 0
    with pytest.raises(ValueError, match="its config does not say how many experts"):
        lm.flops(1, 1)


def test_activations_computed_again_give_the_same_gradients(hub):
    # Mutants: nothing computed again; other gradients; a setting that stays with the weights' key.
    weights, calls = [], []
    for again in (False, True):
        learner = HF(hub).build(0)
        calls.append([])
        learner.body.layers[0].mlp.register_forward_pre_hook(lambda *_, seen=calls[-1]: seen.append(1))
        train(learner, STAGES["sft"], 3, Machine(save_every=1e9, recompute=again))
        weights.append(learner.state_dict())
    assert len(calls[1]) == 2 * len(calls[0])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    own = GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32).build(0)
    with pytest.raises(ValueError, match="Machine.recompute is for models of transformers, not for a GPTModel"):
        train(own, STAGES["sft"], 0, Machine(recompute=True))


def test_logits_of_large_vocabularies_fit(monkeypatch):
    # Mutants: one forward pass of 65,536 tokens times 151,936 logits on a GPU; a limit that a user's own is cut to.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    card = Machine("cuda")
    assert card.pass_tokens(120) == card.most_tokens == 65_536
    assert 2000 < card.pass_tokens(151_936) < 4000 and card.pass_tokens(2**40) == 1
    assert Machine("cuda", micro_tokens=9000).pass_tokens(151_936) == 9000
    assert Machine().pass_tokens(151_936) == Machine().most_tokens


# Prompts that are read once


def test_equal_prompts_are_read_once(lm):
    # Mutants: every row of a group read; rows that take another prompt's keys and values.
    seen = []
    hook = lm.body.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    prompts = [lm.encode_prompt(EASY.problem("once", n).question) for n in (0, 1, 0, 2, 1, 0)]
    streams = np.stack([uniforms("once", n, n=20) for n in range(6)])
    params = SamplingParams(max_new_tokens=20)
    together = lm.sample(prompts, streams, params)
    hook.remove()
    assert seen[0] == (3, max(map(len, prompts))) and seen[1] == (6, 1)
    alone = [lm.sample([p], s[None], params).ids[0] for p, s in zip(prompts, streams, strict=True)]
    assert together.ids == alone


# Adapters

quietly = pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers for an old name


@quietly
def test_adapters_alone_are_trained_and_saved(hub):
    # Mutants: base weights trained or saved; the head without adapters called wrongly; a seed that draws nothing.
    pytest.importorskip("peft")
    lm, raw = HF(hub, lora=4).build(0), HF(hub).build(0)
    question = raw.encode_prompt(EASY.problem("lora", 0).question)
    with torch.no_grad():
        assert torch.allclose(lm(torch.tensor([question])), raw(torch.tensor([question])), atol=1e-5)
    assert lm.state_dict() and all("lora_" in name for name in lm.state_dict())
    before = {name: weight.detach().clone() for name, weight in lm.named_parameters()}
    train(lm, STAGES["sft"], 3)
    train(lm, STAGES["grpo"], 3)
    for name, weight in lm.named_parameters():
        assert torch.equal(weight, before[name]) != ("lora_" in name)
    streams = uniforms("lora", n=20)[None]
    found = lm.sample([question], streams, SamplingParams(max_new_tokens=20))
    with torch.no_grad():
        logp_TV = torch.log_softmax(lm(torch.tensor([question + found.ids[0]]))[0], -1)
    forced = [logp_TV[len(question) - 1 + t, token].item() for t, token in enumerate(found.ids[0])]
    assert found.logprobs[0] == pytest.approx(forced, abs=1e-4)
    drawn = [HF(hub, lora=4).build(seed).state_dict() for seed in (0, 0, 1)]
    same = [all(torch.equal(drawn[0][name], other[name]) for name in other) for other in drawn[1:]]
    assert same == [True, False]


@quietly
def test_adapters_that_learn_a_prompt_are_refused(hub):
    # Mutant: an AttributeError, or logits shifted by the prompt.
    peft = pytest.importorskip("peft")
    raw = HF(hub).build(0)
    network = peft.get_peft_model(raw.network, peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(ValueError, match="learn a prompt are not supported"):
        HFModel(network, raw.tokenizer)
    with pytest.raises(ValueError, match="HF.lora must be a rank"):
        HF(hub, lora=-1)


def test_the_fixture_is_what_it_is_for(hub, lm):
    # Mutant: a fixture whose tokenizer joins whole words only, or whose tables are not tied: it would test nothing.
    config = json.loads((Path(hub) / "config.json").read_text())
    assert config["tie_word_embeddings"] and config["model_type"] == "qwen2"
    assert lm.encode("bears") != lm.encode(" bears") and lm.encode("\n") and lm.end != lm.pad
    problems = [EASY.problem("t", n) for n in range(32)]
    streams = np.stack([uniforms("s", n, n=40) for n in range(32)])
    found = lm.sample([lm.encode_prompt(p.question) for p in problems], streams, SamplingParams(max_new_tokens=40))
    right = [verify(p, lm.decode(ids)).strict for p, ids in zip(problems, found.ids, strict=True)]
    assert 0.2 < np.mean(right) < 1
