"""Speed of a whole RL step (sample, judge, update), compared with TRL's GRPO trainer."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from interlude.models.bench.peer import missing, twin
from interlude.models.bench.report import Race
from interlude.models.bench.sample import full
from interlude.models.bench.timing import Side, race
from interlude.models.bench.workload import Setup, Workload, endless, kernels, no_native
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.optim import make
from interlude.models.policy_gradient import DR_GRPO
from interlude.models.rollouts import Reward
from interlude.models.stage import StageModels
from interlude.models.stages.rl import RL
from interlude.models.train import State, one_step
from interlude.synth.verify import Verdict, verify

TRL = "TRL's GRPOTrainer"


@dataclass(frozen=True)
class EveryOther(Reward):
    """Pays every other response, whatever its verdict: fresh weights solve nothing, and a group without differences
    teaches nothing and would cost nothing to learn from."""

    turn: Iterator[int] = field(default_factory=count)

    def of(self, verdict: Verdict, gold_steps: int) -> float:
        return float(next(self.turn) % 2)


def races(work: Workload, setup: Setup) -> Iterator[Race]:
    """One race: the objective (Dr. GRPO, no KL term), AdamW, one update a batch and the length of every response are
    the same on all sides, and each response is judged by our verifier."""
    size = setup.size
    stage = bench_stage(work, setup)
    sides, skipped = {}, {}
    reason = no_native(endless(work.model, setup.device), setup)
    for choice in ("native", "torch"):
        if choice == "native" and reason:
            skipped[f"ours, {choice} kernels"] = reason
        else:
            sides[f"ours, {choice} kernels"] = our_step(work, stage, choice, setup)
    if absent := missing("transformers", "trl", "datasets"):
        skipped[TRL] = f"{absent} (it comes with the extra [real])"
    else:
        sides[TRL] = trl_step(work, stage, setup)
    turns = race(sides, setup.clock, size.seconds, size.rounds, setup.threads)
    what = f"a step of {stage.batch_size} prompts, {size.group} responses each, {size.max_new_tokens} tokens a response"
    yield Race("rl", what, "responses/s", turns, setup.clock.load(), setup.device, (TRL,), skipped)


def bench_stage(work: Workload, setup: Setup) -> RL:
    """The workload's stage in the bench's shape, with AdamW."""
    size = setup.size
    return replace(
        work.rl,
        data=work.prompts,
        batch_size=size.batch // size.group,
        num_samples=size.group,
        max_new_tokens=size.max_new_tokens,
        objective=DR_GRPO,
        reward=EveryOther(),
        optim=replace(work.rl.optim, kind="adamw", weight_decay=0.0),
    )


def our_step(work: Workload, stage: RL, choice: str, setup: Setup) -> Side:
    """One step of the training loop a turn."""
    models = StageModels(endless(work.model, setup.device))
    # Not step 0, at which a stage asks for room for whole solutions: responses here are of one length, right or wrong.
    optimiser, state = make(stage.optim, models.learner, choice), State(kernels=choice, step=1)

    def step() -> float:
        with kernels(choice):
            line = one_step(models, stage, 0, state, optimiser, setup.machine, setup.precision, None)
        state.step += 1
        responses = round(line["rollouts"])
        return full(round(line["response_tokens"] * responses), responses, stage.max_new_tokens) / stage.max_new_tokens

    return step


def trl_step(work: Workload, stage: RL, setup: Setup) -> Side:
    """One step of TRL's trainer a turn, through its public ``train``."""
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast, PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    model = work.model.build(0)
    problems = [stage.data.problem("bench", row) for row in range(stage.batch_size)]
    rows = stage.batch_size * stage.num_samples
    lengths: list[int] = []

    def reward(prompts, completions, completion_ids, row, **_) -> list[float]:
        lengths.extend(map(len, completion_ids))
        verdicts = [verify(problems[i], text) for i, text in zip(row, completions, strict=True)]
        return [stage.reward.of(verdict, len(problems[i].moves)) for i, verdict in zip(row, verdicts, strict=True)]

    # Only the tokenizer is read from the folder; nothing is saved.
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about each other
        save_pretrained(model, folder)
        config = GRPOConfig(
            output_dir=folder,
            per_device_train_batch_size=rows,
            num_generations=stage.num_samples,
            max_completion_length=stage.max_new_tokens,
            generation_kwargs={"min_new_tokens": stage.max_new_tokens},
            temperature=stage.temperature,
            top_k=0,
            top_p=stage.top_p,
            beta=0.0,
            loss_type="dr_grpo",
            scale_rewards="none",
            learning_rate=stage.optim.other_lr,
            lr_scheduler_type="constant",
            adam_beta1=stage.optim.betas[0],
            adam_beta2=stage.optim.betas[1],
            max_grad_norm=stage.optim.clip,
            optim="adamw_torch_fused",
            bf16=setup.precision == "bfloat16",
            gradient_checkpointing=False,  # it would compute every layer twice to save memory
            max_steps=1,
            use_cpu=setup.device == "cpu",
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model=twin(model),
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_list([{"prompt": p.question, "row": i} for i, p in enumerate(problems)]),
            processing_class=PreTrainedTokenizerFast.from_pretrained(folder),
        )

    trainer.remove_callback(PrinterCallback)  # it writes to standard output, where JSON may be wanted

    def step() -> float:
        lengths.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.train()
        return full(sum(lengths), rows, stage.max_new_tokens) / stage.max_new_tokens

    return step
