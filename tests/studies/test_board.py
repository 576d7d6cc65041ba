"""The board says what is established of each method, and a user's own method is tried beside the controls."""

from __future__ import annotations

import json
import math
import sys
from functools import cache
from statistics import mean, median
from types import SimpleNamespace

import pytest

from interlude.studies import board, results
from interlude.studies.__main__ import main
from interlude.studies.cli.leaderboard import half_width, noted, rivals
from interlude.studies.find import bands
from interlude.studies.methods import METHODS
from interlude.studies.midtraining import leaderboard
from interlude.studies.results import FOLDER, load, load_curves
from interlude.studies.scales import SCALES
from interlude.studies.verdicts import FAILS, HOLDS, NOT_RUN, OPEN, Measured, Verdict, comparisons, decide

METHOD = '''
"""A method of one's own."""

def toy(scale, flops):
    return scale.midtrain(flops)

def broken(scale, flops):
    return 3
'''


def verdict(decided: str, mean: float = 0.0, p: float = 1.0, needed: int | None = None, seeds: int = 3) -> Verdict:
    claim = board.claims("toy")[0]
    part = Measured(claim.name, "above", mean, mean - 0.1, mean + 0.1, 0, 0, 0.1, 2, tuple(range(seeds)), (), 10, p=p)
    return Verdict(claim, decided, (part,), seeds_needed=needed)


def test_words_of_verdicts():
    # Mutants: a claim that fails by equivalence called worse; one that is open called equal; seeds there are counted as
    # seeds to come.
    assert board.word(verdict(HOLDS, 0.2, 0.01)) == "better"
    assert board.word(Verdict(leaderboard.CLAIMS[0], NOT_RUN)) == NOT_RUN
    assert board.word(verdict(FAILS, -0.2, 0.01)) == "worse" and board.word(verdict(FAILS, -0.01, 0.6)) == "equal"
    assert board.word(verdict(OPEN, -0.2, 0.2)) == "open"
    assert board.more_seeds(verdict(OPEN, needed=16)) == 13 and board.more_seeds(verdict(HOLDS)) is None
    assert board.more_seeds(verdict(OPEN, needed=3)) is None and board.more_seeds(verdict(OPEN, needed=4)) == 1


def test_a_table_of_the_board():
    # Mutants: an open comparison told as established; the number of seeds to come left out; a whole interval for half;
    # the difference of another score; below and above exchanged; every comparison unasked; measures of
    # movement shown where nothing measured them, or hidden where something did.
    row = {"rank": 1, "method": "toy", "alone": 0.5, "with_rl": 0.75, "seeds": 3, "flops": 8e12, "seconds": 60.0}
    row |= {"kl": math.nan, "lr_sum": math.nan}
    rl, alone = board.RANKED, "alone"
    keys = ("what", "verdict", "more", "mean", "low", "high")
    values = (
        (f"NTP: {rl}", "better", None, 0.2, 0.14, 0.26),
        (f"NTP: {alone}", "worse", None, -0.2, -0.3, -0.1),
        (f"pre-training: {rl}", "worse", None, -0.1, math.nan, 0.0),
        (f"pre-training: {alone}", "open", 13, 0.0, -0.1, 0.1),
    )
    compared = [dict(zip(keys, each, strict=True)) for each in values]
    row |= {"by_ops": {"5-7": 0.875, "8-9": 0.5}}
    bound = row | {"rank": 2, "method": "NTP", "compared": [], "by_ops": {"5-7": 0.75, "8-9": 0.625}}
    made = [row | {"compared": compared}, bound]
    ranking, parts, established, differences = board.tables(made)
    assert parts[1:3] == (
        ["method", "5-7", "8-9"], [["toy", "0.88 +0.12", "0.50 -0.12"], ["NTP", "0.75", "0.62"]],
    )  # fmt: skip
    assert ranking[1][4:6] == ["- NTP", "- pre-training"]
    assert ranking[2][0] == ["1", "toy", "0.500", "0.750", "+0.200 ± 0.060*", "-0.100*", "8", "60"]
    assert ranking[2][1][4:6] == ["", ""]
    assert established[2] == [
        [f"NTP: {rl}", "toy", "–", "–"], [f"NTP: {alone}", "–", "toy", "–"],
        [f"pre-training: {rl}", "–", "toy", "–"], [f"pre-training: {alone}", "–", "–", "–"],
    ]  # fmt: skip
    assert differences[2][1] == ["toy", f"NTP: {alone}", "-0.200 (-0.300 to -0.100)", "worse"]
    assert differences[2][3][-1] == "open, about 13 more seeds" and differences[2][2][2] == "-0.100"
    assert board.tables(made, every=False) == [ranking, parts, established]
    made[0] |= {"kl": 1.25, "lr_sum": 0.5}
    measured = board.tables(made)[0]
    assert [each[-4:] for each in measured[2]] == [["1.25", "0.5", "8", "60"], ["–", "–", "8", "60"]]
    assert measured[1][-4:] == ["KL", "sum of rates", "TFLOP", "s"]
    assert ranking[3] in measured[3] and "nats" in measured[3].replace(ranking[3], "")


