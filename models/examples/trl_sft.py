"""TRL's SFTTrainer on our worked solutions: python -m interlude.models.examples.trl_sft."""

from __future__ import annotations

import argparse

from interlude.models.hf import HF
from interlude.synth.export import trl
from interlude.synth.source import Source


def main(words: list[str] | None = None, source: Source | None = None):
    """Train, save to the folder OUT, and return the trainer. source: problems other than the options ask for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("model", help="a folder or hub name")
    asked.add_argument("out", help="folder of the trained model")
    asked.add_argument("--ops", type=int, nargs=2, default=(1, 2), help="fewest and most operations")
    asked.add_argument("--dialect", default="prose")
    asked.add_argument("--modulus", type=int, help="a prime (default: plain integers)")
    asked.add_argument("--conversational", action="store_true", help="ask in the model's chat template")
    asked.add_argument("--rows", type=int, default=64)
    asked.add_argument("--steps", type=int, default=2)
    asked.add_argument("--cpu", action="store_true")
    args = asked.parse_args(words)

    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    source = source or Source(ops=tuple(args.ops), dialect=args.dialect, modulus=args.modulus)
    trainer = SFTTrainer(
        model=args.model,
        args=SFTConfig(
            output_dir=args.out, max_steps=args.steps, per_device_train_batch_size=8, max_length=1024,
            use_cpu=args.cpu, bf16=not args.cpu, report_to="none", save_strategy="no", logging_steps=1,
            learning_rate=1e-4,
        ),
        train_dataset=Dataset.from_list(list(trl(source, args.rows, conversational=args.conversational))),
        processing_class=HF(args.model).tokenizer(),
    )  # fmt: skip
    trainer.train()
    trainer.save_model(args.out)
    return trainer


if __name__ == "__main__":
    main()
