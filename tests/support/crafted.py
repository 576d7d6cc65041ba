"""Rows of a results table whose every score is known beforehand, for tests of what shows them."""

from __future__ import annotations

import math

import numpy as np

from interlude.studies import results

# Cells of what is recorded of a run and not of an exam.
UNRECORDED = {"rollouts": 0.0, "paper_tokens": 500.0, "machine": "", "kernels": ""}
UNRECORDED |= dict.fromkeys(("lr_sum", "rows", "distinct"), math.nan)
ARMS = ("pre-training", "RL", "mid-training", "mid-training + RL")


DEEPER = 3  # operations beyond ``ability`` at which half is solved, so that the edge of nano has room on both sides


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
    about = {
        "arm": arm,
        "seed": seed,
        "exam": f"{world}-ops{ops}",
        "kind": "exact",
        "world": world,
        "mode": "forward",
    }
    sampled = {
        "process": math.nan,
        "response_tokens": math.nan,
        "thought_tokens": math.nan,
    }
    cost = {"tokens": 1000, "flops": 9e12, "arm_flops": 7e12 if nth else 2e12, "rollout_flops": 1e12, "seconds": 60.0}
    return {
        **about, "ops": str(ops), "problems": len(logp), "guess_floor": 0.25, "samples": 0,
        "logp": results.cell(logp, 4), **nats, **sampled, **cost, **UNRECORDED, "key": f"{nth}{seed}",
        "exam_key": "", "structures": len(logp),
    }  # fmt: skip


def sampled_row(arm: str, seed: int) -> dict:
    """Four problems, eight responses each; half of the responses have the right answer, an eighth is strict."""
    made = row(arm, 1, seed, "zoo", 3, np.full(4, -1.0))
    empty = {f"{role}_nats": math.nan for role in results.ROLES}
    counts = {"strict": "1 1 1 1", "correct": "4 4 4 4", "process": 0.5, "response_tokens": 20.0, "thought_tokens": 0.0}
    return made | empty | counts | {"exam": "zoo-sampled3", "kind": "sampled", "samples": 8, "logp": ""}


def study_rows(
    ability: dict,
    seeds=(10, 11, 12),
    problems=5,
    worlds=("zoo",),
    top=11,
    similar=False,
    banded=False,
    hard=False,
    stepped=False,
) -> list[dict]:
    """Rows as an Interplay study has them: exact exams by operations, a sampled one and a divergence.

    ability: for each arm the operations at which it solves half of what it is asked. Log-probabilities fall by two nats
    an operation beyond the first, problems differ by a little and seeds by less, so that any difference of ability
    shows in an interval over seeds.
    """
    made = []
    for nth, (arm, reach) in enumerate(ability.items()):
        part = 0.5 if "half" in arm else 1.0
        cost = {"arm_flops": 6e12 * part, "paper_tokens": 1e6 * part * (1 + nth % 5), "tokens": 1000 * (1 + nth)}
        for s, seed in enumerate(seeds):
            for w, world in enumerate(worlds):
                for ops in range(1, top + 1):
                    logp = -0.7 - 2.0 * (ops - DEEPER - reach + 0.05 * s + w) - np.linspace(-0.3, 0.3, problems)
                    each = row(arm, nth, seed, world, ops, np.minimum(logp, -1e-3))
                    like = results.cell(np.linspace(0.4, 0.999, problems) - 0.02 * ops, 4)
                    told = {f"{n}": (n + nth + s) / 8 for n in range(1, ops + 1)} | {"stop": 0.5}
                    by_step = {"planning_by_step": " ".join(f"{n}:{nats:.4f}" for n, nats in told.items())}
                    made.append(each | ({"similarity": like} if similar else {}) | (by_step if stepped else {}))
            right = min(8, max(0, round(2 * reach) - 7))
            counts = {"strict": f"{right} " * 3 + f"{right}", "correct": " ".join([str(min(8, right + 2))] * 4)}
            faults = {"faults": f"operand:{3 * (9 - right) + s} missing:{9 - right}"}
            made.append(sampled_row(arm, seed) | counts | faults | {"exam": "zoo-edge-sampled", "ops": "5-6"})
            if hard:
                made.append(made[-1] | {"exam": "zoo-hard-sampled", "ops": "7-8"})
            easy = " ".join(str(min(8, max(0, round(reach) + 2 + nth % 2 - n))) for n in range(4))
            if banded:
                about = {"exam": "zoo-band-sampled", "ops": "1-4", "strict": easy, "correct": easy}
                made.append(sampled_row(arm, seed) | about)
                made[-2]["samples"] = 16
                rare = {"exam": "school-edge-sampled", "world": "school", "strict": f"{right // 2} " * 3 + "0"}
                made.append(made[-2] | rare)
                made.append(made[-3] | {"exam": "zoo-edge-sampled-answer", "strict": f"{right // 3} " * 3 + "1"})
            for exam, scale in (("edge-kl", 1.0), ("band-kl", 0.2)):
                nats = results.cell(np.full(problems, scale * (nth + 0.1 * s)), 6)
                about = {"exam": exam, "kind": "divergence", "ops": "5-6", "logp": "", "divergence": nats}
                made.append(row(arm, nth, seed, "zoo", 5, np.full(problems, -1.0)) | about)
            made = [each | cost if (each["arm"], each["seed"]) == (arm, seed) else each for each in made]
    return made


