"""What the claims NN_name.py share: rows with a reference, a limit and a verdict, and how they are written down.

A claim is a module with a docstring (first line: the claim; then its reference), `LEVELS` and `QUICK` (cells, or whatever
its accuracy grows with), `study(levels) -> list[Row]` and `figure(rows) -> Figure`. A study that needs a program which is not
there raises `Skipped`. It ends with

    if __name__ == "__main__":
        sys.exit(claim.main(sys.modules[__name__]))
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fokkerplanck.storage.files import write_text
from fokkerplanck.storage.tables import csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPORT = Path(__file__).parent / "report"  # written by the full run of `python -m validation` alone
ELSEWHERE = Path("results") / "validation"  # where anything less goes unless told otherwise
ROUND_OFF = 1e-12  # errors below it have no order


class Skipped(Exception):
    """What a claim needs is not installed."""


@dataclass(frozen=True)
class Row:
    """One measured number beside its reference.

    `limit` bounds |measured - reference|: in units of the reference (`unit="relative"`), as it stands (`"absolute"`), or in
    standard errors (`"sigma"`, with `sigma` the standard error of the difference and `bias` what is known to remain beside it:
    the discretisation, say). A `control` is a deliberately wrong model, which has to fail its limit: it then counts as caught.
    """

    case: str
    measured: float
    reference: float
    limit: float
    unit: str = "relative"
    level: int | None = None
    sigma: float = 0.0
    bias: float = 0.0
    control: bool = False

    @property
    def error(self) -> float:
        """|measured - reference| in the row's unit."""
        difference = abs(self.measured - self.reference)
        if self.unit == "sigma":
            return max(difference - self.bias, 0.0) / self.sigma
        return difference / abs(self.reference) if self.unit == "relative" else difference

    @property
    def within(self) -> bool:
        """Whether the error keeps its limit (a NaN does not)."""
        return self.error <= self.limit

    @property
    def good(self) -> bool:
        """Within the limit, or a control that is not."""
        return self.within != self.control

    @property
    def verdict(self) -> str:
        """In one word."""
        if self.control:
            return "caught" if self.good else "MISSED"
        return "holds" if self.good else "FAILS"

    @property
    def false_alarm(self) -> float:
        """Probability that a right model fails this row by chance (two-sided normal); 0 where nothing is random."""
        return math.erfc(self.limit / math.sqrt(2)) if self.unit == "sigma" and not self.control else 0.0


def orders(rows: Sequence[Row]) -> list[float | None]:
    """Order of convergence of each row against the one before it with the same case and a lower level."""
    found: list[float | None] = []
    previous: dict[str, Row] = {}
    for row in rows:
        before = previous.get(row.case)
        if row.level is None or row.unit == "sigma":
            found.append(None)
            continue
        if before is None or before.level is None or min(before.error, row.error) < ROUND_OFF:
            found.append(None)
        else:
            found.append(math.log(before.error / row.error) / math.log(row.level / before.level))
        previous[row.case] = row
    return found


def with_order(rows: Sequence[Row], order: float, limit: float) -> list[Row]:
    """The rows, and for each case that has an order of convergence the last one found beside what it should be."""
    last = {row.case: found for row, found in zip(rows, orders(rows), strict=True) if found is not None}
    return [*rows, *(Row(f"{case}: order", found, order, limit, "absolute") for case, found in last.items())]


def false_alarm(rows: Sequence[Row]) -> float:
    """Probability that chance alone fails at least one of the rows."""
    return -math.expm1(sum(math.log1p(-row.false_alarm) for row in rows))


def _number(value: float) -> str:
    return f"{value:.6g}"


def _error(row: Row) -> tuple[str, str]:
    """Error and limit as a reader wants them."""
    if row.unit == "sigma":
        return f"{row.error:.1f} s.e.", f"{row.limit:g} s.e." + (f" beyond {row.bias:.2g}" if row.bias else "")
    if row.unit == "relative":
        return f"{100 * row.error:.2g} %", f"{100 * row.limit:.2g} %"
    return f"{row.error:.2g}", f"{row.limit:.2g}"


