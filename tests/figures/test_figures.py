"""Figures come from committed tables alone, and the same table gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from axes import dots, hollow, labels
from crafted import (
    curve_rows,
    forced_rows,
    match_rows,
    rows,
    study_rows,
    telling_rows,
    thinking_rows,
    thought_rows,
    weight_rows,
)

from interlude.figures import __main__ as main
from interlude.figures import (
    interplay_competence,
    interplay_depth_carried,
    interplay_planning,
    interplay_planning_budget,
    interplay_planning_reward,
    interplay_reward_guessing,
    midtraining_filters,
    midtraining_marked_gaps,
    midtraining_places,
    midtraining_remit,
    midtraining_rmt,
    midtraining_selfgen,
    midtraining_thinking,
    midtraining_thinking_curves,
    midtraining_tuned_controls,
    panels,
    quickstart,
    stages_ladder,
    style,
)
from interlude.studies import results

REPOSITORY = Path(__file__).parents[2]
COMMITTED = results.path(quickstart.STUDY, quickstart.SCALE)


@pytest.fixture
def table(tmp_path):
    results.store(quickstart.STUDY, quickstart.SCALE, rows(), tmp_path)
    return tmp_path


@pytest.mark.skipif(not COMMITTED.exists(), reason="no quickstart has been committed yet")
def test_the_committed_figure_is_what_the_committed_table_draws():
    """Mutant: a table or a drawing changed without the other."""
    assert style.drawn(quickstart.draw()) == (style.FOLDER / "quickstart.svg").read_bytes()


def test_drawing_is_deterministic_and_follows_the_data(table):
    """Mutants: a date or a random id in the SVG; a figure that does not look at its table."""
    first = style.drawn(quickstart.draw(table))
    assert first == style.drawn(quickstart.draw(table))
    program = (
        "import sys; from pathlib import Path; from interlude.figures import quickstart, style\n"
        "sys.stdout.buffer.write(style.drawn(quickstart.draw(Path(sys.argv[1]))))\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(table)], cwd=REPOSITORY, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == first
    assert b"<dc:date>" not in first
    results.store(quickstart.STUDY, quickstart.SCALE, rows(seeds=(0, 1, 2)), table)
    assert style.drawn(quickstart.draw(table)) != first


def test_the_bands_drawn_are_those_of_the_scale():
    """Mutant: the scale recalibrated and the figure left shading the old bands."""
    from interlude.studies.exams.uncertainty import TOP
    from interlude.studies.scales import SCALES

    scale = SCALES[panels.SCALE]
    assert quickstart.SCALE == panels.SCALE and midtraining_places.TOP == TOP
    assert panels.BANDS == {"ID": scale.band, "edge": scale.edge, "hard": scale.hard}
    for _, name, bands, _ in interplay_planning.REGIMES.values():
        assert bands == {"ID": SCALES[name].band, "edge": SCALES[name].edge, "hard": SCALES[name].hard}


def test_a_missing_or_edited_table_is_refused(table):
    """Mutant: a figure drawn from whatever is there."""
    with pytest.raises(FileNotFoundError, match="no results"):
        quickstart.draw(table / "nowhere")
    where = results.path(quickstart.STUDY, quickstart.SCALE, table)
    where.write_text(where.read_text().replace("school", "zchool", 1))
    with pytest.raises(ValueError, match="edited"):
        quickstart.draw(table)


def test_colours_differ_for_every_arm_and_role():
    """Mutant: a palette too short, so that two roles share a colour."""
    assert len(set(style.ROLE_COLOURS)) >= len(results.ROLES) and len(set(style.PALETTE)) >= len(style.PALETTE)


# The figures of other studies

SHARES = (0, 20, 50, 80, 100)
EXPOSED = [*(f"{share} % arithmetic" for share in (0.1, 0.3, 1, 10)), "1 % copies", "1 % arithmetic, late"]
EXPOSURES = (
    *(f"{base}{more}" for base in ("0 %", *EXPOSED) for more in ("", " + RL")), "1 % arithmetic + RL in the first world"
)  # fmt: skip
COVERED = ("0.1 %", "5 %", "20 %", "33.3 %", "50 %")
REWARDS = ("answer", "printed", "released", "strict", "dense", "random")
RL = tuple(f"RL {name}" for name in ("inside", "boundary", "edge", "beyond", "uniform", "curriculum"))
TUNED = midtraining_tuned_controls.METHODS
ARMS = {
    "depth_carried": tuple(interplay_depth_carried.DRAWN),
    "ladder": ("x0", "x0.5", "x1", "x2"),
    "edge": ("none", *RL, "RL edge, random", "SFT edge", "RFT edge"),
    "edge_confirmation": ("none", *interplay_competence.GIVEN),
    "mid_or_rl": tuple(f"{share}% RL, {budget}" for budget in ("half", "full") for share in SHARES),
    "process_reward": ("none", *(f"{kind}, {field}" for field in ("edge", "hard") for kind in REWARDS)),
    "forgetting": ("none", *(f"{method} {n}" for method in ("SFT", "RL") for n in (1, 2, 3, 4))),
    "context_exposure": EXPOSURES,
    "topology": EXPOSURES,
    "context_rl_share": tuple(
        name
        for base in ("0.1 % all", "1 % low", "10 % low")
        for name in (base, *(f"{base}, RL {n} %" for n in (0, 1, 10, 50, 100)))
    ),
    "pretraining_difficulty": tuple(f"{share}{more}" for share in COVERED for more in ("", " + RL")),
    "midtraining/leaderboard": (
        "base",
        *(f"{name}{more}" for name in ("NTP", "ReMiT", "SFT", "a new one") for more in ("", " + RL")),
    ),
    "midtraining/tuned_controls": tuple(
        row + then
        for row in (*(c + rate for c in ("NTP", "pre-training") for rate in ("", ", low rate")), *TUNED)
        for then in ("", " + RL")
    ),
    "midtraining/marked_gaps": tuple(dict.fromkeys((*midtraining_marked_gaps.DRAWN, *midtraining_marked_gaps.GAINS))),
    "midtraining/remit": tuple(
        name + end for end, _, arms in midtraining_remit.THEN.values() for name in (midtraining_remit.CONTROL, *arms)
    ),
}
CURVED = {"edge": RL, "context_exposure": None, "context_rl_share": None, "pretraining_difficulty": None}
STUDIED = [figure for figure in main.FIGURES if figure is not quickstart]
THINKING = tuple(f"{name}{then}" for then, arms in midtraining_thinking.THEN.values() for name in arms)
TELLING = (*(f"{name}{then}" for name in midtraining_selfgen.METHODS for then in ("", " + RL")), "longer RL")
KINDS = midtraining_places.KINDS
NAMES = [figure.__name__.rpartition(".")[2] for figure in STUDIED]


def place_rows(seeds: tuple[int, ...], shift: float) -> list[dict]:
    """Rows of exams of uncertainty in which every kind of token, arm and column has shares of its own."""
    made = []
    for nth, arm in enumerate(("base", "NTP")):
        for row in study_rows({arm: 4.5}, seeds, problems=3, top=1):
            if row["exam"] == "zoo-ops1":
                at = nth + row["seed"] % 3 + shift
                about = {"exam": midtraining_places.EXAM, "kind": "uncertainty", "logp": ""}
                for add, column in enumerate(("top_entropy", "top_loss")):
                    about[column] = " ".join(f"{kind}:{(n + at + add) / 20:.3f}" for n, kind in enumerate(KINDS))
                made.append(row | about)
    return made


def write(folder: Path, seeds=(10, 11, 12), shift: float = 0.0) -> Path:
    """Tables of all studies with figures, as their arms are named, in which later arms reach further."""
    names = [f"{arm}{more}" for more in ("", " + RL") for arm in midtraining_rmt.ARMS]
    made = study_rows({arm: 4.5 + shift + nth / 9 for nth, arm in enumerate(names)}, seeds, problems=3)
    made += match_rows(names, midtraining_rmt.MATCHED.values(), seeds, shift / 9)
    results.store(midtraining_rmt.STUDY, "nano", made, folder)
    results.store_curves(midtraining_rmt.STUDY, "nano", thought_rows(list(midtraining_rmt.ABLATED), seeds), folder)
    results.store("midtraining/places", "nano", place_rows(seeds, shift), folder)
    results.store_curves("midtraining/places", "nano", thought_rows(["RMT", "RMT, entropy"], seeds), folder)
    filters = ["base", *midtraining_filters.FILTERS.values()]
    results.store(
        midtraining_filters.STUDY, "nano", match_rows(filters, [midtraining_filters.EXAM], seeds, shift), folder
    )
    results.store_curves(midtraining_filters.STUDY, "nano", thought_rows(filters[1:], seeds), folder)
    results.store("midtraining/thinking", "nano", thinking_rows(THINKING, seeds, shift), folder)
    results.store_curves("midtraining/thinking", "nano", thinking_curves(seeds, shift), folder)
    for scale in ("nano", "nano-shuffled"):
        bases = study_rows({stages_ladder.ARM: 4.5 + shift}, seeds, problems=3)
        results.store(stages_ladder.STUDY, scale, bases + forced_rows(stages_ladder.ARM, seeds, shift / 9), folder)
    results.store("midtraining/selfgen", "nano", telling_rows(TELLING, seeds, shift), folder)
    lacking = {arm: 1.5 + shift + nth / 9 for nth, arm in enumerate(interplay_planning.DRAWN)}
    made = study_rows(lacking, seeds, problems=3, top=8)
    for exam, ops in zip(interplay_planning.CHAINS, ("5", "7"), strict=True):
        made += [row | {"exam": exam, "ops": f"{ops}-{int(ops) + 1}"} for row in made if row["exam"] == f"zoo-ops{ops}"]
    results.store("interplay/planning", "nano-shuffled", made, folder)
    budgets = {arm: 1.5 + shift + nth / 9 for nth, arm in enumerate(interplay_planning_budget.ARMS)}
    made = study_rows(budgets, seeds, problems=3, top=8)
    for exam, ops in zip(interplay_planning_budget.EXAMS, ("5", "7", "8"), strict=True):
        made += [row | {"exam": exam} for row in made if row["exam"] == f"zoo-ops{ops}"]
    results.store("interplay/planning_budget", "nano-shuffled", made, folder)
    paid = ("none", *(f"{kind}, {field}" for field in interplay_planning_reward.PAPER for kind in REWARDS[:4]))
    made = study_rows({arm: 1.5 + shift + nth / 9 for nth, arm in enumerate(paid)}, seeds, problems=3, top=8)
    for exam, ops in zip(interplay_planning.CHAINS, ("5", "7"), strict=True):
        made += [row | {"exam": exam} for row in made if row["exam"] == f"zoo-ops{ops}"]
    results.store(interplay_planning_reward.STUDY, "nano-shuffled", made, folder)
    for nth, scale in enumerate(interplay_reward_guessing.GUESSES):
        guessed = {arm: 4.5 + shift + nth / 9 + n / 9 for n, arm in enumerate(interplay_reward_guessing.ARMS)}
        results.store(interplay_reward_guessing.STUDY, scale, study_rows(guessed, seeds, problems=3), folder)
    for short, arms in ARMS.items():
        name = short if "/" in short else f"interplay/{short}"
        ability = {arm: 4.5 + shift + 1.5 * (nth + 1) / len(arms) for nth, arm in enumerate(arms)}
        worlds = ("zoo", "school") if short in ("context_exposure", "context_rl_share", "topology") else ("zoo",)
        more = {
            "similar": short == "topology",
            "stepped": short == "depth_carried",
            "banded": name in ("midtraining/leaderboard", "midtraining/tuned_controls"),
            "hard": short == "process_reward",
        }
        made = study_rows(ability, seeds, problems=3, worlds=worlds, **more)
        results.store(name, "nano", made, folder)
        if name == midtraining_remit.STUDY:
            results.store_curves(name, "nano", weight_rows(("ReMiT",), seeds), folder)
        if short in CURVED:
            points = curve_rows(CURVED[short] or arms, seeds)
            shifted = [point | {"reward": point["reward"] + 0.1 * shift} for point in points]
            results.store_curves(name, "nano", shifted, folder)
    return folder


def thinking_curves(seeds, shift: float) -> list[dict]:
    """Curves of RL on thoughts (stage 5) and of the RL after it, which for "thinking" is a stage later."""
    drawn = midtraining_thinking_curves
    made = [row for row in thought_rows(list(drawn.ON_THOUGHTS), seeds) if np.isfinite(row["thought_tokens"])]
    for nth, arm in enumerate(drawn.BEFORE):
        stages = (5, 6) if arm == "thinking" else (5,)
        for row in curve_rows((arm + drawn.THEN,), seeds, stages=stages):
            made.append(row | {"reward": row["reward"] + shift + nth / 100 + row["stage"] / 1000})
    return made


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Tables for all figures, and others of the same shape that have one seed."""
    return write(tmp_path_factory.mktemp("first")), write(tmp_path_factory.mktemp("other"), seeds=(10,), shift=0.3)


