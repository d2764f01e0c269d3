"""Line bundles O(k_1, .., k_m) with Hermitian Yang-Mills metrics, and their harmonic forms.

Open `topology.py` first: what is exact, slopes, indices and the anomaly of sums;
line_bundles.py makes the metrics of harmonic (1, 1) forms, write.py is what the command line calls.
cohomology.py has the classes of H^1 as explicit (0, 1)-forms, forms.py their values, matter.py the
harmonic forms of these classes, yukawa.py the couplings of three bundles.
"""
