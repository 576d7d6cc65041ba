"""The numbers computed from a study's table: pooled scores, paired differences, and at which tokens solutions fail.

This is the only place where table rows become numbers (no torch); ``show``, pages, figures and verdicts use it. Axes: S
seeds, P problems. Intervals of one arm are bootstrap intervals over seeds and problems; intervals of a difference are
Student's t over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import numpy as np

from interlude.studies.results import ROLES, Results, by_depth, by_place, enough_structures, fault_counts, tallies
from interlude.studies.stats import Estimate, difference, exact_pass_at_k, interval, over_seeds, paired
from interlude.synth.verify import KINDS as FAULTS

Bands = dict[str, tuple[int, int]]  # name: (fewest, most operations)

KS = (1, 16, 128)
ATTEMPTS = tuple(round(10 ** (n / 2)) for n in range(13))  # k from 1 to 10^6, two per decade
COMMON = "zoo"  # the world that the models of every study know best
VISIBLE = 0.0005  # smaller values are printed as 0.000
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9999, 1.0001)  # of similarity to gold; the last bin holds equal graphs
UNLIKELY = (1 / 128, 1e-4, 1e-6)  # thresholds: share of newly solved problems with a smaller probability before
COSTS = (
    "tokens", "flops", "arm_flops", "rollout_flops", "seconds", "rollouts", "paper_tokens", "lr_sum",
    "rows", "distinct",
)  # fmt: skip


# --- which exams -----------------------------------------------------------------------------------------------------


def scored(row: dict) -> bool:
    """Whether pass@k can be computed from a row: an exact exam, or one with counts of correct responses."""
    return row["kind"] == "exact" or bool(row.get("strict", ""))


def exams_of(table: Results, arm: str) -> list[str]:
    """The exams of an arm that have a pass@k, in the order of the table."""
    return list(dict.fromkeys(row["exam"] for row in table.rows if row["arm"] == arm and scored(row)))


def of_kind(table: Results, arm: str, kind: str) -> list[str]:
    """The exams of an arm of one kind, in the order of the table."""
    return list(dict.fromkeys(row["exam"] for row in table.rows if row["arm"] == arm and row["kind"] == kind))


def groups(table: Results, arm: str, bands: Bands) -> list[tuple[dict, list[str]]]:
    """The exact exams of an arm that scores of bands rest on, by world, mode and band; ops: the fewest and most
    operations among them. Exams of too few structures are left out (``results.enough_structures``)."""
    made = []
    rows = list({row["exam"]: row for row in table.rows if row["arm"] == arm and row["kind"] == "exact"}.values())
    deep: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        if row["ops"].isdigit():
            deep.setdefault((row["world"], row["mode"]), []).append(row)
    for (world, mode), each in deep.items():
        for band, (low, high) in bands.items():
            inside = [row for row in by_depth(each) if low <= int(row["ops"]) <= high]
            if varied := enough_structures(inside):
                counts = [int(row["ops"]) for row in varied]
                about = {"world": world, "mode": mode, "band": band, "ops": f"{min(counts)}-{max(counts)}"}
                made.append((about, [row["exam"] for row in varied]))
    return made


# --- scores ----------------------------------------------------------------------------------------------------------


def values(table: Results, arm: str, exams: Sequence[str], k: int = 1, score: str = "strict") -> np.ndarray:
    """A score of every seed and problem (SP), with the problems of several exams concatenated. score: "strict" or
    "answer" for pass@k, or the column of a measure per problem; "operands" is averaged over its places."""
    if score in ("strict", "answer"):
        return np.concatenate([table.solved(arm, exam, k, score) for exam in exams], axis=1)
    if score == "operands":
        return np.concatenate([place_means(table, arm, exam, score) for exam in exams], axis=1)
    return np.concatenate([table.measure(arm, exam, score) for exam in exams], axis=1)


def place_means(table: Results, arm: str, exam: str, name: str) -> np.ndarray:
    """The mean over places (SP) of a measure with several values per problem."""
    return np.array([[each.mean() for each in by_place(row[name])] for row in table.of(arm, exam)])


def log_probabilities(table: Results, arm: str, exams: Sequence[str]) -> np.ndarray:
    """The log-probability (nats) of the canonical solution, for every seed and problem (SP) of exact exams."""
    return np.concatenate([table.measure(arm, exam, "logp") for exam in exams], axis=1)


def pooled(table: Results, arm: str, exams: Sequence[str], k: int) -> Estimate:
    """Mean pass@k over the problems of several exams of the same seeds."""
    return interval(values(table, arm, exams, k), path=(table.study, arm, *exams, k))


def pass_at_k_curve(
    table: Results, arm: str, exams: Sequence[str], ks: Sequence[int] = ATTEMPTS
) -> list[tuple[int, Estimate]]:
    """Exact pass@k = 1 - (1 - p)^k over several exact exams, for each k. No sampling, so k can be a million or more."""
    logp_SP = log_probabilities(table, arm, exams)
    return [(k, interval(exact_pass_at_k(logp_SP, k), path=(table.study, arm, *exams, k))) for k in ks]


def scores(table: Results, arm: str, exam: str) -> list[dict]:
    """pass@k of one arm and exam for each available k, and for sampled exams the answer-only score."""
    row = table.of(arm, exam)[0]
    about = {"arm": arm, **{name: row[name] for name in ("exam", "kind", "world", "mode", "ops", "guess_floor")}}
    known = [k for k in KS if row["kind"] == "exact" or k <= row["samples"]]
    rows = [about | {"score": "strict", "k": k} | asdict(table.score(arm, exam, k)) for k in known]
    if row["kind"] == "sampled":
        rows.append(about | {"score": "answer", "k": 1} | asdict(table.score(arm, exam, 1, "answer")))
    return rows


def band_scores(table: Results, bands: Bands) -> list[dict]:
    """pass@k of every arm by world, mode and band."""
    return [
        {"arm": arm, **about, "k": k, **asdict(pooled(table, arm, exams, k))}
        for arm in table.arms
        for about, exams in groups(table, arm, bands)
        for k in KS
    ]


# --- differences -----------------------------------------------------------------------------------------------------


def machines(table: Results, arm: str) -> dict[int, str]:
    """By seed, the machine and kernels that an arm was trained on; an empty string if not recorded."""
    rows = [row for row in table.rows if row["arm"] == arm]
    return {row["seed"]: f"{row.get('machine', '')} {row.get('kernels', '')}".strip() for row in rows}


def pairing(table: Results, *arms: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The seeds with which all of these arms can be paired, and those with which they cannot: there the arms were
    trained on different machines, whose rounding differs."""
    each = [machines(table, arm) for arm in arms]
    both = sorted(set.intersection(*(set(seeds) for seeds in each)))
    same = tuple(seed for seed in both if len({seeds[seed] for seeds in each}) == 1)
    return same, tuple(seed for seed in both if seed not in same)


