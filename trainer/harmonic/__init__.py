"""Harmonic forms of a trained metric.

Open kaehler.py first: the (1, 1) forms dg/dt_i; solve.py finds them for a run and keeps them beside
it, measure.py compares their inner products with exact ones, write.py is what the command line
calls.
"""
