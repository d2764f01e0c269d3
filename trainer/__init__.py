"""The machine: geometry, sampling, curvature, losses, optimisers and the training loop."""
