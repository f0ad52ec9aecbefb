"""On disk: netCDF, CSV columns, tables, checkpoints; whole files or none."""
