"""The command line: list, plan, run and show studies, write reports, and inspect problems, verdicts and data."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# Intervals multiply thousands of tiny matrices: threads would only wait for each other. Read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from interlude.studies import console as show_
from interlude.studies.find import DEFAULT_SCALE, SCALE_NAMES
from interlude.studies.refusal import expected, sentence
from interlude.synth.solution_style import APPROACHES, DIALECTS, PLAIN
from interlude.synth.source import MODES, SPLITS

FORMS = ("hf", "trl", "verl", "lm-eval", "reasoning-gym")
EXECUTORS = ("ray", "slurm", "local-submitit")
MOST_SEEDS = 10_000  # of one range: a larger one is a slip of the keyboard
CARDS = ("b200", "h200", "h100", "a100", "l40s", "4090")  # of studies.price, which loads torch


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str):
        """Ends with one sentence and exit code 2, without the usage."""
        surplus = message.removeprefix("unrecognized arguments: ")
        if surplus != message and surplus.replace(" ", "").isdigit():
            message += " (if these are seeds: --seeds takes one list such as 1,2,3 or 1-3)"
        self.exit(2, f"interlude: {message}; see {self.prog} --help\n")


def seeds(text: str) -> tuple[int, ...]:
    """Different non-negative integers and ranges of them, such as "0,1,2", "0-2" or "0-2,7"."""
    found: list[int] = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        numbers = (low, high) if dash else (low,)
        if not all(each.isascii() and each.isdigit() for each in numbers) or int(numbers[-1]) - int(low) >= MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"must be non-negative integers such as 0,1,2 or 0-2,7, got {text!r}")
        found += range(int(low), int(numbers[-1]) + 1)
    if not found or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(
            f"must be different non-negative integers such as 0,1,2 or 0-2,7, got {text!r}"
        )
    return tuple(found)


def span(text: str) -> tuple[int, int]:
    """A number or a range, such as "4" or "2-5", as (low, high)."""
    low, _, high = text.partition("-")
    if not low.isdigit() or (high and not high.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a number such as 4 or a range such as 2-5, got {text!r}")
    return int(low), int(high or low)


def modulus(text: str) -> int | None:
    """An integer, or None for "none"."""
    if text != "none" and not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a prime or none, got {text!r}")
    return None if text == "none" else int(text)


def natural(text: str) -> int:
    """A non-negative integer."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a non-negative integer, got {text!r}")
    return int(text)


