"""Values of arXiv 2512.07783 stand beside ours, at the place, of the arm and with the height that the paper gives."""

from __future__ import annotations

import importlib
import re

import pytest
from axes import diamonds
from crafted import curve_rows, study_rows

from interlude.figures import interplay_fig03_edge as fig03
from interlude.figures import interplay_fig04_context_exposure as fig04
from interlude.figures import interplay_fig06_mid_or_rl as fig06
from interlude.figures import interplay_fig07_process_reward as fig07
from interlude.figures import interplay_fig09_ladder as fig09
from interlude.figures import interplay_fig11_curves as fig11
from interlude.figures import interplay_fig13_rl_share_low as fig13
from interlude.figures import interplay_fig14_rl_share_rewards as fig14
from interlude.figures import interplay_fig15_pretraining_difficulty as fig15
from interlude.figures import interplay_fig17_exposure_rewards as fig17
from interlude.figures import panels
from interlude.figures.style import PALETTE
from interlude.studies import results

REPLICATED = "by a replication"


@pytest.fixture
def axes(tmp_path):
    """The axes of a figure drawn from a table in which the later an arm is named, the further it reaches."""

    def drawn(figure, study: str, arms: tuple[str, ...], worlds=("zoo",), **more):
        ability = {arm: 4.5 + nth / 5 for nth, arm in enumerate(arms)}
        made = study_rows(ability, (3, 4, 5), problems=3, worlds=worlds, **more)
        results.store(study, panels.SCALE, made, tmp_path)
        results.store_curves(study, panels.SCALE, curve_rows(arms, (3, 4, 5)), tmp_path)
        return figure.draw(tmp_path).axes, results.load(study, panels.SCALE, tmp_path)

    return drawn


def points_of(study: str) -> list[float]:
    """The gains in points that claims of a study say were published, as shares."""
    claims = importlib.import_module(f"interlude.studies.{study.replace('/', '.')}").CLAIMS
    return [float(n) / 100 for claim in claims for n in re.findall(r"\+([\d.]+)", claim.published)]


def told(axis) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def gains(axis, label: str) -> list[float]:
    """What is drawn of ours under a label."""
    (line,) = [line for line in axis.get_lines() if line.get_label() == label]
    return list(line.get_ydata())


def differences(found, pairs, exams, k: int) -> list[float]:
    return [found.pooled(arm, exams, k).mean() - found.pooled(over, exams, k).mean() for arm, over in pairs]


def test_of_attempts_in_the_band_of_the_problems_and_the_colour_of_the_arm(axes):
    """Kills: the paper's values and a replication's under one name; another k; an arm's value in another's colour."""
    arms = tuple(dict.fromkeys((*fig03.PAPER, *fig03.CONTROLS)))
    (band, edge, hard, *controls), _ = axes(fig03, "interplay/edge", arms)
    none, inside, tuned, beyond = (PALETTE[fig03.PAPER[a]] for a in ("none", "RL inside", "RL edge", "RL beyond"))
    assert diamonds(band) == [(1, 0.831, none), (128, 0.993, none), (1, 0.826, tuned), (128, 0.982, tuned)]
    assert diamonds(edge) == [(1, 0.182, none), (128, 0.411, none), (1, 0.506, tuned), (128, 0.840, tuned)]
    assert diamonds(hard) == [(128, 0.23, tuned), (128, 0.0, beyond)] and not any(map(diamonds, controls))
    assert told(hard) == [panels.INTERPLAY] and told(band)[-1].endswith(REPLICATED) and inside != tuned


