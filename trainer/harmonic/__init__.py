"""Harmonic forms of a trained metric.

Open kaehler.py first: the (1, 1) forms dg/dt_i; solve.py finds them for a run and keeps them beside
it, measure.py compares their inner products with exact ones. lift.py has the forms of H^1(T) that
deformations of the polynomials make, deformations.py their harmonic representatives with the
Weil-Petersson metric and the Yukawa couplings. write.py is what the command line calls.
"""
