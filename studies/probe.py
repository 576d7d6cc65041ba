"""The causal thought probe: does what stands in a thought matter to the corpus segment that follows it?"""

from __future__ import annotations

from functools import partial

import numpy as np

from interlude.models.annotator import chunk, with_content
from interlude.models.lm import LM, tags
from interlude.models.parallel import together
from interlude.models.stages.thinking import Cut, Judge, Thinking, cut, needed, read
from interlude.studies.scoring import chunks, logprobs
from interlude.synth.problem import Problem
from interlude.synth.rng import rng, shuffle, uniforms
from interlude.synth.segments import unthought

OTHER = "other"
THOUGHTS = ("own", "empty", "shuffled", OTHER)
ROWS = 512  # sampled at once
VERSION = 2  # of what is asked; 1 asked before any segment where a problem skips no step (why not: studies/LOG.md)


def probe(
    lm: LM, problems: list[Problem], thought: str, samples: int, max_new_tokens: int, temperature: float
) -> dict[str, np.ndarray]:
    """Each problem, which must skip a step, is cut before a segment that comes after a skipped one (methods.md 4.7,
    position rule; elsewhere a thought has nothing to say that is not in the text), and the model writes ``samples``
    thoughts there, as in ``Thinking``: a raw prefix and an opening tag, at most ``max_new_tokens`` tokens. Then its
    "own"
    thought stands, or none ("empty"), or its own tokens "shuffled", or the "other" one that it wrote for another
    problem (methods.md 4.5, F6), and the closing tag. A thought that never closes is closed where its room or the
    text ends.

    Per problem: logp, the exact log-probability of the corpus' segment after it, a mean over thoughts; strict and
    answer, how many of one sampled segment a thought the judge of ``Thinking`` finds equal to the corpus' and how many
    find its number; process, the mean share of its facts; tokens and thought, mean lengths of segment and thought.
    Where a problem is cut, its thoughts and the luck of what follows are the same for every ``thought``, so differences
    are paired. Raises ValueError if a problem skips nothing.
    """
    opening, closing = tags(lm)
    cuts = places(lm, problems)
    own = own_thoughts(lm, cuts, samples, max_new_tokens, temperature)
    members = [(row, n) for row in range(len(cuts)) for n in range(samples)]
    if thought == OTHER:
        swapped = others(len(cuts))
        told = [[opening, *own[swapped[row]][n], closing] for row, n in members]
    else:
        closed = (([opening, *own[row][n], closing], (row, n)) for row, n in members)
        told = [with_content(ids, opening, closing, thought, "probe", *at) for ids, at in closed]
    prompts = [cuts[row].prefix + ids for (row, _), ids in zip(members, told, strict=True)]
    segments = [cuts[row].segment for row, _ in members]
    logp = forced(lm, prompts, segments, temperature)
    most = [len(segment) + Thinking.margin for segment in segments]
    streams = np.stack([uniforms("probe", "segment", *at, n=max(most)) for at in members])
    written = sampled(lm, prompts, streams, max(most), temperature)
    found = {name: np.zeros(len(cuts)) for name in ("logp", "strict", "answer", "process", "tokens", "thought")}
    for nth, (row, _) in enumerate(members):
        # Judged as if the thought were empty, so that nothing in a thought can speak for the segment or against it.
        length, said = read(lm, problems[row], [closing, *written[nth]], closing, most[nth])
        verdict = Judge().verdict(said, cuts[row].gold)
        found["logp"][row] += logp[nth] / samples
        found["strict"][row] += verdict.strict
        found["answer"][row] += verdict.answer
        found["process"][row] += verdict.process / samples
        found["tokens"][row] += (length - 1) / samples
        found["thought"][row] += (len(told[nth]) - 2) / samples
    return found


def skips(problem: Problem) -> bool:
    """Whether its text leaves a step out."""
    return bool(problem.style and problem.style.skipped)


def places(lm: LM, problems: list[Problem]) -> list[Cut]:
    """Where each problem is cut."""
    if not all(map(skips, problems)):
        raise ValueError("a probe asks after a skipped step, and a problem skips none")
    raw = [chunk(lm, unthought(problem)) for problem in problems]
    return [cut(lm, each, needed(each), "probe", row) for row, each in enumerate(raw)]


def own_thoughts(
    lm: LM, cuts: list[Cut], samples: int, max_new_tokens: int, temperature: float
) -> list[list[list[int]]]:
    """For each cut ``samples`` thoughts of the model, without tags."""
    opening, closing = tags(lm)
    prompts = [[*each.prefix, opening] for each in cuts for _ in range(samples)]
    streams = np.stack(
        [uniforms("probe", row, n, n=max_new_tokens) for row in range(len(cuts)) for n in range(samples)]
    )
    written = sampled(lm, prompts, streams, max_new_tokens, temperature, (closing, 0))
    bare = [ids[:-1] if ids[-1] in (closing, lm.end) else ids for ids in written]
    return [bare[first : first + samples] for first in range(0, len(bare), samples)]


def others(count: int) -> list[int]:
    """For each problem another one: all in one ring, so that none has its own."""
    ring = list(range(count))
    shuffle(rng("probe", "others"), ring)
    after = dict(zip(ring, ring[1:] + ring[:1], strict=True))
    return [after[row] for row in range(count)]


def forced(lm: LM, prompts: list[list[int]], texts: list[list[int]], temperature: float) -> list[float]:
    """The log-probability of each text after its prompt."""
    parts = chunks(list(range(len(prompts))), lm)
    jobs = [partial(logprobs, lm, [prompts[i] for i in part], [texts[i] for i in part], temperature) for part in parts]
    return [float(logp_T.sum()) for found in together(jobs) for logp_T in found]


def sampled(
    lm: LM, prompts: list[list[int]], streams: np.ndarray, most: int, temperature: float,
    stop: tuple[int, int] | None = None,
) -> list[list[int]]:  # fmt: skip
    """What the model writes after each prompt."""
    found = []
    for first in range(0, len(prompts), ROWS):
        part = slice(first, first + ROWS)
        found += lm.sample(prompts[part], streams[part], max_new_tokens=most, temperature=temperature, stop=stop).ids
    return found
