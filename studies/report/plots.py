"""The plots of a study's page: pass@k by number of operations and by k, and the loss by token role and by step."""

from __future__ import annotations

import io
from dataclasses import asdict
from hashlib import blake2b
from html import escape

from interlude.studies.evidence import ATTEMPTS, Bands, exams_of, groups, nats_by_role, of_kind, pass_at_k_curve
from interlude.studies.results import ROLES, Results

INK = "#010203"  # placeholder; the page replaces it by the colour of its text
SERIES = ("#a1a2a0", "#a1a2a1", "#a1a2a2", "#a1a2a3", "#a1a2a4", "#a1a2a5", "#a1a2a6")  # placeholders of --s0 .. --s6
MARKERS = "osD^vPX"
DASHES = ("-", "--", ":")  # of the first seven arms, the next and the last: as many as can be told apart
MOST = len(SERIES) * len(DASHES)


def svg(figure, label: str) -> str:
    """A matplotlib figure as inline SVG with the colours of the page, in light and dark mode."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    for nth, colour in enumerate(SERIES):
        drawing = drawing.replace(colour, f"var(--s{nth})")
    # Ids must be unique in the page, but matplotlib numbers them from the start in every figure.
    mark = f"d{blake2b(drawing.encode(), digest_size=6).hexdigest()}-"
    drawing = drawing.replace('id="', f'id="{mark}').replace('"#', f'"#{mark}').replace("url(#", f"url(#{mark}")
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(label, quote=True)}" ', 1)
    return f'<figure class="plot">{drawing}</figure>'


def canvas(columns: int, height: float, sharey: bool = True):
    """A figure with one row of axes in the text colour of the page, and the axes as a list."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "interlude", "font.family": "sans-serif", "font.size": 9,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
        "ytick.major.width": 0.6, "axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False,
        "lines.linewidth": 1.6,
    })  # fmt: skip
    # One panel has its key beside it, several below them.
    figure = Figure(figsize=(6.4 if columns == 1 else min(8.4, 2.9 * columns + 0.6), height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, sharey=sharey)[0])


def by_ops(data: dict, k: int) -> str:
    """Strict pass@k by operations: a panel per world, a line with interval per arm, bands shaded. Nothing where two
    exams that are no ladder have one number of operations: they differ in something else."""
    rows = [row for row in data["scores"] if row["kind"] == "exact" and row["k"] == k and row["ops"].isdigit()]
    rows = [row for row in rows if row["exam"] == f"{row['world']}-ops{row['ops']}"] or rows
    if len({(row["world"], row["mode"], row["ops"]) for row in rows}) < len({row["exam"] for row in rows}):
        return ""
    panels = list(dict.fromkeys((row["world"], row["mode"]) for row in rows))
    if not rows:
        return ""
    figure, axes = canvas(len(panels), 2.7)
    arms = [row["arm"] for row in data["arms"]][:MOST]
    for axis, panel in zip(axes, panels, strict=True):
        those = [row for row in rows if (row["world"], row["mode"]) == panel]
        shade(axis, data["bands"])
        for nth, arm in enumerate(arms):
            line = sorted((row for row in those if row["arm"] == arm), key=lambda row: int(row["ops"]))
            draw_line(axis, [int(r["ops"]) for r in line], line, nth, arm)
        axis.set(title=", ".join(panel), xlabel="operations", ylim=(-0.03, 1.13))
        axis.set_xticks(sorted({int(row["ops"]) for row in those}))
    axes[0].set_ylabel(f"strict pass@{k}")
    keyed(figure, axes, arms)
    return svg(figure, f"strict pass@{k} by number of operations")


def shade(axis, bands: dict) -> None:
    """Shades every second band and writes the names of all bands at the top."""
    for nth, (name, (low, high)) in enumerate(bands.items()):
        if nth % 2:
            axis.axvspan(low - 0.5, high + 0.5, color=INK, alpha=0.06, linewidth=0)
        name_at = {"ha": "center", "va": "top", "fontsize": 7.5, "transform": axis.get_xaxis_transform()}
        # A band that no exam reaches has its name outside the axes.
        axis.text((low + high) / 2, 0.99, name, clip_on=True, **name_at).set_in_layout(False)


def draw_line(axis, x: list, rows: list[dict], nth: int, label: str) -> None:
    """A line through the means with a band for the intervals."""
    look = looks(nth)
    low, high = [r["low"] for r in rows], [r["high"] for r in rows]
    axis.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)
    axis.plot(x, [r["mean"] for r in rows], label=label, **look)


