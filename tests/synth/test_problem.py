"""Problems: what the question says determines the answer, needs every statement,
and fixes the order of the solution."""

import dataclasses
import itertools
from collections import Counter

import pytest
from effort import at_most_lines

from interlude.synth.graph import Shape
from interlude.synth.render import split
from interlude.synth.solution_style import Words
from interlude.synth.source import Mixture, Source, parts
from interlude.synth.tokens import Vocabulary

SOURCES = {
    "plain": {},
    "reused": {"shape": Shape(reuse=0.7, width=0.6)},
    "literal": {"shape": Shape(literals=0.4, fan_in=3)},
    "distracted": {"filler": (1, 2), "connected": (1, 2), "unconnected": (0, 1), "shape": Shape(reuse=0.3)},
    "shuffled": {"order": "shuffled", "connected": (0, 2)},
}
CASES = [(name, mode) for name in SOURCES for mode in ("forward", "reverse")]
VALUE = {"+": sum, "-": lambda values: values[0] - sum(values[1:]), "*": lambda values: product(values)}


def product(values):
    total = 1
    for value in values:
        total *= value
    return total


def source(name, mode, ops=(1, 6), **fields):
    return Source(ops=ops, mode=mode, **(SOURCES[name] | fields))


def read(question):
    """The terse question as [(name, op or None, operands)] in order and the name asked for;
    shares no code with synth."""
    *sentences, last = [part.split() for part in question.split(";")]
    assert last[1:] == ["?"]
    statements = []
    for words in sentences:
        if len(words) == 2:
            statements.append((words[0], None, (words[1],)))
        else:
            assert words[1] == "=" and len(set(words[3::2])) == 1
            statements.append((words[0], words[3], tuple(words[2::2])))
    return statements, last[0]


def solve(statements, modulus):
    """Forward closure: while a statement has one unknown quantity, try every residue in its place."""
    known = {name: int(operands[0]) for name, op, operands in statements if op is None}
    moved = True
    while moved:
        moved = False
        for name, op, operands in statements:
            unknown = [q for q in dict.fromkeys((name, *operands)) if q not in known and not q.isdigit()]
            if op and len(unknown) == 1:
                fits = [v for v in range(modulus) if holds(name, op, operands, known | {unknown[0]: v}, modulus)]
                if len(fits) == 1:
                    known[unknown[0]] = fits[0]
                    moved = True
    return known


def holds(name, op, operands, values, modulus):
    numbers = [int(q) if q.isdigit() else values[q] for q in operands]
    return (VALUE[op](numbers) - values[name]) % modulus == 0


def needed(statements, asked):
    """Names the answer depends on: those below the asked quantity,
    or below the one that is both stated and computed."""
    facts = {name for name, op, _ in statements if op is None}
    below = {name: operands for name, op, operands in statements if op}
    waiting, found = [next((name for name in below if name in facts), asked)], set()
    while waiting:
        name = waiting.pop()
        if name not in found and not name.isdigit():
            found.add(name)
            waiting += below.get(name, ())
    return found


@pytest.mark.parametrize("name, mode", CASES)
def test_question_determines_the_answer_and_needs_every_statement(name, mode):
    """Mutants: a statement left out or not needed, a wrong number in the text, an unknown that two values fit,
    a distractor that gives the answer away. The solver reads the text and tries residues; it knows no inverse."""
    removed = 0
    for i in range(25):
        problem = source(name, mode).problem("necessity", name, mode, i)
        statements, asked = read(problem.question)
        assert solve(statements, 7)[asked] == problem.answer
        names = needed(statements, asked)
        for j, statement in enumerate(statements):
            rest = statements[:j] + statements[j + 1 :]
            if statement[0] in names:
                assert asked not in solve(rest, 7), (problem.question, statement)
                removed += 1
            else:
                assert solve(rest, 7)[asked] == problem.answer
        assert all(asked != statement[0] for statement in statements) or mode == "forward"
    assert removed > 50


