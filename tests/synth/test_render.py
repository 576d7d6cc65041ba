"""Rendering: tokens, roles and vocabulary line up, and the same graph told elsewhere
is the same text but for its nouns."""

import dataclasses
import itertools

import pytest

from interlude.synth import render, worlds
from interlude.synth.graph import Shape
from interlude.synth.render import END, join, split
from interlude.synth.roles import ROLES, SOLUTION_ROLES, by_role, roles
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

WORLDS = ("zoo", "school", "festival")
CASES = [
    Source(
        ops=(1, 7),
        modulus=modulus,
        mode=mode,
        dialect=dialect,
        order=order,
        shape=shape,
        connected=(0, 2),
        filler=(0, 2),
    )
    for modulus, mode, dialect, order in itertools.product(
        (7, 23, None), ("forward", "reverse"), ("terse", "prose"), ("dependency", "shuffled")
    )
    for shape in (
        Shape(),
        Shape(literals=0.4, reuse=0.3) if modulus is None else Shape(literals=0.4, reuse=0.3, fan_in=4),
    )
]


def drawn(n=6):
    for case, source in enumerate(CASES):
        for i in range(n):
            yield source.problem("render", case, i)


def test_tokenizer_round_trip():
    """Mutants: a token missing from the vocabulary, punctuation that does not close up again, tokens glued together."""
    vocabularies = {m: Vocabulary(modulus=m, dialects=("terse", "prose")) for m in (7, 23, None)}
    for problem in drawn():
        vocabulary = vocabularies[problem.graph.modulus]
        written = problem.written
        for text, tokens in ((problem.question, written.question_tokens), (problem.solution, written.solution_tokens)):
            ids = vocabulary.encode(text)
            assert tuple(split(text)) == tokens
            assert ids == vocabulary.lookup(tokens) and vocabulary.pad not in ids
            assert vocabulary.decode(ids) == text == join(tokens, problem.dialect)
            assert vocabulary.decode([*ids, vocabulary.pad, ids[0]]) == text
        assert ids[-1] == vocabulary.end and ids.count(vocabulary.end) == 1


def test_vocabulary_is_closed_and_without_repetition():
    """Mutants: a token twice (two ids for one piece), an unknown piece encoded as something else."""
    for modulus, dialects in itertools.product((7, 23, None), (("terse",), ("prose",), ("terse", "prose"))):
        vocabulary = Vocabulary(modulus=modulus, dialects=dialects)
        assert len(set(vocabulary.tokens)) == vocabulary.size == len(vocabulary.ids)
        assert (vocabulary.tokens[vocabulary.pad], vocabulary.tokens[vocabulary.end]) == ("<pad>", END)
        for piece in ("unicorns", "1000", "007", "<eos>", "ſ"):
            with pytest.raises(ValueError, match="is not in the vocabulary"):
                vocabulary.encode(f"bears {piece} ;")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"modulus": 4}, "Vocabulary.modulus"),
        ({"dialects": ("verse",)}, "Vocabulary.dialects"),
        ({"dialects": ()}, "dialects"),
        ({"worlds": ()}, "Vocabulary.worlds"),
        ({"worlds": ("zoo", "zoo")}, "Vocabulary.worlds"),
        ({"worlds": ("moon",)}, "moon"),
    ],
)
def test_vocabulary_names_the_wrong_field(fields, message):
    """Mutant: any check removed."""
    with pytest.raises(ValueError, match=message):
        Vocabulary(**fields)


def test_hugging_face_tokenizer_agrees():
    """Mutants: another pre-tokenizer, special tokens added, other ids."""
    pytest.importorskip("transformers", reason="the Hugging Face export is optional")
    vocabulary = Vocabulary(dialects=("terse", "prose"))
    tokenizer = vocabulary.hf_tokenizer()
    for problem in drawn(1):
        if problem.graph.modulus == 7:
            for text in (problem.question, problem.solution):
                assert tokenizer(text)["input_ids"] == vocabulary.encode(text)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (vocabulary.pad, vocabulary.end)


