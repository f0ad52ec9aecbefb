"""From an equation and a grid to the rate matrix Q: finite volumes, tensors, Levy rates."""
