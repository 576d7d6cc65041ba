"""A study's results in one place: the numbers that ``show`` prints, and a self-contained HTML page for reading."""

from __future__ import annotations

import importlib
import io
import math
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass, replace
from hashlib import blake2b
from html import escape
from itertools import pairwise

import numpy as np

from interlude.studies.claims import AFTER, VISIBLE, Claim, Finding
from interlude.studies.console import duration, large, with_interval
from interlude.studies.results import ROLES, Results, fault_counts, tallies
from interlude.studies.results import numbers as cell_numbers
from interlude.studies.stats import Estimate, difference, interval, over_seeds, paired
from interlude.synth.parse import parse
from interlude.synth.rng import uniforms
from interlude.synth.verify import KINDS as FAULTS
from interlude.synth.verify import verify

KS = (1, 16, 128)
LATE = "\n(rule written after the run)"
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9999, 1.0001)  # of similarity to gold; the last holds the graphs that are equal
UNLIKELY = (1 / 128, 1e-4, 1e-6)  # probabilities below which the share of newly solved problems is told
COSTS = ("tokens", "flops", "arm_flops", "rollout_flops", "seconds", "rollouts", "paper_tokens")
CURVE = tuple(round(10 ** (n / 2)) for n in range(13))  # k from 1 to 10^6
INK = "#010203"  # stands for the colour of the page's text until the drawing is in the page
SERIES = ("#a1a2a0", "#a1a2a1", "#a1a2a2", "#a1a2a3", "#a1a2a4", "#a1a2a5", "#a1a2a6")  # stand for --s0 .. --s6
MARKERS = "osD^vPX"
EXAMPLES = 2  # problems shown with every arm's answer
UNSCORED = ("divergence", "diversity", "modes")  # kinds of exams that know no pass@k
ROOM = 256  # tokens of an example answer at most

Bands = dict[str, tuple[int, int]]  # name to fewest and most operations


# --- numbers ---------------------------------------------------------------------------------------------------------


def summary(study, found: Results, bands: Bands) -> dict:
    """Everything ```show``` says, as JSON-able values: costs, scores by exam and by band, contrasts by band and exam,
    what was newly solved, faults, and divergences."""
    return {
        "study": study.name,
        "scale": study.scale,
        "question": study.question,
        "prediction": study.prediction,
        "rule": study.rule,
        "unequal": study.unequal,
        "seeds": list(found.seeds),
        "bands": {name: list(span) for name, span in bands.items()},
        "arms": [cost(found, arm) for arm in found.arms],
        "scores": [row for arm in found.arms for exam in exams_of(found, arm) for row in scores(found, arm, exam)],
        "band_scores": [
            {"arm": arm, **about, "k": k, **numbers(pooled(found, arm, exams, k))}
            for arm in found.arms
            for about, exams in groups(found, arm, bands)
            for k in KS
        ],
        "contrasts": [row for arm, over in study.contrasts for row in contrasts(study, found, arm, over, bands)],
        "similarity": [row for arm in found.arms if found.rows[0]["similarity"] for row in similar(found, arm, bands)],
        "newly_solved": [row for arm, over in study.contrasts for row in newly_solved(found, arm, over, bands)],
        "lengths": [row for arm in found.arms for row in lengths(found, arm)],
        "faults": [row for arm in found.arms for row in faults(found, arm)],
        "divergences": [row for arm in found.arms for row in divergences(found, arm)],
        "diversities": [row for arm in found.arms for row in diversities(found, arm)],
        "modes": [row for arm in found.arms for row in modes(found, arm)],
    }


def cost(found: Results, arm: str) -> dict:
    """What an arm cost: means over its seeds."""
    rows = list({row["seed"]: row for row in found.rows if row["arm"] == arm}.values())
    means = {name: float(np.mean([row[name] for row in rows])) for name in COSTS}
    return {"arm": arm, "seeds": sorted(row["seed"] for row in rows), **means}


def exams_of(found: Results, arm: str) -> list[str]:
    """The exams with a score that an arm has sat, in the order of the table."""
    return list(dict.fromkeys(row["exam"] for row in found.rows if row["arm"] == arm and row["kind"] not in UNSCORED))


def scores(found: Results, arm: str, exam: str) -> list[dict]:
    """pass@k of one arm and exam for each k that the exam knows, and for sampled exams the answer-only score."""
    row = found.of(arm, exam)[0]
    about = {"arm": arm, **{name: row[name] for name in ("exam", "kind", "world", "mode", "ops", "guess_floor")}}
    known = [k for k in KS if row["kind"] == "exact" or k <= row["samples"]]
    rows = [about | {"score": "strict", "k": k} | numbers(found.score(arm, exam, k)) for k in known]
    if row["kind"] == "sampled":
        rows.append(about | {"score": "answer", "k": 1} | numbers(found.score(arm, exam, 1, "answer")))
    return rows


def numbers(estimate: Estimate) -> dict:
    return asdict(estimate)


def groups(found: Results, arm: str, bands: Bands) -> list[tuple[dict, list[str]]]:
    """The exact exams of an arm, by world, mode and band."""
    made = []
    rows = list({row["exam"]: row for row in found.rows if row["arm"] == arm and row["kind"] == "exact"}.values())
    for world, mode in dict.fromkeys((row["world"], row["mode"]) for row in rows):
        for band, (low, high) in bands.items():
            exams = [
                row["exam"]
                for row in rows
                if (row["world"], row["mode"]) == (world, mode)
                and row["ops"].isdigit()
                and low <= int(row["ops"]) <= high
            ]
            if exams:
                made.append(({"world": world, "mode": mode, "band": band, "ops": f"{low}-{high}"}, exams))
    return made


def pooled(found: Results, arm: str, exams: list[str], k: int) -> Estimate:
    """Mean pass@k over the problems of several exams that the same seeds sat."""
    return interval(pooled_table(found, arm, exams, k), path=(found.study, arm, *exams, k))


def pooled_table(found: Results, arm: str, exams: Iterable[str], k: int) -> np.ndarray:
    """pass@k of every seed and problem (SP) of several exams, side by side."""
    return np.concatenate([found.solved(arm, exam, k) for exam in exams], axis=1)