def positive(text: str) -> int:
    """A positive integer."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return int(text)


def parts(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(text.split(","))


def cards(text: str) -> tuple[str, ...]:
    """Names of GPUs separated by commas, in lower case; each must be known."""
    names = tuple(text.lower().split(","))
    if not set(names) <= set(CARDS):
        raise argparse.ArgumentTypeError(f"must be among {', '.join(CARDS)}, got {text!r}")
    return names


def parser() -> Parser:
    """Every command and option; a test holds the list."""
    root = Parser(prog="interlude", description=__doc__, allow_abbrev=False)
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, do: str, about_: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about_, description=about_, allow_abbrev=False)
        made.set_defaults(do=do)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    def scaled(made, default: str | None = DEFAULT_SCALE, otherwise: str = "all") -> None:
        made.add_argument(
            "--scale",
            default=default,
            help=f"{', '.join(SCALE_NAMES)}, smollm2-Nmin or FILE.py:NAME (default: {default or otherwise})",
        )

    own = f"the study's, mostly {DEFAULT_SCALE}"

    def sourced(made, ops: tuple[int, int] | None) -> None:
        made.add_argument("--ops", type=span, default=ops, help="operations, such as 4 or 2-5")
        made.add_argument("--world", default="zoo", help="the set of nouns of a problem (default: zoo)")
        made.add_argument("--mode", default="forward", choices=MODES)
        made.add_argument("--dialect", default="terse", choices=DIALECTS)
        made.add_argument("--modulus", type=modulus, default=7, help="a prime, or none for plain integers")

    made = add("list", "look:list_", "list every study with its question and how many runs its tables contain")
    scaled(made, None)
    made.add_argument("--runs", action="store_true", help="also count the runs done on this machine (takes seconds)")
    for name, do, about_ in (
        ("plan", "runs:plan_", "print the runs of a study and what they cost, without running them"),
        ("run", "runs:run_", "train and evaluate the missing runs of a study"),
    ):
        made = add(name, do, about_)
        made.add_argument("study", help="a name, or a file that defines study(scale)")
        scaled(made, None, own)
        made.add_argument("--seeds", type=seeds, help="such as 0,1,2 or 0-2 (default: the study's)")
        made.add_argument(
            "--arms", type=parts, help="such as 'RL,mid*'; write ? for a comma in a name (default: the study's)"
        )
        if name == "plan":
            made.add_argument("--on", type=cards, help=f"estimate hours on GPUs, such as h100,a100: {', '.join(CARDS)}")
            made.add_argument("--dry-run", action="store_true", help="measure one step of every stage at its real size")
            made.add_argument("--device", help="of --dry-run: cpu, cuda or cuda:N (default: cpu)")
            made.add_argument("--threads", type=positive, help="of --dry-run: CPU threads")
        else:
            made.add_argument("--threads", type=positive, help="CPU threads per process")
        if name == "run":
            made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
            made.add_argument(
                "--workers", type=positive, help="processes that share the runs (default: as many as fit)"
            )
            made.add_argument("--executor", choices=EXECUTORS, help="where to do the runs (default: on this machine)")
            made.add_argument("--address", help="address of a Ray cluster (default: $RAY_ADDRESS, or one started here)")
            made.add_argument("--partition", help="Slurm partition")
            made.add_argument("--minutes", type=positive, help="time limit of a job of submitit (default: 720)")
    made = add(
        "reproduce", "reproduce:reproduce", "print what the study of a figure costs, run it, and draw the figure"
    )
    made.add_argument("figure", help="a name that `list` prints, such as interplay_fig03_edge")
    made.add_argument("--seeds", type=seeds, help="such as 0,1,2 or 0-2 (default: the study's)")
    made.add_argument("--workers", type=positive, help="processes that share the runs (default: as many as fit)")
    made.add_argument("--out", default="reproduced", help="folder of your table and figure (default: reproduced)")
    made.add_argument("--plan", action="store_true", help="only print the cost")
    made = add("leaderboard", "leaderboard:leaderboard", "print the leaderboard of mid-training methods, or try yours")
    made.add_argument("--method", metavar="FILE.py:NAME", help="your stage class, or function, to train and compare")
    scaled(made)
    made.add_argument("--all", action="store_true", help="every comparison of every method, with its verdict")
    made.add_argument("--seeds", type=seeds, help="of --method, such as 50,51 (default: the leaderboard's own)")
    made.add_argument("--plan", action="store_true", help="of --method: only print what it costs")
    made.add_argument("--device", help="of --method: cpu, cuda or cuda:N (default: cpu)")
    made.add_argument("--threads", type=positive, help="of --method: CPU threads")
    made = add("show", "read:show", "print a study's results with intervals, or the claims of a topic")
    made.add_argument("study", help="a study, or a topic for the claims of all its studies")
    made.add_argument("--all", action="store_true", help="all tables, not only those that answer the question")
    scaled(made, None, own)
    made = add("report", "read:report_", "write one HTML page about studies that have results")
    made.add_argument("study", nargs="*", help="studies or topics (default: all)")
    made.add_argument("--html", required=True, metavar="FILE")
    scaled(made, None, own)
    made = add("problem", "look:problem_", "print a problem, its solution and the role of each token")
    sourced(made, (4, 4))
    made.add_argument(
        "--approach",
        choices=(PLAIN, *APPROACHES),
        metavar="NAME",
        help=f"the approach of the solution: {', '.join(APPROACHES)}",
    )
    made.add_argument("--seed", type=natural, default=0)
    made = add("verify", "look:verify_", "judge responses: JSON lines of problem and response in, JSON lines out")
    made.add_argument("file", help="a JSON-lines file, or - for standard input")
    made = add("audit", "look:audit_", "report what the pre-training data and exams of a scale contain")
    scaled(made)
    sourced(made, None)
    made.add_argument("--problems", type=positive, default=2000)
    made = add("export", "export:export_", "write a trained model, or problems, for another library")
    made.add_argument("form", choices=FORMS, help="the library to write for (hf: a model; others: problems)")
    made.add_argument("out", help="a folder (hf, lm-eval) or a file (.parquet or .jsonl; reasoning-gym: .py)")
    made.add_argument("--study", help="hf: the study of the model")
    made.add_argument("--arm", help="hf: the arm of the study")
    made.add_argument("--seed", type=natural, default=0, help="hf: the seed of the arm (default: 0)")
    scaled(made)
    sourced(made, (1, 4))
    made.add_argument("--split", default="train", choices=SPLITS, help="training or held-out problems (default: train)")
    made.add_argument("--problems", type=positive, default=1000)
    made.add_argument("--conversational", action="store_true", help="trl: lists of messages, for a chat template")
    made.add_argument("--max-new-tokens", type=positive, default=256, help="lm-eval: longest response (default: 256)")
    made = add("bench", "bench:bench_", "measure speed on this machine, compared with transformers and TRL")
    scaled(made)
    made.add_argument("--only", type=parts, help="such as train,sample (default: problems,train,sample,rl,exam)")
    made.add_argument("--study", help="instead: compare one seed of this study with compiled kernels and with torch")
    made.add_argument("--busy", action="store_true", help="also print (marked) numbers measured on a busy machine")
    made.add_argument("--quick", action="store_true", help="fewer and shorter measurements, without torch.compile")
    made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    made.add_argument("--threads", type=positive, default=1, help="CPU threads (default: 1)")
    made.add_argument("--precision", default="float32", choices=("float32", "bfloat16"), help="number type of training")
    return root


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for an invalid request, 130 for Ctrl-C."""
    if sys.stdout is None:  # the caller has closed standard output
        sys.stdout = open(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    args = parser().parse_args(words)
    try:
        # Whatever loads torch is imported only by the command that needs it: a problem must not take seconds.
        module, _, name = args.do.partition(":")
        getattr(importlib.import_module(f"interlude.studies.cli.{module}"), name)(args, show_.console())
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reading process has ended
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if not expected(error):
            raise
        print(f"interlude: {sentence(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
