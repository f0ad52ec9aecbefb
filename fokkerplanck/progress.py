"""How far a long loop has come: lines of the log, every few seconds, and none of what takes less."""

from __future__ import annotations

import logging
import time

EVERY = 2.0  # seconds


class Pace:
    """Callable in a loop: says at INFO which share of it is done, at most once in `EVERY` seconds.

    Parameters
    ----------
    module : str
        The `__name__` of the module, under which it logs.
    what : str
        What is computed.
    """

    def __init__(self, module: str, what: str):
        self.logger, self.what = logging.getLogger(module), what
        self.said = time.monotonic()

    def __call__(self, share: float, more: str = "") -> None:
        """The share of the work that is done, in [0, 1], and what else is known."""
        now = time.monotonic()
        if now - self.said < EVERY:
            return
        self.said = now
        self.logger.info("%s: %.0f %% done%s", self.what, 100.0 * share, f", {more}" if more else "")