def contrasts(study, found: Results, arm: str, over: str, bands: Bands) -> list[dict]:
    """Paired differences between two arms, over the seeds both have: by band, and by each exam of the headline."""
    both = shared(found, arm, over)
    if both is None:
        return []
    rows = []
    compute = float(np.mean([r["arm_flops"] for r in both.of(arm, exams_of(both, arm)[0])]))
    compute /= float(np.mean([r["arm_flops"] for r in both.of(over, exams_of(both, over)[0])]))
    sat = [(about, exams) for about, exams in groups(both, arm, bands)]
    sat += [({"exam": exam}, [exam]) for exam in study.headline or () if exam in exams_of(both, arm)]
    sampled = [exam for exam in exams_of(both, arm) if both.of(arm, exam)[0]["kind"] == "sampled"]
    sat += [({"exam": exam}, [exam]) for exam in sampled if {"exam": exam} not in [about for about, _ in sat]]
    if not sat:
        sat = [({"exam": exam}, [exam]) for exam in exams_of(both, arm)]
    for about, exams in sat:
        exams = [exam for exam in exams if exam in exams_of(both, over)]
        for score, k in asked(both, arm, exams):
            a, b = (
                np.concatenate([both.solved(each, exam, k, score) for exam in exams], axis=1) for each in (arm, over)
            )
            path = (found.study, arm, over, *exams, k) + (score,) * (score != "strict")
            found_ = paired(a, b, path=path) if len(both.seeds) == 1 else over_seeds(a, b)
            rows.append(
                {"arm": arm, "over": over, "compute": compute, **about, "score": score, "k": k} | numbers(found_)
            )
    return rows


def asked(found: Results, arm: str, exams: list[str]) -> list[tuple[str, int]]:
    """The scores and k in which arms are compared: those of KS that all these exams know,
    and for sampled ones the right answers too and as many attempts as were sampled."""
    first = [found.of(arm, exam)[0] for exam in exams]
    sampled = {row["samples"] for row in first if row["kind"] == "sampled"}
    ks = sorted({k for k in (*KS, *sampled) if all(row["kind"] == "exact" or k <= row["samples"] for row in first)})
    return [(score, k) for score in ("strict", "answer") if score == "strict" or sampled for k in ks] if exams else []


def similar(found: Results, arm: str, bands: Bands) -> list[dict]:
    """How similar to gold the correct graphs of an arm are, by band: every problem weighs as much as its pass@k.

    correct: the weight of a mean problem. bins: its parts by similarity (``BINS``). correct_mean, all: mean similarity
    of the correct graphs, as the mean over seeds, and of all. The rest is the difference of the two. A band of which a
    seed solves less than VISIBLE has no row: nobody would see such a graph.
    """
    rows = []
    for about, exams in groups(found, arm, bands):
        like_SP = np.concatenate([found.similarity(arm, exam) for exam in exams], axis=1)
        for k in (1, 128):
            solved_SP = pooled_table(found, arm, exams, k)
            if solved_SP.mean(1).min() < VISIBLE:
                continue
            bins, _ = np.histogram(like_SP, BINS, weights=solved_SP / solved_SP.size)
            weight_SP = solved_SP / solved_SP.mean(1, keepdims=True)
            centre_S1 = (weight_SP * like_SP).mean(1, keepdims=True)
            # The weighted mean as a plain one, each problem moved by its influence:
            # a bootstrap must not see the weights vary.
            correct_SP = centre_S1 + weight_SP * (like_SP - centre_S1)
            one = len(like_SP) == 1
            gap = (
                paired(correct_SP, like_SP, path=(found.study, arm, *exams, k))
                if one
                else over_seeds(correct_SP, like_SP)
            )
            means = {
                "correct": float(solved_SP.mean()),
                "all": float(like_SP.mean()),
                "correct_mean": float(correct_SP.mean()),
            }
            rows.append({"arm": arm, **about, "k": k, **means, "bins": bins.tolist()} | numbers(gap))
    return rows


def newly_solved(found: Results, arm: str, over: str, bands: Bands) -> list[dict]:
    """Of the problems whose solution is likelier than not under ``arm`` and was not under ``over``, by band: how many,
    and which shares had a probability under ``over`` below each of UNLIKELY (related.md A1)."""
    both = shared(found, arm, over)
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


def lengths(found: Results, arm: str) -> list[dict]:
    """How long an arm's responses to each sampled exam are, in tokens, and how much of them are thoughts, in words:
    means over seeds, and Student's t over them. A table from before thoughts were counted holds none."""
    rows = []
    for exam in exams_of(found, arm):
        sat = found.of(arm, exam)
        for name in ("response_tokens", "thought_tokens"):
            each_S1 = np.array([[row[name]] for row in sat])
            if sat[0]["kind"] == "sampled" and not np.isnan(each_S1).any():
                estimate = replace(difference(each_S1, 0 * each_S1), problems=sat[0]["problems"])
                rows.append({"arm": arm, "exam": exam, "what": name} | numbers(estimate))
    return rows


def faults(found: Results, arm: str) -> list[dict]:
    """Of an arm's responses to each sampled exam, the share with at least one fault of each kind."""
    rows = []
    for exam in exams_of(found, arm):
        sat = found.of(arm, exam)
        counts_ = [fault_counts(row["faults"]) for row in sat]
        responses = sum(row["problems"] * row["samples"] for row in sat)
        kinds_ = [kind for kind in FAULTS if any(kind in each for each in counts_)]
        shares = {kind: sum(each.get(kind, 0) for each in counts_) / responses for kind in kinds_}
        if shares:
            rows.append({"arm": arm, "exam": exam, "responses": responses, "shares": shares})
    return rows


def divergences(found: Results, arm: str) -> list[dict]:
    """Mean KL(reference || arm) along a solution, in nats, of each divergence exam."""
    rows = []
    for exam in dict.fromkeys(row["exam"] for row in found.rows if row["arm"] == arm and row["kind"] == "divergence"):
        nats_SP = np.array([cell_numbers(row["divergence"]) for row in found.of(arm, exam)])
        rows.append({"arm": arm, "exam": exam} | numbers(interval(nats_SP, path=(found.study, arm, exam))))
    return rows