@pytest.mark.parametrize("modulus, name", [(m, n) for m in (2, 3, 7, 23) for n in SOURCES] + [(None, "plain")])
def test_reverse_unknown_is_unique(modulus, name):
    """Mutants: a product with a zero operand, an unknown that reaches the root twice (a - a), a wrong inverse.
    Every value of the unknown is tried and the whole question evaluated forwards."""
    for i in range(12):
        problem = source(name, "reverse", modulus=modulus).problem("unique", name, i)
        statements, asked = read(problem.question)
        below = {left: (op, operands) for left, op, operands in statements if op}
        facts = {left: int(operands[0]) for left, op, operands in statements if op is None}
        root = next(left for left in below if left in facts)

        def value(quantity, guess, below=below, facts=facts, asked=asked):
            if quantity.isdigit():
                return int(quantity)
            if quantity == asked:
                return guess
            if quantity in below:
                op, operands = below[quantity]
                total = VALUE[op]([value(q, guess) for q in operands])
                return total % modulus if modulus else total
            return facts[quantity]

        fits = [guess for guess in range(modulus or 1000) if value(root, guess) == facts[root]]
        assert fits == [problem.answer], problem.question


@pytest.mark.parametrize("name, mode", CASES)
def test_canonical_order_follows_from_the_question(name, mode):
    """Mutants: the last or any other ready statement first, a distractor solved,
    a step that uses an unknown quantity."""
    for i in range(25):
        problem = source(name, mode, ops=(1, 9)).problem("order", name, mode, i)
        statements, asked = read(problem.question)
        names = needed(statements, asked)
        known = {left for left, op, _ in statements if op is None}
        left_over = [s for s in statements if s[1] and s[0] in names]
        expected = []
        while left_over:
            waiting = [[q for q in (s[0], *s[2]) if q not in known and not q.isdigit()] for s in left_over]
            first = next(n for n, unknown in enumerate(waiting) if len(unknown) == 1)
            expected.append((left_over.pop(first)[0], waiting[first][0]))
            known.add(waiting[first][0])
        assert [(problem.words[m.statement], problem.words[m.solves]) for m in problem.moves] == expected
        assert expected[-1][1] == asked or mode == "reverse"
        assert asked in {solved for _, solved in expected}


def test_dependency_order_and_shuffled_order():
    """Mutants: operands after their use in dependency order; "shuffled" ignored."""
    late = 0
    for i in range(60):
        for order in ("dependency", "shuffled"):
            problem = Source(ops=(4, 8), order=order, connected=(0, 2), unconnected=(0, 1)).problem("orders", i)
            statements, _ = read(problem.question)
            seen, wrong = set(), 0
            for left, op, operands in statements:
                wrong += sum(q not in seen for q in operands) if op else 0
                seen.add(left)
            late += wrong
            assert order == "shuffled" or wrong == 0, problem.question
    assert late > 60


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_answers_cannot_be_guessed(mode):
    """Mutants: products with zero (answers pile up on 0), leaves from 1..4 as in the reference study,
    whose reverse answers therefore take four values."""
    for ops in (1, 2, 4, 10):
        answers = Counter(Source(ops=(ops, ops), mode=mode).problem("floor", ops, i).answer for i in range(1200))
        assert set(answers) == set(range(7))
        assert max(answers.values()) / 1200 < 1.6 / 7, (ops, answers)
        assert min(answers.values()) / 1200 > 0.4 / 7, (ops, answers)


def test_length_in_tokens_is_independent_of_ops():
    """Mutant: padding that forgets literals, the unknown or the stated root, or counts an operation once,
    so that length betrays the operations."""
    shape = Shape(literals=0.3, reuse=0.2)
    for mode, ops in itertools.product(("forward", "reverse"), range(1, 9)):
        for low, high in ((25, 25), (28, 32)):
            padded = Source(ops=(ops, ops), mode=mode, shape=shape, length=(low, high))
            sizes = {len(split(padded.problem("padded", ops, i).question)) for i in range(60)}
            assert sizes == {3 * n + 2 for n in range(low, high + 1)}, (mode, ops)
    wide = Source(ops=(1, 4), shape=Shape(fan_in=4), length=(20, 20))  # a sum of three is no multiple of a given
    assert {len(split(wide.problem("wide", i).question)) for i in range(60)} <= {60, 61, 62}


