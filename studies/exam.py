"""An exam asks a model fixed problems and stores, for each, a log-probability or counts; never a rate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from interlude.models.files import Corrupt, digest, read_json, write_json
from interlude.models.lm import LM
from interlude.models.parallel import together
from interlude.studies.diversity import Ways, sampled_ways
from interlude.studies.key import key
from interlude.studies.modes import VERSION as MODES
from interlude.studies.modes import effective, log_masses
from interlude.studies.probe import THOUGHTS, VERSION, probe, skips
from interlude.studies.run import Recipe, load
from interlude.studies.scoring import chunks, logprobs, predictions
from interlude.synth import thoughts
from interlude.synth.added_field import added_field
from interlude.synth.problem import Problem
from interlude.synth.rng import uniforms
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.verify import KINDS as FAULTS
from interlude.synth.verify import ORDERED, Verdict, verify

KINDS = ("exact", "sampled", "divergence", "probe", "diversity", "modes")
JUDGED = ("sampled", "probe", "diversity")  # kinds that count right responses
DRAWS = 100  # problems a probe looks at, at most, for each that it asks


def span(source: Source | Mixture) -> tuple[int, int]:
    """The fewest and most operations of a source."""
    return min(part.ops[0] for part in parts(source)), max(part.ops[1] for part in parts(source))


@dataclass(frozen=True)
class Exam:
    """``problems`` problems of ``source``, the same for every model.

    kind "exact": the log-probability of the canonical worked solution, by teacher forcing, and its split by token role.
    In an ordered dialect this is the log of the probability that a sample is strictly correct, so pass@k is known for
    every k (related.md 0.1). kind "sampled": ``samples`` responses a problem, judged. kind "divergence": the exact
    KL(reference || model) of the next token, in nats, summed over the positions of the canonical solution. kind
    "probe": what follows ``samples`` thoughts before a segment, of ``max_new_tokens`` tokens at most, when
    ``thought`` stands
    in each ("own", or what replaces it; see ``studies.probe``), in the first ``problems`` that skip a step. kind
    "diversity": in how many ways ``samples`` responses tell a problem (see ``studies.diversity``). kind "modes": the
    exact probability of each of the source's approaches after the plain question (see ``studies.modes``). All at
    ``temperature``.
    """

    name: str
    source: Source | Mixture
    problems: int = 200
    kind: str = "exact"
    samples: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 256
    reference: Recipe | None = added_field(None)
    thought: str | None = added_field(None)
    version: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Exam.kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if (self.kind in JUDGED) != (self.samples > 0):
            what = f"positive for a sampled exam, a probe or diversity and 0 for any other, got {self.samples}"
            raise ValueError(f"Exam.samples must be {what}")
        if self.kind == "diversity" and self.samples < 2:
            raise ValueError("Exam.samples must be at least 2 for diversity, as one response is told in one way, got 1")
        if self.thought not in (THOUGHTS if self.kind == "probe" else (None,)):
            what = f"one of {', '.join(THOUGHTS)} for a probe and None for any other kind, got {self.thought!r}"
            raise ValueError(f"Exam.thought must be {what}")
        if self.kind == "probe" and self.problems < 2:
            raise ValueError("Exam.problems must be at least 2 for a probe, in which thoughts change places, got 1")
        if self.kind == "probe" and not any(part.skip_prob for part in parts(self.source)):
            raise ValueError(
                "Exam.source must skip steps (Source.skip_prob) in a probe, which asks what follows one, got 0"
            )
        if self.kind == "modes" and any(not isinstance(p.approach, tuple) or p.tagged for p in parts(self.source)):
            raise ValueError("Exam.source must have several approaches (Source.approach) and no tags to compare modes")
        free = {part.dialect for part in parts(self.source)} - ORDERED
        if self.kind == "exact" and free:
            raise ValueError(f"Exam.kind must be sampled in {min(free)}, where a question has many right solutions")
        free = {name for part in parts(self.source) for name in part.liberties}
        if self.kind == "exact" and free:
            raise ValueError(
                f"Exam.kind must be sampled with Source.{min(free)}, by which a question has many right solutions"
            )
        if self.problems < 1 or not self.temperature > 0 or self.max_new_tokens < 1:
            raise ValueError("Exam.problems, temperature and max_new_tokens must be positive")
        if (self.kind == "divergence") != (self.reference is not None):
            raise ValueError(f"Exam.reference must be a recipe if kind is divergence and None if not, in {self.name!r}")

    def with_seed(self, seed: int) -> Exam:
        """The same exam with its reference, if it has one, trained with another seed."""
        return self if self.reference is None else replace(self, reference=self.reference.with_seed(seed))

    @property
    def content(self) -> int | tuple[int, int] | None:
        """What a key of this exam rests on beyond its fields: how responses are judged, where they are."""
        if self.kind == "diversity":
            return Verdict.version, Ways.version
        if self.kind == "probe":
            return Verdict.version, VERSION
        if self.kind == "modes":
            return MODES
        return Verdict.version if self.kind in JUDGED else None

    def draw_problems(self) -> list[Problem]:
        """The exam's problems: the same whatever is examined, and the same graphs in every world. Raises ValueError
        where a probe finds too few that skip a step."""
        if self.kind != "probe":
            return [self.drawn(row) for row in range(self.problems)]
        found = list(islice(filter(skips, map(self.drawn, range(DRAWS * self.problems))), self.problems))
        if len(found) < self.problems:
            what = f"skips a step in {len(found)} of {DRAWS * self.problems} problems, fewer than its {self.problems}"
            raise ValueError(f"Exam.source of {self.name!r} {what}")
        return found

    def drawn(self, row: int) -> Problem:
        return self.source.problem("exam", *span(self.source), row)

    @property
    def guess_floor(self) -> float:
        """The score of the best constant answer: the share of the commonest answer on this paper."""
        return Counter(problem.answer for problem in self.draw_problems()).most_common(1)[0][1] / self.problems

    @property
    def strict_floor(self) -> float:
        """Where responses may skip steps, the strict score of one that skips all but the last and guesses, each with
        the same chance, the values that it then lacks; else 0, as no guess is a worked solution."""
        return self.guess_pass_at_k(1)

    def guess_pass_at_k(self, k: int) -> float:
        """``strict_floor`` within ``k`` attempts."""
        if not self.source.skip_prob or self.source.modulus is None:
            return 0.0
        lacking = []
        for problem in self.draw_problems():
            nodes = problem.graph.nodes
            lacking.append(len({i for i in nodes[problem.moves[-1].statement].args if nodes[i].args}))
        return float(np.mean([1 - (1 - float(self.source.modulus) ** -n) ** k for n in lacking]))


@dataclass(frozen=True)
class ExamResult:
    """One model's answers, a number a problem (arrays of length P).

    Exact: logp, and roles (role name to summed log-probability). Sampled: strict and answer are counts out of
    ``samples``, process is the mean share of right steps, tokens the mean response length, thought the mean number of
    words of a response that stand in thoughts, faults the number of responses, of all problems together, with at least
    one fault of a kind. Divergence: divergence, in nats. Probe: logp of the corpus' segment, a mean over thoughts, and
    the counts and means of sampled exams for written segments. Diversity: vendi_runs and vendi_approaches, Vendi scores
    of the responses; answer, how many are right; composed, how many of these show two approaches or more. Modes: modes,
    the effective number of approaches, and masses, the mean probability of each.
    """

    logp: np.ndarray | None = None
    roles: dict[str, np.ndarray] = field(default_factory=dict)
    samples: int = 0
    strict: np.ndarray | None = None
    answer: np.ndarray | None = None
    process: np.ndarray | None = None
    tokens: np.ndarray | None = None
    thought: np.ndarray | None = None
    faults: dict[str, int] = field(default_factory=dict)
    divergence: np.ndarray | None = None
    vendi_runs: np.ndarray | None = None
    vendi_approaches: np.ndarray | None = None
    composed: np.ndarray | None = None
    modes: np.ndarray | None = None
    masses: dict[str, float] = field(default_factory=dict)


ARRAYS = (  # of ExamResult, a number a problem
    "logp", "strict", "answer", "process", "tokens", "thought", "divergence", "vendi_runs", "vendi_approaches",
    "composed", "modes",
)  # fmt: skip


def evaluate(lm: LM, exam: Exam) -> ExamResult:
    """Examine a model now."""
    with torch.no_grad():
        lm.eval()
        return TAKEN[exam.kind](lm, exam)


def exact(lm: LM, exam: Exam) -> ExamResult:
    """Log-probability of each problem's canonical solution, one forward pass over question and solution."""
    problems = exam.draw_problems()
    order = sorted(range(len(problems)), key=lambda i: len(problems[i].written.solution_tokens))
    logp = np.zeros(len(problems))
    roles: dict[str, np.ndarray] = {}
    parts_ = chunks(order, lm)
    jobs = [partial(solution_logprobs, lm, [problems[i] for i in part], exam.temperature) for part in parts_]
    for part, found in zip(parts_, together(jobs), strict=True):
        for i, logp_T in zip(part, found, strict=True):
            logp[i] = logp_T.sum()
            for role, value in zip(problems[i].written.solution_roles, logp_T, strict=True):
                roles.setdefault(role, np.zeros(len(problems)))[i] += value
    return ExamResult(logp=logp, roles=roles)


