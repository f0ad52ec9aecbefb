"""The error of an answer from the answers on two coarser grids.

With q_h, q_2h and q_4h, the changes D2 = |q_h - q_2h| and D1 = |q_2h - q_4h| show an order p = log2(D1 / D2), and the error
of q_h is D2 / (2^p - 1) (Richardson 1911; Roache 1998). Where D does not shrink, the answer is not converging.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...model.portable import Portable

SLOWEST = 0.4  # order below which nothing converges
FASTEST = 64.0  # factor between two changes, beyond which the coarsest grid is not listened to
UNASKED = "grid error not measured"  # neither tried
TAILS = 0.01  # of a relative error: a mean may weigh what lies in a tail a hundred times
BESIDE, ROUNDING = 0.1, 1e-9  # what is spoken of: beside the measured error, and at all
SEEN = 1e-6  # what a box cuts off: less is not spoken of for the sake of means
LEAST_ORDER = 0.7  # an order that is seen below is not trusted to be that small


class Estimate(NamedTuple):
    """Errors, observed orders and whether the answer converges, arrays of one shape."""

    error: np.ndarray
    order: np.ndarray
    converging: np.ndarray


def estimate(
    fine: np.ndarray,
    coarse: np.ndarray,
    cap: float = 2.0,
    floor: np.ndarray | float = 0.0,
    share: float | None = None,
) -> Estimate:
    """The error of the finest of three answers.

    Parameters
    ----------
    fine, coarse : ndarray
        q_h - q_2h and q_2h - q_4h; signed for numbers, norms (not negative) for fields.
    cap : float
        The order of the scheme: none larger is believed.
    floor : ndarray or float
        Changes up to this are rounding, or the error in time.
    share : float, optional
        For one of the values of a field, `share_heard` of the field as a whole.

    Returns
    -------
    Estimate
        error: max(D2, D1 / 2^p) / (2^p - 1) with p between 0.7 and `cap`, or `cap` if that is smaller, and no more than 64 D2
        for D1, as coarse grids that know nothing of the answer say nothing of its error; with a `share`, that of D1. Where D2
        is no smaller than D1 / 2^0.4 or has another sign, the answer does not converge, and the error is at least max(D1, D2),
        with p = min(`cap`, 1). Never below the floor.
    """
    d2, d1 = np.abs(fine), np.abs(coarse)
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.log2(d1) - np.log2(d2)
    idle = (d2 <= floor) & (d1 <= floor)
    order = np.where(idle, cap, np.where(np.isnan(order), 0.0, order))
    small = (d2 <= floor) & (d1 > floor)
    turning = (_direction(fine) * np.conj(_direction(coarse))).real < 0.0
    converging = idle | small | ((order >= SLOWEST) & ~turning)
    p = np.clip(order, LEAST_ORDER, cap)
    heard = np.minimum(d1, FASTEST * d2) if share is None else share * d1
    error = np.maximum(d2, heard / 2.0**p) / (2.0**p - 1.0)
    error = np.where(converging, error, np.maximum(d1, d2) / (2.0 ** min(cap, 1.0) - 1.0))
    unknown = ~(np.isfinite(d1) & np.isfinite(d2))
    error = np.where(unknown, np.where(np.isnan(d2), np.nan, np.inf), np.maximum(error, floor))
    return Estimate(error, np.where(unknown, 0.0, order), converging & ~unknown)


def share_heard(whole: Estimate) -> float:
    """The share of the changes between the coarser two grids that says something of the error of a field: D1 up to 64 D2.

    Judged by the field as a whole: at single places two grids may agree by chance, as beside a target that is thinner than
    a cell, where errors do not go by a power of the cells.
    """
    return float(min(1.0, FASTEST / 2.0 ** float(whole.order)))


def _direction(change: np.ndarray) -> np.ndarray:
    """A number by its size, 0 where that is 0 or unknown: products of changes themselves may overflow."""
    size = np.abs(change)
    known = (size > 0.0) & np.isfinite(size)
    return np.divide(change, size, out=np.zeros_like(change), where=known)


class Errors(Portable, Mapping[str, np.ndarray]):
    """Measured errors by the name of what a result offers, each of the shape of that; densities by their 1-norm.

    Attributes
    ----------
    order : float
        Observed order in the cell size of what was asked for first; nan where nothing was measured.
    converging : bool
        Whether what was asked for first shrinks as the cells do. If not, its error may be larger than what is said.
    note : str
        How the errors were got.
    box : float
        What the errors are without: how far a density would change, in the 1-norm, if reflecting walls towards which it falls
        were further out. It is an error if these are not walls of the problem. The largest over the output times.
    whole : dict of Estimate
        The estimates that were made at once, by which a result is judged: of densities at each time, of eigenvalues, and of
        fields as a whole, relative to the field.
    cap : float
        The largest order that was believed.
    of : callable, or None
        of(read): the errors of what a function reads from the result, in its shape; None where no coarser answers are kept.
    """

    def __init__(
        self,
        values: Mapping[str, np.ndarray | Callable[[], np.ndarray]],
        order: float,
        converging: bool,
        note: str,
        whole: Mapping[str, Estimate] | None = None,
        in_cells: Mapping[str, Callable[[int], np.ndarray]] | None = None,
        better: Callable[[], Any] | None = None,
        cap: float = 2.0,
        of: Callable[[Callable[[Any], np.ndarray]], np.ndarray] | None = None,
    ):
        self._values = dict(values)  # functions are asked when somebody wants to know
        self.order, self.converging, self.note = order, converging, note
        self.whole = dict(whole or {})
        self._in_cells = dict(in_cells or {})
        self.better = better  # the extrapolated result, if there may be one
        self.box = 0.0
        self.cap = cap
        self.of = of

    @classmethod
    def unknown(cls, why: str = UNASKED) -> Errors:
        """Of an answer whose error was not measured."""
        return cls({}, float("nan"), False, why)

    def as_record(self) -> dict[str, Any]:
        """All of it but `whole`, as plain lists; `of_record` reads it."""
        values = {name: np.asarray(self[name]).tolist() for name in self}
        return {
            "values": values, "order": self.order, "converging": self.converging, "note": self.note, "box": self.box
        }  # fmt: skip

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Errors:
        """From what `as_record` gave."""
        values = {str(name): np.asarray(value, dtype=float) for name, value in record["values"].items()}
        result = cls(values, float(record["order"]), bool(record["converging"]), str(record["note"]))
        result.box = float(record.get("box", 0.0))  # none in files of before
        return result

    def at(self, index: Sequence[int]) -> Errors:
        """Of a solution at some of its output times, by their numbers."""
        if not self:
            return self
        values = {name: np.asarray(self[name])[index] for name in self}
        chosen = [range(self["density"].shape[0])[i] for i in index]
        in_cells = {name: lambda i, ask=ask: ask(chosen[i]) for name, ask in self._in_cells.items()}
        result = Errors(values, self.order, self.converging, self.note, in_cells=in_cells, of=self.of)
        result.box = self.box
        return result

    def in_units(self, unit: float, names: Collection[str], better: Callable[[Any], Any], note: str) -> Errors:
        """Of a result that is `unit` times as large in what has these names; `better` makes it of the extrapolated one."""

        def larger(ask: Callable[..., np.ndarray], *args: Any) -> np.ndarray:
            return unit * ask(*args)

        values = {
            name: partial(larger if name in names else (lambda ask, *args: ask(*args)), self.__getitem__, name)
            for name in self
        }
        whole = {k: e._replace(error=unit * e.error) if k in names else e for k, e in self.whole.items()}
        in_cells = {name: partial(larger, ask) for name, ask in self._in_cells.items()}
        improved, own = None, self.better
        if own is not None:

            def improved() -> Any:
                return better(own())

        text = f"{self.note}, {note}"
        result = Errors(values, self.order, self.converging, text, whole, in_cells, improved, self.cap)
        result.box = unit * self.box
        return result

    def in_cells(self, name: str, index: int = -1) -> np.ndarray:
        """Error in each cell of a density, whose own error is a 1-norm, at an output time by its number, (*grid.shape).

        Raises
        ------
        KeyError
            Where it is not known: results read from a file keep no answers on coarser grids.
        """
        if name not in self._in_cells:
            raise KeyError(f"no error of {name!r} in each cell: {'not kept in files' if self._values else self.note}")
        return self._in_cells[name](index)

    def leave_out_box(self, size: float, widths: Sequence[float]) -> None:
        """Note what lies beyond the walls, in the 1-norm, where it matters beside what was measured.

        It may matter to the means alone, whose errors are often much smaller than that of the density: half of it moves over
        as much as a box of these widths.
        """
        self.box = size
        if size <= min(ROUNDING, SEEN):
            return
        density = float(np.nan_to_num(self.whole["density"].error).max(initial=0.0))
        shifts = 0.5 * size * np.asarray(widths)
        means = np.nan_to_num(np.asarray(self["mean"])).reshape(-1, shifts.size).max(axis=0)
        beside_means = size > SEEN and (shifts > means).any()
        if size > ROUNDING and (size > BESIDE * density or beside_means):
            more = f", in means up to {shifts.max():.1e}," if beside_means else ""
            self.note = f"{self.note}; the box is not in it: {size:.1e}{more} if its walls are not the problem's"

    def leave_out_tails(self, size: float, relative: float) -> None:
        """Note what lies beyond the walls, in the 1-norm, for numbers with a relative error that are means over a density."""
        self.box = size
        if size > ROUNDING and size > TAILS * relative:
            self.note = (
                f"{self.note}; the box is not in it: {size:.1e} of the density, if its walls are not the problem's"
            )

    def doubt(self, why: str) -> None:
        """Note that there is something which no comparison of grids sees: the answer is then not said to converge."""
        self.converging = False
        self.note = f"{self.note}, NOT CONVERGING: {why}"

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._values:
            known = ", ".join(map(repr, self._values))
            raise KeyError(f"no error of {name!r}: {'there is ' + known if known else self.note}")
        value = self._values[name]
        if callable(value):
            value = self._values[name] = value()
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Errors({', '.join(self._values)}: {self.note})"