def test_length_in_the_direct_dialect():
    """Mutants: statements counted as in the terse dialect (a question then lacks a token for each operation); a copy
    counted as long as two givens; more names needed than the bound says."""
    for mode, ops in itertools.product(("forward", "reverse"), range(1, 9)):
        source = Source(ops=(ops, ops), dialect="direct", mode=mode, length=(25, 25), shape=Shape(reuse=0.3))
        sizes = {len(split(source.problem("direct", ops, i).question)) - 2 for i in range(30)}
        assert all(72 < size <= 75 and (size - 5 * ops) % 3 == 0 for size in sizes), (mode, ops)
        padded = dataclasses.replace(source, copies=(0, 12), copy_ratio=0.9)
        longer = {len(split(padded.problem("direct", ops, i).question)) - 2 for i in range(30)}
        assert min(longer) > 72 and all((size - 5 * ops) % 3 == 0 for size in longer)
    tight = 0
    for ops, low, names in itertools.product((1, 2, 3, 5), (16, 20), range(8, 25)):
        try:
            source = Source(ops=(ops, ops), copies=(0, 4), dialect="direct", length=(low, low), names=names)
        except ValueError:
            continue
        tight += 1
        assert all(len(set(source.problem("tight", i).names)) > ops for i in range(20))
    assert tight > 20


def test_the_published_recipe_is_expressible():
    """Mutant: copies counted in the bound on the least length."""
    recipe = Source(
        ops=(1, 4), copies=(0, 12), copy_ratio=0.8, length=(13, 31), names=30, dialect="direct", order="shuffled"
    )
    sizes = {ops: [] for ops in range(1, 5)}
    for i in range(400):
        problem = recipe.problem("recipe", i)
        sizes[problem.ops].append(len(problem.written.question_tokens))
    means = [sum(values) / len(values) for values in sizes.values()]
    assert max(means) - min(means) < 6 and all(38 <= min(v) < 50 < 80 < max(v) <= 95 for v in sizes.values())


def test_a_length_too_short_to_hide_ops_is_refused():
    """Mutants: a range that the problem itself overflows; more names asked for than there are."""
    with pytest.raises(ValueError, match="Source.length must be at least 25 for ops up to 8"):
        Source(ops=(1, 8), length=(24, 30))
    Source(ops=(1, 8), length=(25, 30))
    with pytest.raises(ValueError, match="can need 24 names, but world 'zoo' offers 23"):
        Source(ops=(1, 8), length=(25, 25), names=23)
    Source(ops=(2, 8), length=(25, 25), names=23)
    # Mutants: statements of the direct dialect, a token shorter, counted as the others; a given forgotten in the bound.
    for ops, least in ((1, 4), (2, 7), (3, 9), (8, 23), (11, 31)):
        with pytest.raises(ValueError, match=f"Source.length must be at least {least} for ops up to {ops},"):
            Source(ops=(1, ops), dialect="direct", length=(least - 1, 30))
        for mode in ("forward", "reverse"):
            source = Source(ops=(ops, ops), dialect="direct", mode=mode, length=(least, least))
            tokens = {len(split(source.problem("least", i).question)) - 2 for i in range(40)}
            assert tokens == {5 * ops + 3 * (ops + 1)}
    # Mutants: distractors with their givens forgotten in the bound of the direct dialect.
    for more, least in (({"connected": (2, 2)}, 20), ({"unconnected": (2, 2)}, 22), ({"filler": (2, 2)}, 17)):
        with pytest.raises(ValueError, match=f"Source.length must be at least {least} for ops up to 5,"):
            Source(ops=(1, 5), dialect="direct", length=(least - 1, 30), shape=Shape(literals=0.2), **more)
        source = Source(ops=(5, 5), dialect="direct", length=(least, least), shape=Shape(literals=0.2), **more)
        sizes = {len(split(source.problem("least", i).question)) - 2 for i in range(60)}
        assert max(sizes) <= 3 * least


