"""The tables of a study's results that ``show`` prints and its HTML page contains."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from interlude.studies import evidence
from interlude.studies.console import duration, large, with_interval
from interlude.studies.evidence import BINS, Bands
from interlude.studies.layout import Table, excludes_zero, gap, over_seeds_in_words, resampled
from interlude.studies.results import STRUCTURES, Results
from interlude.studies.verdicts import NO_TABLE, NOT_RUN, OPEN, VERDICTS, Claim, Verdict, decide

FEW = (1, 128)  # the k of pass@k that ``show`` prints without --all
MOST = 12  # without --all, claims and lines of differences beyond these are left to it
SOLVED = 0.99  # a column of pass@k with k > 1 is left out if every arm reaches this


def summary(study, table: Results, bands: Bands, claims: Sequence[Claim] = (), curves: Sequence[dict] = ()) -> dict:
    """Everything that ``show`` prints, as JSON values: verdicts, scores by exam and by band, differences, newly solved
    problems, the measures of each kind of exam, the exams themselves, costs, and from training curves what RL was paid
    and how many groups of responses had equal rewards."""
    kinds = kinds_of(study)
    return {
        "study": study.name,
        "scale": study.scale,
        "question": study.question,
        "prediction": study.prediction,
        "rule": study.rule,
        "unequal": study.unequal,
        "last_steps": study.last_steps,
        "seeds": list(table.seeds),
        "left_out": list(table.left_out),
        "bands": {name: list(span) for name, span in bands.items()},
        "headline": list(study.headline),
        "verdicts": [verdict_row(verdict) for verdict in decide(claims, table, bands)],
        "arms": [evidence.cost(table, arm) for arm in table.arms],
        "exams": evidence.exam_rows(table),
        "scores": [
            row
            for arm in table.arms
            for exam in evidence.exams_of(table, arm)
            for row in evidence.scores(table, arm, exam)
        ],
        "band_scores": evidence.band_scores(table, bands),
        "contrasts": evidence.contrasts(table, study.contrasts, study.headline, bands),
        "similarity": [row for arm in table.arms for row in evidence.similar(table, arm, bands)],
        "newly_solved": [
            row for arm, over in study.contrasts for row in evidence.newly_solved(table, arm, over, bands)
        ],
        "kinds": {kind: rows for kind, made in kinds.items() if (rows := made.summary(table))},
        "rl": evidence.rl_stages(curves),
    }


def kinds_of(study) -> dict[str, type]:
    """The classes of a study's exams, by kind."""
    exams = (*study.exams, *(exam for arm in study.arms for exam in study.exams_of(arm)))
    return {exam.kind: type(exam) for exam in exams}


def verdict_row(verdict: Verdict) -> dict:
    """A verdict as JSON values."""
    claim = verdict.claim
    return {
        "claim": claim.name,
        "published": claim.published,
        "place": claim.place,
        "margin": claim.margin,
        "verdict": verdict.verdict,
        "exploratory": verdict.exploratory,
        "seeds_needed": verdict.seeds_needed,
        "note": verdict.note,
        "ours": [asdict(part) | {"half_width": part.half_width, "seeds": len(part.seeds)} for part in verdict.measured],
    }


# --- which tables ----------------------------------------------------------------------------------------------------


def short(data: dict) -> list[Table]:
    """The tables that answer the study's question: verdicts, scores of the headline exams, and their differences.

    Of more than MOST claims only those that are decided are shown. More than MOST lines of differences are left out
    where claims already say which differences matter.
    """
    worlds, exams = shown_first(data)
    sampled = [r for r in data["scores"] if r["exam"] in exams and r["kind"] == "sampled" and r["k"] == 1]
    made = [few_claims(data["verdicts"])] if data["verdicts"] else []
    made += [ranking_table(sampled)] if sampled else []
    if bands := [row for row in data["band_scores"] if row["world"] in worlds and row["k"] in FEW]:
        made.append(arm_table(bands))
    gaps = [row for row in data["contrasts"] if row.get("world") in worlds or row.get("exam") in exams]
    gaps = [row for row in gaps if row["k"] in FEW]
    if gaps and (not data["verdicts"] or len({(versus(row), where(row)) for row in gaps}) <= MOST):
        made.append(contrast_table(gaps))
    return made or full(data, {})


