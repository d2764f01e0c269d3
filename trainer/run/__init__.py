"""What a run is and what it leaves behind: config, phases, identity, checkpoints, rows of metrics.

Open `config.py` for the fields of a config, `run.py` for what is built of one. Imports what is
below it, fields and optimisers, whose settings it checks; knows no loop.
"""
