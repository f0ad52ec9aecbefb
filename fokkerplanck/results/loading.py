"""Results read back from netCDF files, bit by bit as they were."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import file_name
from ..errors import bad_value
from ..model.grid import Grid
from ..storage.netcdf import AXES, as_text, attributes_of, check_mark, checksum, damaged, variables_of
from .solution import Solution

if TYPE_CHECKING:
    pass


def load(path: str | os.PathLike) -> Solution:
    """Read a solution that `Solution.save` wrote, bit by bit as it was.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Solution
        With `generator` None; `current` works if it was saved.

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
            check_mark(file.attrs, str(name))
            sol = _read(file)
            variables = variables_of(sol, current=sol.saved_current is not None)
            if as_text(file.attrs["checksum"]) != checksum(variables, attributes_of(sol)):
                raise ValueError("the checksum does not match the contents")
            return sol
    except ValueError as error:
        if str(error).startswith("`path`"):
            raise
        raise damaged(str(name), error) from error
    except (OSError, KeyError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        raise damaged(str(name), error) from error


def _read(file: Any) -> Solution:
    attributes, variables = file.attrs, file
    names = [name for name in AXES if f"{name}_edges" in variables]
    walls = [pair[0] if "periodic" in pair else tuple(pair) for pair in json.loads(attributes["boundary"])]
    grid = Grid.from_edges([variables[f"{name}_edges"][...] for name in names], walls)
    times, density = variables["time"][...], variables["density"][...]
    if density.shape != (times.size, *grid.shape):
        raise ValueError(f"the density has shape {density.shape}, the grid {grid.shape}")
    flow = variables["current"][...] if "current" in variables else None
    if flow is not None and flow.shape != (times.size, grid.dim, *grid.shape):
        raise ValueError(f"the current has shape {flow.shape}")
    labels = [as_text(label) for label in variables["observable"][...]] if "observable" in variables else []
    return Solution(
        grid=grid,
        times=times,
        density=density,
        method=as_text(attributes["method"]),
        stats=json.loads(attributes["stats"]),
        success=bool(np.ravel(attributes["success"])[0]),
        message=as_text(attributes["message"]),
        observed={label: variables["observed"][i] for i, label in enumerate(labels)},
        saved_current=flow,
        settings=_settings(file),
    )


def _settings(file: Any) -> dict[str, Any]:
    if "settings" not in file:
        return {}
    kept = json.loads(as_text(file["settings"][0]))
    return {"version": as_text(file.attrs["fokkerplanck_version"]), **kept}