def shown_first(data: dict) -> tuple[set[str], set[str]]:
    """For ``short``: the worlds whose bands are shown, and the exams outside bands; all if there is no headline."""
    rows = [row for row in data["exams"] if row["exam"] in data["headline"]] or data["exams"]
    exact = {row["world"] for row in rows if row["kind"] == "exact"}
    return exact if data["band_scores"] else set(), {
        row["exam"] for row in rows if row["kind"] != "exact" or not data["band_scores"]
    }


def full(data: dict, kinds: dict[str, type]) -> list[Table]:
    """Every table, the deciding ones first. kinds: the classes of the exams, which make tables of their measures."""
    sampled = [row for row in data["scores"] if row["kind"] == "sampled" and row["k"] == 1]
    made = [verdict_table(data["verdicts"])] if data["verdicts"] else []
    made += [ranking_table(sampled)] if sampled else []
    made += [band_table(data["band_scores"])] if data["band_scores"] else []
    made += [contrast_table(data["contrasts"])] if data["contrasts"] else []
    for kind, world, mode in dict.fromkeys((row["kind"], row["world"], row["mode"]) for row in data["scores"]):
        rows = [row for row in data["scores"] if (row["kind"], row["world"], row["mode"]) == (kind, world, mode)]
        made.append(score_table(f"{kind}, {world}, {mode}", rows))
    for kind, rows in data["kinds"].items():
        made += kinds[kind].tables(rows) if kind in kinds else []
    made += [similarity_table(data["similarity"])] if data["similarity"] else []
    made += [newly_solved_table(data["newly_solved"])] if data["newly_solved"] else []
    made += [exam_table(data["exams"]), cost_table(data["arms"])]
    return [*made, *([rl_table(data["rl"])] if data["rl"] else [])]


# --- verdicts --------------------------------------------------------------------------------------------------------


def verdict_table(rows: list[dict]) -> Table:
    """One row per claim: the published result, our measurement, the verdict, and how many seeds would decide it."""
    cells = [[row["claim"], published(row), ours(row), decided(row)] for row in rows]
    return "claims", ["claim", "published", "measured", "verdict"], cells, decided_by(rows, resampled=True)


def claim_table(rows: list[dict]) -> Table:
    """The same for a terminal, in two columns: the verdict; and the claim with measured and published results."""
    cells = []
    for row in rows:
        verdict, *needed = decided(row).split("\n")
        said = [f"published: {row['published']} ({row['place']})"] if row["published"] else []
        alone = len(row["ours"]) == 1
        measured = [compared(part, resampled=False, alone=alone) + corrected(part) for part in row["ours"]]
        needed = [] if row["note"] == NO_TABLE else needed
        cells.append([verdict, "\n".join([row["claim"], *(f"  {line}" for line in (*measured, *said, *needed))])])
    return "claims", ["verdict", "claim, measured difference, and published result"], cells, decided_by(rows)


def few_claims(rows: list[dict]) -> Table:
    """claim_table; of more than MOST claims, only those that are decided, and of more than MOST of these, the most
    certain; with the numbers of the others."""
    told = [row for row in rows if row["verdict"] not in (OPEN, NOT_RUN)] if len(rows) > MOST else rows
    certain = sorted(told, key=certainty)[:MOST] if len(told) > MOST else told
    title, heads, cells, _ = claim_table([row for row in told if row in certain])
    others = [f"{len(told) - len(certain)} other claims are decided, less surely"] * (len(certain) < len(told))
    others += [f"{len(rows) - len(told)} other claims are open or not run"] * (len(told) < len(rows))
    return title, heads, cells, "; ".join(part for part in (decided_by(rows), *others) if part)


def certainty(row: dict) -> float:
    """The largest corrected p value among the comparisons that decided a claim."""
    return max(min(part["p"], part["p_equal"]) for part in row["ours"])