def test_roles_line_up_with_tokens():
    """Mutants: a token without a role or a role without a token; nouns, numbers and marks under each other's roles."""
    assert tuple(ROLES) == render.ROLES and all(ROLES.values())
    for problem in drawn():
        written, words = problem.written, set(problem.words)
        assert len(written.question_tokens) == len(written.question_roles)
        assert len(written.solution_tokens) == len(written.solution_roles)
        assert roles(problem) == written.question_roles + written.solution_roles
        assert roles(problem, end=False) == roles(problem)[:-1]
        assert set(written.question_roles) <= {"statement", "distractor", "question"}
        assert set(written.solution_roles) <= set(SOLUTION_ROLES)
        by = {role: [] for role in ROLES}
        for token, role in zip(written.question_tokens + written.solution_tokens, roles(problem), strict=True):
            by[role].append(token)
        assert by["planning"] == [problem.words[move.statement] for move in problem.moves]
        assert by["answer"] == [str(problem.answer)]
        assert by["stop"][-1] == END and len(by["stop"]) == 2
        assert all(token.isdigit() for token in by["retrieval"] + by["arithmetic"])
        assert len(by["arithmetic"]) >= problem.ops
        assert set(by["copy"]) <= words | set("+-*") | {"plus", "minus", "times"}
        assert words.isdisjoint(t for t in by["arithmetic"] if not t.isdigit())


def test_distractor_tokens_are_those_of_unneeded_statements():
    """Mutant: distractors counted as statements, which hides what a model attends to."""
    for i in range(20):
        source = Source(ops=(2, 4), filler=(1, 2), connected=(1, 2), order="shuffled")
        problem = source.problem("distract", i)
        written = problem.written
        first = {problem.words[i] for i in range(len(problem.graph.nodes))}
        start = True
        for token, role in zip(written.question_tokens, written.question_roles, strict=True):
            if start and token not in first:
                assert role == "distractor"
            elif start and role != "question":
                assert role == "statement"
            start = token == ";"


def test_by_role_keeps_the_total():
    """Mutants: values of the question summed too, a role dropped, an array one off accepted."""
    for problem in drawn(1):
        n = len(problem.written.solution_tokens)
        sums = by_role(problem, [2.0**-i for i in range(n)])
        assert sum(sums.values()) == pytest.approx(sum(2.0**-i for i in range(n)))
        assert tuple(sums) == SOLUTION_ROLES
        assert by_role(problem, [1.0] * n)["answer"] == 1
        with pytest.raises(ValueError, match="one number for each"):
            by_role(problem, [0.0] * (n + 1))


@pytest.mark.parametrize("dialect", ["terse", "prose"])
def test_counterfactual_twins_differ_in_nouns_only(dialect):
    """Mutants: nouns drawn from the world rather than by index, worlds that share nouns, places of different length."""
    for i in range(30):
        mode = ("forward", "reverse")[i % 2]
        here = Source(ops=(1, 8), dialect=dialect, mode=mode, world="zoo", filler=(0, 2)).problem("twins", i)
        for world in ("school", "festival"):
            there = dataclasses.replace(here, world=world)
            assert there.graph == here.graph and there.answer == here.answer and there.held_out == here.held_out
            assert set(there.words).isdisjoint(w for w in here.words if not w.isdigit())
            swap = dict(zip(worlds.world("zoo").names, worlds.world(world).names, strict=True))
            swap["zoo"] = world
            for field in ("question_tokens", "solution_tokens"):
                ours, theirs = getattr(here.written, field), getattr(there.written, field)
                assert len(ours) == len(theirs) and [swap.get(t, t) for t in ours] == list(theirs)
            assert roles(here) == roles(there)


def test_solution_states_true_sums():
    """Mutants: operands swapped, a value recalled from another quantity, an inverse that is not one.
    Every ``a op b = c`` written is computed by a table of all residues."""
    table = {
        (op, a, b): {c for c in range(7) if fits(op, a, b, c)} for op in "+-*/" for a in range(7) for b in range(7)
    }
    sums = 0
    for problem in drawn():
        if problem.graph.modulus == 7:
            for op, a, b, c in two_operand_sums(problem.written.solution_tokens):
                assert table[op, a, b] == {c}
                sums += 1
    assert sums > 150


def two_operand_sums(tokens):
    """(op, a, b, c) for each ``a op b = c`` between other marks; longer sums are left to the verifier's tests."""
    for i in range(4, len(tokens) - 2):
        before, a, op, b, equals, c, after = tokens[i - 4 : i + 3]
        numbers = equals == "=" and a.isdigit() and b.isdigit() and c.isdigit()
        if numbers and op in "+-*/" and before not in "+-*/" and after not in "+-*/":
            yield op, int(a), int(b), int(c)


def fits(op, a, b, c):
    if op == "/":
        return b != 0 and (c * b - a) % 7 == 0
    return ({"+": a + b, "-": a - b, "*": a * b}[op] - c) % 7 == 0
