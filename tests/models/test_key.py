"""Keys: equal descriptions have equal keys, different ones different keys, and nonsense is refused where it stands."""

import dataclasses
import enum
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from interlude.models import key as keys
from interlude.models.key import canonical, folder, key, remembering, short
from interlude.synth.added_field import added_field

if TYPE_CHECKING:
    from nowhere import Teacher


@dataclass(frozen=True)
class Reward:
    weight: float = 1.0
    name: str = "answer"


@dataclass(frozen=True)
class Stage:
    version: ClassVar[int] = 2
    steps: int = 10
    rate: "float | None" = None
    rewards: tuple[tuple[float, Reward], ...] = ()


@dataclass(frozen=True)
class Recipe:
    stages: tuple = ()
    seed: int = 0


class Loose(float):
    pass


class Colour(enum.IntEnum):
    RED = 1


@dataclass
class Thawed:
    x: int = 1


@dataclass(frozen=True)
class Base:
    x: int = 1


class Undecorated(Base):
    y: int = 2


@pytest.fixture
def supplied(monkeypatch):
    """The classes of this file count as this package's own."""
    monkeypatch.setattr(keys, "own_code", lambda kind: None)


def test_canonical_text_is_pinned(supplied):
    """Kills: any change of separators, order, names, version or number format (it would orphan every run)."""
    recipe = Recipe((Stage(rate=1e-4, rewards=((2, Reward()),)),), seed=3)
    assert canonical(recipe) == (
        '{"class":"Recipe","fields":{"seed":3,"stages":[{"class":"Stage","fields":{"rate":0.0001,"rewards":'
        '[[2.0,{"class":"Reward","fields":{"name":"answer","weight":1.0}}]],"steps":10},"version":2}]}}'
    )
    assert key(recipe) == "e5097d3f1ae51d06e3f49a9d220d73e6e3478cd531003c6c77af24a28e84a871"


def test_key_is_the_same_in_another_process_with_another_hash_seed():
    """Kills: anything that depends on set order or `hash`."""
    code = "from test_key import *; print(key(Recipe((Stage(), Reward()))))"
    keys = set()
    for seed in ("1", "2"):
        surroundings = os.environ | {"PYTHONHASHSEED": seed}
        words = [sys.executable, "-c", code]
        keys.add(subprocess.check_output(words, cwd=Path(__file__).parent, env=surroundings, text=True).strip())
    assert keys == {key(Recipe((Stage(), Reward())))}


NUMBERS = (np.float64(1), np.int64(1), np.zeros(1), 1j)
OBJECTS = (len, Stage, Loose(1), Colour.RED, Thawed(), Undecorated(), Path("x"), range(2))


