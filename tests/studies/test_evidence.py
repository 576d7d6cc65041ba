"""Pooling over exams, bands and seeds against plain arithmetic, and pairs that may not be made."""

from __future__ import annotations

import math

import numpy as np
import pytest
from crafted import row, rows, sampled_row

from interlude.studies import evidence, results
from interlude.studies.results import Results

BANDS = {"ID": (1, 4), "edge": (5, 6), "hard": (7, 8)}


@pytest.fixture(scope="module")
def found():
    return Results("s", "nano", tuple(rows()))


def test_exact_pass_at_k_goes_to_a_million(found):
    # Mutants: k capped at the largest sampled one; a mean of logs; the curve of another band.
    exams = ["zoo-ops7", "zoo-ops8"]
    curve = evidence.pass_at_k_curve(found, "pre-training", exams)
    assert [k for k, _ in curve] == [1, 3, 10, 32, 100, 316, 1000, 3162, 10**4, 31623, 10**5, 316228, 10**6]
    logps = [results.numbers(r["logp"]) for e in exams for r in found.of("pre-training", e)]
    for k, estimate in curve:
        slow = np.mean([[1 - (1 - math.exp(logp)) ** k for logp in each] for each in logps])
        assert estimate.mean == pytest.approx(slow, rel=1e-6) and estimate.low <= slow <= estimate.high
    rare = Results("s", "nano", (row("a", 0, 0, "zoo", 1, np.array([math.log(1e-9)] * 2)),))
    assert evidence.pass_at_k_curve(rare, "a", ["zoo-ops1"], (10**6,))[0][1].mean == pytest.approx(1e-3, rel=1e-3)


def test_pairs_need_one_machine():
    # Mutants: kernels ignored; machines of the table compared instead of each pair's; unrecorded ones refused.
    made = [row(arm, 0, seed, "zoo", 1, np.array([-1.0, -2.0])) for arm in ("a", "b", "c") for seed in (0, 1, 2)]
    on = {("a", 1): ("M1", ""), ("b", 1): ("M2", ""), ("a", 2): ("M1", "native"), ("b", 2): ("M1", "torch")}
    made = [r | dict(zip(("machine", "kernels"), on.get((r["arm"], r["seed"]), ("", "")), strict=True)) for r in made]
    found = Results("s", "t", tuple(made))
    assert evidence.pairing(found, "a", "b") == ((0,), (1, 2)) and evidence.pairing(found, "c", "c") == ((0, 1, 2), ())
    assert evidence.shared(found, "a", "b").seeds == (0,) and evidence.pairing(found, "a", "c") == ((0,), (1, 2))
    lone = Results("s", "t", tuple(r for r in made if r["seed"] == 1))
    assert evidence.shared(lone, "a", "b") is None and evidence.contrasts(lone, [("a", "b")], (), {}) == []


def test_planning_by_step_is_a_mean_over_seeds():
    # Mutants: the first seed's; seeds from before it was measured taken for zero.
    made = [row("a", 0, seed, "zoo", 2, np.array([-1.0])) for seed in (0, 1)]
    cells = ("1:0.2000 2:0.6000 stop:0.0000", "1:0.4000 2:0.0000 stop:0.1000")
    both = [r | {"planning_by_step": c} for r, c in zip(made, cells, strict=True)]
    (told,) = evidence.planning_by_step(Results("s", "t", tuple(both)))
    assert told["nats"] == pytest.approx({"1": 0.3, "2": 0.3, "stop": 0.05}) and told["seeds"] == 2
    assert evidence.planning_by_step(Results("s", "t", (both[0], made[1]))) == []


def test_values_of_any_measure_are_found_by_its_column():
    # Mutants: a measure of another kind; an absent one read as zeros.
    made = sampled_row("a", 0) | {"strict": "1 2 3 4", "operands": "0.5/0.7 1.0", "divergence": "0.1 0.2 0.3 0.4"}
    found = Results("s", "t", (made,))
    assert evidence.values(found, "a", ["zoo-sampled3"], 1, "answer").tolist() == [[0.5] * 4]
    assert evidence.values(found, "a", ["zoo-sampled3"], 8).tolist() == [[1.0] * 4]
    assert evidence.values(found, "a", ["zoo-sampled3"], 1, "operands").tolist() == [[0.6, 1.0]]
    assert evidence.values(found, "a", ["zoo-sampled3"], 1, "divergence").tolist() == [[0.1, 0.2, 0.3, 0.4]]
    with pytest.raises(KeyError, match="has no modes of arm 'a' in exam 'zoo-sampled3'"):
        evidence.values(found, "a", ["zoo-sampled3"], 1, "modes")