def markdown(rows: Sequence[Row]) -> str:
    """The table of a claim."""
    lines = [
        "| case | cells | reference | measured | error | order | allowed | verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row, order in zip(rows, orders(rows), strict=True):
        error, limit = _error(row)
        cells = [
            f"control: {row.case}" if row.control else row.case,
            "" if row.level is None else str(row.level),
            _number(row.reference),
            _number(row.measured),
            error,
            "" if order is None else f"{order:.2f}",
            limit,
            row.verdict,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """The same table for machines, at full precision."""
    columns = (
        "case",
        "control",
        "level",
        "reference",
        "measured",
        "error",
        "unit",
        "limit",
        "sigma",
        "bias",
        "order",
        "verdict",
    )
    lines = [
        [order if name == "order" else getattr(row, name) for name in columns]
        for row, order in zip(rows, orders(rows), strict=True)
    ]
    write_text(path, csv_text(columns, lines))


@dataclass(frozen=True)
class Outcome:
    """What running a claim left: its name and headline, rows, the section of the report, processor seconds.

    `trouble` says why there are no rows: the claim was skipped, or it crashed.
    """

    name: str
    headline: str
    rows: tuple[Row, ...]
    section: str
    seconds: float
    trouble: str = ""

    @property
    def good(self) -> bool:
        """Whether every row is, and there was no crash."""
        return all(row.good for row in self.rows) and self.verdict != "CRASHED"

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.trouble:
            return "skipped" if self.trouble.startswith("skipped") else "CRASHED"
        wrong = sum(not row.good for row in self.rows)
        return f"FAILS in {wrong} of {len(self.rows)}" if wrong else "holds"


def section(name: str, headline: str, *parts: str) -> str:
    """A section of the report, parts that are empty left out."""
    return "\n\n".join([f"## {name[:2]} {headline}", *(part.strip() for part in parts if part)]) + "\n"


def run(module: ModuleType, quick: bool = False, out: Path = REPORT) -> Outcome:
    """Study, table, figure: writes NN_name.csv and NN_name.png to `out` and returns the section of the report."""
    name = Path(module.__file__ or "").stem
    headline, _, text = (module.__doc__ or "").strip().partition("\n")
    began = time.process_time()
    try:
        rows = tuple(module.study(module.QUICK if quick else module.LEVELS))
    except Skipped as reason:
        trouble = f"skipped: {reason}"
        return Outcome(name, headline, (), section(name, headline, text, trouble), 0.0, trouble)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, out / f"{name}.csv")
    picture: Figure = module.figure(rows)
    picture.savefig(out / f"{name}.png", dpi=130)
    seconds = time.process_time() - began
    chance = false_alarm(rows)
    note = f"Chance alone would fail a row of this table in {chance:.2g} of all runs." if chance else ""
    page = section(name, headline, text, f"![{headline}]({name}.png)", markdown(rows), note)
    return Outcome(name, headline, rows, page, seconds)


def main(module: ModuleType, arguments: list[str] | None = None) -> int:
    """Run one claim from the command line: prints its table, 1 if a row fails."""
    parser = argparse.ArgumentParser(description=(module.__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="coarse levels only")
    parser.add_argument(
        "--out", type=Path, default=ELSEWHERE, help="folder for table and figure (default: %(default)s)"
    )
    options: Any = parser.parse_args(arguments)
    outcome = run(module, options.quick, options.out)
    print(markdown(outcome.rows) if outcome.rows else outcome.trouble, file=sys.stdout)
    return 0 if outcome.good else 1


def draw_errors(axes: Axes, rows: Sequence[Row]) -> None:
    """Every row's error over its limit, on a logarithmic scale: dots below 1 hold, crosses above 1 are controls caught."""
    for kind, marker, label in ((False, "o", "rows"), (True, "x", "controls")):
        chosen = [
            (k, max(row.error / row.limit, 1e-3)) for k, row in enumerate(rows, 1) if row.control == kind and row.limit
        ]
        if chosen:
            axes.plot(*zip(*chosen, strict=True), marker, color="k", ms=5, mfc="0.6", mew=0.8, label=label)
    axes.axhline(1.0, color="k", ls="--", lw=0.8)
    axes.set(yscale="log", xlabel="row of the table", ylabel="error / what is allowed")
    axes.set_title("dots below the line hold,\ncrosses above it are wrong models caught", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def canvas(width: float = 6.4, height: float = 4.4) -> Figure:
    """An empty figure that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(picture)
    return picture
