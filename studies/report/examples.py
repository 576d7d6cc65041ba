"""Example responses of every arm to problems of every depth, with the verifier's marks."""

from __future__ import annotations

from collections import Counter
from html import escape

import numpy as np

from interlude.models.lm import SamplingParams
from interlude.studies.evidence import COMMON
from interlude.synth.parse import parse
from interlude.synth.rng import uniforms
from interlude.synth.verify import verify

PROBLEMS = 4  # per depth, the same for every arm
ROOM = 256  # most tokens of a response
RIGHT, LUCKY = "right", "right answer, faulty working"


def examples(study, count: int = PROBLEMS) -> list[dict]:
    """One judged response of every arm's first seed to each of the first problems of each depth.

    Loads models from the folders in ``runs/``; an arm whose model is not there has ``responses`` None. Each response is
    one sample at temperature 1; its random numbers depend only on its row.
    """
    from interlude.studies.run import load

    made = []
    for arm in study.arms:
        recipe = arm.recipe.with_seed(study.seeds[0])
        if not recipe.finished:
            made.append({"arm": arm.name, "responses": None})
            continue
        lm = load(recipe)
        problems = [(exam, problem) for exam in depths(study, arm) for problem in exam.draw_problems()[:count]]
        judged = responses(lm, [problem for _, problem in problems])
        rows = [
            {"exam": exam.name, "ops": problem.ops, "question": problem.question, "solution": problem.solution} | each
            for (exam, problem), each in zip(problems, judged, strict=True)
        ]
        made.append({"arm": arm.name, "responses": rows})
    return made


def depths(study, arm) -> list:
    """The exams whose problems are shown: one for each number of operations, from the headline if it has any."""
    exams = [exam for exam in study.exams_of(arm) if type(exam.source).__name__ == "Source"]
    headline = [exam for exam in exams if exam.name in study.headline] or exams
    own = [exam for exam in headline if exam.source.world == COMMON] or headline
    return list({exam.source.ops: exam for exam in reversed(own)}.values())[::-1]


def responses(lm, problems: list) -> list[dict]:
    """One sampled response to each problem, with the verifier's verdict and the steps it could parse."""
    streams = np.stack([uniforms("report", row, n=ROOM) for row in range(len(problems))])
    prompts = [lm.encode_prompt(p.question) for p in problems]
    samples = lm.sample(prompts, streams, SamplingParams(max_new_tokens=ROOM))
    return [judgement(problem, lm.decode(ids)) for problem, ids in zip(problems, samples.ids, strict=True)]


def judgement(problem, text: str) -> dict:
    """A response split into its steps, each with the faults found in it; faults outside any step come last."""
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


def outcome(row: dict) -> str:
    """The outcome of a response: right, or its first fault."""
    if row["strict"]:
        return RIGHT
    return row["faults"][0] if row["faults"] else LUCKY if row["answer"] else "wrong"


# --- as HTML ---------------------------------------------------------------------------------------------------------


def examples_html(study) -> str:
    """Every arm's responses, or one sentence if no trained model is on this machine or no exam has depths."""
    if not any(depths(study, arm) for arm in study.arms):
        return '<p class="soft">Example responses are shown of the generator\'s problems only.</p>'
    # A pretrained model without a stage is on every machine, and shows nothing of the study.
    if not any(arm.recipe.stages and arm.recipe.with_seed(study.seeds[0]).finished for arm in study.arms):
        return (
            f'<p class="soft">The trained models are not on this machine, so there are no example responses. '
            f"<code>interlude run {escape(study.name)} --scale {escape(study.scale)}</code> trains them.</p>"
        )
    said = (
        f"One sample per arm (seed {study.seeds[0]}, temperature 1) and problem, for the first {PROBLEMS} problems of "
        "each depth, without selection. Each count links to the responses."
    )
    return f'<p class="soft">{said}</p>' + "".join(
        arm_html(study, row["arm"], row["responses"]) for row in examples(study)
    )


def arm_html(study, arm: str, rows: list[dict] | None) -> str:
    """The responses of one arm: a table of outcomes by depth and, folded below it, all responses."""
    if rows is None:
        return f'<p><strong>{escape(arm)}</strong> <span class="soft">not trained on this machine</span></p>'
    mark = f"{study.name.replace('/', '-')}-{[each.name for each in study.arms].index(arm)}"
    rows = sorted(rows, key=lambda row: row["ops"])
    outcomes = [name for name, _ in Counter(map(outcome, rows)).most_common()]
    outcomes = sorted(outcomes, key=lambda name: name != RIGHT)
    head = "".join(f"<th>{escape(name)}</th>" for name in outcomes)
    body = ""
    for ops in dict.fromkeys(row["ops"] for row in rows):
        cells = [[n for n, r in enumerate(rows) if (r["ops"], outcome(r)) == (ops, name)] for name in outcomes]
        links = [f'<a href="#{mark}-{found[0]}">{len(found)}</a>' if found else "–" for found in cells]
        body += f"<tr><td>{operations(ops)}</td>{''.join(f'<td>{link}</td>' for link in links)}</tr>"
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
    texts = "".join(
        f"<details><summary>{escape(name)}: {len(those)}</summary>"
        + "".join(transcript_html(f"{mark}-{n}", row) for n, row in those)
        + "</details>"
        for name in outcomes
        if (those := [(n, row) for n, row in enumerate(rows) if outcome(row) == name])
    )
    right = sum(row["strict"] for row in rows)
    summary = f"<summary>{escape(arm)}: {right} of {len(rows)} right</summary>"
    return f'<details>{summary}<div class="wide transcripts">{table}</div>{texts}</details>'


def operations(count: int) -> str:
    """The number of operations in words."""
    return f"{count} operation{'s' * (count != 1)}"


def transcript_html(mark: str, row: dict) -> str:
    """A problem and its response, one line per step with a tick, or a cross and the kinds of its faults."""
    lines = "".join(piece_html(piece) for piece in row["pieces"])
    shown = {fault for piece in row["pieces"] for fault in piece["faults"]}
    other = [fault for fault in dict.fromkeys(row["faults"]) if fault not in shown]
    missed = f'<p class="fault">{escape(", ".join(other))}</p>' if other else ""
    verdict = "strictly right" if row["strict"] else LUCKY if row["answer"] else "wrong"
    score = f"{operations(row['ops'])}, {verdict}; {row['process']:.0%} of the steps right"
    gold = f"<details><summary>right solution</summary><pre>{escape(row['solution'])}</pre></details>"
    return (
        f'<div class="transcript" id="{mark}"><p class="soft">{score}</p><pre>{escape(row["question"])}</pre>'
        f'<div class="text">{lines}</div>{missed}{gold}</div>'
    )


def piece_html(piece: dict) -> str:
    """One line of a response with its mark and faults."""
    kind, mark = ("wrong", "✗") if piece["faults"] else ("right", "✓") if piece["step"] else ("", "")
    faults = f'<span class="fault">{escape(", ".join(piece["faults"]))}</span>' if piece["faults"] else ""
    return f'<div class="{kind}"><span class="mark">{mark}</span><span>{escape(piece["text"])}</span>{faults}</div>'
