"""The numbers that are shown, and the page: self-contained, safe, and honest about what it does not know."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from crafted import rows, sampled_row

from interlude.studies import layout, real_scale
from interlude.studies.cli.read import report_
from interlude.studies.exams.diversity import DiversityExam
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.real import gym, methods
from interlude.studies.report import examples, plots, recipes, tables
from interlude.studies.report.page import heading, page, table_html
from interlude.studies.results import Results
from interlude.studies.stats import exact_pass_at_k
from interlude.studies.verdicts import above, decide, minus
from interlude.synth.source import Source
from interlude.synth.tasks import NotInstalled

PLAIN = Source(ops=(1, 1), modulus=3, names=6)
KINDS = {kind.kind: kind for kind in (ExactExam, SampledExam, DiversityExam)}
BANDS = {"ID": (1, 4), "edge": (5, 6), "hard": (7, 8)}


@dataclass(frozen=True)
class Words:
    """The part of a study that numbers need."""

    name: str = "stages/quickstart"
    scale: str = "nano"
    question: str = "Does <b>it</b> help?"
    prediction: str = "Yes & no."
    rule: str = "The interval."
    unequal: str = ""
    last_steps: str = ""
    contrasts: tuple = (("mid-training + RL", "RL"), ("RL", "pre-training"))
    headline: tuple = ("zoo-ops5",)
    seeds: tuple = field(default=(0, 1))
    arms: tuple = ()
    exams: tuple = tuple(kind("any", PLAIN) for kind in KINDS.values())


def full(numbers: dict) -> list:
    return tables.full(numbers, KINDS)


@pytest.fixture(scope="module")
def found():
    return Results("stages/quickstart", "nano", tuple(rows()))


@pytest.fixture(scope="module")
def numbers(found):
    return tables.summary(Words(), found, BANDS)


SPANS = {"ID": (1, 2), "edge": (3, 3), "hard": (4, 4)}
CLAIMS = (
    above("it helps", minus("mid-training + RL", "RL", "edge"), published="+0.1 points", place="arXiv 1, Figure 9"),
)


def one(rows, **wanted):
    (row,) = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    return row


def test_scores_are_the_means_of_what_was_measured(numbers):
    """Mutants: the wrong k, arm, seed or exam; a mean of logs."""
    row = one(numbers["scores"], arm="RL", exam="school-ops3", k=16)
    logp = np.array([-np.linspace(0.5, 1.0, 6) * 3 - 0.01 * seed + 0.5 - 2.0 for seed in (0, 1)])
    assert row["mean"] == pytest.approx(exact_pass_at_k(np.round(logp, 4), 16).mean())
    assert row["low"] < row["mean"] < row["high"] and (row["seeds"], row["problems"]) == (2, 6)


def test_a_band_pools_its_exams_and_no_others(numbers):
    """Mutants: a band one operation too wide; worlds mixed."""
    parts = [one(numbers["scores"], arm="RL", exam=f"zoo-ops{ops}", k=1)["mean"] for ops in (5, 6)]
    pooled = one(numbers["band_scores"], arm="RL", world="zoo", band="edge", k=1)
    assert pooled["mean"] == pytest.approx(np.mean(parts)) and pooled["problems"] == 12


def test_a_contrast_is_paired_and_signed(numbers):
    """Mutants: arms exchanged; intervals of the two arms subtracted instead of paired."""
    row = one(numbers["contrasts"], arm="mid-training + RL", over="RL", band="edge", world="zoo", k=1)
    means = [one(numbers["band_scores"], arm=arm, world="zoo", band="edge", k=1) for arm in ("mid-training + RL", "RL")]
    assert row["mean"] == pytest.approx(means[0]["mean"] - means[1]["mean"]) and row["low"] > 0
    assert row["high"] - row["low"] < means[0]["high"] - means[0]["low"] + means[1]["high"] - means[1]["low"]
    assert one(numbers["contrasts"], arm="RL", exam="zoo-ops5", k=128)["mean"] > 0


def test_a_contrast_uses_only_seeds_that_both_arms_have():
    """Mutant: a half-finished run pairs seed 0 with seed 1, or fails."""
    kept = [row for row in rows() if not (row["arm"] == "RL" and row["seed"] == 1)]
    numbers = tables.summary(Words(), Results("s", "nano", tuple(kept)), BANDS)
    assert {row["seeds"] for row in numbers["contrasts"] if row["over"] == "RL"} == {1}
    kept = [row for row in rows() if row["arm"] != "RL"]
    assert tables.summary(Words(), Results("s", "nano", tuple(kept)), BANDS)["contrasts"] == []


def test_an_answer_only_score_stands_beside_its_guess_floor():
    """Mutants: the floor left out; strict and answer counts exchanged; pass@k beyond the samples."""
    found = Results("s", "nano", tuple(sampled_row("RL", seed) for seed in (0, 1)))
    numbers = tables.summary(Words(contrasts=(), headline=()), found, BANDS)
    assert one(numbers["scores"], score="answer", k=1)["mean"] == pytest.approx(0.5)
    assert one(numbers["scores"], score="strict", k=1)["mean"] == pytest.approx(0.125)
    assert {row["k"] for row in numbers["scores"]} == {1}
    _, _, cells, caption = next(each for each in full(numbers) if each[0] == "sampled, zoo, forward")
    (line,) = [line for line in cells if "answer" in line[0]]
    assert "constant 0.250" in line[1] and "2 seeds × 4 problems" in caption


def test_sampled_exams_come_first_and_are_ranked():
    """Mutants: arms in the order of the table, or from the worst; ranked by the second exam or by answers; a floor left
    out; an arm that has not sat an exam given another's score."""
    scored = {"none": ("1 1 1 1", "8 8 8 8"), "SFT": ("5 5 5 5", "5 5 5 5"), "RL": ("3 3 3 3", "6 6 6 6")}
    made = [
        sampled_row(arm, seed) | {"exam": exam, "strict": strict, "correct": correct}
        for arm, (strict, correct) in scored.items()
        for exam in ("zoo-edge", "zoo-band") if (arm, exam) != ("SFT", "zoo-band")
        for seed in (0, 1)
    ]  # fmt: skip
    made = [row | {"strict": "7 7 7 7"} if (row["arm"], row["exam"]) == ("none", "zoo-band") else row for row in made]
    numbers = tables.summary(Words(contrasts=(), headline=()), Results("s", "nano", tuple(made)), BANDS)
    title, heads, cells, caption = full(numbers)[0]
    assert "zoo-edge" in title and heads == [
        "arm",
        "zoo-edge\nbest constant answer 0.250",
        "zoo-band\nbest constant answer 0.250",
    ]
    assert [line[0] for line in cells] == ["SFT", "RL", "none"] and "2 seeds × 4 problems" in caption
    assert cells[0][1:] == ["0.625\n0.625–0.625\nanswer 0.625", "–"] and cells[2][2].endswith("answer 1.000")


