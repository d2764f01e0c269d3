"""What a trained run is used for from Python: its metric, potential, charts, points, curvature.

Open `run.py` first. Imports every room but the benchmarks.
"""