@pytest.fixture(scope="module")
def drawings(tables):
    """Every figure of these studies and its SVG, by name."""
    figures = [figure.draw(tables[0]) for figure in STUDIED]
    return {name: (made, style.drawn(made)) for name, made in zip(NAMES, figures, strict=True)}


def test_every_figure_file_is_drawn():
    """Mutant: a figure forgotten in the list, or twice in it."""
    found = {path.stem for path in Path(style.COMMITTED).glob("*.py")} - {"__init__", "__main__", "style", "panels"}
    assert sorted(found) == sorted([*NAMES, "quickstart"])


def test_all_figures_are_deterministic_and_need_no_torch(tables, drawings):
    """Mutants: an interval from an unseeded stream; the last bits of the layout, which depend on addresses; the order
    of a set; an import that loads torch."""
    program = (
        "import sys; from hashlib import sha256; from pathlib import Path\n"
        "from interlude.figures import __main__ as main, style\n"
        "for figure in main.FIGURES[:0:-1]: print(sha256(style.drawn(figure.draw(Path(sys.argv[1])))).hexdigest())\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONWARNINGS": "error"}
    words = [sys.executable, "-c", program, str(tables[0])]
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [sha256(drawings[name][1]).hexdigest() for name in reversed(NAMES)]


@pytest.mark.parametrize("nth", range(len(NAMES)), ids=NAMES)
def test_each_figure_follows_its_table_and_can_be_drawn_of_one_seed(tables, drawings, nth):
    """Mutants: a figure that does not look at its table; Student's t of one seed, which raises."""
    assert style.drawn(STUDIED[nth].draw(tables[1])) != drawings[NAMES[nth]][1]