def test_the_tables_name_seeds_problems_and_costs(numbers):
    """Mutants: an interval without its n; rows that nobody recorded shown as a number."""
    made = full(numbers)
    assert all("seeds ×" in caption for *_, caption in made[:-2])
    assert made[-1][2][1][:4] == ["RL", 2, "7 T", "1 T"]
    assert [made[-1][2][1][made[-1][1].index(head)] for head in ("rows", "distinct")] == ["–", "–"]
    counted = [row | {"rows": 1280.0, "distinct": 80.0} for row in numbers["arms"]]
    assert [tables.cost_table(counted)[2][1][n] for n in (7, 8)] == ["1.28 k", "80"]
    (differences,) = [(heads, cells) for title, heads, cells, _ in made if title.startswith("differences")]
    assert differences[0][2:] == ["pass@1", "pass@16", "pass@128"]
    assert any("+" in line[2] and "*" in line[2] and " to " in line[2] for line in differences[1])


def test_sampled_exams_are_compared_by_strict_and_by_answers_alone():
    """Mutants: differences of exact exams only; right answers taken for strict ones; k beyond the samples;
    the interval of another arm; a difference in answers not said to be one."""
    made = [sampled_row(arm, seed) for arm in ("RL", "pre-training") for seed in (0, 1)]
    made = [
        row | {"strict": "1 1 1 1", "correct": "5 5 5 5"} if row["arm"] == "RL" else row | {"strict": "0 0 0 0"}
        for row in made
    ]
    words = Words(contrasts=(("RL", "pre-training"),), headline=())
    numbers = tables.summary(words, Results("s", "nano", tuple(made + rows(arms=("RL", "pre-training")))), BANDS)
    sampled = [row for row in numbers["contrasts"] if row.get("exam") == "zoo-sampled3"]
    assert [(row["score"], row["k"]) for row in sampled] == [("strict", 1), ("strict", 8), ("answer", 1), ("answer", 8)]
    assert [row["mean"] for row in sampled[:3]] == pytest.approx([1 / 8, 1, 1 / 8])
    _, _, cells, _ = next(each for each in full(numbers) if each[0].startswith("differences"))
    assert [line[1] for line in cells][-2:] == ["zoo-sampled3", "zoo-sampled3, answers"]
    assert one(numbers["contrasts"], band="edge", world="zoo", k=16)["score"] == "strict"


