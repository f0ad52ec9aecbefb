"""What is asked about: grids, equations with their coefficients, Levy noise, initial densities."""
