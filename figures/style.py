"""How every figure looks: a palette that colour-blind readers can tell apart,
and SVG whose bytes depend on the data alone."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from interlude.studies.table import write_atomic

COMMITTED = Path(__file__).parent
# Figures of other tables do not replace the committed ones.
FOLDER = Path(os.environ.get("INTERLUDE_RESULTS", COMMITTED))

# Okabe and Ito, "Color universal design" (2008), darkened where thin lines on white need it;
# markers say the same again.
PALETTE = ("#6b6b6b", "#0072b2", "#d55e00", "#00875f", "#a9508a", "#8a6d00", "#56b4e9", "#e69f00", "#000000")
MARKERS = "osD^vPX<>"
ROLE_COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#bdbdbd", "#6b6b6b", "#00875f")

SETTINGS = {
    "svg.fonttype": "path",  # the reader need not own the font
    "svg.hashsalt": "interlude",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same glyphs
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#333333",
    "axes.labelcolor": "#222222",
    "text.color": "#222222",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "path.simplify": False,
}


def figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(SETTINGS)
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def drawn(made: Figure) -> bytes:
    """The figure as SVG, without the date and version that matplotlib would add."""
    made.draw_without_rendering()  # lays the panels out
    made.set_layout_engine("none")
    for axis in made.axes:  # the layout's solver orders by address, so the last bits of its answer differ between runs
        axis.set_position([round(side, 9) for side in axis.get_position().bounds])
    text = io.BytesIO()
    made.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return b"".join(line.rstrip() + b"\n" for line in text.getvalue().splitlines())


def save(name: str, made: Figure) -> Path:
    """Write ``figures/<name>.svg`` and return its path."""
    where = FOLDER / f"{name}.svg"
    write_atomic(where, drawn(made))
    return where


def panel_letter(axis, letter: str, title: str) -> None:
    """Titles a panel with its letter."""
    axis.set_title(f"{letter}   {title}", fontweight="bold")


def shade(axis, bands: dict[str, tuple[int, int]]) -> None:
    """Every second band of operations tinted, and each named above the axis."""
    for nth, (name, (low, high)) in enumerate(bands.items()):
        if nth % 2:
            axis.axvspan(low - 0.5, high + 0.5, color="#f0ede4", linewidth=0, zorder=0)
        across = axis.get_xaxis_transform()
        axis.text((low + high) / 2, 0.995, name, ha="center", va="top", fontsize=7, color="#555555", transform=across)


def line(axis, x: list, estimates: list, nth: int, label: str) -> None:
    """Means with markers, and their intervals as a band; ``nth`` chooses colour and marker."""
    colour, marker = PALETTE[nth % len(PALETTE)], MARKERS[nth % len(MARKERS)]
    axis.fill_between(x, [e.low for e in estimates], [e.high for e in estimates], color=colour, alpha=0.16, linewidth=0)
    axis.plot(x, [e.mean for e in estimates], color=colour, marker=marker, markersize=3.2, label=label)


def points(axis, x: list, estimates: list, nth: int, label: str) -> None:
    """Means with markers, and their intervals as bars; ``nth`` chooses colour and marker."""
    colour, marker = PALETTE[nth % len(PALETTE)], MARKERS[nth % len(MARKERS)]
    axis.vlines(x, [e.low for e in estimates], [e.high for e in estimates], color=colour, linewidth=1.1)
    axis.plot(
        x, [e.mean for e in estimates], color=colour, marker=marker, markersize=3.6, linestyle="none", label=label
    )


def note(made: Figure, text: str) -> None:
    """What every figure ends with: data, seeds and problems, in small print below all panels."""
    strip = 0.16 / made.get_figheight()
    made.get_layout_engine().set(rect=(0, strip, 1, 1 - strip))
    made.text(0.995, 0.004, text, ha="right", va="bottom", fontsize=6.5, color="#555555")
