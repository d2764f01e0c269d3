"""Points on a variety: random slices, all their solutions, exact weights, cached datasets."""
