"""A small model as one finds them on a hub: byte-level BPE that keeps whitespace, tied and padded embeddings, its own
end, padding and chat template."""

from __future__ import annotations

from pathlib import Path

import torch

from interlude.models.optim import Optim
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
GAPS = Source(ops=(2, 2), modulus=3, names=6, skip_prob=1.0)
COMMON = {"steps": 2, "batch_size": 4, "optim": Optim(kind="adamw", other_lr=1e-3, warmup=0), "data": EASY}
END, PAD = "<|im_end|>", "<|endoftext|>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PADDED = 448  # rows of the embeddings: more than the tokenizer has tokens


def tokenizer(vocab_size: int = 400, template: str | None = CHAT):
    """Byte-level BPE learned from problems of both dialects."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    texts = []
    for n in range(60):
        for dialect in ("terse", "prose"):
            problem = Source(ops=(1, 2), modulus=3, names=6, dialect=dialect).problem("corpus", n)
            texts += [f"{problem.question}\n{problem.solution.removesuffix(' <end>')}"]
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, "<|im_start|>", END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=learned, eos_token=END, pad_token=PAD, chat_template=template, model_max_length=512
    )


def save_model(folder, seed: int = 0, padded: int = PADDED, vocab_size: int = 400, **more) -> str:
    """A random Qwen2 with tied embeddings and this tokenizer, saved as transformers saves models."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    reads = tokenizer(vocab_size)
    config = Qwen2Config(
        vocab_size=padded, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, tie_word_embeddings=True,
        eos_token_id=reads.eos_token_id, pad_token_id=reads.pad_token_id, bos_token_id=None, **more,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        Qwen2ForCausalLM(config).save_pretrained(folder)
    reads.save_pretrained(folder)
    return str(folder)


class Pairs:
    """A task of fixed questions and responses, and an answer that is right wherever it stands in a box."""

    capabilities = frozenset({"solutions"})
    title = "pairs"

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def problem(self, *path):
        from interlude.synth.rng import below, rng
        from interlude.synth.tasks import Question

        question, solution = self.pairs[below(rng("pairs", *path), len(self.pairs))]
        return Question(question, f"{solution} <end>", lambda text: text == solution, solution)


def taught(folder, pairs: list[tuple[str, str]], steps: int = 150, **model) -> str:
    """The folder of a model that has learned these pairs of question and response by heart."""
    from interlude.models.hf import HF
    from interlude.models.optim import Optim
    from interlude.models.stages.sft import SFT
    from interlude.models.train import train

    lm = HF(save_model(folder), **model).build(0)
    optim = Optim(schedule="linear", floor=0.0)
    train(lm, SFT(steps=steps, batch_size=16, optim=optim, data=Pairs(pairs)), seed=0)
    lm.network.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return str(folder)


def learned(raw: Path) -> str:
    """Saves in ``raw``, by transformers, a model that has learned the easiest problems."""
    from interlude.models.hf import HF
    from interlude.models.optim import Optim
    from interlude.models.stages.sft import SFT
    from interlude.models.train import train

    lm = HF(save_model(raw)).build(0)
    train(lm, SFT(steps=200, batch_size=32, optim=Optim(schedule="linear", floor=0.0), data=EASY), seed=0)
    lm.network.save_pretrained(raw)
    return str(raw)
