"""Points on a variety: random slices, all their solutions, exact weights, cached datasets.

Open sampler.py first, which makes points block by block, then weights.py; datasets.py keeps them on
disk and statistics.py turns them into estimates. It imports geometry and what comes before it, no
metric and no training; every room from points on may import it.
"""
