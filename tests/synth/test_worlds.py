"""Worlds: the built-in ones are disjoint and equally long; a user's file works as it is;
a bad one is named with its field."""

import itertools

import pytest

from interlude.models.key import key
from interlude.synth import worlds
from interlude.synth.render import PROSE_WORDS, VERBS
from interlude.synth.source import Mixture, Source
from interlude.synth.tokens import MARKS, Vocabulary

NOUNS = ["mountains", "rivers", "lakes", "hills", "valleys", "islands", "forests", "deserts", "beaches", "caves"]


def spell(nouns=NOUNS, place="on the map"):
    return f"place = {place!r}\nnames = {nouns!r}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of a user's worlds; what was read from it is forgotten afterwards."""
    monkeypatch.setenv("INTERLUDE_WORLDS", str(tmp_path))
    worlds.world.cache_clear()
    yield tmp_path
    worlds.world.cache_clear()


def test_built_in_worlds_are_disjoint_and_equal_in_size():
    """Mutants: a noun in two worlds, a world with fewer nouns or a longer place than its twins."""
    found = [worlds.read(path) for path in sorted(worlds.BUILT_IN.glob("*.toml"))]
    assert len(found) >= 3
    for a, b in itertools.combinations(found, 2):
        assert set(a.names).isdisjoint(b.names)
        assert len(a.names) == len(b.names)
    worlds.disjoint(tuple(world.name for world in found))


def test_reserved_words_are_all_the_dialects_words():
    """Mutant: a dialect's new word that a world may then use as a noun."""
    words = {word.lower() for word in (*PROSE_WORDS, *VERBS.values(), *MARKS) if word.isalpha()}
    assert words <= worlds.RESERVED


def test_a_users_world_needs_no_code(folder):
    """Mutant: a list of worlds in the code."""
    (folder / "atlas.toml").write_text(spell())
    problem = Source(ops=(1, 4), world="atlas", dialect="prose").problem("atlas", 0)
    assert set(problem.words) <= set(NOUNS)
    vocabulary = Vocabulary(worlds=("zoo", "atlas"), dialects=("prose",))
    assert vocabulary.decode(vocabulary.encode(problem.solution)) == problem.solution


def test_an_edited_world_changes_the_key_of_whatever_names_it(folder):
    """Mutants: a key of the world's name alone, for which an edited world would find the runs of the old one; a digest
    blind to the order of the nouns, or to the place; one that sees comments."""
    path, keys = folder / "atlas.toml", []
    edited = (spell(NOUNS[::-1]), spell([*NOUNS, "seas"]), spell(place="in the atlas"))
    for text in (spell(), *edited, "# A world.\n" + spell()):
        path.write_text(text)
        worlds.world.cache_clear()
        source = Source(ops=(1, 2), world="atlas", names=8)
        mixed = Mixture(((0.5, source), (0.5, Source(ops=(1, 2)))))
        keys.append([key(source), key(mixed), key(Vocabulary(worlds=("zoo", "atlas")))])
    *different, commented = keys
    assert commented == different[0]
    assert all(len(set(column)) == len(different) for column in zip(*different, strict=True))


@pytest.mark.parametrize(
    "text, message",
    [
        (spell()[:-20], "atlas.toml is not valid TOML"),
        ("names = " + "[" * 100_000, "atlas.toml is not valid TOML"),
        ('place = "on the map"', "fields place and names; check names"),
        (spell() + "names_of = 3", "check names_of"),
        (spell(place="On the map"), "place must be 3 lower-case words"),
        (spell(place="on earth"), "place must be 3 lower-case words"),
        ('place = 3\nnames = ["a"]', "place must be"),
        (spell(NOUNS[:7]), "names must list at least 8"),
        ('place = "on the map"\nnames = "mountains rivers"', "names must list at least 8"),
        (spell([*NOUNS, "rivers"]), "names repeats 'rivers'"),
        (spell([*NOUNS, "sea lions"]), "names must be lower-case single words, got 'sea lions'"),
        (spell([*NOUNS, "Alps"]), "got 'Alps'"),
        (spell([*NOUNS, "c\u00f4tes"]), "got 'c\u00f4tes'"),
        (spell([*NOUNS, 7]), "got 7"),
        (spell([*NOUNS, "answer"]), "word 'answer'"),
        (spell([*NOUNS, "map"]), "word 'map'"),
    ],
)
def test_a_bad_file_is_named_with_its_field(folder, text, message):
    """Mutant: any check of ``read`` removed."""
    (folder / "atlas.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        Source(ops=(1, 2), world="atlas")
    assert "atlas.toml" in str(error.value)


def test_a_file_that_is_not_text(folder):
    """Mutant: UnicodeDecodeError left to surface without the file's name."""
    (folder / "atlas.toml").write_bytes(b'place = "\xff"')
    with pytest.raises(ValueError, match="atlas.toml is not valid TOML"):
        worlds.world("atlas")


def test_overlapping_worlds_are_refused(folder):
    """Mutants: nouns compared within a world only; a noun that is another world's place."""
    (folder / "atlas.toml").write_text(spell([*NOUNS, "bears"]))
    with pytest.raises(ValueError, match="worlds 'zoo' and 'atlas' overlap: both use 'bears'"):
        Vocabulary(worlds=("zoo", "atlas"))
    (folder / "globe.toml").write_text(spell([*NOUNS, "school"]))
    with pytest.raises(ValueError, match="both use 'school'"):
        worlds.disjoint(("globe", "school"))


def test_a_world_defined_twice_and_a_folder_that_is_not(folder, monkeypatch):
    """Mutants: the last file wins in silence; a mistyped folder ignored."""
    (folder / "zoo.toml").write_text(spell())
    with pytest.raises(ValueError, match="world 'zoo' is defined twice"):
        worlds.world("zoo")
    monkeypatch.setenv("INTERLUDE_WORLDS", str(folder / "nowhere"))
    with pytest.raises(ValueError, match="INTERLUDE_WORLDS names .*nowhere"):
        worlds.world("school")
