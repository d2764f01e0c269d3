"""The first field that is learned: a Ricci-flat Kaehler metric.

Open `problem.py`, what training knows of it; `ansatz.py` makes g of a network, `losses.py` says
what is to vanish, `measures.py` what is measured. Imports the rooms below it and networks/;
optimisers and loops do not import it.
"""
