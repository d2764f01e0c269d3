"""Training: a run from beginning to end, phase by phase, and the loop of each kind of phase.

Open `train.py`, which reads top to bottom; then `first_order.py` and `gauss_newton.py`. Imports all
below; knows of what is learned only the contract trainer.problem.
"""
