"""RL on thoughts before a token of a text: sampling groups of thoughts, and what RLP, RPT and RMT share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

from interlude.models.lazy import torch
from interlude.models.ledger import Spent
from interlude.models.lm import LM, tags
from interlude.models.parallel import in_pieces
from interlude.models.policy_gradient import PolicyGradient, spent, weighed
from interlude.models.rollouts import sampling_params, stream_name
from interlude.models.stage import Batch, check_targets
from interlude.synth.added_field import added_field
from interlude.synth.render import INFERRED
from interlude.synth.rng import uniforms
from interlude.synth.source import Source, parts
from interlude.synth.tasks import ROLES, SOLUTIONS, Task, TaskProblem, roles_of

if TYPE_CHECKING:
    from torch import Tensor

Text = tuple[list[int], int]  # the tokens, and the index of the first token that a thought may precede
PLACES = ("any", "inferable")
MOST_ATTEMPTS = 1000  # texts in a row without an inferable token before an error
PIECE = 64  # rows per scoring pass; fixed, so that the bits of a row do not depend on the machine


@dataclass(frozen=True, kw_only=True)
class Reasoning(PolicyGradient):
    """Base class of stages that think before a token of the corpus: ``batch_size`` places per step and ``num_samples``
    thoughts at each. ``max_new_tokens`` is the longest response in tokens, closing tag included. Sampling ends there,
    at the end token, or after the closing tag (and the predicted token, if the method samples one).

    Raises ValueError naming the field; at the first collection, if the model has no tokens for the tags.
    """

    # The corpus. Some solutions skip steps (a complete one leaves nothing to infer); none contains thoughts.
    data: Task
    # Where a place may be: in the "solution", or anywhere in the text except its first token ("all").
    targets: str = "solution"
    # "any" token, as in the papers, or only "inferable" ones: those that follow from a step which the corpus skips
    # (``synth.render.INFERRED``). They are read from the graph behind the text, not from a model's statistics. A text
    # without such a token is replaced by the next one of the row's stream.
    places: str = added_field("any")

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        check_targets(self, self.targets)
        if self.places not in PLACES:
            raise ValueError(f"{name}.places must be one of {', '.join(PLACES)}, got {self.places!r}")
        found = [source for source in parts(self.data, drawn=True) if isinstance(source, Source)]
        if found and not any((source.skip_prob or source.stop_prob) and source.ops[1] > 1 for source in found):
            raise ValueError(
                f"{name}.data has no solution that skips a step (Source.skip_prob or Source.stop_prob above 0, and 2 "
                "operations)"
            )
        if any(source.thoughts == "oracle" for source in found):
            raise ValueError(f"{name}.data must not hold thoughts (Source.thoughts 'oracle'): the model finds its own")
        if self.objective.zero_variance == "resample":
            raise ValueError(f"{name}.objective must not resample: {name} draws its places only once")

    @property
    def data_needs(self) -> tuple[str, ...]:
        return (SOLUTIONS, *((ROLES,) if self.places == "inferable" else ()))

    def text(self, lm: LM, seed: int, step: int, row: int) -> tuple[TaskProblem, Text, list[int]]:
        """The problem of a row, its text, and the indices of the tokens that a thought may precede."""
        path = ("think", seed, step, row)
        for attempt in range(MOST_ATTEMPTS):
            problem = self.data.problem(*path, *(("again", attempt) if attempt else ()))
            text = document(lm, problem, self.targets)
            ids, first = text
            if self.places == "any":
                return problem, text, list(range(first, len(ids)))
            purposes = roles_of(problem)
            if len(purposes) != len(ids):
                raise ValueError("places='inferable' needs one token per word, but this tokenizer splits words")
            if found := [t for t in range(first, len(ids)) if purposes[t] == INFERRED]:
                return problem, text, found
        raise ValueError(f"nothing can be inferred in {MOST_ATTEMPTS} texts of row {row}: {type(self).__name__}.data")


@dataclass(frozen=True)
class Bins:
    """Log-spaced bins that state the length of a thought in the prompt: the number k right after the opening tag means
    bin k of ``count``. Bin k starts at longest^(k/count) tokens; bin 0 starts at 0, and the last bin has no upper end.

    They state RMT's token budget (arXiv 2509.24375, which states it in words). Numbers are used because every model of
    these problems already has them as tokens; new tokens would change every base. So there are at most 7, the usual
    modulus. Raises ValueError naming the field, also if a bin would contain no length.
    """

    longest: int
    count: int = 7

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 7:
            raise ValueError(f"Bins.count must be between 2 and 7, got {self.count}")
        if self.longest < 2**self.count:
            raise ValueError(f"Bins.longest must be at least {2**self.count}, got {self.longest}: a bin would be empty")

    def of(self, tokens: int) -> int:
        """The bin of a length or a budget, in integer arithmetic, so that no boundary depends on rounding."""
        return sum(tokens**self.count >= self.longest**k for k in range(1, self.count))

    def names(self, lm: LM) -> list[int]:
        """The model's token of each bin. Raises ValueError unless each number is one token."""
        found = [lm.encode(str(k)) for k in range(self.count)]
        if any(len(ids) != 1 for ids in found):
            raise ValueError(f"each number of Bins must be one token, but this model's tokenizer gives {found}")
        return [ids[0] for ids in found]


def check_bins(stage: HasLengthBins) -> None:
    """Raises ValueError unless every bin number also occurs as a number in the stage's problems."""
    found = [source for source in parts(stage.data, drawn=True) if isinstance(source, Source)]
    moduli = [source.modulus for source in found if source.modulus is not None]
    if stage.told is not None and moduli and min(moduli) < stage.told.count:
        name = type(stage).__name__
        raise ValueError(
            f"{name}.told has {stage.told.count} bins, but {name}.data has modulus {min(moduli)}: "
            "there must not be more bins than numbers"
        )