def diversities(found: Results, arm: str) -> list[dict]:
    """In how many ways an arm tells problems: means over seeds, and Student's t over them, of the Vendi scores, of the
    share of right responses, and of the share of these that shows two approaches or more (0 where none is right)."""
    rows = []
    for exam in dict.fromkeys(row["exam"] for row in found.rows if row["arm"] == arm and row["kind"] == "diversity"):
        sat = found.of(arm, exam)
        names = ("vendi_runs", "vendi_approaches", "correct", "composed")
        told = (np.array([cell_numbers(row[name]) for row in sat]) for name in names)
        runs_SP, approaches_SP, right_SP, composed_SP = told
        composition_S1 = composed_SP.sum(1, keepdims=True) / np.maximum(1, right_SP.sum(1, keepdims=True))
        shares = {"correct": right_SP / sat[0]["samples"], "composition": composition_S1}
        for what, values in ({"vendi_runs": runs_SP, "vendi_approaches": approaches_SP} | shares).items():
            estimate = replace(difference(values, 0 * values), problems=sat[0]["problems"])
            rows.append({"arm": arm, "exam": exam, "what": what, "samples": sat[0]["samples"]} | numbers(estimate))
    return rows


def modes(found: Results, arm: str) -> list[dict]:
    """Among how many approaches an arm divides its probability, exactly, and how much each has: means over seeds, and
    Student's t over them for the first."""
    rows = []
    for exam in dict.fromkeys(row["exam"] for row in found.rows if row["arm"] == arm and row["kind"] == "modes"):
        sat = found.of(arm, exam)
        modes_SP = np.array([cell_numbers(row["modes"]) for row in sat])
        estimate = replace(difference(modes_SP, 0 * modes_SP), problems=sat[0]["problems"])
        each = [tallies(row["masses"]) for row in sat]
        masses = {name: float(np.mean([row[name] for row in each])) for name in each[0]}
        rows.append({"arm": arm, "exam": exam, "masses": masses} | numbers(estimate))
    return rows


def shared(found: Results, arm: str, over: str) -> Results | None:
    """The rows of two arms for the seeds that both have; None if there are none."""
    seeds = [{row["seed"] for row in found.rows if row["arm"] == each} for each in (arm, over)]
    both = seeds[0] & seeds[1]
    kept = tuple(row for row in found.rows if row["arm"] in (arm, over) and row["seed"] in both)
    return Results(found.study, found.scale, kept) if both else None


def in_words(estimate: dict) -> str:
    return f"{estimate['seeds']} seed{'s' * (estimate['seeds'] != 1)} × {estimate['problems']} problems"


def resampled(rows: list[dict]) -> str:
    """How many seeds and problems stand behind some bootstrap intervals, and what these leave out."""
    few = "; where seeds differ more than problems, those of three seeds cover 75 %"
    return f"95 % bootstrap intervals over {counts(rows)}" + few * any(1 < row["seeds"] <= 3 for row in rows)


def over_seeds_in_words(rows: list[dict]) -> str:
    """How many seeds and problems stand behind some of Student's intervals; those of one seed are `paired`'s."""
    if all(row["seeds"] == 1 for row in rows):
        return f"{counts(rows)}: intervals, where there are any, are about the problems, not about training"
    return f"95 % intervals, Student's t over seeds; {counts(rows)}"


def counts(rows: list[dict]) -> str:
    return "; ".join(dict.fromkeys(in_words(row) for row in rows))


# --- tables for the terminal -----------------------------------------------------------------------------------------


def tables(found: dict) -> list[tuple[str, list[str], list[list[str]], str]]:
    """Title, heads, cells and caption of each table that ``show`` prints, what decides a study first."""
    sampled = [row for row in found["scores"] if row["kind"] == "sampled" and row["k"] == 1]
    made = [ranking_table(sampled)] if sampled else []
    if found["band_scores"]:
        made.append(band_table(found["band_scores"]))
    if found["contrasts"]:
        made.append(contrast_table(found["contrasts"]))
    if found["diversities"]:
        made.append(diversity_table(found["diversities"]))
    if found["modes"]:
        made.append(modes_table(found["modes"]))
    for kind, world, mode in dict.fromkeys((row["kind"], row["world"], row["mode"]) for row in found["scores"]):
        rows = [row for row in found["scores"] if (row["kind"], row["world"], row["mode"]) == (kind, world, mode)]
        made.append(score_table(f"{kind}, {world}, {mode}", rows))
    if found["similarity"]:
        made.append(similarity_table(found["similarity"]))
    if found["newly_solved"]:
        made.append(newly_solved_table(found["newly_solved"]))
    if found["lengths"]:
        made.append(length_table(found["lengths"]))
    if found["faults"]:
        made.append(fault_table(found["faults"]))
    if found["divergences"]:
        made.append(divergence_table(found["divergences"]))
    made.append(cost_table(found["arms"]))
    return made


def ranking_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """An arm a line, the best first, in every sampled exam at the first attempt:
    strict, and beside it the answer alone."""
    exams = {row["exam"]: row["guess_floor"] for row in rows}
    at = {(row["arm"], row["exam"], row["score"]): row for row in rows}
    first = next(iter(exams))
    means = {row["arm"]: -1.0 for row in rows}
    means |= {arm: row["mean"] for (arm, exam, score), row in at.items() if (exam, score) == (first, "strict")}
    cells = []
    for arm in sorted(means, key=means.get, reverse=True):
        found = [(at.get((arm, exam, "strict")), at.get((arm, exam, "answer"))) for exam in exams]
        cells.append([arm, *(f"{with_interval(s)}\nanswer {a['mean']:.3f}" if s and a else "–" for s, a in found)])
    heads = ["arm", *(f"{exam}\nguess floor of answers {floor:.3f}" for exam, floor in exams.items())]
    return f"strictly right at the first attempt, ranked by {first}", heads, cells, resampled(rows)


