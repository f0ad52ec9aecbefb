"""Pictures of the gallery: what a script has written to disk, since scripts save figures and show none."""

from __future__ import annotations

import builtins
import shutil
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst


def written(block: Any, variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Move the PNG files beside a script to where the gallery wants them, and return the text that shows them."""
    shown = []
    for picture in sorted(Path(variables["src_file"]).parent.rglob("*.png")):
        shown.append(next(variables["image_path_iterator"]))
        shutil.move(picture, shown[-1])
    return figure_rst(shown, settings["src_dir"]) if shown else ""


def name_the_script(settings: dict[str, Any], script: str) -> None:
    """Let a script find the data beside it: sphinx-gallery runs scripts without a `__file__`."""
    builtins.__file__ = script  # type: ignore[attr-defined]
