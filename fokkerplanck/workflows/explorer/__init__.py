"""The explorer: a run file with sliders, on a local page or as a page of its own that needs no program behind it."""