def test_ops_are_uniform_and_exact():
    """Mutants: an end of the range never drawn; ops of the problem other than of its source."""
    counts = Counter(Source(ops=(2, 5)).problem("range", i).ops for i in range(800))
    assert set(counts) == {2, 3, 4, 5} and min(counts.values()) > 140


def test_names_limit_and_distinct_names():
    """Mutants: two quantities of one name; ``names`` ignored."""
    limited = Source(ops=(4, 4), names=9)
    seen = set()
    for i in range(60):
        problem = limited.problem("names", i)
        used = [n for n in problem.names if n >= 0]
        assert len(set(used)) == len(used) and max(used) < 9
        seen.update(used)
    assert seen == set(range(9))


def test_literal_graphs_with_connected_distractors_have_names_enough():
    """Mutant: a bound that forgets the givens a distractor brings where every operand is a literal (an empty pool)."""
    for mode in ("forward", "reverse"):
        tight = None
        for names in range(1, 49):
            try:
                tight = Source(ops=(1, 1), mode=mode, shape=Shape(literals=1), connected=(4, 4), names=names)
                break
            except ValueError:
                continue
        for i in range(30):
            tight.problem("tight", i)


def test_mixture_draws_parts_by_weight():
    """Mutants: weights ignored; the part drawn from a stream that is not the problem's."""
    mixed = Mixture(((0.8, Source(ops=(1, 1))), (0.2, Source(ops=(2, 2), mode="reverse")), (0.0, Source(ops=(3, 3)))))
    assert [part.ops[0] for part in parts(mixed)] == [1, 2, 3] and parts(mixed, drawn=True) == parts(mixed)[:2]
    assert parts(Source(ops=(1, 1))) == parts(Source(ops=(1, 1)), drawn=True) == [Source(ops=(1, 1))]
    drawn = [mixed.problem("mix", i) for i in range(1000)]
    counts = Counter(problem.ops for problem in drawn)
    assert set(counts) == {1, 2} and 150 < counts[2] < 250
    assert mixed.problem("mix", 5) == drawn[5]


ZOO = 48
BAD = [
    ({"ops": (0, 3)}, r"Source.ops must be \(low, high\) with 1"),
    ({"ops": (3, 2)}, "Source.ops"),
    ({"ops": 3}, "Source.ops"),
    ({"ops": None}, "Source.ops"),
    ({"ops": (1, 2.0)}, "Source.ops"),
    ({"ops": (1, 40)}, f"Source.ops up to 40 .* offers {ZOO}"),
    ({"modulus": 4}, "Source.modulus .* got 4"),
    ({"modulus": 7.0}, "Source.modulus"),
    ({"modulus": 1}, "Source.modulus"),
    ({"modulus": True}, "Source.modulus must be a prime"),
    ({"modulus": "7"}, "Source.modulus must be a prime"),
    ({"modulus": 1009}, "Source.modulus must be a prime up to 999 or None, got 1009"),
    ({"modulus": 2305843009213693951}, "Source.modulus must be a prime up to 999 or None, got one"),
    ({"modulus": 10**400}, "Source.modulus must be a prime up to 999 or None, got one, which has too many digits"),
    ({"modulus": [7]}, "Source.modulus"),
    ({"shape": "tree"}, "Source.shape must be of type Shape"),
    ({"words": (0.5, 0.5)}, "Source.words must be of type Words"),
    ({"world": 3}, "Source.world must be of type str"),
    ({"world": ["zoo"]}, "Source.world must be of type str"),
    ({"names": "many"}, "Source.names for world 'zoo' must be 1..48"),
    ({"names": True}, "Source.names"),
    ({"skip_prob": "often"}, "Source.skip_prob must be a probability"),
    ({"skip_prob": None}, "Source.skip_prob must be a probability"),
    ({"mode": ["forward"]}, "Source.mode"),
    ({"length": "long"}, "Source.length"),
    ({"approach": 3}, "Source.approach must be"),
    ({"approach": ("plan", 3)}, "Source.approach must be"),
    ({"approach": ("plan", ["plan"])}, "Source.approach must be"),
    ({"approach": "plan", "chances": (1.0,)}, "Source.chances needs several"),
    ({"approach": ("plan", "plain"), "chances": ("a", "b")}, "Source.chances must hold 2 probabilities"),
    ({"approach": ("plan", "plain"), "chances": 3}, "Source.chances must hold 2 probabilities"),
    ({"tagged": 1}, "Source.tagged"),
    ({"modulus": None, "shape": Shape(fan_in=3)}, "Source.modulus None"),
    ({"mode": "sideways"}, "Source.mode .* 'sideways'"),
    ({"dialect": "verse"}, "Source.dialect"),
    ({"split": "test"}, "Source.split"),
    ({"order": "random"}, "Source.order"),
    ({"world": "moon"}, "world 'moon' is not known; there are"),
    ({"names": 49}, f"Source.names for world 'zoo' must be 1..{ZOO}"),
    ({"names": 0}, "Source.names"),
    ({"names": 5}, "can need 9 names"),
    ({"filler": (-1, 2)}, "Source.filler"),
    ({"connected": None}, "Source.connected"),
    ({"unconnected": (0,)}, "Source.unconnected"),
    ({"length": (50, 50)}, "can need 49 names"),
]