def score_table(title: str, rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """Arms by exams for each k; an answer-only score stands over the guess floor it has to beat."""
    exams = list(dict.fromkeys((row["exam"], row["ops"]) for row in rows))
    cells = []
    for arm, score, k in dict.fromkeys((row["arm"], row["score"], row["k"]) for row in rows):
        line = [f"{arm}\n{score} pass@{k}"]
        for exam, _ in exams:
            those = [r for r in rows if (r["arm"], r["score"], r["k"], r["exam"]) == (arm, score, k, exam)]
            line.append(scored(those[0]) if those else "–")
        cells.append(line)
    heads = ["ops"] + [ops if ops in exam else f"{ops}\n{exam}" for exam, ops in exams]
    return title, heads, cells, resampled(rows)


def scored(row: dict) -> str:
    floor = f"\nfloor {row['guess_floor']:.3f}" if row["score"] == "answer" else ""
    return with_interval(row) + floor


def band_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    columns = list(dict.fromkeys((row["world"], row["mode"], row["band"], row["ops"]) for row in rows))
    cells = []
    for arm, k in dict.fromkeys((row["arm"], row["k"]) for row in rows):
        line = [f"{arm}\nstrict pass@{k}"]
        for column in columns:
            those = [
                r for r in rows if (r["arm"], r["k"], r["world"], r["mode"], r["band"], r["ops"]) == (arm, k, *column)
            ]
            line.append(with_interval(those[0]) if those else "–")
        cells.append(line)
    heads = ["band (ops)"] + [
        f"{band} ({ops})\n{world}" + f"\n{mode}" * (mode != "forward") for world, mode, band, ops in columns
    ]
    return "by band, exact", heads, cells, resampled(rows)


def contrast_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """Differences, with a star where the interval excludes zero; one seed says nothing about training and gets none."""
    ks = sorted({row["k"] for row in rows})
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        cell = f"{row['mean']:+.3f}{'*' * established(row)}\n{row['low']:+.3f} to {row['high']:+.3f}"
        lines.setdefault((versus(row), where(row)), {})[row["k"]] = cell
    cells = [[*line, *(found.get(k, "–") for k in ks)] for line, found in lines.items()]
    heads = ["difference", "on", *(f"pass@{k}" for k in ks)]
    caption = over_seeds_in_words(rows) + "; * excludes zero, not corrected for many" * any(map(established, rows))
    return "differences, paired by seed and problem", heads, cells, caption


def similarity_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """A histogram a line: which part of the problems is solved, at each similarity to gold."""
    spans = ["under 0.5", *(f"{low:g} to {high:g}" for low, high in pairwise(BINS[1:6])), "0.9 up", "equal"]
    cells = []
    for row in rows:
        gap = f"{row['mean']:+.3f}\n{row['low']:+.3f} to {row['high']:+.3f}"
        means = [f"{row[name]:.3f}" for name in ("correct_mean", "all")]
        cells.append(
            [
                row["arm"],
                where(row),
                row["k"],
                f"{row['correct']:.3f}",
                *(f"{part:.3f}" for part in row["bins"]),
                *means,
                gap,
            ]
        )
    heads = ["arm", "on", "pass@", "solved", *spans, "mean", "of all", "difference"]
    return (
        "similarity of correct graphs to gold",
        heads,
        cells,
        "parts of the problems solved, by similarity; " + over_seeds_in_words(rows),
    )


def established(row: dict) -> bool:
    """Whether a difference over several seeds excludes zero, and is not itself nothing."""
    return row["seeds"] > 1 and (row["low"] > 0 or row["high"] < 0) and abs(row["mean"]) >= 0.0005


def versus(row: dict) -> str:
    """The arms of a difference, and their ratio of compute where that is not equal."""
    unequal = not 1 / 1.05 <= row["compute"] <= 1.05
    return f"{row['arm']} – {row['over']}" + f" (compute x{row['compute']:.1f})" * unequal


def where(row: dict) -> str:
    """What a contrast was measured on."""
    if "exam" in row:
        return row["exam"] + ", answers" * (row.get("score") == "answer")
    return f"{row['band']}, {row['world']}" + f", {row['mode']}" * (row["mode"] != "forward")


def newly_solved_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    cells = [
        [
            f"{row['arm']} – {row['over']}",
            where(row),
            f"{row['solved']}",
            *(f"{each:.3f}" for each in row["below"].values()),
        ]
        for row in rows
    ]
    heads = ["newly solved", "on", "problems", *(f"p < {p}" for p in rows[0]["below"])]
    caption = "p from below one half to above it; shares by the probability before; problems of all seeds together"
    return "what was newly solved, and how likely it was before", heads, cells, caption


def length_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    cells = []
    for arm, exam in dict.fromkeys((row["arm"], row["exam"]) for row in rows):
        those = {row["what"]: row for row in rows if (row["arm"], row["exam"]) == (arm, exam)}
        cells.append([arm, exam, *(long(those.get(name)) for name in ("response_tokens", "thought_tokens"))])
    return "length of responses", ["arm", "exam", "tokens", "words of thought"], cells, over_seeds_in_words(rows)


def diversity_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """In how many ways each arm tells a problem; responses that show no approach count as one way."""
    cells = []
    for arm, exam in dict.fromkeys((row["arm"], row["exam"]) for row in rows):
        those = {row["what"]: long(row, 3) for row in rows if (row["arm"], row["exam"]) == (arm, exam)}
        cells.append([arm, exam, *those.values()])
    heads = [
        "arm",
        "exam",
        "Vendi score\nby runs of words",
        "Vendi score\nby approaches",
        "right",
        "of these 2\napproaches up",
    ]
    most = " or ".join(str(samples) for samples in dict.fromkeys(row["samples"] for row in rows))
    caption = f"Vendi score: 1 if all responses are alike, {most} if none is like another, thoughts left out; "
    return "ways of telling a problem", heads, cells, caption + over_seeds_in_words(rows)


def modes_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """Where each arm's probability goes where solutions by different approaches part."""
    names = tuple(dict.fromkeys(name for row in rows for name in row["masses"]))
    cells = [[row["arm"], long(row, 2), *(f"{row['masses'].get(name, 0.0):.3f}" for name in names)] for row in rows]
    caption = "exact: the effective number of approaches, and the probability of each; the rest begins otherwise; "
    return f"modes, {rows[0]['exam']}", ["arm", "modes", *names], cells, caption + over_seeds_in_words(rows)


def long(row: dict | None, digits: int = 1) -> str:
    """A mean over its interval, which one seed has not."""
    if row is None:
        return "–"
    span = f"\n{row['low']:.{digits}f}–{row['high']:.{digits}f}"
    return f"{row['mean']:.{digits}f}" + span * (not math.isnan(row["low"]))


def fault_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    kinds_ = [kind for kind in FAULTS if any(kind in row["shares"] for row in rows)]
    cells = [
        [f"{row['arm']}\n{row['exam']}", *(f"{row['shares'].get(kind, 0.0):.3f}" for kind in kinds_)] for row in rows
    ]
    return "faults, share of responses with one", ["arm, exam", *kinds_], cells, "responses of all seeds together"


def divergence_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    cells = [[row["arm"], row["exam"], f"{row['mean']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}"] for row in rows]
    return "KL(reference || arm) along a solution", ["arm", "exam", "nats", "95 % interval"], cells, resampled(rows)


def cost_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    cells = [
        [
            r["arm"],
            len(r["seeds"]),
            large(r["arm_flops"]),
            large(r["rollout_flops"]),
            large(r["flops"]),
            large(r["tokens"]),
            paper(r),
            duration(r["seconds"]),
        ]
        for r in rows
    ]
    heads = [
        "arm",
        "seeds",
        "FLOPs after base",
        "of it sampling",
        "FLOPs in all",
        "tokens in all",
        "as the paper charges",
        "time after base",
    ]
    return "cost, mean over seeds", heads, cells, ""


def paper(row: dict) -> str:
    """Tokens by the Interplay paper's formula; a dash where it was not recorded or does not apply."""
    return "–" if math.isnan(row["paper_tokens"]) else large(row["paper_tokens"])


def claim_rows(claims: tuple[Claim, ...], found: dict[str, list[Finding]]) -> list[dict]:
    """The claims of a topic as JSON-able values, with what was found at each scale. found: by scale, in their order."""
    rows = []
    for nth, claim in enumerate(claims):
        scales = {}
        for scale, findings in found.items():
            parts = [{"what": what} | numbers(estimate) for what, estimate in findings[nth].parts]
            scales[scale] = {"verdict": findings[nth].verdict, "note": findings[nth].note, "ours": parts}
        about = {name: getattr(claim, name) for name in ("name", "says", "published", "study", "rule")}
        rows.append(about | {"scales": scales})
    return rows


def claim_table(rows: list[dict]) -> tuple[str, list[str], list[list[str]], str]:
    """A claim a line: what the paper says and measured, and for each scale the verdict and what it rests on."""
    scales = list(rows[0]["scales"])
    cells = [
        [
            f"{row['name']}\n{row['says']}",
            row["published"],
            *(found_in_words(row["scales"][scale]) + LATE * row["rule"].startswith(AFTER) for scale in scales),
        ]
        for row in rows
    ]
    caption = (
        "exact strict scores where none other is named; 95 % intervals, Student's t over seeds "
        "(one seed: bootstrap over its problems); decided by each study's rule, written before its run if nothing else "
        "is said"
    )
    return f"what is claimed of {topic_of(rows)}", ["claim", "published", *scales], cells, caption


def topic_of(rows: list[dict]) -> str:
    """The topic whose claims these are."""
    return rows[0]["study"].partition("/")[0]


def found_in_words(found: dict) -> str:
    """A verdict, its estimates with their intervals and n a line each, and the remark."""
    return "\n".join(
        [found["verdict"], *map(part_in_words, found["ours"]), *([found["note"]] if found["note"] else [])]
    )


def part_in_words(part: dict) -> str:
    span = "" if math.isnan(part["low"]) else f" ({part['low']:.3f} to {part['high']:.3f})"
    n = f"{part['seeds']} seed{'s' * (part['seeds'] != 1)}" + f" × {part['problems']}" * (part["problems"] > 0)
    return f"{part['what']}: {part['mean']:.3f}{span}, {n}"


# --- words -----------------------------------------------------------------------------------------------------------


def recipe_in_words(study, arm) -> list[str]:
    """One sentence for each stage of an arm, those of the base marked."""
    shared_ = len(study.base_of(arm).stages)
    return [("base: " if n < shared_ else "") + stage_in_words(stage) for n, stage in enumerate(arm.recipe.stages)]


def stage_in_words(stage) -> str:
    """A stage's fields in a sentence, whatever kind of stage it is."""
    length = f"{stage.steps} steps" if stage.steps is not None else f"{large(stage.flops, 'FLOPs')}"
    told = [f"{type(stage).__name__}, {length} of {stage.batch_size} rows"]
    for field in fields(stage):
        value = getattr(stage, field.name)
        if field.name in ("steps", "flops", "rows", "optim", "version"):
            continue
        told.append(f"{field.name.replace('_', ' ')} {value_in_words(value)}")
    return "; ".join(told)


def value_in_words(value) -> str:
    """A field's value: sources by ops and world, recipes by key,
    other descriptions by what differs from the default."""
    name = type(value).__name__
    if name == "Source":
        length = f", {between(value.length)} givens long" if value.length else ""
        return f"ops {between(value.ops)} in {value.world}, {value.mode}{length}"
    if name == "Mixture":
        return " + ".join(f"{100 * weight:.3g} % {value_in_words(part)}" for weight, part in value.parts if weight)
    if name == "Recipe":
        return f"model {value.key[:12]}"
    if is_dataclass(value):
        return name + " (" + ", ".join(f"{f.name} {getattr(value, f.name)}" for f in fields(value)) + ")"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return str(value)


def between(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}"


# --- drawings --------------------------------------------------------------------------------------------------------


def svg(figure, label: str) -> str:
    """A matplotlib figure as inline SVG whose colours are the page's, in light and in dark."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    for nth, colour in enumerate(SERIES):
        drawing = drawing.replace(colour, f"var(--s{nth})")
    # Ids are names for the whole page, and matplotlib numbers them anew in every drawing.
    mark = f"d{blake2b(drawing.encode(), digest_size=6).hexdigest()}-"
    drawing = drawing.replace('id="', f'id="{mark}').replace('"#', f'"#{mark}').replace("url(#", f"url(#{mark}")
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(label, quote=True)}" ', 1)
    return f'<figure class="plot">{drawing}</figure>'


def canvas(columns: int, height: float, sharey: bool = True):
    """A figure with a row of axes in the page's ink, and its axes as a list."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "interlude", "font.family": "sans-serif", "font.size": 9,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
        "ytick.major.width": 0.6, "axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False,
        "lines.linewidth": 1.6,
    })  # fmt: skip
    figure = Figure(figsize=(min(8.4, 2.9 * columns + 0.6), height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, sharey=sharey)[0])


