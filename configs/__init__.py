"""One file a manifold: its variety, a network and how long to train, with what was measured."""