@pytest.mark.parametrize("fields, message", BAD)
def test_bad_input_names_the_field(fields, message):
    """Mutant: any check removed."""
    with pytest.raises(ValueError, match=message):
        Source(**({"ops": (1, 4)} | fields))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Shape(width="wide"), "Shape.width must be a probability"),
        (lambda: Shape(reuse=None), "Shape.reuse must be a probability"),
        (lambda: Shape(literals=float("nan")), "Shape.literals must be a probability"),
        (lambda: Shape(fan_in=2.0), "Shape.fan_in must be a whole number"),
        (lambda: Shape(operations="+-"), "Shape.operations must be drawn from"),
        (lambda: Shape(operations=(["+"],)), "Shape.operations must be drawn from"),
        (lambda: Shape(operations=5), "Shape.operations must be drawn from"),
        (lambda: Words(openings=None), "Words.openings must hold 3 probabilities"),
        (lambda: Words(openings=("a", "b", "c")), "Words.openings must hold 3 probabilities"),
        (lambda: Words(remarks="some"), "Words.remarks must be a probability"),
        (lambda: Mixture(3), "Mixture.parts must be a tuple of"),
        (lambda: Mixture((1.0,)), "Mixture.parts must be a tuple of"),
        (lambda: Mixture(((1.0, "source"),)), "Mixture.parts must be a tuple of"),
        (lambda: Mixture((("all", Source(ops=(1, 1))),)), "Mixture.parts weights must be non-negative"),
        (lambda: Vocabulary(modulus=10**400), "Vocabulary.modulus must be a prime up to 999"),
        (lambda: Vocabulary(dialects="terse"), "Vocabulary.dialects must be drawn from"),
        (lambda: Vocabulary(dialects=(["terse"],)), "Vocabulary.dialects must be drawn from"),
        (lambda: Vocabulary(worlds=(3,)), "Vocabulary.worlds must name"),
        (lambda: Vocabulary(worlds="zoo"), "Vocabulary.worlds must name"),
    ],
)
def test_wrong_types_name_their_field(build, message):
    """Mutant: any check removed; most then end in a TypeError that names no field."""
    with pytest.raises(ValueError, match=message):
        build()


def test_a_huge_modulus_is_refused_at_once():
    """Mutant: trial division before the bound (minutes)."""
    for modulus in (2305843009213693951, 10**4000 + 7):
        with at_most_lines(20_000), pytest.raises(ValueError, match="up to 999"):
            Source(ops=(1, 1), modulus=modulus)


def test_bad_mixtures():
    """Mutants: weights normalised in silence, or a negative one."""
    for weights in ((0.5, 0.4), (1.2, -0.2), ()):
        with pytest.raises(ValueError, match="Mixture.parts"):
            Mixture(tuple((weight, Source(ops=(1, 1))) for weight in weights))