def by_ops(found: dict, k: int) -> str:
    """Strict pass@k by operations, a panel for each world, a line for each arm with its interval, bands shaded."""
    rows = [row for row in found["scores"] if row["kind"] == "exact" and row["k"] == k and row["ops"].isdigit()]
    panels = list(dict.fromkeys((row["world"], row["mode"]) for row in rows))
    if not rows:
        return ""
    figure, axes = canvas(len(panels), 2.7)
    arms = [row["arm"] for row in found["arms"]]
    for axis, panel in zip(axes, panels, strict=True):
        those = [row for row in rows if (row["world"], row["mode"]) == panel]
        shade(axis, found["bands"])
        for nth, arm in enumerate(arms):
            line = sorted((row for row in those if row["arm"] == arm), key=lambda row: int(row["ops"]))
            draw_line(axis, [int(r["ops"]) for r in line], line, nth, arm)
        axis.set(title=", ".join(panel), xlabel="operations", ylim=(-0.03, 1.13))
        axis.set_xticks(sorted({int(row["ops"]) for row in those}))
    axes[0].set_ylabel(f"strict pass@{k}")
    keyed(figure, axes[0], arms)
    return svg(figure, f"strict pass@{k} by number of operations")


def shade(axis, bands: dict) -> None:
    """Every second band tinted, and each named at the top."""
    for nth, (name, (low, high)) in enumerate(bands.items()):
        if nth % 2:
            axis.axvspan(low - 0.5, high + 0.5, color=INK, alpha=0.06, linewidth=0)
        axis.text(
            (low + high) / 2, 0.99, name, ha="center", va="top", fontsize=7.5, transform=axis.get_xaxis_transform()
        )


