"""Curvature of Kaehler metrics from the derivatives of their potential.

Open tensors.py first: connection, Riemann, Ricci and scalar curvature of the rows of a jet;
potential.py makes these rows at points of a variety, for networks with jets and without. It imports
geometry and networks, and every room from metric on may import it.
"""