def shared(table: Results, *arms: str) -> Results | None:
    """The rows of some arms for the seeds with which they can be paired; None if there are none."""
    same, _ = pairing(table, *arms)
    kept = tuple(row for row in table.rows if row["arm"] in arms and row["seed"] in same)
    return Results(table.study, table.scale, kept) if same else None


def gain(table: Results, arm: str, over: str, exams: Sequence[str], k: int, score: str = "strict") -> Estimate:
    """The difference of two arms in a score over several exams, paired by seed; with one seed, paired by problem."""
    a, b = (values(table, each, exams, k, score) for each in (arm, over))
    path = (table.study, arm, over, *exams, k) + (score,) * (score != "strict")
    return paired(a, b, path=path) if len(table.seeds) == 1 else over_seeds(a, b)


def compute_ratio(table: Results, arm: str, over: str) -> float:
    """FLOPs after the base of ``arm``, divided by those of ``over``; NaN if ``over`` is the base."""
    spent, base = (cost(table, each)["arm_flops"] for each in (arm, over))
    return spent / base if base else (1.0 if spent == base else math.nan)


def contrasts(table: Results, pairs: Iterable[tuple[str, str]], headline: Sequence[str], bands: Bands) -> list[dict]:
    """Paired differences between two arms over the seeds that both have: by band, by headline exam and by sampled exam.
    unpaired: the seeds left out because the two arms ran on different machines."""
    rows = []
    for arm, over in pairs:
        both = shared(table, arm, over)
        if both is None:
            continue
        _, unpaired = pairing(table, arm, over)
        common = [exam for exam in exams_of(both, arm) if exam in exams_of(both, over)]
        asked = [(about, [e for e in exams if e in common]) for about, exams in groups(both, arm, bands)]
        asked += [({"exam": exam}, [exam]) for exam in headline if exam in common]
        sampled = [exam for exam in common if both.of(arm, exam)[0]["kind"] == "sampled"]
        asked += [({"exam": exam}, [exam]) for exam in sampled if {"exam": exam} not in [about for about, _ in asked]]
        if not asked:
            asked = [({"exam": exam}, [exam]) for exam in common]
        about_both = {"arm": arm, "over": over, "compute": compute_ratio(both, arm, over), "unpaired": list(unpaired)}
        rows += [
            {**about_both, **about, "score": score, "k": k} | asdict(gain(both, arm, over, exams, k, score))
            for about, exams in asked
            for score, k in known(both, arm, exams)
        ]
    return rows


