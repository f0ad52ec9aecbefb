"""One module a program: LABEL, PACKAGE, and prepare(case, n, **options) -> run.

`prepare` is everything that serves any initial density and time (matrix, compiled stepper); `run()` returns the density
at t = 1 as an array of the grid's shape. For ours `prepare` only makes the closure, and `run` is the whole `fp.solve`.
"""
