"""What can be learned: the contract between a field and everything that trains it.

Open `problem.py` first: whatever subclasses `Problem` is trained by all loops, solvers and devices.
`linearise.py` has the derivatives of its residual, by autodiff where a problem knows no better.
Imports devices, points and statistics; fields such as the metric import it, and so do the
optimisers, which never import a field.
"""