def known(table: Results, arm: str, exams: Sequence[str]) -> list[tuple[str, int]]:
    """The scores and k to compare arms by: the k of KS that all these exams have; for sampled exams also the
    answer-only score, and k equal to the number of samples."""
    first = [table.of(arm, exam)[0] for exam in exams]
    sampled = {row["samples"] for row in first if row["kind"] == "sampled"}
    ks = sorted({k for k in (*KS, *sampled) if all(row["kind"] == "exact" or k <= row["samples"] for row in first)})
    return [(score, k) for score in ("strict", "answer") if score == "strict" or sampled for k in ks] if exams else []


def newly_solved(table: Results, arm: str, over: str, bands: Bands) -> list[dict]:
    """By band, the problems whose solution has a probability above 1/2 under ``arm`` but not under ``over``: their
    number, and the shares whose probability under ``over`` is below each of UNLIKELY."""
    both = shared(table, arm, over)
    if both is None:
        return []
    rows = []
    for about, exams in groups(both, arm, bands):
        exams = [exam for exam in exams if exam in exams_of(both, over)]
        logp = np.concatenate([both.newly_solved(arm, over, exam) for exam in exams]) if exams else np.zeros(0)
        if len(logp):
            below = {f"{p:.2g}": float((logp < math.log(p)).mean()) for p in UNLIKELY}
            rows.append(
                {"arm": arm, "over": over, **about, "seeds": len(both.seeds), "solved": len(logp), "below": below}
            )
    return rows


def similar(table: Results, arm: str, bands: Bands) -> list[dict]:
    """Similarity to gold of the graphs that an arm solves, by band. Each problem is weighted by its pass@k.

    correct: the mean pass@k. bins: its parts by similarity (``BINS``). correct_mean, all: mean similarity of the solved
    graphs (a mean over seeds) and of all graphs. The estimate is the difference of the two. A band has no row if a
    seed's mean pass@k is below VISIBLE.
    """
    rows = []
    for about, exams in groups(table, arm, bands):
        if not all(row.get("similarity", "") for exam in exams for row in table.of(arm, exam)):
            continue
        like_SP = np.concatenate([table.similarity(arm, exam) for exam in exams], axis=1)
        for k in (1, 128):
            solved_SP = values(table, arm, exams, k)
            if solved_SP.mean(1).min() < VISIBLE:
                continue
            bins, _ = np.histogram(like_SP, BINS, weights=solved_SP / solved_SP.size)
            weight_SP = solved_SP / solved_SP.mean(1, keepdims=True)
            centre_S1 = (weight_SP * like_SP).mean(1, keepdims=True)
            # The weighted mean, written as a plain mean of shifted values: a bootstrap must not vary the weights.
            correct_SP = centre_S1 + weight_SP * (like_SP - centre_S1)
            path = (table.study, arm, *exams, k)
            one = len(like_SP) == 1
            gap = paired(correct_SP, like_SP, path=path) if one else over_seeds(correct_SP, like_SP)
            means = {
                "correct": float(solved_SP.mean()),
                "all": float(like_SP.mean()),
                "correct_mean": float(correct_SP.mean()),
            }
            rows.append({"arm": arm, **about, "k": k, **means, "bins": bins.tolist()} | asdict(gap))
    return rows


# --- other measures --------------------------------------------------------------------------------------------------


def seed_mean(values_SP: np.ndarray, problems: int) -> Estimate:
    """A mean with Student's t over seeds, for values computed from so many ``problems``."""
    return replace(difference(values_SP, 0 * values_SP), problems=problems)


