"""The devices: their mesh, every collective, and batches cut to what their memory holds.

Open parallel.py first: how a step is written for one device and compiled for all of them;
microbatch.py is for functions of a batch, compiling.py says how hard XLA tries, meter.py how fast
steps are. It knows no variety and imports errors alone; every room from sampling on may import it.
"""
