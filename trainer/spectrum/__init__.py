"""The spectrum of the scalar Laplacian of a trained metric.

Open ritz.py first: eigenfunctions among the functions f_AB of a degree; iterate.py finds them
without matrices where they are many, with ambient.py's preconditioner. blocks.py takes means over
symmetries, levels.py finds multiplets and their errors, measure.py puts all together, plan.py says
what fits and how long it takes, write.py is what the command line calls.
"""
