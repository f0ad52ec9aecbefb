"""Slowest relaxation rates of a rate matrix that `fokkerplanck.storage.petsc` has written, by SLEPc on any number of processes.

    mpiexec -n 4 python3 slepc_spectrum.py q.petsc rates.petsc 5 0.1

Five rates, the 0 of the stationary state among them, of a process that forgets its start at a rate near 0.1: the nearer, the
fewer iterations. Solvers are those of the command line, such as -st_ksp_type preonly -st_pc_type lu
-st_pc_factor_mat_solver_type mumps.
"""

import sys

import slepc4py

slepc4py.init(sys.argv[5:])
from petsc4py import PETSc  # noqa: E402
from slepc4py import SLEPc  # noqa: E402

source, target, count, near = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
a = PETSc.Mat().load(PETSc.Viewer().createBinary(source, "r"))  # Q, in slabs of rows, one for each process
a.scale(-1.0)  # eigenvalues 0, then rates: those next to -near < 0, where a + near is an M-matrix that can be inverted

options = PETSc.Options()
if not options.hasName("st_pc_gamg_agg_nsmooths"):
    options.setValue("st_pc_gamg_agg_nsmooths", 0)  # smoothed aggregates are for symmetric matrices
solver = SLEPc.EPS().create()
solver.setOperators(a)
solver.setProblemType(SLEPc.EPS.ProblemType.NHEP)
solver.setDimensions(count)
solver.setTarget(-near)
solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
solver.setTolerances(1e-9, 500)
transform = solver.getST()
transform.setType("sinvert")
inner = transform.getKSP()
inner.setType("bcgs")
inner.getPC().setType("gamg")
inner.setTolerances(rtol=1e-12, max_it=2000)
solver.setFromOptions()
solver.solve()
if solver.getConverged() < count:
    sys.exit(f"{solver.getConverged()} of {count} rates converged: try another rate to look near, or fewer")
rates = [solver.getEigenvalue(k) for k in range(count)]
PETSc.Sys.Print(*(f"{r.real:.10g} {r.imag:+.10g}i" for r in rates), sep="\n")
found = PETSc.Vec().createMPI(2 * count)  # real parts, then imaginary parts
first, last = found.getOwnershipRange()
parts = [r.real for r in rates] + [r.imag for r in rates]
for k in range(first, last):
    found[k] = parts[k]
found.assemble()
found.view(PETSc.Viewer().createBinary(target, "w"))
