"""`python -m validation.benchmarks`: this package and its peers on the same work, in one run.

Every peer is used as its own documentation recommends and runs in a process of its own, held to one thread. Its first
call is timed from the start of that process; the figures beside are medians of the calls that follow. Peers are charged
for the propagation alone, with their matrices built and their code compiled; ours is charged for the whole `fp.solve`,
and shown with its generator in hand as well. Errors are against references that none of the programs has a part in, see
`cases.py`. A peer that is not installed is skipped with a line. PyDDM is left out: it answers passage times in 1D only.
"""