def test_exams_are_described_once(found):
    # Mutants: a line for each arm; structures of an old table invented.
    told = evidence.exam_rows(found)
    assert [each["exam"] for each in told] == list(found.exams) and told[0]["structures"] == 6
    old = Results("s", "t", tuple(r | {"structures": 0} for r in found.rows[:1]))
    assert evidence.exam_rows(old)[0]["structures"] == 0


def varied(counts: dict[int, int]) -> Results:
    """Two arms with so many structures in the exam of each number of operations."""
    made = []
    for nth, arm in enumerate("ab"):
        for seed in (0, 1):
            for ops, structures in counts.items():
                logp = np.array([-0.3 * ops, -0.5 * ops]) - 0.4 * (1 - nth) - 0.01 * seed
                made.append(row(arm, nth, seed, "zoo", ops, logp) | {"structures": structures, "similarity": "0.5 0.7"})
    return Results("s", "t", tuple(made))


def test_bands_leave_out_exams_of_few_structures():
    """Kills: one operation, of which there are five structures, averaged into the band, in any number over bands or in
    one of them; a limit of 51; a label of the band's own operations instead of those scored."""
    found = varied({1: 5, 2: 49, 3: 50, 4: 100, 5: 100})
    left = ["zoo-ops3", "zoo-ops4"]
    assert found.band((1, 4), "zoo") == left and found.within((1, 4), "zoo") == ["zoo-ops1", "zoo-ops2", *left]
    assert evidence.groups(found, "a", BANDS)[0] == (
        {"world": "zoo", "mode": "forward", "band": "ID", "ops": "3-4"}, left,
    )  # fmt: skip
    bands = {"ID": (1, 4)}
    (scored, *_) = evidence.band_scores(found, bands)
    assert scored["mean"] == pytest.approx(np.mean([found.score("a", exam, 1).mean for exam in left]))
    (gap, *_) = evidence.contrasts(found, [("b", "a")], (), bands)
    assert gap["mean"] == pytest.approx(np.mean([found.gain("b", "a", exam, 1).mean for exam in left]))
    (solved,) = evidence.newly_solved(varied({1: 5, 2: 60}), "b", "a", bands)
    assert solved["solved"] == len(varied({2: 60}).newly_solved("b", "a", "zoo-ops2")) > 0
    assert evidence.similar(found, "a", bands)[0]["problems"] == 4


def test_a_band_of_few_structures_alone_is_scored_whole():
    """Kills: a band without a score where few problems are asked; structures that a table does not record taken for
    none."""
    small = varied({1: 5, 2: 6, 3: 6})
    assert small.band((1, 4), "zoo") == small.within((1, 4), "zoo") == ["zoo-ops1", "zoo-ops2", "zoo-ops3"]
    assert evidence.groups(small, "a", BANDS)[0][0]["ops"] == "1-3"
    assert varied({1: 0, 2: 5, 3: 60}).band((1, 4), "zoo") == ["zoo-ops1", "zoo-ops3"]


def test_damaged_tables_are_refused_in_one_sentence(tmp_path):
    # Mutants: text in a measure read as far as it goes; a table without rows that ends in an IndexError.
    made = row("a", 0, 0, "zoo", 1, np.array([-1.0]))
    for text in ("-1.0 x", "-1.0  -2.0", "0.5/", "a:b", "1:"):
        with_it = made | {"logp": text}
        where = results.path("s/q", "t", tmp_path)
        where.parent.mkdir(parents=True, exist_ok=True)
        results.write(where, [with_it], results.COLUMNS, results.KEYS, True)
        with pytest.raises(ValueError, match=r"row 1, column logp: .* is not a cell of numbers"):
            results.load("s/q", "t", tmp_path)
    for text in ("", "-1.0 -2.5e-07 -inf", "1:0.5 stop:-0.1", "0.5/0.7 1.0", "operand:3"):
        results.write(where, [made | {"faults": text}], results.COLUMNS, results.KEYS, True)
        assert results.load("s/q", "t", tmp_path).rows[0]["faults"] == text
    results.write(where, [], results.COLUMNS, results.KEYS, True)
    with pytest.raises(ValueError, match="holds no rows"):
        results.load("s/q", "t", tmp_path)