def topic_tables(studies: dict[str, list[dict]], scales: dict[str, str] | None = None) -> list[Table]:
    """The claims of papers, each with its first comparison and, where that has another verdict, the one that decided
    it or is furthest from it; and for every study of a topic how many claims of each verdict it has, below them the
    studies that were not run. scales: the scale of every study's table. A claim that several studies ask in the same
    words at one scale is shown once, from the study with the most seeds; what the others found stands below its name.
    """
    scales, asked = scales or {}, {}
    for name, rows in studies.items():
        for row in (row for row in rows if row["published"]):
            asked.setdefault((row["claim"], scales.get(name, "")), []).append((name, row))
    claims, paper = [], only_paper([row for again in asked.values() for _, row in again])
    for again in sorted(asked.values(), key=lambda found: by_number(found[0][1]["place"])):
        name, row = max(again, key=lambda found: fewest_seeds(found[1]))
        verdict, *_ = decided(row).split("\n")
        needed = [f"{row['seeds_needed']} seeds"] if more_needed(row) else []
        tried = [(other, each["verdict"]) for other, each in again if other != name and each["verdict"] != NOT_RUN]
        others = [f"{other.split('/')[-1]}: {found}" for other, found in tried]
        at = [scales[name]] if len({*scales.values()}) > 1 else []
        which = "\n".join([verdict, ", ".join([name.split("/")[-1], *at]), *needed, *others])
        place = row["place"].removeprefix(paper).lstrip(", ")
        claims.append([which, row["claim"], f"{row['published']}\n{place}", "\n".join(first_and_deciding(row))])
    waiting = [name for name, rows in studies.items() if all(row["verdict"] == NOT_RUN for row in rows)]
    counts = [
        [name, *(sum(row["verdict"] == verdict for row in rows) or "–" for verdict in VERDICTS), seeds_of(rows)]
        for name, rows in studies.items()
        if name not in waiting
    ]
    left = f"not run: {', '.join(name.split('/')[-1] for name in waiting)}" if waiting else ""
    caption = "seeds: how many would find a difference of the claim's margin with 80 % power"
    papers = f"claims of {paper or 'papers'}", ["verdict", "claim", "published", "ours (95 %)"], claims, caption
    return [*([papers] if claims else []), ("all claims, ours too", ["study", *VERDICTS, "seeds"], counts, left)]


def first_and_deciding(row: dict) -> list[str]:
    """Lines on the comparisons of a claim: the first; where its verdict is not the claim's, the least certain of those
    whose verdict is; and how many more there are of each verdict."""
    shown, others = row["ours"][:1], row["ours"][1:]
    if shown and shown[0]["verdict"] != row["verdict"]:
        shown.append(max((part for part in others if part["verdict"] == row["verdict"]), key=lambda part: part["p"]))
        others.remove(shown[1])
    said = [compared(part, resampled=False, alone=True) for part in shown]
    counts = Counter(part["verdict"] for part in others)
    more = ", ".join(f"{verdict} {count}" for verdict, count in counts.items())
    said[1:] = [f"{row['verdict']} for {each}" for each in said[1:]]
    return [*said, *([f"and {len(others)} more: {more}"] if others else [])]


def only_paper(rows: list[dict]) -> str:
    """The paper in which all claims were published, such as "arXiv 2512.07783"; "" where there are several."""
    found = {row["place"].partition(",")[0] for row in rows}
    return found.pop() if len(found) == 1 else ""