def measure_rows(table: Results, kind: str, names: Sequence[str]) -> list[dict]:
    """Means of measures with one value per problem, for every arm and exam of a kind."""
    return [
        {"arm": arm, "exam": exam, "what": name}
        | asdict(seed_mean(table.measure(arm, exam, name), table.of(arm, exam)[0]["problems"]))
        for arm in table.arms
        for exam in of_kind(table, arm, kind)
        for name in names
    ]


def share_rows(table: Results, kind: str, name: str, shares: str) -> list[dict]:
    """For every arm and exam of a kind, the mean of a measure and the mean over seeds of each of its ``shares``."""
    rows = []
    for arm in table.arms:
        for exam in of_kind(table, arm, kind):
            taken = table.of(arm, exam)
            each = [tallies(row[shares]) for row in taken]
            means = {part: float(np.mean([row[part] for row in each])) for part in each[0]}
            estimate = seed_mean(table.measure(arm, exam, name), taken[0]["problems"])
            rows.append({"arm": arm, "exam": exam, shares: means} | asdict(estimate))
    return rows


def role_means(table: Results, arm: str, exam: str, column: str) -> dict[str, np.ndarray]:
    """A column by role, for each role that every seed has: its value in each seed (S)."""
    found = [tallies(row[column]) for row in table.of(arm, exam)]
    shared = [role for role in found[0] if all(role in each for each in found)]
    return {role: np.array([each[role] for each in found]) for role in shared}


def diversities(table: Results, arm: str) -> list[dict]:
    """The diversity of an arm's solutions: Vendi scores, the share of right responses, and the share of these that
    combine two or more approaches (0 if none is right)."""
    rows = []
    for exam in of_kind(table, arm, "diversity"):
        first = table.of(arm, exam)[0]
        names = ("vendi_runs", "vendi_approaches", "correct", "composed")
        runs_SP, approaches_SP, right_SP, composed_SP = (table.measure(arm, exam, name) for name in names)
        composition_S1 = composed_SP.sum(1, keepdims=True) / np.maximum(1, right_SP.sum(1, keepdims=True))
        shares = {"correct": right_SP / first["samples"], "composition": composition_S1}
        for what, each in ({"vendi_runs": runs_SP, "vendi_approaches": approaches_SP} | shares).items():
            estimate = seed_mean(each, first["problems"])
            rows.append({"arm": arm, "exam": exam, "what": what, "samples": first["samples"]} | asdict(estimate))
    return rows


def column_means(table: Results, arm: str, kind: str, columns: Iterable[str]) -> list[dict]:
    """For each exam of a kind that an arm sat, the mean of each of these measures over problems, with an interval over
    seeds; none of a measure that is counted by name."""
    rows = []
    for exam in of_kind(table, arm, kind):
        taken = table.of(arm, exam)
        for name in columns:
            cells = [row.get(name, "") for row in taken]
            if not all(cells) or any(":" in cell for cell in cells):
                continue
            means_S1 = np.array([[np.concatenate(by_place(cell)).mean()] for cell in cells])
            rows.append({"arm": arm, "exam": exam, "what": name} | asdict(seed_mean(means_S1, taken[0]["problems"])))
    return rows


def lengths(table: Results, arm: str) -> list[dict]:
    """For each sampled exam of an arm, the mean length of responses in tokens and of their thoughts in words. Older
    tables have no counts of thoughts."""
    rows = []
    for exam in of_kind(table, arm, "sampled"):
        taken = table.of(arm, exam)
        for name in ("response_tokens", "thought_tokens"):
            each_S1 = np.array([[row[name]] for row in taken])
            if not np.isnan(each_S1).any():
                estimate = seed_mean(each_S1, taken[0]["problems"])
                rows.append({"arm": arm, "exam": exam, "what": name} | asdict(estimate))
    return rows


def faults(table: Results, arm: str) -> list[dict]:
    """For each sampled exam of an arm, the share of responses with at least one fault of each kind."""
    rows = []
    for exam in of_kind(table, arm, "sampled"):
        taken = table.of(arm, exam)
        counted = [fault_counts(row.get("faults", "")) for row in taken]
        responses = sum(row["problems"] * row["samples"] for row in taken)
        kinds = [kind for kind in FAULTS if any(kind in each for each in counted)]
        shares = {kind: sum(each.get(kind, 0) for each in counted) / responses for kind in kinds}
        if shares:
            rows.append({"arm": arm, "exam": exam, "responses": responses, "shares": shares})
    return rows