def solution_logprobs(lm: LM, problems: list[Problem], temperature: float = 1.0) -> list[np.ndarray]:
    """Log-probabilities (float64) of the tokens of each problem's solution, given its question and those before."""
    return logprobs(lm, *encoded(lm, problems), temperature)


def encoded(lm: LM, problems: list[Problem]) -> tuple[list[list[int]], list[list[int]]]:
    """Questions and solutions."""
    return [lm.encode_prompt(p.question) for p in problems], [lm.encode(p.solution) for p in problems]


def divergence(lm: LM, exam: Exam) -> ExamResult:
    """KL(reference || model) along each problem's canonical solution, teacher-forced, over the whole vocabulary."""
    base = load(exam.reference, str(next(lm.parameters()).device))
    problems = exam.draw_problems()

    def nats(chunk: list[int]) -> list[float]:
        part = [problems[i] for i in chunk]
        pairs = zip(*(predictions(each, *encoded(lm, part), exam.temperature) for each in (lm, base)), strict=True)
        return [float((base_TV.exp() * (base_TV - own_TV)).sum()) for own_TV, base_TV in pairs]

    found = together([partial(nats, chunk) for chunk in chunks(list(range(len(problems))), lm)])
    return ExamResult(divergence=np.array([value for part in found for value in part]))


