"""The export command: a model for transformers, or problems for TRL, verl, lm-eval and reasoning-gym."""

from __future__ import annotations

from pathlib import Path

from interlude.studies.cli.look import ASKED, described_by
from interlude.studies.console import print_json
from interlude.studies.find import DEFAULT_SCALE, StudySpec, the_study
from interlude.studies.refusal import Refused, meant
from interlude.synth.export import trl, verl, write_rows
from interlude.synth.lm_eval import lm_eval

HF = ("hf",)
PROBLEMS = ("trl", "verl", "lm-eval", "reasoning-gym")
# Options that only some forms use: these forms, and the option's default.
ONLY = {
    "study": (HF, None), "arm": (HF, None), "seed": (HF, 0), "scale": (HF, DEFAULT_SCALE),
    "ops": (PROBLEMS, (1, 4)), "world": (PROBLEMS, "zoo"), "mode": (PROBLEMS, "forward"),
    "dialect": (PROBLEMS, "terse"), "modulus": (PROBLEMS, 7), "split": (PROBLEMS, "train"),
    "problems": (PROBLEMS, 1000), "conversational": (("trl",), False), "max_new_tokens": (("lm-eval",), 256),
}  # fmt: skip
REWARD = "synth/export.py"  # verl loads compute_score from this file


def export_(args, screen) -> None:
    """Write ``args.out`` for the library ``args.form``, and print how to use it."""
    for name, (forms, default) in ONLY.items():
        if args.form not in forms and getattr(args, name) != default:
            raise Refused(f"--{name.replace('_', '-')} is only for {', '.join(forms)}, and would change nothing here")
    done = model(args) if args.form == "hf" else problems(args)
    if args.json:
        return print_json(done)
    screen.print(f"{done['wrote']}\n{done['use']}", markup=False, soft_wrap=True)


def model(args) -> dict:
    """Writes the trained model of an arm as a folder that transformers loads."""
    from interlude.studies.run import load

    if args.study is None:
        raise Refused("to export a model, give --study, --arm, --seed and --scale")
    study = the_study(StudySpec(args.study, args.scale))
    arms = {arm.name: arm for arm in study.arms}
    if args.arm is None:
        raise Refused(f"give --arm, one of {study.name}: {', '.join(arms)}")
    if args.arm not in arms:
        hint = meant(args.arm, arms) or f"; its arms: {', '.join(arms)}"
        raise Refused(f"{study.name} has no arm {args.arm!r}{hint}")
    recipe = arms[args.arm].recipe.with_seed(args.seed)
    if not recipe.finished:
        again = f"interlude run {args.study} --scale {args.scale} --arms '{args.arm}' --seeds {args.seed}"
        raise Refused(f"arm {args.arm!r} of {study.name} is not trained here with seed {args.seed}; run: {again}")
    save(load(recipe), args.out)
    use = f"AutoModelForCausalLM.from_pretrained({str(args.out)!r}), or HF({str(args.out)!r}) in a Recipe"
    return {"wrote": f"{args.out}: {args.arm} of {study.name} at {args.scale}, seed {args.seed}", "use": use}


def save(lm, folder: str | Path) -> None:
    """Saves a model as a folder for transformers; LoRA adapters are merged into the weights."""
    from interlude.models.gpt_network import GPTModel
    from interlude.models.hf_checkpoint import save_pretrained

    if isinstance(lm, GPTModel):
        return save_pretrained(lm, folder)
    whole = lm.network if lm.trained is None else lm.network.merge_and_unload()
    whole.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)


def problems(args) -> dict:
    """Writes problems or, for reasoning-gym, a module that registers their generator."""
    asked = {name: getattr(args, name) for name in ASKED}
    source = described_by(args, split=args.split)
    rows, out = args.problems, Path(args.out)
    if args.form == "reasoning-gym":
        if out.suffix != ".py":
            raise Refused(f"{out} must end in .py: for reasoning-gym a module is written")
        settings = asked | {"split": args.split, "size": rows}
        words = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        out.write_text(
            '"""The problems of interlude in reasoning-gym, as data."""\n\nimport reasoning_gym\n\n'
            f"import interlude.synth.gym  # noqa: F401  (registers them)\n\ndata = reasoning_gym.create_dataset"
            f'("interlude", {words})\n'
        )
        return {"wrote": f"{out}: {rows} problems", "use": "import it; data[0], data.score_answer(answer, data[0])"}
    if args.form == "lm-eval":
        written = lm_eval(source, rows, out, max_new_tokens=args.max_new_tokens)
        use = f"lm_eval --model hf --model_args pretrained=MODEL --include_path {out} --tasks interlude"
        return {"wrote": f"{out}: {written} problems", "use": use}
    if args.form == "verl":
        written = write_rows(verl(source, rows, split=args.split), out)
        scored = Path(__file__).parents[2] / REWARD
        use = (
            f"data.train_files={out} reward.custom_reward_function.path={scored} "
            "reward.custom_reward_function.name=compute_score"
        )
        return {"wrote": f"{out}: {written} problems", "use": use}
    written = write_rows(trl(source, rows, conversational=args.conversational), out)
    use = "GRPOTrainer(reward_funcs=interlude.synth.export.reward), or SFTTrainer: see interlude/models/examples"
    return {"wrote": f"{out}: {written} problems", "use": use}