def by_number(place: str) -> list[tuple[int, str]]:
    """A key that sorts Figure 10 after Figure 3."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", place)]


def fewest_seeds(row: dict) -> int:
    """Of the comparisons of a claim; 0 where none was measured."""
    return min((part["seeds"] for part in row["ours"]), default=0)


def seeds_of(rows: list[dict]) -> str:
    """The fewest and most seeds of the comparisons of a study."""
    found = sorted({part["seeds"] for row in rows for part in row["ours"]})
    return "–" if not found else "-".join(map(str, dict.fromkeys((found[0], found[-1]))))


def decided_by(rows: list[dict], resampled: bool = False) -> str:
    """The statistical test behind the verdicts; an empty string if there are none."""
    comparisons = sum(len(row["ours"]) for row in rows)
    if not comparisons:
        return ""
    sizes = dict.fromkeys(size(part) for row in rows for part in row["ours"])
    again = "; in square brackets 95 % bootstrap over seeds and problems" * resampled
    corrected = f"; p corrected by Holm over the {comparisons} comparisons of this study" * (comparisons > 1)
    return f"{', '.join(sizes)} problems; paired by seed, 95 % Student t over seeds{again}{corrected}"


def published(row: dict) -> str:
    """The published result and its place."""
    return f"{row['published']}\n{row['place']}" if row["published"] else "our own claim"


def ours(row: dict) -> str:
    """The comparisons of a claim, one per line."""
    return "\n".join(compared(part) + corrected(part) for part in row["ours"]) or "–"


def size(part: dict) -> str:
    """Seeds and problems of a comparison, such as "8 seeds × 200"."""
    return f"{part['seeds']} seed{'s' * (part['seeds'] != 1)} × {part['problems']}"


def compared(part: dict, resampled: bool = True, alone: bool = False) -> str:
    """A comparison in one line. resampled: with its size and bootstrap interval. alone: without its own verdict."""
    span = "" if math.isnan(part["low"]) else f" ({part['low']:+.3f} to {part['high']:+.3f})"
    again = f" [{part['resampled_low']:+.3f} to {part['resampled_high']:+.3f}]" * resampled
    found = [*([size(part)] if resampled else []), *([] if alone else [part["verdict"]])]
    return ", ".join([f"{part['words']}: {part['mean']:+.3f}{span}{again}", *found])


def corrected(part: dict) -> str:
    """The corrected p of an open comparison whose own interval excludes 0, which says why it is open; else nothing."""
    excludes = part["direction"] != "within" and (part["low"] > 0 or part["high"] < 0)
    return f", p = {part['p']:.2g} after Holm" * (part["verdict"] == OPEN and excludes)


def decided(row: dict) -> str:
    """A verdict; if it is open, also the half-width of its interval and how many seeds would decide it."""
    lines = [row["verdict"] + ", exploratory" * (row["exploratory"] and row["verdict"] not in (OPEN, NOT_RUN))]
    widths = [part["half_width"] for part in row["ours"] if part["verdict"] == OPEN and not part["idle"]]
    if row["verdict"] == OPEN and widths and not math.isnan(max(widths)):
        more = f"; {row['seeds_needed']} seeds would detect a difference of {row['margin']:g}" * more_needed(row)
        lines.append(f"half-width {max(widths):.3f}{more}")
    return "\n".join([*lines, *([row["note"]] if row["note"] else [])])


def more_needed(row: dict) -> bool:
    """Whether a claim needs more seeds than it has, as far as its power says: with enough, another few may be luck."""
    return row["seeds_needed"] is not None and row["seeds_needed"] > min(part["seeds"] for part in row["ours"])


# --- scores ----------------------------------------------------------------------------------------------------------


def ranking_table(rows: list[dict]) -> Table:
    """pass@1 of every sampled exam, strict and answer-only; one row per arm, the best first."""
    exams = {row["exam"]: row["guess_floor"] for row in rows}
    at = {(row["arm"], row["exam"], row["score"]): row for row in rows}
    first = next(iter(exams))
    means = {row["arm"]: -1.0 for row in rows}
    means |= {arm: row["mean"] for (arm, exam, score), row in at.items() if (exam, score) == (first, "strict")}
    cells = []
    for arm in sorted(means, key=means.get, reverse=True):
        found = [(at.get((arm, exam, "strict")), at.get((arm, exam, "answer"))) for exam in exams]
        cells.append([arm, *(f"{with_interval(s)}\nanswer {a['mean']:.3f}" if s and a else "–" for s, a in found)])
    heads = ["arm", *(f"{exam}\nbest constant answer {floor:.3f}" for exam, floor in exams.items())]
    return f"strict pass@1, ordered by {first}", heads, cells, resampled(rows)


def score_table(title: str, rows: list[dict]) -> Table:
    """Arms by exams for each k; below an answer-only score stands the score of the best constant answer."""
    exams = list(dict.fromkeys((row["exam"], row["ops"]) for row in rows))
    cells = []
    for arm, score, k in dict.fromkeys((row["arm"], row["score"], row["k"]) for row in rows):
        line = [f"{arm}\n{score} pass@{k}"]
        for exam, _ in exams:
            those = [r for r in rows if (r["arm"], r["score"], r["k"], r["exam"]) == (arm, score, k, exam)]
            line.append(over_floor(those[0]) if those else "–")
        cells.append(line)
    heads = ["ops"] + [ops if ops in exam else f"{ops}\n{exam}" for exam, ops in exams]
    return title, heads, cells, resampled(rows)


def over_floor(row: dict) -> str:
    """A score with its interval; below an answer-only score, that of the best constant answer."""
    floor = f"\nconstant {row['guess_floor']:.3f}" if row["score"] == "answer" else ""
    return with_interval(row) + floor


def arm_table(rows: list[dict]) -> Table:
    """Arms by bands and k, one row per arm, without columns in which every arm solves nearly everything."""
    columns = list(dict.fromkeys((row["world"], row["mode"], row["band"], row["ops"], row["k"]) for row in rows))
    at = {(r["arm"], r["world"], r["mode"], r["band"], r["ops"], r["k"]): r for r in rows}
    solved = [c for c in columns if c[-1] > 1 and all(r["mean"] >= SOLVED for key, r in at.items() if key[1:] == c)]
    columns = [column for column in columns if column not in solved]
    cells = [
        [arm, *(with_interval(at[arm, *column]) if (arm, *column) in at else "–" for column in columns)]
        for arm in dict.fromkeys(row["arm"] for row in rows)
    ]
    several = len({(world, mode) for world, mode, *_ in columns}) > 1
    heads = [
        f"{band} ({ops})" + f"\n{world}" * several + f"\n{mode}" * (mode != "forward") + f"\npass@{k}"
        for world, mode, band, ops, k in columns
    ]
    left_out = "".join(f"; {band} pass@{k} is at least {SOLVED:g} in every arm" for *_, band, _, k in solved)
    return "by band, exact: strict pass@k", ["arm", *heads], cells, resampled(rows) + left_out


def band_table(rows: list[dict]) -> Table:
    """Arms and k by bands."""
    columns = list(dict.fromkeys((row["world"], row["mode"], row["band"], row["ops"]) for row in rows))
    at = {(r["arm"], r["k"], r["world"], r["mode"], r["band"], r["ops"]): r for r in rows}
    cells = [
        [
            f"{arm}\nstrict pass@{k}",
            *(with_interval(at[arm, k, *column]) if (arm, k, *column) in at else "–" for column in columns),
        ]
        for arm, k in dict.fromkeys((row["arm"], row["k"]) for row in rows)
    ]
    heads = ["band (ops)"] + [
        f"{band} ({ops})\n{world}" + f"\n{mode}" * (mode != "forward") for world, mode, band, ops in columns
    ]
    return "by band, exact", heads, cells, resampled(rows)


# --- differences -----------------------------------------------------------------------------------------------------


def contrast_table(rows: list[dict]) -> Table:
    """Differences, with a star if the interval excludes zero; one seed says nothing about training and gets none."""
    ks = sorted({row["k"] for row in rows})
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        lines.setdefault((versus(row), where(row)), {})[row["k"]] = gap(row)
    cells = [[*line, *(found.get(k, "–") for k in ks)] for line, found in lines.items()]
    heads = ["difference", "on", *(f"pass@{k}" for k in ks)]
    starred = "; *: the interval excludes zero, without correction for multiple comparisons"
    caption = over_seeds_in_words(rows) + starred * any(map(excludes_zero, rows))
    if unpaired := sorted({seed for row in rows for seed in row["unpaired"]}):
        caption += f"; seeds left out because their arms ran on different machines: {', '.join(map(str, unpaired))}"
    return "differences, paired by seed and problem", heads, cells, caption


def versus(row: dict) -> str:
    """The arms of a difference, and their ratio of compute if it is not equal."""
    if math.isnan(row["compute"]):
        return f"{row['arm']} – {row['over']} (the base itself)"
    unequal = not 1 / 1.05 <= row["compute"] <= 1.05
    return f"{row['arm']} – {row['over']}" + f" (compute x{row['compute']:.1f})" * unequal


def where(row: dict) -> str:
    """The exam, or the band and world, of a difference."""
    if "exam" in row:
        return row["exam"] + ", answers" * (row.get("score") == "answer")
    return f"{row['band']}, {row['world']}" + f", {row['mode']}" * (row["mode"] != "forward")


def newly_solved_table(rows: list[dict]) -> Table:
    """How many problems an arm newly solves, and how improbable their solutions were before."""
    cells = [
        [f"{row['arm']} – {row['over']}", where(row), f"{row['solved']}", *(f"{v:.3f}" for v in row["below"].values())]
        for row in rows
    ]
    heads = ["newly solved", "on", "problems", *(f"p < {p}" for p in rows[0]["below"])]
    caption = (
        "newly solved: the solution's probability rose above 1/2; p: its probability before; columns p < x: share of "
        "these problems; all seeds pooled"
    )
    return "newly solved problems, and their probability before", heads, cells, caption


def similarity_table(rows: list[dict]) -> Table:
    """One histogram per row: the share of problems solved, by similarity to gold."""
    spans = ["under 0.5", *(f"{low:g} to {high:g}" for low, high in pairwise(BINS[1:6])), "0.9 up", "equal"]
    cells = []
    for row in rows:
        means = [f"{row[name]:.3f}" for name in ("correct_mean", "all")]
        parts = [f"{part:.3f}" for part in row["bins"]]
        cells.append([row["arm"], where(row), row["k"], f"{row['correct']:.3f}", *parts, *means, gap(row)])
    heads = ["arm", "on", "pass@", "solved", *spans, "mean", "of all", "difference"]
    caption = "share of problems solved, by similarity; " + over_seeds_in_words(rows)
    return "similarity of correct graphs to gold", heads, cells, caption


# --- exams and costs -------------------------------------------------------------------------------------------------


def exam_table(rows: list[dict]) -> Table:
    """The size and kind of every exam."""
    whole = ("exam", "kind", "ops", "problems")
    cells = [
        [*(row[n] for n in whole), row["structures"] or "–", row["samples"] or "–", f"{row['guess_floor']:.3f}"]
        for row in rows
    ]
    heads = ["exam", "kind", "operations", "problems", "structures", "samples", "constant answer"]
    caption = (
        "structures: distinct graphs, ignoring names and order; bands leave out exams with fewer than "
        f"{STRUCTURES}, unless all have; constant answer: best score of one fixed answer"
    )
    return "exams", heads, cells, caption


def cost_table(rows: list[dict]) -> Table:
    """FLOPs, tokens, rows, updates' learning rates, time and machines of every arm."""
    counts = ("arm_flops", "rollout_flops", "flops", "tokens", "paper_tokens", "rows", "distinct")
    cells = [
        [
            r["arm"], len(r["seeds"]), *(large(r[name]) for name in counts),
            "–" if math.isnan(r["lr_sum"]) else f"{r['lr_sum']:.3g}", duration(r["seconds"]),
            "\n".join(r["machines"]) or "–",
        ]
        for r in rows
    ]  # fmt: skip
    heads = [
        "arm", "seeds", "FLOPs after base", "of these, sampling", "total FLOPs", "total tokens",
        "tokens by the paper's formula", "rows", "distinct", "sum of learning rates", "time after base", "machine",
    ]  # fmt: skip
    caption = (
        "rows: that entered the loss after the base (groups of equal rewards do so only with a KL term); distinct: "
        "different texts among them, stage by stage, up to the first token that the model sampled; –: not recorded"
    )
    return "cost, mean over seeds", heads, cells, caption


def rl_table(rows: list[dict]) -> Table:
    """Of every stage of RL: its steps, its reward, and the share of its groups without a policy gradient."""
    cells = [
        [
            r["arm"], r["stage"], r["seeds"], f"{r['steps']:.0f}",
            f"{r['reward_early']:.2f}", f"{r['reward_late']:.2f}", f"{r['equal']:.0%}", f"{r['equal_late']:.0%}",
        ]
        for r in rows
    ]  # fmt: skip
    heads = [
        "arm", "stage", "seeds", "steps", "reward, first quarter", "last", "groups of equal rewards", "last quarter",
    ]  # fmt: skip
    return "RL, mean over seeds", heads, cells, "a group whose rewards are all equal has no policy gradient"
