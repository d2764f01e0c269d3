"""Complete intersections in products of projective spaces; conventions are in polynomials.py,
variety.py and patches.py."""