@pytest.mark.parametrize("name", NAMES)
def test_each_curve_has_an_interval(drawings, name):
    """Mutant: a mean drawn without its interval. A line with markers and a name has a band, or bars; in the heat map a
    number stands in every cell; dots without markers are single problems, open diamonds another paper's values."""
    axes = drawings[name][0].axes
    named = {axis: [line for line in axis.get_lines() if line.get_label()[:1] != "_"] for axis in axes}
    curves = {
        axis: [line for line in lines if line.get_marker() != "None" and not hollow(line)]
        for axis, lines in named.items()
    }
    if name == "interplay_fig10_heatmap":
        assert len(axes[0].texts) == 8 * panels.BANDS["hard"][1] and all(
            "±" in text.get_text() for text in axes[0].texts
        )
    elif name == "interplay_competence":  # a dot is a single model
        assert all(line.get_linestyle() == "None" for lines in curves.values() for line in lines)
        return
    elif name == "interplay_base_probability":  # beside each arm's curve stand those of its seeds
        thin = [line for line in axes[1].get_lines() if line.get_linewidth() == 0.6 and line.get_linestyle() == "-"]
        assert len(thin) >= 2 * len(named[axes[1]]) > 0
    else:
        assert any(curves.values())
    assert all(len(axis.collections) >= len(lines) for axis, lines in curves.items())