def test_lengths_say_how_much_was_thought():
    """Mutants: thoughts and responses exchanged; an arm of another's; lengths of exams without responses;
    an interval of one seed; a table from before thoughts were counted taken for one without thoughts."""
    made = [
        sampled_row(arm, seed) | {"thought_tokens": 3.0 + seed} for arm in ("RL", "pre-training") for seed in (0, 1)
    ]
    made = [row | {"thought_tokens": float("nan")} if row["arm"] == "RL" else row for row in made]
    numbers = tables.summary(
        Words(contrasts=(), headline=()), Results("s", "nano", tuple(made + rows(arms=("RL",)))), BANDS
    )
    assert one(numbers["kinds"]["sampled"], arm="pre-training", what="thought_tokens")["mean"] == 3.5
    (table,) = [each for each in full(numbers) if each[0] == "length of responses"]
    cells = {line[0]: line[2:] for line in table[2]}
    assert cells["RL"] == ["20.0\n20.0–20.0", "–"] and cells["pre-training"][1].startswith("3.5\n-")
    single = tables.summary(Words(contrasts=(), headline=()), Results("s", "nano", tuple(made[2:3])), BANDS)
    (alone,) = SampledExam.tables(single["kinds"]["sampled"])
    assert alone[2] == [["pre-training", "zoo-sampled3", "20.0", "3.0"]]


