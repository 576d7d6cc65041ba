"""The closed vocabulary: each noun, number, operator and mark is one token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from interlude.synth import worlds
from interlude.synth.added_field import added_field
from interlude.synth.ops import LIMIT, SYMBOLS, check_modulus
from interlude.synth.render import APPROACH_WORDS, CLOSE, END, PROSE_WORDS, THINK, WORDS, Written, join, split
from interlude.synth.solution_style import DIALECTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BEGIN = "<pad>", "<bos>"
MARKS = (";", ",", "=", "?", ".", "answer")


@dataclass(frozen=True)
class Vocabulary:
    """All tokens that problems of these worlds and dialects can contain.

    modulus: numbers 0..modulus-1 are tokens (None: 0..999). names: only the first so many nouns of each world.
    thoughts, words, approaches: the tags of thoughts too; the words of ``synth.solution_style`` too; the names of
    approaches and the words of their lines too. They come after all others, so that no other token has another id.
    Token 0 pads. ``encode`` raises ValueError for a piece of text that is not in the vocabulary, naming it.
    """

    modulus: int | None = 7
    worlds: tuple[str, ...] = ("zoo", "school", "festival")
    names: int | None = None
    dialects: tuple[str, ...] = ("terse",)
    thoughts: bool = added_field(False)
    words: bool = added_field(False)
    approaches: bool = added_field(False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_modulus("Vocabulary.modulus", self.modulus)
        if not isinstance(self.dialects, tuple) or not self.dialects or not all(d in DIALECTS for d in self.dialects):
            raise ValueError(f"Vocabulary.dialects must be drawn from {', '.join(DIALECTS)}, got {self.dialects!r}")
        names = isinstance(self.worlds, tuple) and all(isinstance(name, str) for name in self.worlds)
        if not self.worlds or not names or len(set(self.worlds)) < len(self.worlds):
            raise ValueError(f"Vocabulary.worlds must name one or more different worlds, got {self.worlds!r}")
        worlds.disjoint(self.worlds)

    @property
    def content(self) -> tuple[int | str, ...]:
        """What a key of this vocabulary rests on beyond its fields: the dialects' words and the worlds'."""
        return Written.version, *(worlds.world(name).digest for name in self.worlds)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        numbers = tuple(str(n) for n in range(LIMIT + 1 if self.modulus is None else self.modulus))
        prose = PROSE_WORDS if "prose" in self.dialects else ()
        if prose and self.modulus is not None:
            numbers += (str(self.modulus),)  # "Count modulo 7."
        nouns: list[str] = []
        places: list[str] = []
        for world in worlds.disjoint(self.worlds):
            nouns += world.names[: self.names]
            places += world.place.split() if prose else ()
        more = (THINK, CLOSE) if self.thoughts else ()
        if self.words:
            more += sum((WORDS[dialect] for dialect in self.dialects), ())
        if self.approaches:
            more += sum((APPROACH_WORDS[dialect] for dialect in self.dialects), ())
        every = (PAD, BEGIN, END, *MARKS, *SYMBOLS, *numbers, *prose, *places, *nouns, *more)
        return tuple(dict.fromkeys(every))

    @cached_property
    def ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    @property
    def size(self) -> int:
        return len(self.tokens)

    @property
    def pad(self) -> int:
        return 0

    @property
    def bos(self) -> int:
        return 1

    @property
    def end(self) -> int:
        return 2

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``."""
        ids = self.ids
        found = list(map(ids.get, text.split()))
        if None not in found:  # nothing stands close to anything else, as in terse text: ``split`` would say the same
            return found
        try:
            return [ids[piece] for piece in split(text)]
        except KeyError as unknown:
            raise ValueError(f"{unknown.args[0]!r} is not in the vocabulary ({self.size} tokens)") from None

    def lookup(self, tokens: tuple[str, ...]) -> list[int]:
        """Ids of tokens that are already split (as in ``Written``); faster than ``encode``."""
        ids = self.ids
        return [ids[token] for token in tokens]

    def decode(self, ids: list[int]) -> str:
        """Text of ``ids``, up to the first padding."""
        words = []
        for i in ids:
            if i == self.pad:
                break
            words.append(self.tokens[i])
        return join(words, "prose" if "." in words else "terse")

    def hf_tokenizer(self) -> PreTrainedTokenizerFast:
        """The same vocabulary as a Hugging Face tokenizer (word level, no unknown token needed for our own texts)."""
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        tokenizer = Tokenizer(models.WordLevel(self.ids, unk_token=PAD))
        pieces = Regex(r"<[a-z/_0-9]+>|[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(pieces, behavior="removed", invert=True)
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token=PAD,
            bos_token=BEGIN,
            eos_token=END,
            clean_up_tokenization_spaces=False,
        )