def test_of_exposure_at_its_share_as_a_gain_after_rl(axes):
    """Kills: 60 points at 10 %; gains over the base for those over none; gains before RL, or in the first world."""
    arms = tuple(f"{base}{more}" for base in fig04.SHARES | fig04.WAYS for more in ("", " + RL"))
    (*_, last), found = axes(fig04, fig04.STUDY, (*arms, fig04.ALONE), worlds=("zoo", "school"))
    ((x, height, _),) = diamonds(last)
    assert last.get_xticklabels()[round(x)].get_text() == "1 %" and height == 0.6 and points_of(fig04.STUDY) == [0.6]
    assert told(last)[-1] == f"{panels.INTERPLAY}: up to"
    exams = found.band(panels.BANDS["edge"], "school")
    pairs = [(f"{share} % arithmetic + RL", "0 % + RL") for share in ("0.1", "0.3", "1", "10")]
    assert gains(last, "edge (8-9)") == pytest.approx(differences(found, pairs, exams, 128))


def test_of_a_split_of_the_budget_as_a_gain_over_rl_alone(axes):
    """Kills: the value at another split; gains over mid-training alone; one budget for the other; the edge."""
    arms = tuple(f"{n}% RL, {budget}" for budget in ("half", "full") for n in (0, 20, 50, 80, 100))
    (*_, last), found = axes(fig06, "interplay/mid_or_rl", arms)
    ((x, height, _),) = diamonds(last)
    assert last.get_xticklabels()[round(x)].get_text() == "80 %"
    assert pytest.approx(height) == points_of("interplay/mid_or_rl")[0] and height == 0.108
    assert told(last)[-1] == panels.INTERPLAY
    exams = found.band(panels.BANDS["hard"], "zoo")
    for budget in ("full", "half"):
        pairs = [(f"{n}% RL, {budget}", f"100% RL, {budget}") for n in (0, 20, 50, 80)]
        assert gains(last, f"{budget} budget") == pytest.approx(differences(found, pairs, exams, 128))


def test_of_rewards_after_rl_at_the_edge(axes):
    """Kills: a value in another reward's row, or after RL on hard problems, which the paper has not; a band for the
    field; another control than the answer."""
    arms = tuple(dict.fromkeys((*fig07.arms("edge"), *fig07.arms("hard"))))
    (*_, last), found = axes(fig07, "interplay/process_reward", arms, hard=True)
    rows = [text.get_text() for text in last.get_yticklabels()]
    assert rows == ["printed", "released", "strict", "dense"]
    at_edge, beyond = (PALETTE[fig07.SCORED["edge", band]] for band in ("edge", "hard"))
    drawn = [
        (rows[round(y + shift)], x, c) for (x, y, c), shift in zip(diamonds(last), (0.36, 0.36, 0, 0), strict=True)
    ]
    assert drawn == [
        ("printed", 0.047, at_edge), ("strict", 0.052, at_edge), ("printed", 0.043, beyond), ("strict", 0.041, beyond),
    ]  # fmt: skip
    assert points_of("interplay/process_reward") == pytest.approx([0.047, 0.052, 0.043])
    assert told(last)[-1] == panels.INTERPLAY
    for field, band in fig07.SCORED:
        (line,) = [each for each in last.get_lines() if each.get_label() == f"{band} band, RL {field}"]
        pairs = [(f"{kind}, {field}", f"answer, {field}") for kind in rows]
        exams = found.band(panels.BANDS[band], "zoo")
        assert list(line.get_xdata()) == pytest.approx(differences(found, pairs, exams, 1))
        heights = [y for _, y, colour in diamonds(last) if colour == line.get_color()]
        assert set(heights) <= set(line.get_ydata())  # in the row of the same comparison


def test_of_a_base_after_all_of_its_pretraining(axes):
    """Kills: pass@1 for pass@128; the values at another length of pre-training."""
    (once, often, by_ops), found = axes(fig09, "interplay/ladder", fig09.ARMS)
    tokens = found.of("x1", "zoo-ops1")[0]["tokens"] / 1e6
    for axis, heights in ((once, [0.831, 0.182, 0.0]), (often, [0.993, 0.411, 0.0])):
        assert diamonds(axis) == [(tokens, y, PALETTE[n]) for n, y in enumerate(heights, start=1)]
    assert not diamonds(by_ops)