class Reader(HTMLParser):
    """Checks that tags close in order, and collects ids, addresses and text."""

    VOID = frozenset({"meta", "link", "br", "img", "use", "path"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.addresses, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            self.ids += [value] if name == "id" else []
            self.addresses += [value] if name in ("href", "src", "xlink:href") else []

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def real():
    from interlude.studies.scales import SCALES
    from interlude.studies.stages.quickstart import study

    return study(SCALES["smoke"])


def test_the_page_fetches_nothing_and_is_well_formed(real, tmp_path_factory, monkeypatch):
    """Mutants: a font or script from elsewhere; text not escaped; ids of two drawings alike, so that one clips another;
    a page that claims examples where there are no models."""
    monkeypatch.setenv("INTERLUDE_RUNS", str(tmp_path_factory.mktemp("none")))
    made = page([(real, Results("stages/quickstart", "smoke", tuple(rows(top=4))), SPANS, CLAIMS)])
    reader = Reader()
    reader.feed(made)
    assert reader.open == [] and len(set(reader.ids)) == len(reader.ids)
    assert all(address.startswith("#") for address in reader.addresses)
    assert {address[1:] for address in reader.addresses} <= set(reader.ids)
    assert "<script" not in made and "@import" not in made and not re.search(r"url\((?!#)", made)
    text = "".join(reader.text)
    assert real.question in text and real.prediction in text and real.rule in text
    assert "not on this machine" in text and "var(--s0)" in made and "currentColor" in made
    assert not any(colour in made for colour in (*plots.SERIES, plots.INK))
    headings = re.findall(r"<h3>(.*?)</h3>", made)
    assert headings[:2] == ["Claims: published and measured", "Differences between arms"]
    assert "+0.1 points" in text and "Figure 9" in text
    shown, hidden = made.split("differences on every exam")
    assert "– " in shown and "zoo-ops1" not in shown and "zoo-ops1" in hidden  # single exams are folded away


def test_a_plot_by_operations_is_of_a_ladder_whatever_else_was_asked():
    """Mutants: questions of two lengths joined in one line; other exact exams of three operations among the ladder's; a
    name of a band that no exam reaches, which takes the room of the plot (a warning of matplotlib)."""
    deep = [row for row in rows(top=9, worlds=("zoo",)) if int(row["ops"]) > 6]
    both = [row | {"exam": f"{row['exam']}-{how}"} for row in deep for how in ("as-read", "longer")]
    more = [row | {"exam": "length13"} for row in deep if row["ops"] == "7"]
    far = {"ID": (1, 4), "edge": (8, 9)}
    asked = (tuple(deep), tuple(deep + more), tuple(both))
    ladder, beside, lengths = (
        plots.by_ops(tables.summary(Words(contrasts=()), Results("stages/quickstart", "nano", each), far), 1)
        for each in asked
    )
    assert ladder == beside and "7" in ladder and lengths == ""


def test_studies_without_depths_or_trained_models_have_no_examples(monkeypatch):
    """Mutants: nothing to stack (a traceback that ended the page of all studies); a pretrained model loaded, and asked,
    for a study of which nothing was trained here."""
    monkeypatch.setattr("interlude.studies.run.load", lambda recipe: pytest.fail("a model was loaded"))
    scale = real_scale.named("smollm2")
    other, ours = gym.study(scale), methods.study(scale)
    assert "generator's problems only" in examples.examples_html(other)
    assert any(not arm.recipe.stages for arm in other.arms)
    asked = replace(other, exams=ours.exams, headline=())
    assert "not on this machine" in examples.examples_html(asked)


def test_a_study_whose_package_is_missing_is_left_out_of_the_page_of_all(tmp_path, monkeypatch, capsys):
    """Mutants: one missing package ends the page of all studies; one that was asked for by name left out in silence."""

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("interlude.synth.tasks.installed", absent)
    args = Namespace(study=["real"], scale=None, html=str(tmp_path / "page.html"), json=True)
    report_(args, None)
    found = json.loads(capsys.readouterr().out)
    assert found["studies"] == ["real/methods"]
    assert found["notes"][-1].startswith("real/gym is left out: ") and "reasoning-gym" in found["notes"][-1]
    with pytest.raises(NotInstalled, match="reasoning-gym"):
        report_(Namespace(**vars(args) | {"study": ["real/gym"]}), None)


def test_every_arm_of_a_plot_looks_different_and_what_is_left_out_is_said(real):
    """Mutants: colours that begin anew without another dash; arms dropped without a word."""
    looks = [tuple(sorted(plots.looks(nth).items())) for nth in range(plots.MOST)]
    assert len(set(looks)) == plots.MOST == 21
    own = [row for row in rows(top=4) if row["arm"] == rows(top=4)[0]["arm"]]
    many = [{**row, "arm": f"arm {n}"} for n in range(plots.MOST + 1) for row in own]
    more = replace(
        real, contrasts=(), arms=tuple(replace(real.arms[0], name=f"arm {n}") for n in range(plots.MOST + 1))
    )
    shown = page([(more, Results("stages/quickstart", "smoke", tuple(many)), SPANS, ())])
    assert f"Plots show the first 21 of {plots.MOST + 1} arms." in shown
    assert "Plots show" not in page([(real, Results("stages/quickstart", "smoke", tuple(rows(top=4))), SPANS, ())])


def test_the_heading_says_what_the_studies_are_about():
    # Mutants: one heading for all; the first study's topic for a page of several; a study of the user's own as a topic.
    about = {topic: heading([f"{topic}/any"]) for topic in ("stages", "interplay", "midtraining")}
    assert len(set(about.values())) == 3 and "id-training methods" in about["midtraining"]
    assert heading(["midtraining/remit", "stages/rl"]) == heading(["my_study", "stages/rl"]) == about["stages"]
    assert heading(["my_study"]) == "my_study"


def test_what_a_model_writes_cannot_become_markup():
    """Mutant: a response put into the page unescaped."""
    piece = {"text": "<script>alert(1)</script>", "faults": ["<i>"], "step": True}
    row = {"pieces": [piece], "strict": False, "answer": True, "process": 0.5, "faults": ["x<y"]}
    row |= {"ops": 3, "question": "<q>", "solution": "<s>", "exam": "e"}
    shown = examples.arm_html(Words(arms=(replace(Arm(), name="<arm>"),)), "<arm>", [row])
    assert "<script>" not in shown and "<i>" not in shown and "<arm>" not in shown and "x&lt;y" in shown
    assert "<q>" not in shown and "<s>" not in shown


@dataclass(frozen=True)
class Arm:
    name: str = "a"


def test_responses_are_filed_by_outcome_and_depth():
    """Mutants: a link to another response; a response under its last fault, or in two places; depths mixed."""
    base = {"pieces": [], "process": 0.5, "question": "q", "solution": "s", "exam": "e", "answer": False}
    right = base | {"strict": True, "answer": True, "faults": []}
    wrong = base | {"strict": False, "faults": ["operand", "missing"]}
    rows_ = [right | {"ops": 2}, wrong | {"ops": 3}, right | {"ops": 3}, right | {"ops": 3}]
    shown = examples.arm_html(Words(name="s/q", arms=(Arm(),)), "a", rows_)
    assert "a: 3 of 4 right" in shown
    cells = [re.findall(r"<td>(.*?)</td>", line) for line in re.findall(r"<tr>(<td>.*?)</tr>", shown)]
    count = [[re.sub("<.*?>", "", cell) for cell in line] for line in cells]
    assert count == [["2 operations", "1", "–"], ["3 operations", "2", "1"]]
    linked = re.search(r'#([^"]+)', cells[1][2])[1]
    assert re.search(rf'operand: 1</summary><div class="transcript" id="{linked}">', shown)
    assert shown.count('class="transcript"') == 4 and shown.count("<details>") == 1 + 2 + 4


def test_a_faulty_step_is_marked_and_the_others_are_not():
    """Mutants: marks on the wrong step; a right answer shown as strict."""
    problem = Source(ops=(3, 3)).problem("report", 1)
    right = examples.judgement(problem, problem.solution)
    assert right["strict"] and not right["faults"] and not any(piece["faults"] for piece in right["pieces"])
    assert sum(piece["step"] for piece in right["pieces"]) == 3
    first, rest = problem.solution.split(" ;", 1)
    value = int(first.split()[-1])
    wrong = examples.judgement(problem, f"{first[: -len(str(value))]}{(value + 1) % 7} ;{rest}")
    assert wrong["pieces"][0]["faults"] and not wrong["strict"] and wrong["pieces"][0]["step"]


def test_the_models_own_answers_are_shown_where_the_models_are(learned, source, tiny, runs):
    """Mutants: the worked solution shown as the model's answer; the verdict of another problem."""
    problems = [source.problem("shown", n) for n in range(3)]
    answers = examples.responses(learned(), problems)
    assert len(answers) == 3
    assert answers == examples.responses(learned(), problems)
    assert all(answer["strict"] == (not answer["faults"]) for answer in answers)


def diverse(arm: str, seed: int, **cells) -> dict:
    """A row of the exam of ways: four problems, eight responses each."""
    scores = {"strict": "", "process": float("nan"), "response_tokens": float("nan"), "thought_tokens": float("nan")}
    ways = {"vendi_runs": "2 4 2 4", "vendi_approaches": "1 1 2 2", "correct": "0 8 4 4", "composed": "0 2 1 1"}
    return sampled_row(arm, seed) | scores | ways | {"exam": "zoo-edge-diversity", "kind": "diversity"} | cells


def test_ways_of_telling_stand_after_what_decides():
    """Mutants: composition as a share of all responses, or a mean of problems' shares; right responses as counts; seeds
    pooled without an interval; a diversity exam asked for pass@k; an arm that solves nothing divided by it."""
    made = [sampled_row(arm, seed) for arm in ("RL", "pre-training") for seed in (0, 1)]
    made += [diverse("RL", 0), diverse("RL", 1, vendi_runs="4 4 4 4", composed="0 8 4 4")]
    made += [diverse("pre-training", seed, correct="0 0 0 0", composed="0 0 0 0") for seed in (0, 1)]
    words = Words(contrasts=(("RL", "pre-training"),), headline=("zoo-edge-diversity",))
    numbers = tables.summary(words, Results("s", "nano", tuple(made)), BANDS)
    means = {row["what"]: row["mean"] for row in numbers["kinds"]["diversity"] if row["arm"] == "RL"}
    shares = {"correct": 0.5, "composition": (4 / 16 + 1) / 2}
    assert means == pytest.approx({"vendi_runs": 3.5, "vendi_approaches": 1.5} | shares)
    assert one(numbers["kinds"]["diversity"], arm="pre-training", what="composition")["mean"] == 0
    spread = one(numbers["kinds"]["diversity"], arm="RL", what="vendi_runs")
    assert spread["high"] - spread["mean"] == pytest.approx(12.706 * 0.5, rel=1e-3) and spread["problems"] == 4
    assert {row["exam"] for row in numbers["scores"] + numbers["contrasts"]} == {"zoo-sampled3"}
    titles = [title for title, *_ in full(numbers)]
    place = titles.index("ways of solving a problem")
    assert any(title.startswith("differences") for title in titles[:place])  # what decides comes first
    _, _, cells, caption = full(numbers)[place]
    assert cells[0][:2] == ["RL", "zoo-edge-diversity"]
    assert [cell.split("\n")[0] for cell in cells[0][2:]] == ["3.500", "1.500", "0.500", "0.625"]
    assert "8 if none" in caption and "2 seeds × 4 problems" in caption
    single = tables.summary(Words(contrasts=()), Results("s", "nano", tuple(made[4:5])), BANDS)
    ((_, _, cells, _),) = DiversityExam.tables(single["kinds"]["diversity"])
    assert cells[0][5] == "0.250" and len(full(single)) == 3  # and exams and costs


@pytest.mark.parametrize(
    ("seeds", "said", "unsaid"),
    [((1, 1), "about the problems", "Student"), ((3, 3), "Student's t over seeds", "about the problems")],
)
def test_captions_name_the_interval_that_differences_have(seeds, said, unsaid):
    rows = [{"seeds": n, "problems": 40} for n in seeds]
    assert said in layout.over_seeds_in_words(rows) and unsaid not in layout.over_seeds_in_words(rows)
    assert f"{seeds[0]} seed" in layout.over_seeds_in_words(rows) and "40 problems" in layout.over_seeds_in_words(rows)


def test_show_begins_with_the_few_numbers_that_answer_the_question(found):
    """Mutants: every table; another world's bands; single exams among the bands; verdicts left out."""
    numbers = tables.summary(Words(), found, BANDS, CLAIMS)
    few = tables.short(numbers)
    titles = ["claims", "by band, exact: strict pass@k", "differences, paired by seed and problem"]
    assert [title for title, *_ in few] == titles
    bands = ("ID (1-4)", "edge (5-6)", "hard (7-8)")
    assert few[1][1] == ["arm", *(f"{band}\npass@{k}" for band in bands for k in (1, 128))]
    assert [line[0] for line in few[1][2]] == list(found.arms)
    assert {line[1] for line in few[2][2]} == {"ID, zoo", "edge, zoo", "hard, zoo"}
    assert few[2][1][2:] == ["pass@1", "pass@128"]
    assert len(full(numbers)) > len(few) + 2 and any("school" in title for title, *_ in full(numbers))
    verdict, said = few[0][2][0]
    lines = said.split("\n")
    assert verdict == "open" and lines[0] == "it helps" and "  published: +0.1 points (arXiv 1, Figure 9)" in lines
    assert lines[1].startswith("  mid-training + RL - RL, edge pass@1: +") and "[" not in lines[1]
    row = full(numbers)[0][2][0]
    assert row[0] == "it helps" and row[1] == "+0.1 points\narXiv 1, Figure 9" and row[3].startswith("open")
    assert "[" in row[2]
    # Mutants: why a claim was not run left out; said of each claim where there is no table at all.
    absent = decide((above("deep", minus("RL", "pre-training", "deep")),), found, BANDS)
    assert "neither an exam nor a band 'deep'" in tables.claim_table([tables.verdict_row(absent[0])])[2][0][1]
    nothing = tables.claim_table([tables.verdict_row(verdict) for verdict in decide(CLAIMS, None, BANDS)])
    assert nothing[3] == "" and nothing[2][0][0] == "not run"


def test_show_of_a_large_study_stays_short(found, monkeypatch):
    """Mutants: open claims among many; their number left out; all differences although claims give those that matter;
    none where there are no claims."""
    monkeypatch.setattr(tables, "MOST", 3)
    numbers = tables.summary(Words(), found, BANDS, CLAIMS * 4)
    numbers["verdicts"][1]["verdict"] = "holds"
    (_, _, cells, caption), *rest = tables.short(numbers)
    assert [cell[0][:5] for cell in cells] == ["holds"] and caption.endswith("; 3 other claims are open or not run")
    assert [title for title, *_ in rest] == ["by band, exact: strict pass@k"]
    fewer = tables.short(numbers | {"verdicts": numbers["verdicts"][:3]})
    assert len(fewer[0][2]) == 3 and "other claims" not in fewer[0][3]
    assert tables.short(numbers | {"verdicts": []})[-1][0].startswith("differences")
    # Mutants: the first of many decided claims, or the least certain; their number left out.
    for nth, (row, p) in enumerate(zip(numbers["verdicts"], (0.01, 0.04, 0.02, 0.03), strict=True)):
        part = row["ours"][0] | {"p": p, "p_equal": 1.0}
        numbers["verdicts"][nth] = row | {"claim": str(p), "verdict": "holds", "ours": [part]}
    _, _, cells, caption = tables.short(numbers)[0]
    assert [cell[1].split("\n")[0] for cell in cells] == ["0.01", "0.02", "0.03"]
    assert caption.endswith("; 1 other claims are decided, less surely")


def test_an_arm_equal_to_its_base_is_shown(found):
    """Mutant: a ratio of compute over nothing, which ended show in a ZeroDivisionError."""
    same = [row | {"arm_flops": 0.0} if row["arm"] == "pre-training" else row for row in found.rows]
    numbers = tables.summary(Words(), Results("s", "nano", tuple(same)), BANDS)
    _, _, cells, _ = next(each for each in full(numbers) if each[0].startswith("differences"))
    assert "RL – pre-training (the base itself)" in {line[0] for line in cells}
    both = [row | {"arm_flops": 0.0} for row in found.rows]
    numbers = tables.summary(Words(), Results("s", "nano", tuple(both)), BANDS)
    assert "RL – pre-training" in {line[0] for line in tables.contrast_table(numbers["contrasts"])[2]}


def test_the_caption_names_seeds_that_ran_on_two_machines(found):
    """Mutants: pairs of different machines compared; seeds left out without a word."""
    moved = [row | {"machine": "B" if (row["arm"], row["seed"]) == ("RL", 1) else "A"} for row in found.rows]
    numbers = tables.summary(Words(), Results("s", "nano", tuple(moved)), BANDS)
    row = one(numbers["contrasts"], arm="RL", over="pre-training", band="edge", world="zoo", k=1)
    assert row["seeds"] == 1 and row["unpaired"] == [1]
    assert "ran on different machines: 1" in tables.contrast_table(numbers["contrasts"])[3]


def test_stages_are_listed_once(real):
    """Mutants: a stage shared by arms listed for each; defaults told; the base not set apart; two stages that differ in
    one field taken for one."""
    (_, _, arms, _), (_, _, stages, _) = recipes.recipe_tables(real)
    assert [line[0] for line in arms] == [arm.name for arm in real.arms]
    distinct = {stage for arm in real.arms for stage in arm.recipe.stages}
    assert len(stages) == len(distinct) and [line[0] for line in stages] == [*range(1, len(stages) + 1)]
    paths = dict(line[:2] for line in arms)
    base = [stages[int(n) - 1][1] for n in paths["RL"].partition("]")[0].removeprefix("[").split()]
    assert base == [type(stage).__name__ for stage in real.base.stages] and set(base) == {"Pretrain"}
    assert {path.partition("]")[0] for path in paths.values()} == {paths["RL"].partition("]")[0]}
    first = stages[0]
    assert (
        first[1] == "Pretrain"
        and first[5] == "optim matrix_lr=0.01 other_lr=0.004 schedule=constant; without arithmetic"
    )
    assert "<table>" in table_html(recipes.recipe_tables(real)[1])
