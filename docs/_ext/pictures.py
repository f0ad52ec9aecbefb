"""Pictures of the gallery: what a script has written to disk, since scripts save figures and show none."""

from __future__ import annotations

import builtins
import shutil
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst


class WrittenPictures:
    """A scraper for sphinx-gallery that collects the PNG files which appeared beside a script while it ran."""

    def __init__(self) -> None:
        self.seen: set[Path] = set()

    def __repr__(self) -> str:
        """Constant, as sphinx keeps settings to see whether they changed."""
        return "WrittenPictures()"

    def __call__(self, block: Any, variables: dict[str, Any], settings: dict[str, Any]) -> str:
        """Move new pictures to where the gallery wants them, and return the text that shows them."""
        written = sorted(set(Path(variables["src_file"]).parent.rglob("*.png")) - self.seen)
        shown = []
        for picture in written:
            self.seen.add(picture)
            target = next(variables["image_path_iterator"])
            shutil.copy(picture, target)
            shown.append(target)
        return figure_rst(shown, settings["src_dir"]) if shown else ""


def name_the_script(settings: dict[str, Any], script: str) -> None:
    """Let a script find the data beside it: sphinx-gallery runs scripts without a `__file__`."""
    builtins.__file__ = script  # type: ignore[attr-defined]
