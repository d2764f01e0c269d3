"""Steps that lower a problem's residual, each written for one device of the mesh.

Open `first_order_step.py` first, then `gauss_newton.py`, which gets its solution from `solvers.py`.
Imports the contract trainer.problem, never a field such as the metric.
"""