def test_gains_on_shuffled_statements_are_those_on_chains(drawings, tables):
    """Mutants: gains on all problems, of which strict accepts one order; chains' gains drawn of the other regime."""
    *_, shuffled = drawings["interplay_planning"][0].axes
    found = results.load("interplay/planning", "nano-shuffled", tables[0])
    for k, label in interplay_planning.SOLVED.items():
        (drawn,) = [line.get_xdata() for line in shuffled.get_lines() if line.get_label() == label]
        score = {arm: found.pooled(arm, list(interplay_planning.CHAINS), k).mean() for arm in interplay_planning.DRAWN}
        assert list(drawn) == pytest.approx([score[arm] - score["base"] for arm in interplay_planning.GAINS])


def test_curves_of_attempts_are_each_of_their_own_exam(drawings, tables):
    """Mutants: panels exchanged; all panels of one exam; pass@1 at every k."""
    found = results.load("interplay/planning_budget", "nano-shuffled", tables[0])
    for axis, exam in zip(drawings["interplay_planning_budget"][0].axes, interplay_planning_budget.EXAMS, strict=True):
        for arm in interplay_planning_budget.ARMS:
            (drawn,) = [line for line in axis.get_lines() if line.get_label() == arm]
            due = [found.solved(arm, exam, int(k)).mean() for k in drawn.get_xdata()]
            assert list(drawn.get_ydata()) == pytest.approx(due) and due[0] < due[-1] and len(due) == 7


