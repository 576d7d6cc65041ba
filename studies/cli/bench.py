"""The command that measures the speed of this machine."""

from __future__ import annotations

from interlude.models.bench.report import HEADS
from interlude.models.bench.run import PARTS, bench
from interlude.models.bench.workload import setup
from interlude.studies import console as show_
from interlude.studies.console import print_json
from interlude.studies.find import StudySpec, scale_named, the_study
from interlude.studies.side_by_side import compare
from interlude.studies.workload import workload


def bench_(args, screen) -> None:
    """Measures speed on this machine and prints the table; if it is stopped, what it has."""
    how = setup(args.device, args.threads, args.precision, args.quick, args.busy)
    if args.study:
        found = compare(the_study(StudySpec(args.study, args.scale)), how)
    else:
        found = bench(workload(scale_named(args.scale)), how, args.only or tuple(PARTS))
    if args.json:
        print_json(found.as_dict())
    else:
        screen.print(show_.table("", HEADS, [line.cells() for line in found.lines], found.caption()))
    if found.stopped:
        raise KeyboardInterrupt("stopped; what was measured by then is printed")
