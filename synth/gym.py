"""Our problems as a data set of reasoning-gym: after importing this, ``create_dataset("interlude")`` has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reasoning_gym.factory import ProceduralDataset, register_dataset

from interlude.synth.checks import check_type
from interlude.synth.export import grade, pack, spoken, unpack
from interlude.synth.problem import Problem
from interlude.synth.source import Source
from interlude.synth.verify import verify

NAME = "interlude"


@dataclass
class InterludeConfig:
    """Fields are those of ``Source`` that a user of reasoning-gym asks for; seed and size are reasoning-gym's own.

    level: "answer" asks for the final number, and "strict" for a worked solution, every step of which is checked.
    """

    ops: tuple[int, int] = (1, 4)
    world: str = "zoo"
    mode: str = "forward"
    dialect: str = "prose"
    modulus: int | None = None
    split: str = "train"
    level: str = "answer"
    seed: int | None = 0
    size: int = 500

    def validate(self) -> None:
        """Raises ValueError naming the field."""
        if self.level not in ("answer", "strict"):
            raise ValueError(f"InterludeConfig.level must be answer or strict, got {self.level!r}")
        check_type("InterludeConfig.size", self.size, int)
        self.source()

    def source(self) -> Source:
        asked = {name: getattr(self, name) for name in ("world", "mode", "dialect", "modulus", "split")}
        return Source(ops=tuple(self.ops), **asked)


class InterludeDataset(ProceduralDataset):
    """Problem ``idx`` is a pure function of the seed and ``idx``."""

    def __init__(self, config: InterludeConfig) -> None:
        super().__init__(config=config, seed=config.seed, size=config.size)
        self.source = config.source()

    def __getitem__(self, idx: int) -> dict[str, Any]:
        problem = self.source.problem("reasoning-gym", self.seed, idx)
        about = {"source_dataset": NAME, "source_index": idx, "problem": pack(problem)}
        about["difficulty"] = {"ops": problem.ops}
        return {"question": problem.question, "answer": self.expected_answer(problem), "metadata": about}

    def expected_answer(self, problem: Problem) -> str:
        return str(problem.answer) if self.config.level == "answer" else spoken(problem.solution, None)

    def score_answer(self, answer: str | None, entry: dict[str, Any]) -> float:
        """1 for the right number, or at level "strict" a worked solution without a fault, ended or not; else 0."""
        if not isinstance(answer, str):
            return 0.0
        problem, text = unpack(entry["metadata"]["problem"]), answer.strip()
        if self.config.level == "answer" and text.removeprefix("-").isdigit():
            return float(text == str(problem.answer))
        return grade(verify(problem, spoken(text, None)), self.config.level)


register_dataset(NAME, InterludeDataset, InterludeConfig)
