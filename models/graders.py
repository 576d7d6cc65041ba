"""Models that grade text: one is asked a yes-or-no question in words, the other is a reward model with a score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from interlude.models.lazy import no_grad, torch
from interlude.models.ledger import JUDGE, Spent, forward_cost
from interlude.models.lm import LM
from interlude.models.parallel import in_pieces, one_core
from interlude.models.stage import logprobs
from interlude.synth.added_field import place

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interlude.models.hf import HF, HFModel

# Shapes: B rows, T tokens of the longest row, V tokens of the vocabulary.

NAME = re.compile(r"\{(\w+)\}")
YES, NO = ("yes", "Yes", " yes", " Yes"), ("no", "No", " no", " No")
ROWS = 16  # texts that are read at once


def filled(template: str, texts: Mapping[str, str]) -> str:
    """The template with each {name} of ``texts`` replaced; other braces, as of LaTeX, stay."""
    return NAME.sub(lambda found: texts.get(found[1], found[0]), template)


def check_names(what: str, template: str, *names: str) -> None:
    """Raises ValueError where the template ``what`` lacks one of these names."""
    lacking = [name for name in names if f"{{{name}}}" not in template]
    if lacking:
        raise ValueError(f"{what} must hold {{{lacking[0]}}}, got {template[:60]!r}")


@dataclass(frozen=True)
class LMJudge:
    """A language model that answers a yes-or-no question about texts. It reads them with a tokenizer of its own."""

    model: HF
    """Never trained. With ``chat`` it is asked in its template, otherwise in a text that the answer continues."""
    question: str
    """With the texts' names in braces; which names there are, the stage says."""

    def odds(self, texts: Sequence[Mapping[str, str]], device: torch.device) -> tuple[list[float], list[Spent]]:
        """The log-odds of yes to no for each of ``texts``, in nats, and what asking cost. Yes is any of YES by its
        first token, unless no begins with the same."""
        lm = loaded(self.model, device)
        yes, no = ({lm.encode(word)[0] for word in words} for words in (YES, NO))
        if not yes - no or not no - yes:
            raise ValueError(f"LMJudge.model {self.model.name}: its tokenizer begins yes and no alike")
        rows = [lm.encode_prompt(filled(self.question, each)) for each in texts]

        def judged(piece: list[list[int]]) -> tuple[list[float], Spent]:
            logits_BV = last_logits(lm, piece, device)
            odds_B = logits_BV[:, sorted(yes - no)].logsumexp(1) - logits_BV[:, sorted(no - yes)].logsumexp(1)
            return odds_B.tolist(), forward_cost(lm, JUDGE, [len(row) for row in piece], logits=len(piece))

        found = in_pieces(judged, rows, ROWS, device)
        return [each for odds, _ in found for each in odds], [cost for _, cost in found]


@no_grad
def last_logits(lm: LM, rows: list[list[int]], device: torch.device) -> Tensor:
    """logits_BV after the last token of each row."""
    longest = max(map(len, rows))
    ids_BT = torch.tensor([row + [lm.pad] * (longest - len(row)) for row in rows], device=device)
    index_B = torch.tensor([b * longest + len(row) - 1 for b, row in enumerate(rows)], device=device)
    return lm.logits_at(ids_BT, index_B).float()


@dataclass(frozen=True)
class RewardModel:
    """A reward model of transformers: a sequence classifier with one output, the reward of a response to a prompt."""

    name: str = place()
    """A folder or a name on the hub, as ``HF.name``."""
    revision: str = ""
    """The commit of a hub name."""
    dtype: str = "float32"

    def __post_init__(self) -> None:
        from interlude.models.hf import HF

        _ = HF(self.name, self.revision, self.dtype)  # which checks all three

    @property
    def content(self) -> str | None:
        from interlude.models.hf import HF

        return HF(self.name, self.revision).content

    def scores(self, pairs: Sequence[tuple[str, str]], device: torch.device) -> tuple[list[float], list[Spent]]:
        """The reward of each (prompt, response), and its cost: two FLOPs a weight and token, attention not counted.

        They stand in the tokenizer's chat template where there is one, otherwise in two paragraphs.
        """
        network, tokenizer = reward_network(self, self.content, device)
        weights = sum(each.numel() for each in network.base_model.parameters())
        found, costs = [], []
        for prompt, response in pairs:  # one at a time, as not every classifier can tell padding
            if tokenizer.chat_template:
                turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
                ids = list(tokenizer.apply_chat_template(turns, return_dict=False))
            else:
                ids = tokenizer.encode(f"{prompt}\n\n{response}")
            with torch.no_grad(), one_core():
                score_BC = network(input_ids=torch.tensor([ids], device=device)).logits
            found.append(float(score_BC[0, 0]))
            costs.append(Spent(JUDGE, len(ids), 2.0 * weights * len(ids)))
        return found, costs


@lru_cache(maxsize=4)
def reward_network(model: RewardModel, content: str | None, device: torch.device) -> tuple[nn.Module, object]:
    """The network and its tokenizer. Raises ValueError where the files hold no such model."""
    from transformers import AutoModelForSequenceClassification

    from interlude.models.hf import DTYPES, HF

    source = HF(model.name, model.revision, model.dtype)
    network, about = AutoModelForSequenceClassification.from_pretrained(
        source.where, dtype=DTYPES[model.dtype], output_loading_info=True, **source.pinned
    )
    if about["missing_keys"] or network.config.num_labels != 1:
        what = f"{network.config.num_labels} outputs and lacks {sorted(about['missing_keys'])[:1]}"
        raise ValueError(f"RewardModel.name {model.name} must hold a classifier with one output; it has {what}")
    return network.eval().requires_grad_(False).to(device), source.tokenizer()


def loaded(model: HF, device: torch.device) -> HFModel:
    """A model that is only read, in memory once. A folder whose files changed is read again."""
    return kept(model, model.content, device)


@lru_cache(maxsize=4)
def kept(model: HF, content: str | None, device: torch.device) -> HFModel:
    return model.build(0).eval().requires_grad_(False).to(device)


def device_of(lm: LM) -> torch.device:
    """The device of the weights."""
    return next(lm.parameters()).device


@one_core()
@no_grad
def raised(lm: LM, plain: list[int], asked: list[int], responses: list[list[int]]) -> tuple[list[float], list[Spent]]:
    """How much likelier a request makes each response: log p(response | ``asked``) - log p(response | ``plain``) by
    ``lm``, in nats a token, and the cost. Both are prompts as token ids."""
    sums, costs = [], []
    for prompt in (asked, plain):
        rows = [prompt + response for response in responses]
        longest = max(map(len, rows))
        ids_BT = torch.tensor([row + [lm.pad] * (longest - len(row)) for row in rows], device=device_of(lm))
        place_T = torch.arange(longest)
        ends_B1 = torch.tensor([[len(row)] for row in rows])
        chosen_BT = ((place_T >= len(prompt)) & (place_T < ends_B1)).to(ids_BT.device)
        logp_N = logprobs(lm, ids_BT, chosen_BT)
        lengths = [len(response) for response in responses]
        sums.append([float(part.sum()) for part in logp_N.split(lengths)])
        costs.append(forward_cost(lm, JUDGE, [len(row) for row in rows], logits=sum(lengths)))
    return [(a - b) / len(each) for a, b, each in zip(*sums, responses, strict=True)], costs
