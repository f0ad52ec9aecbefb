"""Results read back from netCDF files, bit by bit as they were."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ..arguments import different_words, file_name, fits_memory
from ..errors import bad_value
from ..model.grid import AXES, Grid
from ..solvers.accuracy.estimates import Errors
from ..storage.netcdf import as_text, attributes_of, axis_names, check_mark, checksum, damaged, variables_of
from .open_solution import OpenSolution
from .open_stationary import SavedReset
from .solution import Solution
from .stats import SolutionStats

READ = (
    "time",
    "density",
    "current",
    "observable",
    "observed",
    "settings",
    "atom_position",
    "atoms",
    "rate",
    "delay",
    "way_out",
    "rates",
)
DEFLATED = 1100.0  # bytes that deflate makes of one, at most
NEGATIVE = 1e-6  # of the largest density: what rounding and the tolerance of a run may leave below 0


def load(path: str | os.PathLike) -> Solution:
    """Read a solution that `Solution.save` wrote, bit by bit as it was.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Solution
        With `generator` None; `current` works if it was saved. Of a stationary state with resets it has `rate`, `rates` and
        `delay` too; of other open systems it is an OpenSolution.

    Raises
    ------
    ValueError
        If there is no such file, or it is damaged, of another program or of a newer version of this one.
    """
    import h5py

    name = file_name("path", path)
    if not os.path.isfile(name):
        raise bad_value("path", "the name of an existing file", "none", f"There is no {name}.")
    try:
        with h5py.File(name, "r") as file:
            version, written_by = check_mark(file.attrs, str(name))
            _check_sizes(file)
            sol = _read(file)
            variables = variables_of(sol, current=sol.saved_current is not None)
            if as_text(file.attrs["checksum"]) != checksum(variables, attributes_of(sol, version, written_by)):
                raise ValueError("the checksum does not match the contents")
            _check_values(sol)
            return sol
    except ValueError as error:
        if str(error).startswith("`path`"):
            raise
        raise damaged(str(name), error) from error
    except (OSError, KeyError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        raise damaged(str(name), error) from error


def _axes(file: Any) -> list[str]:
    """The names of the axes; before version 3 they were x, y, z."""
    if "axes" not in file.attrs:
        return [axis for axis in AXES if f"{axis}_edges" in file]
    return list(different_words("axes", json.loads(file.attrs["axes"])))


def _check_sizes(file: Any) -> None:
    """Refuse arrays that a file declares and does not hold, before any is read: a kilobyte can declare a terabyte."""
    import h5py

    need = 0.0
    arrays = [name for axis in axis_names(_axes(file)) for name in (axis, f"{axis}_edges")]
    for name in (name for name in (*arrays, *READ) if name in file):
        if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
            raise ValueError(f"{name} is no array of this file")
        array = file[name]
        size = float(array.size or 0) * array.dtype.itemsize
        if array.external or array.is_virtual or size > DEFLATED * array.id.get_storage_size():
            raise ValueError(f"{name} declares more than the file holds")
        need += 3.0 * size  # the array, its bytes for the checksum, and what is computed of it
    fits_memory("path", need, "Read parts of it with xarray.open_dataset(path, engine='h5netcdf').")


def _check_values(sol: Solution) -> None:
    """Refuse what no computation gives: a checksum says that a file is whole, not that it holds a density."""
    times, density = sol.times, sol.density
    at_rest = times.size == 1 and np.isposinf(times[0])
    if not at_rest and not (
        np.isfinite(times).all() and times.size and times[0] >= 0.0 and (np.diff(times) > 0.0).all()
    ):
        raise ValueError("its times are not increasing from 0 on")
    rtol = sol.settings.get("rtol")
    below = max(NEGATIVE, rtol if isinstance(rtol, float) and 0.0 < rtol < 1.0 else 0.0)
    if not np.isfinite(density).all() or density.min() < -below * density.max():
        raise ValueError("its density is negative or not finite")
    if sol.saved_current is not None and not np.isfinite(sol.saved_current).all():
        raise ValueError("its current is not finite")


def _read(file: Any) -> Solution:
    attributes, variables = file.attrs, file
    called = _axes(file)
    names = axis_names(called)
    walls = [pair[0] if "periodic" in pair else tuple(pair) for pair in json.loads(attributes["boundary"])]
    grid = Grid.from_edges([variables[f"{name}_edges"][...] for name in names], walls).named(called)
    for axis, name in enumerate(names):
        nodes = variables[name][...]
        if nodes.shape != grid.centers[axis].shape:
            raise ValueError(f"{name} has shape {nodes.shape}")
        if not np.array_equal(nodes, grid.centers[axis]):
            grid = grid.replaced(axis, grid.edges[axis].copy(), nodes)
    times, density = variables["time"][...], variables["density"][...]
    if density.shape != (times.size, *grid.shape):
        raise ValueError(f"the density has shape {density.shape}, the grid {grid.shape}")
    flow = variables["current"][...] if "current" in variables else None
    if flow is not None and flow.shape != (times.size, grid.dim, *grid.shape):
        raise ValueError(f"the current has shape {flow.shape}")
    labels = [as_text(label) for label in variables["observable"][...]] if "observable" in variables else []
    kind, resets = _resets(variables, times.size)
    return kind(
        grid=grid,
        times=times,
        density=density,
        method=as_text(attributes["method"]),
        stats=SolutionStats.of(json.loads(attributes["stats"])),
        success=bool(np.ravel(attributes["success"])[0]),
        message=as_text(attributes["message"]),
        observed={label: variables["observed"][i] for i, label in enumerate(labels)},
        saved_current=flow,
        settings=_settings(file),
        atoms=_atoms(variables, times.size),
        error=_errors(file),
        **resets,
    )


def _resets(variables: Any, n_times: int) -> tuple[type[Solution], dict[str, Any]]:
    """The kind of solution in a file, and what it has of the rates at which mass leaves."""
    if "rate" not in variables:
        return Solution, {}
    names = [as_text(name) for name in variables["way_out"][...]] if "way_out" in variables else []
    rate = variables["rate"][...]
    rates = variables["rates"][...] if names else np.zeros((0, n_times))
    if rate.shape != (n_times,) or rates.shape != (len(names), n_times):
        raise ValueError(f"the rates have shape {rates.shape}")
    if not (np.isfinite(rates).all() and np.isfinite(rate).all() and min(rates.min(initial=0.0), rate.min()) >= 0.0):
        raise ValueError("its rates of leaving are negative or not finite")
    if "delay" not in variables:
        supplied = variables["supplied"][...]
        if supplied.shape != (n_times,) or not supplied.min() >= 0.0:
            raise ValueError("what was supplied is negative or no number")
        return OpenSolution, {"rate": rate, "rates": dict(zip(names, rates, strict=True)), "supplied": supplied}
    delay = variables["delay"][...]
    if n_times != 1 or delay.shape != (1,) or not (rate[0] > 0.0 and 0.0 <= delay[0] < np.inf):
        raise ValueError("its rate of resets is not above 0, or its delay is below 0")
    by_way = dict(zip(names, rates[:, 0].tolist(), strict=True))
    return SavedReset, {"rate": float(rate[0]), "rates": by_way, "delay": float(delay[0])}


def _errors(file: Any) -> Errors:
    if "error" not in file:
        return Errors.unknown()
    return Errors.of_record(json.loads(as_text(file["error"][0])))


def _atoms(variables: Any, n_times: int) -> dict[float, np.ndarray]:
    if "atoms" not in variables:
        return {}
    places, held = variables["atom_position"][...], variables["atoms"][...]
    if held.shape != (places.size, n_times):
        raise ValueError(f"the atoms have shape {held.shape}")
    return dict(zip(places.tolist(), held, strict=True))


def _settings(file: Any) -> dict[str, Any]:
    if "settings" not in file:
        return {}
    kept = json.loads(as_text(file["settings"][0]))
    return {"version": as_text(file.attrs["fokkerplanck_version"]), **kept}
