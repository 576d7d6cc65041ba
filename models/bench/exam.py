"""Speed of exact exams, compared with sampling the same problems."""

from __future__ import annotations

from collections.abc import Iterator

from interlude.models.bench.report import Race
from interlude.models.bench.timing import Side, race
from interlude.models.bench.workload import Setup, Workload, endless, kernels, no_native
from interlude.models.gpt_network import GPTModel


def races(work: Workload, setup: Setup) -> Iterator[Race]:
    """The exact probability of each solution, and its estimate from so many samples, on the kernels that run here."""
    model = endless(work.model, setup.device)
    choice = "torch" if no_native(model, setup) else "native"
    # The standard error of a share is at most 1 / (2 sqrt(n)); the exact probability has none.
    peer = f"{work.samples} samples a problem (standard error up to {0.5 * work.samples**-0.5:.3f})"
    sides = {"exact": examine(work.exact, model, choice), peer: examine(work.sampled, model, choice)}
    turns = race(sides, setup.clock, setup.size.seconds, setup.size.rounds, setup.threads)
    what = f"problems examined, {choice} kernels"
    yield Race("exam", what, "problems/s", turns, setup.clock.load(), setup.device, (peer,))


def examine(exam, model: GPTModel, choice: str) -> Side:
    """Takes the exam once a turn."""

    def problems() -> float:
        with kernels(choice):
            return exam(model)

    return problems