def test_places_are_drawn_by_kind_of_token(drawings, tables):
    """Mutants: loss for entropy; one arm for the other; gains of one arm's thoughts over the other's predictions;
    shares among tiers of entropy, which are counted beside kinds."""
    top, places, gains = drawings["midtraining_places"][0].axes
    heights = {line.get_label(): list(line.get_ydata()) for line in top.get_lines()}
    for label, arm, add in (("entropy, base", 0, 0), ("loss, base", 0, 1), ("entropy, after NTP", 1, 0)):
        due = [np.mean([n + arm + seed % 3 + add for seed in (10, 11, 12)]) / 20 for n in range(len(KINDS))]
        assert heights[label] == pytest.approx(due, abs=1e-3)
    rows = panels.curves("midtraining/places", ("RMT", "RMT, entropy"), tables[0])
    late = [row for row in rows if row["drawn"] and row["share"] > 0.75]
    for label, arm in (("RMT at inferable tokens", "RMT"), ("RMT by entropy", "RMT, entropy")):
        own = [row for row in late if row["arm"] == arm]
        (share,) = [list(line.get_ydata()) for line in places.get_lines() if line.get_label() == label]
        assert share[0] == pytest.approx(0.5) and share[KINDS.index("copy")] == pytest.approx(0.5) and share[1] == 0
        (gain,) = [list(line.get_ydata()) for line in gains.get_lines() if line.get_label() == label]
        columns = ("drawn", "matched", "foreseen")
        told = [sum(results.tallies(each[name])["inferred"] for each in own) for name in columns]
        assert gain[0] == pytest.approx((told[1] - told[2]) / told[0], abs=1e-3) and np.isnan(gain[1])


def test_weights_are_means_over_the_steps_that_saw_a_role(drawings):
    """Mutants: a role that some steps do not have counted as nothing there; roles not ranked; an early weight; an arm
    of the study left out; RL drawn at an arm without it."""
    from interlude.studies.midtraining import remit
    from interlude.studies.scales import NANO

    assert {arm.name for arm in remit.study(NANO).arms} == {*ARMS["midtraining/remit"], "base"}
    gains, _, roles = drawings["midtraining_remit"][0].axes
    assert labels(roles) == ["planning", "answer", "format"]
    (points,) = [line.get_xdata() for line in roles.get_lines() if line.get_label() == "ReMiT"]
    assert list(points) == pytest.approx([1.11, 1.05, 0.9])
    rows = {label: len(points.get_xdata()) for points in gains.get_lines() if (label := points.get_label())[:1] != "_"}
    assert rows == {"alone": len(labels(gains)), "+ RL": 4, "+ longer RL": 1}