def test_rows_of_other_exams_are_refused(tmp_path):
    # Mutants: a number of samples or a key that is not compared; old rows without a key refused; an exam that is gone
    # shown on.
    made = sampled_row("a", 0) | {"exam_key": "new"}
    now = {("a", 0, "zoo-sampled3"): {"exam_key": "new", "samples": 8, "problems": 4}}
    results.check_exams(Results("s", "t", (made,)), now)
    results.check_exams(Results("s", "t", (made | {"exam_key": ""},)), now)
    for change, said in (
        ({"exam_key": "old"}, "exam_key 'old' where the study's has 'new'"),
        ({"exam_key": "", "samples": 16}, "samples 16 where the study's has 8"),
        ({"exam": "gone"}, "which the study does not have now"),
    ):
        with pytest.raises(ValueError, match=said):
            results.check_exams(Results("s", "t", (made | change,)), now)


def test_a_run_that_is_stored_again_leaves_nothing_behind(tmp_path):
    # Mutant: rows of exams that the study no longer has, which would be refused for ever.
    old = [row("a", 0, seed, "zoo", ops, np.array([-1.0])) for seed in (0, 1) for ops in (1, 2)]
    results.store("s/q", "t", old, tmp_path)
    results.store("s/q", "t", [row("a", 0, 0, "zoo", 3, np.array([-1.0]))], tmp_path)
    kept = results.load("s/q", "t", tmp_path)
    assert {(r["seed"], r["exam"]) for r in kept.rows} == {(0, "zoo-ops3"), (1, "zoo-ops1"), (1, "zoo-ops2")}


def test_an_old_table_keeps_its_bytes_until_rows_change(tmp_path):
    # Mutants: a committed table rewritten with columns that say nothing; NaN taken for a change; a change not stored.
    added = {"rows", "distinct"}
    made = [sampled_row("a", 0), row("a", 0, 0, "zoo", 1, np.array([-1.0]))]  # each lacks the other's measures
    where = results.path("s/q", "t", tmp_path)
    where.parent.mkdir()
    old = tuple(column for column in results.COLUMNS if column.name not in added)
    short = [{name: value for name, value in each.items() if name not in added} for each in made]
    results.write(where, short, old, results.KEYS, True)
    before = where.read_bytes()
    results.store("s/q", "t", made, tmp_path)
    assert where.read_bytes() == before and b"distinct" not in before
    assert math.isnan(evidence.cost(results.load("s/q", "t", tmp_path), "a")["distinct"])
    results.store("s/q", "t", [each | {"rows": 64.0, "distinct": 16.0} for each in made], tmp_path)
    found = evidence.cost(results.load("s/q", "t", tmp_path), "a")
    assert (found["rows"], found["distinct"]) == (64.0, 16.0)


def test_longer_questions_are_no_part_of_a_band():
    """Kills: problems of exams of length pooled with the scale's own of as many operations; a table with no other exams
    left without a score of its band."""
    found = varied({2: 60, 3: 60})
    longer = tuple(row | {"exam": "length31"} for row in found.rows if row["ops"] == "3")
    both = Results("s", "t", (*found.rows, *longer))
    assert both.band((1, 4), "zoo") == found.band((1, 4), "zoo") == ["zoo-ops2", "zoo-ops3"]
    assert evidence.groups(both, "a", BANDS) == evidence.groups(found, "a", BANDS)
    assert Results("s", "t", longer).band((1, 4), "zoo") == ["length31"]
    assert evidence.groups(Results("s", "t", longer), "a", BANDS)[0][1] == ["length31"]
