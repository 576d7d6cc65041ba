"""Rows of a results table whose every score is known beforehand, for tests of what shows them."""

from __future__ import annotations

import math

import numpy as np

from studies import results

ARMS = ("pre-training", "RL", "mid-training", "mid-training + RL")


def rows(seeds=(0, 1), problems=6, worlds=("zoo", "school"), top=8, arms=ARMS) -> list[dict]:
    """Exact rows in which each later arm is half a nat better, whatever the problem, and seeds differ by a little."""
    made = []
    for nth, arm in enumerate(arms):
        for seed in seeds:
            for world in worlds:
                for ops in range(1, top + 1):
                    logp = -np.linspace(0.5, 1.0, problems) * ops - 0.01 * seed + 0.5 * nth - 2.0
                    made.append(row(arm, nth, seed, world, ops, np.minimum(logp, -1e-4)))
    return made


def row(arm: str, nth: int, seed: int, world: str, ops: int, logp: np.ndarray) -> dict:
    shares = dict.fromkeys(results.ROLES, 1 / 6) | {"answer": 0.0}
    nats = {f"{role}_nats": float(-logp.mean() * share) if share else math.nan for role, share in shares.items()}
    about = {"arm": arm, "seed": seed, "exam": f"{world}-ops{ops}", "kind": "exact", "context": world, "mode": "forward"}
    sampled = {"strict": "", "correct": "", "process": math.nan, "response_tokens": math.nan}
    cost = {"tokens": 1000, "flops": 9e12, "arm_flops": 7e12 if nth else 2e12, "rollout_flops": 1e12, "seconds": 60.0}
    return {
        **about, "ops": str(ops), "problems": len(logp), "guess_floor": 0.25, "samples": 0,
        "logp": results.cell(logp, 4), **nats, **sampled, **cost, "key": f"{nth}{seed}",
        "faults": "", "divergence": "", "similarity": "", "rollouts": 0.0, "paper_tokens": 500.0,
    }  # fmt: skip


def sampled_row(arm: str, seed: int) -> dict:
    """Four problems, eight responses each; half of the responses have the right answer, an eighth is strict."""
    made = row(arm, 1, seed, "zoo", 3, np.full(4, -1.0))
    empty = {f"{role}_nats": math.nan for role in results.ROLES}
    counts = {"strict": "1 1 1 1", "correct": "4 4 4 4", "process": 0.5, "response_tokens": 20.0}
    return made | empty | counts | {"exam": "zoo-sampled3", "kind": "sampled", "samples": 8, "logp": ""}