UNTHOUGHT = dict.fromkeys(("thought_tokens", "budget", "closed", "match", "plain"), math.nan) | dict.fromkeys(
    ("drawn", "matched", "foreseen"), ""
)


def thought_rows(arms, seeds=(10, 11, 12), points=20) -> list[dict]:
    """Training curves of stages that think, before those of RL: matches rise from a fifth to three fifths, easy tiers
    and later arms above others; thoughts shorten from 60 tokens, and only "RPT" and "no budget" have no budget."""
    made = []
    for point in curve_rows(arms, seeds, points, stages=(5,)):
        nth, bare = arms.index(point["arm"]), point["arm"] in ("RPT", "no budget")
        solved = {
            k: 5 + 20 * point["share"] + nth - 2 * n
            for n, k in enumerate(("easy", "medium", "hard", "inferred", "copy"))
        }
        if point["arm"] == "RPT":
            del solved["easy"], solved["medium"]
        about = {"thought_tokens": 60 - 40 * point["share"] + point["seed"] - 10, "budget": math.nan if bare else 60.0}
        about |= dict.fromkeys(("strict", "answer", "process", "response_tokens"), math.nan)
        cells = {
            "drawn": dict.fromkeys(solved, 50),
            "matched": solved,
            "foreseen": {k: v / 2 for k, v in solved.items()},
        }
        about |= {name: " ".join(f"{k}:{v:.2f}" for k, v in cell.items()) for name, cell in cells.items()}
        made.append(point | {"closed": 0.9, "match": 0.5, "plain": 0.4} | about)
    return made + curve_rows([f"{arm} + RL" for arm in arms], seeds)


def curve_rows(arms, seeds=(10, 11, 12), points=8, stages=(4,)) -> list[dict]:
    """Training curves whose reward rises from .2 to .6, but stays at .2 for an arm called beyond."""
    return [
        {
            "arm": arm, "seed": seed, "stage": stage, "step": 3 * n + 3, "share": (n + 1) / points,
            "reward": 0.2 + 0.01 * s + (0.0 if "beyond" in arm else 0.4 * (n + 1) / points),
            "strict": 0.2, "answer": 0.4, "process": 0.5, "response_tokens": 60.0 + n + s, "zero_variance": 0.5,
            "loss": 0.1, "key": f"{arm}{seed}"[:16], "weights": "", **UNTHOUGHT,
        }
        for arm in arms for s, seed in enumerate(seeds) for stage in stages for n in range(points)
    ]  # fmt: skip