def test_own_solutions_are_counted_by_question_and_by_response(drawings, tables):
    """Mutants: composition as a mean of problems' shares; RL's scores exchanged with those alone; an arm of the study
    left out; Vendi scores of runs of tokens; attempts before RL for those after; the edge for the band; Vendi scores
    for modes."""
    from interlude.studies.midtraining import selfgen
    from interlude.studies.scales import NANO

    assert {arm.name for arm in selfgen.study(NANO).arms} == set(TELLING)
    found = results.load("midtraining/selfgen", "nano", tables[0])
    reach, most, band, composed, vendi, modes = drawings["midtraining_selfgen"][0].axes
    for line in reach.get_lines():
        wanted = [found.solved(line.get_label(), "zoo-edge-sampled", k).mean() for k in (1, 4, 16, 64)]
        assert list(line.get_ydata()) == pytest.approx(wanted)
    assert [tick.get_text() for tick in reach.get_xticklabels()] == ["1", "4", "16", "64"]
    drawn = [f"{name} + RL" for name in midtraining_selfgen.REACH]
    assert [line.get_label() for line in reach.get_lines()] == ["no mid-training + RL", "longer RL", *drawn]
    place = midtraining_selfgen.METHODS.index("approaches 4")
    for nth, arm in enumerate(("approaches 4", "approaches 4 + RL")):
        at = TELLING.index(arm)
        shares = [(min(8, at // 3 + s) + 1) / 10 for s in range(3)]
        assert dots(composed, place, nth) == pytest.approx(sorted(shares))
        assert dots(vendi, place, nth) == pytest.approx([1.5 + 0.1 * at + 0.01 * s for s in range(3)])
        assert dots(modes, place, nth) == pytest.approx([2.0 + 0.1 * at + 0.01 * s for s in range(3)])
        assert dots(band, place, nth) == pytest.approx([1 - (at // 4) / 32] * 3)
        wanted = found.solved(arm, "zoo-edge-sampled", 64).mean(1)
        assert dots(most, place, nth) == pytest.approx(sorted(wanted))


def test_chance_is_drawn_where_an_answer_can_be_guessed(drawings):
    """Mutant: answer-only scores without their floor, or with another's."""
    answer = drawings["interplay_fig07_process_reward"][0].axes[2]
    floors = [line for line in answer.collections if line.get_linestyle()[0][1] is not None]
    assert [text.get_text() for text in answer.texts] == ["guess"] * 2
    assert [segment[0][1] for floor in floors for segment in floor.get_segments()] == [0.25] * 2


def test_the_thinking_figure_is_the_study(drawings):
    """Mutants: an arm or a thought left out or under another's name; another exam; a seed without its dot; an interval
    over seeds alone."""
    from interlude.studies.midtraining import thinking
    from interlude.studies.scales import SCALES

    asked = thinking.study(SCALES[panels.SCALE])
    assert {arm.name for arm in asked.arms} == {*THINKING, "longer RL"}
    drawn_exams = {midtraining_thinking.TOLD, *(f"thought-{thought}" for thought in midtraining_thinking.THOUGHTS)}
    assert drawn_exams == {exam.name for exam in asked.exams if exam.kind == "probe"} | set(asked.headline)
    solved, likely, right = drawings["midtraining_thinking"][0].axes
    count = len(midtraining_thinking.METHODS)
    assert labels(solved) == [*midtraining_thinking.METHODS]
    thoughts = [*midtraining_thinking.THOUGHTS]
    for axis, names in ((solved, ["alone", "+ RL"]), (likely, thoughts), (right, thoughts)):
        lines = {line.get_label(): line for line in axis.get_lines() if line.get_label()[:1] != "_"}
        seeds = [line for line in axis.get_lines() if line.get_label()[:1] == "_"]
        counts = {"+ RL": len(midtraining_thinking.AFTER)}  # the others have no RL after them
        drawn = {label: len(line.get_xdata()) for label, line in lines.items()}
        assert drawn == {label: counts.get(label, count) for label in names}
        assert len(seeds) == sum(drawn.values()) and all(len(dot.get_xdata()) == 3 for dot in seeds)
    last = {line.get_label(): line.get_xdata()[-1] for line in likely.get_lines()}
    expected = {t: -1.5 - 3.0 * (n > 0) - 0.2 * n - 0.1 + 0.02 * 11 for n, t in enumerate(thoughts)}  # the 12th arm
    assert {t: last[t] for t in thoughts} == pytest.approx(expected, abs=1e-3)
    by_right = {line.get_label(): line.get_xdata() for line in right.get_lines()}
    assert by_right["own"] == pytest.approx([0.75] * count) and by_right["empty"] == pytest.approx([0.125] * count)
    alone, then = (line.get_xdata() for line in solved.get_lines() if line.get_label()[:1] != "_")
    assert alone[0] == pytest.approx(0.75 * 1 / 8) and then[-1] == pytest.approx(0.75 * (4 + 5 + 6) / 24)


def test_the_rl_after_thinking_is_its_last_stage_alone(drawings):
    # Mutants: RL on thoughts drawn as the RL after it, or as its beginning; arms before RL; other rewards.
    reward, length, after, words = drawings["midtraining_thinking_curves"][0].axes
    ends = {line.get_label(): line.get_ydata()[-1] for line in after.get_lines() if line.get_label()[:1] != "_"}
    stages = {arm: 6 if arm == "thinking" else 5 for arm in midtraining_thinking_curves.BEFORE}
    assert ends == pytest.approx({a: 0.61 + n / 100 + s / 1000 for n, (a, s) in enumerate(stages.items())})
    begins = {line.get_label(): line.get_ydata()[0] for line in after.get_lines() if line.get_label()[:1] != "_"}
    assert all(0.25 < first < 0.33 for first in begins.values())  # of its own eight points
    for axis in (reward, length):
        drawn = [line.get_label() for line in axis.get_lines() if line.get_label()[:1] != "_"]
        assert drawn == [*midtraining_thinking_curves.ON_THOUGHTS]
    assert length.get_lines()[0].get_ydata()[-1] < length.get_lines()[0].get_ydata()[0]
    assert len({tuple(line.get_ydata()) for line in words.get_lines()}) == 1


def test_a_curve_of_several_stages_is_one(tables):
    """Mutants: stages drawn over each other; the share of a stage taken for that of the training."""
    points = [p | {"reward": float(p["stage"])} for p in curve_rows(("a",), seeds=(0,), stages=(4, 5))]
    assert panels.on_grid(points, "reward")[[0, 9, 11, -1]].tolist() == [4.0, 4.0, 5.0, 5.0]
    with pytest.raises(panels.Missing, match="no training curve of arm 'RL inside'"):
        panels.curves("interplay/pretraining_difficulty", RL, tables[0])


def test_a_figure_without_its_table_is_skipped_with_a_sentence(tmp_path):
    """Mutants: an error, or silence, where a study was not run; a damaged table skipped as if it were not there."""
    arms = dict.fromkeys(ARMS["ladder"], 5.0)
    results.store("interplay/ladder", "nano", study_rows(arms, problems=3), tmp_path)
    results.store("interplay/forgetting", "nano", study_rows({"none": 5.0}, problems=3), tmp_path)
    done = redraw(tmp_path)
    assert done.returncode == 0 and done.stdout.split() == [str(tmp_path / "interplay_fig09_ladder.svg")]
    said = done.stderr.splitlines()
    assert len(said) == len(main.FIGURES) - 1 and all(" not drawn: " in line for line in said)
    assert any("interplay_forgetting not drawn" in line and "'SFT 1'" in line for line in said)
    one = redraw(tmp_path, "interplay_fig09_ladder")  # Mutants: names ignored; an unknown one passed over
    assert one.stdout == done.stdout and not one.stderr
    wrong = redraw(tmp_path, "interplay_fig09_ladder", "fig99")
    assert wrong.returncode == 2 and "fig99" in wrong.stderr and not wrong.stdout
    where = results.path("interplay/ladder", "nano", tmp_path)
    where.write_text(where.read_text().replace("zoo", "zzo", 1))
    assert redraw(tmp_path).returncode == 2


def redraw(folder: Path, *names: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "INTERLUDE_RESULTS": str(folder), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "interlude.figures", *names], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_rmt_is_drawn_from_what_its_thoughts_matched(tables):
    """Mutants: the first part of a stage for the last; one tier for another; a mean of shares for the share of sums;
    the budget of an arm that has none; curves of RL, which has no thoughts, among those that have."""
    points = panels.curves(midtraining_rmt.STUDY, ("RMT", "RPT"), tables[0])
    late, shares = midtraining_rmt.matched(points, "RMT", "medium"), [(n + 1) / 20 for n in range(15, 20)]
    assert late.mean == pytest.approx(sum(round(5 + 20 * share - 2, 2) for share in shares) / 250)
    first = midtraining_rmt.matched(points, "RMT", "hard", "foreseen", part=midtraining_rmt.EARLY)
    assert first.mean == pytest.approx(sum(round((5 + 20 * n / 20 - 4) / 2, 2) for n in (1, 2)) / 100)
    assert midtraining_rmt.matched(points, "RPT", "easy").mean != midtraining_rmt.matched(points, "RMT", "easy").mean
    lengths = midtraining_rmt.draw(tables[0]).axes[4]
    budget = [line for line in lengths.get_lines() if line.get_label() == "budget"]
    assert [set(line.get_ydata()) for line in budget] == [{60.0}]