def sampled(lm: LM, exam: Exam) -> ExamResult:
    """``samples`` judged responses a problem; each response has a random stream of its own."""
    problems = exam.draw_problems()
    totals = {name: np.zeros(len(problems)) for name in ("strict", "answer", "process", "tokens", "thought")}
    faults: Counter[str] = Counter()
    per = max(1, 512 // exam.samples)
    for first in range(0, len(problems), per):
        part = range(first, min(first + per, len(problems)))
        prompts = [lm.encode_prompt(problems[i].question) for i in part for _ in range(exam.samples)]
        streams = np.stack(
            [uniforms("sampled", i, n, n=exam.max_new_tokens) for i in part for n in range(exam.samples)]
        )
        samples = lm.sample(prompts, streams, max_new_tokens=exam.max_new_tokens, temperature=exam.temperature)
        for nth, ids in enumerate(samples.ids):
            i = first + nth // exam.samples
            text = lm.decode(ids)
            verdict = verify(problems[i], text)
            totals["strict"][i] += verdict.strict
            totals["answer"][i] += verdict.answer
            totals["process"][i] += verdict.process / exam.samples
            totals["tokens"][i] += len(ids) / exam.samples
            totals["thought"][i] += thoughts.length(text.split()) / exam.samples
            faults.update({fault.kind for fault in verdict.faults})
    return ExamResult(samples=exam.samples, faults={kind: faults[kind] for kind in FAULTS if faults[kind]}, **totals)


def probed(lm: LM, exam: Exam) -> ExamResult:
    """What follows thoughts whose content may have been replaced."""
    found = probe(lm, exam.draw_problems(), exam.thought, exam.samples, exam.max_new_tokens, exam.temperature)
    return ExamResult(samples=exam.samples, **found)


def diverse(lm: LM, exam: Exam) -> ExamResult:
    """In how many ways each problem is told."""
    found = sampled_ways(lm, exam.draw_problems(), exam.samples, exam.max_new_tokens, exam.temperature)
    names = ("vendi_runs", "vendi_approaches", "composed")
    told = {name: np.array([getattr(each, name) for each in found]) for name in names}
    return ExamResult(samples=exam.samples, answer=np.array([len(each.shown) for each in found]), **told)


def moded(lm: LM, exam: Exam) -> ExamResult:
    """Among which approaches the probability of each problem's solutions is divided."""
    names = tuple(dict.fromkeys(name for part in parts(exam.source) for name in part.approach))
    found = log_masses(lm, exam.draw_problems(), names, exam.temperature)
    masses = {name: float(np.mean([np.exp(each[name]) if name in each else 0.0 for each in found])) for name in names}
    return ExamResult(modes=np.array([effective(each) for each in found]), masses=masses)


TAKEN = dict(zip(KINDS, (exact, sampled, divergence, probed, diverse, moded), strict=True))


def cached_result(recipe: Recipe, exam: Exam, lm: LM) -> ExamResult:
    """The answers of a recipe's model, taken once and kept in its folder, under a seal of their own.

    Raises Corrupt, naming the file, if it was edited or truncated or holds another exam's or model's answers.
    """
    path = kept_at(recipe, exam)
    whose = {"exam": key(exam), "recipe": recipe.key}
    if path.exists():
        row = read_json(path)
        if type(row) is not dict or set(row) != {"answers", "exam", "recipe", "sha256"}:
            raise Corrupt(f"{path}: not an exam's answers")
        if row.pop("sha256") != digest(row):
            raise Corrupt(f"{path}: edited since the exam was taken")
        if row != whose | {"answers": row["answers"]}:
            raise Corrupt(f"{path}: answers to another exam, or another model's")
        return from_json(row["answers"])
    found = evaluate(lm, exam)
    row = whose | {"answers": to_json(found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, row | {"sha256": digest(row)})
    return found


def kept_at(recipe: Recipe, exam: Exam) -> Path:
    return recipe.folder / "exams" / f"{key(exam)[:16]}.json"


def answered(recipe: Recipe, exam: Exam) -> bool:
    return kept_at(recipe, exam).exists()


def to_json(found: ExamResult) -> dict:
    plain = {n: v.tolist() for n in ARRAYS if (v := getattr(found, n)) is not None}
    roles = {role: v.tolist() for role, v in found.roles.items()}
    masses = {"masses": found.masses} if found.masses else {}
    return {"samples": found.samples, "roles": roles, "faults": found.faults, **masses, **plain}


def from_json(row: dict) -> ExamResult:
    arrays = {n: np.array(row[n]) for n in ARRAYS if n in row}
    roles = {role: np.array(v) for role, v in row["roles"].items()}
    return ExamResult(samples=row["samples"], roles=roles, faults=row["faults"], masses=row.get("masses", {}), **arrays)
