"""Line bundles O(k_1, .., k_m) with Hermitian Yang-Mills metrics.

Open `topology.py` first: what is exact, slopes, indices and the anomaly of sums.
"""
