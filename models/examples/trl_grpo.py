"""TRL's GRPOTrainer on our problems, rewarded by our verifier: python -m interlude.models.examples.trl_grpo."""

from __future__ import annotations

import argparse
import functools

from interlude.models.hf import HF
from interlude.synth.export import LEVELS, reward, trl
from interlude.synth.source import Source


def main(words: list[str] | None = None, source: Source | None = None):
    """Train, save to the folder OUT, and return the trainer. source: problems other than the options ask for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("model", help="a folder or hub name")
    asked.add_argument("out", help="folder of the trained model")
    asked.add_argument("--ops", type=int, nargs=2, default=(1, 2), help="fewest and most operations")
    asked.add_argument("--dialect", default="prose")
    asked.add_argument("--modulus", type=int, help="a prime (default: plain integers)")
    asked.add_argument("--level", default="strict", choices=LEVELS, help="what is paid")
    asked.add_argument("--conversational", action="store_true", help="ask in the model's chat template")
    asked.add_argument("--rows", type=int, default=64)
    asked.add_argument("--steps", type=int, default=2)
    asked.add_argument("--cpu", action="store_true")
    args = asked.parse_args(words)

    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    source = source or Source(ops=tuple(args.ops), dialect=args.dialect, modulus=args.modulus)
    tokenizer = HF(args.model).tokenizer()  # as the folder declares it, whatever AutoTokenizer makes of its family
    trainer = GRPOTrainer(
        model=args.model,
        # A completion ended if its tokens hold the end token, whether or not TRL leaves it in the text.
        reward_funcs=functools.wraps(reward)(
            functools.partial(reward, level=args.level, end_id=tokenizer.eos_token_id)
        ),
        args=GRPOConfig(
            output_dir=args.out, max_steps=args.steps, num_generations=4, per_device_train_batch_size=8,
            max_completion_length=40 * args.ops[1] + 24, use_cpu=args.cpu, bf16=not args.cpu, report_to="none",
            save_strategy="no", logging_steps=1, learning_rate=1e-6,
        ),
        train_dataset=Dataset.from_list(list(trl(source, args.rows, conversational=args.conversational))),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    trainer.save_model(args.out)
    return trainer


if __name__ == "__main__":
    main()
