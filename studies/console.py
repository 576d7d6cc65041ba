"""Output of the command line: tables, numbers with intervals, and the progress of training."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 140  # columns if the output is not a terminal
QUIET_SECONDS = 20.0  # between lines of progress if the output is not a terminal
REASONS = ("never_right", "always_right", "cut_off", "not_parsed")  # copied from models.rollouts, which loads torch
LIVE = ("loss", "reward", "strict")  # the metrics shown during training


def console(stream=None) -> Console:
    """A console on ``stream`` (default: standard output); rich drops colours if it is not a terminal."""
    stream = sys.stdout if stream is None else stream
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, highlight=False, soft_wrap=False)


def table(title: str, heads: list[str], rows: list[list], caption: str = "") -> Table:
    """A table of strings or Texts; columns of numbers are right-aligned."""
    made = Table(
        title=title or None, caption=caption or None, title_justify="left", caption_justify="left", box=SIMPLE_HEAD
    )
    for nth, head in enumerate(heads):
        made.add_column(Text(head), justify="right" if nth and numeric(rows, nth) else "left", overflow="fold")
    for row in rows:
        made.add_row(*[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row])
    return made


def numeric(rows: list[list], nth: int) -> bool:
    """Whether all cells of column ``nth`` begin like a number."""
    return all(str(row[nth])[:1] in "0123456789+-–" for row in rows)


def tables(screen: Console, title: str, heads: list[str], rows: list[list], caption: str = "") -> list[Table]:
    """``table``, split if it is too wide for ``screen``: several tables below each other, each with the first column.

    A table with words in columns other than the first is not split; its cells wrap.
    """

    def of(part: list[int], title: str = "", caption: str = "") -> Table:
        return table(title, [heads[i] for i in part], [[row[i] for i in part] for row in rows], caption)

    if not all(numeric(rows, nth) for nth in range(1, len(heads))):
        return [table(title, heads, rows, caption)]
    unbound, parts = screen.options.update(width=10**6), [[0]]
    for nth in range(1, len(heads)):
        fits = screen.measure(of([*parts[-1], nth]), options=unbound).maximum <= screen.width
        if len(parts[-1]) > 1 and not fits:
            parts.append([0])
        parts[-1].append(nth)
    return [of(part, title * (part is parts[0]), caption * (part is parts[-1])) for part in parts]


def large(value: float | None, unit: str = "") -> str:
    """A count such as FLOPs with three digits: 1.23e+12 is "1.23 T"; None is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}{unit}"
    return f"{value:.3g} {unit}".strip()


def duration(seconds: float) -> str:
    """Seconds as "1 h 02 min", "3 min 05 s", "12 s", "0.4 s" or "under 0.1 s"."""
    if 0 < seconds < 0.95:
        return f"{seconds:.1f} s" if seconds >= 0.1 else "under 0.1 s"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def share(value: float) -> str:
    """A probability with three decimals; as a power of ten if it would round to 0; "~0" below 1e-12."""
    if value >= 0.0005 or value == 0:
        return f"{value:.3f}"
    return f"{value:.0e}" if value >= 1e-12 else "~0"


def with_interval(row: dict, sign: bool = False) -> str:
    """A mean and, on a second line, its interval, so that tables stay narrow."""
    if sign:
        return f"{row['mean']:+.3f}\n{row['low']:+.3f} {row['high']:+.3f}"
    return f"{share(row['mean'])}\n{share(row['low'])}–{share(row['high'])}"


def live(line: dict) -> str:
    """The main metrics of a log line, and the share of groups whose rewards are all equal, with the main reason."""
    shown = [f"{name} {line[name]:.3f}" for name in LIVE if name in line]
    if line.get("zero_variance") and "never_right" in line:
        why = max(REASONS, key=line.get)
        shown.append(f"no variance {line['zero_variance']:.0%} ({why.replace('_', ' ')})")
    return "  ".join(shown)


@dataclass
class Stop:
    """The handler of Ctrl-C: the first stops training after the current step, with a save; the second stops at once."""

    requested: bool = False
    training: bool = False

    def __call__(self, *_) -> None:
        """The signal handler."""
        if self.requested or not self.training:
            raise KeyboardInterrupt
        self.requested = True

    def check(self) -> None:
        if self.requested:
            raise KeyboardInterrupt


@dataclass
class Watch:
    """Progress of a plan: bars with the time left on a terminal, a line from time to time elsewhere.

    total: runs of the plan. Used as a context manager; ``studies.study.examine`` calls ``observe`` and ``note``.
    """

    screen: Console
    total: int
    stop: Stop
    bars: Progress | None = None
    tasks: dict[str, int] = field(default_factory=dict)
    spoke: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Watch:
        if self.screen.is_terminal:
            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("[dim]{task.fields[live]}"),
                console=self.screen,
            )
            self.bars.start()
            self.tasks["all"] = self.bars.add_task("all runs", total=max(self.total, 1), live="")
        return self

    def __exit__(self, *_) -> None:
        if self.bars:
            self.bars.stop()

    def runs_done(self, done: int) -> None:
        if self.bars:
            self.bars.update(self.tasks["all"], completed=done)

    def note(self, text: str) -> None:
        """Prints a line that stays above the bars."""
        self.stop.check()
        (self.bars.console if self.bars else self.screen).print(text, markup=False)

    def observe(self, recipe, done: float, line: dict) -> None:
        """After a step of ``recipe``: redraw, then handle Ctrl-C (training saves before it re-raises it)."""
        self.stop.training = done < 1
        name = f"{type(recipe.stages[-1]).__name__} seed {recipe.seed} {recipe.key[:12]}"
        self.draw(name, done, line)
        self.stop.check()

    def draw(self, name: str, done: float, line: dict) -> None:
        """Show that the share ``done`` of ``name`` is finished, with this log line."""
        if self.bars:
            self.redraw(name, done, line)
            return
        now = time.monotonic()
        since = self.spoke.setdefault(name, now - QUIET_SECONDS / 2)
        if done >= 1 or now - since >= QUIET_SECONDS:
            self.spoke[name] = now
            took = line["seconds"]
            left = "" if done >= 1 else f", {duration(took / done - took)} left" if done > 0 else ""
            self.screen.print(f"{name}: {done:.0%} in {duration(took)}{left}  {live(line)}", markup=False)

    def redraw(self, name: str, done: float, line: dict) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=1.0, live="")
        self.bars.update(self.tasks[name], completed=done, live=live(line))
        if done >= 1:
            self.bars.remove_task(self.tasks.pop(name))
            self.bars.console.print(f"{name}: {duration(line['seconds'])}  {live(line)}", markup=False)


def print_json(value) -> None:
    """Prints a value as JSON, with null for NaN."""
    print(json.dumps(without_nan(value), indent=2, allow_nan=False))


def without_nan(value):
    """The value with None in place of NaN and infinities."""
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
