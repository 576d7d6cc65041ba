"""A teacher annotates a corpus as it is asked in words: where a thought is needed, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from interlude.models.annotator import Chunk
from interlude.models.graders import LMJudge, check_names, filled, loaded
from interlude.models.lazy import torch
from interlude.models.ledger import REFERENCE, Spent, decode_cost
from interlude.models.lm import LM, SamplingParams, tags
from interlude.synth.render import CLOSE, END, THINK
from interlude.synth.rng import uniforms

if TYPE_CHECKING:
    from interlude.models.hf import HF

# The paper's prompt (arXiv 2601.21343v3, figure 19) asks a model of 120B parameters to copy the text with thoughts in
# it; a small one does not copy, so that it is asked place by place. The wording is ours.
NEEDED = (
    "Problem: {question}\n\nSolution so far: {before}\n\nIt goes on: {after}\n\n"
    "Does a reader have to work something out before the solution can go on like this? Answer yes or no."
)
WRITTEN = (
    "Problem: {question}\n\nSolution so far: {before}\n\nIt goes on: {after}\n\n"
    "Write the short thought, in the first person, that leads from the solution so far to how it goes on. "
    "Write the thought alone."
)
ROWS = 16  # thoughts that are written at once


@dataclass(frozen=True)
class Teacher:
    """A pretrained model that annotates chunks in place of a Recipe. It reads text with a tokenizer of its own, so it
    may be larger than the learner and of another family. Both requests hold {question}, {before} and {after}.

    A thought opens before a segment with the probability that the answer to ``needed`` is yes.
    """

    model: HF
    needed: str = NEEDED
    """A yes-or-no question."""
    written: str = WRITTEN
    """A request for a thought."""

    def __post_init__(self) -> None:
        for name in ("needed", "written"):
            check_names(f"Teacher.{name}", getattr(self, name), "before", "after")

    def thought_probs(self, lm: LM, chunks: list[Chunk], device: torch.device) -> tuple[list[list[float]], list[Spent]]:
        """For every segment of each chunk of ``lm``, the probability that a thought is needed before it; and the
        cost."""
        odds, costs = LMJudge(self.model, self.needed).odds([each for c in chunks for each in places(lm, c)], device)
        found = iter(torch.tensor(odds, dtype=torch.float64).sigmoid().tolist())
        return [[next(found) for _ in c.segments] for c in chunks], [each._replace(kind=REFERENCE) for each in costs]

    def annotate(
        self, lm: LM, chunks: list[Chunk], paths: Sequence[tuple], most: int, temperature: float, device: torch.device
    ) -> tuple[list[list[int]], list[Spent]]:
        """Each chunk's solution in tokens of ``lm``, with at most one thought before each segment and ``most`` tokens
        of thoughts in all; and the cost. ``paths`` name the random streams of the chunks."""
        wishes, costs = self.thought_probs(lm, chunks, device)
        opened = [
            (row, nth, each)
            for row, c in enumerate(chunks)
            for nth, each in enumerate(places(lm, c))
            if uniforms("opened", *paths[row], nth, n=1)[0] < wishes[row][nth]
        ]
        teacher, texts = loaded(self.model, device), {}
        params = SamplingParams(max_new_tokens=most, temperature=temperature)
        for first in range(0, len(opened), ROWS):
            part = opened[first : first + ROWS]
            prompts = [teacher.encode_prompt(filled(self.written, each)) for _, _, each in part]
            streams = np.stack([uniforms("written", *paths[row], nth, n=most) for row, nth, _ in part])
            found = teacher.sample(prompts, streams, params)
            for (row, nth, _), prompt, ids in zip(part, prompts, found.ids, strict=True):
                texts[row, nth] = thought_text(teacher.decode(ids))
                costs.append(decode_cost(teacher, len(prompt), [len(ids)])._replace(kind=REFERENCE))
        return [inserted(lm, c, row, texts, most) for row, c in enumerate(chunks)], costs


def places(lm: LM, each: Chunk) -> list[dict[str, str]]:
    """What stands around the beginning of every segment of a chunk."""
    words = [lm.decode(part).removesuffix(END).strip() for part in each.segments]
    before = [lm.decode(list(chain(*each.segments[:nth]))).strip() for nth in range(len(words))]
    return [{"question": each.problem.question, "before": b, "after": a} for b, a in zip(before, words, strict=True)]


def thought_text(text: str) -> str:
    """A thought as it was written: up to its end, without tags."""
    return text.partition(END)[0].replace(THINK, " ").replace(CLOSE, " ").strip()


def inserted(lm: LM, each: Chunk, row: int, texts: dict[tuple[int, int], str], most: int) -> list[int]:
    """The solution with the thoughts of this row: cut short, or left out, where ``most`` tokens are used up."""
    (opening, closing), left, found = tags(lm), most, []
    for nth, segment in enumerate(each.segments):
        thought = lm.encode(texts.get((row, nth), ""))[:left]
        if thought:
            found += [opening, *thought, closing]
            left -= len(thought)
        found += segment
    return found