def nats_by_role(table: Results, arm: str, exams: Sequence[str]) -> dict[str, float]:
    """Mean nats per problem by token role, over seeds and exams of equal size; 0 for a role that never occurs."""
    rows = [row for exam in exams for row in table.of(arm, exam)]
    return {
        role: float(np.mean([0.0 if math.isnan(v := row[f"{role}_nats"]) else v for row in rows])) for role in ROLES
    }


def planning_by_step(table: Results) -> list[dict]:
    """For every arm and exact exam, the negative log-probability (nats) of the choice of each step: means over seeds,
    for the steps from "1" on and "stop". Older tables do not have this measure."""
    rows = []
    for arm in table.arms:
        for exam in of_kind(table, arm, "exact"):
            each = [tallies(row.get("planning_by_step", "")) for row in table.of(arm, exam)]
            if all(each):
                means = {step: float(np.mean([seed[step] for seed in each])) for step in each[0]}
                rows.append({"arm": arm, "exam": exam, "seeds": len(each), "nats": means})
    return rows


def forced_rows(table: Results) -> list[dict]:
    """For every arm and forced-noun exam, the probability of the forced noun's operands: over all places, at each place
    of the solution, and at the worst place; by number of operations if an exam has several."""
    rows = []
    for arm in table.arms:
        for exam in of_kind(table, arm, "forced"):
            taken = table.of(arm, exam)
            cells = [by_place(row["operands"]) for row in taken]
            for ops in sorted({len(each) for each in cells[0]}):
                each_SPN = np.array([[problem for problem in cell if len(problem) == ops] for cell in cells])
                places = each_SPN.mean((0, 1))
                estimate = seed_mean(each_SPN.mean(2), each_SPN.shape[1])
                about = {"arm": arm, "exam": exam, "ops": ops, "places": places.tolist(), "least": float(places.min())}
                rows.append(about | asdict(estimate))
    return rows


# --- cost and machines -----------------------------------------------------------------------------------------------


def cost(table: Results, arm: str) -> dict:
    """The cost of an arm: means over its seeds."""
    rows = list({row["seed"]: row for row in table.rows if row["arm"] == arm}.values())
    means = {name: float(np.mean([row[name] for row in rows])) for name in COSTS}
    on = sorted({each for each in machines(table, arm).values() if each})
    return {"arm": arm, "seeds": sorted(row["seed"] for row in rows), "machines": on, **means}


def exam_rows(table: Results) -> list[dict]:
    """Every exam once: its kind, its number of problems, and how many distinct structures they have (0: not
    recorded)."""
    names = ("exam", "kind", "world", "mode", "ops", "problems", "structures", "samples", "guess_floor")
    first = {row["exam"]: row for row in reversed(table.rows)}
    return [{name: row.get(name, 0) for name in names} for row in (first[exam] for exam in table.exams)]


def rl_stages(curves: Sequence[dict]) -> list[dict]:
    """Of every stage of an arm that samples groups of responses: seeds, steps, the share of groups in which all rewards
    were equal, which have no policy gradient, over the stage and in its last quarter, and the reward in its first and
    last quarter; means over seeds. curves: rows of training curves, each the mean of as many steps."""
    made = []
    for arm, stage in dict.fromkeys((row["arm"], row["stage"]) for row in curves):
        rows = [row for row in curves if (row["arm"], row["stage"]) == (arm, stage)]
        rows = [row for row in rows if not math.isnan(row["zero_variance"])]
        of = {seed: [row for row in rows if row["seed"] == seed] for seed in dict.fromkeys(r["seed"] for r in rows)}
        if not of:
            continue
        early = {seed: [row for row in found if row["share"] <= 0.25] or found[:1] for seed, found in of.items()}
        late = {seed: [row for row in found if row["share"] > 0.75] or found[-1:] for seed, found in of.items()}

        def mean(chosen: dict[int, list[dict]], name: str) -> float:
            return float(np.mean([np.mean([row[name] for row in found]) for found in chosen.values()]))

        made.append(
            {
                "arm": arm,
                "stage": stage,
                "seeds": len(of),
                "steps": float(np.mean([max(row["step"] for row in found) for found in of.values()])),
                "equal": mean(of, "zero_variance"),
                "equal_late": mean(late, "zero_variance"),
                "reward_early": mean(early, "reward"),
                "reward_late": mean(late, "reward"),
            }
        )
    return made
