"""What needs points but no metric: the cache filled, and the geometry of the moduli space.

Open weil_petersson.py first: the Weil-Petersson metric and the Yukawa coupling along a deformation;
measure.py takes as many points as these need, sample.py is what the command line calls. Of the
trainer only harmonic, use and benchmarks may import it, and launch.
"""
