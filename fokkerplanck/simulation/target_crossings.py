"""Targets that lie between the ends of a step of a path: looked for along the segment that joins them.

A target thinner than a step would be stepped over. On some of the paths many places of each step are tried; where a path is
seen to pass, the chords that the target cuts out of such steps say how many places all paths need, and they set out again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..errors import ResolutionWarning, warn

WATCHED, TRIED = 256, 32  # paths of each step, and places along it, that are looked at for steps over the target
MOST_PLACES, ON_CHORD = 256, 4  # places along a step, and how many of them the middle chord should hold
HALVINGS, MOST_CHORDS = 20, 1000
LOOKED_OVER = 2**21  # places on the line over which paths have gone
AT_ONCE = 2**18  # places that are read in one call


@dataclass
class Steps:
    """Steps of n paths, and which places along them lie in the target.

    start, end : ndarray (dim, n)
    read : callable
        (places (dim, m), paths (m,)) -> places as they are shown, folded at walls, and whether they are in the target.
    """

    start: np.ndarray
    end: np.ndarray
    read: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

    def at(self, fractions: np.ndarray, paths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places (dim, k * n) at k fractions of the steps of n paths, and whether they are in the target (k, n)."""
        start, end = self.start[:, None, paths], self.end[:, None, paths]
        places = (start + fractions[:, None] * (end - start)).reshape(len(start), -1)
        shown, found = self.read(places, np.tile(paths, fractions.size))
        return shown, found.reshape(fractions.size, -1)

    def inside(self, fractions: np.ndarray, paths: np.ndarray) -> np.ndarray:
        """Whether places at k fractions of the steps of n paths are in the target, (k, n)."""
        return self.at(fractions, paths)[1]


@dataclass
class Watch:
    """The chords of steps over the target, as shares of the step, that have been seen on some of the paths."""

    chords: list[float] = field(default_factory=list)
    turn: int = 0
    step: float = 0.0  # the median length of a step, the last that was looked at

    def look(self, paths: np.ndarray, steps: Steps) -> None:
        """Look at some of the steps, all with both ends outside of the target."""
        few = paths if paths.size <= WATCHED else paths[(self.turn + np.arange(WATCHED)) % paths.size]
        self.turn += WATCHED
        if not few.size or len(self.chords) > MOST_CHORDS:
            return
        self.step = float(np.median(np.linalg.norm((steps.end - steps.start)[:, few], axis=0)))
        fractions = _middles(TRIED)
        hit = steps.inside(fractions, few)
        met = np.flatnonzero(hit.any(axis=0))
        for k in met:
            self.chords.append(_chord(fractions[np.flatnonzero(hit[:, k])], few[k : k + 1], steps))

    def compare(self, inside: Callable[[np.ndarray], np.ndarray], tracks: np.ndarray) -> None:
        """On a line: note the parts of the target that paths have passed though none of the places looked at lay in them.

        inside : (m,) -> whether places are in the target
        tracks : ndarray (n_times, n_paths)
            Where paths that have not arrived were at some times. One that was on both sides of a part has passed it.
        """
        tracks = tracks[:, np.isfinite(tracks).all(axis=0)]
        if self.chords or not self.step > 0.0 or not tracks.size:
            return
        places = np.linspace(tracks.min(), tracks.max(), LOOKED_OVER)
        change = np.diff(np.concatenate([[False], inside(places), [False]]).astype(int))
        lows, highs = tracks.min(axis=0), tracks.max(axis=0)
        for first, after in zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True):
            if len(self.chords) > MOST_CHORDS:
                break
            if ((lows < places[first]) & (highs > places[after - 1])).any():
                self.chords.append((after - first) * float(places[1] - places[0]) / self.step)


def _middles(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def _chord(inner: np.ndarray, path: np.ndarray, steps: Steps) -> float:
    """The length of the part of a step in the target, around the first of the places known to be there, by bisection."""
    gap = 1.0 / TRIED
    first = inner[: 1 + int(np.argmin(np.append(np.diff(inner) < 1.5 * gap, False)))]  # those that follow each other
    ends = []
    for within, sign in ((first[0], -1.0), (first[-1], 1.0)):
        reach, low, high = within, 0.0, gap
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if steps.inside(np.array([reach + sign * middle]), path)[0, 0] else (low, middle)
        ends.append(reach + sign * high)
    return float(ends[1] - ends[0])


def first_meeting(paths: np.ndarray, count: int, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """Which paths meet the target along their steps, as numbers into `paths`, and at which fraction first.

    Parameters
    ----------
    paths : ndarray of int (n,)
    count : int
        Places along a step.
    steps : Steps
    """
    fractions, first = _middles(count), np.full(paths.size, np.nan)
    for part in np.array_split(fractions, min(count, -(-count * paths.size // AT_ONCE))):
        left = np.flatnonzero(np.isnan(first))
        if not left.size:
            break
        hit = steps.inside(part, paths[left])
        met = hit.any(axis=0)
        first[left[met]] = part[hit[:, met].argmax(axis=0)]
    meeting = np.flatnonzero(~np.isnan(first))
    return meeting, first[meeting]


def places_along_steps(watch: Watch, dt: float) -> int:
    """Places along each step at which a target has to be looked for, as some paths were seen to step over it."""
    if not watch.chords:
        return 0
    wanted = math.ceil(ON_CHORD / float(np.median(watch.chords)))
    if wanted > MOST_PLACES:
        text = (
            f"paths pass the target on {ON_CHORD / wanted:.2g} of a step, and some still step over it. "
            f"Take dt at most {dt * (MOST_PLACES / wanted) ** 2:.1g}, or a thicker target."
        )
        warn(text, ResolutionWarning)
    return min(wanted, MOST_PLACES)