class HasLengthBins(Protocol):
    """A stage that may state the length of a thought in the prompt."""

    data: Task
    told: Bins | None


@dataclass(frozen=True)
class Thoughts:
    """One prompt, which ends with the opening tag of a thought, and its group of sampled responses with rewards."""

    prompt: list[int]
    responses: list[list[int]]
    logprobs: list[list[float]]
    rewards: np.ndarray


def document(lm: LM, problem: TaskProblem, targets: str) -> Text:
    """A problem as a text, with the index of its first candidate token; all later tokens are candidates too."""
    question, solution = lm.encode_prompt(problem.question), lm.encode(problem.solution)
    return question + solution, 1 if targets == "all" else len(question)


def think(
    stage: Reasoning,
    lm: LM,
    prefixes: list[list[int]],
    seed: int,
    step: int,
    rows: range,
    after: int,
    hint: tuple[int, ...] = (),
) -> list[Thoughts]:
    """Samples a group of responses for each prefix, without rewards yet. A prompt is the prefix, an opening tag and the
    tokens ``hint``; a response is the thought, its closing tag and ``after`` more tokens. Every response has its own
    random stream."""
    opening, closing = tags(lm)
    prompts = [[*prefix, opening, *hint] for prefix in prefixes]
    members = [(row, member) for row in rows for member in range(stage.num_samples)]
    name = stream_name("thought", stage.rollout_seed)
    streams = np.stack([uniforms(*name, seed, step, row, member, n=stage.max_new_tokens) for row, member in members])
    repeated = [prompt for prompt in prompts for _ in range(stage.num_samples)]
    params = replace(sampling_params(stage), stop_token=closing, tokens_after_stop=after)
    found = lm.sample(repeated, streams, params)
    runs = [slice(n * stage.num_samples, (n + 1) * stage.num_samples) for n in range(len(prompts))]
    unpaid = np.zeros(stage.num_samples)
    return [Thoughts(p, found.ids[run], found.logprobs[run], unpaid) for p, run in zip(prompts, runs, strict=True)]


def last_logprobs(lm: LM, rows: list[list[int]]) -> list[float]:
    """The log-probability in nats, at temperature 1, of the last token of each row given those before it."""
    device = next(lm.parameters()).device

    def scored(piece: list[list[int]]) -> list[float]:
        ids_BT = padded([row[:-1] for row in piece], lm.pad).to(device)
        index_B = torch.tensor([b * ids_BT.shape[1] + len(row) - 2 for b, row in enumerate(piece)], device=device)
        logp_BV = lm.logits_at(ids_BT, index_B).float().log_softmax(-1)
        last_B1 = torch.tensor([row[-1:] for row in piece], device=device)
        return logp_BV.gather(1, last_B1)[:, 0].tolist()

    return list(chain.from_iterable(in_pieces(scored, rows, PIECE, device)))


def unsure(lm: LM, documents: list[Text]) -> list[np.ndarray]:
    """For each text an array (2N) over its candidate tokens: the entropy in nats of the model's next-token
    distribution, and the probability of the text's own token (how often a sample without a thought would match)."""
    device = next(lm.parameters()).device

    def measured(piece: list[Text]) -> list[np.ndarray]:
        ids_BT = padded([ids[:-1] for ids, _ in piece], lm.pad).to(device)
        wide = ids_BT.shape[1]
        index = [b * wide + t - 1 for b, (ids, start) in enumerate(piece) for t in range(start, len(ids))]
        logp_NV = lm.logits_at(ids_BT, torch.tensor(index, device=device)).float().log_softmax(-1)
        entropy_N = -(logp_NV.exp() * logp_NV).sum(1).double().cpu().numpy()
        own_N1 = torch.tensor([[token] for ids, start in piece for token in ids[start:]], device=device)
        p_N = logp_NV.gather(1, own_N1)[:, 0].exp().double().cpu().numpy()
        ends = np.cumsum([len(ids) - start for ids, start in piece])
        return np.split(np.stack([entropy_N, p_N]), ends[:-1], axis=1)

    return list(chain.from_iterable(in_pieces(measured, documents, PIECE, device)))


def padded(rows: list[list[int]], pad: int) -> Tensor:
    """Rows of token ids (BT), padded on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


def thought_batch(
    stage: Reasoning, lm: LM, groups: list[Thoughts], costs: tuple[Spent, ...], metrics: dict[str, float]
) -> Batch:
    """A batch from groups with rewards. It is charged for sampling and for ``costs``; its metrics are those of all
    methods here and ``metrics``. Raises FloatingPointError for a reward that is not finite."""
    rewards = np.concatenate([group.rewards for group in groups])
    if not np.isfinite(rewards).all():
        raise FloatingPointError(f"a thought's reward is not finite: {rewards.tolist()}")
    batch, teaching = weighed(stage, lm, groups)
    closing = tags(lm)[1]
    responses = [response for group in groups for response in group.responses]
    shared = {
        "thought_reward": float(rewards.mean()),
        "thought_tokens": float(np.mean([length(response, closing) for response in responses])),
        "closed": float(np.mean([closing in response for response in responses])),
        "zero_variance": float(np.mean([np.ptp(group.rewards) == 0 for group in groups])),
        "rollouts": float(len(responses)),
    }
    return replace(batch, spent=(*spent(stage, lm, teaching, groups), *costs), metrics=shared | metrics)


def length(response: list[int], closing: int) -> int:
    """Number of thought tokens in a response: those before its first closing tag, or all."""
    return response.index(closing) if closing in response else len(response)
