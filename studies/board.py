"""The board of mid-training methods as rows: rank, scores, differences to the controls, verdicts and cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from interlude.studies import evidence
from interlude.studies.evidence import Bands
from interlude.studies.layout import Table
from interlude.studies.results import Results
from interlude.studies.verdicts import (
    COMMON,
    FAILS,
    HOLDS,
    MARGIN,
    NOT_RUN,
    OOD,
    Claim,
    Comparison,
    Score,
    Verdict,
    above,
    minus,
)

THEN = ("", " + RL")  # how the names of an arm alone and of the same followed by RL end
RANKED = f"+ RL, {OOD} pass@1"  # what methods are ranked by
CONTROL = ("NTP", "pre-training")
FREE, OPENED = Score("zoo-edge-sampled"), Score("zoo-edge-sampled-answer")
OPENS = ("RLP", "RPT", "RMT", "RMT, entropy")  # methods whose thoughts somebody else opens
MOVED = Score("edge-kl", score="divergence")  # how far an arm is from its base along right solutions, in nats
# What a reader of a row of the committed table at nano must know and its numbers do not say.
NOTES = {
    "NTP": "at a tenth of its rate it ends at 0.77, not 0.69 (+ RL, 100-107: midtraining/tuned_controls)",
    "pre-training": "at a tenth of its rate it ends at 0.77, not 0.70 (+ RL, 100-107: midtraining/tuned_controls)",
    "ReMiT": "its gate failed on this corpus (weights of early answers 0.91 to 0.99); midtraining/remit has its own",
    "thinking": "in 0.50 to 0.77 of its groups all rewards are equal here; midtraining/thinking has texts of its own",
    "RL": "all of the budget is RL; RL without mid-training, at half of the budget, ends at 0.74 beyond the band",
    "RLPT": "the next segment after a thought; not the paper's other half, segments inferred from later ones",
}
BETTER, WORSE, EQUAL, OPEN = "better", "worse", "equal", "open"
# How far a method moved, as FLOPs do not say: key of a row, head of its column, format.
MOVEMENT = (("kl", "KL", ".2f"), ("lr_sum", "sum of rates", ".3g"))


def claims(method: str) -> tuple[Claim, ...]:
    """What is asked of a method: in each score, alone and after RL, whether it is above each control."""
    return beside(method, CONTROL, (OPENED if method in OPENS else FREE, FREE))


def beside(method: str, controls: Sequence[str], alone: tuple[Score, Score]) -> tuple[Claim, ...]:
    """That a method is above each control: at once alone, in its own score and the control's; at once after RL, over
    all that is deeper than the band; and in pass@128 on the hard band, alone and after RL. The variances of
    comparisons of one kind are moderated."""
    return tuple(claim for over in controls if over != method for claim in above_one(method, over, alone))


def above_one(method: str, over: str, alone: tuple[Score, Score]) -> tuple[Claim, ...]:
    """The claims about one control."""
    mine, theirs = alone
    at_once = Comparison(((1.0, method, mine), (-1.0, over, theirs)), name=f"{method} - {over}, edge pass@1")
    asked = [("alone, edge pass@1", at_once, "edge")]
    asked += [(RANKED, minus(f"{method} + RL", f"{over} + RL", OOD), OOD)]
    asked += [
        (f"{then.strip() or 'alone'}, hard pass@128", minus(method + then, over + then, "hard", k=128), f"hard{then}")
        for then in THEN
    ]
    return tuple(above(f"{method} > {over}: {what}", each, pool=pool) for what, each, pool in asked)


def word(verdict: Verdict) -> str:
    """What a verdict on "method above control" says of the method; "equal" is within the claim's margin."""
    if verdict.verdict in (HOLDS, NOT_RUN):
        return BETTER if verdict.verdict == HOLDS else NOT_RUN
    if verdict.verdict != FAILS:
        return OPEN
    return WORSE if any(part.mean < 0 and part.p < 0.05 for part in verdict.measured) else EQUAL


def more_seeds(verdict: Verdict) -> int | None:
    """How many seeds beyond those there are would find a difference of the margin, were nothing corrected; None unless
    it is open, or where there are as many already."""
    if verdict.seeds_needed is None:
        return None
    more = verdict.seeds_needed - min(len(part.seeds) for part in verdict.measured)
    return more if more > 0 else None


def spans(bands: Bands) -> dict[str, tuple[int, int]]:
    """What is deeper than the band in parts, by their fewest and most operations: before the edge (none at some
    scales), the edge, and the hard band."""
    least = bands["ID"][1] + 1
    parts = ((least, bands["edge"][0] - 1), *((max(least, low), high) for low, high in (bands["edge"], bands["hard"])))
    return {f"{low}-{high}" if low < high else str(low): (low, high) for low, high in parts if low <= high}


