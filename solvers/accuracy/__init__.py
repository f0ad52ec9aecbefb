"""How accurate an answer is: the same question on coarser grids, what the answers differ by, and what follows from that."""