def thinking_rows(arms, seeds=(10, 11, 12), shift=0.0) -> list[dict]:
    """Rows as the study of thinking has them: responses that may think, and segments after each kind of thought, the
    likelier the later an arm comes, and the own thought's by far."""
    made = []
    for nth, arm in enumerate(arms):
        for s, seed in enumerate(seeds):
            right = min(8, nth // 4 + s)
            counts = {"strict": f"{right} " * 3 + "0", "correct": "8 8 8 8"}
            made.append(sampled_row(arm, seed) | counts | {"exam": "zoo-edge-sampled", "ops": "5-6"})
            for each, thought in enumerate(("own", "empty", "shuffled", "other")):
                logp = -np.linspace(1.0, 2.0, 4) - 3.0 * (each > 0) - 0.2 * each - 0.1 * s + 0.02 * nth + shift
                about = {"exam": f"thought-{thought}", "kind": "probe", "logp": results.cell(logp, 4), "ops": "5-6"}
                made.append(sampled_row(arm, seed) | about | {"strict": " ".join(["6" if each == 0 else "1"] * 4)})
    return made


def match_rows(arms, exams, seeds=(10, 11, 12), shift=0.0) -> list[dict]:
    """Rows of exams of next tokens: without a thought two texts differ and arms hardly do, with one later arms are
    above; the second exam is a tenth below the first."""
    made = []
    for nth, arm in enumerate(arms):
        for s, seed in enumerate(seeds):
            for each, exam in enumerate(exams):
                match = np.array([0.2, 0.4]) + 0.02 * nth + 0.01 * s - 0.1 * each + shift
                about = {"exam": exam, "kind": "match", "ops": "5-6", "problems": 2, "samples": 8, "logp": ""}
                cells = {"match": match, "plain": np.array([0.9, 0.7]) + 0.001 * nth, "closed": np.array([1.0, 0.5])}
                made.append(sampled_row(arm, seed) | about | {n: results.cell(v, 5) for n, v in cells.items()})
    return made


def telling_rows(arms, seeds=(10, 11, 12), shift=0.0) -> list[dict]:
    """Rows as the study of own solutions has them: 64 responses at the edge, and in how many ways eight tell a problem.
    The later an arm comes, the more is right and the more ways there are."""
    made = []
    for nth, arm in enumerate(arms):
        for s, seed in enumerate(seeds):
            counts = {"strict": f"{nth} {nth + s} 0 0", "correct": "64 64 64 0", "samples": 64}
            made.append(sampled_row(arm, seed) | counts | {"exam": "zoo-edge-sampled", "ops": "5-6"})
            ways = np.array([1.0, 2.0]) + 0.1 * nth + 0.01 * s + shift
            about = {"exam": "zoo-edge-diversity", "kind": "diversity", "ops": "5-6", "problems": 2, "samples": 8}
            about |= {"strict": "1 1", "correct": "8 2", "composed": f"{min(8, nth // 3 + s)} 1"}
            cells = {"vendi_runs": results.cell(ways + 3, 4), "vendi_approaches": results.cell(ways, 4)}
            made.append(sampled_row(arm, seed) | about | cells)
            counts = {"strict": f"{8 - nth // 4} 8 8 8", "exam": "zoo-band-sampled"}
            made.append(sampled_row(arm, seed) | counts)
            exact = {"exam": "zoo-edge-modes", "kind": "modes", "modes": results.cell(ways + 0.5, 4), "problems": 2}
            made.append(sampled_row(arm, seed) | exact | {"strict": "", "masses": "levels:0.2 plain:0.5"})
    return made


def weight_rows(arms, seeds=(10, 11, 12), points=8) -> list[dict]:
    """Training curves of a stage that weighs tokens: no rewards, one role is not seen at every point, and another
    weighs more before the last quarter."""
    nothing = dict.fromkeys(("reward", "strict", "answer", "process", "response_tokens", "zero_variance"), math.nan)

    def planning(row: dict) -> float:
        return 1.1 + 0.01 * seeds.index(row["seed"]) + 0.3 * (row["share"] <= 0.75)

    return [
        row
        | nothing
        | {"weights": f"planning:{planning(row):.6f} format:0.900000" + " answer:1.050000" * (row["step"] % 2)}
        for seed in seeds
        for row in curve_rows(arms, (seed,), points)
    ]


def forced_rows(arm: str, seeds, less: float = 0.0) -> list[dict]:
    """Rows of two exams of forced nouns with one problem each, of two places and of three; each later seed's
    probabilities are 0.1 less."""
    made = []
    for nth, seed in enumerate(seeds):
        for exam, places in (("zoo-forced2", (0.9, 0.5)), ("zoo-forced3", (0.7, 0.3, 0.1))):
            told = "/".join(f"{p - less - 0.1 * nth:.4f}" for p in places)
            about = {"exam": exam, "kind": "forced", "ops": exam[-1], "logp": "", "operands": told}
            made.append(row(arm, 0, seed, "zoo", 2, np.full(1, -1.0)) | about)
    return made
