"""Stationary masses of a rate matrix that `fokkerplanck.storage.petsc` has written, by PETSc on any number of processes.

    mpiexec -n 4 python3 petsc_stationary.py q.petsc masses.petsc

Solver and preconditioner are those of the command line, such as -ksp_type preonly -pc_type lu -pc_factor_mat_solver_type mumps.
"""

import sys

import petsc4py

petsc4py.init(sys.argv[3:])
from petsc4py import PETSc  # noqa: E402

source, target = sys.argv[1:3]
a = PETSc.Mat().load(PETSc.Viewer().createBinary(source, "r"))  # Q, in slabs of rows, one for each process
a.scale(-1.0)  # an M-matrix
masses, right = a.createVecs()
first, last = right.getOwnershipRange()
cell = a.getSize()[0] // 2
a.zeroRows([cell] if first <= cell < last else [], diag=1.0)  # Q P = 0 but for one cell, whose mass is 1 for now
if first <= cell < last:
    right[cell] = 1.0
right.assemble()

options = PETSc.Options()
if not options.hasName("pc_gamg_agg_nsmooths"):
    options.setValue("pc_gamg_agg_nsmooths", 0)  # smoothed aggregates are for symmetric matrices
solver = PETSc.KSP().create()
solver.setOperators(a)
solver.setType("bcgs")
solver.getPC().setType("gamg")
solver.setTolerances(rtol=1e-12, max_it=2000)
solver.setFromOptions()
solver.solve(right, masses)
PETSc.Sys.Print(f"{solver.getIterationNumber()} iterations, residual {solver.getResidualNorm():.1e}")
if solver.getConvergedReason() < 0:
    sys.exit(f"no convergence (reason {solver.getConvergedReason()}): try another -ksp_type or -pc_type")
masses.scale(1.0 / masses.sum())
masses.view(PETSc.Viewer().createBinary(target, "w"))