def rows(table: Results, verdicts: Iterable[Verdict], bands: Bands, alone: Sequence[tuple[str, Score]]) -> list[dict]:
    """A method a row, the best first: by exact pass@1 over all that is deeper than the band after RL, which arms called
    "+ RL" have had. alone: each method's name with the score that it has without RL. A method that the table lacks is
    left out. by_ops: the same score in parts, see ``spans``. kl (nats) and lr_sum say how far the method alone moved
    its base; NaN where the table does not say."""
    of: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        of.setdefault(verdict.claim.name.split(" > ")[0], []).append(verdict)
    made = []
    for name, score in alone:
        if name not in table.arms or f"{name} + RL" not in table.arms:
            continue
        cost = evidence.cost(table, f"{name} + RL")
        made.append(
            {
                "method": name,
                "alone": mean(table, name, score, bands),
                "with_rl": mean(table, f"{name} + RL", Score(OOD), bands),
                "by_ops": {what: deep(table, f"{name} + RL", ops) for what, ops in spans(bands).items()},
                "seeds": len(cost["seeds"]),
                "flops": cost["arm_flops"],
                "seconds": cost["seconds"],
                "kl": mean(table, name, MOVED, bands) if MOVED.on in table.exams else math.nan,
                "lr_sum": evidence.cost(table, name)["lr_sum"],
                "compared": [
                    {"what": verdict.claim.name.split(" > ")[1], "verdict": word(verdict), "more": more_seeds(verdict)}
                    | {key: getattr(part, key) for key in ("mean", "low", "high", "p")}
                    for verdict in of.get(name, [])
                    for part in verdict.measured
                ],
            }
        )
    made.sort(key=lambda row: row["with_rl"], reverse=True)
    return [{"rank": nth, **row} for nth, row in enumerate(made, start=1)]


def mean(table: Results, arm: str, score: Score, bands: Bands) -> float:
    """An arm's mean score over its seeds."""
    return float(evidence.values(table, arm, score.exams(table, bands), score.k, score.score).mean())


def deep(table: Results, arm: str, ops: tuple[int, int]) -> float:
    """An arm's mean exact pass@1 over numbers of operations; NaN without an exam of enough different structures."""
    exams = table.band(ops, COMMON)
    return float(evidence.values(table, arm, exams, 1).mean()) if exams else math.nan


def tables(made: list[dict], every: bool = True) -> list[Table]:
    """The rows as tables: the ranking, at which depths it comes about, what is established, and with ``every`` each
    comparison of each method."""
    over = list(dict.fromkeys(each["what"].split(": ")[0] for row in made for each in row["compared"]))
    shown = [each for each in MOVEMENT if not all(math.isnan(row[each[0]]) for row in made)]
    ranking = []
    for row in made:
        after = {each["what"].removesuffix(f": {RANKED}"): each for each in row["compared"]}
        moved = ["–" if math.isnan(row[name]) else f"{row[name]:{form}}" for name, _, form in shown]
        scores = str(row["rank"]), row["method"], f"{row['alone']:.3f}", f"{row['with_rl']:.3f}"
        gains = [half_width(after[name]) if name in after else "" for name in over]
        ranking.append([*scores, *gains, *moved, f"{row['flops'] / 1e12:.3g}", f"{row['seconds']:.0f}"])
    heads = ["rank", "method", "alone", "+ RL", *(f"- {name}" for name in over)]
    heads += [*(head for _, head, _ in shown), "TFLOP", "s"]
    caption = (
        "alone: edge pass@1 in a sampled exam; + RL: exact pass@1 on all operations beyond the band, and differences "
        "in it with 95 % half-widths (* established after Holm); FLOPs and seconds of a core include the RL"
    )
    if shown:
        caption += "; how far the method alone moved: KL(base || method) along right solutions, nats; learning rates"
    found = [("by pass@1 after RL", heads, ranking, caption), by_depth(made), established(made)]
    if every:
        lines = [
            [row["method"], each["what"], difference(each), verdict_text(each)]
            for row in made
            for each in row["compared"]
        ]
        caption = (
            "95 % Student t over seeds, variances moderated; verdicts after Holm over all comparisons; more seeds: to "
            f"find a difference of {MARGIN:g} with 80 % power"
        )
        found.append(("differences", ["method", "above", "difference", "verdict"], lines, caption))
    return found


def by_depth(made: list[dict]) -> Table:
    """Scores after RL by number of operations, each minus the first control's where that is among the rows."""
    control = next((row for row in made if row["method"] == CONTROL[0]), None)
    parts = list(made[0]["by_ops"]) if made else []
    lines = [
        [
            row["method"],
            *(
                "–"
                if math.isnan(row["by_ops"][part])
                else f"{row['by_ops'][part]:.2f}"
                + (f" {row['by_ops'][part] - control['by_ops'][part]:+.2f}" if control and row is not control else "")
                for part in parts
            ),
        ]
        for row in made
    ]
    caption = f"exact pass@1 after RL by number of operations, and minus {CONTROL[0]}: a mean hides where it was won"
    return "where it comes from", ["method", *parts], lines, caption


def established(made: list[dict]) -> Table:
    """What is established, a comparison a row: the methods above a control, below it, and equal to it."""
    lines = []
    for what in dict.fromkeys(each["what"] for row in made for each in row["compared"]):
        said = {verdict: [] for verdict in (BETTER, WORSE, EQUAL)}
        for row in made:
            for each in row["compared"]:
                if each["what"] == what and each["verdict"] in said:
                    said[each["verdict"]].append(row["method"])
        lines.append([what, *("; ".join(names) or "–" for names in said.values())])
    return "established", ["against", "above it", "below it", "equal to it"], lines, "all others are open: see --all"


def half_width(each: dict) -> str:
    """A difference with half of its interval, which is symmetric, and a star if its sign is established."""
    half = "" if math.isnan(each["low"]) else f" ± {(each['high'] - each['low']) / 2:.3f}"
    return f"{each['mean']:+.3f}{half}" + ("*" if each["verdict"] in (BETTER, WORSE) else "")


def difference(each: dict) -> str:
    """A mean difference and its interval, in words."""
    span = "" if math.isnan(each["low"]) else f" ({each['low']:+.3f} to {each['high']:+.3f})"
    return f"{each['mean']:+.3f}{span}"


def verdict_text(each: dict) -> str:
    """A verdict, and how many more seeds than an open one has would show a difference of the margin, uncorrected."""
    return each["verdict"] + (f", about {each['more']} more seeds" if each["more"] else "")