@pytest.mark.parametrize("nonsense", ([], {}, set(), b"x", *NUMBERS, *OBJECTS), ids=lambda value: type(value).__name__)
def test_nonsense_is_a_type_error_that_names_its_path(nonsense):
    """Kills: isinstance for exact types (np.float64 is a float), a fallback to repr, a path without index or field."""
    description = Recipe((Reward(), Reward(name=nonsense)))
    with pytest.raises(TypeError, match=r"^Recipe\.stages\[1\]\.name: "):
        key(description)
    with pytest.raises(TypeError, match=r"^Recipe\.stages\[1\]: "):  # where no annotation helps
        key(Recipe((Reward(), nonsense)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused(value):
    """Kills: leaving it to json, which would write NaN; and a message without the path."""
    with pytest.raises(ValueError, match=r"^Recipe\.stages\[0\]\.rewards\[0\]\[0\]: "):
        key(Recipe((Stage(rewards=((value, Reward()),)),)))


def test_the_annotation_decides_what_a_number_is():
    """Kills: no widening; widening only at the top level; widening under an int annotation; True taken for 1."""
    assert key(Reward(1)) == key(Reward(1.0)) != key(Reward(2))
    assert key(Stage(rate=1)) == key(Stage(rate=1.0)) != key(Stage(rate=None))
    assert key(Stage(rewards=((1, Reward()),))) == key(Stage(rewards=((1.0, Reward()),)))
    for wrong in (Stage(steps=10.0), Stage(steps=True), Reward(weight=True), Reward(name=1)):
        with pytest.raises(TypeError, match="does not fit the annotation"):
            key(wrong)
    assert len({key(1), key(1.0), key(True), key("1"), key((1,))}) == 5
    with pytest.raises(ValueError, match="no float of the same value"):
        key(Reward(2**53 + 1))
    with pytest.raises(ValueError, match="no float of the same value"):
        key(Reward(10**400))


def test_zero_has_one_sign():
    """Kills: repr of -0.0."""
    assert key(Reward(-0.0)) == key(Reward(0.0)) == key(Reward(0))
    assert key((-0.0,)) == key((0.0,))


def test_every_field_and_every_class_name_counts():
    """Kills: a skipped field, a forgotten class name or version, flattened tuples, joined strings."""
    other = dataclasses.make_dataclass("Other", [("weight", float), ("name", str)], frozen=True)
    versioned = dataclasses.make_dataclass(
        "Reward",
        [("weight", float), ("name", str)],
        frozen=True,
        namespace={"version": 1},
    )
    versioned.__annotations__["version"] = ClassVar[int]
    descriptions = [
        Reward(), Reward(2.0), Reward(name="x"), other(1.0, "answer"), versioned(1.0, "answer"), Recipe(),
        Recipe(seed=1), Recipe((Reward(),)), Recipe(((Reward(),),)), Recipe(("a", "b")), Recipe(("ab",)),
        Recipe(("a,b",)), Recipe(('a","b',)), Recipe((None,)), Recipe(("None",)), Recipe(("null",)), Recipe(((), ())),
    ]  # fmt: skip
    assert len({key(description) for description in descriptions}) == len(descriptions)


def test_a_later_field_leaves_old_keys_alone(supplied):
    """Kills: writing a later field at its default; leaving it out when it differs; comparing 0 and 0.0 as different."""
    new = dataclasses.make_dataclass(
        "Reward", [("weight", float, 1.0), ("name", str, "answer"), ("floor", float, added_field(0.0))], frozen=True
    )
    assert key(new()) == key(Reward()) == key(new(floor=0)) == key(new(floor=-0.0))
    assert key(new(floor=0.5)) != key(Reward())
    assert new().floor == 0.0
    with pytest.raises(TypeError, match=r"^Reward\.floor"):
        key(new(floor=[]))


def test_version_must_be_an_annotated_class_attribute():
    """Kills: ignoring a version that is a field, has no annotation or is no int."""
    as_field = dataclasses.make_dataclass("A", [("version", int)], frozen=True)
    bare = dataclasses.make_dataclass("B", [("x", int, 1)], frozen=True, namespace={"version": 1})

    @dataclass(frozen=True)
    class Text:
        version: ClassVar[int] = "1"

    for wrong in (as_field(1), bare(), Text()):
        with pytest.raises(TypeError, match="version must be"):
            key(wrong)


def test_content_counts(supplied):
    """Kills: a property that is left out of the key; one that is taken for a field, or a field for one."""

    @dataclass(frozen=True)
    class World:
        name: str

        @property
        def content(self):
            return words[self.name]

    @dataclass(frozen=True)
    class Letter:
        content: str = "x"

    words = {"zoo": ("bears", 1)}
    before = key(Recipe((World("zoo"),)))
    assert canonical(World("zoo")) == '{"class":"World","content":["bears",1],"fields":{"name":"zoo"}}'
    words["zoo"] = ("wolves", 1)
    assert key(Recipe((World("zoo"),))) != before
    assert canonical(Letter()) == '{"class":"Letter","fields":{"content":"x"}}'
    words["zoo"] = ["wolves"]
    with pytest.raises(TypeError, match=r"^Recipe\.stages\[0\]\.content: "):
        key(Recipe((World("zoo"),)))


def test_a_name_imported_for_type_checkers_hides_only_its_own_field():
    """Kills: typing.get_type_hints, which fails for the whole class; guessing at a number it cannot place."""

    @dataclass(frozen=True)
    class Distil:
        teacher: "Teacher"
        rate: "float"

    assert key(Distil(Reward(), 1)) == key(Distil(Reward(), 1.0))
    with pytest.raises(TypeError, match=r"^Distil\.teacher: a number needs"):
        key(Distil(1, 1.0))


def test_short_and_folder():
    """Kills: a key cut elsewhere; a name that would leave its folder."""
    whole = key(Reward())
    assert folder("grpo", whole) == f"grpo-{short(whole)}" == f"grpo-{whole[:12]}"
    for name in ("", "../x", "a/b", ".x", "-x", "a b", "x\n"):
        with pytest.raises(ValueError, match="name must"):
            folder(name, whole)
    with pytest.raises(ValueError, match="key must"):
        short(whole[:12])


READS = []


@dataclass(frozen=True)
class Counted:
    value: object

    @property
    def content(self) -> str:
        READS.append(self.value)
        return "same"


def test_remembering_reads_a_shared_description_once_and_changes_no_key():
    # Mutants: parts told apart by equality, so that 1 and 1.0 share a key; nothing remembered; remembered for ever; an
    # inner block that forgets what the outer one knows; an id taken over by a description that came later.
    parts = Counted(1), Counted(1.0), Counted(True)
    alone = [key((part, part, "end")) for part in parts]
    assert len(set(alone)) == 3 and len(READS) == 6
    with remembering():
        assert [key((part, part, "end")) for part in parts] == alone
        with remembering():
            assert [key((part, part, "end")) for part in parts] == alone
        assert len(READS) == 9
        assert len({key(Counted(n)) for n in range(300)}) == 300
    assert key((parts[0], parts[0], "end")) == alone[0] and len(READS) == 9 + 300 + 2
