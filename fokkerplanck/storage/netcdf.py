"""Results on disk: one netCDF file a solution, written at once or not at all.

The files follow the netCDF4 model, so that xarray, ncdump and any HDF5 reader open them. They are written with
h5netcdf directly: importing xarray takes longer than most runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ..arguments import flag
from ..errors import bad_value
from ..version import __version__
from .files import write_atomically

if TYPE_CHECKING:
    import xarray

    from ..results.open_solution import OpenSolution
    from ..results.open_stationary import SavedReset
    from ..results.solution import Solution


MARK = "fokkerplanck solution"
VERSION = 3  # from 2 on the checksum covers the version of the package too; from 3 on axes have names of their own
TAKEN = {  # names of arrays and dimensions that no axis can have
    "time", "density", "current", "component", "observable", "observed", "atom", "atom_position", "atoms", "rate", "delay",
    "supplied", "way_out", "rates", "estimate", "error", "setting", "settings",
}  # fmt: skip
ENDS = ("_edge", "_edges")


class _Variable(NamedTuple):
    """One array of a file: its dimensions, its values and what they are."""

    dims: tuple[str, ...]
    values: np.ndarray
    meaning: str


def solution_to_xarray(sol: Solution) -> xarray.Dataset:
    """The densities as a labelled data set, with dimensions time and the names of the axes; without the current.

    Cell centers and times are coordinates, observables are variables `observed_NAME` of time (a slash in NAME, which netCDF
    does not allow, is an underscore). Nothing has a dimension of its
    own, so that `to_dataframe` has one row a time and cell: the cell edges are attributes NAME_edges, as are the settings.
    """
    import xarray as xr

    names = axis_names(sol.grid.names)
    variables = variables_of(sol, current=False)
    coords = {name: variables[name] for name in ("time", *names)}
    data = {"density": variables["density"]}
    for label, values in sol.observed.items():
        data[f"observed_{label.replace('/', '_')}"] = _Variable(
            ("time",), np.asarray(values, dtype=float), f"expectation of {label}"
        )
    for name in ("rate", "delay", "supplied"):
        if name in variables:
            data[name] = variables[name]
    for label, rate in getattr(sol, "rates", {}).items():
        name = f"rate_{label.replace(' ', '_')}"
        data[name] = _Variable(("time",), np.atleast_1d(rate), f"mass per time by {label}")
    edges = {f"{name}_edges": np.array(e) for name, e in zip(names, sol.grid.edges, strict=True)}
    settings = {"settings": variables["settings"].values[0]} if "settings" in variables else {}
    return xr.Dataset(
        {name: (v.dims, v.values, {"long_name": v.meaning}) for name, v in data.items()},
        {name: (v.dims, v.values, {"long_name": v.meaning}) for name, v in coords.items()},
        {**attributes_of(sol), **settings, **edges},
    )


def save_solution(sol: Solution, path: str | os.PathLike, current: bool = True) -> None:
    """Write a solution to a netCDF file.

    Parameters
    ----------
    sol : Solution
    path : str or path
        An existing file is replaced, once the new one is complete.
    current : bool
        Whether to store the probability current too, where the solution has one (that of a transfer operator has none);
        it takes `dim` times the room of the density.
    """
    current = flag("current", current) and (sol.generator is not None or sol.saved_current is not None)
    variables, attributes = variables_of(sol, current), attributes_of(sol)

    def write(name: str) -> None:
        import h5netcdf

        image = io.BytesIO()  # HDF5 itself crashes where a disk is full
        with h5netcdf.File(image, "w") as file:
            for key, v in variables.items():
                _create(file, key, v)
            file.attrs["checksum"] = checksum(variables, attributes)
            file.attrs.update(attributes)
        with open(name, "wb") as target:
            target.write(image.getbuffer())

    write_atomically(path, write)


def axis_names(names: Sequence[str]) -> list[str]:
    """What files call the axes: their names, with an underscore for a slash, and axis_NAME for what else stands there."""
    found: list[str] = []
    for name in (name.replace("/", "_") for name in names):
        while name in TAKEN or name in found or name.startswith(("observed_", "rate_")) or name.endswith(ENDS):
            name = f"axis_{name.removesuffix('_edges').removesuffix('_edge')}"
        found.append(name)
    return found


def variables_of(sol: Solution, current: bool) -> dict[str, _Variable]:
    """The arrays of a file that holds a solution, by name."""
    grid, names = sol.grid, axis_names(sol.grid.names)
    result = {"time": _Variable(("time",), np.asarray(sol.times, dtype=float), "time (steps for SGD)")}
    for name, centers, edges in zip(names, grid.centers, grid.edges, strict=True):
        result[name] = _Variable((name,), centers, f"cell centers along {name}")
        result[f"{name}_edges"] = _Variable((f"{name}_edge",), edges, f"cell edges along {name}")
    result["density"] = _Variable(("time", *names), sol.density, "probability density")
    if current:
        flow = np.stack([sol.current(i) for i in range(sol.times.size)])
        result["current"] = _Variable(("time", "component", *names), flow, "probability current")
    if sol.observed:
        labels = np.array(list(sol.observed), dtype=object)
        values = np.array([sol.observed[key] for key in sol.observed], dtype=float)
        result["observable"] = _Variable(("observable",), labels, "names of the observables")
        result["observed"] = _Variable(("observable", "time"), values, "expectation of the observable")
    if sol.atoms:
        places, held = np.array(list(sol.atoms), dtype=float), np.array(list(sol.atoms.values()), dtype=float)
        result["atom_position"] = _Variable(("atom",), places, "points that keep what arrives")
        result["atoms"] = _Variable(("atom", "time"), held, "probability there")
    if hasattr(sol, "rates"):  # of an open system
        result |= _rates_of(cast("OpenSolution | SavedReset", sol))
    if sol.error:
        text = np.array([json.dumps(sol.error.as_record(), default=_plain)], dtype=object)
        result["error"] = _Variable(("estimate",), text, "measured errors of what the file holds, as JSON")
    if sol.settings:
        kept = {key: value for key, value in sol.settings.items() if key != "version"}
        text = np.array([json.dumps(kept, default=_plain)], dtype=object)
        result["settings"] = _Variable(("setting",), text, "what was asked, as JSON")
    return result


def _rates_of(sol: OpenSolution | SavedReset) -> dict[str, _Variable]:
    """What leaves an open system, and what was put in."""
    result = {"rate": _Variable(("time",), np.atleast_1d(sol.rate), "mass per time that leaves")}
    if hasattr(sol, "delay"):
        result["delay"] = _Variable(("time",), np.array([sol.delay]), "time spent outside at each reset")
    else:
        result["supplied"] = _Variable(("time",), sol.supplied, "mass that has been put in")
    if sol.rates:
        result["way_out"] = _Variable(("way_out",), np.array(list(sol.rates), dtype=object), "names of the ways out")
        by_way = np.array([np.atleast_1d(part) for part in sol.rates.values()], dtype=float)
        result["rates"] = _Variable(("way_out", "time"), by_way, "mass per time by each way out")
    return result


def _create(file: Any, name: str, variable: _Variable) -> None:
    import h5py

    dims, values, meaning = variable
    for dim, size in zip(dims, values.shape, strict=True):
        if dim not in file.dimensions:
            file.dimensions[dim] = size
    kind = {"dtype": h5py.string_dtype()} if values.dtype.kind == "O" else {}
    node = file.create_variable(name, dims, data=values, **kind)
    node.attrs["long_name"] = meaning


def attributes_of(sol: Solution, format_version: int = VERSION, written_by: str = __version__) -> dict[str, Any]:
    """What a file says of a solution beside its arrays."""
    return {
        "format": MARK,
        "format_version": format_version,
        "fokkerplanck_version": written_by,
        "boundary": json.dumps(sol.grid.boundary),
        **({"axes": json.dumps(sol.grid.names)} if format_version > 2 else {}),
        "method": sol.method,
        "success": int(sol.success),
        "message": sol.message,
        "stats": json.dumps(dict(sol.stats), default=_plain),
    }


def checksum(variables: dict[str, _Variable], attributes: dict[str, Any]) -> str:
    """Of everything in a file, as HDF5 itself notices damage to its frame only; in version 1 but for the package's version."""
    left_out = {"fokkerplanck_version"} if attributes["format_version"] < 2 else set()
    digest = hashlib.blake2b(digest_size=16)
    for name, (dims, values, _) in variables.items():
        digest.update(repr((name, dims, values.shape)).encode())
        digest.update(json.dumps(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes())
    digest.update(json.dumps({k: v for k, v in attributes.items() if k not in left_out}).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """A numpy number or array as what JSON knows; anything else by its repr."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else repr(value)


def as_text(value: Any) -> str:
    """A string that HDF5 may hand out as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def check_mark(attributes: Any, name: str) -> tuple[int, str]:
    """The version of the format and of the package that wrote it; files of other programs and newer ones are refused."""
    if "format" not in attributes or as_text(attributes["format"]) != MARK:
        raise bad_value("path", "a file written by Solution.save", "one of another program", f"It is {name}.")
    version = int(np.ravel(attributes["format_version"])[0])
    if version > VERSION:
        then = f"Install a newer fokkerplanck to read {name}."
        raise bad_value("path", f"a file of format version {VERSION} or older", f"one of version {version}", then)
    written_by = as_text(attributes["fokkerplanck_version"])
    if not re.fullmatch(r"[0-9A-Za-z.+!_-]{1,60}", written_by):  # what it says is printed
        raise ValueError("the version that wrote it is none")
    return version, written_by


def damaged(name: str, error: Exception) -> ValueError:
    """The sentence for a file that cannot be read."""
    with open(name, "rb") as file:
        start = file.read(8)
    if not start:
        return bad_value("path", "a file written by Solution.save", "an empty file", f"It is {name}.")
    if start != b"\x89HDF\r\n\x1a\n":
        return bad_value("path", "a netCDF file written by Solution.save", "a file of another kind", f"It is {name}.")
    reason = str(error).splitlines()[0].strip("'\".") if str(error) else type(error).__name__
    return bad_value("path", "an undamaged file", "a truncated or damaged one", f"It is {name}: {reason}.")
