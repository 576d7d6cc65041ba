"""How often the verifier and the second opinion differ; in tests/support: ``python -m fuzz --mutants N --right N``."""

from __future__ import annotations

import argparse
import json
import sys

from .campaign import campaign


def main() -> None:
    """Print the counts and the first cases in which the two differ; exit with 1 if there is one."""
    parser = argparse.ArgumentParser(description="judge texts with synth.verify and with the second opinion")
    for name, what in (("mutants", "spoilt texts"), ("right", "right texts"), ("bytes", "arbitrary texts")):
        parser.add_argument(f"--{name}", type=int, default=10_000, help=f"how many {what}")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other problems and texts")
    args = parser.parse_args()
    total: dict[str, int] = {}
    bad: list = []
    parts = max(1, max(args.mutants, args.right, args.bytes) // 50_000)
    for part in range(parts):
        share = [n * (part + 1) // parts - n * part // parts for n in (args.mutants, args.right, args.bytes)]
        counts, more = campaign(*share, seed=args.seed * 1_000_003 + part)
        total = {name: total.get(name, 0) + count for name, count in counts.items()}
        bad += more
        print(json.dumps(total), flush=True)
        for case in more[:5]:
            print(case, flush=True)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
