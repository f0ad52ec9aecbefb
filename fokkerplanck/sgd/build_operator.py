"""How a transfer operator of SGD is made: every cell pushed through the update maps of the batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import did_you_mean, whole
from ..errors import bad_type, bad_value
from ..model.grid import Grid
from ..results.first_passage import FirstPassage
from ..results.stationary import Stationary
from ..results.tolerance import to_tolerance
from ..solvers.linear import markov_chain as _transfer
from .batch_sampling import groups
from .grid_effects import growth_beyond, spread_of_columns
from .minibatches import Batches, chosen_batches
from .scheduled_operator import ScheduledOperator
from .transfer_operator import TransferOperator
from .update_maps import batch_maps, mean_map, step_noise

if TYPE_CHECKING:
    from .algorithm import SGD

MODELS = ("exact", "gaussian-chain")
KINDS = ("auto", "enumerated", "kernel", "sampled")


def transfer_operator(
    sgd: SGD, grid: Any, model: str, *, kind: str, n_batches: int, seed: int, tol: Any = None
) -> TransferOperator:
    """See `fokkerplanck.sgd.SGD.transfer_operator`."""
    if tol is not None:
        if sgd.schedule is not None:
            then = "The operator changes from step to step: give `evolve` the tol."
            raise bad_value("tol", "None for SGD with a schedule", tol, then)
        make = partial(transfer_operator, sgd, model=model, kind=kind, n_batches=n_batches, seed=seed)
        return _with_tolerance(make, grid, tol)
    _check(sgd, grid, model, kind, n_batches, seed)
    grid = grid.named(sgd.coordinates)
    again = partial(transfer_operator, sgd, model=model, kind=kind, n_batches=n_batches, seed=seed)
    batches, kind = chosen_batches(sgd, model, kind, n_batches, seed)

    def after(first: int) -> TransferOperator:
        return _pushed(sgd, grid, model, batches, kind, first, seed)

    operator = replace(after(0), again=again)
    if sgd.schedule is None:
        return operator
    shared = {field.name: getattr(operator, field.name) for field in fields(operator)}
    return ScheduledOperator(**shared, sgd=sgd, after=after)


def _pushed(
    sgd: SGD, grid: Grid, model: str, batches: Batches | None, kind: str, first: int, seed: int
) -> TransferOperator:
    """The operator of the step, or epoch, after so many steps."""
    maps: Callable
    parts: list[_transfer.Transfer] = []
    now = sgd.at(first)
    if batches is None:
        maps, weights, steps = mean_map(now), np.ones(1), 1
        result = _transfer.transfer(grid, maps, weights, step_noise(now))
    else:
        maps, weights, steps = batch_maps(sgd, batches, first), batches.weights, batches.steps
        parts, shares = _transfers(sgd, grid, batches, first)
        result = _transfer.mixture(parts, shares) if len(parts) > 1 else parts[0]
    centers = np.stack([x.ravel() for x in np.meshgrid(*grid.centers, indexing="ij")])
    smearing = np.stack([spread_of_columns(result.matrix, x) for x in centers]) - result.noise - result.stretch
    shape = (grid.dim, *grid.shape)
    return TransferOperator(
        grid, result.matrix, kind, model, steps, len(weights), result.clamped.reshape(grid.shape),
        result.noise.reshape(shape), smearing.reshape(shape), growth_beyond(grid, result.clamped, maps, weights),
        {"process": repr(sgd), "seed": seed}, tuple(part.matrix for part in parts) if len(parts) > 1 else (),
    )  # fmt: skip


def _with_tolerance(make: Callable[[Grid], TransferOperator], grid: Any, tol: Any) -> TransferOperator:
    """The operator on the first grid on which its stationary density, or passage to the walls, is as good as that."""
    made: list[TransferOperator] = []

    def ask(there: Grid) -> Stationary | FirstPassage:
        made[:] = [make(there)]
        return made[0].first_passage() if there.absorbs else made[0].stationary()

    to_tolerance(ask, grid, tol)
    return made[0]


def _transfers(sgd: SGD, grid: Grid, batches: Batches, first: int) -> tuple[list[_transfer.Transfer], np.ndarray]:
    """The transfers of groups of sampled batches, or of all where there are no groups, and their shares."""
    rows = groups(len(batches.draws)) if batches.kind == "sampled" else []
    noise = step_noise(sgd.at(first), batches=False) if sgd.langevin_temperature else None
    if not rows:
        return [_transfer.transfer(grid, batch_maps(sgd, batches, first), batches.weights, noise)], np.ones(1)
    some = [Batches([batches.draws[i] for i in r], np.full(r.size, 1.0 / r.size), batches.kind) for r in rows]
    shares = np.array([r.size for r in rows]) / len(batches.draws)
    parts = [_transfer.transfer(grid, batch_maps(sgd, group, first), group.weights, noise) for group in some]
    return parts, shares


def _check(sgd: SGD, grid: Any, model: Any, kind: Any, n_batches: Any, seed: Any) -> None:
    if not isinstance(grid, Grid):
        raise bad_type("grid", "a Grid", grid, "Make one with fp.Grid((low, high), cells).")
    dim = sgd.loss.dim * (2 if sgd.momentum else 1)
    if grid.dim != dim:
        what = "parameters and velocities" if sgd.momentum else "parameters"
        raise bad_value("grid", f"of {dim} axes, one for each of the {what}", f"{grid.dim}")
    for name, word, words in (("model", model, MODELS), ("kind", kind, KINDS)):
        if not isinstance(word, str) or word not in words:
            then = did_you_mean(str(word), words, cutoff=0.4)
            raise bad_value(name, f"one of {', '.join(map(repr, words))}", word, then)
    for name, value, least in (("n_batches", n_batches, 1), ("seed", seed, 0)):
        whole(name, value, least, 2**40)
    if sgd.shuffle and (model == "gaussian-chain" or kind == "kernel"):
        then = "Noise that sums to zero over an epoch is not a sequence of independent normal draws."
        raise bad_value(
            "kind", "'auto', 'enumerated' or 'sampled', model 'exact', with shuffling", f"{kind}, {model}", then
        )
    if sgd.shuffle and sgd.langevin_temperature:
        then = "What is added within an epoch is moved by its later steps: use sgd.simulate."
        raise bad_value("langevin_temperature", "0 for operators with shuffling", sgd.langevin_temperature, then)