def test_of_a_tenth_of_rl_as_a_gain_over_none(axes):
    """Kills: 76 points at another share or after another pre-training; gains over the base, or in the first world."""
    arms = tuple(arm for base in fig13.BASES for arm in (base, *fig13.arms(base)))
    (*_, last), found = axes(fig13, fig13.STUDY, arms, worlds=("zoo", "school"))
    ((x, height, colour),) = diamonds(last)
    assert last.get_xticklabels()[round(x)].get_text() == "10 %" and height == 0.76 and points_of(fig13.STUDY) == [0.76]
    assert colour == PALETTE[fig13.BASES["1 % low"]] and told(last)[-1] == panels.INTERPLAY
    exams = found.band(panels.BANDS["edge"], "school")
    for base in fig13.BASES:
        pairs = [(f"{base}, RL {n} %", f"{base}, RL 0 %") for n in (1, 10, 50, 100)]
        assert gains(last, f"after {base}") == pytest.approx(differences(found, pairs, exams, 128))


def test_of_gains_by_difficulty(axes):
    """Kills: a band's gains in another's colour; a table of the paper that was changed."""
    arms = tuple(f"{share}{more}" for share in fig15.SHARES for more in ("", " + RL"))
    (_, last), _ = axes(fig15, fig15.STUDY, arms)
    (band, edge, hard) = ([y for _, y, c in diamonds(last) if c == PALETTE[n]] for n in (1, 2, 3))
    assert band == [-0.017, -0.005, -0.011, -0.007, -0.004] and edge == [0.290, 0.292, 0.166, 0.453, 0.420]
    assert hard == [0.059, 0.104, 0.221, 0.180, 0.258] and told(last)[-1] == panels.INTERPLAY


def test_of_rewards_at_both_ends_of_training(axes):
    """Kills: an end exchanged for the other; the values after another pre-training, or in another arm's colour."""
    begin, end = panels.GRID[0], panels.GRID[-1]
    (reward, *others), _ = axes(fig11, "interplay/edge", tuple(fig11.ARMS))
    edge, beyond = (PALETTE[fig11.ARMS[arm]] for arm in ("RL edge", "RL beyond"))
    assert diamonds(reward) == [(begin, 0.2, edge), (end, 0.5, edge), (begin, 0.0, beyond), (end, 0.0, beyond)]
    arms = tuple(f"{base}, RL {n} %" for base in fig14.BASES for n in panels.RL_SHARES)
    (all_, low, more), _ = axes(fig14, fig14.STUDY, arms)
    half, whole = (PALETTE[fig14.COLOURS[panels.RL_SHARES.index(n)]] for n in (50, 100))
    assert diamonds(low) == [(begin, 0.35, half), (end, 0.65, half), (begin, 0.1, whole), (end, 0.65, whole)]
    bases = fig04.SHARES | fig04.WAYS
    (shares, *rest), _ = axes(fig17, fig04.STUDY, tuple(fig04.after(bases)))
    one, ten = (PALETTE[fig04.SHARES[f"{n} % arithmetic"]] for n in (1, 10))
    assert diamonds(shares) == [(begin, 0.35, one), (end, 0.6, one), (begin, 0.35, ten), (end, 0.7, ten)]
    assert not any(map(diamonds, (*others, all_, more, *rest)))


def test_a_legend_calls_them_once(axes):
    """Kills: a name for every diamond; none."""
    (reward, *_), _ = axes(fig11, "interplay/edge", tuple(fig11.ARMS))
    assert reward.get_legend_handles_labels()[1].count(panels.INTERPLAY) == 1
    assert [text.get_text() for text in reward.figure.legends[0].get_texts()][-1] == panels.INTERPLAY
    (_, low, _), _ = axes(
        fig14, fig14.STUDY, tuple(f"{base}, RL {n} %" for base in fig14.BASES for n in panels.RL_SHARES)
    )
    names = [text.get_text() for text in low.figure.legends[0].get_texts()]
    assert names == [*(f"{n} % of RL in school" for n in panels.RL_SHARES), panels.INTERPLAY]
