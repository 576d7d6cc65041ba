"""What ``interlude show`` prints on a terminal: the few numbers that answer a question, in lines that fit."""

from __future__ import annotations

import io
import json
import re

from interlude.studies import console
from interlude.studies.__main__ import parser
from interlude.studies.cli import read
from interlude.studies.report import tables


def shown(*words: str) -> list[str]:
    """What a command prints on a terminal of 100 columns, line by line."""
    screen = console.Console(file=io.StringIO(), width=100)
    args = parser().parse_args([*words, "--scale", "nano"])
    read.show(args, screen)
    return screen.file.getvalue().splitlines()


def test_show_fits_a_terminal_of_100_columns():
    """Mutants: claims last; a line for every number; an arm named in each of its lines; lines that are wrapped by the
    terminal; an interval cut in two."""
    lines = shown("show", "stages/quickstart")
    assert len(lines) < 65 and max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert text.index("claims") < text.index("by band") < text.index("differences")
    assert sum(line.startswith("  RL – pre-training") for line in lines) == 1
    spans = re.findall(r"[+-]0\.\d{3} to [+-]0\.\d{3}", text)
    assert len(spans) == text.count(" to ")  # of claims and of differences, each whole
    everything = shown("show", "stages/quickstart", "--all")
    assert max(map(len, everything)) <= 100 and len(everything) > 2 * len(lines)


def test_the_claims_of_a_topic_fit_a_terminal(capsys):
    """Mutants: a claim without its verdict; the same note under every claim that was not run; our own claims among
    those of papers; a study's claims counted under another's."""
    lines = shown("show", "interplay")
    assert max(map(len, lines)) <= 100 and len(lines) < 120
    assert any(line.startswith("  holds ") for line in lines) and "no table yet" not in "\n".join(lines)
    everything = shown("show", "interplay", "--all")
    assert max(map(len, everything)) <= 100 and len(everything) > 2 * len(lines)
    assert "claims of arXiv 2512.07783" in lines[1]
    places = re.compile(r"(Figure |appendix A\.)\d")
    assert 15 <= sum(bool(places.search(line)) for line in lines) < sum("published:" in line for line in everything)
    shown("show", "interplay", "--json")
    held = sum(row["verdict"] == "holds" for row in json.loads(capsys.readouterr().out)["interplay/edge"])
    assert [line.split()[1] for line in lines if line.startswith("  interplay/edge ")] == [str(held)]


def test_rows_name_their_arm_once():
    """Mutants: other columns blanked; the first row; tables of two columns."""
    rows = [["a", "x", "1"], ["a", "y", "2"], ["b", "x", "3"], ["a", "x", "4"]]
    assert read.named_once(rows) == [["a", "x", "1"], ["", "y", "2"], ["b", "x", "3"], ["a", "x", "4"]]
    assert read.named_once([["holds", "x"], ["holds", "y"]]) == [["holds", "x"], ["holds", "y"]]


def test_a_table_of_numbers_too_wide_for_the_screen_is_cut_into_columns_that_fit():
    screen = console.Console(file=io.StringIO(), width=60)
    heads = ["arm", *(f"fault kind {i}" for i in range(9))]
    body = [[name, *(f"0.{i}{nth}" for i in range(9))] for nth, name in enumerate(("no RL at all", "RL"))]
    parts = console.tables(screen, "faults", heads, body, "of all seeds")
    assert len(parts) > 1
    for part in parts:
        screen.print(part)
    text = screen.file.getvalue()
    assert all(head in text for head in heads)  # none folded
    assert all(text.count(name) == len(parts) for name in ("no RL at all", "RL  "))
    assert text.count("faults") == text.count("of all seeds") == 1
    assert text.index("faults") < text.index("arm") and text.index("of all seeds") > text.rindex("fault kind")
    for nth in (0, 1):  # every number once, in its row
        assert [cell for line in text.splitlines() if line.split()[:1] == [body[nth][0].split()[0]]
                for cell in line.split() if cell.startswith("0.")] == body[nth][1:]  # fmt: skip
    assert len(console.tables(screen, "faults", heads[:3], [row[:3] for row in body])) == 1
    named = [[row[0], "edge", *row[1:]] for row in body]  # a second column that names the row
    assert len(console.tables(screen, "faults", ["arm", "exam", *heads[1:]], named)) == 1