def looks(nth: int) -> dict:
    """Colour, marker and dashes of the nth arm, which no other of the first ``MOST`` has."""
    nth, dash = nth % len(SERIES), DASHES[nth // len(SERIES) % len(DASHES)]
    return {"color": SERIES[nth], "marker": MARKERS[nth], "markersize": 3.5, "linestyle": dash}


def keyed(figure, axes: list, names: list[str]) -> None:
    """The key of all panels: beside the only one, else below them."""
    handles, labels = axes[0].get_legend_handles_labels()
    below = {"loc": "outside lower center", "ncols": min(4, len(names))}
    figure.legend(handles, labels, fontsize=8, **({"loc": "outside right upper"} if len(axes) == 1 else below))


def by_k(table: Results, bands: Bands) -> str:
    """Exact pass@k at the edge for k up to a million, a panel per world."""
    arms = table.arms[:MOST]
    panels = [(about, exams) for about, exams in groups(table, arms[0], bands) if about["band"] == "edge"]
    if not panels:
        exact = of_kind(table, arms[0], "exact")
        panels = [({"world": "all exact exams", "mode": ""}, exact)] if exact else []
    if not panels:
        return ""
    figure, axes = canvas(len(panels), 2.7)
    for axis, (about, exams) in zip(axes, panels, strict=True):
        for nth, arm in enumerate(arms):
            if set(exams) <= set(exams_of(table, arm)):
                line = [asdict(estimate) for _, estimate in pass_at_k_curve(table, arm, exams)]
                draw_line(axis, list(ATTEMPTS), line, nth, arm)
        axis.set(
            title=f"{about.get('band', '')} {about['world']}".strip(), xlabel="k", xscale="log", ylim=(-0.03, 1.13)
        )
    axes[0].set_ylabel("strict pass@k")
    keyed(figure, axes, list(arms))
    return svg(figure, "strict pass at k for k from one to a million")


def by_step(data: dict) -> str:
    """The negative log-probability of the choice of each step, a panel for each of the last three headline exams."""
    rows = [row for row in data["kinds"].get("exact", ()) if len(row["nats"]) > 2]
    chosen = [exam for exam in dict.fromkeys(row["exam"] for row in rows) if exam in data["headline"]][-3:]
    if not chosen:
        return ""
    figure, axes = canvas(len(chosen), 2.7, sharey=False)
    arms = [row["arm"] for row in data["arms"]][:MOST]
    for axis, exam in zip(axes, chosen, strict=True):
        for nth, arm in enumerate(arms):
            for row in (row for row in rows if (row["arm"], row["exam"]) == (arm, exam)):
                at = range(len(row["nats"]))
                axis.plot(at, list(row["nats"].values()), label=arm, **looks(nth))
                axis.set_xticks(at, list(row["nats"]))
        axis.set(title=exam, xlabel="step")
    axes[0].set_ylabel("planning, nats")
    keyed(figure, axes, arms)
    return svg(figure, "negative log-probability of the choice of each step")


def by_role(table: Results, bands: Bands) -> str:
    """Mean negative log-probability of the canonical solution by token role, in each band of the first world."""
    panels = [(f"{about['band']} ({about['ops']})", exams) for about, exams in groups(table, table.arms[0], bands)]
    panels = panels[: len(bands)]
    if not panels:
        return ""
    figure, axes = canvas(len(panels), 2.9, sharey=False)
    arms = table.arms[:MOST]
    for axis, (band, exams) in zip(axes, panels, strict=True):
        for at, arm in enumerate(arms):
            if set(exams) <= set(exams_of(table, arm)):
                stack(axis, at, nats_by_role(table, arm, exams))
        axis.set_xticks(range(len(arms)), arms, rotation=30, ha="right", fontsize=7)
        axis.set_title(band)
    axes[0].set_ylabel("nats per problem")
    keyed(figure, axes, list(ROLES))
    return svg(figure, "negative log-probability of the solution by token role")


def stack(axis, at: int, parts: dict[str, float]) -> None:
    """A stacked bar at ``at``, one part per token role."""
    height = 0.0
    for nth, (role, value) in enumerate(parts.items()):
        axis.bar(at, value, bottom=height, color=SERIES[nth], width=0.7, label=role if at == 0 else "_")
        height += value
