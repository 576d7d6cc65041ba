"""The worlds in which problems are set: data files of nouns, so that a user adds a world without code."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

BUILT_IN = Path(__file__).parent / "worlds"
LEAST_NAMES = 8
PLACE_WORDS = 3  # in every world, so that the same problem in another world keeps its length
RESERVED = frozenset(  # the dialects' own words: a noun among them would be two things in one token
    "the number of equals is plus minus times there are and so how many count modulo answer pad bos end "
    "next then now hence thus therefore note that "
    "levels depth backward subgoals symbolic simplify plan restate relevant table check "
    "grouped running commuted countdown "
    "level find need part merge let put order given keep tabulate undo group hold left from asked use".split()
)


@dataclass(frozen=True)
class World:
    """One setting: ``names`` (plural nouns, one token each) and ``place``, the phrase that puts them somewhere."""

    name: str
    place: str
    names: tuple[str, ...]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that identify this world's words in their order."""
        return blake2b(json.dumps([self.place, self.names]).encode(), digest_size=8).hexdigest()


def folders() -> tuple[Path, ...]:
    """Where worlds are looked for: the built-in ones, then the folder named by $INTERLUDE_WORLDS, if set."""
    extra = os.environ.get("INTERLUDE_WORLDS")
    return (BUILT_IN, Path(extra)) if extra else (BUILT_IN,)


def available() -> dict[str, Path]:
    """World name to file. A name found twice is an error: which one is meant would depend on the machine."""
    found: dict[str, Path] = {}
    for folder in folders():
        if not folder.is_dir():
            raise ValueError(f"INTERLUDE_WORLDS names {folder}, which is not a folder")
        for path in sorted(folder.glob("*.toml")):
            if path.stem in found:
                raise ValueError(f"world {path.stem!r} is defined twice: {found[path.stem]} and {path}")
            found[path.stem] = path
    return found


@cache
def world(name: str) -> World:
    """The world called ``name``, read once a process. Raises ValueError naming the known worlds, or the file and field
    that is wrong."""
    known = available()
    if name not in known:
        raise ValueError(
            f"world {name!r} is not known; there are {', '.join(sorted(known))}, and those of TOML files in the folder "
            "that $INTERLUDE_WORLDS names"
        )
    return read(known[name])


def read(path: Path) -> World:
    """A world from its file. Raises ValueError naming the file and the field for anything missing or malformed."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"world file {path} is not valid TOML: {error}") from error
    wrong = set(table) ^ {"place", "names"}
    if wrong:
        raise ValueError(
            f"world file {path} must have exactly the fields place and names; check {', '.join(sorted(wrong))}"
        )
    place, names = table["place"], table["names"]
    if not isinstance(place, str) or len(place.split()) != PLACE_WORDS or not all(map(plain, place.split())):
        raise ValueError(f"world file {path}: place must be {PLACE_WORDS} lower-case words, got {place!r}")
    if not isinstance(names, list) or len(names) < LEAST_NAMES:
        raise ValueError(f"world file {path}: names must list at least {LEAST_NAMES} nouns")
    for noun in names:
        if not isinstance(noun, str) or not plain(noun):
            raise ValueError(f"world file {path}: names must be lower-case single words, got {noun!r}")
        if noun in RESERVED or noun in place.split():
            raise ValueError(f"world file {path}: names must not use the dialects' or the place's word {noun!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"world file {path}: names repeats {next(n for n in names if names.count(n) > 1)!r}")
    return World(path.stem, place, tuple(names))


def plain(word: str) -> bool:
    """Whether a word is made of lower-case ASCII letters only."""
    return word.isascii() and word.isalpha() and word.islower()


def disjoint(names: tuple[str, ...]) -> tuple[World, ...]:
    """The worlds of these names. Raises ValueError where two share a noun: a token must say which world it is from."""
    worlds = tuple(world(name) for name in names)
    owner = {word: each.name for each in worlds for word in each.place.split()}
    for each in worlds:
        for noun in each.names:
            if noun in owner:
                raise ValueError(f"worlds {owner[noun]!r} and {each.name!r} overlap: both use {noun!r}")
            owner[noun] = each.name
    return worlds
