"""What comes back: solutions, stationary densities, passages, spectra, ensembles, and their figures."""
