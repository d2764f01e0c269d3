"""Line bundles O(k_1, .., k_m) with Hermitian Yang-Mills metrics.

Open `topology.py` first: what is exact, slopes, indices and the anomaly of sums;
line_bundles.py makes the metrics of harmonic (1, 1) forms, write.py is what the command line calls.
"""