def draw_line(axis, x: list, rows: list[dict], nth: int, label: str) -> None:
    colour, marker = SERIES[nth % len(SERIES)], MARKERS[nth % len(MARKERS)]
    axis.fill_between(x, [r["low"] for r in rows], [r["high"] for r in rows], color=colour, alpha=0.18, linewidth=0)
    axis.plot(x, [r["mean"] for r in rows], color=colour, marker=marker, markersize=3.5, label=label)


def keyed(figure, axis, arms: list[str]) -> None:
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(arms)), fontsize=8)


def by_k(found: Results, bands: Bands) -> str:
    """pass@k for k up to a million at the edge, a panel for each world."""
    arms = found.arms
    panels = [(about, exams) for about, exams in groups(found, arms[0], bands) if about["band"] == "edge"]
    if not panels:
        exact = [exam for exam in exams_of(found, arms[0]) if found.of(arms[0], exam)[0]["kind"] == "exact"]
        panels = [({"world": "all exact exams", "mode": ""}, exact)] if exact else []
    if not panels:
        return ""
    figure, axes = canvas(len(panels), 2.7)
    for axis, (about, exams) in zip(axes, panels, strict=True):
        for nth, arm in enumerate(arms):
            if set(exams) <= set(exams_of(found, arm)):
                draw_line(axis, list(CURVE), [numbers(pooled(found, arm, exams, k)) for k in CURVE], nth, arm)
        axis.set(
            title=f"{about.get('band', '')} {about['world']}".strip(), xlabel="k", xscale="log", ylim=(-0.03, 1.13)
        )
    axes[0].set_ylabel("strict pass@k")
    keyed(figure, axes[0], list(arms))
    return svg(figure, "strict pass at k for k from one to a million")


def by_role(found: Results, bands: Bands) -> str:
    """Mean surprise of the canonical solution split over token roles, at each band of the first world."""
    panels = [(about["band"], exams) for about, exams in groups(found, found.arms[0], bands)]
    panels = panels[: len(bands)]
    if not panels:
        return ""
    figure, axes = canvas(len(panels), 2.9, sharey=False)
    for axis, (band, exams) in zip(axes, panels, strict=True):
        for at, arm in enumerate(found.arms):
            if set(exams) <= set(exams_of(found, arm)):
                stack(axis, at, nats(found, arm, exams))
        axis.set_xticks(range(len(found.arms)), found.arms, rotation=30, ha="right", fontsize=7)
        axis.set_title(band)
    axes[0].set_ylabel("nats a problem")
    keyed(figure, axes[0], list(ROLES))
    return svg(figure, "surprise of the worked solution by token role")


def stack(axis, at: int, parts: dict[str, float]) -> None:
    height = 0.0
    for nth, (role, value) in enumerate(parts.items()):
        axis.bar(at, value, bottom=height, color=SERIES[nth], width=0.7, label=role if at == 0 else "_")
        height += value


def nats(found: Results, arm: str, exams: list[str]) -> dict[str, float]:
    """Mean nats a problem by role over seeds and exams of equal size; a role that never occurs holds 0."""
    rows = [row for exam in exams for row in found.of(arm, exam)]
    return {
        role: float(np.mean([0.0 if math.isnan(v := row[f"{role}_nats"]) else v for row in rows])) for role in ROLES
    }


# --- answers of the models themselves --------------------------------------------------------------------------------


