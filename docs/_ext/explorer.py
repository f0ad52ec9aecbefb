"""The page with sliders on the front page: a run file of the documentation, exported when the site is built."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

RUN_FILE, PAGE = "explorer.toml", "explorer.html"


def write_page(app: Any, failed: Exception | None) -> None:
    """Beside the pages of the site."""
    if failed is not None or app.builder.format != "html":
        return
    from fokkerplanck.workflows.explorer.export import export
    from fokkerplanck.workflows.explorer.state import read_state

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the page says them in its notes
        export(*read_state(Path(app.srcdir) / RUN_FILE), Path(app.outdir) / PAGE)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