def test_a_method_of_ones_own_from_end_to_end(tmp_path, runs, capsys):
    # Mutants: other seeds for the method than for its controls; an arm without RL left out; a method that the board
    # has replaced; a table written among the committed ones.
    file = tmp_path / "own_method.py"
    file.write_text(METHOD)
    assert main(["leaderboard", "--scale", "smoke", "--method", f"{file}:toy", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in made} == {"toy", "NTP", "pre-training"}
    assert [row["rank"] for row in made] == [1, 2, 3]
    own = next(row for row in made if row["method"] == "toy")
    same = next(row for row in made if row["method"] == "NTP")  # the same stage under another name
    assert all(own[name] == same[name] for name in ("alone", "with_rl", "flops", "kl", "lr_sum"))
    assert own["kl"] > 0 and own["lr_sum"] > 0
    assert len(own["compared"]) == 8 and all(each["verdict"] == "open" for each in own["compared"])  # one seed
    assert all(each["mean"] == pytest.approx(0, abs=1e-9) for each in own["compared"] if each["what"].startswith("NTP"))
    assert (tmp_path / "results" / "smoke" / "midtraining.leaderboard.csv").exists()
    for wrong, why in ((f"{file}:none", "defines no method 'none'"), (f"{file}:broken", "must return a Stage")):
        assert main(["leaderboard", "--scale", "smoke", "--method", wrong]) != 0
        assert why in " ".join("".join(capsys.readouterr()).split())


TWO = """
from dataclasses import dataclass, replace
from interlude.models.stages.midtrain import Midtrain

@dataclass(frozen=True, kw_only=True)
class MethodA(Midtrain):
    def collect(self, models, seed, step, rows):
        batch = super().collect(models, seed, step, rows)
        return replace(batch, gain_BT=1.0 * batch.gain_BT)

@dataclass(frozen=True, kw_only=True)
class MethodB(Midtrain):
    pass
"""


def test_two_methods_in_one_folder_and_an_edited_one(tmp_path, runs, capsys, monkeypatch):
    # Kills: a second method that breaks the table for both; an edited method that is shown with the old numbers, or
    # with the old rows of seeds that it was not run with again; controls ranked by seeds that the method lacks.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("INTERLUDE_RESULTS", raising=False)
    file = tmp_path / "two_methods.py"

    def ranked(name: str, seeds: str, text: str = TWO) -> dict[str, dict]:
        file.write_text(text)
        sys.modules.pop(file.stem, None)
        words = ["leaderboard", "--scale", "smoke", "--method", f"{file}:{name}", "--seeds", seeds, "--json"]
        assert main(words) == 0, capsys.readouterr().err
        return {row["method"]: row for row in json.loads(capsys.readouterr().out)}

    try:
        first = ranked("MethodA", "0,1")
        second = ranked("MethodB", "0")
        assert set(first) == {"MethodA", "NTP", "pre-training"} and set(second) == {"MethodB", "NTP", "pre-training"}
        assert {row["seeds"] for row in first.values()} == {2} and {row["seeds"] for row in second.values()} == {1}
        alone = ranked("MethodA", "0")  # the table has seed 1, too
        assert {row["seeds"] for row in alone.values()} == {1} and alone["MethodA"]["with_rl"] > 0
        edited = ranked("MethodA", "1", TWO.replace("1.0 *", "-1.0 *"))
        assert {row["seeds"] for row in edited.values()} == {1}
        assert first["MethodA"]["kl"] == first["NTP"]["kl"]  # the same stage under another name
        assert edited["MethodA"]["kl"] > 1.1 * edited["NTP"]["kl"]
    finally:
        sys.modules.pop(file.stem, None)


def test_a_board_that_was_never_run_says_how_to_run_it(capsys, monkeypatch, tmp_path):
    # Mutant: a traceback.
    monkeypatch.setattr("sys.argv", ["/some/bin/interlude"])
    assert main(["leaderboard", "--scale", "paper"]) != 0
    assert "interlude run midtraining/leaderboard --scale paper" in " ".join("".join(capsys.readouterr()).split())


def test_the_board_is_followed_by_its_best_methods_on_fresh_seeds(capsys):
    # Mutants: the second table left out; the board's seeds or methods in it; how far methods moved not shown.
    assert main(["leaderboard"]) == 0
    board_, again = capsys.readouterr().out.split("its best methods again at nano, seeds 100")
    assert "sum of rates" in again and "sum of rates" not in board_
    assert "withdrawal" in again and "ReMiT" in board_ and "ReMiT" not in again
    # Mutant: notes for a reader on a screen alone, and not for a program.
    assert main(["leaderboard", "--json"]) == 0
    said = {row["method"]: row["note"] for row in json.loads(capsys.readouterr().out)}
    assert {name: note for name, note in said.items() if note} == board.NOTES


def test_the_notes_beside_rows_are_what_the_committed_curves_say():
    """Kills: a number of a note or of the page that the curves do not give; a note on no row."""
    assert set(board.NOTES) <= set(leaderboard.ROWS)
    rows = load_curves("midtraining/leaderboard", "nano")
    equal, weight = {}, {}
    for row in rows:
        if row["arm"] == "thinking" and not math.isnan(row["zero_variance"]):
            equal.setdefault(row["seed"], []).append(row["zero_variance"])
        if row["arm"] == "ReMiT" and row["share"] > 0.75:
            weights = dict(pair.split(":") for pair in row["weights"].split())
            weight.setdefault(row["seed"], []).append(float(weights["inferred"]))
    spans = [f"{min(means):.2f} to {max(means):.2f}" for means in ([*map(mean, x.values())] for x in (equal, weight))]
    page = (FOLDER.parent / "midtraining" / "README.md").read_text()
    for method, span in zip(("thinking", "ReMiT"), spans, strict=True):
        assert span in board.NOTES[method] and span in page
    tuned = load("midtraining/tuned_controls", "nano")
    deeper = [f"zoo-ops{n}" for n in range(5, 12)]
    for control in board.CONTROL:
        for rate in (", low rate", ""):
            assert f"{tuned.pooled(f'{control}{rate} + RL', deeper, 1).mean():.2f}" in board.NOTES[control]
    # Mutants: a method of one's own without the notes on its controls; nano's numbers at another scale.
    for scale, due in (("nano", {"NTP", "pre-training", "RL"}), ("smoke", set())):
        study = leaderboard.study(SCALES[scale], {name: leaderboard.ROWS[name] for name in (*board.CONTROL, "RL")})
        assert set(noted(study)) == due


def test_parts_of_the_score_after_rl_are_those_of_the_committed_table():
    """Kills: the edge counted twice; a part of all that is deeper left out; a scale without room before its edge."""
    nano = bands("nano")
    table = load(leaderboard.study(SCALES["nano"]).name, "nano")
    (row,) = board.rows(table, [], nano, [("RFT", board.FREE)])
    assert list(row["by_ops"]) == ["5-7", "8-9", "10-11"] and list(board.spans(bands("smoke"))) == ["3", "4"]
    whole = sum(each * n for each, n in zip(row["by_ops"].values(), (3, 2, 2), strict=True)) / 7
    assert row["with_rl"] == pytest.approx(whole) and row["by_ops"]["8-9"] == pytest.approx(0.9596, abs=5e-5)


@cache
def whole() -> tuple:
    """Every verdict of the committed board."""
    return tuple(decide(leaderboard.CLAIMS, load("midtraining/leaderboard", "nano"), bands("nano")))


@cache
def parts() -> tuple:
    """Every comparison of the committed board before correction."""
    return tuple(comparisons(leaderboard.CLAIMS, load("midtraining/leaderboard", "nano"), bands("nano")))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_ones_own_is_judged_as_one_more_row_of_the_board(method):
    """Kills: Holm over the method's own eight; variances of its own: by either some row of the board itself would be
    established that is not."""
    nano, table = bands("nano"), load("midtraining/leaderboard", "nano")
    others = [(claim, part) for claim, part in parts() if not claim.name.startswith(f"{method} > ")]
    found = {each.claim.name: each for each in decide(board.claims(method), table, nano, others)}
    due = {each.claim.name: each for each in whole() if each.claim.name in found}
    assert len(due) == len(found) == 8
    for name, each in found.items():
        (mine,), (theirs,) = each.measured, due[name].measured
        assert each.verdict == due[name].verdict and mine.half_width == pytest.approx(theirs.half_width)


def test_rivals_are_the_boards_on_its_own_seeds_alone(monkeypatch, tmp_path):
    """Kills: a confirmation corrected among the board's comparisons; rivals lost where results are kept elsewhere."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    asked = SimpleNamespace(method="file.py:toy", scale="nano")
    some = rivals(asked, (50, 51, 52))
    assert len(some) == len(leaderboard.CLAIMS) and {part.seeds for _, part in some} == {(50, 51, 52)}
    assert rivals(asked, tuple(range(100, 108))) == [] == rivals(SimpleNamespace(method=None, scale="nano"), (50, 51))
    assert rivals(SimpleNamespace(method="file.py:toy", scale="smoke"), (0,)) == []


def test_a_plan_says_what_so_many_seeds_can_tell():
    """Kills: the half-width of other seeds or scores; a width where no table could say."""
    found = half_width("nano", 8)
    against = [each for each in whole() if each.claim.name.endswith(f"> NTP: {board.RANKED}")]
    known = [part.half_width for each in against for part in each.measured]
    assert found == pytest.approx(median(known)) and half_width("nano", 3) > 2 * found
    assert half_width("nano", 32) == pytest.approx(found / 2) and math.isnan(half_width("smoke", 3))