def examples(study, bands: Bands, count: int = EXAMPLES) -> list[dict]:
    """Sampled answers of every arm's first seed to the first problems of an edge exam, judged.

    Loads models, so it needs the folders of ``runs/``; an arm whose model is not there has ``answers`` None. Each
    answer is one sample at temperature 1 whose random numbers depend on problem and row only.
    """
    from interlude.studies.run import load

    exam = telling_exam(study, bands)
    problems = exam.draw_problems()[:count]
    shown = [{"exam": exam.name, "question": p.question, "solution": p.solution, "answers": {}} for p in problems]
    for arm in (each for each in study.arms if exam in study.exams_of(each)):  # others may not know the words
        recipe = arm.recipe.with_seed(study.seeds[0])
        judged = answered_by(load(recipe), problems) if recipe.finished else [None] * len(problems)
        for row, answer in zip(shown, judged, strict=True):
            row["answers"][arm.name] = answer
    return shown


def telling_exam(study, bands: Bands):
    """The exam whose problems are shown: the first of the edge, else the first of the headline, else the first."""
    low = bands["edge"][0] if "edge" in bands else None
    for exam in study.exams:
        if low is not None and type(exam.source).__name__ == "Source" and exam.source.ops == (low, low):
            return exam
    return next((exam for exam in study.exams if exam.name in study.headline), study.exams[0])


def answered_by(lm, problems: list) -> list[dict]:
    """One sampled answer to each problem, with the verifier's verdict and the span of every step it could read."""
    streams = np.stack([uniforms("report", row, n=ROOM) for row in range(len(problems))])
    samples = lm.sample([lm.encode_prompt(p.question) for p in problems], streams, max_new_tokens=ROOM)
    return [judgement(problem, lm.decode(ids)) for problem, ids in zip(problems, samples.ids, strict=True)]


def judgement(problem, text: str) -> dict:
    """A response cut into its steps, each with the faults found in it; faults outside any step come last."""
    verdict = verify(problem, text)
    pieces, at = [], 0
    for nth, step in enumerate(parse(text, problem.grammar).steps):
        if aside := text[at : step.span[0]].strip():  # remarks, thoughts and lines of approaches
            pieces.append({"text": aside, "faults": [], "step": False})
        start, at = step.span
        pieces.append(
            {"text": text[start:at], "faults": kinds(f for f in verdict.faults if f.step == nth), "step": True}
        )
    if text[at:].strip():
        outside = kinds(fault for fault in verdict.faults if fault.step is None)
        pieces.append({"text": text[at:].strip(), "faults": outside, "step": False})
    return {
        "pieces": pieces,
        "strict": verdict.strict,
        "answer": verdict.answer,
        "process": verdict.process,
        "faults": kinds(verdict.faults),
    }


def kinds(faults) -> list[str]:
    """Each kind of fault once, in order."""
    return list(dict.fromkeys(fault.kind for fault in faults))


# --- the page --------------------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #5b5b60; --rule: #d8d6d0; --paper: #fdfcf9; --wash: #f3f1ea;
  --s0: #0072b2; --s1: #d55e00; --s2: #00875f; --s3: #a9508a; --s4: #8a6d00; --s5: #4a5bbf; --s6: #6b6b6b;
  --right: #00704e; --wrong: #b23a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4df; --soft: #a3a19b; --rule: #3b3a38; --paper: #171716;
  --wash: #222120; --s0: #56b4e9; --s1: #ff8c42; --s2: #3cc79a; --s3: #e69ac4; --s4: #e5c04b; --s5: #9aa7ff;
  --s6: #b5b5b5; --right: #4fd1a5; --wrong: #ff9466; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 3rem 1.25rem 5rem; max-width: 52rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 600; }
h2 { font-size: 1.45rem; line-height: 1.25; margin: 3.5rem 0 .3rem; padding-top: 1.2rem;
  border-top: 1px solid var(--rule); font-weight: 600; }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .4rem; font-weight: 600; }
p { margin: .5rem 0; } .soft, figcaption, caption { color: var(--soft); font-size: .88rem; }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .35rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
ol.stages { margin: .2rem 0 .8rem; padding-left: 1.3rem; font-size: .92rem; }
figure { margin: 1rem 0 1.4rem; } .plot svg { max-width: 100%; height: auto; color: var(--ink); }
.plot text { font-family: system-ui, "Helvetica Neue", Arial, sans-serif !important; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font: .82rem/1.35 system-ui, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; margin: .6rem 0; }
caption { text-align: left; caption-side: bottom; padding-top: .4rem; }
th, td { padding: .28rem .6rem; text-align: right; vertical-align: top; white-space: pre-line; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; }
tbody tr + tr td { border-top: 1px solid var(--rule); } .range { color: var(--soft); font-size: .92em; }
pre, .text { font: .84rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
  background: var(--wash); padding: .6rem .8rem; margin: .4rem 0; border-radius: 3px; }
.text div { display: flex; gap: .6rem; } .mark { flex: none; width: 1.1rem; }
.right .mark { color: var(--right); } .wrong .mark, .fault { color: var(--wrong); }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); font-size: .92rem; }
nav a { color: inherit; } .claims td, .claims th { text-align: left; min-width: 11rem; padding-left: 0; }
@media print { :root { color-scheme: light; } body { max-width: none; padding: 0; font-size: 10pt; background: none; }
  h2 { break-before: page; border: 0; } figure, table, .text { break-inside: avoid; } nav { display: none; }
  .wide { overflow: visible; } }
""".strip()


def page(studies: list[tuple], bands: Bands, claims: Iterable[list[dict]] = ()) -> str:
    """One self-contained HTML page about (study, results) pairs, no scripts and nothing fetched. claims: what
    ``claim_rows`` gives of each topic, shown first."""
    parts = [claims_html(rows) for rows in claims]
    parts += [study_html(study, found, bands) for study, found in studies]
    scales = ", ".join(dict.fromkeys(found.scale for _, found in studies))
    title = escape(heading([study.name for study, _ in studies]))
    links = " · ".join(f'<a href="#{anchor(study)}">{escape(study.name)}</a>' for study, _ in studies)
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Interlude: {escape(', '.join(study.name for study, _ in studies))}</title>\n"
        f"<style>\n{STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f'<p class="soft">Interlude, scale {escape(scales)}. Every number is measured; intervals are 95 % bootstrap '
        "intervals over seeds and problems (where seeds differ more than problems those of three seeds cover 75 %), "
        "those of differences Student t over seeds. Strict means that every step of "
        f'the working is right.</p>\n<nav class="soft">{links}</nav>\n' + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def heading(names: list[str]) -> str:
    """What the studies of a page are about: their topic's own words, where they are of one topic."""
    topics = {name.partition("/")[0] for name in names}
    only = f"interlude.studies.{topics.pop()}" if len(topics) == 1 else "interlude.studies.stages"
    about = importlib.import_module(only).__doc__.splitlines()[0].removeprefix("Studies of ").rstrip(".")
    return about[0].upper() + about[1:]


