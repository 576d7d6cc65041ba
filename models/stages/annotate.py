"""Thinking mid-training, first stage: next-token prediction on a corpus with thoughts inserted by an annotator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from interlude.models.annotator import (
    CONTENTS,
    IN_PLACE_OF_THOUGHTS,
    MARK,
    SFT_HALF,
    annotate,
    check_tokens,
    chunk,
    drawn,
    oracle,
    raw,
    room,
    with_content,
    without_thoughts,
)
from interlude.models.graders import device_of
from interlude.models.ledger import REFERENCE, decode_cost
from interlude.models.lm import tags
from interlude.models.recipe import Recipe
from interlude.models.stage import Batch, Stage, StageModels, check_replay, check_targets, pack
from interlude.models.teacher import Teacher
from interlude.synth.added_field import added_field
from interlude.synth.rng import rng, uniforms
from interlude.synth.tasks import SEGMENTS, SOLUTIONS, Task

ORACLE = "oracle"


@dataclass(frozen=True, kw_only=True)
class Annotate(Stage):
    """Next-token prediction on annotated chunks: the first stage of Thinking Mid-training (arXiv 2601.21343v3, chapter
    2). The loss is a mean over target tokens, thoughts included.

    A chunk is one problem with its worked solution, the segments of which are its steps or, in text of another origin
    than the generator's, its sentences. Only one half of the problems of ``data`` is used; the other half
    is for the RL stage (``Thinking``). Raises ValueError naming the field and, before any update, if annotator and
    learner have different tokenizers.
    """

    data: Task
    # As in Midtrain, without thoughts. The paper uses no replay; neither does the default.
    replay: Task | None = None
    replay_share: float = 0.0
    # A trained model with the same tokenizer that inserts thoughts between the segments of a solution, by constrained
    # decoding that copies all other tokens (models/annotator.py); a Teacher, which is asked in words and reads with a
    # tokenizer of its own; or "oracle" for the generator's own thoughts, an upper bound. The FLOPs of annotation are
    # charged. A thought may open where a segment begins (our reading of the paper).
    annotator: Recipe | Teacher | str
    # "own", or a control: "shuffled" permutes the tokens of every thought, "empty" keeps only its tags, "mark" puts one
    # token that is no thought there, "elsewhere" moves empty thoughts to where other segments begin, "nothing" leaves
    # the text as it was.
    content: str = "own"
    # Sampling temperature of the annotator (the paper does not give it).
    temperature: float = 1.0
    # Most thought tokens per chunk, over all its thoughts.
    max_thought: int = 128
    # "all" tokens, as in the paper, or only those of the "solution": a base that was pre-trained on solutions only
    # gets worse at first when it is trained on questions.
    targets: str = added_field("all")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_replay(self)
        check_targets(self, self.targets)
        if self.replay is None and self.replay_share:
            raise ValueError(f"Annotate.replay must be given if Annotate.replay_share is {self.replay_share}")
        if isinstance(self.annotator, str) and self.annotator != ORACLE:
            raise ValueError(f"Annotate.annotator must be a Recipe, a Teacher or {ORACLE!r}, got {self.annotator!r}")
        if self.content not in (known := (*CONTENTS, *IN_PLACE_OF_THOUGHTS)):
            raise ValueError(f"Annotate.content must be one of {', '.join(known)}, got {self.content!r}")
        if self.temperature < 0 or self.max_thought < 1:
            what = f"{self.temperature} and {self.max_thought}"
            raise ValueError(f"Annotate.temperature must not be negative and Annotate.max_thought positive, got {what}")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SEGMENTS,) if self.annotator == ORACLE else (SOLUTIONS,)

    @property
    def reads_weights(self) -> bool:  # type: ignore[override]
        return self.annotator != ORACLE

    def collect(self, models: StageModels, seed: int, step: int, rows: range) -> Batch:
        learner, annotator = models.learner, models.references.get("annotator")
        opening, closing = tags(learner)
        paths = [("annotate", seed, step, row) for row in rows]
        old = [rng("replay", *path).random() < self.replay_share for path in paths]
        problems = [
            raw(self.replay.problem(*path)) if again else drawn(self.data, SFT_HALF, *path)
            for path, again in zip(paths, old, strict=True)
        ]
        chunks = [chunk(learner, problem) for problem in problems]
        told, costs = [each.solution for each in chunks], []
        new = [nth for nth, again in enumerate(old) if not again]
        if self.annotator == ORACLE:
            written = [oracle(learner, problems[nth]) for nth in new]
        elif new and isinstance(self.annotator, Teacher):
            asked, device = [chunks[nth] for nth in new], device_of(learner)
            streams = [paths[nth] for nth in new]
            written, costs = self.annotator.annotate(
                learner, asked, streams, self.max_thought, self.temperature, device
            )
        elif new:
            asked = [chunks[nth] for nth in new]
            check_tokens(learner, annotator, asked)
            longest = max(room(each, self.max_thought) for each in asked)
            streams = np.stack([uniforms("thoughts", *paths[nth], n=longest) for nth in new])
            written = annotate(annotator, asked, streams, self.max_thought, self.temperature)
            costs = [
                decode_cost(annotator, len(each.question), [len(text)])._replace(kind=REFERENCE)
                for each, text in zip(asked, written, strict=True)
            ]
        else:
            written = []
        for nth, text in zip(new, written, strict=True):
            if self.content in CONTENTS:
                told[nth] = with_content(text, opening, closing, self.content, *paths[nth])
            else:
                mark = learner.encode(MARK) if self.content == "mark" else []
                told[nth] = without_thoughts(chunks[nth], text, opening, closing, self.content, mark, *paths[nth])
        ids = [each.question + text for each, text in zip(chunks, told, strict=True)]
        asked = 1.0 if self.targets == "all" else 0.0
        gains = [
            [0.0] + [asked] * (len(each.question) - 1) + [1.0] * len(text)
            for each, text in zip(chunks, told, strict=True)
        ]
        thoughts = sum(row.count(opening) for row in ids)
        inside = sum(len(text) - len(each.solution) for each, text in zip(chunks, told, strict=True)) - 2 * thoughts
        batch = pack(ids, gains, float(sum(map(sum, gains))), learner.pad, spent=tuple(costs))
        return replace(batch, metrics={"thoughts": thoughts / len(ids), "thought_tokens": inside / len(ids)})
