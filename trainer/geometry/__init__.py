"""Complete intersections in products of projective spaces: what can be said of one, and computed.

Polynomials, varieties, local coordinates, Fubini-Study metrics, sections, topology, and how a
config describes all that. Open variety.py first; conventions are also in polynomials.py and
patches.py. It knows of nothing but errors, and every room of the trainer may import it.
"""