def anchor(study) -> str:
    return study.name.replace("/", "-")


def claims_html(rows: list[dict]) -> str:
    """The table of claims, and the rules of those whose study has none for them."""
    title, *rest = claim_table(rows)
    rules = [(row["name"], row["rule"]) for row in rows if row["rule"]]
    return (
        f'<section id="claims-{escape(topic_of(rows))}" class="claims">\n'
        f"<h2>{escape(title.capitalize())}</h2>\n{html_table(*rest)}\n"
        f"<h3>Rules of claims that their study has no rule for</h3>\n{facts(rules)}</section>"
    )


def study_html(study, found: Results, bands: Bands) -> str:
    """The section of one study."""
    numbers_ = summary(study, found, bands)
    seeds = ", ".join(map(str, found.seeds))
    parts = [
        f'<section id="{anchor(study)}">\n<h2>{escape(study.question)}</h2>',
        f'<p class="soft">{escape(study.name)}, scale {escape(study.scale)}, seeds {seeds}.</p>',
        facts([("Prediction", study.prediction), ("Rule", study.rule), ("Unequal", study.unequal)]),
        "<h3>Arms</h3>",
        *(arm_html(study, arm) for arm in study.arms),
        "<h3>What each arm cost</h3>",
        html_table(*cost_table(numbers_["arms"])[1:]),
        figure_html("What is solved at the first attempt, by depth", by_ops(numbers_, 1)),
        figure_html("What is within reach of 128 attempts, by depth", by_ops(numbers_, 128)),
        figure_html("How far more attempts carry at the edge", by_k(found, bands)),
        figure_html(
            "Where the model is surprised by the right solution (mean over seeds, nats)", by_role(found, bands)
        ),
    ]
    if numbers_["contrasts"]:
        parts += ["<h3>Differences between arms</h3>", html_table(*contrast_table(numbers_["contrasts"])[1:])]
    parts += ["<h3>Problems and the models' own answers</h3>", examples_html(study, bands), "<h3>All scores</h3>"]
    for title, heads, cells, caption in tables(numbers_):
        parts.append(f"<details><summary>{escape(title)}</summary>{html_table(heads, cells, caption)}</details>")
    return "\n".join(part for part in parts if part) + "\n</section>"


def facts(pairs: list[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs if text)
    return f"<dl>{rows}</dl>"


def arm_html(study, arm) -> str:
    stages = "".join(f"<li>{escape(words)}</li>" for words in recipe_in_words(study, arm))
    equal = "" if arm.equal else ' <span class="soft">(its compute need not equal the others\')</span>'
    return f'<p><strong>{escape(arm.name)}</strong>{equal}</p><ol class="stages">{stages}</ol>'


def figure_html(title: str, drawing: str) -> str:
    return f"<h3>{escape(title)}</h3>\n{drawing}" if drawing else ""


def html_table(heads: list[str], rows: list[list], caption: str = "") -> str:
    head = "".join(f"<th>{escape(str(each))}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell_html(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    below = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{below}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell_html(text: str) -> str:
    """A cell, with whatever stands below its first line set back."""
    first, _, rest = text.partition("\n")
    return escape(first) + (f'\n<span class="range">{escape(rest)}</span>' if rest else "")


def examples_html(study, bands: Bands) -> str:
    """The examples, or one sentence saying that there are no models to ask."""
    if not any(arm.recipe.with_seed(study.seeds[0]).finished for arm in study.arms):
        return (
            f'<p class="soft">The trained models are not on this machine, so none could be asked. '
            f"<code>interlude run {escape(study.name)} --scale {escape(study.scale)}</code> makes them.</p>"
        )
    said = f"One sample of each arm (seed {study.seeds[0]}, temperature 1), not chosen."
    return f'<p class="soft">{said}</p>' + "".join(example_html(row) for row in examples(study, bands))


def example_html(row: dict) -> str:
    answers = "".join(answer_html(arm, answer) for arm, answer in row["answers"].items())
    gold = f"<details><summary>worked solution</summary><pre>{escape(row['solution'])}</pre></details>"
    return f'<p class="soft">{escape(row["exam"])}</p><pre>{escape(row["question"])}</pre>{gold}{answers}'


def answer_html(arm: str, answer: dict | None) -> str:
    """One arm's answer, a line for each step, ticked or crossed with the kinds of its faults."""
    if answer is None:
        return f'<p><strong>{escape(arm)}</strong> <span class="soft">not trained on this machine</span></p>'
    lines = "".join(piece_html(piece) for piece in answer["pieces"])
    shown = {fault for piece in answer["pieces"] for fault in piece["faults"]}
    other = [fault for fault in dict.fromkeys(answer["faults"]) if fault not in shown]
    missed = f'<p class="fault">{escape(", ".join(other))}</p>' if other else ""
    verdict = "strictly right" if answer["strict"] else "right answer, faulty working" if answer["answer"] else "wrong"
    score = f"{verdict}; {answer['process']:.0%} of the steps right"
    head = f'<p><strong>{escape(arm)}</strong> <span class="soft">{score}</span></p>'
    return f'{head}<div class="text">{lines}</div>{missed}'


def piece_html(piece: dict) -> str:
    kind, mark = ("wrong", "✗") if piece["faults"] else ("right", "✓") if piece["step"] else ("", "")
    faults = f'<span class="fault">{escape(", ".join(piece["faults"]))}</span>' if piece["faults"] else ""
    return f'<div class="{kind}"><span class="mark">{mark}</span><span>{escape(piece["text"])}</span>{faults}</div>'
