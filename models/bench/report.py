"""From timed turns to rates and ratios; those measured while the machine was busy are only printed if asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median

import numpy as np

from interlude.models.bench.timing import Turn

BUSY = 0.15  # cores that other processes may take, on average over the turns
SPREAD = 0.15  # what the middle half of the turns may span, as a share of their median


@dataclass(frozen=True)
class Race:
    """What sides did in alternating turns.

    turns: of each side. peers: the sides that the others are compared with. skipped: why a side did not run, by its
    name. load: the machine's when it ended. device: what the work ran on (see ``Turn.rate``).
    """

    part: str
    what: str
    unit: str
    turns: dict[str, tuple[Turn, ...]]
    load: float
    device: str = "cpu"
    peers: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One side, beside one peer if it has any.

    rate: the median over its turns, in ``unit`` (a second is a CPU second, on a GPU one on the wall). ratio: the median
    of its rate over the peer's in the same round. spread: interquartile range over the median, of the ratios if there
    is a peer, else of the rates. others: cores that other processes took meanwhile. note: why there is no figure.
    doubt: why a figure that is there should not be relied on.
    """

    part: str
    what: str
    side: str
    unit: str
    peer: str | None = None
    rate: float | None = None
    ratio: float | None = None
    spread: float | None = None
    others: float | None = None
    load: float | None = None
    note: str = ""
    doubt: str = ""

    def sentence(self) -> str:
        """The line in words."""
        beside = f" beside {self.peer}" if self.peer else ""
        return f"{self.part}: {self.what}: {self.side}{beside}: {self.figure}"

    @property
    def figure(self) -> str:
        """The rate or the ratio, or why there is none."""
        if self.note:
            return self.note
        figure = f"{self.rate:,.0f} {self.unit}" if self.peer is None else f"{self.ratio:.2f}x"
        return f"{figure} ({self.doubt})" if self.doubt else figure

    def cells(self) -> list[str]:
        """The line as a row of a table under ``HEADS``."""
        spread = "" if self.spread is None else f"{100 * self.spread:.0f} %"
        others = "" if self.others is None else f"{self.others:.2f}"
        return [self.part, self.what, self.side, self.peer or "", self.figure, spread, others]


HEADS = ["part", "what", "side", "beside", "rate or ratio", "spread", "others' cores"]


def lines(race: Race, busy: bool = False) -> list[Line]:
    """A race's lines: the rate of every side, the ratios of those that are no peers, and what was skipped. busy: also
    the figures that are in doubt."""
    found = [rated(race, side, busy) for side in race.turns]
    found += [
        compared(race, side, peer, busy)
        for side in race.turns
        if side not in race.peers
        for peer in race.peers
        if peer in race.turns
    ]
    said = {"part": race.part, "what": race.what, "unit": race.unit}
    return found + [Line(side=side, note=f"skipped: {why}", **said) for side, why in race.skipped.items()]


def rated(race: Race, side: str, busy: bool) -> Line:
    """A side's own rate."""
    turns = race.turns[side]
    return judged(race, side, None, [turn.rate(race.device) for turn in turns], turns, busy)


def compared(race: Race, side: str, peer: str, busy: bool) -> Line:
    """A side's rate over a peer's, round by round."""
    pairs = list(zip(race.turns[side], race.turns[peer], strict=True))
    ratios = [ours.rate(race.device) / theirs.rate(race.device) for ours, theirs in pairs]
    return judged(race, side, peer, ratios, race.turns[side] + race.turns[peer], busy)


def judged(race: Race, side: str, peer: str | None, values: list[float], turns: tuple[Turn, ...], busy: bool) -> Line:
    """The line with its figure, unless the turns that it rests on were spoilt and it was not asked for all the same."""
    others, spread = shared(turns), spread_of(values)
    doubt = spoilt(others, spread, race.load)
    note, doubt = ("", doubt) if busy or not doubt else (f"not measured: {doubt}", "")
    figure = {} if note else {"rate" if peer is None else "ratio": median(values)}
    said = {"part": race.part, "what": race.what, "unit": race.unit, "side": side, "peer": peer}
    return Line(**said, **figure, spread=spread, others=others, load=race.load, note=note, doubt=doubt)


def shared(turns: tuple[Turn, ...]) -> float | None:
    """Cores that other processes took during these turns; None where nobody counts them."""
    if any(turn.others is None for turn in turns):
        return None
    return sum(turn.others for turn in turns) / sum(turn.wall for turn in turns)


def spread_of(values: list[float]) -> float:
    """Interquartile range over the median."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return (high - low) / middle


def spoilt(others: float | None, spread: float, load: float) -> str:
    """Why a figure is in doubt; empty if it is not."""
    if others is not None and others > BUSY:
        return f"the machine was busy (load {load:.1f}, other processes took {others:.2f} cores)"
    if spread > SPREAD:
        return f"the turns differ too much (their middle half spans {100 * spread:.0f} %, load {load:.1f})"
    return ""


@dataclass(frozen=True)
class Report:
    """All that a run of the bench found. machine: what it ran on (see ``machine.describe``). busy: see ``lines``.
    stopped: whether it was stopped before its end."""

    machine: dict[str, str | int | float]
    races: tuple[Race, ...]
    busy: bool = False
    stopped: bool = False

    @property
    def lines(self) -> list[Line]:
        return [line for race in self.races for line in lines(race, self.busy)]

    def as_dict(self) -> dict:
        """For JSON: lines, and every turn they rest on, also of figures that are not printed."""
        return {
            "machine": self.machine,
            "stopped": self.stopped,
            "lines": [asdict(line) for line in self.lines],
            "turns": [
                {
                    "part": race.part,
                    "what": race.what,
                    "sides": {s: list(map(asdict, t)) for s, t in race.turns.items()},
                }
                for race in self.races
            ],
        }

    def caption(self) -> str:
        """The machine in one line."""
        return ", ".join(f"{name} {value}" for name, value in self.machine.items())
