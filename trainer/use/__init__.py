"""What a trained run is used for from Python. Open `metric.py`. Imports all but the benchmarks."""
