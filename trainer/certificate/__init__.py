"""The certificate of a trained run: what was measured, as JSON, as a page, as pictures.

Open `certify.py`, which makes all of it. Imports what is below it, among it what a run is, and no
loop.
"""
