"""Haiku networks that run on points and on complex jets. Importing them registers their names."""

from networks import (
  algebraic,  # noqa: F401
  curvature_mlp,  # noqa: F401
  invariant,  # noqa: F401
  low_rank,  # noqa: F401
  monomial_mlp,  # noqa: F401
  phi,  # noqa: F401
)
