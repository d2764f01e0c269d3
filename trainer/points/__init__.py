"""Points on the devices: what is kept of each, datasets spread over a mesh, batches for every step.

Open `batch.py` first, then `dataset.py`. Knows varieties, samplers and devices; knows nothing of
what is learned on the points.
"""