def test_a_topic_shows_the_first_comparison_and_the_one_that_decides_or_is_furthest_from_it():
    # Mutants: the first comparison left out, or alone; the surest; one of another verdict than the claim's; others not
    # counted, or one of them twice; our own claims among papers'.
    def part(words: str, verdict: str, p: float) -> dict:
        numbers = {"mean": 0.1, "low": 0.0, "high": 0.2, "resampled_low": 0.0, "resampled_high": 0.2, "half_width": 0.1}
        return numbers | {"words": words, "verdict": verdict, "p": p, "seeds": 8, "problems": 9, "idle": ""}

    ours = [part("main", "holds", 0.01), part("near", "open", 0.06), part("far", "open", 0.7), part("y", "holds", 0.9)]
    row = {"claim": "c", "published": "+1", "place": "arXiv 1", "margin": 0.05, "verdict": "open", "exploratory": False}
    paper = row | {"seeds_needed": 30, "note": "", "ours": ours}
    own = paper | {"published": "", "place": "", "verdict": "holds", "claim": "own"}
    later = own | {"verdict": "not run", "ours": []}
    made = tables.topic_tables({"a/b": [paper, own], "a/c": [own], "a/d": [later, later]})
    (_, _, cells, _), (_, heads, counts, below) = made
    assert below == "not run: d" and len(counts) == 2
    assert len(cells) == 1 and cells[0][0] == "open\nb\n30 seeds"
    said = ["main: +0.100 (+0.000 to +0.200)", "open for far: +0.100 (+0.000 to +0.200)"]
    assert cells[0][3].split("\n") == [*said, "and 2 more: open 1, holds 1"]
    assert tables.first_and_deciding(row | {"ours": ours[1:3]})[1:] == ["and 1 more: open 1"]
    assert tables.first_and_deciding(row | {"ours": ours[2:3]}) == ["far: +0.100 (+0.000 to +0.200)"]
    assert dict(zip(heads, counts[0], strict=True)) == {
        "study": "a/b", "holds": 1, "does not hold": "–", "open": 1, "not run": "–", "seeds": "8",
    }  # fmt: skip
    assert counts[1][0] == "a/c" and counts[1][1] == 1


def test_a_claim_that_studies_ask_twice_is_shown_once_from_the_most_seeds():
    """Kills: the first study's numbers; the other's verdict left out, or one that was not run told; studies at two
    scales taken for one; a paper named in every line; claims in the order of studies rather than of the paper."""
    part = {"words": "x", "mean": 0.1, "low": 0.0, "high": 0.2, "half_width": 0.1, "p": 0.1, "problems": 9, "idle": ""}
    part |= {"resampled_low": 0.0, "resampled_high": 0.2}
    row = {
        "claim": "c",
        "published": "+1",
        "place": "arXiv 1, Figure 10",
        "margin": 0.05,
        "verdict": "open",
        "note": "",
    }
    row |= {"exploratory": False, "seeds_needed": None, "ours": [part | {"verdict": "open", "seeds": 8}]}
    surer = row | {"verdict": "holds", "ours": [part | {"verdict": "holds", "seeds": 16, "p": 0.01}]}
    early = row | {"claim": "d", "place": "arXiv 1, Figure 2"}
    studies = {"a/few": [row], "a/many": [surer, early], "a/there": [row]}
    studies |= {"a/none": [row | {"verdict": "not run", "ours": []}]}
    (title, _, cells, _), _ = tables.topic_tables(
        studies, {name: "large" if name == "a/there" else "nano" for name in studies}
    )
    assert title == "claims of arXiv 1"
    assert [cell[2] for cell in cells] == ["+1\nFigure 2", "+1\nFigure 10", "+1\nFigure 10"]
    assert [cell[0] for cell in cells][1:] == ["holds\nmany, nano\nfew: open", "open\nthere, large"]


def test_an_open_claim_says_how_many_more_seeds_or_its_corrected_p():
    """Kills: "7 seeds would detect" where 8 were run; an interval that excludes 0 called open without a word."""
    part = {"words": "a - b", "direction": "above", "mean": 0.1, "low": 0.01, "high": 0.19, "half_width": 0.09}
    part |= {"p": 0.0712, "verdict": "open", "seeds": 8, "idle": ""}
    row = {"verdict": "open", "exploratory": False, "seeds_needed": 7, "margin": 0.05, "note": "", "ours": [part]}
    assert tables.decided(row) == "open\nhalf-width 0.090"
    assert "9 seeds would detect a difference of 0.05" in tables.decided(row | {"seeds_needed": 9})
    part |= {"resampled_low": 0.0, "resampled_high": 0.2, "problems": 9}
    row |= {"claim": "c", "published": "", "ours": [part]}
    assert tables.ours(row).endswith("open, p = 0.071 after Holm")
    assert "p = 0.071 after Holm" in tables.claim_table([row])[2][0][1]
    for other in ({"low": -0.01}, {"verdict": "holds"}, {"direction": "within"}):
        assert "Holm" not in tables.ours(row | {"ours": [part | other]})
